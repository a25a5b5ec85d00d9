//! The edge over an in-memory stream: real bytes in, real bytes out, tokio's clock paused.

mod slow;

use std::time::Duration;

use thingwire_mqtt::{Connect, Packet, Properties, QoS, Version, Will};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use super::{TimeLimit, serve_until};
use crate::testing::{Client, broker, connect, encode, peer, puback, publish, subscribe};
use crate::{Config, DisconnectReason};

#[tokio::test(start_paused = true)]
async fn two_clients_of_different_versions_exchange_messages_of_any_size() {
    let broker = broker(Config::default());
    let mut subscriber = Client::connect(&broker, Version::V311, "subscriber").await;
    subscribe(&mut subscriber, "a/+", QoS::AtLeastOnce).await;
    let mut publisher = Client::connect(&broker, Version::V5, "publisher").await;
    for len in [0, 1, 4000, 5000, 131_072] {
        let payload = vec![b'x'; len];
        publisher
            .send(&[
                publish("a/b", &payload, None),
                publish("a/b", &payload, Some(7)),
            ])
            .await;
        for expected in [QoS::AtMostOnce, QoS::AtLeastOnce] {
            let mut id = None;
            subscriber
                .expect(|packet| {
                    let Packet::Publish(publish) = packet else {
                        panic!("{packet:?}")
                    };
                    assert_eq!((publish.topic, publish.qos), ("a/b", expected));
                    assert_eq!(publish.payload, payload);
                    id = publish.packet_id;
                })
                .await;
            if let Some(packet_id) = id {
                subscriber.send(&[puback(packet_id)]).await;
            }
        }
        publisher
            .expect(|packet| assert!(matches!(packet, Packet::PubAck(_)), "{packet:?}"))
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_send_connect_in_time_is_closed() {
    let broker = broker(Config::default());
    for sent in [&b""[..], b"\x10", b"\x10\x20\x00\x04MQTT"] {
        let began = Instant::now();
        let mut client = Client::open(&broker, Version::V311, 1024);
        client.stream.write_all(sent).await.unwrap();
        assert!(client.rest().await.is_empty());
        assert_eq!(began.elapsed(), Duration::from_secs(10));
    }
    assert_eq!(broker.statistics().connections, 0);
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_not_mqtt_are_closed_without_answer() {
    let broker = broker(Config::default());
    let strings: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00\x00",
        // A remaining length of five bytes.
        b"\x10\xff\xff\xff\xff\x7f",
        // CONNECT of 3.1.1 with the reserved flag.
        b"\x10\x0c\x00\x04MQTT\x04\x03\x00\x00\x00\x00",
    ];
    for sent in strings {
        let mut client = Client::open(&broker, Version::V311, 1024);
        client.stream.write_all(sent).await.unwrap();
        assert!(client.rest().await.is_empty(), "{sent:x?}");
    }
    assert_eq!(broker.statistics().connections, 0);
}

#[tokio::test(start_paused = true)]
async fn b_1_mqtt_3_1_gets_connack_01() {
    let broker = broker(Config::default());
    let mut client = Client::open(&broker, Version::V311, 1024);
    client
        .stream
        .write_all(b"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x01a")
        .await
        .unwrap();
    assert_eq!(client.rest().await, [0x20, 2, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn b_76_mqtt_5_is_told_what_was_wrong() {
    let broker = broker(Config::default());
    // A CONNECT that says 5 and is malformed: CONNACK.
    let mut client = Client::open(&broker, Version::V5, 1024);
    client
        .stream
        .write_all(b"\x10\x0d\x00\x04MQTT\x05\x03\x00\x00\x00\x00\x00")
        .await
        .unwrap();
    let rest = client.rest().await;
    assert_eq!((rest[0], rest[3]), (0x20, 0x81));
    // Afterwards: DISCONNECT.
    let cases: [(&[u8], u8); 3] = [
        (b"\x00\x00", 0x81),
        // A packet of 200,000 bytes is refused by its header.
        (b"\x30\xc0\x9a\x0c", 0x97),
        // A property twice.
        (b"\x30\x08\x00\x01a\x04\x01\x00\x01\x00", 0x82),
    ];
    for (sent, code) in &cases {
        let mut client = Client::connect(&broker, Version::V5, "a").await;
        client.stream.write_all(sent).await.unwrap();
        let rest = client.rest().await;
        assert_eq!((rest[0], rest[2]), (0xe0, *code), "{sent:x?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_before_the_broken_bytes_counts() {
    let broker = broker(Config::default());
    let mut watcher = Client::connect(&broker, Version::V311, "watcher").await;
    subscribe(&mut watcher, "a", QoS::AtMostOnce).await;
    let mut client = Client::connect(&broker, Version::V311, "client").await;
    let mut bytes = encode(
        Version::V311,
        &[publish("a", b"1", None), publish("a", b"2", Some(9))],
    );
    bytes.extend_from_slice(b"\x00\x00");
    client.stream.write_all(&bytes).await.unwrap();
    assert_eq!(client.rest().await, [0x40, 2, 0, 9]);
    for expected in [b"1", b"2"] {
        watcher
            .expect(|packet| {
                assert!(matches!(packet, Packet::Publish(publish) if publish.payload == expected));
            })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn packets_may_be_cut_anywhere() {
    let broker = broker(Config::default());
    let payload = vec![b'x'; 300];
    for version in [Version::V311, Version::V5] {
        let bytes = encode(
            version,
            &[
                connect(version, "a"),
                publish("t", &payload, Some(1)),
                Packet::PingReq,
            ],
        );
        let mut whole = Client::open(&broker, version, 1 << 16);
        whole.stream.write_all(&bytes).await.unwrap();
        let expected = whole.some().await;
        for cut in 1..bytes.len() {
            let mut client = Client::open(&broker, version, 1 << 16);
            let (first, second) = bytes.split_at(cut);
            client.stream.write_all(first).await.unwrap();
            // The broker sees the first part alone.
            tokio::task::yield_now().await;
            client.stream.write_all(second).await.unwrap();
            assert_eq!(client.until(expected.len()).await, expected, "cut at {cut}");
        }
        let mut client = Client::open(&broker, version, 1 << 16);
        for byte in &bytes {
            client.stream.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(
            client.until(expected.len()).await,
            expected,
            "one byte at a time"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_random_strings_end_their_connection_at_worst() {
    let broker = broker(Config::default());
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for round in 0..10_000_u32 {
        let version = if round % 2 == 0 {
            Version::V311
        } else {
            Version::V5
        };
        let mut client = Client::open(&broker, version, 1 << 16);
        if round % 4 > 1 {
            client.send(&[connect(version, "a")]).await;
        }
        let len = usize::try_from(next() % 64).unwrap();
        let mut bytes: Vec<u8> = (0..len).map(|_| next().to_be_bytes()[0]).collect();
        if round % 8 > 3 && len > 2 {
            // A plausible header: the decoder of the body is what is tried.
            bytes[0] = [0x10, 0x30, 0x32, 0x40, 0x82, 0xa2, 0xc0, 0xe0][usize::from(bytes[0] % 8)];
            bytes[1] = u8::try_from(len - 2).unwrap();
        }
        let _ = client.stream.write_all(&bytes).await;
        let _ = client.stream.shutdown().await;
        client.rest().await;
    }
    assert_eq!(broker.statistics().connections, 0);
    let mut client = Client::connect(&broker, Version::V311, "still").await;
    subscribe(&mut client, "a", QoS::AtMostOnce).await;
}

#[tokio::test(start_paused = true)]
async fn b_59_a_stream_that_ends_or_a_task_that_is_dropped_is_a_lost_connection() {
    let broker = broker(Config::default());
    let mut watcher = Client::connect(&broker, Version::V311, "watcher").await;
    subscribe(&mut watcher, "will", QoS::AtMostOnce).await;
    let Packet::Connect(plain) = connect(Version::V311, "device") else {
        unreachable!()
    };
    let will = Will {
        topic: "will",
        payload: b"gone",
        qos: QoS::AtMostOnce,
        retain: false,
        properties: Properties::EMPTY,
    };
    for abort in [false, true] {
        let mut device = Client::open(&broker, Version::V311, 1024);
        device
            .send(&[Packet::Connect(Connect {
                will: Some(will),
                ..plain
            })])
            .await;
        device
            .expect(|packet| assert!(matches!(packet, Packet::ConnAck(_))))
            .await;
        if abort {
            device.task.abort();
        } else {
            drop(device);
        }
        watcher
            .expect(|packet| {
                assert!(matches!(packet, Packet::Publish(publish) if publish.payload == b"gone"));
            })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn b_14_the_older_stream_is_told_and_closed() {
    let broker = broker(Config::default());
    let mut older = Client::connect(&broker, Version::V5, "device").await;
    let _newer = Client::connect(&broker, Version::V5, "device").await;
    let rest = older.rest().await;
    assert_eq!((rest[0], rest[2]), (0xe0, 0x8e));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_was_slow_gets_everything_of_qos_1_in_order() {
    let mut config = Config::default();
    config.memory.outbox_bytes = 20_000;
    let broker = broker(config);
    // A pipe of 1 KiB: the broker's writes stall at once.
    let mut slow = Client::open(&broker, Version::V311, 1024);
    slow.send(&[connect(Version::V311, "slow")]).await;
    slow.expect(|packet| assert!(matches!(packet, Packet::ConnAck(_))))
        .await;
    subscribe(&mut slow, "a", QoS::AtLeastOnce).await;
    let mut publisher = Client::connect(&broker, Version::V311, "publisher").await;
    for n in 0..500_u16 {
        let mut payload = n.to_be_bytes().to_vec();
        payload.resize(1000, 0);
        publisher.send(&[publish("a", &payload, Some(1))]).await;
        publisher
            .expect(|packet| assert!(matches!(packet, Packet::PubAck(_))))
            .await;
    }
    assert!(
        broker.connections()[1].queued > 300,
        "{:?}",
        broker.connections()
    );
    for n in 0..500_u16 {
        let mut id = None;
        slow.expect(|packet| {
            let Packet::Publish(publish) = packet else {
                panic!("{packet:?}")
            };
            assert_eq!(publish.payload[..2], n.to_be_bytes());
            id = publish.packet_id;
        })
        .await;
        slow.send(&[puback(id.unwrap())]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn messages_are_counted_by_qos_and_bytes_both_ways() {
    let broker = broker(Config::default());
    let mut client = Client::connect(&broker, Version::V311, "a").await;
    subscribe(&mut client, "t", QoS::AtLeastOnce).await;
    let before = broker.statistics();
    let sent = [publish("t", b"0", None), publish("t", b"1", Some(7))];
    client.send(&sent).await;
    // Two deliveries and a PUBACK.
    let expected = encode(Version::V311, &sent).len() + 4;
    client.until(expected).await;
    let after = broker.statistics();
    assert_eq!(after.received - before.received, 2);
    assert_eq!(
        after.received_at_least_once - before.received_at_least_once,
        1
    );
    assert_eq!(after.delivered - before.delivered, 2);
    assert_eq!(
        after.delivered_at_least_once - before.delivered_at_least_once,
        1
    );
    let written = u64::try_from(expected).unwrap();
    assert_eq!(after.bytes_written - before.bytes_written, written);
    assert_eq!(after.bytes_read - before.bytes_read, written - 4);
}

/// `A-10`: the client is told that its time is up.
#[tokio::test(start_paused = true)]
async fn a_connection_with_a_limit_is_disconnected_then() {
    let broker = broker(Config::default());
    for version in [Version::V311, Version::V5] {
        let (mut near, far) = tokio::io::duplex(1 << 16);
        let begun = Instant::now();
        let limit = TimeLimit {
            after: Duration::from_secs(86_400),
            reason: DisconnectReason::WebSocketTtlExpiration,
            detail: "A-10",
        };
        let serving = tokio::spawn({
            let broker = broker.clone();
            async move { serve_until(&broker, far, peer("key"), Some(limit)).await }
        });
        let Packet::Connect(mut plain) = connect(version, "a") else {
            unreachable!()
        };
        plain.keep_alive = 0;
        near.write_all(&encode(version, &[Packet::Connect(plain)]))
            .await
            .unwrap();
        let mut pings = tokio::time::interval(Duration::from_secs(600));
        let mut received = Vec::new();
        loop {
            let mut chunk = [0; 256];
            tokio::select! {
                read = near.read(&mut chunk) => match read.unwrap() {
                    0 => break,
                    count => received.extend_from_slice(&chunk[..count]),
                },
                _ = pings.tick() => {
                    near.write_all(&encode(version, &[Packet::PingReq])).await.unwrap();
                }
            }
        }
        assert_eq!(begun.elapsed(), limit.after);
        // After the answer to the last ping: in MQTT 5 DISCONNECT, 0xA0 Maximum connect time, and nothing in 3.1.1.
        let pong = received
            .windows(2)
            .rposition(|window| window == [0xd0, 0])
            .unwrap();
        match (version, &received[pong + 2..]) {
            (Version::V311, []) | (Version::V5, [0xe0, _, 0xa0, ..]) => {}
            (_, other) => panic!("{version:?}: {other:x?}"),
        }
        serving.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn who_goes_on_sending_after_the_end_still_gets_the_reason() {
    let broker = broker(Config::default());
    // The peer's bytes must be taken from it, or a real socket would be reset: the pipe holds only eight.
    let (client, server) = tokio::io::duplex(8);
    let peer = crate::Peer {
        principal: "certificate".into(),
        address: "192.0.2.1:40000".parse().unwrap(),
        server_name: None,
    };
    let served = tokio::spawn({
        let broker = broker.clone();
        async move { super::serve(&broker, server, peer).await }
    });
    // MQTT 5, and a second CONNECT, which ends it (B-16).
    let connect = [
        0x10, 14, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 60, 0, 0, 1, b'd',
    ];
    let (mut from, mut to) = tokio::io::split(client);
    let writing = async {
        for _ in 0..2 {
            to.write_all(&connect).await.unwrap();
        }
        // A hundred pings that nobody asks for.
        for _ in 0..100 {
            to.write_all(&[0xC0, 0]).await.unwrap();
        }
    };
    let mut got = Vec::new();
    let reading = async {
        from.read_to_end(&mut got).await.unwrap();
    };
    tokio::join!(writing, reading);
    assert!(got.contains(&0xE0), "DISCONNECT came: {got:02x?}");
    drop((from, to));
    served.await.unwrap();
}
