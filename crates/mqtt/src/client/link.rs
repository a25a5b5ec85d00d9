//! How a connection begins and ends for the session.
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

#[cfg(feature = "v5")]
use super::arena::PushError;
#[cfg(any(feature = "v5", feature = "qos2"))]
use super::record::Entry;
use super::record::{Kind, State};
use super::session::{Link, Ping, Session};
use super::{Millis, SessionError};
use crate::fault::Fault;
use crate::{Connect, EncodeError, Properties, Property, ReasonCode, encode};

impl Session<'_> {
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
        // 3.14.2.1: the others are a server's.
        if !matches!(reason_code.0, 0x00 | 0x04 | 0x80..=0x83 | 0x90 | 0x93..=0x99) {
            return Err(rule!("a reason that clients do not give").into());
        }
        if properties.raw().any(|one| one.identifier == 0x1C) {
            return Err(rule!("a property that clients do not send").into());
        }
        // [MQTT-3.14.2-2], B-25
        let asked = self.options.session_expiry;
        let is_kept = asked > 0 && self.negotiated.session_expiry.unwrap_or(asked) > 0;
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
        let max = self.longest_packet();
        let pushed = self.arena.push(entry, &|_, out| {
            let len = encode::assemble(super::outbound::DISCONNECT, out, &|writer| {
                encode::disconnect(version, &disconnect, writer)
            })?;
            if len > max {
                return Err(super::operations::TOO_LONG);
            }
            Ok(len)
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

    /// Ends the connection because of `error`: in MQTT 5 the server is told why, in 3.1.1 a DISCONNECT would say that all is
    /// well, so there is none. With [`SessionError::Resource`] all is well for the server: a DISCONNECT in both, and no Will.
    pub fn abort(&mut self, error: &SessionError) {
        let told = match self.link {
            #[cfg(feature = "qos2")]
            Link::Up if matches!(error, SessionError::Resource(_)) => error.disconnect_reason(),
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
