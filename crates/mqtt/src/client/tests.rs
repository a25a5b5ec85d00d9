//! The session as a trace: what the application asks, what goes out, what comes in, what time does.

use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use super::*;
use crate::{
    Ack, ConnAck, Disconnect, Packet, PacketId, Properties, Property, Publish, QoS, ReasonCode,
    SubAck, SubscribeFilter, Version, split,
};

const BOTH: [Version; 2] = [Version::V311, Version::V5];

/// A session with a scripted server and a clock that the test moves.
struct Story {
    session: Session<'static>,
    now: Millis,
}

impl Story {
    fn new(version: Version) -> Self {
        Self::with(ConnectOptions::new(version, "esp32-demo"), 2048)
    }

    fn with(options: ConnectOptions<'static>, arena: usize) -> Self {
        let arena = vec![0; arena].leak();
        Self {
            session: Session::new(options, arena, 1024),
            now: Millis(0),
        }
    }

    /// A session that is already up.
    fn up(version: Version) -> Self {
        let mut story = Self::new(version);
        story.connect(false, &[]);
        story
    }

    fn connect(&mut self, session_present: bool, properties: &[Property<'_>]) {
        self.session.start(self.now).unwrap();
        assert!(self.sent()[0].starts_with("CONNECT"));
        let reply = self.recv(&connack(session_present, properties)).unwrap();
        assert!(reply.starts_with("Connected"), "{reply}");
    }

    /// The next connection of the same session.
    fn reconnect(&mut self, session_present: bool) {
        self.session.connection_lost();
        self.connect(session_present, &[]);
    }

    fn wait(&mut self, milliseconds: u64) -> Result<(), SessionError> {
        self.now = self.now.after(milliseconds);
        self.session.handle_timeout(self.now)
    }

    fn bytes(&mut self, chunk: usize) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let mut out = vec![0; chunk];
            let count = self.session.poll_transmit(self.now, &mut out);
            if count == 0 {
                return all;
            }
            all.extend_from_slice(&out[..count]);
        }
    }

    fn sent(&mut self) -> Vec<String> {
        let bytes = self.bytes(512);
        packets(self.session.version(), &bytes)
    }

    fn recv(&mut self, packet: &Packet<'_>) -> Result<String, SessionError> {
        let mut bytes = vec![0; 1024];
        let len = packet.encode(self.session.version(), &mut bytes).unwrap();
        let (frame, _) = split(&bytes[..len], 1024).unwrap().unwrap();
        self.session
            .receive(self.now, &frame)
            .map(|event| match event {
                Event::Connected { negotiated, .. } => {
                    format!("Connected present={}", negotiated.session_present)
                }
                Event::Message(message) => {
                    format!(
                        "Message {} {}",
                        message.topic,
                        String::from_utf8_lossy(message.payload)
                    )
                }
                Event::Published { reason, .. } => format!("Published {:#x}", reason.0),
                Event::Subscribed { reason_codes, .. } => format!("Subscribed {reason_codes:?}"),
                Event::Unsubscribed { .. } => "Unsubscribed".into(),
                Event::Nothing => "Nothing".into(),
            })
    }

    fn publish(&mut self, payload: &str) -> Ticket {
        let message = Outgoing::new("esp32/pub", payload.as_bytes(), QoS::AtLeastOnce);
        self.session.publish(message).unwrap()
    }

    fn subscribe(&mut self, filters: &[&'static str]) -> Ticket {
        let filters: Vec<_> = filters
            .iter()
            .map(|filter| SubscribeFilter::new(filter, QoS::AtLeastOnce))
            .collect();
        self.session.subscribe(&filters).unwrap()
    }
}

