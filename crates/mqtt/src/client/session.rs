//! The session itself: its state, its limits, and what it hands out to operations: identifiers, tickets, results. How a connection begins
//! and ends for it is in [`link`](super::link).

use super::acks::Acks;
use super::arena::{Arena, At};
use super::record::{Entry, HEADER, State};
use super::{ConnectOptions, Millis, Negotiated};
use crate::{PacketId, ReasonCode, Version};

/// More than this of an arena is not used (1 MiB), so that there is always a free packet identifier.
const LONGEST_ARENA: usize = (u16::MAX as usize).saturating_mul(HEADER);

/// The smallest Maximum Packet Size that AWS accepts (`B-19`).
const SMALLEST_MAXIMUM_PACKET_SIZE: u32 = 512;

/// A client's session: see the [module](super) for the order of calls.
pub struct Session<'b> {
    pub(super) options: ConnectOptions<'b>,
    pub(super) maximum_packet_size: u32,
    pub(super) arena: Arena<'b>,
    #[cfg(feature = "v5")]
    pub(super) given: super::aliases::Given<'b>,
    pub(super) link: Link,
    pub(super) negotiated: Negotiated,
    pub(super) next_packet_id: PacketId,
    pub(super) next_ticket: u32,
    pub(super) writing: Option<Writing>,
    pub(super) acks: Acks,
    pub(super) ping: Ping,
    pub(super) last_sent: Millis,
    pub(super) last_received: Millis,
    /// When the last PUBLISH with QoS 0 went out on this connection.
    pub(super) qos0_sent: Option<u32>,
    pub(super) suspect: Option<Suspect>,
    /// CONNECTs that were sent since the last CONNACK with success, at most 2.
    pub(super) connects: u8,
    /// Milliseconds between the last PUBLISH that was sent once and its PUBACK.
    pub(super) round_trip: Option<u32>,
    pub(super) counters: Counters,
    /// A message with QoS 2 found no room on this connection.
    #[cfg(feature = "qos2")]
    pub(super) left_out: bool,
    #[cfg(feature = "fault-injection")]
    pub(super) fault: Option<super::Fault>,
}

/// What happened since the session began. Numbers only ever grow, and stop at their maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// PUBLISHes and SUBSCRIBEs that were sent again inside a connection.
    pub retransmitted: u32,
    /// PUBLISHes that were sent again because the session was resumed.
    pub resumed: u32,
    /// Acknowledgements for nothing that was waiting, as repetitions bring.
    pub unexpected_acks: u32,
    /// Packets longer than the receive buffer; with the feature `qos2` also messages whose identifier found no room in the arena of
    /// a session that ends with the connection.
    pub skipped: u32,
    /// QoS 0 PUBLISHes that were accepted but not written when the connection ended.
    pub dropped_qos0: u32,
    /// QoS 1 PUBLISHes that a new connection's limits do not allow any more.
    pub undeliverable: u32,
    /// Operations that were given up because the server closed the connection each time.
    pub set_aside: u32,
}

/// The operation that silent closes point at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suspect {
    pub(super) ticket: u32,
    /// Connections in a row that ended right after it was sent.
    pub(super) strikes: u8,
}

/// Where the connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Down,
    Opening { since: Millis, connect_sent: bool },
    Up,
    Closing { reason: ReasonCode, drain: bool },
    Closed,
}

/// Where the keep-alive stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ping {
    Idle,
    Due,
    Sent { at: Millis },
}

/// The record that is half written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Writing {
    pub(super) ticket: u32,
    pub(super) offset: usize,
}

impl<'b> Session<'b> {
    /// Filters in one SUBSCRIBE or UNSUBSCRIBE (`B-30`).
    pub const FILTERS_PER_PACKET: usize = 8;

    /// How long CONNACK may take, in milliseconds. With a backoff of at most 32 s this lets twelve
    /// unanswered CONNECTs fit into the 240 s that AWS's qualification gives them.
    pub const CONNACK_LIMIT: u64 = 5_000;

    /// When an unacknowledged PUBLISH or SUBSCRIBE is sent again in MQTT 3.1.1, in milliseconds.
    /// AWS's qualification waits for 15 s; two of these fit in.
    pub const RETRANSMIT_AFTER: u64 = 7_000;

    /// When a missing acknowledgement ends a connection in MQTT 5, in milliseconds, because
    /// only a new connection allows a repetition there `[MQTT-4.4.0-1]`.
    pub const ACK_LIMIT: u64 = 60_000;

    /// How long a subscription stays set aside, in milliseconds.
    pub const SET_ASIDE: u64 = 600_000;

