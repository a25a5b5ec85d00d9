//! QoS 2 of behaviour `mqtt` where it is easily got wrong: how many are unacknowledged, aliases of what is sent again,
//! and shared subscriptions whose member goes.

use super::*;
use crate::Behaviour;

const GROUP: &[(&str, QoS)] = &[("$share/g/a", Q2)];

fn standard() -> World {
    World::with(|config| config.behaviour = Behaviour::Mqtt)
}

fn exactly_once<'a>(topic: &'a str, payload: &'a str, id: u16) -> Publish<'a> {
    Publish {
        qos: Q2,
        packet_id: PacketId::new(id),
        ..message(topic, payload)
    }
}

fn ack(id: u16) -> Ack<'static> {
    Ack {
        packet_id: PacketId::new(id).unwrap(),
        reason_code: ReasonCode::SUCCESS,
        properties: Properties::EMPTY,
    }
}

#[test]
fn b_47_a_hundred_qos_2_publishes_may_be_unacknowledged_while_the_disk_is_slow() {
    for over in [Q1, Q2] {
        let mut world = standard();
        let (keeper, _) = world.persistent(V5, "keeper");
        world.subscribe(&keeper, &[("a", Q2)]);
        world.send(&keeper, &[goodbye(ReasonCode::SUCCESS)]);
        let from = world.client(V5, "from");
        world.pass(2);
        world.disk = Disk::Waiting;
        for id in 1..=100 {
            world.send(&from, &[Packet::Publish(exactly_once("a", "x", id))]);
        }
        assert!(world.got(&from).is_empty());
        while world.batches() > 0 {
            world.disk_stores();
        }
        // PUBREC does not end one of them, PUBCOMP does (3.1.2.11.3).
        assert_eq!(world.got(&from), vec!["PUBREC"; 100]);
        world.send(&from, &[Packet::PubRel(ack(1))]);
        assert_eq!(world.got(&from), ["PUBCOMP"]);
        world.disk = Disk::Quick;
        world.send(&from, &[Packet::Publish(exactly_once("b", "x", 101))]);
        // One that is there already is not one more.
        world.send(&from, &[Packet::Publish(exactly_once("b", "x", 101))]);
        assert_eq!(world.got(&from), ["PUBREC", "PUBREC"]);
        let publish = Publish {
            qos: over,
            ..exactly_once("b", "x", 102)
        };
        world.send(&from, &[Packet::Publish(publish)]);
        assert_eq!(codes(&world.got(&from)), ["DISCONNECT 93", "closed"]);
    }
}

#[test]
fn b_47_a_3_1_1_client_that_has_not_released_a_hundred_is_still_read() {
    let mut world = standard();
    let from = world.client(V3, "from");
    for id in 1..=100 {
        world.send(&from, &[Packet::Publish(exactly_once("a", "x", id))]);
    }
    world.say1(&from, "a", "x", 101);
    assert_eq!(world.got(&from).len(), 101);
    assert!(
        !from.outbox.paused(),
        "no PUBACK is missing that would end it"
    );
}

#[test]
fn b_73_a_qos_2_publish_that_is_sent_again_sets_its_alias() {
    let mut world = standard();
    let alias = [Property::TopicAlias(1)];
    let properties = Properties::List(&alias);
    let first = Publish {
        properties,
        ..exactly_once("a", "x", 7)
    };
    let device = world.client(V5, "device");
    world.subscribe(&device, &[("a", Q0)]);
    let (from, _) = world.persistent(V5, "from");
    world.send(&from, &[Packet::Publish(first)]);
    world.lose(&from);
    let (from, _) = world.persistent(V5, "from");
    // Aliases are the connection's (3.3.2.3.4); the session knows the message.
    let again = Publish { dup: true, ..first };
    let next = Publish {
        topic: "",
        payload: b"y",
        packet_id: PacketId::new(8),
        ..first
    };
    world.send(&from, &[Packet::Publish(again), Packet::Publish(next)]);
    assert_eq!(world.got(&from), ["PUBREC", "PUBREC"]);
    assert_eq!(world.got(&device), ["PUBLISH a x", "PUBLISH a y"]);
}