fn packets(version: Version, mut bytes: &[u8]) -> Vec<String> {
    let mut seen = Vec::new();
    while let Some((frame, len)) = split(bytes, usize::MAX).unwrap() {
        seen.push(match Packet::decode(version, &frame).unwrap() {
            Packet::Connect(connect) => format!(
                "CONNECT {} clean={}",
                connect.client_id, connect.clean_start
            ),
            Packet::Publish(publish) => format!(
                "PUBLISH{} {} {} {}",
                if publish.dup { " DUP" } else { "" },
                publish.packet_id.map_or(0, PacketId::get),
                publish.topic,
                String::from_utf8_lossy(publish.payload),
            ),
            Packet::Subscribe(subscribe) => format!(
                "SUBSCRIBE {} {}",
                subscribe.packet_id.get(),
                subscribe
                    .filters
                    .iter()
                    .map(|one| one.filter)
                    .collect::<Vec<_>>()
                    .join(" ")
            ),
            Packet::Unsubscribe(unsubscribe) => format!(
                "UNSUBSCRIBE {} {}",
                unsubscribe.packet_id.get(),
                unsubscribe.filters.iter().collect::<Vec<_>>().join(" ")
            ),
            Packet::PubAck(ack) => format!("PUBACK {}", ack.packet_id.get()),
            Packet::Disconnect(disconnect) => format!("DISCONNECT {:#x}", disconnect.reason_code.0),
            other => format!("{:?}", other.packet_type()),
        });
        bytes = &bytes[len..];
    }
    assert!(bytes.is_empty(), "half a packet was left: {bytes:?}");
    seen
}

fn connack<'a>(session_present: bool, properties: &'a [Property<'a>]) -> Packet<'a> {
    Packet::ConnAck(ConnAck {
        session_present,
        reason_code: ReasonCode::SUCCESS,
        properties: Properties::List(properties),
    })
}

fn puback(id: u16, reason_code: ReasonCode) -> Packet<'static> {
    let packet_id = PacketId::new(id).unwrap();
    Packet::PubAck(Ack {
        packet_id,
        reason_code,
        properties: Properties::EMPTY,
    })
}

fn suback(id: u16, reason_codes: &[u8]) -> Packet<'_> {
    let packet_id = PacketId::new(id).unwrap();
    Packet::SubAck(SubAck {
        packet_id,
        reason_codes,
        properties: Properties::EMPTY,
    })
}

fn unsuback(version: Version, id: u16) -> Packet<'static> {
    let packet_id = PacketId::new(id).unwrap();
    let reason_codes: &[u8] = if version == Version::V5 { &[0] } else { &[] };
    Packet::UnsubAck(SubAck {
        packet_id,
        reason_codes,
        properties: Properties::EMPTY,
    })
}

fn message(id: Option<u16>, payload: &[u8]) -> Packet<'_> {
    Packet::Publish(Publish {
        dup: false,
        qos: if id.is_some() {
            QoS::AtLeastOnce
        } else {
            QoS::AtMostOnce
        },
        retain: false,
        topic: "esp32/sub",
        packet_id: id.and_then(PacketId::new),
        properties: Properties::EMPTY,
        payload,
    })
}

#[test]
fn the_sketch_subscribes_receives_and_publishes() {
    for version in BOTH {
        let mut story = Story::up(version);
        let subscription = story.subscribe(&["esp32/sub"]);
        assert_eq!(story.sent(), ["SUBSCRIBE 1 esp32/sub"]);
        assert_eq!(story.session.outcome(subscription), None);
        assert_eq!(story.recv(&suback(1, &[1])).unwrap(), "Subscribed [1]");
        assert_eq!(story.session.outcome(subscription), Some(&[1][..]));
        story.session.forget(subscription);

        assert_eq!(
            story.recv(&message(Some(9), b"hello")).unwrap(),
            "Message esp32/sub hello"
        );
        assert_eq!(story.sent(), [""; 0], "PUBACK waits for the application");
        story
            .session
            .acknowledge(PacketId::new(9).unwrap(), ReasonCode::SUCCESS);
        assert_eq!(story.sent(), ["PUBACK 9"]);

        let publish = story.publish("42");
        assert_eq!(story.sent(), ["PUBLISH 2 esp32/pub 42"]);
        assert_eq!(
            story.recv(&puback(2, ReasonCode::SUCCESS)).unwrap(),
            "Published 0x0"
        );
        assert_eq!(story.session.outcome(publish), Some(&[0][..]));
        story.session.forget(publish);
        assert!(story.session.is_idle());
    }
}

