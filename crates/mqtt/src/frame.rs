//! Cuts a byte stream into frames: fixed header, then as many bytes as it promises (2.2, 2.1.4).

use crate::fault::Fault;
use crate::property::rules::{self, Place};
use crate::wire::{Reader, variable_integer};
use crate::{DecodeError, PacketType, Properties, Version};

/// A fixed header: what is coming and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The packet type.
    pub packet_type: PacketType,
    /// The low nibble of the first byte. Its reserved values are checked for every type but PUBLISH
    /// here.
    pub flags: u8,
    /// Length of the fixed header: 2 to 5 bytes.
    pub header_len: usize,
    /// Bytes that follow it.
    pub remaining_len: usize,
}

/// One whole packet, still as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its fixed header.
    pub header: FrameHeader,
    /// What follows the fixed header; exactly `header.remaining_len` bytes.
    pub body: &'a [u8],
}

impl FrameHeader {
    /// Reads the fixed header at the start of `buf`; `None` when more bytes are needed to tell.
    ///
    /// A remaining length that is not in its shortest form is accepted: MQTT 3.1.1 does not forbid
    /// it, and the version is not known here.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] as soon as the type or its reserved flags are wrong (2.1.3
    /// `[MQTT-2.2.2-2]`), or the remaining length has a fifth byte. Never panics.
    pub fn parse(buf: &[u8]) -> Result<Option<Self>, DecodeError> {
        Ok(Self::read(buf)?)
    }

    pub(crate) fn read(buf: &[u8]) -> Result<Option<Self>, Fault> {
        let Some((first, after)) = buf.split_first() else {
            return Ok(None);
        };
        let packet_type = PacketType::from_bits(first >> 4).ok_or(field!("packet type"))?;
        let flags = first & 0x0F;
        if packet_type
            .reserved_flags()
            .is_some_and(|reserved| reserved != flags)
        {
            return Err(field!("reserved flags of the fixed header"));
        }
        let Some((remaining, length_len)) = variable_integer(after, field!("remaining length"))?
        else {
            return Ok(None);
        };
        Ok(Some(Self {
            packet_type,
            flags,
            header_len: length_len.wrapping_add(1),
            remaining_len: remaining as usize,
        }))
    }

    /// The length of the whole packet in bytes.
    #[must_use]
    pub const fn packet_len(&self) -> usize {
        self.header_len.wrapping_add(self.remaining_len)
    }
}

impl<'a> Frame<'a> {
    /// The MQTT 5 properties of this packet, of whatever type it is; empty when it has none or is damaged.
    ///
    /// What a [`Session`](crate::client::Session) says of a packet is what follows from it. The server's words stand here:
    /// reason strings, user properties, a server reference, response information.
    #[must_use]
    pub fn properties(&self, version: Version) -> Properties<'a> {
        self.read_properties(version).unwrap_or_default()
    }

    fn read_properties(&self, version: Version) -> Result<Properties<'a>, Fault> {
        let mut reader = Reader::new(self.body);
        // What stands before them.
        let (len, place) = match self.header.packet_type {
            // Protocol name and level, flags, keep alive.
            PacketType::Connect => (10, Place::Connect),
            PacketType::ConnAck => (2, Place::ConnAck),
            PacketType::Publish => {
                reader.binary(field!("topic name"))?;
                let has_id = self.header.flags & 0b110 != 0;
                (if has_id { 2 } else { 0 }, Place::Publish)
            }
            PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
                (3, Place::Acknowledgement)
            }
            PacketType::Subscribe => (2, Place::Subscribe),
            PacketType::Unsubscribe => (2, Place::Unsubscribe),
            PacketType::SubAck | PacketType::UnsubAck => (2, Place::Acknowledgement),
            PacketType::Disconnect => (1, Place::Disconnect),
            PacketType::Auth => (1, Place::Auth),
            PacketType::PingReq | PacketType::PingResp => return Ok(Properties::EMPTY),
        };
        reader.take(len, field!("properties"))?;
        rules::read(version, place, &mut reader)
    }
}

/// Cuts the first whole packet out of `buf`: the frame, and how many bytes of `buf` it took.
/// `None` when more bytes are needed.
///
/// `max` is the longest packet to accept, in bytes and with its fixed header. A longer one is
/// refused as soon as its header has arrived, so that nobody needs to keep what it announces.
///
/// # Errors
/// What [`FrameHeader::parse`] answers, or [`DecodeError::TooLarge`]. Never panics.
pub fn split(buf: &[u8], max: usize) -> Result<Option<(Frame<'_>, usize)>, DecodeError> {
    let Some(header) = FrameHeader::parse(buf)? else {
        return Ok(None);
    };
    let len = header.packet_len();
    if len > max {
        return Err(DecodeError::TooLarge { len, max });
    }
    Ok(buf
        .get(header.header_len..len)
        .map(|body| (Frame { header, body }, len)))
}
