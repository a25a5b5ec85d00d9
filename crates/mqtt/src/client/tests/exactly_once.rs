//! Quality of service 2: the four-part handshake as traces.

mod lives;

use super::*;

fn ack(id: u16, reason_code: ReasonCode) -> Ack<'static> {
    Ack {
        packet_id: PacketId::new(id).unwrap(),
        reason_code,
        properties: Properties::EMPTY,
    }
}

const fn outgoing(payload: &str) -> Outgoing<'_> {
    Outgoing::new("esp32/pub", payload.as_bytes(), QoS::ExactlyOnce)
}

fn incoming(id: u16, payload: &[u8], dup: bool) -> Packet<'_> {
    Packet::Publish(Publish {
        dup,
        qos: QoS::ExactlyOnce,
        retain: false,
        topic: "esp32/sub",
        packet_id: PacketId::new(id),
        properties: Properties::EMPTY,
        payload,
    })
}

#[test]
fn a_publish_is_released_after_its_pubrec_and_done_with_its_pubcomp() {
    for version in BOTH {
        let mut story = Story::up(version);
        let ticket = story.session.publish(outgoing("x")).unwrap();
        assert_eq!(story.sent(), ["PUBLISH 1 esp32/pub x"]);
        let free = story.session.free();
        let recorded = Packet::PubRec(ack(1, ReasonCode::SUCCESS));
        assert_eq!(story.recv(&recorded).unwrap(), "Nothing");
        assert!(
            story.session.free() > free,
            "the message has left the arena"
        );
        assert_eq!(story.sent(), ["PUBREL 1"]);
        assert_eq!(story.session.outcome(ticket), None);
        assert!(!story.session.is_idle());
        let done = Packet::PubComp(ack(1, ReasonCode::SUCCESS));
        assert_eq!(story.recv(&done).unwrap(), "Published 0x0");
        assert_eq!(story.session.outcome(ticket), Some(&[0][..]));
        assert!(story.session.is_idle());
    }
}

#[test]
fn what_a_lost_connection_interrupted_goes_on_where_it_was() {
    for version in BOTH {
        let mut story = Story::up(version);
        for payload in ["one", "two", "three"] {
            story.session.publish(outgoing(payload)).unwrap();
        }
        story.sent();
        // The second is ahead, and its PUBREL was lost.
        story
            .recv(&Packet::PubRec(ack(2, ReasonCode::SUCCESS)))
            .unwrap();
        assert_eq!(story.sent(), ["PUBREL 2"]);
        story
            .recv(&Packet::PubRec(ack(1, ReasonCode::SUCCESS)))
            .unwrap();
        story.reconnect(true);
        assert_eq!(
            story.sent(),
            ["PUBLISH DUP 3 esp32/pub three", "PUBREL 2", "PUBREL 1"]
        );
        // Where the server lost the session: it had the first two, of the third nobody knows.
        story.reconnect(false);
        assert_eq!(story.sent(), ["PUBLISH 3 esp32/pub three"]);
    }
}

#[cfg(feature = "v5")]
#[test]
fn a_pubrec_that_refuses_ends_it() {
    let mut story = Story::up(Version::V5);
    let ticket = story.session.publish(outgoing("x")).unwrap();
    story.sent();
    let refused = Packet::PubRec(ack(1, ReasonCode::QUOTA_EXCEEDED));
    assert_eq!(story.recv(&refused).unwrap(), "Published 0x97");
    assert_eq!(story.session.outcome(ticket), Some(&[0x97][..]));
    assert!(story.sent().is_empty());
    assert!(story.session.is_idle());
}

#[test]
fn an_unknown_identifier_is_answered_and_harms_nothing() {
    for (version, code) in BOTH.into_iter().zip(["", " 0x92"]) {
        let mut story = Story::up(version);
        story
            .recv(&Packet::PubRec(ack(9, ReasonCode::SUCCESS)))
            .unwrap();
        story
            .recv(&Packet::PubRel(ack(9, ReasonCode::SUCCESS)))
            .unwrap();
        story
            .recv(&Packet::PubComp(ack(9, ReasonCode::SUCCESS)))
            .unwrap();
        assert_eq!(
            story.sent(),
            [format!("PUBREL 9{code}"), format!("PUBCOMP 9{code}")]
        );
    }
}

#[test]
fn in_mqtt_311_publish_and_pubrel_are_repeated_inside_the_connection() {
    let mut story = Story::up(Version::V311);
    story.session.publish(outgoing("x")).unwrap();
    story.sent();
    story.wait(Session::RETRANSMIT_AFTER).unwrap();
    assert_eq!(story.sent(), ["PUBLISH DUP 1 esp32/pub x"]);
    story
        .recv(&Packet::PubRec(ack(1, ReasonCode::SUCCESS)))
        .unwrap();
    assert_eq!(story.sent(), ["PUBREL 1"]);
    // The second PUBREC, for the repetition.
    story
        .recv(&Packet::PubRec(ack(1, ReasonCode::SUCCESS)))
        .unwrap();
    assert_eq!(story.sent(), ["PUBREL 1"]);
    story.wait(Session::RETRANSMIT_AFTER).unwrap();
    assert_eq!(story.sent(), ["PUBREL 1"]);
    story
        .recv(&Packet::PubComp(ack(1, ReasonCode::SUCCESS)))
        .unwrap();
    assert!(story.session.is_idle());
}

