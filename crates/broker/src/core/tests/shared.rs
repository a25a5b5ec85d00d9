//! Shared subscriptions, B.10: who is in a group, who gets a message, and what becomes of it when that member goes.

use std::collections::BTreeSet;

use thingwire_mqtt::{ReasonCode, SubscribeFilter};

use super::*;

const GROUP: &str = "$share/g/a/+";

/// Clean members of [`GROUP`], past their SUBACK.
fn members(world: &mut World, version: Version, count: usize) -> Vec<Device> {
    (0..count)
        .map(|number| {
            let device = world.client(version, &format!("member{number}"));
            assert_eq!(world.subscribe(&device, &[(GROUP, Q1)]), ["SUBACK [01]"]);
            device
        })
        .collect()
}

/// A persistent member of [`GROUP`].
fn keeper(world: &mut World, version: Version, client_id: &str) -> Device {
    let (device, _) = world.persistent(version, client_id);
    assert_eq!(world.subscribe(&device, &[(GROUP, Q1)]), ["SUBACK [01]"]);
    device
}

/// The payloads of the PUBLISH packets among these lines, and their packet identifiers.
fn payloads(lines: &[String]) -> Vec<(String, u16)> {
    let of = |line: &String| {
        let mut words = line.split(' ').skip(1);
        let id = words.next()?.strip_prefix('#')?.parse().ok()?;
        Some((words.nth(1)?.to_owned(), id))
    };
    lines
        .iter()
        .filter(|line| line.starts_with("PUBLISH"))
        .filter_map(of)
        .collect()
}

#[test]
fn b_67_what_a_shared_filter_must_look_like_in_both_versions() {
    let long = "n".repeat(128);
    let longer = "n".repeat(129);
    let deep = "1/2/3/4/5/6/7/8";
    let wide = "x".repeat(256);
    for version in [V3, V5] {
        let bad = if version == V5 { 0x8f } else { 0x80 };
        for (filter, code) in [
            ("$share/g/a".to_owned(), 1),
            (format!("$share/{long}/a"), 1),
            (format!("$share/{longer}/a"), bad),
            // B-32: `$share/<name>/` counts neither for length nor for depth.
            (format!("$share/g/{deep}"), 1),
            (format!("$share/g/{deep}/9"), bad),
            (format!("$share/g/{wide}"), 1),
            (format!("$share/g/{wide}x"), bad),
            ("$share/g".to_owned(), bad),
            ("$share/g/".to_owned(), bad),
            ("$share//a".to_owned(), bad),
            ("$share/g+/a".to_owned(), bad),
            ("$share/#/a".to_owned(), bad),
            ("$share/g/a/#/b".to_owned(), bad),
            ("$share/g/$aws/things/t/shadow/get".to_owned(), 1),
        ] {
            let mut world = World::new();
            let device = world.client(version, "device");
            let got = codes(&world.subscribe(&device, &[(&filter, Q1), ("b", Q0)]));
            assert_eq!(got, [format!("SUBACK [{code:02x}, 00]")], "{filter}");
        }
        // B-35 is about the filter inside.
        let mut world = World::new();
        let device = world.client(version, "device");
        let got = codes(&world.subscribe(&device, &[("$share/g/$SYS/x", Q1)]));
        let expected = if version == V5 {
            vec!["SUBACK [8f]"]
        } else {
            vec!["closed"]
        };
        assert_eq!(got, expected);
    }
}

#[test]
fn c_24_the_policy_is_asked_about_the_filter_as_sent_and_receive_about_the_topic() {
    let mut world = World::new();
    world.policy.deny(Action::Subscribe, GROUP);
    let device = world.client(V5, "device");
    assert_eq!(
        codes(&world.subscribe(&device, &[(GROUP, Q1)])),
        ["SUBACK [87]"]
    );
    world.policy.allow_all();
    world.policy.deny(Action::Receive, "a/1");
    world.subscribe(&device, &[(GROUP, Q1)]);
    let from = world.client(V3, "from");
    world.say1(&from, "a/1", "x", 1);
    world.say1(&from, "a/2", "y", 2);
    assert_eq!(world.got(&device), ["PUBLISH #1 a/2 y"]);
    assert!(
        world
            .log
            .take()
            .contains(&"device refused Receive a/1".into())
    );
}