#[test]
fn nothing_is_sent_before_connack_b8() {
    for version in BOTH {
        let mut story = Story::new(version);
        story.publish("early");
        assert_eq!(story.sent(), [""; 0]);
        story.session.start(story.now).unwrap();
        assert_eq!(story.sent(), ["CONNECT esp32-demo clean=false"]);
        assert_eq!(story.sent(), [""; 0], "CONNECT is sent once");
        story.recv(&connack(false, &[])).unwrap();
        assert_eq!(story.sent(), ["PUBLISH 1 esp32/pub early"]);
    }
}

#[test]
fn connack_must_come_first_once_and_in_time() {
    for version in BOTH {
        let mut story = Story::new(version);
        story.session.start(story.now).unwrap();
        story.sent();
        assert!(matches!(
            story.recv(&Packet::PingResp),
            Err(SessionError::Protocol(_))
        ));

        let mut story = Story::up(version);
        assert!(matches!(
            story.recv(&connack(false, &[])),
            Err(SessionError::Protocol(_))
        ));

        let mut story = Story::new(version);
        story.session.start(story.now).unwrap();
        assert_eq!(
            story.session.poll_timeout(),
            Some(Millis(Session::CONNACK_LIMIT))
        );
        story.wait(Session::CONNACK_LIMIT - 1).unwrap();
        assert_eq!(story.wait(1), Err(SessionError::ConnAckTimeout));
    }
}

#[test]
fn a_refusal_carries_its_code() {
    let refused = |reason_code| {
        Packet::ConnAck(ConnAck {
            session_present: false,
            reason_code,
            properties: Properties::EMPTY,
        })
    };
    for (version, code) in [(Version::V311, 5), (Version::V5, 0x87)] {
        let mut story = Story::new(version);
        story.session.start(story.now).unwrap();
        story.sent();
        assert_eq!(
            story.recv(&refused(ReasonCode(code))),
            Err(SessionError::Refused(ReasonCode(code)))
        );
        assert!(!story.session.is_connected());
    }
}

#[test]
fn unacknowledged_packets_are_repeated_in_the_connection_in_3_1_1_only() {
    let mut story = Story::up(Version::V311);
    story.subscribe(&["esp32/sub"]);
    story.publish("42");
    assert_eq!(
        story.sent(),
        ["SUBSCRIBE 1 esp32/sub", "PUBLISH 2 esp32/pub 42"]
    );
    assert_eq!(
        story.session.poll_timeout(),
        Some(Millis(Session::RETRANSMIT_AFTER))
    );
    story.wait(Session::RETRANSMIT_AFTER - 1).unwrap();
    assert_eq!(story.sent(), [""; 0]);
    story.wait(1).unwrap();
    assert_eq!(
        story.sent(),
        ["SUBSCRIBE 1 esp32/sub", "PUBLISH DUP 2 esp32/pub 42"]
    );
    story.wait(Session::RETRANSMIT_AFTER).unwrap();
    assert_eq!(
        story.sent(),
        ["SUBSCRIBE 1 esp32/sub", "PUBLISH DUP 2 esp32/pub 42"]
    );
    assert_eq!(story.session.counters().retransmitted, 4);
    story.recv(&suback(1, &[1])).unwrap();
    story.recv(&puback(2, ReasonCode::SUCCESS)).unwrap();
    // The server acknowledges each repetition: that is no surprise.
    assert_eq!(
        story.recv(&puback(2, ReasonCode::SUCCESS)).unwrap(),
        "Nothing"
    );
    assert_eq!(story.session.counters().unexpected_acks, 1);

    // [MQTT-4.4.0-1]: MQTT 5 never repeats inside a connection, it ends it.
    let mut story = Story::up(Version::V5);
    story.publish("42");
    story.sent();
    story.wait(Session::ACK_LIMIT - 20_000).unwrap();
    assert_eq!(story.sent(), [""; 0], "nothing but silence");
    story.recv(&Packet::PingResp).unwrap();
    assert_eq!(story.wait(20_000), Err(SessionError::AckTimeout));
}

