//! The image, byte by byte, and what becomes of it when bytes change.

extern crate std;

use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use super::container::{HEADER, field, seal};
use super::*;
use crate::checksum::crc32;

const KEY: &CStr = c"-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----\n";

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
        wifi: few(&[
            WifiNetwork::new("home", Some(PASSWORD)).expect("a network"),
            WifiNetwork::new("Café, downstairs", None).expect("a network"),
            WifiNetwork::new("lab", Some(PSK)).expect("a network"),
        ]),
        time_servers: few(&[
            TimeServer::new("192.168.1.20", 8123).expect("a server"),
            TimeServer::new("pool.ntp.org", TimeServer::PORT).expect("a server"),
        ]),
    }
}

const PASSWORD: &str = "correct horse";
const PSK: &str = "0123456789abcdefABCDEF00000000000000000000000000000000000000beef";

fn few<T: Copy>(entries: &[T]) -> Few<T> {
    let mut few = Few::new();
    for entry in entries {
        few.push(*entry).expect("room");
    }
    few
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
    let long_certificate = [&b"-----BEGIN "[..], &[b'a'; 2_590], &[0]].concat();
    let bad: [(u16, &[u8], &str); 15] = [
        (CERTIFICATE, &long_certificate, "certificate"),
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
            invalid_field(KitImage::read(&sealed(&fields))),
            field,
            "{value:?}"
        );
    }
}