#[test]
fn b_68_each_message_goes_to_one_member_of_each_group_and_to_every_other_subscriber() {
    for version in [V3, V5] {
        let mut world = World::new();
        let group = members(&mut world, version, 3);
        let other = world.client(version, "other");
        world.subscribe(&other, &[("$share/h/a/+", Q0)]);
        let plain = world.client(version, "plain");
        world.subscribe(&plain, &[("a/#", Q0)]);
        let from = world.client(V3, "from");
        let mut taken = [0; 3];
        for number in 0..60 {
            world.say(&from, "a/1", &number.to_string());
            let got: Vec<_> = group.iter().map(|one| world.got(one).len()).collect();
            assert_eq!(got.iter().sum::<usize>(), 1, "{got:?}");
            for (all, got) in taken.iter_mut().zip(got) {
                *all += got;
            }
            for one in [&other, &plain] {
                assert_eq!(world.got(one), [format!("PUBLISH a/1 {number}")]);
            }
        }
        assert!(
            taken.iter().all(|all| *all > 8),
            "chosen at random: {taken:?}"
        );
    }
}

#[test]
fn b_48_each_member_gets_its_own_qos() {
    let mut world = World::new();
    let device = world.client(V3, "device");
    let from = world.client(V3, "from");
    world.subscribe(&device, &[(GROUP, Q0)]);
    world.say1(&from, "a/1", "x", 1);
    assert_eq!(world.got(&device), ["PUBLISH a/1 x"]);
    // Subscribing again changes it and makes no second member.
    world.subscribe(&device, &[(GROUP, Q1)]);
    world.say1(&from, "a/1", "y", 2);
    assert_eq!(world.got(&device), ["PUBLISH #1 a/1 y"]);
    assert_eq!(world.core.statistics().subscriptions, 1);
}

#[test]
fn b_37_b_70_a_shared_subscription_gets_no_retained_message() {
    let mut world = World::new();
    let from = world.client(V3, "from");
    world.send(&from, &[retained("a", "x")]);
    for version in [V3, V5] {
        let device = world.client(version, "device");
        let filters = [SubscribeFilter::new("$share/g/a", Q1)];
        world.send(&device, &[subscribe(&filters)]);
        assert_eq!(world.got(&device), ["SUBACK [01]"]);
    }
}

#[test]
fn b_69_qos_1_that_a_member_left_unacknowledged_goes_to_another() {
    for version in [V3, V5] {
        for keeps in [false, true] {
            let mut world = World::new();
            let first = if keeps {
                keeper(&mut world, version, "first")
            } else {
                members(&mut world, version, 1).remove(0)
            };
            let from = world.client(V3, "from");
            world.say1(&from, "a/1", "x", 1);
            assert_eq!(payloads(&world.got(&first)), [("x".into(), 1)]);
            let second = world.client(version, "second");
            world.subscribe(&second, &[(GROUP, Q1)]);
            assert!(world.got(&second).is_empty());
            world.lose(&first);
            assert_eq!(payloads(&world.got(&second)), [("x".into(), 1)]);
            world.ack(&second, 1);
            world.lose(&second);
            if keeps {
                let (_, got) = world.persistent(version, "first");
                assert_eq!(
                    got,
                    ["CONNACK 00 present"],
                    "it was acknowledged by another"
                );
            }
        }
    }
}

#[test]
fn b_69_qos_0_is_lost_with_the_member_and_what_was_acknowledged_is_not_sent_again() {
    let mut world = World::new();
    let group = members(&mut world, V3, 2);
    let from = world.client(V3, "from");
    world.say(&from, "a/1", "zero");
    world.say1(&from, "a/1", "one", 1);
    let got: Vec<_> = group.iter().map(|one| world.got(one)).collect();
    for (device, lines) in group.iter().zip(&got) {
        for (_, id) in payloads(lines) {
            world.ack(device, id);
        }
    }
    assert_eq!(got.concat().len(), 2);
    world.lose(&group[0]);
    assert!(world.got(&group[1]).is_empty());
}

