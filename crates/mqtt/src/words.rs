//! Words for people in as little memory as they need: one after the other, each ended by a zero byte.
//!
//! On a chip a table of `&str` costs eight bytes for each text besides the text. Tables are written as tables all the same,
//! and packed by the compiler.

/// Bytes that these texts take when they are packed.
#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "evaluated at compile time"
)]
pub(crate) const fn packed_len(texts: &[&str]) -> usize {
    let (mut len, mut index) = (0, 0);
    while index < texts.len() {
        len += texts[index].len() + 1;
        index += 1;
    }
    len
}

/// Packs texts, into as many bytes as [`packed_len`] says.
#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "evaluated at compile time"
)]
pub(crate) const fn pack<const LEN: usize>(texts: &[&str]) -> [u8; LEN] {
    let mut packed = [0; LEN];
    let (mut at, mut index) = (0, 0);
    while index < texts.len() {
        let text = texts[index].as_bytes();
        let mut from = 0;
        while from < text.len() {
            packed[at] = text[from];
            at += 1;
            from += 1;
        }
        at += 1;
        index += 1;
    }
    packed
}

/// The text with this number, counted from 0; an empty one where there is none.
pub(crate) fn nth(packed: &'static [u8], index: usize) -> &'static str {
    let mut texts = packed.split(|byte| *byte == 0);
    let text = texts.nth(index).unwrap_or_default();
    core::str::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_out_again() {
        const TEXTS: &[&str] = &["one", "", "three"];
        static PACKED: [u8; packed_len(TEXTS)] = pack(TEXTS);
        assert_eq!(&PACKED, b"one\0\0three\0");
        for (index, text) in TEXTS.iter().enumerate() {
            assert_eq!(nth(&PACKED, index), *text);
        }
        assert_eq!(nth(&PACKED, 3), "", "what is not there is empty");
        assert_eq!(nth(&PACKED, 4), "");
    }
}