#[test]
fn mqtt_4_8_2_4_a_shared_qos_2_message_is_completed_when_its_member_reconnects() {
    for crash in [false, true] {
        let mut world = standard();
        let (first, _) = world.persistent(V5, "first");
        world.subscribe(&first, GROUP);
        let from = world.client(V5, "from");
        for (id, payload) in [(1, "x"), (2, "y")] {
            world.send(&from, &[Packet::Publish(exactly_once("a", payload, id))]);
        }
        assert_eq!(world.got(&first), ["PUBLISH #1 a x", "PUBLISH #2 a y"]);
        world.send(&first, &[Packet::PubRec(ack(1))]);
        assert_eq!(world.got(&first), ["PUBREL"]);
        let (second, _) = world.persistent(V5, "second");
        world.subscribe(&second, GROUP);
        world.lose(&first);
        assert!(
            world.got(&second).is_empty(),
            "not another's, [MQTT-4.8.2-5]"
        );
        if crash {
            world.pass(2);
            world.crash();
            let (_, got) = world.persistent(V5, "second");
            assert_eq!(got, ["CONNACK 00 present"]);
        }
        let (first, got) = world.persistent(V5, "first");
        let mut ids = [1, 2];
        if crash {
            // After a crash QoS 2 is at least once, with identifiers that the client does not know.
            let of = |line: &String| -> u16 {
                let rest = line.strip_prefix("PUBLISH #").expect("a PUBLISH");
                rest.split(' ').next().expect("a number").parse().unwrap()
            };
            ids = [of(&got[1]), of(&got[2])];
            assert!(
                got[1].ends_with(" a x") && got[2].ends_with(" a y"),
                "{got:?}"
            );
        } else {
            assert_eq!(got, ["CONNACK 00 present", "PUBREL", "PUBLISH #2 dup a y"]);
        }
        for id in ids {
            world.send(&first, &[Packet::PubRec(ack(id)), Packet::PubComp(ack(id))]);
        }
        world.pass(2);
        let of = |(table, _): &(&str, Vec<u8>)| {
            [super::super::SHARED, super::super::QUEUED].contains(table)
        };
        assert!(!world.tables.keys().any(of), "no row is left");
    }
}

#[test]
fn mqtt_4_8_2_5_a_shared_qos_2_message_goes_to_nobody_else_when_its_members_session_ends() {
    for keeps in [false, true] {
        let mut world = standard();
        let first = if keeps {
            world.persistent(V5, "first").0
        } else {
            world.client(V5, "first")
        };
        world.subscribe(&first, GROUP);
        let from = world.client(V5, "from");
        world.send(&from, &[Packet::Publish(exactly_once("a", "two", 1))]);
        world.say1(&from, "a", "one", 2);
        assert_eq!(world.got(&first), ["PUBLISH #1 a two", "PUBLISH #2 a one"]);
        let second = world.client(V5, "second");
        world.subscribe(&second, GROUP);
        world.lose(&first);
        world.pass(600);
        // QoS 1 is another's (B-69).
        assert_eq!(world.got(&second), ["PUBLISH #1 a one"]);
        world.send(&second, &[Packet::PingReq]);
        world.pass(1000);
        world.got(&second);
        world.send(&second, &[Packet::PingReq]);
        world.pass(1000);
        world.send(&second, &[Packet::PingReq]);
        world.pass(1001);
        assert_eq!(world.core.statistics().sessions, 1, "the first has ended");
        let got = world.got(&second);
        assert!(!got.concat().contains("PUBLISH"), "{got:?}");
    }
}

/// v5 [MQTT-4.3.3-7]: what was sent does not expire
#[test]
fn what_was_sent_with_qos_2_does_not_expire_any_more() {
    let mut world = standard();
    let (device, _) = world.persistent(V5, "device");
    world.subscribe(&device, &[("a", Q2)]);
    let from = world.client(V5, "from");
    let list = [Property::MessageExpiryInterval(5)];
    let publish = Publish {
        properties: Properties::List(&list),
        ..exactly_once("a", "x", 1)
    };
    world.send(&from, &[Packet::Publish(publish)]);
    let sent = world.got(&device);
    assert_eq!(codes(&sent), ["PUBLISH #1 a x"]);
    world.lose(&device);
    world.pass(60);
    let (_, got) = world.persistent(V5, "device");
    assert_eq!(got, ["CONNACK 00 present", "PUBLISH #1 dup a x"]);
}