/// The field that is refused.
fn invalid_field(read: Result<KitImage<'_>, ImageError>) -> &'static str {
    match read {
        Err(ImageError::Invalid(limit)) => limit.field,
        other => panic!("{other:?}"),
    }
}

/// A network's field.
fn wifi_field(ssid: &[u8], secret: &[u8]) -> Vec<u8> {
    [
        &[u8::try_from(ssid.len()).expect("short")][..],
        ssid,
        secret,
    ]
    .concat()
}

#[test]
fn networks_are_read_in_their_order_up_to_the_longest() {
    let longest = [b'n'; 32];
    let password = [b'p'; 63];
    let values = [
        wifi_field(b"n", b""),
        wifi_field(&longest, &password),
        wifi_field(b"second", b"12345678"),
        wifi_field(b"third", PSK.as_bytes()),
    ];
    let mut fields = GOOD.to_vec();
    fields.extend(values.iter().map(|value| (WIFI, value.as_slice())));
    let image = sealed(&fields);
    let kit = KitImage::read(&image).expect("a good image");
    let kinds: Vec<_> = kit
        .wifi
        .iter()
        .map(|network| (network.ssid().len(), network.secret().kind()))
        .collect();
    assert_eq!(
        kinds,
        [(1, "open"), (32, "password"), (6, "password"), (5, "key")]
    );
}

#[test]
fn networks_that_cannot_be_joined_are_refused_with_the_limit() {
    let long = [b'n'; 33];
    let bad: [(Vec<u8>, &str); 11] = [
        (vec![], "name of a Wi-Fi network"),
        (vec![5, b'a'], "name of a Wi-Fi network"),
        (wifi_field(b"", b""), "name of a Wi-Fi network"),
        (wifi_field(&long, b""), "name of a Wi-Fi network"),
        (wifi_field(b"\xFF", b""), "name of a Wi-Fi network"),
        (wifi_field(b"a\0b", b""), "name of a Wi-Fi network"),
        (wifi_field(b"n", b"1234567"), "password of a Wi-Fi network"),
        (wifi_field(b"n", &[b'p'; 65]), "password of a Wi-Fi network"),
        // 64 bytes are a key, and a key has hexadecimal digits.
        (wifi_field(b"n", &[b'p'; 64]), "password of a Wi-Fi network"),
        (
            wifi_field(b"n", b"\xFF2345678"),
            "password of a Wi-Fi network",
        ),
        (
            wifi_field(b"n", b"1234\x005678"),
            "password of a Wi-Fi network",
        ),
    ];
    for (value, field) in &bad {
        let mut fields = GOOD.to_vec();
        fields.push((WIFI, value));
        assert_eq!(
            invalid_field(KitImage::read(&sealed(&fields))),
            *field,
            "{value:?}"
        );
    }
    let told = WifiNetwork::new(&"n".repeat(33), None).unwrap_err();
    assert!(format!("{told}").contains("1 to 32 bytes"), "{told}");
    let told = WifiNetwork::new("n", Some(&"p".repeat(65))).unwrap_err();
    assert!(format!("{told}").contains("8 to 63 bytes"), "{told}");
    assert!(
        format!("{told}").contains("64 hexadecimal digits"),
        "{told}"
    );
}

#[test]
fn there_are_eight_networks_and_eight_time_servers_at_most() {
    let network = wifi_field(b"n", b"");
    for (tag, value, field) in [
        (WIFI, network.as_slice(), "list of Wi-Fi networks"),
        (TIME_SERVER, b"\x7b\0a\0", "list of time servers"),
    ] {
        let mut fields = GOOD.to_vec();
        fields.extend([(tag, value); 8]);
        assert!(KitImage::read(&sealed(&fields)).is_ok());
        fields.push((tag, value));
        assert_eq!(invalid_field(KitImage::read(&sealed(&fields))), field);
    }
    let mut full = few(&[1; 8]);
    assert!(full.push(2).is_err());
    assert_eq!(full, few(&[1; 8]));
    assert_eq!((full.len(), full.is_empty()), (8, false));
}

#[test]
fn time_servers_that_cannot_be_asked_are_refused() {
    let long = [&[0x7b, 0][..], &[b'a'; 254], &[0]].concat();
    let bad: [&[u8]; 8] = [
        b"",
        b"\x7b",
        b"\x7b\0",
        b"\x7b\0\0",
        b"\x7b\0name",
        b"\0\0name\0",
        b"\x7b\0ntp://name\0",
        &long,
    ];
    for value in bad {
        let mut fields = GOOD.to_vec();
        fields.push((TIME_SERVER, value));
        let field = invalid_field(KitImage::read(&sealed(&fields)));
        assert_eq!(field, "time server", "{value:?}");
    }
}

/// Beside `every_changed_bit_and_every_cut_is_noticed`: whoever seals the damage again gets another kit or an error,
/// never a panic, and never a network that could not be joined.
#[test]
fn bytes_changed_under_a_right_checksum_do_not_panic() {
    let image = written(&kit());
    for at in HEADER..image.len() {
        for value in [0, 1, 0x7F, 0xFF, image[at] ^ 1, image[at] ^ 0x80] {
            let mut other = image.clone();
            other[at] = value;
            seal(Some(&mut other)).expect("room");
            if let Ok(kit) = KitImage::read(&other) {
                for network in &kit.wifi {
                    assert!((1..=32).contains(&network.ssid().len()));
                    let len = network.secret().text().map_or(8, str::len);
                    assert!((8..=64).contains(&len));
                }
                assert!(kit.time_servers.iter().all(|server| server.port() != 0));
            }
        }
        let mut cut = image[..at].to_vec();
        seal(Some(&mut cut)).expect("room");
        let _ = KitImage::read(&cut);
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
    let refused = wrong.write(&mut out).unwrap_err();
    assert_eq!(
        format!("{refused}"),
        "the client id must be a text of 1 to 128 bytes"
    );

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
fn key_and_passwords_are_shown_nowhere() {
    let kit = kit();
    let shown: String = format!("{kit:?}");
    for secret in ["MC4CAQAw", "PRIVATE", PASSWORD, "horse", PSK, "0123456789"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("Café, downstairs") && shown.contains("pool.ntp.org"));
    let refused = WifiNetwork::new("n", Some("short")).unwrap_err();
    assert!(!format!("{refused}{refused:?}").contains("short"));
}
