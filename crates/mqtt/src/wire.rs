//! The data representations of MQTT (1.5): how integers, text and binary data lie in bytes.
//!
//! [`Reader`] takes fields from the front of a slice and can fail, but not panic, on any bytes.
//! [`Writer`] puts fields into a lent slice. It counts what does not fit instead of failing, so
//! that one walk over a packet serves both to measure it (with no room at all) and to write it.

use crate::fault::Fault;
use crate::{PacketId, ReasonCode};

/// The longest remaining length, and the largest variable byte integer: 268,435,455 (1.5.5, 2.1.4).
pub(crate) const VARIABLE_INTEGER_MAX: u32 = 0x0FFF_FFFF;

/// Reads fields one after the other. Every method is given the fault it answers when it cannot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What was not read yet.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn take(&mut self, len: usize, fault: Fault) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(fault)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Everything that is left.
    pub(crate) const fn take_rest(&mut self) -> &'a [u8] {
        let rest = self.rest;
        self.rest = &[];
        rest
    }

    /// An integer of `width` bytes.
    pub(crate) fn number(&mut self, width: usize, fault: Fault) -> Result<u32, Fault> {
        let join = |value: u32, byte: &u8| value << 8 | u32::from(*byte);
        Ok(self.take(width, fault)?.iter().fold(0, join))
    }

    pub(crate) fn u8(&mut self, fault: Fault) -> Result<u8, Fault> {
        let (first, rest) = self.rest.split_first().ok_or(fault)?;
        self.rest = rest;
        Ok(*first)
    }

    pub(crate) fn u16(&mut self, fault: Fault) -> Result<u16, Fault> {
        let (two, rest) = self.rest.split_first_chunk().ok_or(fault)?;
        self.rest = rest;
        Ok(u16::from_be_bytes(*two))
    }

    pub(crate) fn reason_code(&mut self) -> Result<ReasonCode, Fault> {
        self.u8(field!("reason code")).map(ReasonCode)
    }

    /// A variable byte integer in its shortest form `[MQTT-1.5.5-1]`.
    pub(crate) fn variable_integer(&mut self, fault: Fault) -> Result<u32, Fault> {
        match variable_integer(self.rest, fault)? {
            Some((value, len)) if len == variable_integer_len(value) => {
                self.take(len, fault)?;
                Ok(value)
            }
            _ => Err(fault),
        }
    }

    /// Two bytes of length, then as many bytes (1.5.6).
    pub(crate) fn binary(&mut self, fault: Fault) -> Result<&'a [u8], Fault> {
        let len = self.u16(fault)?;
        self.take(usize::from(len), fault)
    }

    /// A UTF-8 encoded string without the null character `[MQTT-1.5.4-1]` `[MQTT-1.5.4-2]`.
    pub(crate) fn text(&mut self, fault: Fault) -> Result<&'a str, Fault> {
        match core::str::from_utf8(self.binary(fault)?) {
            Ok(text) if !has_null(text) => Ok(text),
            _ => Err(fault),
        }
    }

    /// A packet identifier, which is never zero `[MQTT-2.3.1-1]` `[MQTT-2.2.1-3]`.
    pub(crate) fn packet_id(&mut self) -> Result<PacketId, Fault> {
        let number = self.u16(field!("packet identifier"))?;
        PacketId::new(number).ok_or(rule!("packet identifier is zero"))
    }

    /// The end of the packet: nothing may follow its last field.
    pub(crate) const fn finish(&self) -> Result<(), Fault> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(field!("bytes after the last field"))
        }
    }
}

/// The variable byte integer at the start of `bytes` and how many bytes it takes, or `None` when
/// the bytes end within it. More than four bytes are malformed.
pub(crate) fn variable_integer(bytes: &[u8], fault: Fault) -> Result<Option<(u32, usize)>, Fault> {
    let mut value = 0_u32;
    let mut len = 0_usize;
    for byte in bytes.iter().take(4) {
        let shift = (len as u32).wrapping_mul(7);
        len = len.wrapping_add(1);
        value |= u32::from(byte & 0x7F).wrapping_shl(shift);
        if byte & 0x80 == 0 {
            return Ok(Some((value, len)));
        }
    }
    if len < 4 { Ok(None) } else { Err(fault) }
}

/// How many bytes a variable byte integer takes.
pub(crate) const fn variable_integer_len(value: u32) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

/// Moves what lies behind the first `gap` bytes to the front.
///
/// Piece by piece, none longer than the gap: pieces that cannot overlap need no `memmove`, which is 700 bytes of flash.
pub(crate) fn close_gap(bytes: &mut [u8], gap: usize) {
    let mut rest = bytes;
    while let Some((front, back)) = rest.split_at_mut_checked(gap) {
        let piece = back.len().min(gap);
        if let (Some(to), Some(from)) = (front.get_mut(..piece), back.get(..piece)) {
            to.copy_from_slice(from);
        }
        if piece < gap || gap == 0 {
            break;
        }
        rest = back;
    }
}

/// Looks at every byte, because a loop without an early end is several bytes a step on a large processor.
fn has_null(text: &str) -> bool {
    text.bytes().fold(false, |found, byte| found | (byte == 0))
}

/// `[MQTT-1.5.4-2]`
pub(crate) fn no_null(text: &str) -> Result<(), Fault> {
    if has_null(text) {
        return Err(rule!("text with a null character cannot be sent"));
    }
    Ok(())
}

