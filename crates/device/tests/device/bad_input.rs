//! Nonsense from servers and from applications: each has a named outcome. The table in
//! `docs/device-bad-input.md` is made of what happens here, and this test keeps it true; `THINGWIRE_WRITE=1` writes it anew.

use std::fmt::Write as _;

use thingwire_device::future::{Either, select};
use thingwire_device::{Buffers, Client, Config, Outgoing, QoS, SubscribeFilter, Version};

use crate::world::{BOTH, Scene};

/// What a server sends after CONNACK to a client with two subscriptions.
struct Nonsense {
    name: &'static str,
    versions: &'static [Version],
    bytes: &'static [u8],
}

const V311: &[Version] = &[Version::V311];
const V5: &[Version] = &[Version::V5];

const AFTER_CONNACK: &[Nonsense] = &[
    Nonsense {
        name: "a second CONNACK",
        versions: V311,
        bytes: &[0x20, 2, 0, 0],
    },
    Nonsense {
        name: "a second CONNACK",
        versions: V5,
        bytes: &[0x20, 3, 0, 0, 0],
    },
    Nonsense {
        name: "a PUBACK for nothing",
        versions: &BOTH,
        bytes: &[0x40, 2, 0, 9],
    },
    Nonsense {
        name: "a PUBLISH with QoS 3",
        versions: &BOTH,
        bytes: &[0x36, 6, 0, 1, b't', 0, 1, 0],
    },
    Nonsense {
        name: "a PUBLISH with QoS 2, which was not granted",
        versions: &BOTH,
        bytes: &[0x34, 6, 0, 1, b't', 0, 1, 0],
    },
    Nonsense {
        name: "a PUBLISH of 256 MB that never ends",
        versions: &BOTH,
        bytes: &[0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0, 1, b't', 0, 0],
    },
    Nonsense {
        name: "a length of more than four bytes",
        versions: &BOTH,
        bytes: &[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 1],
    },
    Nonsense {
        name: "a topic that is not UTF-8",
        versions: &BOTH,
        bytes: &[0x30, 5, 0, 2, 0xC3, 0x28, 0],
    },
    Nonsense {
        name: "a topic name with a wildcard",
        versions: &BOTH,
        bytes: &[0x30, 6, 0, 3, b'a', b'/', b'#', 0],
    },
    Nonsense {
        name: "a PUBLISH with an empty topic",
        versions: &BOTH,
        bytes: &[0x30, 3, 0, 0, 0],
    },
    Nonsense {
        name: "a PUBLISH with packet identifier 0",
        versions: &BOTH,
        bytes: &[0x32, 6, 0, 1, b't', 0, 0, 0],
    },
    Nonsense {
        name: "a SUBACK with too few codes",
        versions: V311,
        bytes: &[0x90, 3, 0, 1, 1],
    },
    Nonsense {
        name: "a SUBACK with too few codes",
        versions: V5,
        bytes: &[0x90, 4, 0, 1, 0, 1],
    },
    Nonsense {
        name: "a topic alias above the maximum",
        versions: V5,
        bytes: &[0x30, 7, 0, 1, b't', 3, 0x23, 0, 1],
    },
    Nonsense {
        name: "a packet that only clients send (SUBSCRIBE)",
        versions: &BOTH,
        bytes: &[0x82, 7, 0, 1, 0, 1, b't', 0, 0],
    },
    Nonsense {
        name: "a packet of type 0",
        versions: &BOTH,
        bytes: &[0x00, 0],
    },
    Nonsense {
        name: "DISCONNECT, which MQTT 3.1.1 has not from servers",
        versions: V311,
        bytes: &[0xE0, 0],
    },
];

const INSTEAD_OF_CONNACK: &[Nonsense] = &[
    Nonsense {
        name: "the CONNACK of MQTT 5",
        versions: V311,
        bytes: &[0x20, 3, 0, 0, 0],
    },
    Nonsense {
        name: "the CONNACK of MQTT 3.1.1",
        versions: V5,
        bytes: &[0x20, 2, 0, 0],
    },
    Nonsense {
        name: "a PUBLISH before CONNACK",
        versions: &BOTH,
        bytes: &[0x30, 5, 0, 1, b't', 0, b'x'],
    },
    Nonsense {
        name: "HTTP",
        versions: &BOTH,
        bytes: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    },
];

