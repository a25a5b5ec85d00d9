//! What a server or a limit does not allow, and what a server may not do.

use super::*;

#[cfg(feature = "v5")]
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

#[cfg(feature = "v5")]
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

#[cfg(feature = "v5")]
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

#[cfg(not(feature = "qos2"))]
#[test]
fn quality_of_service_2_is_refused_at_the_call_and_named_when_it_comes_b_2() {
    for version in BOTH {
        let mut story = Story::up(version);
        assert_eq!(
            story
                .session
                .publish(Outgoing::new("t", b"x", QoS::ExactlyOnce)),
            Err(PublishError::QosNotSupported)
        );
        let filter = [SubscribeFilter::new("t", QoS::ExactlyOnce)];
        assert_eq!(
            story.session.subscribe(&filter),
            Err(SubscribeError::QosNotSupported)
        );
        assert_eq!(story.sent(), [""; 0]);
        let Packet::Publish(publish) = message(Some(1), b"x") else {
            panic!("a message is a PUBLISH");
        };
        let twice = Packet::Publish(Publish {
            qos: QoS::ExactlyOnce,
            ..publish
        });
        let error = story.recv(&twice).unwrap_err();
        assert!(
            format!("{error}").ends_with("a PUBLISH with QoS 2, which was never granted"),
            "{error}"
        );
    }
}

#[cfg(feature = "v5")]
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

#[cfg(feature = "v5")]
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
        let mut story = Story::up(version);
        let wildcard = Packet::Publish(Publish {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: false,
            topic: "a/t",
            packet_id: None,
            properties: Properties::EMPTY,
            payload: b"",
        });
        let mut bytes = [0; 16];
        let len = wildcard.encode(version, &mut bytes).unwrap();
        let at = bytes.iter().position(|byte| *byte == b't').unwrap();
        bytes[at] = b'#';
        let (frame, _) = split(&bytes[..len], 16).unwrap().unwrap();
        assert!(
            matches!(
                story.session.receive(Millis(0), &frame),
                Err(SessionError::Protocol(_))
            ),
            "[MQTT-3.3.2-2]"
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

#[test]
fn what_the_server_closes_on_three_times_is_set_aside_b53_b54() {
    let mut story = Story::up(Version::V311);
    let forbidden = story.publish("forbidden");
    let after = story.publish("after");
    for round in 1..=3 {
        assert_eq!(story.sent().len(), 2, "round {round}");
        story.now = story.now.after(100);
        assert_eq!(story.session.closed_silently(story.now), round == 3);
        story.reconnect(true);
    }
    assert_eq!(story.session.outcome(forbidden), Some(&[0x87][..]));
    assert_eq!(story.session.outcome(after), None);
    assert_eq!(
        story.sent(),
        ["PUBLISH DUP 2 esp32/pub after"],
        "the others go on"
    );
    assert_eq!(story.session.counters().set_aside, 1);

    // A close long after it was sent, or with an answer in between, points at nobody.
    for _ in 0..5 {
        story.now = story.now.after(5_000);
        assert!(!story.session.closed_silently(story.now));
        story.reconnect(true);
        story.sent();
    }
    for round in 0..5 {
        story.now = story.now.after(100);
        story.recv(&puback(2 + round, ReasonCode::SUCCESS)).unwrap();
        story.publish("next");
        story.sent();
        assert!(!story.session.closed_silently(story.now));
        story.reconnect(true);
        story.sent();
    }
}

#[test]
fn a_subscription_that_nobody_waits_for_is_set_aside_and_tried_again() {
    let mut story = Story::up(Version::V311);
    let declared = story.subscribe(&["esp32/sub"]);
    story.session.forget(declared);
    let strike = |story: &mut Story, expected| {
        story.now = story.now.after(10);
        assert_eq!(story.session.closed_silently(story.now), expected);
        story.reconnect(true);
    };
    for round in 1..=3 {
        assert_eq!(story.sent(), ["SUBSCRIBE 1 esp32/sub"]);
        strike(&mut story, round == 3);
    }
    assert_eq!(story.sent(), [""; 0], "the rest can go on");
    assert!(story.session.is_idle());

    // Ten minutes later, over keep-alives: asked once more, and one close is enough now.
    let wait = |story: &mut Story| {
        let until = story.now.after(Session::SET_ASIDE);
        loop {
            story.now = story.session.poll_timeout().unwrap();
            story.session.handle_timeout(story.now).unwrap();
            let sent = story.sent();
            if sent != ["PingReq"] {
                assert_eq!(story.now, until);
                return sent;
            }
            story.recv(&Packet::PingResp).unwrap();
        }
    };
    assert_eq!(wait(&mut story), ["SUBSCRIBE 2 esp32/sub"]);
    strike(&mut story, true);
    assert_eq!(story.sent(), [""; 0]);

    // The policy was corrected, or it was the network all the time.
    assert_eq!(wait(&mut story), ["SUBSCRIBE 3 esp32/sub"]);
    assert_eq!(story.recv(&suback(3, &[1])).unwrap(), "Subscribed [1]");
    story.reconnect(true);
    assert_eq!(story.sent(), [""; 0]);
}

#[cfg(feature = "v5")]
#[test]
fn mqtt_5_says_what_it_denies_so_a_bad_network_costs_no_message_b53() {
    let mut story = Story::up(Version::V5);
    let message = story.publish("x");
    for _ in 0..10 {
        story.sent();
        story.now = story.now.after(100);
        assert!(!story.session.closed_silently(story.now));
        story.reconnect(true);
    }
    assert_eq!(story.session.outcome(message), None);
    assert_eq!(story.sent(), ["PUBLISH DUP 1 esp32/pub x"]);
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
        let version = BOTH[round % BOTH.len()];
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
