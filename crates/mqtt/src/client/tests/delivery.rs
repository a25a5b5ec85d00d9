//! Messages and subscriptions: repeated, resumed, cut in pieces, and never twice the same identifier.

use super::*;

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
fn unacknowledged_packets_are_repeated_in_the_connection_in_3_1_1() {
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
}

#[cfg(feature = "v5")]
#[test]
fn mqtt_5_never_repeats_inside_a_connection_it_ends_it_mqtt_4_4_0_1() {
    let mut story = Story::up(Version::V5);
    story.publish("42");
    story.sent();
    story.wait(Session::ACK_LIMIT - 20_000).unwrap();
    assert_eq!(story.sent(), [""; 0], "nothing but silence");
    story.recv(&Packet::PingResp).unwrap();
    assert_eq!(story.wait(20_000), Err(SessionError::AckTimeout));
}

#[test]
fn a_session_that_may_have_begun_unheard_is_subscribed_again() {
    for version in BOTH {
        let mut story = Story::up(version);
        story.subscribe(&["esp32/sub"]);
        story.sent();
        story.recv(&suback(1, &[1])).unwrap();
        story.publish("42");
        story.sent();

        // The server lost the session, began a new one and said so, but its CONNACK never came.
        story.session.connection_lost();
        story.session.start(story.now).unwrap();
        assert!(story.sent()[0].starts_with("CONNECT"));
        story.reconnect(true);
        assert_eq!(
            story.sent(),
            ["SUBSCRIBE 3 esp32/sub", "PUBLISH DUP 2 esp32/pub 42"]
        );
        story.recv(&suback(3, &[1])).unwrap();
        story.recv(&puback(2, ReasonCode::SUCCESS)).unwrap();

        // Once CONNACK has come, a session that is present is the one that was known.
        story.reconnect(true);
        assert_eq!(story.sent(), [""; 0]);
    }
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

#[cfg(feature = "v5")]
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

#[cfg(feature = "v5")]
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