#[test]
fn b_69_with_a_persistent_member_qos_1_waits_in_the_group_and_any_member_takes_it() {
    for version in [V3, V5] {
        let mut world = World::new();
        let device = keeper(&mut world, version, "keeper");
        world.lose(&device);
        let from = world.client(V3, "from");
        world.say(&from, "a/1", "zero");
        for id in 1..=4 {
            world.say1(&from, "a/1", &id.to_string(), id);
        }
        assert_eq!(world.got(&from).len(), 4, "each got its PUBACK");
        // A clean member takes what waits.
        let helper = world.client(version, "helper");
        let got = world.subscribe(&helper, &[(GROUP, Q1)]);
        assert_eq!(payloads(&got).len(), 4);
        // It goes without acknowledging all; the rest waits for the persistent one.
        world.ack(&helper, 1);
        world.ack(&helper, 3);
        world.lose(&helper);
        let (_, got) = world.persistent(version, "keeper");
        let got: Vec<_> = payloads(&got).into_iter().map(|(text, _)| text).collect();
        assert_eq!(got, ["2", "4"]);
    }
}

#[test]
fn b_69_a_backlog_is_shared_by_the_members_that_come() {
    let mut world = World::new();
    let first = keeper(&mut world, V3, "first");
    let second = keeper(&mut world, V3, "second");
    world.lose(&first);
    world.lose(&second);
    let from = world.client(V3, "from");
    for number in 1..=150_u16 {
        world.say1(&from, "a/1", &number.to_string(), number);
    }
    // B-47: not more than 100 are in flight to one.
    let first = world.connecting(keeping(V3, "first"));
    let one = payloads(&world.got(&first));
    assert_eq!(one.len(), 100);
    let second = world.connecting(keeping(V3, "second"));
    let two = payloads(&world.got(&second));
    assert_eq!(two.len(), 50);
    let all: BTreeSet<_> = one.iter().chain(&two).map(|(text, _)| text).collect();
    assert_eq!(all.len(), 150, "nobody got what another has");
    for (_, id) in one {
        world.ack(&first, id);
    }
    for (_, id) in two {
        world.ack(&second, id);
    }
    assert!(world.got(&first).is_empty() && world.got(&second).is_empty());
    world.pass(2);
    let of = |(table, _): &(&str, Vec<u8>)| *table == super::super::SHARED;
    assert!(!world.tables.keys().any(of), "no row is left");
}

#[test]
fn b_69_expiry_takes_precedence_and_a_full_group_drops_the_newest() {
    let mut world = World::with(|config| config.memory.shared_messages = 2);
    let device = keeper(&mut world, V3, "keeper");
    world.lose(&device);
    let from = world.client(V5, "from");
    let expiring = [Property::MessageExpiryInterval(10)];
    world.send(
        &from,
        &[Packet::Publish(Publish {
            qos: Q1,
            packet_id: PacketId::new(9),
            properties: Properties::List(&expiring),
            ..message("a/1", "short")
        })],
    );
    world.say1(&from, "a/1", "long", 1);
    world.say1(&from, "a/1", "too many", 2);
    assert_eq!(world.core.statistics().dropped, 1);
    world.pass(11);
    // Expired ones make room.
    world.say1(&from, "a/1", "in time", 3);
    let (_, got) = world.persistent(V3, "keeper");
    let got: Vec<_> = got.iter().skip(1).cloned().collect();
    assert_eq!(got, ["PUBLISH #1 a/1 long", "PUBLISH #2 a/1 in time"]);
}

