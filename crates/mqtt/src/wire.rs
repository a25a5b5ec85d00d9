//! The data representations of MQTT (1.5): how integers, text and binary data lie in bytes.
//!
//! [`Reader`] takes fields from the front of a slice and can fail, but not panic, on any bytes.
//! [`Writer`] puts fields into a lent slice. It counts what does not fit instead of failing, so
//! that one walk over a packet serves both to measure it (with no room at all) and to write it.

use crate::{DecodeError, EncodeError, PacketId};

/// The longest remaining length, and the largest variable byte integer: 268,435,455 (1.5.5, 2.1.4).
pub(crate) const VARIABLE_INTEGER_MAX: u32 = 0x0FFF_FFFF;

/// Reads fields one after the other. Every method is given the name of the field for the error.
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

    pub(crate) fn take(
        &mut self,
        len: usize,
        field: &'static str,
    ) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(DecodeError::Malformed(field))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(DecodeError::Malformed(field))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.array::<1>(field).map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.array(field).map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(u32::from_be_bytes)
    }

    /// A variable byte integer in its shortest form `[MQTT-1.5.5-1]`.
    pub(crate) fn variable_integer(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        match variable_integer(self.rest, field)? {
            Some((value, len)) if len == variable_integer_len(value) => {
                self.take(len, field)?;
                Ok(value)
            }
            _ => Err(DecodeError::Malformed(field)),
        }
    }

    /// Two bytes of length, then as many bytes (1.5.6).
    pub(crate) fn binary(&mut self, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let len = self.u16(field)?;
        self.take(usize::from(len), field)
    }

    /// A UTF-8 encoded string without the null character `[MQTT-1.5.4-1]` `[MQTT-1.5.4-2]`.
    pub(crate) fn text(&mut self, field: &'static str) -> Result<&'a str, DecodeError> {
        match core::str::from_utf8(self.binary(field)?) {
            Ok(text) if !has_null(text) => Ok(text),
            _ => Err(DecodeError::Malformed(field)),
        }
    }

    /// A packet identifier, which is never zero `[MQTT-2.3.1-1]` `[MQTT-2.2.1-3]`.
    pub(crate) fn packet_id(&mut self) -> Result<PacketId, DecodeError> {
        let number = self.u16("packet identifier")?;
        PacketId::new(number).ok_or(DecodeError::Protocol("packet identifier is zero"))
    }

    /// The end of the packet: nothing may follow its last field.
    pub(crate) const fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::Malformed("bytes after the last field"))
        }
    }
}

/// The variable byte integer at the start of `bytes` and how many bytes it takes, or `None` when
/// the bytes end within it. More than four bytes are malformed.
pub(crate) fn variable_integer(
    bytes: &[u8],
    field: &'static str,
) -> Result<Option<(u32, usize)>, DecodeError> {
    let mut value = 0_u32;
    for (byte, (len, shift)) in bytes.iter().zip([(1, 0), (2, 7), (3, 14), (4, 21)]) {
        value |= u32::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Ok(Some((value, len)));
        }
    }
    if bytes.len() < 4 {
        Ok(None)
    } else {
        Err(DecodeError::Malformed(field))
    }
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

fn has_null(text: &str) -> bool {
    text.as_bytes().contains(&0)
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
        let end = self.len.saturating_add(bytes.len());
        if let Some(place) = self.buf.get_mut(self.len..end) {
            place.copy_from_slice(bytes);
        }
        self.len = end;
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn variable_integer(
        &mut self,
        value: usize,
        field: &'static str,
    ) -> Result<(), EncodeError> {
        let mut left = match u32::try_from(value) {
            Ok(value) if value <= VARIABLE_INTEGER_MAX => value,
            _ => return Err(EncodeError::FieldTooLong(field)),
        };
        loop {
            let [.., low] = left.to_be_bytes();
            left >>= 7;
            if left == 0 {
                self.u8(low & 0x7F);
                return Ok(());
            }
            self.u8(low | 0x80);
        }
    }

    pub(crate) fn binary(&mut self, bytes: &[u8], field: &'static str) -> Result<(), EncodeError> {
        let len = u16::try_from(bytes.len()).map_err(|_| EncodeError::FieldTooLong(field))?;
        self.u16(len);
        self.bytes(bytes);
        Ok(())
    }

    pub(crate) fn text(&mut self, text: &str, field: &'static str) -> Result<(), EncodeError> {
        if has_null(text) {
            return Err(EncodeError::NotAllowed(
                "text with a null character cannot be sent",
            ));
        }
        self.binary(text.as_bytes(), field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            writer.variable_integer(value as usize, "value").unwrap();
            let len = writer.len();
            assert_eq!(&buf[..len], bytes);
            assert_eq!(len, variable_integer_len(value));
            assert_eq!(Reader::new(bytes).variable_integer("value"), Ok(value));
            assert_eq!(variable_integer(bytes, "value"), Ok(Some((value, len))));
            // one byte short of the end: more is needed
            assert_eq!(variable_integer(&bytes[..len - 1], "value"), Ok(None));
        }
        assert_eq!(
            Writer::counting().variable_integer(268_435_456, "value"),
            Err(EncodeError::FieldTooLong("value"))
        );
    }

    #[test]
    fn a_fifth_byte_and_a_padded_integer_are_malformed_mqtt_1_5_5_1() {
        let malformed = Err(DecodeError::Malformed("value"));
        let five = [0x80, 0x80, 0x80, 0x80, 0x01];
        assert_eq!(
            variable_integer(&five, "value"),
            Err(DecodeError::Malformed("value"))
        );
        assert_eq!(Reader::new(&five).variable_integer("value"), malformed);
        assert_eq!(
            Reader::new(&[0x81, 0x00]).variable_integer("value"),
            malformed
        );
    }

    #[test]
    fn text_is_utf8_without_null_mqtt_1_5_4() {
        let malformed = Err(DecodeError::Malformed("text"));
        let read = |bytes: &'static [u8]| Reader::new(bytes).text("text");
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
        writer.binary(&[0; 300], "data").unwrap();
        assert_eq!(writer.len(), 2 + 4 + 1 + 302);
        assert_eq!(
            buf,
            [1, 2, 0xAA, 0xAA],
            "a field is written whole or not at all"
        );
    }
}
