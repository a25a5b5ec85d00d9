//! What is sent, in which order, and when the session must be asked again.
//!
//! Order on a live connection: the rest of a half-written packet; acknowledgements; PINGREQ; then the
//! arena's records, oldest first, so that what is repeated goes before what is new `[MQTT-4.6.0-1]`.

use super::acks::Owed;
use super::arena::At;
use super::record::{Entry, Head, Kind, State};
use super::session::{Link, Ping, Session, Writing};
use super::{Millis, SessionError, stored};
#[cfg(feature = "v5")]
use crate::Version;
use crate::fault::Fault;
use crate::wire::Writer;
use crate::{Ack, Disconnect, Properties, ReasonCode, encode};

/// First bytes of the packets that are written on the spot (2.1.2).
const PINGREQ: u8 = 0xC0;
pub(super) const DISCONNECT: u8 = 0xE0;

impl Session<'_> {
    /// Writes what is due into `out`, as many packets as fit, and answers how many bytes; 0 when
    /// nothing is due. A packet may be cut at the end of `out`: the next call goes on with it.
    ///
    /// The caller must write all of these bytes to the transport, in order, or report
    /// [`connection_lost`](Self::connection_lost). `out` must hold at least
    /// [`connect_len`](Self::connect_len) bytes and at least 16.
    pub fn poll_transmit(&mut self, now: Millis, out: &mut [u8]) -> usize {
        let mut filled = 0_usize;
        while let Some(room) = out.get_mut(filled..) {
            let written = self.transmit_one(now, room);
            if written == 0 {
                break;
            }
            filled = filled.wrapping_add(written);
        }
        if filled > 0 {
            self.last_sent = now;
        }
        filled
    }

    /// When [`handle_timeout`](Self::handle_timeout) must be called; `None` without a connection.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Millis> {
        match self.link {
            Link::Opening { since, .. } => Some(since.after(Self::CONNACK_LIMIT)),
            #[cfg(feature = "qos2")]
            Link::Up if self.fetch().is_err() => Some(self.last_received),
            Link::Up | Link::Closing { .. } => {
                let keep_alive = match self.ping {
                    Ping::Idle => self.ping_due(),
                    Ping::Due => self.last_sent,
                    Ping::Sent { at } => at.after(self.ping_limit()),
                };
                Some(
                    self.next_due()
                        .map_or(keep_alive, |due| keep_alive.min(due)),
                )
            }
            Link::Down | Link::Closed => None,
        }
    }

    /// Lets time do its work: PINGREQ falls due, packets are repeated, limits end the connection.
    ///
    /// # Errors
    /// [`SessionError`] when the connection must be ended.
    pub fn handle_timeout(&mut self, now: Millis) -> Result<(), SessionError> {
        match self.link {
            Link::Opening { since, .. } if now >= since.after(Self::CONNACK_LIMIT) => {
                Err(SessionError::ConnAckTimeout)
            }
            Link::Up | Link::Closing { .. } => {
                self.keep_alive(now)?;
                #[cfg(feature = "qos2")]
                self.fetch()?;
                self.repeat_overdue(now)
            }
            Link::Opening { .. } | Link::Down | Link::Closed => Ok(()),
        }
    }

    fn keep_alive(&mut self, now: Millis) -> Result<(), SessionError> {
        match self.ping {
            Ping::Idle if now >= self.ping_due() => self.ping = Ping::Due,
            Ping::Sent { at } if now >= at.after(self.ping_limit()) => {
                return Err(SessionError::PingTimeout);
            }
            Ping::Idle | Ping::Due | Ping::Sent { .. } => {}
        }
        Ok(())
    }

    /// Milliseconds of the keep-alive in force.
    fn keep_alive_ms(&self) -> u64 {
        u64::from(self.negotiated.keep_alive).saturating_mul(1000)
    }

    /// PINGREQ falls due an eighth before the keep-alive runs out, counted from the last packet
    /// *sent* `[MQTT-3.1.2-23]`. A client that sends all the time also asks when it heard nothing for a
    /// whole keep-alive: otherwise a half-open connection would take its QoS 0 messages for ever.
    fn ping_due(&self) -> Millis {
        let keep_alive = self.keep_alive_ms();
        let early = keep_alive.saturating_sub(keep_alive / 8);
        self.last_sent
            .after(early)
            .min(self.last_received.after(keep_alive))
    }

    /// PINGRESP must come within half the keep-alive.
    fn ping_limit(&self) -> u64 {
        self.keep_alive_ms() / 2
    }

    const fn ack_limit(&self) -> u64 {
        match self.options.version.is_v5() {
            false => Self::RETRANSMIT_AFTER,
            true => Self::ACK_LIMIT,
        }
    }

    /// In how many milliseconds this record needs attention without anything else happening.
    fn due(&self, now: Millis, entry: &Entry) -> Option<u32> {
        let limit = match entry.state {
            State::Sent => self.ack_limit(),
            State::Aside => Self::SET_ASIDE,
            _ => return None,
        };
        Some((limit as u32).saturating_sub(now.since_low(entry.sent_at)))
    }

    /// When the first record needs attention. None was sent after `last_sent`.
    fn next_due(&self) -> Option<Millis> {
        let mut next = None;
        let mut at = self.arena.first();
        while let Some(entry) = self.arena.entry(at) {
            let due = self.due(self.last_sent, &entry);
            next = match (next, due) {
                (Some(next), Some(due)) => Some(due.min(next)),
                (next, due) => due.or(next),
            };
            at = self.arena.after(at, &entry);
        }
        next.map(|due| self.last_sent.after(u64::from(due)))
    }

    fn repeat_overdue(&mut self, now: Millis) -> Result<(), SessionError> {
        let mut at = self.arena.first();
        while let Some(mut entry) = self.arena.entry(at) {
            if self.due(now, &entry) == Some(0) {
                if entry.state == State::Aside {
                    entry.state = State::Queued;
                    self.arena.set(at, &entry);
                    self.suspect_again(&entry);
                } else if self.options.version.is_v5() {
                    return Err(SessionError::AckTimeout);
                } else {
                    self.repeat(at, entry);
                }
            }
            at = self.arena.after(at, &entry);
        }
        Ok(())
    }

    fn transmit_one(&mut self, now: Millis, room: &mut [u8]) -> usize {
        match self.link {
            Link::Up | Link::Closing { .. } => self.transmit_live(now, room),
            Link::Opening {
                since,
                connect_sent: false,
            } => {
                let room_len = room.len();
                let written = written(self.write_connect(room), room_len);
                if written > 0 {
                    self.link = Link::Opening {
                        since,
                        connect_sent: true,
                    };
                    self.connects = self.connects.saturating_add(1).min(2);
                }
                written
            }
            Link::Down
            | Link::Closed
            | Link::Opening {
                connect_sent: true, ..
            } => 0,
        }
    }

    fn transmit_live(&mut self, now: Millis, room: &mut [u8]) -> usize {
        #[cfg(feature = "qos2")]
        if self.writing.is_none()
            && let Some((at, entry)) = self.next_receipt()
        {
            return self.transmit_receipt(at, entry, room);
        }
        let (at, head, offset) = if let Some(writing) = self.writing {
            let Some((at, entry)) = self.arena.by_ticket(writing.ticket) else {
                // Cannot happen: a record stays while it is written. Going on without it is the safe way out.
                self.writing = None;
                return 0;
            };
            (at, entry.head(), writing.offset)
        } else if let Some(owed) = self.acks.first() {
            return self.transmit_ack(owed, room);
        } else if self.ping == Ping::Due {
            let written = put(room, PINGREQ, &|_| Ok(()));
            if written > 0 {
                self.ping = Ping::Sent { at: now };
            }
            return written;
        } else if self.is_up_or_draining()
            && let Some((at, head)) = self.next_record()
        {
            if room.is_empty() {
                return 0;
            }
            if head.kind != Kind::PublishQos0 {
                self.ensure_packet_id(at);
            }
            (at, head, 0)
        } else if let Some((at, entry)) = self.farewell() {
            if room.is_empty() {
                return 0;
            }
            (at, entry.head(), 0)
        } else if let Link::Closing { reason, .. } = self.link {
            return self.transmit_disconnect(reason, room);
        } else {
            return 0;
        };
        let packet = self.arena.packet_of(at, &head);
        #[cfg(feature = "v5")]
        let (written, offset) = match (offset, head.kind, self.options.version) {
            (0, kind, Version::V5) if kind == Kind::PublishQos0 || kind.is_kept_publish() => {
                let aliases = self.negotiated.topic_alias_maximum;
                let longest = self.negotiated.maximum_packet_size;
                self.given
                    .shorten(aliases, longest, packet, room)
                    .unwrap_or((0, 0))
            }
            _ => (0, offset),
        };
        #[cfg(not(feature = "v5"))]
        let written = 0_usize;
        let room = room.get_mut(written..).unwrap_or_default();
        let rest = packet.get(offset..).unwrap_or_default();
        let count = rest.len().min(room.len());
        if let (Some(from), Some(to)) = (rest.get(..count), room.get_mut(..count)) {
            to.copy_from_slice(from);
        }
        if count < rest.len() {
            self.writing = self.arena.entry(at).map(|entry| Writing {
                ticket: entry.ticket,
                offset: offset.wrapping_add(count),
            });
        } else {
            self.writing = None;
            self.written(now, at, head);
        }
        written.wrapping_add(count)
    }

    /// The DISCONNECT that was given words, when nothing else is left to be sent.
    #[cfg(feature = "v5")]
    fn farewell(&self) -> Option<(At, Entry)> {
        match self.link {
            Link::Closing { drain: true, .. } => {
                self.arena.find(|entry| entry.kind == Kind::Farewell)
            }
            _ => None,
        }
    }

    #[cfg(not(feature = "v5"))]
    const fn farewell(&self) -> Option<(At, Entry)> {
        None
    }

    fn transmit_ack(&mut self, owed: Owed, room: &mut [u8]) -> usize {
        let ack = Ack {
            packet_id: owed.packet_id,
            reason_code: owed.reason_code,
            properties: Properties::EMPTY,
        };
        let version = self.options.version;
        let written = put(room, owed.first, &|writer| {
            encode::ack(version, &ack, writer)
        });
        if written > 0 {
            self.acks.pop();
        }
        written
    }

    fn transmit_disconnect(&mut self, reason_code: ReasonCode, room: &mut [u8]) -> usize {
        let disconnect = Disconnect {
            reason_code,
            properties: Properties::EMPTY,
        };
        let version = self.options.version;
        let written = put(room, DISCONNECT, &|writer| {
            encode::disconnect(version, &disconnect, writer)
        });
        if written > 0 {
            self.link = Link::Closed;
        }
        written
    }

    /// The oldest record that may be sent now.
    fn next_record(&self) -> Option<(At, Head)> {
        // Asked only when a PUBLISH with QoS 1 or 2 waits.
        let mut may_publish = None;
        let mut at = self.arena.first();
        while let Some(head) = self.arena.head(at) {
            if matches!(head.state, State::Queued | State::Resend)
                && (!head.kind.is_kept_publish()
                    || *may_publish.get_or_insert_with(|| self.may_publish()))
            {
                return Some((at, head));
            }
            at = at.behind(head.len);
        }
        None
    }

    /// Whether one more PUBLISH may be unacknowledged.
    fn may_publish(&self) -> bool {
        let mut more = self.negotiated.receive_maximum;
        let full = self.arena.find(|entry| {
            let is_sent = entry.kind.is_kept_publish() && entry.state == State::Sent;
            // With QoS 2 until PUBCOMP.
            let in_flight = is_sent || entry.kind.is_release() && entry.state != State::Done;
            more = more.saturating_sub(u16::from(in_flight));
            more == 0
        });
        full.is_none()
    }

    /// A subscription that is made again needs a fresh identifier in its stored packet.
    fn ensure_packet_id(&mut self, at: At) {
        let Some(mut entry) = self.arena.entry(at).filter(|entry| entry.packet_id == 0) else {
            return;
        };
        let packet_id = self.free_packet_id();
        self.took_packet_id(packet_id);
        entry.packet_id = packet_id.get();
        self.arena.set(at, &entry);
        stored::set_packet_id(self.arena.packet_mut(at, &entry), packet_id);
    }

    /// The whole record is on its way.
    fn written(&mut self, now: Millis, at: At, head: Head) {
        if head.kind == Kind::PublishQos0 {
            self.qos0_sent = Some(now.low());
            self.arena.remove_of(at, head.len);
            return;
        }
        #[cfg(feature = "v5")]
        if head.kind == Kind::Farewell {
            self.arena.remove_of(at, head.len);
            self.link = Link::Closed;
            return;
        }
        let Some(mut entry) = self.arena.entry(at) else {
            return;
        };
        if entry.state == State::Withdrawn {
            self.complete(at, entry);
        } else {
            entry.state = State::Sent;
            entry.sent_at = now.low();
            self.arena.set(at, &entry);
        }
    }
}

/// Writes one small packet, if `room` is enough for it. Answers its length, or 0.
pub(super) fn put(
    room: &mut [u8],
    first: u8,
    body: &dyn Fn(&mut Writer<'_>) -> Result<(), Fault>,
) -> usize {
    let room_len = room.len();
    written(encode::assemble(first, room, body), room_len)
}

/// A packet that does not fit is not written.
fn written(needed: Result<usize, Fault>, room: usize) -> usize {
    match needed {
        Ok(needed) if needed <= room => needed,
        _ => 0,
    }
}
