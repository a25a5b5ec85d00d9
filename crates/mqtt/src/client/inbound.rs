//! What the server's packets mean for the session.

use super::arena::{At, Entry, Kind, State};
use super::operations::{Ticket, decode};
use super::reader::Skipped;
use super::session::{Link, Ping, Session, Suspect};
use super::{Millis, Negotiated, SessionError};
use crate::{
    Ack, ConnAck, Frame, Packet, PacketId, PacketType, Properties, Property, Publish, QoS,
    ReasonCode, SubAck, Version,
};

/// How long after a PUBLISH with QoS 0 a silent close is taken for an answer to it, in milliseconds.
const SUSPICION: u64 = 5_000;

/// Silent closes in a row after which an operation is set aside.
const STRIKES: u8 = 3;

/// What a packet from the server brought.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// CONNACK: the connection is up.
    Connected {
        /// What holds on it.
        negotiated: Negotiated,
        /// MQTT 5: the client identifier the server chose for an empty one (`B-12`).
        assigned_client_id: Option<&'a str>,
    },
    /// A message. With QoS 1 the caller owes an [`Session::acknowledge`].
    Message(Message<'a>),
    /// PUBACK: a PUBLISH is done.
    Published {
        /// The PUBLISH.
        ticket: Ticket,
        /// A failure means that the server did not take it.
        reason: ReasonCode,
    },
    /// SUBACK.
    Subscribed {
        /// The SUBSCRIBE.
        ticket: Ticket,
        /// One byte a filter; 0x80 and above are refusals.
        reason_codes: &'a [u8],
    },
    /// UNSUBACK.
    Unsubscribed {
        /// The UNSUBSCRIBE.
        ticket: Ticket,
        /// One byte a filter in MQTT 5, empty in 3.1.1.
        reason_codes: &'a [u8],
    },
    /// PINGRESP, or an acknowledgement for nothing that was waiting.
    Nothing,
}

/// A received PUBLISH.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Message<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// Application message.
    pub payload: &'a [u8],
    /// Quality of service it was sent with.
    pub qos: QoS,
    /// Set when it comes because of a new subscription (`B-63`).
    pub retain: bool,
    /// Set when the server may have sent it before.
    pub dup: bool,
    /// Present with QoS 1: what to give to [`Session::acknowledge`].
    pub packet_id: Option<PacketId>,
    /// MQTT 5 properties.
    pub properties: Properties<'a>,
}

