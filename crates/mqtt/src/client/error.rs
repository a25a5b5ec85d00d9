//! What can go wrong on the client's side, and whose turn it is.

use crate::fault::Fault;
use crate::{DecodeError, EncodeError, ReasonCode};

/// The connection is over: close the transport and connect again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionError {
    /// Peer: it sent bytes that are not MQTT.
    Decode(Fault),
    /// Peer: it sent a packet that is not allowed at this moment. The text says which.
    Protocol(Fault),
    /// Peer: CONNACK carried a refusal. Look at the code: credentials and identifiers are yours to correct.
    Refused(ReasonCode),
    /// Peer: it ended the connection with a DISCONNECT (MQTT 5).
    Disconnected(ReasonCode),
    /// Transport: no CONNACK within the limit.
    ConnAckTimeout,
    /// Transport: PINGRESP did not come within half the keep-alive.
    PingTimeout,
    /// Transport: an acknowledgement is overdue, and MQTT 5 lets a client repeat the packet only on a
    /// new connection `[MQTT-4.4.0-1]`.
    AckTimeout,
    /// Configuration: the CONNECT packet cannot be written.
    Connect(Fault),
    /// Resource: make the arena larger. What there was no room for comes again with the next connection.
    Resource(Fault),
}

impl SessionError {
    /// The MQTT 5 reason to give the server before closing, if it deserves to be told one.
    #[must_use]
    pub const fn disconnect_reason(&self) -> Option<ReasonCode> {
        match self {
            Self::Decode(error) | Self::Protocol(error) => Some(error.reason_code()),
            // The client comes back at once: with any other reason the server would publish the Will [MQTT-3.1.2-8].
            Self::Resource(_) => Some(ReasonCode::SUCCESS),
            Self::PingTimeout | Self::AckTimeout => Some(ReasonCode::UNSPECIFIED_ERROR),
            Self::Refused(_) | Self::Disconnected(_) | Self::ConnAckTimeout | Self::Connect(_) => {
                None
            }
        }
    }
}

impl From<Fault> for SessionError {
    fn from(fault: Fault) -> Self {
        Self::Decode(fault)
    }
}

impl core::fmt::Display for SessionError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Decode(error) => write!(f, "the server sent a {}", DecodeError::from(*error)),
            Self::Protocol(what) => write!(f, "the server broke the protocol: {}", what.text()),
            Self::Refused(code) => write!(
                f,
                "the server refused the connection with code 0x{:02x}",
                code.0
            ),
            Self::Disconnected(code) => {
                write!(
                    f,
                    "the server ended the connection with reason 0x{:02x}",
                    code.0
                )
            }
            Self::Resource(what) => f.write_str(what.text()),
            Self::ConnAckTimeout => f.write_str("the server did not answer CONNECT in time"),
            Self::PingTimeout => f.write_str("the server did not answer PINGREQ in time"),
            Self::AckTimeout => f.write_str("the server did not acknowledge a packet in time"),
            Self::Connect(error) => {
                write!(f, "CONNECT cannot be sent: {}", EncodeError::from(*error))
            }
        }
    }
}

impl core::error::Error for SessionError {}

/// A PUBLISH was not accepted. Nothing of it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishError {
    /// Resource: wait until acknowledgements have made room, then try again.
    NoRoom {
        /// Bytes of the arena it takes.
        needed: usize,
        /// Bytes that are free now.
        free: usize,
    },
    /// Configuration: the lent arena can never hold it.
    ArenaTooSmall {
        /// Bytes of the arena it takes.
        needed: usize,
        /// Size of the arena.
        capacity: usize,
    },
    /// Peer: longer than the server's Maximum Packet Size.
    PacketTooLarge {
        /// Length of the packet in bytes.
        len: usize,
        /// What the server accepts.
        max: usize,
    },
    /// Transport: QoS 0 is sent now or never, and there is no connection.
    NotConnected,
    /// Configuration: quality of service 2 without the feature `qos2`, or one above the server's Maximum QoS.
    QosNotSupported,
    /// Peer: the server has no retained messages.
    RetainNotSupported,
    /// Configuration: the topic name is empty, or holds a wildcard or NUL.
    InvalidTopic,
    /// Configuration: the packet cannot be expressed.
    Encode(Fault),
}

impl core::fmt::Display for PublishError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NoRoom { needed, free } => {
                write!(
                    f,
                    "the message needs {needed} bytes of the send buffer, {free} are free"
                )
            }
            Self::ArenaTooSmall { needed, capacity } => {
                write!(
                    f,
                    "the message needs {needed} bytes, the whole send buffer has {capacity}"
                )
            }
            Self::PacketTooLarge { len, max } => {
                write!(f, "the packet has {len} bytes, the server accepts {max}")
            }
            Self::NotConnected => f.write_str("not connected, and QoS 0 is not kept"),
            Self::QosNotSupported => f.write_str("this quality of service is not supported"),
            Self::RetainNotSupported => f.write_str("the server keeps no retained messages"),
            Self::InvalidTopic => {
                f.write_str("a topic name is one or more characters without `+`, `#` and NUL")
            }
            Self::Encode(fault) => EncodeError::from(*fault).fmt(f),
        }
    }
}

impl core::error::Error for PublishError {}

/// A SUBSCRIBE or UNSUBSCRIBE was not accepted. Nothing of it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscribeError {
    /// Resource: wait until acknowledgements have made room, then try again.
    NoRoom {
        /// Bytes of the arena it takes.
        needed: usize,
        /// Bytes that are free now.
        free: usize,
    },
    /// Configuration: the lent arena can never hold it.
    ArenaTooSmall {
        /// Bytes of the arena it takes.
        needed: usize,
        /// Size of the arena.
        capacity: usize,
    },
    /// Configuration: no filter, or more than [`Session::FILTERS_PER_PACKET`](super::Session::FILTERS_PER_PACKET).
    FilterCount,
    /// Configuration: a filter breaks the grammar of 4.7.
    InvalidFilter,
    /// Configuration: quality of service 2 without the feature `qos2`.
    QosNotSupported,
    /// Configuration: the packet cannot be expressed.
    Encode(Fault),
}

impl core::fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NoRoom { needed, free } => {
                write!(
                    f,
                    "the subscription needs {needed} bytes of the send buffer, {free} are free"
                )
            }
            Self::ArenaTooSmall { needed, capacity } => {
                write!(
                    f,
                    "the subscription needs {needed} bytes, the whole send buffer has {capacity}"
                )
            }
            Self::FilterCount => f.write_str("one to 8 topic filters fit into a packet"),
            Self::InvalidFilter => f.write_str(
                "`+` stands for a whole level, `#` for the last one; a filter is not empty",
            ),
            Self::QosNotSupported => f.write_str("quality of service 2 is not supported"),
            Self::Encode(fault) => EncodeError::from(*fault).fmt(f),
        }
    }
}

impl core::error::Error for SubscribeError {}
