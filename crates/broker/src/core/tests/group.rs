//! A group whose members differ: in QoS, in what they may receive, in room; and a group that is full.

use super::super::acknowledge::Ack as Answer;
use super::*;

/// A publish with QoS 1 that expires.
fn expiring(world: &mut World, from: &Device, payload: &str, seconds: u32, id: u16) {
    let list = [Property::MessageExpiryInterval(seconds)];
    let publish = Publish {
        qos: Q1,
        packet_id: PacketId::new(id),
        properties: Properties::List(&list),
        ..message("a", payload)
    };
    world.send(from, &[Packet::Publish(publish)]);
}

#[test]
fn b_48_puback_comes_when_a_persistent_member_takes_the_message_with_qos_0() {
    for version in [V3, V5] {
        let mut world = World::new();
        let (keeper, _) = world.persistent(version, "keeper");
        world.subscribe(&keeper, &[("$share/g/a", Q0)]);
        world.pass(2);
        let from = world.client(version, "from");
        world.disk = Disk::Waiting;
        world.say1(&from, "a", "x", 1);
        assert_eq!(world.got(&keeper), ["PUBLISH a x"]);
        assert_eq!(codes(&world.got(&from)), ["PUBACK #1 00"]);
        assert_eq!(world.batches(), 0, "nothing had to be on disk");
    }
}

#[test]
fn an_answer_that_waits_for_a_batch_without_rows_is_released() {
    let mut world = World::new();
    let device = world.client(V3, "device");
    let key = device.key.0;
    world.call(|core, _| core.acknowledge(key, Answer::Publish(PacketId::FIRST), true));
    assert_eq!(world.got(&device), ["PUBACK #1 00"]);
}

#[test]
fn b_55_b_69_what_no_connected_member_may_receive_does_not_hold_up_the_group() {
    for version in [V3, V5] {
        for helped in [false, true] {
            let mut world = World::new();
            world.policy.deny(Action::Receive, "s/2");
            let (keeper, _) = world.persistent(version, "keeper");
            world.subscribe(&keeper, &[("$share/g/s/+", Q1)]);
            world.send(&keeper, &[goodbye(ReasonCode::SUCCESS)]);
            let from = world.client(V3, "from");
            world.say1(&from, "s/2", "denied", 1);
            world.say1(&from, "s/1", "allowed", 2);
            assert_eq!(world.got(&from), ["PUBACK #1 00", "PUBACK #2 00"]);
            if helped {
                let helper = world.client(version, "helper");
                let got = world.subscribe(&helper, &[("$share/g/s/+", Q1)]);
                assert_eq!(got, ["SUBACK [01]", "PUBLISH #1 s/1 allowed"]);
                world.ack(&helper, 1);
                // B-69: the other is for the one that is away, until that may not receive it either.
                assert_eq!(world.core.statistics().dropped, 0);
                let (_, got) = world.persistent(version, "keeper");
                assert_eq!(got, ["CONNACK 00 present"]);
            } else {
                let (keeper, got) = world.persistent(version, "keeper");
                assert_eq!(got, ["CONNACK 00 present", "PUBLISH #1 s/1 allowed"]);
                world.ack(&keeper, 1);
            }
            assert_eq!(world.core.statistics().dropped, 1);
            // C-12: whoever may not receive is told of in the log.
            let log = world.log.take().join("\n");
            assert!(log.contains("refused Receive s/2"), "{log}");
            world.pass(2);
            let of = |(table, _): &(&str, Vec<u8>)| *table == super::super::SHARED;
            assert!(!world.tables.keys().any(of), "no row is left");
        }
    }
}

/// A connection with a clean session that takes packets of so many bytes, in the group of `s`.
fn small(world: &mut World, client_id: &str, maximum: u32) -> Device {
    let list = [Property::MaximumPacketSize(maximum)];
    let device = world.connecting(Connect {
        properties: Properties::List(&list),
        ..clean(V5, client_id)
    });
    assert_eq!(codes(&world.got(&device)), ["CONNACK 00"]);
    world.subscribe(&device, &[("$share/g/s", Q1)]);
    device
}

#[test]
fn b_69_b_7_what_is_too_large_for_who_is_here_waits_for_who_is_away_and_holds_nothing_up() {
    let large = "x".repeat(600);
    for (leaves, restart) in [(false, false), (true, false), (true, true)] {
        let mut world = World::new();
        let (keeper, _) = world.persistent(V5, "keeper");
        world.subscribe(&keeper, &[("$share/g/s", Q1)]);
        world.lose(&keeper);
        let small = small(&mut world, "small", 512);
        let from = world.client(V3, "from");
        for (id, payload) in [(1, &*large), (2, "a"), (3, &*large), (4, "b")] {
            world.say1(&from, "s", payload, id);
            assert_eq!(world.got(&from), [format!("PUBACK #{id} 00")]);
        }
        assert_eq!(
            world.got(&small),
            ["PUBLISH #1 s a", "PUBLISH #2 s b"],
            "those behind go on"
        );
        world.ack(&small, 1);
        world.ack(&small, 2);
        if leaves {
            world.lose(&small);
        }
        if restart {
            world.pass(2);
            world.crash();
        }
        let (keeper, got) = world.persistent(V5, "keeper");
        let of = |id: u16| format!("PUBLISH #{id} s {large}");
        assert_eq!(got, ["CONNACK 00 present".into(), of(1), of(2)]);
        world.ack(&keeper, 1);
        world.ack(&keeper, 2);
        assert_eq!(world.core.statistics().dropped, 0);
        world.pass(2);
        let of = |(table, _): &(&str, Vec<u8>)| *table == super::super::SHARED;
        assert!(!world.tables.keys().any(of), "no row is left");
    }
}