/// `from` published message 1 to a `keeper` who is away, lost its connection while the disk waits, and connects again.
fn back_before_it_is_on_disk(version: Version) -> (World, Device) {
    let mut world = standard();
    let (keeper, _) = world.persistent(V5, "keeper");
    world.subscribe(&keeper, &[("a", Q2)]);
    world.send(&keeper, &[goodbye(ReasonCode::SUCCESS)]);
    let (from, _) = world.persistent(version, "from");
    world.pass(2);
    world.disk = Disk::Waiting;
    world.send(&from, &[Packet::Publish(exactly_once("a", "x", 1))]);
    world.lose(&from);
    let from = world.connecting(keeping(version, "from"));
    (world, from)
}

/// The message is taken back where it waits, so its identifier must be forgotten too, or its repetition would be thrown away.
#[test]
fn mqtt_4_3_3_10_a_message_whose_batch_failed_is_not_here_already_on_the_next_connection() {
    for (version, early) in [(V3, false), (V5, false), (V3, true), (V5, true)] {
        let (mut world, from) = back_before_it_is_on_disk(version);
        let again = Packet::Publish(Publish {
            dup: true,
            ..exactly_once("a", "x", 1)
        });
        if early {
            // Not waiting for CONNACK, and so before its fate is known.
            world.send(&from, std::slice::from_ref(&again));
        }
        world.disk_fails();
        world.disk = Disk::Quick;
        while world.batches() > 0 {
            world.disk_stores();
        }
        let mut got = world.got(&from);
        assert!(got.remove(0).starts_with("CONNACK 00 present"));
        match (early, version) {
            (false, _) => {
                assert!(got.is_empty(), "{got:?}");
                world.send(&from, &[again]);
                assert_eq!(world.got(&from), ["PUBREC"]);
                let (_, got) = world.persistent(V5, "keeper");
                assert_eq!(got[1..], ["PUBLISH #1 a x"]);
            }
            // Told, by the end of the connection or in words.
            (true, Version::V311) => assert_eq!(got, ["closed"]),
            (true, Version::V5) => assert_eq!(got, ["PUBREC 80"]),
        }
    }
}

#[test]
fn mqtt_4_3_3_10_a_message_that_comes_again_before_it_is_on_disk_is_answered_when_it_is() {
    for version in [V3, V5] {
        let (mut world, from) = back_before_it_is_on_disk(version);
        world.send(&from, &[Packet::Publish(exactly_once("a", "x", 1))]);
        assert!(world.got(&from).is_empty());
        world.disk = Disk::Quick;
        while world.batches() > 0 {
            world.disk_stores();
        }
        let got = world.got(&from);
        assert!(got[0].starts_with("CONNACK 00 present"), "{got:?}");
        assert_eq!(got[1..], ["PUBREC"]);
        let (_, got) = world.persistent(V5, "keeper");
        assert_eq!(got[1..], ["PUBLISH #1 a x"]);
    }
}

/// Its batch fails, it comes a third time, and the answer to the second must not promise what only a later batch has.
#[test]
fn mqtt_4_3_3_10_a_third_repetition_is_not_answered_before_its_own_batch() {
    for version in [V3, V5] {
        let (mut world, from) = back_before_it_is_on_disk(version);
        let again = Packet::Publish(exactly_once("a", "x", 1));
        world.send(&from, std::slice::from_ref(&again));
        world.disk_fails();
        world.send(&from, &[again]);
        assert_eq!(world.batches(), 3, "CONNECT's, the second's, the third's");
        world.disk_stores();
        world.disk_stores();
        let got = world.got(&from);
        assert!(!got.contains(&"PUBREC".to_owned()), "{got:?}");
        // A crash now: nothing said that the message was kept.
        world.crash();
        world.disk = Disk::Quick;
        let (_, got) = world.persistent(V5, "keeper");
        assert_eq!(got.len(), 1, "{got:?}");
    }
}
