//! The image, byte by byte, and what becomes of it when bytes change.

extern crate std;

use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use super::*;

const KEY: &CStr = c"-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n";

fn kit() -> KitImage<'static> {
    KitImage {
        endpoint: c"localhost",
        port: 8883,
        client_id: "esp32-demo",
        roots: c"-----BEGIN CERTIFICATE-----\n1\n-----BEGIN CERTIFICATE-----\n2\n",
        certificate: c"-----BEGIN CERTIFICATE-----\n3\n",
        private_key: KEY,
        address: None,
        alpn: false,
        tls: TlsVersions::Both,
        mqtt: MqttVersion::V311,
    }
}

fn written(kit: &KitImage<'_>) -> Vec<u8> {
    let mut image = vec![0xFF; KitImage::MAX_LEN];
    let len = kit.write(&mut image).expect("a good kit");
    image.truncate(len);
    image
}

/// An image of these fields with a good header.
fn sealed(fields: &[(u16, &[u8])]) -> Vec<u8> {
    let mut image = vec![0; KitImage::MAX_LEN];
    let mut at = HEADER;
    for (tag, value) in fields {
        field(&mut image, &mut at, *tag, &[value]).expect("room");
    }
    image.truncate(at);
    seal(Some(&mut image)).expect("room");
    image
}

const GOOD: [(u16, &[u8]); 6] = [
    (ENDPOINT, b"localhost\0"),
    (PORT, &[0xB3, 0x22]),
    (CLIENT_ID, b"a\0"),
    (ROOTS, b"-----BEGIN \0"),
    (CERTIFICATE, b"-----BEGIN \0"),
    (PRIVATE_KEY, b"-----BEGIN \0"),
];

#[test]
fn what_is_written_is_read_back_whatever_follows_it() {
    for tls in [TlsVersions::Both, TlsVersions::Only12, TlsVersions::Only13] {
        for mqtt in [MqttVersion::V311, MqttVersion::V5] {
            for (alpn, address) in [(false, None), (true, Some(Ipv4Addr::new(10, 0, 2, 2)))] {
                let kit = KitImage {
                    address,
                    alpn,
                    tls,
                    mqtt,
                    ..kit()
                };
                let mut image = written(&kit);
                assert_eq!(KitImage::read(&image), Ok(kit));
                image.extend([0xFF; 64]);
                assert_eq!(KitImage::read(&image), Ok(kit));
            }
        }
    }
}

#[test]
fn the_format_is_what_its_table_says() {
    let image = sealed(&GOOD);
    assert_eq!(image[..8], *b"TWKITIMG");
    assert_eq!(image[8..12], [1, 0, 0, 0]);
    assert_eq!(
        image[12..16],
        u32::try_from(image.len() - 20).unwrap().to_le_bytes()
    );
    let mut covered = image[..16].to_vec();
    covered.extend(&image[20..]);
    assert_eq!(image[16..20], crc32(0, &covered).to_le_bytes());
    assert_eq!(image[20..34], *b"\x01\0\x0a\0localhost\0");
    assert_eq!(KitImage::read(&image).unwrap().port, 8883);
}

#[test]
fn a_place_that_was_never_written_has_no_image() {
    for image in [&[][..], &[0; 4096], &[0xFF; 4096], b"TWKITIMG"] {
        assert_eq!(KitImage::read(image), Err(ImageError::Missing));
    }
}

#[test]
fn a_newer_image_is_called_newer_even_when_nothing_else_is_understood() {
    let mut image = written(&kit());
    image[8] = 2;
    image.truncate(HEADER);
    assert_eq!(
        KitImage::read(&image),
        Err(ImageError::Newer { version: 2 })
    );
}

#[test]
fn every_changed_bit_and_every_cut_is_noticed() {
    let image = written(&kit());
    for at in 0..image.len() {
        for bit in 0..8 {
            let mut damaged = image.clone();
            damaged[at] ^= 1 << bit;
            let error = KitImage::read(&damaged).expect_err("it was changed");
            assert!(
                matches!(
                    error,
                    ImageError::Missing | ImageError::Damaged | ImageError::Newer { .. }
                ),
                "byte {at}, bit {bit}: {error}"
            );
        }
        assert!(KitImage::read(&image[..at]).is_err());
    }
}