#[test]
fn a_session_that_lives_is_resumed_and_one_that_was_lost_is_rebuilt() {
    for version in BOTH {
        for present in [true, false] {
            let mut story = Story::up(version);
            story.subscribe(&["esp32/sub"]);
            story.sent();
            story.recv(&suback(1, &[1])).unwrap();
            story.publish("first");
            story.publish("second");
            story.sent();
            story.recv(&puback(2, ReasonCode::SUCCESS)).unwrap();
            story.publish("third");
            story.reconnect(present);
            let expected: &[&str] = if present {
                &[
                    "PUBLISH DUP 3 esp32/pub second",
                    "PUBLISH 4 esp32/pub third",
                ]
            } else {
                // To a server without the session all of it is new, and packet 5 is a fresh identifier.
                &[
                    "SUBSCRIBE 5 esp32/sub",
                    "PUBLISH 3 esp32/pub second",
                    "PUBLISH 4 esp32/pub third",
                ]
            };
            assert_eq!(story.sent(), expected, "{version:?} present={present}");
        }
    }
}

#[test]
fn a_subscription_that_was_never_answered_is_made_again_either_way() {
    for present in [true, false] {
        let mut story = Story::up(Version::V5);
        story.subscribe(&["a", "b/+"]);
        story.sent();
        story.reconnect(present);
        assert_eq!(story.sent(), ["SUBSCRIBE 1 a b/+"]);
        story.recv(&suback(1, &[0, 1])).unwrap();
        assert!(story.session.is_idle());
    }
}

#[test]
fn a_refused_subscription_is_reported_and_not_asked_again_b54() {
    let mut story = Story::up(Version::V5);
    let ticket = story.subscribe(&["secret/#"]);
    story.sent();
    assert_eq!(story.recv(&suback(1, &[0x87])).unwrap(), "Subscribed [135]");
    assert_eq!(story.session.outcome(ticket), Some(&[0x87][..]));
    story.session.forget(ticket);
    story.reconnect(false);
    assert_eq!(story.sent(), [""; 0]);
    assert_eq!(
        story.session.free(),
        2048,
        "nothing of it is left in the arena"
    );
}

#[test]
fn a_refused_publish_is_reported_b53() {
    let mut story = Story::up(Version::V5);
    let ticket = story.publish("x");
    story.sent();
    assert_eq!(
        story.recv(&puback(1, ReasonCode::NOT_AUTHORIZED)).unwrap(),
        "Published 0x87"
    );
    assert_eq!(story.session.outcome(ticket), Some(&[0x87][..]));
    story.session.forget(ticket);
    assert_eq!(story.session.free(), 2048);
}

#[test]
fn unsubscribing_ends_the_wish_at_once() {
    for version in BOTH {
        let mut story = Story::up(version);
        story.subscribe(&["a", "b", "c"]);
        story.sent();
        story.recv(&suback(1, &[1, 1, 1])).unwrap();
        let ticket = story.session.unsubscribe(&["b"]).unwrap();
        assert_eq!(story.sent(), ["UNSUBSCRIBE 2 b"]);
        assert_eq!(story.recv(&unsuback(version, 2)).unwrap(), "Unsubscribed");
        assert_eq!(story.session.outcome(ticket), Some(&[0][..]));
        story.session.forget(ticket);
        story.reconnect(false);
        assert_eq!(story.sent(), ["SUBSCRIBE 3 a c"]);
    }
}

#[test]
fn subscribing_again_replaces() {
    let mut story = Story::up(Version::V311);
    for round in 1..=3 {
        let ticket = story.subscribe(&["a"]);
        story.sent();
        story.recv(&suback(round, &[1])).unwrap();
        story.session.forget(ticket);
    }
    story.reconnect(false);
    assert_eq!(
        story.sent(),
        ["SUBSCRIBE 4 a"],
        "one subscription, not three"
    );
}

#[test]
fn keep_alive_counts_sent_packets_mqtt_3_1_2_23() {
    for version in BOTH {
        let mut story = Story::up(version);
        // 60 s keep-alive: due an eighth early, whatever was received meanwhile.
        assert_eq!(story.session.poll_timeout(), Some(Millis(52_500)));
        story.wait(30_000).unwrap();
        story.recv(&message(None, b"x")).unwrap();
        assert_eq!(story.session.poll_timeout(), Some(Millis(52_500)));
        story.wait(22_500).unwrap();
        assert_eq!(story.sent(), ["PingReq"]);
        assert_eq!(
            story.session.poll_timeout(),
            Some(Millis(82_500)),
            "half the keep-alive"
        );
        story.wait(10).unwrap();
        story.recv(&Packet::PingResp).unwrap();
        story.wait(52_500).unwrap();
        assert_eq!(story.sent(), ["PingReq"]);
        assert_eq!(story.wait(30_000), Err(SessionError::PingTimeout));
    }
}

