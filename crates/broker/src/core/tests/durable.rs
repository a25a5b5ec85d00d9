//! Durability: what was answered with success is on disk, and comes back after a crash at any moment.

use thingwire_mqtt::{Packet, Publish, ReasonCode};

use super::*;

/// A persistent subscriber of `a` (QoS 1) that is away, a publisher, and a disk that waits.
fn away(version: Version) -> (World, Device) {
    let mut world = World::new();
    let (device, _) = world.persistent(V3, "device");
    world.subscribe(&device, &[("a", Q1)]);
    world.send(&device, &[goodbye(ReasonCode::SUCCESS)]);
    let from = world.client(version, "from");
    world.pass(2);
    world.disk = Disk::Waiting;
    (world, from)
}

#[test]
fn puback_waits_for_the_disk_when_a_persistent_session_needs_the_message() {
    let (mut world, from) = away(V3);
    world.say1(&from, "a", "1", 7);
    assert!(world.got(&from).is_empty());
    world.disk_stores();
    assert_eq!(world.got(&from), ["PUBACK #7 00"]);
    world.crash();
    assert_eq!(
        world.persistent(V3, "device").1.len(),
        0,
        "CONNACK waits too"
    );
    world.disk = Disk::Quick;
    world.disk_stores();
}

#[test]
fn what_was_acknowledged_survives_and_what_was_not_may_be_lost() {
    let (mut world, from) = away(V3);
    for (id, payload) in [(1, "1"), (2, "2"), (3, "3")] {
        world.say1(&from, "a", payload, id);
    }
    world.disk_stores();
    world.disk_stores();
    assert_eq!(world.got(&from), ["PUBACK #1 00", "PUBACK #2 00"]);
    world.crash();
    world.disk = Disk::Quick;
    assert_eq!(
        world.persistent(V3, "device").1,
        ["CONNACK 00 present", "PUBLISH #1 a 1", "PUBLISH #2 a 2"]
    );
}

#[test]
fn one_read_is_one_batch() {
    let (mut world, from) = away(V3);
    let publishes: Vec<_> = (1..=20)
        .map(|id| {
            Packet::Publish(Publish {
                qos: Q1,
                packet_id: PacketId::new(id),
                ..message("a", "x")
            })
        })
        .collect();
    world.send(&from, &publishes);
    assert_eq!(world.batches(), 1);
    world.disk_stores();
    assert_eq!(world.got(&from).len(), 20);
}

#[test]
fn a_publish_that_nothing_durable_needs_does_not_wait_and_touches_no_disk() {
    let (mut world, from) = away(V3);
    let live = world.client(V3, "live");
    world.subscribe(&live, &[("b", Q1)]);
    world.say1(&from, "b", "1", 1);
    world.say(&from, "a", "QoS 0 never touches the disk");
    world.say1(&from, "c", "nobody", 2);
    assert_eq!(world.got(&from), ["PUBACK #1 00", "PUBACK #2 00"]);
    world.pass(5);
    assert_eq!(world.batches(), 0);
}

#[test]
fn mqtt_4_6_0_2_pubacks_stay_in_order_and_other_traffic_does_not_wait() {
    let (mut world, from) = away(V5);
    world.subscribe(&from, &[("b", Q0)]);
    world.say1(&from, "a", "durable", 1);
    world.say1(&from, "b", "not durable", 2);
    world.policy.deny(Action::Publish, "c");
    world.say1(&from, "c", "denied", 3);
    world.send(&from, &[Packet::PingReq]);
    assert_eq!(world.got(&from), ["PUBLISH b not durable", "PINGRESP"]);
    world.disk_stores();
    assert_eq!(
        codes(&world.got(&from)),
        ["PUBACK #1 00", "PUBACK #2 00", "PUBACK #3 87"]
    );
}

#[test]
fn a_connected_persistent_subscriber_gets_it_at_once_and_the_publisher_waits() {
    let mut world = World::new();
    let (device, _) = world.persistent(V5, "device");
    world.subscribe(&device, &[("a", Q1)]);
    let from = world.client(V3, "from");
    world.disk = Disk::Waiting;
    world.say1(&from, "a", "1", 1);
    assert_eq!(world.got(&device), ["PUBLISH #1 a 1"]);
    assert!(world.got(&from).is_empty());
    world.disk_stores();
    assert_eq!(world.got(&from), ["PUBACK #1 00"]);
    // Until it is acknowledged, it comes back after a crash.
    world.crash();
    world.disk = Disk::Quick;
    let (device, got) = world.persistent(V5, "device");
    assert_eq!(got, ["CONNACK 00 present", "PUBLISH #1 a 1"]);
    world.ack(&device, 1);
    // The deletion rides along or goes by itself after a second.
    world.pass(2);
    world.crash();
    assert_eq!(world.persistent(V5, "device").1, ["CONNACK 00 present"]);
}

