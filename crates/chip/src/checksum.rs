//! CRC-32 as Ethernet, gzip and PNG have it (reflected polynomial 0xEDB8_8320).

/// The CRC of what was given so far, which starts with 0.
///
/// Bit by bit: a kit is a few thousand bytes, checked once at start, and a table would cost a kilobyte of flash.
pub(crate) fn crc32(so_far: u32, bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(!so_far, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            let carry = (crc & 1).wrapping_neg();
            (crc >> 1) ^ (0xEDB8_8320 & carry)
        })
    });
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_catalogue() {
        assert_eq!(crc32(0, b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(crc32(0, b"1234"), b"56789"), 0xCBF4_3926);
        assert_eq!(crc32(0, b""), 0);
    }
}