const FILTERS: [SubscribeFilter<'static>; 2] = [
    SubscribeFilter::new("a", QoS::AtLeastOnce),
    SubscribeFilter::new("b", QoS::AtLeastOnce),
];

/// What the device says to the nonsense. Whatever it is, within two minutes it is connected again or still.
fn hear(version: Version, bytes: &[u8], connack: bool) -> String {
    let scene = Scene::new(version);
    scene.play(scene.config().subscriptions(&FILTERS), async |client| {
        let mut server = scene.network.accept().await;
        assert!(server.next().await.starts_with("CONNECT"));
        if connack {
            server.connack(false);
            server.expect("SUBSCRIBE 1 a b").await;
        }
        server.send_bytes(bytes);
        let recovered = async {
            while server.next().await != "closed" {}
            // Kept alive: a message gets through on the next connection.
            let mut server = scene.network.accept_mqtt(false).await;
            server.message(Some(7), "a", b"after");
            loop {
                match server.next().await.as_str() {
                    "PUBACK 7" => break,
                    "closed" => panic!("it left a server that behaves"),
                    _ => {}
                }
            }
        };
        match select(recovered, scene.world.sleep(120_000)).await {
            Either::First(()) => assert!(client.is_connected()),
            Either::Second(()) => panic!("it did not come back"),
        }
    });
    // The end, and what led to it.
    let diary = scene.diary();
    let end = diary
        .iter()
        .position(|line| line.starts_with("failed") || line.starts_with("disconnected"))
        .expect("the connection ends");
    let before = diary[..end]
        .iter()
        .filter(|line| line.starts_with("skipped"));
    before
        .chain([&diary[end]])
        .cloned()
        .collect::<Vec<_>>()
        .join("; ")
}

#[test]
fn a_puback_for_nothing_is_counted_and_nothing_else() {
    for version in BOTH {
        let scene = Scene::new(version);
        scene.play(scene.config(), async |client| {
            let mut server = scene.network.accept_mqtt(false).await;
            server.puback(9);
            server.message(Some(7), "a", b"after");
            server.expect("PUBACK 7").await;
            assert_eq!(client.statistics().session.unexpected_acks, 1);
        });
    }
}