#[test]
fn connack_and_suback_of_a_persistent_session_wait_for_the_disk() {
    for version in [V3, V5] {
        let mut world = World::new();
        world.disk = Disk::Waiting;
        let device = world.open(version);
        let filters = [SubscribeFilter::new("a", Q1)];
        world.send(&device, &[Packet::Connect(keeping(version, "device"))]);
        world.send(&device, &[subscribe(&filters), Packet::PingReq]);
        assert!(
            world.got(&device).is_empty(),
            "nothing may come before CONNACK"
        );
        world.disk_stores();
        assert_eq!(codes(&world.got(&device)), ["CONNACK 00", "PINGRESP"]);
        world.disk_stores();
        assert_eq!(world.got(&device), ["SUBACK [01]"]);
        world.send(&device, &[unsubscribe(&["a"])]);
        assert!(world.got(&device).is_empty());
        world.disk_stores();
        assert_eq!(world.got(&device).len(), 1);
        world.crash();
        world.disk = Disk::Quick;
        assert_eq!(
            world.persistent(version, "device").1,
            ["CONNACK 00 present"]
        );
        assert_eq!(world.core.statistics().subscriptions, 0);
    }
}

#[test]
fn b_29_a_clean_start_waits_until_the_stored_session_is_gone() {
    let (mut world, from) = away(V3);
    world.say1(&from, "a", "1", 1);
    world.disk_stores();
    let device = world.connecting(clean(V3, "device"));
    assert!(world.got(&device).is_empty());
    world.disk_stores();
    assert_eq!(world.got(&device), ["CONNACK 00"]);
    world.crash();
    world.disk = Disk::Quick;
    assert_eq!(world.persistent(V3, "device").1, ["CONNACK 00"]);
}

#[test]
fn b_29_nor_is_a_later_clean_start_answered_while_the_older_deletion_is_under_way() {
    let (mut world, _) = away(V5);
    world.disk = Disk::Quick;
    let (five, _) = world.persistent(V5, "device");
    world.pass(2);
    world.disk = Disk::Waiting;
    let list = [thingwire_mqtt::Property::SessionExpiryInterval(0)];
    let end = thingwire_mqtt::Disconnect {
        reason_code: ReasonCode::SUCCESS,
        properties: thingwire_mqtt::Properties::List(&list),
    };
    world.send(&five, &[Packet::Disconnect(end)]);
    for _ in 0..3 {
        let device = world.connecting(clean(V5, "device"));
        assert!(world.got(&device).is_empty());
    }
    // The oldest fails, the others bring it.
    world.disk_fails();
    world.disk_stores();
    world.crash();
    world.disk = Disk::Quick;
    assert_eq!(world.persistent(V5, "device").1, ["CONNACK 00"]);
}

#[test]
fn a_subscription_is_not_promised_while_its_first_batch_may_fail() {
    let mut world = World::new();
    let (device, _) = world.persistent(V3, "device");
    world.disk = Disk::Waiting;
    world.subscribe(&device, &[("a", Q1)]);
    world.subscribe(&device, &[("a", Q1)]);
    assert_eq!(world.batches(), 2);
    world.disk_fails();
    assert_eq!(world.got(&device), ["SUBACK [80]"]);
    world.disk_stores();
    assert_eq!(world.got(&device), ["SUBACK [01]"]);
    world.crash();
    assert_eq!(world.core.statistics().subscriptions, 1);
}

#[test]
fn a_subscription_that_failed_twice_is_not_there() {
    let mut world = World::new();
    let (device, _) = world.persistent(V5, "device");
    world.disk = Disk::Waiting;
    world.subscribe(&device, &[("a", Q1)]);
    world.subscribe(&device, &[("a", Q1)]);
    world.disk_fails();
    world.disk_fails();
    assert_eq!(world.got(&device), ["SUBACK [80]", "SUBACK [80]"]);
    assert_eq!(world.core.statistics().subscriptions, 0);
}

#[test]
fn a_clean_session_waits_for_nothing() {
    let mut world = World::new();
    world.disk = Disk::Waiting;
    let device = world.client(V3, "device");
    assert_eq!(world.subscribe(&device, &[("a", Q1)]), ["SUBACK [01]"]);
    world.lose(&device);
    world.pass(5);
    assert_eq!(world.batches(), 0);
}

