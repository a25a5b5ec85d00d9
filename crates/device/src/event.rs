//! What a client tells about its life, and why a connection ended.

use core::fmt;

use thingwire_mqtt::client::SessionError;

use crate::{
    Failure, FailureKind, Message, Negotiated, PacketType, Properties, Reason, ReasonCode,
};

/// What happened. [`Client::run`](crate::Client::run) gives each event to its callback, in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A connection is being opened.
    Attempting {
        /// Failures in a row before this attempt.
        attempt: u32,
    },
    /// CONNACK has come.
    Connected {
        /// What holds on this connection; `session_present` tells whether the server kept the session.
        negotiated: Negotiated,
        /// MQTT 5: the client identifier the server chose for an empty one (`B-12`).
        assigned_client_id: Option<&'a str>,
    },
    /// No connection came about.
    Failed {
        /// Why; [`Why::advice`] says what to do.
        why: &'a Why<'a>,
        /// Milliseconds until the next attempt.
        retry_in: u64,
    },
    /// The connection ended.
    Disconnected {
        /// Why; [`Why::advice`] says what to do.
        why: &'a Why<'a>,
        /// Milliseconds until the next attempt.
        retry_in: u64,
    },
    /// The client was stopped and says nothing more.
    Stopped,
    /// A message arrived. If the client has an inbox, it is in there as well.
    Message(Message<'a>),
    /// A message was longer than the receive buffer, or than the whole inbox, and was left out.
    Skipped {
        /// Its topic, if that fitted.
        topic: Option<&'a str>,
        /// Length of its packet in bytes.
        packet_len: usize,
        /// Size of the buffer in bytes.
        capacity: usize,
    },
    /// A message did not fit into the inbox.
    InboxFull {
        /// Its topic.
        topic: &'a str,
        /// True: it is gone, because it had QoS 0, or because the session ends with the connection
        /// (clean start). False: the server keeps it, and it is fetched when the application has caught up.
        lost: bool,
    },
    /// SUBACK: one byte for each filter of a SUBSCRIBE, 0x80 and above being refusals.
    Subscribed {
        /// The bytes.
        reason_codes: &'a [u8],
    },
    /// MQTT 5 (feature `v5`): what a packet other than PUBLISH says besides its meaning: the reason string and user properties of an
    /// acknowledgement, everything in a CONNACK, where else to go in a DISCONNECT. Comes before what follows from the packet.
    Told {
        /// Which packet.
        packet_type: PacketType,
        /// Its properties; never empty.
        properties: Properties<'a>,
    },
    /// The server did not take a PUBLISH (MQTT 5, `B-53`).
    PublishRefused {
        /// Why.
        reason: ReasonCode,
    },
}

/// Why a connection did not come about or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why<'a> {
    /// Opening it failed, or it broke.
    Failure(Failure),
    /// Opening it took longer than [`Config::connect_limit`](crate::Config).
    ConnectTimeout,
    /// Writing took too long: nobody reads at the other end.
    WriteTimeout,
    /// The server closed it without a word.
    Closed {
        /// What it had been asked and had not answered, which is probably what it did not like (`B-52` to `B-54`).
        asked: Asked<'a>,
        /// It did so three times in a row right after the same request: the request is given up and
        /// reported as refused, so that the rest can go on.
        set_aside: bool,
    },
    /// MQTT ended it.
    Session(SessionError),
    /// We ended it: the application has caught up, and the server is to send again what did not fit
    /// into the inbox.
    Refetch,
}