/// Writes fields one after the other into a lent slice, and counts on when the slice ends.
#[derive(Debug)]
pub(crate) struct Writer<'b> {
    buf: &'b mut [u8],
    len: usize,
}

impl<'b> Writer<'b> {
    pub(crate) const fn new(buf: &'b mut [u8]) -> Self {
        Self { buf, len: 0 }
    }

    /// A writer that only measures.
    pub(crate) const fn counting() -> Self {
        Self {
            buf: &mut [],
            len: 0,
        }
    }

    /// Bytes written, or that would have been written with enough room.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let end = self.len.wrapping_add(bytes.len());
        if let Some(place) = self.buf.get_mut(self.len..end) {
            place.copy_from_slice(bytes);
        }
        self.len = end;
    }

    pub(crate) fn u8(&mut self, value: u8) {
        if let Some(place) = self.buf.get_mut(self.len) {
            *place = value;
        }
        self.len = self.len.wrapping_add(1);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn variable_integer(&mut self, value: usize, fault: Fault) -> Result<(), Fault> {
        if value > VARIABLE_INTEGER_MAX as usize {
            return Err(fault);
        }
        self.remaining_len(value);
        Ok(())
    }

    /// A variable byte integer that is known to fit.
    pub(crate) fn remaining_len(&mut self, value: usize) {
        let mut left = value;
        while left > 0x7F {
            self.u8(left as u8 | 0x80);
            left >>= 7;
        }
        self.u8(left as u8);
    }

    pub(crate) fn binary(&mut self, bytes: &[u8], fault: Fault) -> Result<(), Fault> {
        let len = u16::try_from(bytes.len()).map_err(|_| fault)?;
        self.u16(len);
        self.bytes(bytes);
        Ok(())
    }

    pub(crate) fn text(&mut self, text: &str, fault: Fault) -> Result<(), Fault> {
        no_null(text)?;
        self.binary(text.as_bytes(), fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: Fault = field!("payload");

    /// Table 1-1 of MQTT 5 (2.4 of MQTT 3.1.1): the first and last value of each length.
    const VARIABLE_INTEGERS: [(u32, &[u8]); 8] = [
        (0, &[0x00]),
        (127, &[0x7F]),
        (128, &[0x80, 0x01]),
        (16_383, &[0xFF, 0x7F]),
        (16_384, &[0x80, 0x80, 0x01]),
        (2_097_151, &[0xFF, 0xFF, 0x7F]),
        (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
        (268_435_455, &[0xFF, 0xFF, 0xFF, 0x7F]),
    ];

    #[test]
    fn variable_integers_are_those_of_the_standard() {
        for (value, bytes) in VARIABLE_INTEGERS {
            let mut buf = [0; 4];
            let mut writer = Writer::new(&mut buf);
            writer.variable_integer(value as usize, VALUE).unwrap();
            let len = writer.len();
            assert_eq!(&buf[..len], bytes);
            assert_eq!(len, variable_integer_len(value));
            assert_eq!(Reader::new(bytes).variable_integer(VALUE), Ok(value));
            assert_eq!(variable_integer(bytes, VALUE), Ok(Some((value, len))));
            // one byte short of the end: more is needed
            assert_eq!(variable_integer(&bytes[..len - 1], VALUE), Ok(None));
        }
        assert_eq!(
            Writer::counting().variable_integer(268_435_456, VALUE),
            Err(VALUE)
        );
    }

    #[test]
    fn a_fifth_byte_and_a_padded_integer_are_malformed_mqtt_1_5_5_1() {
        let malformed = Err(VALUE);
        let five = [0x80, 0x80, 0x80, 0x80, 0x01];
        assert_eq!(variable_integer(&five, VALUE), Err(VALUE));
        assert_eq!(Reader::new(&five).variable_integer(VALUE), malformed);
        assert_eq!(
            Reader::new(&[0x81, 0x00]).variable_integer(VALUE),
            malformed
        );
    }

    #[test]
    fn text_is_utf8_without_null_mqtt_1_5_4() {
        let malformed = Err(VALUE);
        let read = |bytes: &'static [u8]| Reader::new(bytes).text(VALUE);
        // figure 1-4 of the standard: "A" and U+2A6D4
        assert_eq!(
            read(&[0, 5, 0x41, 0xF0, 0xAA, 0x9B, 0x94]),
            Ok("A\u{2A6D4}")
        );
        // a zero width no-break space is kept [MQTT-1.5.4-3]
        assert_eq!(read(&[0, 3, 0xEF, 0xBB, 0xBF]), Ok("\u{FEFF}"));
        assert_eq!(read(&[0, 3, 0xED, 0xA0, 0x80]), malformed, "a surrogate");
        assert_eq!(read(&[0, 2, 0xC0, 0x80]), malformed, "an overlong null");
        assert_eq!(read(&[0, 1, 0]), malformed, "a null character");
        assert_eq!(read(&[0, 2, b'a']), malformed, "a length that lies");
        assert_eq!(read(&[0]), malformed, "half a length");
    }

    #[test]
    fn a_writer_without_room_counts_on() {
        let mut buf = [0xAA; 4];
        let mut writer = Writer::new(&mut buf);
        writer.u16(0x0102);
        writer.u32(7);
        writer.u8(9);
        writer.binary(&[0; 300], VALUE).unwrap();
        assert_eq!(writer.len(), 2 + 4 + 1 + 302);
        assert_eq!(
            buf,
            [1, 2, 0xAA, 0xAA],
            "a field is written whole or not at all"
        );
    }
}