#[test]
fn a_failed_batch_is_never_acknowledged() {
    let (mut world, from) = away(V5);
    world.say1(&from, "a", "lost", 1);
    world.say1(&from, "b", "not durable", 2);
    world.disk_fails();
    assert_eq!(codes(&world.got(&from)), ["PUBACK #1 80", "PUBACK #2 00"]);

    let three = world.client(V3, "three");
    world.say1(&three, "a", "lost", 1);
    world.disk_fails();
    assert_eq!(world.got(&three), ["closed"]);

    // The disk is well again: nothing of it was kept, and the session works.
    world.disk = Disk::Quick;
    world.pass(2);
    while world.batches() > 0 {
        world.disk_stores();
    }
    world.say1(&from, "a", "kept", 3);
    assert_eq!(world.got(&from), ["PUBACK #3 00"]);
    world.crash();
    assert_eq!(
        world.persistent(V3, "device").1,
        ["CONNACK 00 present", "PUBLISH #1 a kept"]
    );
    assert_eq!(world.core.statistics().retained, 0);
}

#[test]
fn a_session_that_could_not_be_stored_is_refused() {
    for (version, expected) in [(V3, "CONNACK 03"), (V5, "CONNACK 80")] {
        let mut world = World::new();
        world.disk = Disk::Waiting;
        let device = world.connecting(keeping(version, "device"));
        world.disk_fails();
        assert_eq!(world.got(&device), [expected, "closed"]);
        assert_eq!(world.core.statistics().sessions, 0);
        world.disk = Disk::Quick;
        assert_eq!(world.persistent(version, "device").1, ["CONNACK 00"]);
    }
}

#[test]
fn a_stored_session_is_not_lost_because_its_resumption_could_not_be_stored() {
    let (mut world, from) = away(V3);
    world.say1(&from, "a", "1", 1);
    world.disk_stores();
    let device = world.connecting(keeping(V3, "device"));
    world.disk_fails();
    assert_eq!(world.got(&device), ["CONNACK 03", "closed"]);
    world.disk = Disk::Quick;
    assert_eq!(
        world.persistent(V3, "device").1,
        ["CONNACK 00 present", "PUBLISH #2 a 1"]
    );
}

#[test]
fn a_subscription_that_could_not_be_stored_fails_and_is_not_there() {
    for version in [V3, V5] {
        let mut world = World::new();
        let (device, _) = world.persistent(version, "device");
        world.subscribe(&device, &[("old", Q0)]);
        world.disk = Disk::Waiting;
        world.subscribe(&device, &[("a", Q1), ("old", Q1)]);
        world.disk_fails();
        assert_eq!(world.got(&device), ["SUBACK [80, 80]"]);
        world.say(&device, "a", "x");
        world.say(&device, "old", "x");
        assert_eq!(world.got(&device), ["PUBLISH old x"]);
    }
}

#[test]
fn a_failed_batch_is_repaired_by_the_next_one() {
    let mut world = World::new();
    let device = world.client(V3, "device");
    world.send(&device, &[retained("a", "1")]);
    world.pass(2);
    world.disk = Disk::Waiting;
    world.send(&device, &[retained("a", "2"), retained("b", "2")]);
    world.pass(2);
    world.disk_fails();
    world.send(&device, &[retained("b", "3")]);
    world.pass(2);
    world.disk_stores();
    world.crash();
    world.disk = Disk::Quick;
    let device = world.client(V3, "device");
    assert_eq!(
        world.subscribe(&device, &[("a", Q0), ("b", Q0)]),
        [
            "SUBACK [00, 00]",
            "PUBLISH retained a 2",
            "PUBLISH retained b 3"
        ]
    );
}

#[test]
fn b_62_a_retained_message_with_qos_1_is_acknowledged_when_it_is_on_disk() {
    let (mut world, from) = away(V3);
    for payload in ["x", ""] {
        let publish = Publish {
            retain: true,
            qos: Q1,
            packet_id: PacketId::new(1),
            ..message("r", payload)
        };
        world.send(&from, &[Packet::Publish(publish)]);
        assert!(world.got(&from).is_empty());
        world.disk_stores();
        assert_eq!(world.got(&from), ["PUBACK #1 00"]);
    }
    assert!(
        world
            .tables
            .keys()
            .all(|(table, _)| *table != crate::core::RETAINED)
    );
}

#[test]
fn b_47_3_1_1_is_not_read_from_while_100_publishes_wait_and_5_is_told() {
    let (mut world, from) = away(V3);
    for id in 1..=100 {
        world.say1(&from, "a", "x", id);
    }
    assert!(!from.outbox.paused());
    world.say1(&from, "a", "x", 101);
    assert!(from.outbox.paused());
    world.disk_stores();
    assert!(from.outbox.paused());
    world.disk_stores();
    assert!(!from.outbox.paused());

    let (mut world, from) = away(V5);
    for id in 1..=101 {
        world.say1(&from, "a", "x", id);
    }
    assert_eq!(codes(&world.got(&from)), ["DISCONNECT 93", "closed"]);
}