#[test]
fn a_message_is_handed_over_once_and_receipted_when_the_application_has_it() {
    for version in BOTH {
        let mut story = Story::up(version);
        let id = PacketId::new(7).unwrap();
        let received = story.recv(&incoming(7, b"x", false)).unwrap();
        assert_eq!(received, "Message esp32/sub x");
        assert!(
            story.sent().is_empty(),
            "the application is not done with it"
        );
        story.reconnect(true);
        assert_eq!(story.recv(&incoming(7, b"x", true)).unwrap(), "Nothing");
        assert!(story.sent().is_empty());
        story.session.acknowledge(id, ReasonCode::SUCCESS);
        assert_eq!(story.sent(), ["PUBREC 7"]);
        story.reconnect(true);
        assert!(story.sent().is_empty(), "nobody asked on this connection");
        assert_eq!(story.recv(&incoming(7, b"x", true)).unwrap(), "Nothing");
        assert_eq!(story.sent(), ["PUBREC 7"]);
        story
            .recv(&Packet::PubRel(ack(7, ReasonCode::SUCCESS)))
            .unwrap();
        assert_eq!(story.sent(), ["PUBCOMP 7"]);
        // The identifier is free: this is another message.
        let received = story.recv(&incoming(7, b"y", false)).unwrap();
        assert_eq!(received, "Message esp32/sub y");
    }
}

#[cfg(feature = "v5")]
#[test]
fn the_application_may_refuse_in_mqtt_5() {
    let mut story = Story::up(Version::V5);
    story.recv(&incoming(7, b"x", false)).unwrap();
    let free = story.session.free();
    story
        .session
        .acknowledge(PacketId::new(7).unwrap(), ReasonCode::QUOTA_EXCEEDED);
    assert_eq!(story.sent(), ["PUBREC 7 0x97"]);
    assert!(story.session.free() > free, "the identifier is free");
    assert!(story.session.is_idle());
}

#[cfg(feature = "v5")]
#[test]
fn without_room_for_an_identifier_the_message_comes_again_on_a_new_connection() {
    let mut story = Story::with(ConnectOptions::new(Version::V5, "esp32"), 40);
    story.connect(false, &[]);
    for (id, taken) in [(1, "Message"), (2, "Message"), (3, "Nothing")] {
        let event = story.recv(&incoming(id, b"x", false)).unwrap();
        assert!(event.starts_with(taken), "{event}");
    }
    // What is under way goes on, and may make room.
    story.wait(1).unwrap();
    let first = PacketId::FIRST;
    story.session.acknowledge(first, ReasonCode::SUCCESS);
    assert_eq!(story.sent(), ["PUBREC 1"]);
    story.wait(1).unwrap();
    story
        .recv(&Packet::PubRel(ack(1, ReasonCode::SUCCESS)))
        .unwrap();
    // The order stays: what comes later is not taken before it.
    assert_eq!(story.recv(&incoming(4, b"x", false)).unwrap(), "Nothing");
    assert_eq!(story.sent(), ["PUBCOMP 1"]);
    let full = story.wait(1).unwrap_err();
    assert_eq!(
        format!("{full}"),
        "no room to remember a message with QoS 2"
    );
    story.reconnect(true);
    for (id, taken) in [(2, "Nothing"), (3, "Message")] {
        let event = story.recv(&incoming(id, b"x", true)).unwrap();
        assert!(event.starts_with(taken), "{event}");
    }
}

/// A driver that sleeps until the session's next moment is woken by what makes room, and says goodbye in both versions: whoever
/// comes back at once has not died, and there must be no Will.
#[test]
fn a_message_that_was_left_out_is_fetched_at_once_and_without_the_will() {
    for version in BOTH {
        let mut story = Story::with(ConnectOptions::new(version, "esp32"), 40);
        story.connect(false, &[]);
        for id in 1..4 {
            story.recv(&incoming(id, b"x", false)).unwrap();
        }
        let first = PacketId::FIRST;
        story.session.acknowledge(first, ReasonCode::SUCCESS);
        assert_eq!(story.sent(), ["PUBREC 1"]);
        assert!(
            story.session.poll_timeout() > Some(story.now),
            "nothing to do until there is room"
        );
        story
            .recv(&Packet::PubRel(ack(1, ReasonCode::SUCCESS)))
            .unwrap();
        assert!(story.session.poll_timeout() <= Some(story.now));
        let full = story.session.handle_timeout(story.now).unwrap_err();
        story.session.abort(&full);
        assert_eq!(story.sent(), ["DISCONNECT 0x0"]);
        assert!(story.session.is_closed());
    }
}