#[test]
fn b_70_clean_members_leave_at_disconnect_and_persistent_ones_at_unsubscribe_or_expiry() {
    let mut world = World::new();
    let clean = members(&mut world, V3, 1).remove(0);
    world.send(&clean, &[goodbye(ReasonCode::SUCCESS)]);
    assert_eq!(world.core.statistics().groups, 0);
    let device = keeper(&mut world, V3, "keeper");
    world.lose(&device);
    assert_eq!(world.core.statistics().groups, 1);
    world.pass(3599);
    assert_eq!(world.core.statistics().groups, 1);
    let from = world.client(V3, "from");
    world.say1(&from, "a/1", "x", 1);
    world.pass(2);
    assert_eq!(world.core.statistics().groups, 0, "its session has expired");
    let device = keeper(&mut world, V3, "keeper");
    world.lose(&device);
    let device = world.connecting(keeping(V3, "keeper"));
    world.send(&device, &[unsubscribe(&[GROUP])]);
    assert_eq!(world.core.statistics().groups, 0);
    world.say1(&from, "a/1", "y", 2);
    assert_eq!(
        world.got(&device),
        ["CONNACK 00 present", "UNSUBACK []"],
        "nothing waited for it"
    );
}

#[test]
fn a_member_that_unsubscribes_still_owns_what_is_in_flight_to_it() {
    let mut world = World::new();
    let device = keeper(&mut world, V3, "keeper");
    let from = world.client(V3, "from");
    world.say1(&from, "a/1", "x", 1);
    world.send(&device, &[unsubscribe(&[GROUP])]);
    assert_eq!(world.got(&device), ["PUBLISH #1 a/1 x", "UNSUBACK []"]);
    let helper = members(&mut world, V3, 1).remove(0);
    world.crash();
    assert!(world.got(&helper).is_empty());
    // [MQTT-3.10.4-3]
    let (_, got) = world.persistent(V3, "keeper");
    assert_eq!(got, ["CONNACK 00 present", "PUBLISH #1 a/1 x"]);
}

#[test]
fn the_puback_of_a_message_for_a_persistent_group_waits_for_the_disk_and_a_crash_loses_nothing() {
    for in_flight in [false, true] {
        let mut world = World::new();
        let device = keeper(&mut world, V3, "keeper");
        if !in_flight {
            world.lose(&device);
            world.pass(2);
        }
        let from = world.client(V3, "from");
        world.disk = Disk::Waiting;
        world.say1(&from, "a/1", "x", 1);
        assert!(world.got(&from).is_empty());
        world.disk_stores();
        assert_eq!(world.got(&from), ["PUBACK #1 00"]);
        world.disk = Disk::Quick;
        world.crash();
        // Another member comes first, and gets it.
        let (helper, _) = world.persistent(V5, "helper");
        assert_eq!(
            codes(&world.subscribe(&helper, &[(GROUP, Q1)])),
            ["PUBLISH #1 a/1 x", "SUBACK [01]"],
            "SUBACK waits for the disk, a message may come before it (3.8.4)"
        );
        world.ack(&helper, 1);
        world.pass(2);
        world.crash();
        let (_, got) = world.persistent(V3, "keeper");
        assert_eq!(got, ["CONNACK 00 present"]);
    }
}

#[test]
fn a_batch_that_failed_leaves_no_message_in_the_group_that_its_publisher_would_send_again() {
    let mut world = World::new();
    let device = keeper(&mut world, V3, "keeper");
    world.lose(&device);
    world.pass(2);
    let from = world.client(V5, "from");
    world.disk = Disk::Waiting;
    world.say1(&from, "a/1", "x", 1);
    world.disk_fails();
    assert_eq!(codes(&world.got(&from)), ["PUBACK #1 80"]);
    world.disk = Disk::Quick;
    world.pass(2);
    let (_, got) = world.persistent(V3, "keeper");
    assert_eq!(got, ["CONNACK 00 present"]);
}

