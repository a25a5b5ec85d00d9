//! The packets of MQTT 3.1.1 and MQTT 5 as values that borrow.
//!
//! One set of types serves both versions: MQTT 3.1.1 packets simply have no properties and carry
//! their return codes as [`ReasonCode`]s. A packet that was decoded borrows from its frame; a
//! packet to be sent borrows from the caller.

use core::fmt;

use crate::{
    DecodeError, EncodeError, PacketId, Properties, QoS, ReasonCode, SubscribeFilters,
    UnsubscribeFilters, Version,
};

/// The type nibble of the fixed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are the specification's own")]
pub enum PacketType {
    Connect = 1,
    ConnAck = 2,
    Publish = 3,
    PubAck = 4,
    PubRec = 5,
    PubRel = 6,
    PubComp = 7,
    Subscribe = 8,
    SubAck = 9,
    Unsubscribe = 10,
    UnsubAck = 11,
    PingReq = 12,
    PingResp = 13,
    Disconnect = 14,
    Auth = 15,
}

impl PacketType {
    /// The packet type with this number, or `None` for 0 and above 15.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            1 => Self::Connect,
            2 => Self::ConnAck,
            3 => Self::Publish,
            4 => Self::PubAck,
            5 => Self::PubRec,
            6 => Self::PubRel,
            7 => Self::PubComp,
            8 => Self::Subscribe,
            9 => Self::SubAck,
            10 => Self::Unsubscribe,
            11 => Self::UnsubAck,
            12 => Self::PingReq,
            13 => Self::PingResp,
            14 => Self::Disconnect,
            15 => Self::Auth,
            _ => return None,
        })
    }

    /// The value the low nibble of the fixed header must have (2.1.3); `None` for PUBLISH, which
    /// uses it.
    pub(crate) const fn reserved_flags(self) -> Option<u8> {
        match self {
            Self::Publish => None,
            Self::PubRel | Self::Subscribe | Self::Unsubscribe => Some(0b0010),
            _ => Some(0),
        }
    }
}

