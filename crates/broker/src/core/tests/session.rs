//! Sessions, B.4: what outlives a connection, for how long, and in which order it comes back.

use thingwire_mqtt::{Disconnect, Packet, Properties, Property, Publish, ReasonCode};

use super::*;

fn leave(world: &mut World, device: &Device) {
    world.send(device, &[goodbye(ReasonCode::SUCCESS)]);
}

#[test]
fn b_23_b_27_a_persistent_session_keeps_subscriptions_and_qos_1_messages() {
    for version in [V3, V5] {
        let mut world = World::new();
        let (device, got) = world.persistent(version, "device");
        assert_eq!(got, ["CONNACK 00"]);
        world.subscribe(&device, &[("a", Q1), ("b", Q0)]);
        leave(&mut world, &device);
        let from = world.client(V3, "from");
        world.say1(&from, "a", "1", 1);
        world.say(&from, "a", "QoS 0 is not stored");
        world.say1(&from, "b", "QoS 0 is not stored", 2);
        world.say1(&from, "a", "2", 3);

        let (device, got) = world.persistent(version, "device");
        assert_eq!(
            got,
            ["CONNACK 00 present", "PUBLISH #1 a 1", "PUBLISH #2 a 2"]
        );
        world.say(&from, "b", "live");
        assert_eq!(world.got(&device), ["PUBLISH b live"]);
    }
}

#[test]
fn b_27_what_was_not_acknowledged_comes_again_before_everything_else() {
    let mut world = World::new();
    let (device, _) = world.persistent(V3, "device");
    world.subscribe(&device, &[("a", Q1)]);
    let from = world.client(V3, "from");
    for (id, payload) in [(1, "1"), (2, "2"), (3, "3")] {
        world.say1(&from, "a", payload, id);
    }
    assert_eq!(world.got(&device).len(), 3);
    world.ack(&device, 2);
    world.lose(&device);
    world.say1(&from, "a", "4", 4);
    // B-6: with another packet identifier; B-5: without DUP.
    let (_, got) = world.persistent(V3, "device");
    assert_eq!(
        got,
        [
            "CONNACK 00 present",
            "PUBLISH #4 a 1",
            "PUBLISH #5 a 3",
            "PUBLISH #6 a 4"
        ]
    );
}

#[test]
fn b_23_a_session_that_is_not_kept_ends_with_its_connection() {
    for version in [V3, V5] {
        let mut world = World::new();
        let device = world.client(version, "device");
        world.subscribe(&device, &[("a", Q1)]);
        world.lose(&device);
        assert_eq!(world.core.statistics().sessions, 0);
        assert_eq!(world.core.statistics().subscriptions, 0);
        assert_eq!(world.persistent(version, "device").1, ["CONNACK 00"]);
    }
}

/// v5 [MQTT-4.1.0-2]: a session ends when its interval has passed
#[test]
fn b_24_a_session_expires_its_interval_after_the_disconnection() {
    for version in [V3, V5] {
        let mut world = World::new();
        let (device, _) = world.persistent(version, "device");
        world.subscribe(&device, &[("a", Q1)]);
        world.pass(1000);
        world.lose(&device);
        world.pass(3599);
        let (device, got) = world.persistent(version, "device");
        assert_eq!(got, ["CONNACK 00 present"]);
        // The time runs from the last disconnection, not from the first.
        world.pass(1700);
        leave(&mut world, &device);
        world.pass(3600);
        assert_eq!(world.core.statistics().sessions, 0);
        assert_eq!(world.persistent(version, "device").1, ["CONNACK 00"]);
        world.pass(2);
        let kept = world
            .tables
            .keys()
            .filter(|(table, _)| *table != crate::core::SESSIONS)
            .count();
        assert_eq!(kept, 0);
    }
}

#[test]
fn b_24_mqtt_5_chooses_the_interval() {
    let mut world = World::new();
    let list = [Property::SessionExpiryInterval(5)];
    let connect = Connect {
        properties: Properties::List(&list),
        ..keeping(V5, "device")
    };
    let device = world.connecting(connect);
    world.lose(&device);
    world.pass(4);
    assert_eq!(world.core.statistics().sessions, 1);
    world.pass(1);
    assert_eq!(world.core.statistics().sessions, 0);
}

#[test]
fn b_29_clean_session_and_clean_start_end_the_session() {
    for version in [V3, V5] {
        let mut world = World::new();
        let (device, _) = world.persistent(version, "device");
        world.subscribe(&device, &[("a", Q1)]);
        leave(&mut world, &device);
        let from = world.client(V3, "from");
        world.say1(&from, "a", "1", 1);
        let fresh = world.client(version, "device");
        assert!(world.got(&fresh).is_empty());
        leave(&mut world, &fresh);
        assert_eq!(world.persistent(version, "device").1, ["CONNACK 00"]);
    }
}