#[test]
fn who_only_sends_still_finds_out_that_nobody_listens() {
    let mut story = Story::up(Version::V311);
    let mut pings = 0;
    for _ in 0..100 {
        story
            .session
            .publish(Outgoing::new("t", b"x", QoS::AtMostOnce))
            .unwrap();
        pings += story
            .sent()
            .iter()
            .filter(|packet| *packet == "PingReq")
            .count();
        if story.wait(1_000).is_err() {
            assert_eq!(story.now, Millis(90_000), "one and a half keep-alives");
            assert_eq!(pings, 1);
            return;
        }
    }
    panic!("a half-open connection was not noticed");
}

#[test]
fn the_servers_keep_alive_wins_and_zero_means_1200_b15() {
    let mut story = Story::new(Version::V5);
    story.connect(false, &[Property::ServerKeepAlive(1200)]);
    assert_eq!(story.session.negotiated().keep_alive, 1200);
    assert_eq!(story.session.poll_timeout(), Some(Millis(1_050_000)));

    let options = ConnectOptions {
        keep_alive: 0,
        ..ConnectOptions::new(Version::V311, "c")
    };
    let mut story = Story::with(options, 512);
    story.connect(false, &[]);
    assert_eq!(story.session.poll_timeout(), Some(Millis(1_050_000)));
}

#[test]
fn the_servers_limits_are_obeyed_b22() {
    let mut story = Story::new(Version::V5);
    story.connect(
        false,
        &[
            Property::ReceiveMaximum(2),
            Property::MaximumPacketSize(64),
            Property::MaximumQoS(1),
            Property::RetainAvailable(false),
        ],
    );
    for payload in ["1", "2", "3"] {
        story.publish(payload);
    }
    assert_eq!(
        story.sent(),
        ["PUBLISH 1 esp32/pub 1", "PUBLISH 2 esp32/pub 2"]
    );
    story.recv(&puback(2, ReasonCode::SUCCESS)).unwrap();
    assert_eq!(story.sent(), ["PUBLISH 3 esp32/pub 3"]);

    let long = [b'x'; 64];
    let refused = story
        .session
        .publish(Outgoing::new("t", &long, QoS::AtLeastOnce));
    assert!(matches!(
        refused,
        Err(PublishError::PacketTooLarge { max: 64, .. })
    ));
    let retained = Outgoing {
        retain: true,
        ..Outgoing::new("t", b"x", QoS::AtMostOnce)
    };
    assert_eq!(
        story.session.publish(retained),
        Err(PublishError::RetainNotSupported)
    );
    let twice = Outgoing::new("t", b"x", QoS::ExactlyOnce);
    assert_eq!(
        story.session.publish(twice),
        Err(PublishError::QosNotSupported)
    );
}

#[test]
fn what_the_next_server_does_not_take_is_reported_not_kept_for_ever() {
    let mut story = Story::new(Version::V5);
    let long = [b'x'; 100];
    let ticket = story
        .session
        .publish(Outgoing::new("t", &long, QoS::AtLeastOnce))
        .unwrap();
    story.connect(false, &[Property::MaximumPacketSize(64)]);
    assert_eq!(story.sent(), [""; 0]);
    assert_eq!(
        story.session.outcome(ticket),
        Some(&[ReasonCode::PACKET_TOO_LARGE.0][..])
    );
    assert_eq!(story.session.counters().undeliverable, 1);
}

#[test]
fn qos_0_is_now_or_never() {
    for version in BOTH {
        let mut story = Story::new(version);
        let message = Outgoing::new("t", b"x", QoS::AtMostOnce);
        assert_eq!(
            story.session.publish(message),
            Err(PublishError::NotConnected)
        );
        story.connect(false, &[]);
        story.session.publish(message).unwrap();
        story.reconnect(true);
        assert_eq!(story.sent(), [""; 0]);
        assert_eq!(story.session.counters().dropped_qos0, 1);
    }
}

