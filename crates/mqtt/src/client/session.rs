//! The session itself: its state, and how a connection begins and ends for it.
//!
//! | link | what is sent | left by |
//! |---|---|---|
//! | `Down` | nothing | [`Session::start`] |
//! | `Opening` | CONNECT, then nothing until CONNACK (`B-8`) | CONNACK, or its limit |
//! | `Up` | acknowledgements, PINGREQ, records in order | [`Session::disconnect`], [`Session::abort`] |
//! | `Closing` | what is left, then DISCONNECT | the DISCONNECT itself |
//! | `Closed` | nothing | [`Session::connection_lost`] |
//!
//! Every state returns to `Down` with [`Session::connection_lost`].

use super::acks::Acks;
#[cfg(feature = "v5")]
use super::arena::PushError;
use super::arena::{Arena, At};
use super::record::{Entry, HEADER, Kind, State};
use super::{ConnectOptions, Millis, Negotiated, SessionError};
use crate::fault::Fault;
use crate::{Connect, EncodeError, PacketId, Properties, Property, ReasonCode, Version, encode};

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
    /// Packets longer than the receive buffer.
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

    /// Length of the CONNECT packet: what the buffer given to
    /// [`poll_transmit`](Self::poll_transmit) must hold at least.
    ///
    /// # Errors
    /// The options cannot be expressed in this version.
    pub fn connect_len(&self) -> Result<usize, EncodeError> {
        Ok(self.write_connect(&mut [])?)
    }

    /// A transport is open: CONNECT is due.
    ///
    /// # Errors
    /// [`SessionError::Connect`] when the options cannot be expressed; the session stays down.
    pub fn start(&mut self, now: Millis) -> Result<(), SessionError> {
        self.connection_lost();
        self.write_connect(&mut []).map_err(SessionError::Connect)?;
        self.link = Link::Opening {
            since: now,
            connect_sent: false,
        };
        self.last_sent = now;
        self.last_received = now;
        Ok(())
    }

    /// Ends the connection in an orderly way: what was accepted is written once, then DISCONNECT.
    /// Without a connection it only makes sure that none is begun.
    pub fn disconnect(&mut self) {
        self.link = match self.link {
            Link::Up => Link::Closing {
                reason: ReasonCode::SUCCESS,
                drain: true,
            },
            Link::Closing { .. } => self.link,
            Link::Down | Link::Opening { .. } | Link::Closed => Link::Closed,
        };
    }

    /// The same in MQTT 5 with a reason and properties, which the arena keeps until they are sent: 0x04 lets the server publish the
    /// Will, a Session Expiry Interval changes how long it keeps the session (`B-25`).
    ///
    /// # Errors
    /// [`EncodeError::NotAllowed`] says what cannot be said; [`EncodeError::BufferTooSmall`] when the arena has no room for
    /// so many bytes. The connection goes on then.
    #[cfg(feature = "v5")]
    pub fn disconnect_with(
        &mut self,
        reason_code: ReasonCode,
        properties: Properties<'_>,
    ) -> Result<(), EncodeError> {
        // 3.14.2.2.2, B-25
        let is_kept = self
            .negotiated
            .session_expiry
            .unwrap_or(self.options.session_expiry)
            > 0;
        if !is_kept && properties.number(0x11).is_some_and(|seconds| seconds > 0) {
            return Err(
                rule!("a session that ends with the connection cannot be kept longer").into(),
            );
        }
        let disconnect = crate::Disconnect {
            reason_code,
            properties,
        };
        let version = self.options.version;
        let entry = Entry {
            kind: Kind::Farewell,
            // A state in which nothing is due.
            state: State::Granted,
            awaited: false,
            codes: 0,
            packet_id: 0,
            ticket: self.free_ticket(),
            sent_at: 0,
            len: 0,
        };
        let pushed = self.arena.push(entry, &|_, out| {
            encode::assemble(super::outbound::DISCONNECT, out, &|writer| {
                encode::disconnect(version, &disconnect, writer)
            })
        });
        match pushed {
            Ok(_) => {}
            Err(PushError::Encode(fault)) => return Err(fault.into()),
            Err(PushError::NoRoom { needed, .. }) => {
                return Err(EncodeError::BufferTooSmall { needed });
            }
        }
        self.disconnect();
        Ok(())
    }

    /// Ends the connection because of `error`: in MQTT 5 the server is told why, in 3.1.1 a
    /// DISCONNECT would say that all is well, so there is none.
    pub fn abort(&mut self, error: &SessionError) {
        let told = match self.link {
            Link::Up if self.options.version.is_v5() && self.writing.is_none() => {
                error.disconnect_reason()
            }
            _ => None,
        };
        self.link = match told {
            Some(reason) => {
                self.acks.clear();
                self.ping = Ping::Idle;
                Link::Closing {
                    reason,
                    drain: false,
                }
            }
            None => Link::Closed,
        };
    }

    /// The transport is gone, whoever closed it and however. Messages with QoS 0 that were not
    /// written are dropped and counted; everything else waits for the next connection.
    pub fn connection_lost(&mut self) {
        self.link = Link::Down;
        #[cfg(feature = "v5")]
        self.given.clear();
        self.acks.clear();
        self.ping = Ping::Idle;
        self.qos0_sent = None;
        self.writing = None;
        #[cfg(feature = "qos2")]
        {
            self.left_out = false;
        }
        let mut at = self.arena.first();
        while let Some(entry) = self.arena.entry(at) {
            match (entry.kind, entry.state) {
                (Kind::PublishQos0, _) => {
                    self.counters.dropped_qos0 = self.counters.dropped_qos0.saturating_add(1);
                    self.arena.remove(at, &entry);
                    continue;
                }
                (_, State::Withdrawn) if self.complete(at, entry) => continue,
                #[cfg(feature = "v5")]
                (Kind::Farewell, _) => {
                    self.arena.remove(at, &entry);
                    continue;
                }
                #[cfg(feature = "qos2")]
                (Kind::Received, _) => {
                    // The next server will ask for its PUBREC again.
                    let asked = Entry {
                        awaited: false,
                        ..entry
                    };
                    self.arena.set(at, &asked);
                }
                _ => {}
            }
            at = self.arena.after(at, &self.arena.entry(at).unwrap_or(entry));
        }
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

    /// Writes CONNECT if `out` has room for it, and answers how many bytes it takes.
    pub(super) fn write_connect(&self, out: &mut [u8]) -> Result<usize, Fault> {
        let options = &self.options;
        // Those at the ends are left out when they say what a server assumes anyway.
        let properties = [
            Property::ReceiveMaximum(options.receive_maximum.max(1)),
            Property::SessionExpiryInterval(options.session_expiry),
            Property::MaximumPacketSize(self.maximum_packet_size),
            Property::TopicAliasMaximum(options.topic_alias_maximum),
        ];
        let from = usize::from(options.receive_maximum == u16::MAX);
        let to = if options.topic_alias_maximum == 0 {
            3
        } else {
            4
        };
        let told = properties.get(from..to).unwrap_or_default();
        let connect = Connect {
            version: options.version,
            clean_start: options.clean_start,
            keep_alive: options.keep_alive,
            client_id: options.client_id,
            will: options.will,
            user_name: options.user_name,
            password: options.password,
            properties: match options.version.is_v5() {
                false => Properties::EMPTY,
                true => Properties::List(told),
            },
        };
        encode::assemble(0x10, out, &|writer| {
            encode::connect(&connect, &options.properties, writer)
        })
    }
}