#[test]
fn b_26_a_session_is_not_resumed_by_the_other_version() {
    for (first, second) in [(V3, V5), (V5, V3)] {
        let mut world = World::new();
        let (device, _) = world.persistent(first, "device");
        leave(&mut world, &device);
        let (device, got) = world.persistent(second, "device");
        assert_eq!(got, ["CONNACK 00"]);
        leave(&mut world, &device);
        assert_eq!(world.persistent(first, "device").1, ["CONNACK 00"]);
    }
}

#[test]
fn b_25_disconnect_may_change_the_interval_but_not_from_zero() {
    let with = |seconds: &'static [Property<'static>]| {
        Packet::Disconnect(Disconnect {
            reason_code: ReasonCode::SUCCESS,
            properties: Properties::List(seconds),
        })
    };
    let mut world = World::new();
    let device = world.client(V5, "zero");
    world.send(&device, &[with(&[Property::SessionExpiryInterval(1)])]);
    assert_eq!(codes(&world.got(&device)), ["DISCONNECT 82", "closed"]);
    let device = world.client(V5, "zero");
    world.send(&device, &[with(&[Property::SessionExpiryInterval(0)])]);
    assert_eq!(world.got(&device), ["closed"]);

    let (device, _) = world.persistent(V5, "ends");
    world.send(&device, &[with(&[Property::SessionExpiryInterval(0)])]);
    assert_eq!(world.core.statistics().sessions, 0);

    let (device, _) = world.persistent(V5, "shorter");
    world.send(&device, &[with(&[Property::SessionExpiryInterval(10)])]);
    world.pass(9);
    assert_eq!(world.core.statistics().sessions, 1);
    world.pass(1);
    assert_eq!(world.core.statistics().sessions, 0);
}

#[test]
fn b_14_b_23_a_takeover_resumes_the_session_with_what_was_in_flight() {
    let mut world = World::new();
    let (older, _) = world.persistent(V5, "device");
    world.subscribe(&older, &[("a", Q1)]);
    let from = world.client(V3, "from");
    world.say1(&from, "a", "1", 1);
    let (_, got) = world.persistent(V5, "device");
    assert_eq!(got, ["CONNACK 00 present", "PUBLISH #2 a 1"]);
    assert_eq!(
        codes(&world.got(&older)),
        ["PUBLISH #1 a 1", "DISCONNECT 8e", "closed"]
    );
}

#[test]
fn b_47_no_more_than_100_are_in_flight_and_an_acknowledgement_brings_the_next() {
    for (version, maximum) in [(V3, 100), (V5, 100), (V5, 3)] {
        let mut world = World::new();
        let list = [Property::ReceiveMaximum(maximum)];
        let properties = if version == V5 {
            Properties::List(&list)
        } else {
            Properties::EMPTY
        };
        let device = world.connecting(Connect {
            properties,
            ..clean(version, "device")
        });
        world.got(&device);
        world.subscribe(&device, &[("a", Q1)]);
        let from = world.client(V3, "from");
        for n in 0..maximum + 2 {
            world.say1(&from, "a", &n.to_string(), 1);
        }
        world.say(&from, "a", "QoS 0 does not wait");
        assert_eq!(world.got(&device).len(), usize::from(maximum) + 1);
        world.ack(&device, 2);
        assert_eq!(
            world.got(&device),
            [format!("PUBLISH #{} a {maximum}", maximum + 1)]
        );
        world.ack(&device, 2);
        assert!(world.got(&device).is_empty());
        world.ack(&device, 1);
        assert_eq!(world.got(&device).len(), 1);
    }
}

#[test]
fn packet_identifiers_wrap_around_those_that_are_still_in_flight() {
    let mut world = World::new();
    let device = world.client(V3, "device");
    world.subscribe(&device, &[("a", Q1)]);
    world.say1(&device, "a", "stays", 1);
    world.got(&device);
    let mut last = 1;
    for _ in 0..70_000 {
        world.say1(&device, "a", "x", 1);
        let got = world.got(&device);
        let id: u16 = got[0].split(['#', ' ']).nth(2).unwrap().parse().unwrap();
        assert_ne!(id, 1, "the first message is still in flight");
        assert_ne!(id, last);
        last = id;
        world.ack(&device, id);
    }
    assert_eq!(world.core.connections()[0].in_flight, 1);
}

