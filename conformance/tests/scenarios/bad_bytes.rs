//! Bytes that nobody should send, on every port: the cloud closes such a connection and goes on.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use thingwire_conformance::{Cloud, http};
use thingwire_mqtt::Version::{V5, V311};

use crate::SEED_POLICY;
use crate::wire::{Came, Credentials, TLS, Wire, body, connect};

/// A small generator of bytes with a seed (xorshift), so that every run sends the same ones.
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| (self.next() >> 32) as u8).collect()
    }
}

/// Sends bytes over plain TCP, says that this was all, and waits for the end. The answer is what came before it.
fn plain(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut tcp = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    drop(tcp.write_all(bytes));
    drop(tcp.shutdown(std::net::Shutdown::Write));
    until_the_end(tcp)
}

/// Sends bytes and stays, as a client that waits for an answer does.
fn ask(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut tcp = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    tcp.write_all(bytes).expect("a server that listens");
    until_the_end(tcp)
}

fn until_the_end(mut tcp: TcpStream) -> Vec<u8> {
    tcp.set_read_timeout(Some(Duration::from_secs(30)))
        .expect("a limit");
    let mut answer = Vec::new();
    match tcp.read_to_end(&mut answer) {
        Ok(_) => {}
        // A reset is an end as well.
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the connection was not closed: {error}"),
    }
    answer
}

/// Devices and the API still get what they ask for, and nothing has panicked.
fn still_works(cloud: &mut Cloud, kit: &Path) {
    for version in [V311, V5] {
        Wire::connect(&cloud.ready, kit, "esp32-demo", version).expect_alive();
    }
    assert_eq!(
        http(&cloud.ready, "GET", "/things/esp32-demo", &[], "")
            .expect("an answer")
            .0,
        200
    );
    assert!(cloud.program().ended().is_none());
    assert!(
        !cloud.program().log().contains("panicked"),
        "{}",
        cloud.program().log()
    );
}

fn cloud() -> (Cloud, std::path::PathBuf) {
    let cloud = Cloud::start();
    let kit = cloud.thing("esp32-demo", SEED_POLICY);
    (cloud, kit)
}

#[test]
fn bytes_that_are_not_tls() {
    let (mut cloud, kit) = cloud();
    let mut seeded = Seeded(0x7468_696e_6777_6972);
    for port in [cloud.ready.mqtt_port, cloud.ready.alpn_port] {
        plain(port, b"");
        plain(port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        // MQTT without TLS: there must be no CONNACK.
        let answer = plain(port, &connect("esp32-demo", true, V311));
        assert_ne!(answer.first(), Some(&0x20), "{answer:02x?}");
        // A TLS record whose length lies.
        plain(port, &[0x16, 3, 1, 0xFF, 0xFF, 1, 2, 3]);
        for count in [1, 5, 64, 1000, 20_000] {
            plain(port, &seeded.bytes(count));
        }
    }
    still_works(&mut cloud, &kit);
}

#[test]
fn bytes_that_are_not_mqtt_inside_tls() {
    let (mut cloud, kit) = cloud();
    let credentials = Credentials::of_kit(&kit);
    let mut seeded = Seeded(0x6d71_7474);
    let mut bad: Vec<Vec<u8>> = vec![
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        // A packet length that lies: more than four bytes, and 256 MiB that never come.
        vec![0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
        vec![0x10, 0xFF, 0xFF, 0xFF, 0x7F, 0],
        // A CONNECT whose client id claims to be longer than the packet.
        vec![
            0x10, 14, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0xFF, 0xFF, b'a', b'b',
        ],
        // Something else before CONNECT.
        vec![0xC0, 0],
        vec![0x30, 5, 0, 1, b'a', b'h', b'i'],
    ];
    bad.extend((0..30).map(|_| seeded.bytes(100)));
    // At the same time: some are closed only when the CONNECT they promise has not come in time.
    thread::scope(|scope| {
        for bytes in &bad {
            scope.spawn(|| {
                let mut wire =
                    Wire::tls(cloud.ready.mqtt_port, &credentials, TLS[1], V311).expect("TLS");
                wire.send(bytes);
                wire.send(&[0; 64]);
                // A refusal in words may come first; then the end.
                while let Came::Packet(packet) = wire.next() {
                    let refusal =
                        matches!(packet[0], 0x20 | 0xE0) && body(&packet).get(1) != Some(&0);
                    assert!(refusal, "{packet:02x?}");
                }
            });
        }
    });
    // The same after an accepted CONNECT: no length, no reserved flag, no QoS 3 is waved through.
    for bytes in [
        &[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 1][..],
        &[0x36, 3, 0, 1, b'a'],
        &[0xC1, 0],
        &[0x82, 2, 0, 1],
        &[0xF0, 0],
    ] {
        for version in [V311, V5] {
            let mut wire = Wire::connect(&cloud.ready, &kit, "esp32-demo", version);
            wire.send(bytes);
            while let Came::Packet(packet) = wire.next() {
                assert_eq!((packet[0], version), (0xE0, V5), "{packet:02x?}");
            }
        }
    }
    still_works(&mut cloud, &kit);
}

#[test]
fn the_alpn_port_wants_its_protocol_a_6() {
    let (mut cloud, kit) = cloud();
    for tls in TLS {
        let Ok(mut wire) = Wire::tls(cloud.ready.alpn_port, &Credentials::of_kit(&kit), tls, V311)
        else {
            continue;
        };
        wire.send(&connect("esp32-demo", true, V311));
        wire.expect_end();
    }
    still_works(&mut cloud, &kit);
}

#[test]
fn bytes_that_are_not_http() {
    let (mut cloud, kit) = cloud();
    let port = cloud
        .ready
        .api_url
        .rsplit_once(':')
        .and_then(|(_, port)| port.trim_end_matches('/').parse().ok());
    let port: u16 = port.expect("a port in the URL");
    let mut seeded = Seeded(0x6874_7470);
    plain(port, b"");
    plain(port, b"\0");
    plain(port, &[0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5]);
    for count in [1, 5, 64, 1000] {
        plain(port, &seeded.bytes(count));
    }
    // A header that never ends, and a body that is longer than it says or than anybody needs.
    let mut long = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ".to_vec();
    long.resize(2_000_000, b'a');
    plain(port, &long);
    plain(
        port,
        b"POST /things/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n{}",
    );
    let (status, body) = http(
        &cloud.ready,
        "POST",
        "/things/x",
        &[],
        &"x".repeat(5_000_000),
    )
    .unwrap_or((413, String::new()));
    assert!((400..500).contains(&status), "{status} {body}");
    for (path, body) in [
        ("/things/a%20b", "{}"),
        ("/things/x", "{"),
        ("/things/%FF", "{}"),
        ("/policies/x", "[]"),
    ] {
        let (status, answer) = http(&cloud.ready, "POST", path, &[], body).expect("an answer");
        assert!((400..500).contains(&status), "{path}: {status} {answer}");
    }
    // A page somewhere else may not talk to it through a person's browser.
    let answer = ask(
        port,
        b"GET /things HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    );
    assert!(
        answer.starts_with(b"HTTP/1.1 403"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    still_works(&mut cloud, &kit);
}

#[test]
fn clients_that_say_nothing_hold_nobody_up() {
    let (mut cloud, kit) = cloud();
    let silent: Vec<TcpStream> = [cloud.ready.mqtt_port, cloud.ready.alpn_port]
        .iter()
        .cycle()
        .take(200)
        .map(|port| TcpStream::connect(("127.0.0.1", *port)).expect("a connection"))
        .collect();
    still_works(&mut cloud, &kit);
    drop(silent);
}