#[test]
fn nothing_of_a_group_stays_on_disk_when_its_last_member_went() {
    let mut world = World::new();
    let device = keeper(&mut world, V3, "keeper");
    world.lose(&device);
    let from = world.client(V3, "from");
    world.say1(&from, "a/1", "x", 1);
    let rows = |world: &World| {
        let of = |(table, _): &&(&str, Vec<u8>)| *table == super::super::SHARED;
        world.tables.keys().filter(of).count()
    };
    assert_eq!(rows(&world), 1);
    let device = world.client(V3, "keeper");
    world.send(&device, &[goodbye(ReasonCode::SUCCESS)]);
    world.pass(2);
    assert_eq!(rows(&world), 0);
}

#[test]
fn a_busy_member_is_passed_over_while_another_has_room() {
    let mut world = World::new();
    let slow = members(&mut world, V3, 1).remove(0);
    let from = world.client(V3, "from");
    for number in 1..=100 {
        world.say1(&from, "a/1", "x", number);
    }
    assert_eq!(world.got(&slow).len(), 100);
    // It has a hundred in flight; the next wait in the group until it or another has room.
    world.say1(&from, "a/1", "next", 101);
    assert!(world.got(&slow).is_empty());
    let quick = world.client(V3, "quick");
    let got = world.subscribe(&quick, &[(GROUP, Q1)]);
    assert_eq!(payloads(&got), [("next".into(), 1)]);
    for number in 0..20 {
        world.say1(&from, "a/1", &number.to_string(), 102 + number);
    }
    assert_eq!(world.got(&quick).len(), 20);
    assert!(world.got(&slow).is_empty());
}

#[test]
fn b_69_what_is_too_large_for_one_member_waits_for_another() {
    let mut world = World::new();
    let one_at_a_time = [
        Property::SessionExpiryInterval(3600),
        Property::ReceiveMaximum(1),
    ];
    let short = [Property::MaximumPacketSize(512)];
    let [large, small] =
        [("large", &one_at_a_time[..]), ("small", &short[..])].map(|(id, list)| {
            let device = world.connecting(Connect {
                properties: Properties::List(list),
                ..clean(V5, id)
            });
            world.subscribe(&device, &[("$share/g/a", Q1)]);
            device
        });
    let from = world.client(V3, "from");
    world.say1(&from, "a", &"x".repeat(600), 1);
    world.say1(&from, "a", &"y".repeat(600), 2);
    world.say1(&from, "a", "z", 3);
    assert!(
        world.got(&large)[0].contains("xxx"),
        "only it can take this"
    );
    world.got(&small);
    world.ack(&small, 1);
    world.ack(&large, 1);
    assert!(world.got(&large)[0].contains("yyy"), "it was not dropped");
    assert_eq!(world.core.statistics().dropped, 0);
}

#[test]
fn b_69_qos_0_is_lost_when_the_chosen_member_cannot_take_it() {
    let mut world = World::with(|config| config.memory.outbox_bytes = 100);
    let [slow, quick] = ["slow", "quick"].map(|id| {
        let device = world.client(V3, id);
        world.subscribe(&device, &[("$share/g/a", Q0)]);
        device
    });
    let from = world.client(V3, "from");
    let mut quick_got = 0;
    for _ in 0..60 {
        world.say(&from, "a", "0123456789");
        quick_got += world.got(&quick).len();
    }
    let slow_got = world.got(&slow).len();
    let dropped = world.core.statistics().dropped;
    assert!(
        dropped > 0,
        "nothing goes to another: {quick_got} and {slow_got}"
    );
    let all = u64::try_from(quick_got + slow_got).unwrap() + dropped;
    assert_eq!(all, 60);
}

/// In behaviour `mqtt` there can be a topic with that name.
#[test]
fn b_70_what_is_retained_under_the_name_of_a_shared_filter_is_not_the_group_s() {
    let mut world = World::with(|config| config.behaviour = crate::Behaviour::Mqtt);
    let device = world.client(V5, "device");
    world.send(&device, &[retained("$share/g/a", "x")]);
    assert_eq!(world.core.statistics().retained, 1);
    for filter in ["$share/g/a", "$share/g/+"] {
        let got = world.subscribe(&device, &[(filter, Q0)]);
        assert_eq!(got, ["SUBACK [00]"], "{filter}");
    }
}