/// v5 [MQTT-3.3.2-5], v5 [MQTT-3.3.2-6]: what is left of the interval goes on.
#[test]
fn b_74_a_message_that_expired_while_it_waited_is_not_delivered() {
    let mut world = World::new();
    let (device, _) = world.persistent(V5, "device");
    world.subscribe(&device, &[("a", Q1)]);
    leave(&mut world, &device);
    let from = world.client(V5, "from");
    for (id, seconds) in [(1, 10), (2, 20)] {
        let list = [Property::MessageExpiryInterval(seconds)];
        let publish = Publish {
            qos: Q1,
            packet_id: PacketId::new(id),
            properties: Properties::List(&list),
            ..message("a", "x")
        };
        world.send(&from, &[Packet::Publish(publish)]);
    }
    world.pass(12);
    let (_, _) = world.persistent(V5, "other");
    let device = world.connecting(keeping(V5, "device"));
    let got = world.got(&device);
    assert_eq!(got[1..], ["PUBLISH #1 a x MessageExpiryInterval(8)"]);
}

#[test]
fn b_55_receive_is_asked_when_a_stored_message_is_sent() {
    let mut world = World::new();
    let (device, _) = world.persistent(V3, "device");
    world.subscribe(&device, &[("a", Q1), ("b", Q1)]);
    leave(&mut world, &device);
    let from = world.client(V3, "from");
    world.say1(&from, "a", "1", 1);
    world.say1(&from, "b", "2", 2);
    world.policy.deny(Action::Receive, "a");
    let (device, got) = world.persistent(V3, "device");
    assert_eq!(got, ["CONNACK 00 present", "PUBLISH #1 b 2"]);
    // It is gone, not waiting for a better day.
    world.ack(&device, 1);
    world.lose(&device);
    world.policy.allow_all();
    assert_eq!(world.persistent(V3, "device").1, ["CONNACK 00 present"]);
}

#[test]
fn a_queue_that_is_full_drops_the_newest() {
    let mut world = World::with(|config| config.memory.queued_messages = 2);
    let (device, _) = world.persistent(V3, "device");
    world.subscribe(&device, &[("a", Q1)]);
    leave(&mut world, &device);
    let from = world.client(V3, "from");
    for (id, payload) in [(1, "1"), (2, "2"), (3, "3")] {
        world.say1(&from, "a", payload, id);
    }
    assert_eq!(
        world.got(&from),
        ["PUBACK #1 00", "PUBACK #2 00", "PUBACK #3 00"]
    );
    assert_eq!(world.core.statistics().dropped, 1);
    let (_, got) = world.persistent(V3, "device");
    assert_eq!(
        got,
        ["CONNACK 00 present", "PUBLISH #1 a 1", "PUBLISH #2 a 2"]
    );
}

#[test]
fn a_full_queue_makes_room_by_forgetting_what_has_expired() {
    let mut world = World::with(|config| config.memory.queued_messages = 1);
    let (device, _) = world.persistent(V5, "device");
    world.subscribe(&device, &[("a", Q1)]);
    leave(&mut world, &device);
    let from = world.client(V5, "from");
    let list = [Property::MessageExpiryInterval(5)];
    let publish = Publish {
        qos: Q1,
        packet_id: PacketId::new(1),
        properties: Properties::List(&list),
        ..message("a", "short")
    };
    world.send(&from, &[Packet::Publish(publish)]);
    // Searched once a second at most, because each publish would go through all that waits.
    world.say1(&from, "a", "too much", 2);
    assert_eq!(world.core.statistics().dropped, 1);
    world.pass(5);
    world.say1(&from, "a", "long", 3);
    assert_eq!(
        world.persistent(V5, "device").1,
        ["CONNACK 00 present", "PUBLISH #1 a long"]
    );
}

#[test]
fn the_bytes_of_a_queue_are_bounded_too_and_counted_right_over_time() {
    let mut world = World::with(|config| config.memory.queued_bytes = 10);
    let (mut device, _) = world.persistent(V3, "device");
    world.subscribe(&device, &[("a", Q1)]);
    let from = world.client(V3, "from");
    for _ in 0..5 {
        world.lose(&device);
        for payload in ["1234", "5678", "too much"] {
            world.say1(&from, "a", payload, 1);
        }
        let (next, got) = world.persistent(V3, "device");
        device = next;
        assert_eq!(got.len(), 3, "{got:?}");
        // Lost again before the acknowledgement, then acknowledged.
        world.lose(&device);
        let (next, got) = world.persistent(V3, "device");
        device = next;
        for line in &got[1..] {
            let id = line.split(['#', ' ']).nth(2).unwrap().parse().unwrap();
            world.ack(&device, id);
        }
    }
}