/// The last question to the server that had no answer. A topic that is longer than AWS takes, or than the write buffer is,
/// is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// None: everything had been answered.
    Nothing,
    /// CONNECT.
    Connect,
    /// To subscribe to this filter.
    Subscribe(&'a str),
    /// To take a message with QoS 1 on this topic.
    Publish(&'a str),
    /// To take a message with QoS 0, which is never answered; the topic if there was only one, and of a long one
    /// the beginning.
    PublishQos0(Option<&'a str>),
}

impl Why<'_> {
    /// What to do about it, in one line.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::Failure(failure) => match failure.kind {
                FailureKind::Configuration => "make the connection kit again",
                FailureKind::Network => "check Wi-Fi or cable; nothing else to do",
                FailureKind::Dns => {
                    "check the endpoint's name in the kit, and the network's name server"
                }
                FailureKind::Tcp => "check that the endpoint's port is open from this network",
                FailureKind::ServerCertificate => {
                    "check the kit's roots, the endpoint's name and this device's clock"
                }
                FailureKind::ClientCertificate => {
                    "register this device's certificate and make it ACTIVE"
                }
                FailureKind::Tls => {
                    "check that the endpoint speaks TLS 1.2 or 1.3 with AWS's cipher suites"
                }
                FailureKind::Connection => "nothing: connections break, and this one comes back",
            },
            Self::ConnectTimeout | Self::WriteTimeout => {
                "nothing, unless it stays: check the network"
            }
            Self::Closed { asked, .. } => match asked {
                Asked::Nothing => "nothing: connections end, and this one comes back",
                Asked::Connect => {
                    "check that the certificate is ACTIVE and its policy allows iot:Connect for the client id"
                }
                Asked::Subscribe(_) => {
                    "check that the policy allows iot:Subscribe on this topic filter"
                }
                Asked::Publish(_) | Asked::PublishQos0(_) => {
                    "check that the policy allows iot:Publish on this topic"
                }
            },
            Self::Session(SessionError::Refused(_)) => {
                "check client id, user name and the policy's iot:Connect"
            }
            Self::Session(SessionError::Disconnected(ReasonCode::SESSION_TAKEN_OVER)) => {
                "give each device a client id of its own"
            }
            Self::Session(SessionError::Disconnected(ReasonCode::NOT_AUTHORIZED)) => {
                "check what the policy allows for the last publish or subscribe"
            }
            Self::Session(SessionError::Connect(_)) => "correct the configuration",
            Self::Session(
                SessionError::ConnAckTimeout | SessionError::PingTimeout | SessionError::AckTimeout,
            ) => "nothing, unless it stays: check the network",
            Self::Session(_) => "nothing, unless it stays: ask the server's people",
            Self::Refetch => "make the inbox larger, or the handlers faster",
        }
    }

    /// Its kind, for counting.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Failure(failure) => match failure.kind {
                FailureKind::Configuration => Reason::Configuration,
                FailureKind::Network => Reason::Network,
                FailureKind::Dns => Reason::Dns,
                FailureKind::Tcp => Reason::Tcp,
                FailureKind::ServerCertificate => Reason::ServerCertificate,
                FailureKind::ClientCertificate => Reason::ClientCertificate,
                FailureKind::Tls => Reason::Tls,
                FailureKind::Connection => Reason::Broken,
            },
            Self::ConnectTimeout
            | Self::WriteTimeout
            | Self::Session(
                SessionError::ConnAckTimeout | SessionError::PingTimeout | SessionError::AckTimeout,
            ) => Reason::Timeout,
            Self::Closed { asked, .. } => match asked {
                Asked::Nothing => Reason::Closed,
                _ => Reason::ProbablyDenied,
            },
            Self::Session(SessionError::Refused(_)) => Reason::Refused,
            Self::Session(SessionError::Disconnected(_)) => Reason::ServerDisconnect,
            Self::Session(_) => Reason::Protocol,
            Self::Refetch => Reason::Refetch,
        }
    }
}

impl fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failure(failure) => failure.fmt(f),
            Self::ConnectTimeout => f.write_str("opening the connection took too long"),
            Self::WriteTimeout => f.write_str("the server does not read"),
            Self::Session(error) => error.fmt(f),
            Self::Refetch => {
                f.write_str("reconnecting to get the messages that did not fit into the inbox")
            }
            Self::Closed { asked, set_aside } => {
                f.write_str("the server closed the connection")?;
                let told = match asked {
                    Asked::Nothing => Ok(()),
                    Asked::Connect => f.write_str(
                        " before CONNACK: is the certificate registered and ACTIVE, and does its policy \
                         allow iot:Connect for this client id?",
                    ),
                    Asked::Subscribe(filter) => write!(
                        f,
                        " after SUBSCRIBE `{filter}`: probably the policy does not allow iot:Subscribe there"
                    ),
                    Asked::Publish(topic) | Asked::PublishQos0(Some(topic)) => write!(
                        f,
                        " after PUBLISH `{topic}`: probably the policy does not allow iot:Publish there"
                    ),
                    Asked::PublishQos0(None) => {
                        f.write_str(" after PUBLISH: probably the policy does not allow iot:Publish there")
                    }
                };
                told?;
                if *set_aside {
                    f.write_str("; after three times it is set aside")?;
                }
                Ok(())
            }
        }
    }
}
