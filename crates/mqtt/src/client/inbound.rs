//! What the server's packets mean for the session.

use super::acks::Owed;
use super::arena::At;
use super::operations::Ticket;
use super::reader::Skipped;
use super::record::{Entry, Kind, State};
use super::session::{Link, Ping, Session};
use super::{Millis, Negotiated, SessionError};
use crate::fault::Fault;
use crate::wire::Reader;
use crate::{Frame, PacketId, PacketType, Properties, Publish, QoS, ReasonCode, decode, topic};

/// An alias that CONNECT did not allow.
pub(super) const ABOVE_THE_MAXIMUM: Fault =
    Fault::rule("a topic alias above the maximum").of_topic_alias();

/// Nobody asked for it: without the feature `qos2` a SUBSCRIBE cannot.
const QOS_2: Fault = Fault::rule("a PUBLISH with QoS 2, which was never granted");

/// First byte of the packet (2.1.2).
const PUBACK: u8 = 0x40;

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
    /// A message. With QoS 1 and 2 the caller owes an [`Session::acknowledge`].
    Message(Message<'a>),
    /// PUBACK (with QoS 2: PUBCOMP, or a PUBREC that refuses): a PUBLISH is done.
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
    /// Present with QoS 1 and 2: what to give to [`Session::acknowledge`].
    pub packet_id: Option<PacketId>,
    /// MQTT 5 properties.
    pub properties: Properties<'a>,
}

/// The table of aliases, for servers that may use some.
#[cfg(feature = "v5")]
type Lent<'f, 'm> = Option<&'f mut super::TopicAliases<'m>>;
#[cfg(not(feature = "v5"))]
type Lent<'f, 'm> = Option<&'f &'m ()>;

