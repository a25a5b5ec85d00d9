//! Batches that fail: what was promised before stays, whatever becomes of what came after.

use super::*;

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