#[test]
fn a_field_that_is_not_known_is_left_out() {
    let mut fields = GOOD.to_vec();
    fields.insert(0, (0x7FFF, b"from the future"));
    assert_eq!(
        KitImage::read(&sealed(&fields)),
        KitImage::read(&sealed(&GOOD))
    );
}

#[test]
fn each_needed_field_is_missed_by_name() {
    let names = [
        "endpoint",
        "port",
        "client id",
        "root certificates",
        "certificate",
        "private key",
    ];
    for (index, field) in names.into_iter().enumerate() {
        let mut fields = GOOD.to_vec();
        fields.remove(index);
        assert_eq!(
            KitImage::read(&sealed(&fields)),
            Err(ImageError::FieldMissing { field })
        );
    }
}

#[test]
fn values_that_cannot_be_are_named() {
    let long = [b'a'; 254];
    let long_endpoint = [&long[..254], &[0]].concat();
    let long_id = [&long[..129], &[0]].concat();
    let bad: [(u16, &[u8], &str); 14] = [
        (ENDPOINT, b"\0", "endpoint"),
        (ENDPOINT, b"localhost", "endpoint"),
        (ENDPOINT, b"local\0host\0", "endpoint"),
        (ENDPOINT, b"mqtts://localhost\0", "endpoint"),
        (ENDPOINT, &long_endpoint, "endpoint"),
        (PORT, &[0, 0], "port"),
        (PORT, &[1], "port"),
        (CLIENT_ID, b"\0", "client id"),
        (CLIENT_ID, b"\xFF\0", "client id"),
        (CLIENT_ID, &long_id, "client id"),
        (ROOTS, b"not a certificate\0", "root certificates"),
        (ADDRESS, &[127, 0, 0], "address"),
        (TLS, &[11], "TLS version"),
        (MQTT, &[3], "MQTT version"),
    ];
    for (tag, value, field) in bad {
        let mut fields = GOOD.to_vec();
        fields.push((tag, value));
        assert_eq!(
            KitImage::read(&sealed(&fields)),
            Err(ImageError::Invalid { field }),
            "{value:?}"
        );
    }
}

#[test]
fn fields_that_run_over_the_end_are_damage() {
    let mut image = sealed(&GOOD);
    image.extend([99, 0, 200, 0, 1]);
    seal(Some(&mut image)).expect("room");
    assert_eq!(KitImage::read(&image), Err(ImageError::Damaged));
}

#[test]
fn what_a_reader_would_refuse_is_not_written() {
    let mut out = vec![0; KitImage::MAX_LEN];
    let id = "a".repeat(129);
    let wrong = KitImage {
        client_id: &id,
        ..kit()
    };
    let refused = ImageWriteError::Refused(ImageError::Invalid { field: "client id" });
    assert_eq!(wrong.write(&mut out), Err(refused));

    let long = format!("-----BEGIN {}", "x".repeat(KitImage::MAX_LEN));
    let long = std::ffi::CString::new(long).unwrap();
    let wrong = KitImage {
        roots: &long,
        ..kit()
    };
    assert!(matches!(
        wrong.write(&mut vec![0; 2 * KitImage::MAX_LEN]),
        Err(ImageWriteError::TooLong { .. })
    ));
    assert_eq!(wrong.write(&mut out), Err(ImageWriteError::NoRoom));
    assert_eq!(kit().write(&mut [0; 100]), Err(ImageWriteError::NoRoom));
}

#[test]
fn the_private_key_is_shown_nowhere() {
    let kit = kit();
    let shown: String = format!("{kit:?}");
    assert!(
        !shown.contains("secret") && !shown.contains("PRIVATE"),
        "{shown}"
    );
}