#[test]
fn a_full_arena_says_what_is_missing_and_still_reconnects() {
    let options = ConnectOptions::new(Version::V311, "c");
    let mut story = Story::with(options, 100);
    let payload = [b'x'; 50];
    let message = Outgoing::new("t", &payload, QoS::AtLeastOnce);
    story.session.publish(message).unwrap();
    assert!(matches!(
        story.session.publish(message),
        Err(PublishError::NoRoom { .. })
    ));
    let longer = [b'x'; 200];
    assert!(matches!(
        story
            .session
            .publish(Outgoing::new("t", &longer, QoS::AtLeastOnce)),
        Err(PublishError::ArenaTooSmall { capacity: 100, .. })
    ));
    story.connect(false, &[]);
    assert_eq!(story.sent().len(), 1);
    story.recv(&puback(1, ReasonCode::SUCCESS)).unwrap();
    // The result of the first still waits for its ticket; it takes 22 bytes, not 80.
    story
        .session
        .publish(Outgoing::new("t", b"x", QoS::AtLeastOnce))
        .unwrap();
}

#[test]
fn packets_are_cut_at_any_byte_and_come_out_whole() {
    for version in BOTH {
        let mut whole = None;
        for chunk in 64..200 {
            let mut story = Story::up(version);
            story.subscribe(&["esp32/sub"]);
            story.publish(
                "a payload that does not fit into the smallest of these buffers, surely not",
            );
            story
                .session
                .publish(Outgoing::new("t", b"0", QoS::AtMostOnce))
                .unwrap();
            let bytes = story.bytes(chunk);
            assert_eq!(packets(version, &bytes).len(), 3);
            assert_eq!(*whole.get_or_insert_with(|| bytes.clone()), bytes);
        }
    }
}

#[test]
fn an_acknowledgement_during_the_repetition_does_not_tear_it() {
    let mut story = Story::up(Version::V311);
    let ticket = story.publish("a payload longer than sixteen bytes");
    story.sent();
    story.wait(Session::RETRANSMIT_AFTER).unwrap();
    let mut start = [0; 16];
    assert_eq!(story.session.poll_transmit(story.now, &mut start), 16);
    assert_eq!(
        story.recv(&puback(1, ReasonCode::SUCCESS)).unwrap(),
        "Nothing"
    );
    let mut all = start.to_vec();
    all.extend(story.bytes(16));
    assert_eq!(
        packets(Version::V311, &all),
        ["PUBLISH DUP 1 esp32/pub a payload longer than sixteen bytes"]
    );
    assert_eq!(
        story.recv(&puback(1, ReasonCode::SUCCESS)).unwrap(),
        "Published 0x0"
    );
    assert_eq!(story.session.outcome(ticket), Some(&[0][..]));
}

#[test]
fn withdrawing_a_half_written_subscription_does_not_tear_it() {
    let mut story = Story::up(Version::V5);
    let ticket = story.subscribe(&["a/long/filter/that/needs/two/writes"]);
    let mut start = [0; 16];
    assert_eq!(story.session.poll_transmit(story.now, &mut start), 16);
    story
        .session
        .unsubscribe(&["a/long/filter/that/needs/two/writes"])
        .unwrap();
    let mut all = start.to_vec();
    all.extend(story.bytes(16));
    assert_eq!(
        packets(Version::V5, &all),
        [
            "SUBSCRIBE 1 a/long/filter/that/needs/two/writes",
            "UNSUBSCRIBE 2 a/long/filter/that/needs/two/writes"
        ]
    );
    assert_eq!(
        story.session.outcome(ticket),
        Some(&[0x80][..]),
        "withdrawn"
    );
}

#[test]
fn disconnect_comes_after_what_was_accepted() {
    for version in BOTH {
        let mut story = Story::up(version);
        story.publish("last words");
        story.session.disconnect();
        assert_eq!(
            story.sent(),
            ["PUBLISH 1 esp32/pub last words", "DISCONNECT 0x0"]
        );
        assert!(story.session.is_closed());
    }
}