/// What a call with bad input answers, in words.
fn applications() -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    let scene = Scene::new(Version::V311);
    scene.play(scene.config(), async |client| {
        let mut server = scene.network.accept_mqtt(false).await;
        let long = "t".repeat(70_000);
        let big = vec![0; 131_073];
        for (name, topic, payload, qos) in [
            ("publish to `a/#`", "a/#", &b""[..], QoS::AtLeastOnce),
            ("publish to an empty topic", "", b"", QoS::AtLeastOnce),
            (
                "publish to a topic of 70,000 bytes",
                &long,
                b"",
                QoS::AtMostOnce,
            ),
            (
                "publish to a topic with eight slashes",
                "1/2/3/4/5/6/7/8/9",
                b"",
                QoS::AtMostOnce,
            ),
            ("publish to `$SYS/x`", "$SYS/x", b"", QoS::AtMostOnce),
            ("publish 128 KB and a byte", "t", &big, QoS::AtLeastOnce),
            (
                "publish more than the session buffer holds",
                "t",
                &big[..2_000],
                QoS::AtLeastOnce,
            ),
            ("publish with QoS 2", "t", b"", QoS::ExactlyOnce),
        ] {
            let error = client.publish(topic, payload, qos).await.unwrap_err();
            let at_once = client.try_publish(Outgoing::new(topic, payload, qos));
            assert_eq!(at_once, Err(error), "{name}");
            rows.push((name, error.to_string()));
        }
        for (name, filter) in [
            ("subscribe to `a/#/b`", "a/#/b"),
            ("subscribe to an empty filter", ""),
            ("subscribe to `$SYS/#`", "$SYS/#"),
        ] {
            let error = client
                .subscribe(filter, QoS::AtLeastOnce)
                .await
                .unwrap_err();
            rows.push((name, error.to_string()));
        }
        // None of it has reached the wire.
        server.expect_silence(&scene.world, 10_000).await;
    });
    let long = "c".repeat(129);
    let nine = [SubscribeFilter::new("a/#/b", QoS::AtLeastOnce)];
    let config = Config::new(Version::V311, "esp32-demo");
    for (name, config, sizes) in [
        (
            "a write buffer too small for CONNECT",
            config,
            [256, 256, 20, 0],
        ),
        ("a receive buffer of 16 bytes", config, [16, 256, 128, 0]),
        (
            "a session buffer too small for the subscriptions",
            config.subscriptions(&FILTERS),
            [256, 16, 128, 0],
        ),
        (
            "a client id of 129 bytes",
            Config::new(Version::V311, &long),
            [256, 256, 256, 0],
        ),
        (
            "an empty client id without a clean start",
            Config::new(Version::V311, ""),
            [256, 256, 128, 0],
        ),
        (
            "a subscription that is no topic filter",
            config.subscriptions(&nine),
            [256, 256, 128, 0],
        ),
    ] {
        let [mut receive, mut session, mut write, mut inbox] = sizes.map(|size| vec![0; size]);
        let buffers = Buffers {
            receive: &mut receive,
            session: &mut session,
            write: &mut write,
            inbox: &mut inbox,
        };
        let error = Client::new(config, buffers).err().expect(name);
        rows.push((name, error.to_string()));
    }
    rows
}

#[test]
fn the_page_says_what_happens() {
    let mut page = String::from(INTRODUCTION);
    for (rows, connack) in [(AFTER_CONNACK, true), (INSTEAD_OF_CONNACK, false)] {
        for row in rows {
            for version in row.versions.iter().filter(|one| BOTH.contains(one)) {
                let told = if row.name == "a PUBACK for nothing" {
                    "counted (`unexpected_acks`); the connection stays".into()
                } else {
                    hear(*version, row.bytes, connack)
                };
                let version = match version {
                    Version::V311 => "3.1.1",
                    Version::V5 => "5",
                };
                writeln!(page, "| {} | {version} | {told} |", row.name).unwrap();
            }
        }
    }
    page.push_str(APPLICATION);
    for (name, told) in applications() {
        writeln!(page, "| {name} | {told} |").unwrap();
    }
    page.push_str(CONCLUSION);
    if cfg!(any(feature = "qos2", not(feature = "v5"))) {
        // Other builds come back too. But the page is of the usual one: with `qos2` a message with QoS 2 is no nonsense.
        return;
    }
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/device-bad-input.md"
    );
    if std::env::var_os("THINGWIRE_WRITE").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == page,
        "docs/device-bad-input.md is not what happens; THINGWIRE_WRITE=1 writes it:\n{page}"
    );
}

const INTRODUCTION: &str = "\
# What the device library makes of bad input

This page is written and checked by `crates/device/tests/device/bad_input.rs`: the right column is what happened.

## A server that talks nonsense

After each of these the device is connected again, or still, and takes the next message. In MQTT 5 the server is told the reason in
a DISCONNECT. The backoff keeps a server that always talks nonsense from being hammered.

| the server sends | MQTT | the device says |
|---|---|---|
";

const APPLICATION: &str = "
## An application that asks for the impossible

Nothing of it reaches the wire.

| the application asks | the library answers |
|---|---|
";

const CONCLUSION: &str = "
## What a flipped bit can do

MQTT has no checksum; TLS has, so over TLS a flipped bit ends the connection and nothing else. Without TLS a flipped bit can change a
payload or a topic without anybody noticing, change an acknowledgement's packet identifier (counted as `unexpected_acks`, and the
packet is repeated), or turn a packet into another kind or length (a protocol error, or silence until the keep-alive ends the
connection). It cannot make the library panic, hang, or write outside its buffers.
";