/// What the server was asked and did not answer: when it closes the connection without
/// a word, as AWS does for what a policy denies in MQTT 3.1.1 (`B-52` to `B-54`), this is the likely reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unheard<'a> {
    /// CONNECT.
    Connect,
    /// A SUBSCRIBE; its first filter.
    Subscribe(&'a str),
    /// A PUBLISH with QoS 1; its topic.
    Publish(&'a str),
    /// A PUBLISH with QoS 0, which is never answered.
    PublishQos0,
}

impl Session<'_> {
    /// Whether [`receive`](Self::receive) may be called: acknowledgements that wait have priority.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.acks.is_full()
    }

    /// Takes one frame.
    ///
    /// # Errors
    /// [`SessionError`]: tell it to [`abort`](Self::abort), then close.
    pub fn receive<'f>(
        &mut self,
        now: Millis,
        frame: &Frame<'f>,
    ) -> Result<Event<'f>, SessionError> {
        let packet = Packet::decode(self.options.version, frame)?;
        self.last_received = now;
        match (self.link, packet) {
            (
                Link::Opening {
                    connect_sent: true, ..
                },
                Packet::ConnAck(connack),
            ) => self.connack(connack),
            (Link::Opening { .. }, _) => Err(SessionError::Protocol("CONNACK must come first")),
            (Link::Up | Link::Closing { .. } | Link::Closed, packet) => self.live(packet),
            (Link::Down, _) => Err(SessionError::Protocol("a packet without a connection")),
        }
    }

    /// Says that the application has taken the message with this identifier, or why it will not.
    /// The reason travels in MQTT 5 only.
    pub fn acknowledge(&mut self, packet_id: PacketId, reason: ReasonCode) {
        let reason = match self.options.version {
            Version::V311 => ReasonCode::SUCCESS,
            Version::V5 => reason,
        };
        // Never full when the driver heeds `is_ready`; a lost PUBACK only means that the message comes again.
        let _ = self.acks.push((packet_id, reason));
    }

    /// Takes a packet that was longer than the receive buffer. A PUBLISH is acknowledged, so that
    /// the server does not send it for ever.
    ///
    /// # Errors
    /// Only a PUBLISH can be left out; without any other packet the session cannot go on.
    pub fn skipped(&mut self, now: Millis, skipped: &Skipped<'_>) -> Result<(), SessionError> {
        self.last_received = now;
        self.counters.skipped = self.counters.skipped.saturating_add(1);
        if skipped.packet_type != PacketType::Publish || self.link == Link::Down {
            return Err(SessionError::Protocol(
                "a packet longer than the receive buffer",
            ));
        }
        if let Some(packet_id) = skipped.packet_id {
            self.acknowledge(packet_id, ReasonCode::QUOTA_EXCEEDED);
        }
        Ok(())
    }

    /// The oldest question that the server has not answered, if there is one: servers read in order, so
    /// it is this one that a silent close follows. A PUBLISH with QoS 0 is never answered; it is under
    /// suspicion for five seconds.
    #[must_use]
    pub fn unheard(&self, now: Millis) -> Option<Unheard<'_>> {
        if matches!(self.link, Link::Opening { .. }) {
            return Some(Unheard::Connect);
        }
        let Some((at, entry)) = self.oldest_unheard() else {
            let recent = self
                .qos0_sent
                .is_some_and(|sent| now.since(sent) < SUSPICION);
            return recent.then_some(Unheard::PublishQos0);
        };
        match decode(self.options.version, self.arena.packet(at, &entry))? {
            Packet::Publish(publish) => Some(Unheard::Publish(publish.topic)),
            Packet::Subscribe(subscribe) => subscribe
                .filters
                .iter()
                .next()
                .map(|first| Unheard::Subscribe(first.filter)),
            _ => None,
        }
    }

    /// The server closed the live connection without a word. If that was the third time in a row right after
    /// the same PUBLISH or SUBSCRIBE was sent, the operation is set aside: it ends with
    /// [`ReasonCode::NOT_AUTHORIZED`], because that is what a silent close means at AWS (`B-53`,
    /// `B-54`), and is not sent again. Without this one forbidden message would keep the device from ever
    /// staying connected. Answers whether that happened.
    ///
    /// Call it before [`connection_lost`](Self::connection_lost).
    pub fn closed_silently(&mut self, now: Millis) -> bool {
        if !self.is_connected() {
            return false;
        }
        let found = self.oldest_unheard();
        let Some((at, entry)) = found.filter(|(_, entry)| now.since(entry.sent_at) < SUSPICION)
        else {
            self.suspect = None;
            return false;
        };
        let strikes = match self.suspect {
            Some(suspect) if suspect.ticket == entry.ticket => suspect.strikes.saturating_add(1),
            _ => 1,
        };
        self.suspect = Some(Suspect {
            ticket: entry.ticket,
            strikes,
        });
        if strikes < STRIKES {
            return false;
        }
        self.suspect = None;
        self.writing = None;
        self.counters.set_aside = self.counters.set_aside.saturating_add(1);
        self.arena
            .codes_mut(at, &entry)
            .fill(ReasonCode::NOT_AUTHORIZED.0);
        self.complete(at, entry);
        true
    }

    /// The record that has waited longest for its acknowledgement on this connection.
    fn oldest_unheard(&self) -> Option<(At, Entry)> {
        let mut oldest: Option<(At, Entry)> = None;
        let mut at = self.arena.first();
        while let Some(entry) = self.arena.entry(at) {
            let waits = entry.state == State::Sent;
            if waits && oldest.is_none_or(|(_, other)| entry.sent_at < other.sent_at) {
                oldest = Some((at, entry));
            }
            at = self.arena.after(at, &entry);
        }
        oldest
    }

    fn connack<'f>(&mut self, connack: ConnAck<'f>) -> Result<Event<'f>, SessionError> {
        if connack.reason_code != ReasonCode::SUCCESS {
            return Err(SessionError::Refused(connack.reason_code));
        }
        let mut negotiated = Negotiated::new(&self.options, connack.session_present);
        if self.options.clean_start && connack.session_present {
            return Err(SessionError::Protocol(
                "session present although a clean start was asked for",
            ));
        }
        negotiated.read(connack.properties);
        self.negotiated = negotiated;
        self.link = Link::Up;
        self.ping = Ping::Idle;
        self.resume(connack.session_present);
        let assigned_client_id = connack.properties.find(|property| match property {
            Property::AssignedClientIdentifier(id) => Some(id),
            _ => None,
        });
        Ok(Event::Connected {
            negotiated,
            assigned_client_id,
        })
    }

    fn live<'f>(&mut self, packet: Packet<'f>) -> Result<Event<'f>, SessionError> {
        match packet {
            Packet::Publish(publish) => self.message(publish),
            Packet::PubAck(ack) => Ok(self.puback(ack)),
            Packet::SubAck(ack) => self.suback(ack),
            Packet::UnsubAck(ack) => self.unsuback(ack),
            Packet::PingResp => {
                if matches!(self.ping, Ping::Sent { .. }) {
                    self.ping = Ping::Idle;
                }
                Ok(Event::Nothing)
            }
            Packet::Disconnect(disconnect) if self.options.version == Version::V5 => {
                Err(SessionError::Disconnected(disconnect.reason_code))
            }
            Packet::ConnAck(_) => Err(SessionError::Protocol("a second CONNACK")),
            _ => Err(SessionError::Protocol("a packet that servers do not send")),
        }
    }

    fn message<'f>(&mut self, publish: Publish<'f>) -> Result<Event<'f>, SessionError> {
        if publish.qos == QoS::ExactlyOnce {
            return Err(SessionError::Protocol(
                "a PUBLISH with QoS 2, which was never granted",
            ));
        }
        let aliased = |property| matches!(property, Property::TopicAlias(_)).then_some(());
        if publish.properties.find(aliased).is_some() {
            // CONNECT said no Topic Alias Maximum, so none is allowed [MQTT-3.3.2-9].
            return Err(SessionError::Protocol(
                "a topic alias, which was never allowed",
            ));
        }
        Ok(Event::Message(Message {
            topic: publish.topic,
            payload: publish.payload,
            qos: publish.qos,
            retain: publish.retain,
            dup: publish.dup,
            packet_id: publish.packet_id,
            properties: publish.properties,
        }))
    }

    /// The record of this kind that waits for the acknowledgement of `packet_id`. One that is being
    /// written again at this moment is not done: the repetition will be acknowledged as well.
    fn awaiting(&mut self, kind: Kind, packet_id: PacketId) -> Option<(At, Entry)> {
        let found = self.arena.find(|entry| {
            entry.packet_id == packet_id.get()
                && entry.kind == kind
                && matches!(entry.state, State::Sent | State::Resend)
                && self
                    .writing
                    .is_none_or(|writing| writing.ticket != entry.ticket)
        });
        if found.is_none() {
            self.counters.unexpected_acks = self.counters.unexpected_acks.saturating_add(1);
        }
        found
    }

    fn puback(&mut self, ack: Ack<'_>) -> Event<'static> {
        let Some((at, entry)) = self.awaiting(Kind::PublishQos1, ack.packet_id) else {
            return Event::Nothing;
        };
        self.measure(at, &entry);
        self.arena.codes_mut(at, &entry).fill(ack.reason_code.0);
        self.complete(at, entry);
        Event::Published {
            ticket: Ticket(entry.ticket),
            reason: ack.reason_code,
        }
    }

    fn suback<'f>(&mut self, ack: SubAck<'f>) -> Result<Event<'f>, SessionError> {
        let Some((at, mut entry)) = self.awaiting(Kind::Subscribe, ack.packet_id) else {
            return Ok(Event::Nothing);
        };
        self.store_codes(at, &entry, ack.reason_codes)?;
        let refused = ack
            .reason_codes
            .iter()
            .all(|code| ReasonCode(*code).is_failure());
        if refused {
            // Asking again at the next connection would not help: the filters are not kept.
            self.complete(at, entry);
        } else {
            entry.state = State::Granted;
            entry.packet_id = 0;
            self.arena.set(at, &entry);
        }
        Ok(Event::Subscribed {
            ticket: Ticket(entry.ticket),
            reason_codes: ack.reason_codes,
        })
    }

    fn unsuback<'f>(&mut self, ack: SubAck<'f>) -> Result<Event<'f>, SessionError> {
        let Some((at, entry)) = self.awaiting(Kind::Unsubscribe, ack.packet_id) else {
            return Ok(Event::Nothing);
        };
        match self.options.version {
            Version::V311 => self.arena.codes_mut(at, &entry).fill(ReasonCode::SUCCESS.0),
            Version::V5 => self.store_codes(at, &entry, ack.reason_codes)?,
        }
        self.complete(at, entry);
        Ok(Event::Unsubscribed {
            ticket: Ticket(entry.ticket),
            reason_codes: ack.reason_codes,
        })
    }

    fn store_codes(&mut self, at: At, entry: &Entry, codes: &[u8]) -> Result<(), SessionError> {
        let places = self.arena.codes_mut(at, entry);
        if places.len() != codes.len() {
            return Err(SessionError::Protocol(
                "not one reason code for each topic filter",
            ));
        }
        places.copy_from_slice(codes);
        Ok(())
    }
}