#[test]
fn an_error_is_told_to_the_server_in_mqtt_5_only() {
    for (version, expected) in [
        (Version::V311, &[][..]),
        (Version::V5, &["DISCONNECT 0x82"][..]),
    ] {
        let mut story = Story::up(version);
        let error = story.recv(&connack(false, &[])).unwrap_err();
        story.session.abort(&error);
        assert_eq!(story.sent(), expected);
        assert!(story.session.is_closed());
    }
}

#[test]
fn the_servers_disconnect_ends_it_with_its_reason_b14() {
    let mut story = Story::up(Version::V5);
    let reason_code = ReasonCode::SESSION_TAKEN_OVER;
    let taken = Packet::Disconnect(Disconnect {
        reason_code,
        properties: Properties::EMPTY,
    });
    assert_eq!(
        story.recv(&taken),
        Err(SessionError::Disconnected(reason_code))
    );
}

#[test]
fn what_a_server_may_not_send_ends_the_connection() {
    for version in BOTH {
        let mut story = Story::up(version);
        story.subscribe(&["a", "b"]);
        story.sent();
        assert!(
            matches!(story.recv(&suback(1, &[1])), Err(SessionError::Protocol(_))),
            "one code for two"
        );
        let mut story = Story::up(version);
        assert!(matches!(
            story.recv(&Packet::PingReq),
            Err(SessionError::Protocol(_))
        ));
        let mut story = Story::up(version);
        assert_eq!(
            story.recv(&puback(77, ReasonCode::SUCCESS)).unwrap(),
            "Nothing",
            "a PUBACK for nothing"
        );
    }
    let mut story = Story::up(Version::V5);
    let aliased = [Property::TopicAlias(1)];
    let publish = Packet::Publish(Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: "t",
        packet_id: None,
        properties: Properties::List(&aliased),
        payload: b"",
    });
    assert!(
        matches!(story.recv(&publish), Err(SessionError::Protocol(_))),
        "[MQTT-3.3.2-9]"
    );
}

#[test]
fn the_likely_reason_of_a_silent_close_is_remembered_b52_b53_b54() {
    let mut story = Story::new(Version::V311);
    assert_eq!(story.session.unheard(story.now), None);
    story.session.start(story.now).unwrap();
    story.sent();
    assert_eq!(story.session.unheard(story.now), Some(Unheard::Connect));
    story.recv(&connack(false, &[])).unwrap();
    assert_eq!(story.session.unheard(story.now), None);

    story
        .session
        .publish(Outgoing::new("t", b"x", QoS::AtMostOnce))
        .unwrap();
    story.sent();
    assert_eq!(story.session.unheard(story.now), Some(Unheard::PublishQos0));
    story.now = story.now.after(5_000);
    assert_eq!(story.session.unheard(story.now), None, "that was long ago");

    story.subscribe(&["esp32/secret"]);
    story.sent();
    story.now = story.now.after(1);
    story.publish("x");
    story.sent();
    assert_eq!(
        story.session.unheard(story.now),
        Some(Unheard::Subscribe("esp32/secret")),
        "servers read in order"
    );
    story.recv(&suback(1, &[1])).unwrap();
    assert_eq!(
        story.session.unheard(story.now),
        Some(Unheard::Publish("esp32/pub"))
    );
}

