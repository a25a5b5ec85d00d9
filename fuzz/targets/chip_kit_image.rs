//! Any bytes as the fields of a kit image, under a header that is right: the checksum keeps out damage, not malice.
//!
//! Nothing may panic. A kit that was read keeps to its limits, and is written as an image that reads as the same kit. The
//! bytes alone, without a header, are read as well.

#![no_main]

use libfuzzer_sys::fuzz_target;
use thingwire_chip::KitImage;

fuzz_target!(|fields: &[u8]| {
    let _ = KitImage::read(fields);
    let mut image = b"TWKITIMG\x01\0\0\0".to_vec();
    image.extend(u32::try_from(fields.len()).expect("short").to_le_bytes());
    image.extend(crc32(&image, fields).to_le_bytes());
    image.extend(fields);
    let Ok(kit) = KitImage::read(&image) else {
        return;
    };
    assert!((1..=253).contains(&kit.endpoint.count_bytes()) && kit.port != 0);
    for network in &kit.wifi {
        assert!((1..=32).contains(&network.ssid().len()));
        let secret = network.secret().text();
        assert!(secret.is_none_or(|secret| (8..=64).contains(&secret.len())));
    }
    let mut again = vec![0; KitImage::MAX_LEN];
    // Fields that are not known, and those that came twice, are not written again.
    let len = kit.write(&mut again).expect("it was read");
    assert!(len <= image.len());
    assert_eq!(KitImage::read(&again), Ok(kit));
});

/// Of the 16 bytes in front of the checksum and the fields.
fn crc32(before: &[u8], fields: &[u8]) -> u32 {
    !before.iter().chain(fields).fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc: u32, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}
