//! Batches that fail: what was promised before stays, whatever becomes of what came after, and the disk is not pressed.

use super::*;
use crate::core::WILLS;

const GROUP: &str = "$share/g/a";

/// A persistent member of [`GROUP`] with `x` in flight, whose publisher has its PUBACK.
fn promised(world: &mut World) -> (Device, Device) {
    let (keeper, _) = world.persistent(V3, "keeper");
    world.subscribe(&keeper, &[(GROUP, Q1)]);
    let from = world.client(V3, "from");
    world.say1(&from, "a", "x", 1);
    assert_eq!(world.got(&from), ["PUBACK #1 00"]);
    assert_eq!(world.got(&keeper), ["PUBLISH #1 a x"]);
    world.pass(2);
    (keeper, from)
}

#[test]
fn a_message_that_a_member_keeps_when_it_unsubscribes_survives_a_batch_that_failed() {
    for crash in [false, true] {
        let mut world = World::new();
        let (keeper, _) = promised(&mut world);
        world.disk = Disk::Waiting;
        world.send(&keeper, &[unsubscribe(&[GROUP])]);
        // [MQTT-3.10.4-3]: it is its own now, and waits until it is back.
        world.lose(&keeper);
        world.disk_fails();
        world.disk = Disk::Quick;
        world.pass(2);
        if crash {
            world.crash();
        }
        let (_, got) = world.persistent(V3, "keeper");
        assert_eq!(
            got,
            ["CONNACK 00 present", "PUBLISH #1 a x"].map(|line| {
                if crash {
                    line.to_owned()
                } else {
                    line.replace("#1", "#2")
                }
            })
        );
    }
}

#[test]
fn a_deletion_that_failed_does_not_reach_the_message_of_a_group_that_is_there_again() {
    let mut world = World::new();
    let (keeper, from) = promised(&mut world);
    world.disk = Disk::Waiting;
    world.send(&keeper, &[unsubscribe(&[GROUP])]);
    world.send(&keeper, &[subscribe(&[SubscribeFilter::new(GROUP, Q1)])]);
    world.say1(&from, "a", "y", 2);
    assert_eq!(world.batches(), 3);
    world.disk_fails();
    world.disk_stores();
    world.disk_stores();
    assert_eq!(world.got(&from), ["PUBACK #2 00"]);
    world.disk = Disk::Quick;
    // What failed is tried again.
    world.pass(2);
    world.crash();
    let (_, got) = world.persistent(V3, "keeper");
    assert_eq!(
        got,
        ["CONNACK 00 present", "PUBLISH #1 a x", "PUBLISH #2 a y"]
    );
}

/// A client with a Will, past its CONNACK.
fn with_a_will(world: &mut World, client_id: &str) -> Device {
    let device = world.connecting(with_will(clean(V5, client_id), "will", Q1, false));
    assert_eq!(codes(&world.got(&device)), ["CONNACK 00"]);
    device
}

#[test]
fn many_changes_that_were_refused_wait_for_the_next_try() {
    let mut world = World::new();
    let devices: Vec<_> = (0..1100)
        .map(|at| with_a_will(&mut world, &format!("device {at}")))
        .collect();
    world.pass(2);
    world.disk = Disk::Waiting;
    for device in &devices {
        world.lose(device);
    }
    for seconds in 1..5 {
        let mut failed = 0;
        while world.batches() > 0 {
            world.disk_fails();
            failed += 1;
            assert!(failed <= 3, "the disk is pressed, {seconds}");
        }
        world.pass(1);
        assert_eq!(world.batches(), 1, "it is tried again");
    }
    world.disk = Disk::Quick;
    while world.batches() > 0 {
        world.disk_stores();
    }
    assert!(!world.tables.keys().any(|(table, _)| *table == WILLS));
}

#[test]
fn what_changes_again_and_again_while_the_disk_refuses_does_not_pile_up() {
    let mut world = World::new();
    let from = world.client(V3, "from");
    world.disk = Disk::Waiting;
    for at in 0..50 {
        let device = world.connecting(with_will(clean(V5, "device"), "will", Q1, false));
        let say = Publish {
            retain: true,
            ..message("kept", "x")
        };
        world.send(&from, &[Packet::Publish(say)]);
        while world.batches() > 0 {
            world.disk_fails();
        }
        assert_eq!(codes(&world.got(&device)), ["CONNACK 80", "closed"], "{at}");
    }
    world.pass(1);
    // That of the message, and that of the Will, which the last refusal named once more.
    assert_eq!(world.rows_under_way(), [3]);
}

#[test]
fn b_59_a_will_stays_in_sessions_and_groups_when_the_batch_that_publishes_it_fails() {
    for crash in [false, true] {
        let mut world = World::new();
        let (keeper, _) = world.persistent(V5, "keeper");
        world.subscribe(&keeper, &[("will", Q1)]);
        world.lose(&keeper);
        let (member, _) = world.persistent(V5, "member");
        world.subscribe(&member, &[("$share/g/will", Q1)]);
        world.lose(&member);
        let device = with_a_will(&mut world, "device");
        world.pass(2);
        world.disk = Disk::Waiting;
        if crash {
            world.crash();
        } else {
            world.lose(&device);
        }
        world.pass(1);
        assert_eq!(world.batches(), 1);
        // Once more, too.
        world.disk_fails();
        world.pass(1);
        world.disk_fails();
        world.disk = Disk::Quick;
        world.pass(2);
        assert!(!world.tables.keys().any(|(table, _)| *table == WILLS));
        world.crash();
        for client_id in ["keeper", "member"] {
            let (_, got) = world.persistent(V5, client_id);
            let found = got.iter().any(|line| line == "PUBLISH #1 will gone");
            assert!(found, "{client_id} {crash} {got:?}");
        }
    }
}

