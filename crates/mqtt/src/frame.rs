//! Cuts a byte stream into frames: fixed header, then as many bytes as it promises (2.2, 2.1.4).

use crate::{DecodeError, PacketType};

/// A fixed header: what is coming and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The packet type.
    pub packet_type: PacketType,
    /// The low nibble of the first byte. Its reserved values are checked for every type but PUBLISH here.
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
