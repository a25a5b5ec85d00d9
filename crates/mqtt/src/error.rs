//! Why bytes are not a packet, and why a packet does not become bytes.

use crate::ReasonCode;

/// The peer sent something that is not MQTT. The connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// A field is cut short, a length lies, a flag that must be zero is set, text is not UTF-8.
    /// MQTT 5: 0x81. The text names the field.
    Malformed(&'static str),
    /// Well-formed bytes that the standard forbids here, such as a property sent twice.
    /// MQTT 5: 0x82.
    Protocol(&'static str),
    /// The packet is longer than the limit given to [`split`](crate::split). MQTT 5: 0x95.
    TooLarge {
        /// Length of the whole packet in bytes, as its fixed header claims.
        len: usize,
        /// The limit it broke.
        max: usize,
    },
    /// CONNECT names a protocol that is neither MQTT 3.1.1 nor MQTT 5.
    /// 3.1.1: return code 1; MQTT 5: 0x84.
    UnsupportedVersion {
        /// The protocol level byte of the CONNECT.
        level: u8,
    },
}

impl DecodeError {
    /// The MQTT 5 reason code to send before closing.
    #[must_use]
    pub const fn reason_code(&self) -> ReasonCode {
        match self {
            Self::Malformed(_) => ReasonCode::MALFORMED_PACKET,
            Self::Protocol(_) => ReasonCode::PROTOCOL_ERROR,
            Self::TooLarge { .. } => ReasonCode::PACKET_TOO_LARGE,
            Self::UnsupportedVersion { .. } => ReasonCode::UNSUPPORTED_PROTOCOL_VERSION,
        }
    }
}

impl core::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "malformed packet: {what}"),
            Self::Protocol(what) => write!(f, "protocol error: {what}"),
            Self::TooLarge { len, max } => {
                write!(f, "packet of {len} bytes, at most {max} are accepted")
            }
            Self::UnsupportedVersion { level } => {
                write!(
                    f,
                    "protocol level {level}, expected 4 (MQTT 3.1.1) or 5 (MQTT 5)"
                )
            }
        }
    }
}

impl core::error::Error for DecodeError {}

/// The caller asked for a packet that cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The lent slice is too short. Lend at least `needed` bytes.
    BufferTooSmall {
        /// Bytes the whole packet takes.
        needed: usize,
    },
    /// A text or binary field is longer than 65,535 bytes, or the packet longer than 268,435,455.
    FieldTooLong(&'static str),
    /// The field does not exist in this packet or protocol version.
    NotAllowed(&'static str),
}

impl core::fmt::Display for EncodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::BufferTooSmall { needed } => {
                write!(f, "the packet needs a buffer of {needed} bytes")
            }
            Self::FieldTooLong(field) => write!(f, "`{field}` is longer than MQTT can carry"),
            Self::NotAllowed(what) => write!(f, "{what}"),
        }
    }
}

impl core::error::Error for EncodeError {}