#[test]
fn a_message_of_a_service_stays_when_its_batch_fails() {
    let mut world = World::new();
    let (keeper, _) = world.persistent(V3, "keeper");
    world.subscribe(&keeper, &[("a", Q1)]);
    world.lose(&keeper);
    world.pass(2);
    world.disk = Disk::Waiting;
    let none = Properties::EMPTY;
    world.call(|core, now| core.publish_internal(now, "a", b"x", Q1, false, none));
    world.pass(1);
    world.disk_fails();
    world.disk = Disk::Quick;
    world.pass(2);
    let (_, got) = world.persistent(V3, "keeper");
    assert_eq!(got, ["CONNACK 00 present", "PUBLISH #1 a x"]);
}

/// CONNECT of a session of one hour, with a Will that waits a minute.
fn delayed(world: &mut World) -> Device {
    let list = [Property::WillDelayInterval(60)];
    let mut connect = with_will(keeping(V5, "device"), "will", Q1, false);
    connect.will = connect.will.map(|will| thingwire_mqtt::Will {
        properties: Properties::List(&list),
        ..will
    });
    world.connecting(connect)
}

#[test]
fn b_60_a_connect_that_the_disk_refuses_does_not_discard_the_will_before_it() {
    for (connected, refused, crash) in [
        (false, true, false),
        (true, true, false),
        (false, false, false),
        (true, false, false),
        (false, true, true),
        (true, true, true),
    ] {
        let mut world = World::with(|config| config.behaviour = crate::Behaviour::Mqtt);
        let (watcher, _) = world.persistent(V5, "watcher");
        world.subscribe(&watcher, &[("will", Q1)]);
        let device = delayed(&mut world);
        assert_eq!(codes(&world.got(&device)), ["CONNACK 00"]);
        if !connected {
            world.lose(&device);
            world.pass(2);
        }
        world.disk = Disk::Waiting;
        let again = world.connecting(keeping(V5, "device"));
        if refused {
            world.disk_fails();
            assert_eq!(codes(&world.got(&again)), ["CONNACK 80", "closed"]);
        } else {
            // It did not wait for its CONNACK.
            world.lose(&again);
        }
        world.disk = Disk::Quick;
        while world.batches() > 0 {
            world.disk_stores();
        }
        world.pass(2);
        if crash {
            world.crash();
            world.persistent(V5, "watcher");
            let (watcher, _) = world.persistent(V5, "watcher");
            world.pass(200);
            let got = world.got(&watcher);
            assert!(got.len() == 1 && got[0].ends_with("will gone"), "{got:?}");
            continue;
        }
        assert!(world.got(&watcher).is_empty());
        world.pass(200);
        let case = format!("{connected} {refused}");
        assert_eq!(world.got(&watcher), ["PUBLISH #1 will gone"], "{case}");
    }
}

#[test]
fn b_60_a_connect_that_was_accepted_discards_the_will_before_it() {
    let mut world = World::with(|config| config.behaviour = crate::Behaviour::Mqtt);
    let (watcher, _) = world.persistent(V5, "watcher");
    world.subscribe(&watcher, &[("will", Q1)]);
    let device = delayed(&mut world);
    world.lose(&device);
    let again = world.connecting(keeping(V5, "device"));
    world.lose(&again);
    world.pass(200);
    assert!(world.got(&watcher).is_empty());
}

#[test]
fn b_59_a_connection_that_was_lost_before_its_connack_had_no_will() {
    for stored in [false, true] {
        let mut world = World::new();
        let watcher = world.client(V5, "watcher");
        world.subscribe(&watcher, &[("will", Q1)]);
        world.disk = Disk::Waiting;
        let device = world.connecting(with_will(clean(V5, "device"), "will", Q1, false));
        world.lose(&device);
        assert_eq!(world.got(&device), ["closed"]);
        if stored {
            world.disk_stores();
        } else {
            world.disk_fails();
        }
        world.disk = Disk::Quick;
        while world.batches() > 0 {
            world.disk_stores();
        }
        world.pass(2);
        assert!(world.got(&watcher).is_empty());
        assert!(!world.tables.keys().any(|(table, _)| *table == WILLS));
    }
}

#[test]
fn b_60_a_clock_that_was_set_back_does_not_make_a_will_wait_longer_than_its_delay() {
    let mut world = World::with(|config| config.behaviour = crate::Behaviour::Mqtt);
    let device = delayed(&mut world);
    world.lose(&device);
    world.pass(2);
    let month = 30 * 24 * 3600 * 1000;
    world.now.unix = Millis(world.now.unix.0 - month);
    world.crash();
    let watcher = world.client(V5, "watcher");
    world.subscribe(&watcher, &[("will", Q1)]);
    world.pass(61);
    assert_eq!(world.got(&watcher), ["PUBLISH #1 will gone"]);
}