#[test]
fn b_24_a_restart_does_not_prolong_a_session_that_was_disconnected() {
    let mut world = World::new();
    let (device, _) = world.persistent(V3, "device");
    world.send(&device, &[goodbye(ReasonCode::SUCCESS)]);
    world.pass(3000);
    world.crash();
    world.pass(599);
    assert_eq!(world.core.statistics().sessions, 1);
    world.pass(1);
    assert_eq!(world.core.statistics().sessions, 0);
}

#[test]
fn b_24_the_interval_of_a_session_that_was_connected_starts_with_the_restart_and_only_once() {
    let mut world = World::new();
    world.persistent(V5, "device");
    world.pass(1000);
    world.crash();
    world.pass(2000);
    world.crash();
    world.pass(1599);
    assert_eq!(world.core.statistics().sessions, 1);
    world.pass(1);
    assert_eq!(world.core.statistics().sessions, 0);
    world.pass(2);
    assert!(world.tables.is_empty());
}

#[test]
fn everything_of_a_session_survives_a_restart_in_order() {
    let mut world = World::new();
    let (device, _) = world.persistent(V5, "device");
    world.subscribe(&device, &[("a/+", Q1), ("b", Q0)]);
    world.lose(&device);
    let from = world.client(V5, "from");
    for n in 1..=300 {
        world.say1(&from, &format!("a/{n}"), &n.to_string(), n);
    }
    world.crash();
    let (device, got) = world.persistent(V5, "device");
    assert_eq!(got.len(), 101);
    let mut lines: VecDeque<_> = got.into_iter().skip(1).collect();
    for n in 1..=300 {
        let line = lines.pop_front().unwrap_or_default();
        assert_eq!(line, format!("PUBLISH #{n} a/{n} {n}"));
        world.ack(&device, n);
        lines.extend(world.got(&device));
    }
    let from = world.client(V5, "from");
    world.say(&from, "b", "live");
    assert_eq!(world.got(&device), ["PUBLISH b live"]);
}

#[test]
fn a_damaged_row_is_named_and_nothing_panics() {
    let mut world = World::new();
    let (device, _) = world.persistent(V5, "device");
    world.subscribe(&device, &[("a", Q1)]);
    world.lose(&device);
    let from = world.client(V5, "from");
    let (member, _) = world.persistent(V3, "member");
    world.subscribe(&member, &[("$share/g/a", Q1)]);
    world.lose(&member);
    world.say1(&from, "a", "x", 1);
    world.send(&from, &[retained("r", "x")]);
    for name in ["one", "two"] {
        let (waiting, _) = world.persistent(V5, name);
        world.subscribe(&waiting, &[("long", Q1)]);
        world.lose(&waiting);
    }
    world.say1(&from, "long", &"x".repeat(100), 2);
    world.connecting(with_will(clean(V5, "mortal"), "a", Q1, true));
    world.pass(2);
    let row = |wanted| -> Vec<thingwire_store::Row> {
        let found = world
            .tables
            .iter()
            .filter(|((table, _), _)| *table == wanted);
        found
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect()
    };
    let whole = Rows {
        sessions: row(crate::core::SESSIONS),
        subscriptions: row(crate::core::SUBSCRIPTIONS),
        queued: row(crate::core::QUEUED),
        retained: row(crate::core::RETAINED),
        shared: row(crate::core::SHARED),
        wills: row(crate::core::WILLS),
        bodies: row(crate::core::BODIES),
    };
    let tables: [fn(&mut Rows) -> &mut Vec<thingwire_store::Row>; 7] = [
        |rows| &mut rows.sessions,
        |rows| &mut rows.subscriptions,
        |rows| &mut rows.queued,
        |rows| &mut rows.retained,
        |rows| &mut rows.shared,
        |rows| &mut rows.wills,
        |rows| &mut rows.bodies,
    ];
    for table in tables {
        let len = table(&mut whole.clone())[0].1.len();
        for cut in 0..len {
            let mut rows = whole.clone();
            table(&mut rows)[0].1.truncate(cut);
            // A payload or a client id may be shorter and still be one; anything else is damage.
            let mut core = super::core(Config::default(), &world.policy, &world.log);
            drop(core.restore(world.now, &rows));
        }
        for byte in 0..len {
            let mut rows = whole.clone();
            table(&mut rows)[0].1[byte] ^= 0xFF;
            let mut core = super::core(Config::default(), &world.policy, &world.log);
            let result = core.restore(world.now, &rows);
            assert!(byte > 0 || result.is_err(), "the format byte is checked");
        }
        let mut rows = whole.clone();
        table(&mut rows)[0].1.clear();
        let mut core = super::core(Config::default(), &world.policy, &world.log);
        let error = core.restore(world.now, &rows).unwrap_err().to_string();
        assert!(error.contains("table `broker."), "{error}");
    }
}