/// What a PUBLISH with this alias is about. A value and no function of the caller's, so that there is one copy of everything here.
fn resolve<'f>(aliases: Lent<'f, '_>, alias: u16, topic: &'f str) -> Result<&'f str, SessionError> {
    match aliases {
        #[cfg(feature = "v5")]
        Some(aliases) => aliases.resolve(alias, topic),
        // CONNECT said no Topic Alias Maximum, so none is allowed [MQTT-3.3.2-9].
        _ => {
            let _ = (alias, topic);
            Err(SessionError::Protocol(ABOVE_THE_MAXIMUM))
        }
    }
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
        self.take(now, frame, None)
    }

    /// Takes one frame of a server that may use topic aliases (MQTT 5); a message may borrow its topic from
    /// `aliases`. They are forgotten with every CONNACK.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    #[cfg(feature = "v5")]
    pub fn receive_with<'f>(
        &mut self,
        now: Millis,
        frame: &Frame<'f>,
        aliases: &'f mut super::TopicAliases<'_>,
    ) -> Result<Event<'f>, SessionError> {
        if frame.header.packet_type == PacketType::ConnAck {
            aliases.clear();
        }
        self.take(now, frame, Some(aliases))
    }

    fn take<'f>(
        &mut self,
        now: Millis,
        frame: &Frame<'f>,
        aliases: Lent<'f, '_>,
    ) -> Result<Event<'f>, SessionError> {
        let mut reader = Reader::new(frame.body);
        self.last_received = now;
        match (self.link, frame.header.packet_type) {
            (
                Link::Opening {
                    connect_sent: true, ..
                },
                PacketType::ConnAck,
            ) => self.connack(&mut reader),
            (Link::Opening { .. }, _) => {
                Err(SessionError::Protocol(rule!("CONNACK must come first")))
            }
            (Link::Down, _) => Err(SessionError::Protocol(rule!(
                "a packet without a connection"
            ))),
            (Link::Up | Link::Closing { .. } | Link::Closed, PacketType::Publish) => {
                let flags = frame.header.flags;
                let publish = decode::publish(self.options.version, flags, &mut reader)?;
                self.message(publish, aliases)
            }
            (Link::Up | Link::Closing { .. } | Link::Closed, packet_type) => {
                self.live(packet_type, &mut reader)
            }
        }
    }

    /// Says that the application has taken the message with this identifier, or why it will not.
    /// The reason travels in MQTT 5 only.
    pub fn acknowledge(&mut self, packet_id: PacketId, reason: ReasonCode) {
        let reason = match self.options.version.is_v5() {
            false => ReasonCode::SUCCESS,
            true => reason,
        };
        #[cfg(feature = "qos2")]
        if self.answer(packet_id, reason) {
            return;
        }
        // Never full when the driver heeds `is_ready`; a lost PUBACK only means that the message comes again.
        self.acks.push(Owed {
            first: PUBACK,
            reason_code: reason,
            packet_id,
        });
    }

    /// Takes a packet that was longer than the receive buffer. A PUBLISH is acknowledged, so that
    /// the server does not send it for ever.
    ///
    /// # Errors
    /// Only a PUBLISH can be left out; without any other packet the session cannot go on.
    pub fn skipped(&mut self, now: Millis, skipped: &Skipped<'_>) -> Result<(), SessionError> {
        self.last_received = now;
        self.counters.skipped = self.counters.skipped.saturating_add(1);
        if skipped.packet_type != PacketType::Publish || matches!(self.link, Link::Down) {
            return Err(SessionError::Protocol(rule!(
                "a packet longer than the receive buffer"
            )));
        }
        if let Some(packet_id) = skipped.packet_id {
            #[cfg(feature = "qos2")]
            if skipped.qos == Some(QoS::ExactlyOnce) {
                self.refuse(packet_id);
                return Ok(());
            }
            self.acknowledge(packet_id, ReasonCode::QUOTA_EXCEEDED);
        }
        Ok(())
    }

    fn connack<'f>(&mut self, reader: &mut Reader<'f>) -> Result<Event<'f>, SessionError> {
        let connack = decode::conn_ack(self.options.version, reader)?;
        reader.finish()?;
        if connack.reason_code != ReasonCode::SUCCESS {
            return Err(SessionError::Refused(connack.reason_code));
        }
        if self.options.clean_start && connack.session_present {
            return Err(SessionError::Protocol(rule!(
                "session present although a clean start was asked for"
            )));
        }
        let mut negotiated = Negotiated::new(&self.options, connack.session_present);
        negotiated.read(connack.properties);
        self.negotiated = negotiated;
        self.link = Link::Up;
        self.ping = Ping::Idle;
        self.resume(connack.session_present);
        let mut properties = connack.properties.raw();
        let assigned_client_id = properties
            .find(|property| property.identifier == 0x12)
            .and_then(|property| property.text());
        Ok(Event::Connected {
            negotiated,
            assigned_client_id,
        })
    }

    fn live<'f>(
        &mut self,
        packet_type: PacketType,
        reader: &mut Reader<'f>,
    ) -> Result<Event<'f>, SessionError> {
        let version = self.options.version;
        match packet_type {
            PacketType::PubAck => {
                let ack = decode::ack(version, reader)?;
                reader.finish()?;
                let codes = [ack.reason_code.0];
                Ok(
                    match self.settle(Kind::PublishQos1, ack.packet_id, &codes)? {
                        Some(ticket) => Event::Published {
                            ticket,
                            reason: ack.reason_code,
                        },
                        None => Event::Nothing,
                    },
                )
            }
            #[cfg(feature = "qos2")]
            PacketType::PubRec => {
                let ack = decode::ack(version, reader)?;
                reader.finish()?;
                Ok(self.recorded(ack.packet_id, ack.reason_code))
            }
            #[cfg(feature = "qos2")]
            PacketType::PubRel => {
                let ack = decode::ack(version, reader)?;
                reader.finish()?;
                self.released(ack.packet_id);
                Ok(Event::Nothing)
            }
            #[cfg(feature = "qos2")]
            PacketType::PubComp => {
                let ack = decode::ack(version, reader)?;
                reader.finish()?;
                Ok(self.finished(ack.packet_id))
            }
            PacketType::SubAck => {
                let ack = decode::sub_ack(version, reader)?;
                reader.finish()?;
                let reason_codes = ack.reason_codes;
                Ok(
                    match self.settle(Kind::Subscribe, ack.packet_id, reason_codes)? {
                        Some(ticket) => Event::Subscribed {
                            ticket,
                            reason_codes,
                        },
                        None => Event::Nothing,
                    },
                )
            }
            PacketType::UnsubAck => {
                let ack = decode::unsub_ack(version, reader)?;
                reader.finish()?;
                let reason_codes = ack.reason_codes;
                Ok(
                    match self.settle(Kind::Unsubscribe, ack.packet_id, reason_codes)? {
                        Some(ticket) => Event::Unsubscribed {
                            ticket,
                            reason_codes,
                        },
                        None => Event::Nothing,
                    },
                )
            }
            PacketType::PingResp => {
                reader.finish()?;
                if matches!(self.ping, Ping::Sent { .. }) {
                    self.ping = Ping::Idle;
                }
                Ok(Event::Nothing)
            }
            PacketType::Disconnect if version.is_v5() => {
                let disconnect = decode::disconnect(version, reader)?;
                reader.finish()?;
                Err(SessionError::Disconnected(disconnect.reason_code))
            }
            PacketType::Auth if version.is_v5() => Err(SessionError::Protocol(rule!(
                "AUTH, which this client does not support"
            ))),
            PacketType::ConnAck => Err(SessionError::Protocol(rule!("a second CONNACK"))),
            _ => Err(SessionError::Protocol(rule!(
                "a packet that servers do not send"
            ))),
        }
    }

    /// The record of this kind that waits for the acknowledgement of `packet_id`. One that is being
    /// written again at this moment is not done: the repetition will be acknowledged as well.
    pub(super) fn awaiting(&mut self, kind: Kind, packet_id: PacketId) -> Option<(At, Entry)> {
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

    /// An acknowledgement of this kind has come, with a code for each place; none at all, as an UNSUBACK
    /// of 3.1.1 has, means success. Answers whose it was.
    fn settle(
        &mut self,
        kind: Kind,
        packet_id: PacketId,
        codes: &[u8],
    ) -> Result<Option<Ticket>, SessionError> {
        let Some((at, mut entry)) = self.awaiting(kind, packet_id) else {
            return Ok(None);
        };
        let places = self.arena.codes_mut(at, &entry);
        if codes.is_empty() {
            places.fill(ReasonCode::SUCCESS.0);
        } else if places.len() == codes.len() {
            places.copy_from_slice(codes);
        } else {
            return Err(SessionError::Protocol(rule!(
                "not one reason code for each topic filter"
            )));
        }
        if kind == Kind::PublishQos1 {
            self.measure(at, &entry);
        }
        if kind == Kind::Subscribe && codes.iter().any(|code| !ReasonCode(*code).is_failure()) {
            entry.state = State::Granted;
            entry.packet_id = 0;
            self.arena.set(at, &entry);
        } else {
            // A SUBSCRIBE that was refused altogether is done too: asking again would not help.
            self.complete(at, entry);
        }
        Ok(Some(Ticket(entry.ticket)))
    }

    fn message<'f>(
        &mut self,
        publish: Publish<'f>,
        aliases: Lent<'f, '_>,
    ) -> Result<Event<'f>, SessionError> {
        if publish.qos == QoS::ExactlyOnce && !cfg!(feature = "qos2") {
            return Err(SessionError::Protocol(QOS_2));
        }
        // Without a name there is an alias, or the codec would have refused it.
        if !publish.topic.is_empty() && !topic::is_valid_name(publish.topic) {
            // [MQTT-3.3.2-2]
            return Err(SessionError::Protocol(rule!(
                "a topic name with a wildcard"
            )));
        }
        let topic = match publish.properties.number(0x23) {
            None => publish.topic,
            Some(alias) => resolve(aliases, alias as u16, publish.topic)?,
        };
        #[cfg(feature = "qos2")]
        if let (QoS::ExactlyOnce, Some(packet_id)) = (publish.qos, publish.packet_id)
            && !self.is_first(packet_id)?
        {
            return Ok(Event::Nothing);
        }
        Ok(Event::Message(Message {
            topic,
            payload: publish.payload,
            qos: publish.qos,
            retain: publish.retain,
            dup: publish.dup,
            packet_id: publish.packet_id,
            properties: publish.properties,
        }))
    }
}
