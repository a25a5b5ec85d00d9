//! Readers that are slower than what is sent to them.

use super::*;

#[test]
fn beyond_the_bound_qos_0_is_dropped_and_counted_and_others_go_on() {
    let mut world = World::with(|config| config.memory.outbox_bytes = 10_000);
    let slow = world.client(V3, "slow");
    let quick = world.client(V3, "quick");
    world.subscribe(&slow, &[("a", Q0)]);
    world.subscribe(&quick, &[("a", Q0)]);
    let payload = "x".repeat(995);
    for _ in 0..50 {
        world.say(&quick, "a", &payload);
        assert_eq!(world.got(&quick).len(), 1);
    }
    assert_eq!(world.got(&slow).len(), 10);
    assert_eq!(world.core.statistics().dropped, 40);
    world.say(&quick, "a", "again");
    assert_eq!(world.got(&slow), ["PUBLISH a again"]);
}

#[test]
fn beyond_the_bound_qos_1_waits_and_comes_when_the_outbox_is_empty() {
    let mut world = World::with(|config| config.memory.outbox_bytes = 10_000);
    let slow = world.client(V3, "slow");
    world.subscribe(&slow, &[("a", Q1)]);
    let from = world.client(V3, "from");
    let payload = "x".repeat(1000);
    for id in 1..=30 {
        world.say1(&from, "a", &payload, id);
    }
    assert_eq!(world.got(&from).len(), 30);
    assert_eq!(world.core.connections()[1].queued, 20);
    // `got` writes, tells that it is drained, and writes again, as the task does.
    let got = world.got(&slow);
    assert_eq!(got.len(), 30);
    for (at, line) in got.iter().enumerate() {
        assert!(line.starts_with(&format!("PUBLISH #{} a", at + 1)));
    }
}

#[test]
fn a_burst_in_one_read_respects_the_bound_too() {
    let mut world = World::with(|config| config.memory.outbox_bytes = 2_000);
    let slow = world.client(V3, "slow");
    world.subscribe(&slow, &[("a", Q0)]);
    let from = world.client(V3, "from");
    let payload = "x".repeat(195);
    let burst: Vec<_> = (0..50)
        .map(|_| Packet::Publish(message("a", &payload)))
        .collect();
    world.send(&from, &burst);
    assert_eq!(world.got(&slow).len(), 10);
}