/// Whatever a server sends: no panic, no busy loop, no packet that is not MQTT.
#[test]
fn ten_thousand_servers_that_talk_nonsense() {
    let mut seed = 0x1234_5678_9ABC_DEF1_u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 33) as usize % below
    };
    for round in 0..10_000 {
        let version = BOTH[round % 2];
        let mut story = Story::with(ConnectOptions::new(version, "c"), 256);
        story.session.start(story.now).unwrap();
        story.bytes(64);
        let mut stream = Vec::new();
        let mut whole = vec![0; 256];
        for packet in [
            connack(random(2) == 1, &[]),
            suback(1, &[1]),
            message(Some(7), b"payload"),
            puback(2, ReasonCode::SUCCESS),
            message(None, b""),
            Packet::PingResp,
        ] {
            let len = packet.encode(version, &mut whole).unwrap();
            stream.extend_from_slice(&whole[..len]);
        }
        for _ in 0..random(4) {
            let at = random(stream.len());
            match random(3) {
                0 => stream[at] ^= 1 << random(8),
                1 => stream.truncate(at + 1),
                _ => stream.insert(at, random(256) as u8),
            }
        }
        let mut buf = [0; 64];
        let mut reader = FrameReader::new(&mut buf);
        let mut rest = &stream[..];
        let mut failed = false;
        while !rest.is_empty() && !failed {
            let space = reader.space();
            let count = space.len().min(rest.len()).min(1 + random(20));
            assert!(count > 0);
            space[..count].copy_from_slice(&rest[..count]);
            rest = &rest[count..];
            reader.filled(count);
            loop {
                let outcome = match reader.next() {
                    Ok(None) => break,
                    Ok(Some(Incoming::Frame(frame))) => {
                        story.session.receive(story.now, &frame).map(|_| ())
                    }
                    Ok(Some(Incoming::Skipped(skipped))) => {
                        story.session.skipped(story.now, &skipped)
                    }
                    Err(error) => Err(error.into()),
                };
                if let Err(error) = outcome {
                    story.session.abort(&error);
                    failed = true;
                    break;
                }
                if story.session.is_connected() {
                    // It may be refused when the arena is full; that is fine here.
                    let _ = story
                        .session
                        .publish(Outgoing::new("t", b"x", QoS::AtLeastOnce));
                    let _ = story
                        .session
                        .subscribe(&[SubscribeFilter::new("a", QoS::AtLeastOnce)]);
                }
                let bytes = story.bytes(20);
                packets(version, &bytes);
            }
        }
        story.bytes(20);
        story.session.connection_lost();
    }
}

#[test]
fn bad_calls_are_named() {
    let mut story = Story::up(Version::V311);
    let publish = |story: &mut Story, topic| {
        story
            .session
            .publish(Outgoing::new(topic, b"", QoS::AtLeastOnce))
    };
    for topic in ["", "a/#", "a/+/b", "a\0b"] {
        assert_eq!(
            publish(&mut story, topic),
            Err(PublishError::InvalidTopic),
            "{topic:?}"
        );
    }
    assert_eq!(
        story.session.subscribe(&[]),
        Err(SubscribeError::FilterCount)
    );
    let nine = [SubscribeFilter::new("a", QoS::AtMostOnce); 9];
    assert_eq!(
        story.session.subscribe(&nine),
        Err(SubscribeError::FilterCount),
        "B-30"
    );
    for filter in ["", "a#", "#/a", "a+/b"] {
        let one = [SubscribeFilter::new(filter, QoS::AtMostOnce)];
        assert_eq!(
            story.session.subscribe(&one),
            Err(SubscribeError::InvalidFilter),
            "{filter:?}"
        );
    }
    assert_eq!(story.sent(), [""; 0]);
}

#[test]
fn packet_identifiers_wrap_around_and_skip_those_in_use() {
    let mut story = Story::up(Version::V311);
    story.publish("stays");
    for _ in 0..70_000 {
        let ticket = story.publish("x");
        story.bytes(512);
        let (_, entry) = story.session.arena.by_ticket(ticket.0).unwrap();
        assert_ne!(entry.packet_id, 1, "still in use");
        story
            .recv(&puback(entry.packet_id, ReasonCode::SUCCESS))
            .unwrap();
        story.session.forget(ticket);
    }
}

#[test]
fn connect_says_what_the_version_allows() {
    for version in BOTH {
        let mut story = Story::new(version);
        story.session.start(story.now).unwrap();
        let bytes = story.bytes(512);
        assert_eq!(bytes.len(), story.session.connect_len().unwrap());
        let (frame, _) = split(&bytes, 512).unwrap().unwrap();
        let Packet::Connect(connect) = Packet::decode(version, &frame).unwrap() else {
            panic!()
        };
        let properties: Vec<_> = connect.properties.iter().collect();
        match version {
            Version::V311 => assert_eq!(properties, []),
            Version::V5 => assert_eq!(
                properties,
                [
                    Property::SessionExpiryInterval(3600),
                    Property::MaximumPacketSize(1024)
                ]
            ),
        }
    }
}