#[test]
fn b_69_what_waits_for_who_is_away_goes_when_that_session_ends_or_a_policy_changes() {
    let large = "x".repeat(600);
    let mut world = World::new();
    let (keeper, _) = world.persistent(V5, "keeper");
    world.subscribe(&keeper, &[("$share/g/s", Q1)]);
    world.lose(&keeper);
    let small = small(&mut world, "small", 512);
    world.policy.deny(Action::Receive, "s");
    let from = world.client(V3, "from");
    world.say1(&from, "s", &large, 1);
    world.say1(&from, "s", "denied", 2);
    assert!(world.got(&small).is_empty());
    world.policy.allow_all();
    // The next event in the group brings it.
    world.say1(&from, "s", "allowed", 3);
    assert_eq!(world.got(&small), ["PUBLISH #1 s allowed"]);
    world.ack(&small, 1);
    assert_eq!(world.got(&small), ["PUBLISH #2 s denied"]);
    world.ack(&small, 2);
    assert_eq!(world.core.statistics().dropped, 0);
    // A clean session ends the one that was away.
    world.client(V5, "keeper");
    assert_eq!(world.core.statistics().dropped, 1, "nobody is left for it");
    world.pass(2);
    let of = |(table, _): &(&str, Vec<u8>)| *table == super::super::SHARED;
    assert_eq!(world.tables.keys().filter(|row| of(row)).count(), 0);
}

#[test]
fn b_7_a_message_for_a_member_without_room_does_not_hold_up_the_others() {
    let large = "x".repeat(600);
    let mut world = World::new();
    let list = [
        Property::ReceiveMaximum(1),
        Property::SessionExpiryInterval(3600),
    ];
    let big = world.connecting(Connect {
        properties: Properties::List(&list),
        ..clean(V5, "big")
    });
    world.got(&big);
    world.subscribe(&big, &[("$share/g/s", Q1)]);
    let small = small(&mut world, "small", 512);
    let from = world.client(V3, "from");
    for id in 1..=2 {
        world.say1(&from, "s", &large, id);
    }
    assert_eq!(world.got(&big).len(), 1);
    world.say1(&from, "s", "z", 3);
    assert_eq!(world.got(&small), ["PUBLISH #1 s z"]);
    world.ack(&big, 1);
    assert_eq!(world.got(&big), [format!("PUBLISH #2 s {large}")]);
}

#[test]
fn b_69_a_full_group_is_searched_for_expired_messages_once_a_second() {
    let mut world = World::with(|config| config.memory.shared_messages = 2);
    let (keeper, _) = world.persistent(V3, "keeper");
    world.subscribe(&keeper, &[("$share/g/a", Q1)]);
    world.lose(&keeper);
    let from = world.client(V5, "from");
    let start = world.now.monotonic;
    expiring(&mut world, &from, "short", 1, 1);
    world.say1(&from, "a", "long", 2);
    world.advance_to(start.plus(500));
    world.say1(&from, "a", "too many", 3);
    // One has expired by now, but each publish to a full group would go through all of it.
    world.advance_to(start.plus(1499));
    world.say1(&from, "a", "too soon", 4);
    assert_eq!(world.core.statistics().dropped, 2);
    world.advance_to(start.plus(1500));
    world.say1(&from, "a", "in time", 5);
    let (_, got) = world.persistent(V3, "keeper");
    assert_eq!(
        got,
        [
            "CONNACK 00 present",
            "PUBLISH #1 a long",
            "PUBLISH #2 a in time"
        ]
    );
}

#[test]
fn a_group_is_looked_at_once_however_many_pubacks_one_read_brings() {
    let mut world = World::new();
    let device = world.client(V3, "device");
    world.subscribe(&device, &[("$share/g/a", Q1)]);
    let from = world.client(V3, "from");
    for id in 1..=100 {
        world.say1(&from, "a", "x", id);
    }
    assert_eq!(world.got(&device).len(), 100);
    let acks: Vec<_> = (1..=100).map(puback).collect();
    let now = world.now;
    world.core.receive(now, device.key, &acks);
    assert_eq!(world.core.shared.ready.len(), 1);
    // And again in the next call.
    world.say1(&from, "a", "y", 101);
    assert_eq!(world.got(&device), ["PUBLISH #101 a y"]);
    world.core.receive(now, device.key, &[puback(101)]);
    assert_eq!(world.core.shared.ready.len(), 1);
}
