//! What the `Mqtt` behaviour leaves out, and what it changes.

use super::*;
use crate::Behaviour;

fn world() -> World {
    World::with(|config| config.behaviour = Behaviour::Mqtt)
}

#[test]
fn b_10_hash_matches_the_parent_in_the_standard() {
    let mut world = world();
    let device = world.client(V3, "device");
    world.subscribe(&device, &[("sensor/#", Q0)]);
    world.say(&device, "sensor", "x");
    world.say(&device, "sensor/a", "x");
    assert_eq!(
        world.got(&device),
        ["PUBLISH sensor x", "PUBLISH sensor/a x"]
    );
}

#[test]
fn no_limit_of_aws_applies() {
    let mut world = world();
    let id = "x".repeat(1000);
    let device = world.client(V5, &id);
    let deep = "a/".repeat(10_000);
    let filters: Vec<String> = (0..60).map(|n| format!("{deep}{n}")).collect();
    let asked: Vec<_> = filters.iter().map(|filter| (&filter[..], Q0)).collect();
    assert_eq!(world.subscribe(&device, &asked).len(), 1);
    assert_eq!(world.core.statistics().subscriptions, 60);
    // A tree of this depth is walked without recursion.
    world.subscribe(&device, &[(&format!("{deep}+/#"), Q0)]);
    let payload = "x".repeat(200_000);
    world.say(&device, &format!("{deep}7/y"), &payload);
    assert_eq!(world.got(&device).len(), 1);
    world.lose(&device);
    assert_eq!(world.core.statistics().subscriptions, 0);
}

#[test]
fn keep_alive_0_is_off() {
    let mut world = world();
    let device = world.connecting(Connect {
        keep_alive: 0,
        ..clean(V5, "off")
    });
    assert!(world.got(&device)[0].contains("ServerKeepAlive(0)"));
    let two = world.connecting(Connect {
        keep_alive: 2,
        ..clean(V3, "two")
    });
    assert_eq!(world.got(&two), ["CONNACK 00"]);
    world.pass(3);
    assert_eq!(world.got(&two), ["closed"]);
    world.pass(1_000_000);
    assert!(world.got(&device).is_empty());
}