/// No other connection would bring it: ending this one would lose all the others too.
#[test]
fn without_room_and_without_a_kept_session_the_message_is_refused_and_counted() {
    for (version, answer) in BOTH.into_iter().zip(["PUBREC 3", "PUBREC 3 0x97"]) {
        let mut options = ConnectOptions::new(version, "esp32");
        options.clean_start = true;
        options.session_expiry = 0;
        let mut story = Story::with(options, 40);
        story.connect(false, &[]);
        for (id, taken) in [(1, "Message"), (2, "Message"), (3, "Nothing")] {
            let event = story.recv(&incoming(id, b"x", false)).unwrap();
            assert!(event.starts_with(taken), "{event}");
        }
        assert_eq!(story.sent(), [answer]);
        assert_eq!(story.session.counters().skipped, 1);
        story
            .session
            .acknowledge(PacketId::FIRST, ReasonCode::SUCCESS);
        story.sent();
        story
            .recv(&Packet::PubRel(ack(1, ReasonCode::SUCCESS)))
            .unwrap();
        story.wait(1).unwrap();
        assert_eq!(story.sent(), ["PUBCOMP 1"]);
        let event = story.recv(&incoming(4, b"x", false)).unwrap();
        assert!(event.starts_with("Message"), "{event}");
    }
}

/// Connected, and with a message of ours that leaves no room for an identifier of the server's.
fn filled(version: Version) -> Story {
    let mut story = Story::with(ConnectOptions::new(version, "esp32"), 64);
    story.connect(false, &[]);
    let ticket = story
        .session
        .publish(outgoing("fill it up to the end"))
        .unwrap();
    story.session.forget(ticket);
    story
}

#[test]
fn a_goodbye_is_not_cut_short_by_a_message_that_was_left_out() {
    for version in BOTH {
        let mut story = filled(version);
        story.recv(&incoming(7, b"x", false)).unwrap();
        story.sent();
        story.session.disconnect();
        story
            .recv(&Packet::PubRec(ack(1, ReasonCode::SUCCESS)))
            .unwrap();
        // There is room now, but nothing to fetch any more.
        story.wait(1).unwrap();
        assert_eq!(story.sent(), ["PUBREL 1", "DISCONNECT 0x0"]);
    }
}

/// Without this, a server with many messages would end every connection before what fills the memory could leave.
#[test]
fn our_own_messages_make_room_first() {
    for version in BOTH {
        let mut story = filled(version);
        assert_eq!(story.recv(&incoming(7, b"x", false)).unwrap(), "Nothing");
        story.wait(1).unwrap();
        assert_eq!(story.sent().len(), 1);
        story
            .recv(&Packet::PubRec(ack(1, ReasonCode::SUCCESS)))
            .unwrap();
        story.wait(1).unwrap_err();
        story.reconnect(true);
        let event = story.recv(&incoming(7, b"x", true)).unwrap();
        assert!(event.starts_with("Message"), "{event}");
    }
}

#[cfg(feature = "v5")]
#[test]
fn receive_maximum_counts_until_pubcomp_and_maximum_qos_is_obeyed() {
    let mut story = Story::new(Version::V5);
    story.connect(false, &[Property::ReceiveMaximum(1)]);
    story.session.publish(outgoing("one")).unwrap();
    story.session.publish(outgoing("two")).unwrap();
    assert_eq!(story.sent(), ["PUBLISH 1 esp32/pub one"]);
    story
        .recv(&Packet::PubRec(ack(1, ReasonCode::SUCCESS)))
        .unwrap();
    assert_eq!(story.sent(), ["PUBREL 1"]);
    story
        .recv(&Packet::PubComp(ack(1, ReasonCode::SUCCESS)))
        .unwrap();
    assert_eq!(story.sent(), ["PUBLISH 2 esp32/pub two"]);

    story.session.connection_lost();
    story.connect(true, &[Property::MaximumQoS(1)]);
    assert!(story.sent().is_empty());
    assert_eq!(story.session.counters().undeliverable, 1);
    assert_eq!(
        story.session.publish(outgoing("three")),
        Err(PublishError::QosNotSupported)
    );
}

#[test]
fn a_subscription_may_ask_for_qos_2() {
    let mut story = Story::up(Version::V311);
    let filter = [SubscribeFilter::new("a", QoS::ExactlyOnce)];
    story.session.subscribe(&filter).unwrap();
    assert_eq!(story.sent(), ["SUBSCRIBE 1 a"]);
    assert_eq!(story.recv(&suback(1, &[2])).unwrap(), "Subscribed [2]");
}