/// Any MQTT control packet.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names are the specification's own")]
pub enum Packet<'a> {
    Connect(Connect<'a>),
    ConnAck(ConnAck<'a>),
    Publish(Publish<'a>),
    PubAck(Ack<'a>),
    PubRec(Ack<'a>),
    PubRel(Ack<'a>),
    PubComp(Ack<'a>),
    Subscribe(Subscribe<'a>),
    SubAck(SubAck<'a>),
    Unsubscribe(Unsubscribe<'a>),
    /// MQTT 3.1.1's UNSUBACK has no reason codes; `reason_codes` is then empty.
    UnsubAck(SubAck<'a>),
    PingReq,
    PingResp,
    Disconnect(Disconnect<'a>),
    /// MQTT 5 only.
    Auth(Auth<'a>),
}

impl<'a> Packet<'a> {
    /// Reads one whole frame, as [`split`](crate::split) cut it out.
    ///
    /// `version` is that of the connection; for CONNECT itself it is ignored, because CONNECT says
    /// it.
    ///
    /// # Errors
    /// [`DecodeError`] when the frame is not a packet of that version. Never panics.
    pub fn decode(version: Version, frame: &crate::Frame<'a>) -> Result<Self, DecodeError> {
        crate::decode::packet(version, frame)
    }

    /// The length in bytes that [`encode`](Self::encode) will write.
    ///
    /// # Errors
    /// [`EncodeError`] when the packet cannot be expressed in this version.
    pub fn encoded_len(&self, version: Version) -> Result<usize, EncodeError> {
        Ok(crate::encode::packet(version, self, &mut [])?)
    }

    /// Writes the packet at the start of `buf` and answers how many bytes it took.
    ///
    /// # Errors
    /// [`EncodeError::BufferTooSmall`] tells how much is needed; nothing useful is in `buf` then.
    pub fn encode(&self, version: Version, buf: &mut [u8]) -> Result<usize, EncodeError> {
        let needed = crate::encode::packet(version, self, buf)?;
        fits(needed, buf)
    }

    /// The type of this packet.
    #[must_use]
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::ConnAck(_) => PacketType::ConnAck,
            Self::Publish(_) => PacketType::Publish,
            Self::PubAck(_) => PacketType::PubAck,
            Self::PubRec(_) => PacketType::PubRec,
            Self::PubRel(_) => PacketType::PubRel,
            Self::PubComp(_) => PacketType::PubComp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::SubAck(_) => PacketType::SubAck,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::UnsubAck(_) => PacketType::UnsubAck,
            Self::PingReq => PacketType::PingReq,
            Self::PingResp => PacketType::PingResp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }
}

const fn fits(needed: usize, buf: &[u8]) -> Result<usize, EncodeError> {
    if needed > buf.len() {
        return Err(EncodeError::BufferTooSmall { needed });
    }
    Ok(needed)
}

impl Publish<'_> {
    /// Writes everything but the payload at the start of `buf`, with a remaining length that counts
    /// the payload, and answers how many bytes it took. Who fans a message out writes a head for
    /// each subscriber and sends the one payload after it.
    ///
    /// # Errors
    /// As [`Packet::encode`]; `needed` counts the head alone.
    pub fn encode_head(&self, version: Version, buf: &mut [u8]) -> Result<usize, EncodeError> {
        let needed = crate::encode::publish_head(version, self, buf)?;
        fits(needed, buf)
    }
}

/// CONNECT (3.1).
#[derive(Clone, Copy, PartialEq)]
pub struct Connect<'a> {
    /// 3.1.1 or 5.
    pub version: Version,
    /// Clean Session in 3.1.1, Clean Start in 5.
    pub clean_start: bool,
    /// Seconds; 0 turns keep-alive off (AWS reads 0 as 1200, `B-15`).
    pub keep_alive: u16,
    /// Client identifier; may be empty (`B-12`).
    pub client_id: &'a str,
    /// The message the server publishes when the connection ends badly.
    pub will: Option<Will<'a>>,
    /// User name; AWS uses it for SDK metrics only (`A-31`).
    pub user_name: Option<&'a str>,
    /// Password.
    pub password: Option<&'a [u8]>,
    /// MQTT 5 properties.
    pub properties: Properties<'a>,
}

/// Shows all but the password, which is a secret.
impl fmt::Debug for Connect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("version", &self.version)
            .field("clean_start", &self.clean_start)
            .field("keep_alive", &self.keep_alive)
            .field("client_id", &self.client_id)
            .field("will", &self.will)
            .field("user_name", &self.user_name)
            .field("password", &self.password.map(|_| format_args!("<hidden>")))
            .field("properties", &self.properties)
            .finish()
    }
}

/// The Will of a CONNECT.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Will<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// Payload.
    pub payload: &'a [u8],
    /// Quality of service it is published with.
    pub qos: QoS,
    /// Whether it is retained.
    pub retain: bool,
    /// MQTT 5 Will properties.
    pub properties: Properties<'a>,
}

/// CONNACK (3.2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConnAck<'a> {
    /// Whether the server kept the session.
    pub session_present: bool,
    /// 3.1.1: return code 0–5; MQTT 5: reason code.
    pub reason_code: ReasonCode,
    /// MQTT 5 properties.
    pub properties: Properties<'a>,
}

/// PUBLISH (3.3).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Publish<'a> {
    /// Set on a repetition.
    pub dup: bool,
    /// Quality of service.
    pub qos: QoS,
    /// Retain flag.
    pub retain: bool,
    /// Topic name; empty only in MQTT 5 with a topic alias. Decoding checks UTF-8 and that there is
    /// no NUL. Wildcards (`B-43`, see [`crate::topic::is_valid_name`]), lengths and levels (`B-41`)
    /// are the caller's rules, because the broker answers them with a code of its own.
    pub topic: &'a str,
    /// Present exactly when QoS is 1 or 2.
    pub packet_id: Option<PacketId>,
    /// MQTT 5 properties.
    pub properties: Properties<'a>,
    /// Application message.
    pub payload: &'a [u8],
}

/// PUBACK, PUBREC, PUBREL, PUBCOMP (3.4–3.7).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ack<'a> {
    /// Which packet is acknowledged.
    pub packet_id: PacketId,
    /// `SUCCESS` in 3.1.1.
    pub reason_code: ReasonCode,
    /// MQTT 5 properties.
    pub properties: Properties<'a>,
}

/// SUBSCRIBE (3.8).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Subscribe<'a> {
    /// Packet identifier.
    pub packet_id: PacketId,
    /// MQTT 5 properties.
    pub properties: Properties<'a>,
    /// One or more filters. Decoding checks UTF-8 and the option bits, not the filter grammar: that
    /// is answered in SUBACK (see [`crate::topic::is_valid_filter`]).
    pub filters: SubscribeFilters<'a>,
}

/// UNSUBSCRIBE (3.10).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unsubscribe<'a> {
    /// Packet identifier.
    pub packet_id: PacketId,
    /// MQTT 5 properties.
    pub properties: Properties<'a>,
    /// One or more filters.
    pub filters: UnsubscribeFilters<'a>,
}

/// SUBACK and UNSUBACK (3.9, 3.11).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SubAck<'a> {
    /// Which packet is acknowledged.
    pub packet_id: PacketId,
    /// MQTT 5 properties.
    pub properties: Properties<'a>,
    /// One byte a filter, in order; see [`ReasonCode`].
    pub reason_codes: &'a [u8],
}

/// DISCONNECT (3.14).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Disconnect<'a> {
    /// `SUCCESS` in 3.1.1.
    pub reason_code: ReasonCode,
    /// MQTT 5 properties.
    pub properties: Properties<'a>,
}

/// AUTH (3.15), MQTT 5 only; AWS does not use it (`B-2`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Auth<'a> {
    /// Reason code.
    pub reason_code: ReasonCode,
    /// Properties.
    pub properties: Properties<'a>,
}