    /// A session that has never been connected.
    ///
    /// `arena` is all the memory it will use for packets. `receive_capacity` is the length of the
    /// buffer that frames are received into; MQTT 5 servers are told not to send more.
    #[must_use]
    pub fn new(options: ConnectOptions<'b>, arena: &'b mut [u8], receive_capacity: usize) -> Self {
        let arena_len = arena.len().min(LONGEST_ARENA);
        Self {
            options,
            maximum_packet_size: u32::try_from(receive_capacity)
                .unwrap_or(u32::MAX)
                .max(SMALLEST_MAXIMUM_PACKET_SIZE),
            arena: Arena::new(arena.get_mut(..arena_len).unwrap_or_default()),
            #[cfg(feature = "v5")]
            given: super::aliases::Given::default(),
            link: Link::Down,
            negotiated: Negotiated::new(&options, false),
            next_packet_id: PacketId::FIRST,
            next_ticket: 0,
            writing: None,
            acks: Acks::new(),
            ping: Ping::Idle,
            last_sent: Millis(0),
            last_received: Millis(0),
            qos0_sent: None,
            suspect: None,
            connects: 0,
            round_trip: None,
            counters: Counters::default(),
            #[cfg(feature = "qos2")]
            left_out: false,
            #[cfg(feature = "fault-injection")]
            fault: None,
        }
    }

    /// Takes `bytes` of the arena to remember which topics were given an alias (MQTT 5), two more than each topic is long.
    /// Without it every PUBLISH carries its topic. Answers whether they were free.
    #[cfg(feature = "v5")]
    pub fn remember_topics(&mut self, bytes: usize) -> bool {
        let Some(memory) = self.arena.take_end(bytes) else {
            return false;
        };
        self.given = super::aliases::Given::new(memory);
        true
    }

    /// The version that every connection of this session speaks.
    #[must_use]
    pub fn version(&self) -> Version {
        self.options.version
    }

    /// What was asked for in CONNECT.
    #[must_use]
    pub fn options(&self) -> &ConnectOptions<'b> {
        &self.options
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether CONNACK has come and the connection is not being closed.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(self.link, Link::Up)
    }

    /// Whether DISCONNECT has been handed out: nothing follows it.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.link, Link::Closed)
    }

    /// What holds on this connection; before the first CONNACK, what MQTT takes for granted.
    #[must_use]
    pub fn negotiated(&self) -> &Negotiated {
        &self.negotiated
    }

    /// Whether nothing waits to be sent or acknowledged.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let pending = |entry: &Entry| {
            matches!(
                entry.state,
                State::Queued | State::Resend | State::Sent | State::Withdrawn
            )
        };
        #[cfg(feature = "qos2")]
        if self.next_receipt().is_some() {
            return false;
        }
        self.acks.is_empty() && self.writing.is_none() && self.arena.find(pending).is_none()
    }

    /// Bytes of the arena that are free.
    #[must_use]
    pub fn free(&self) -> usize {
        self.arena.free()
    }

    /// The record has its result. Answers whether it is gone (nobody waits for the result).
    pub(super) fn complete(&mut self, at: At, mut entry: Entry) -> bool {
        if self
            .writing
            .is_some_and(|writing| writing.ticket == entry.ticket)
        {
            entry.state = State::Withdrawn;
            self.arena.set(at, &entry);
            return false;
        }
        if !entry.awaited {
            self.arena.remove(at, &entry);
            return true;
        }
        entry.state = State::Done;
        entry.packet_id = 0;
        self.arena.keep_codes(at, entry);
        false
    }

    /// An identifier that no record holds. It is taken with [`took_packet_id`](Self::took_packet_id).
    pub(super) fn free_packet_id(&self) -> PacketId {
        #[cfg(feature = "fault-injection")]
        if self.has(super::Fault::PacketIdReused) {
            return PacketId::FIRST;
        }
        let mut id = self.next_packet_id;
        // Ends: the arena was cut to a length that cannot hold 65,535 records.
        while self
            .arena
            .find(|entry| entry.packet_id == id.get() && !entry.kind.is_inbound())
            .is_some()
        {
            id = id.next();
        }
        id
    }

    pub(super) fn took_packet_id(&mut self, id: PacketId) {
        self.next_packet_id = id.next();
    }

    pub(super) fn free_ticket(&mut self) -> u32 {
        loop {
            let ticket = self.next_ticket;
            self.next_ticket = ticket.wrapping_add(1);
            if self.arena.is_empty() || self.arena.by_ticket(ticket).is_none() {
                return ticket;
            }
        }
    }
}
