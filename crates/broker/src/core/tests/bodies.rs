//! A message that waits in several sessions is stored once.

use super::*;
use crate::core::{BODIES, QUEUED};

const LONG: usize = 100;

/// Sessions that are offline and want `t`.
fn waiting(names: &[&str]) -> World {
    let mut world = World::new();
    for name in names {
        let (device, _) = world.persistent(V5, name);
        world.subscribe(&device, &[("t", Q1)]);
        world.lose(&device);
    }
    world
}

fn count(world: &World, table: &str) -> usize {
    let rows = world.tables.keys();
    rows.filter(|(of, _)| *of == table).count()
}

fn say(world: &mut World, id: u16, len: usize) {
    let from = world.client(V3, "from");
    world.say1(&from, "t", &"x".repeat(len), id);
}

/// Takes what waits; answers how many there were.
fn take(world: &mut World, name: &str) -> usize {
    let (device, got) = world.persistent(V5, name);
    for id in 1..got.len() {
        world.ack(&device, u16::try_from(id).unwrap());
    }
    world.lose(&device);
    world.pass(2);
    got.len() - 1
}

#[test]
fn a_long_message_for_several_is_one_row_until_the_last_has_it() {
    let mut world = waiting(&["one", "two", "three"]);
    say(&mut world, 1, LONG);
    assert_eq!((count(&world, BODIES), count(&world, QUEUED)), (1, 3));
    let sizes = world.tables.iter();
    let mut sizes = sizes.filter(|((of, _), _)| *of == QUEUED);
    assert!(sizes.all(|(_, value)| value.len() < 20));
    assert_eq!(take(&mut world, "one"), 1);
    assert_eq!(count(&world, BODIES), 1);
    world.crash();
    assert_eq!(take(&mut world, "two"), 1);
    world.assert_bodies();
    // A session that ends takes its references along.
    world.client(V5, "three");
    world.pass(2);
    assert_eq!((count(&world, BODIES), count(&world, QUEUED)), (0, 0));
}

#[test]
fn what_is_short_or_for_one_stands_in_its_row() {
    let mut world = waiting(&["one", "two"]);
    say(&mut world, 1, 10);
    assert_eq!((count(&world, BODIES), count(&world, QUEUED)), (0, 2));
    let mut world = waiting(&["one"]);
    say(&mut world, 1, LONG);
    assert_eq!((count(&world, BODIES), count(&world, QUEUED)), (0, 1));
}

#[test]
fn an_identifier_is_never_used_twice_not_even_after_a_restart() {
    let mut world = waiting(&["one", "two"]);
    for id in 1..4 {
        say(&mut world, id, LONG + usize::from(id));
        world.crash();
        world.assert_bodies();
    }
    assert_eq!((count(&world, BODIES), count(&world, QUEUED)), (3, 6));
    assert_eq!(take(&mut world, "one"), 3);
    assert_eq!(take(&mut world, "two"), 3);
    assert_eq!((count(&world, BODIES), count(&world, QUEUED)), (0, 0));
}

/// The deletion of one reference fails, that of the body with the other one does not, and the process dies in between.
#[test]
fn a_reference_whose_body_is_gone_is_removed_at_the_start_and_what_nobody_wants_too() {
    let mut world = waiting(&["one", "two"]);
    say(&mut world, 1, LONG);
    let body = world.tables.keys().find(|(of, _)| *of == BODIES).unwrap();
    let body = body.clone();
    let value = world.tables.remove(&body).unwrap();
    world.crash();
    world.pass(2);
    assert_eq!((count(&world, BODIES), count(&world, QUEUED)), (0, 0));
    world.tables.insert(body, value);
    world.crash();
    world.pass(2);
    assert_eq!(count(&world, BODIES), 0);
}

#[test]
fn a_batch_that_fails_leaves_no_body_and_the_next_one_brings_it() {
    let mut world = waiting(&["one"]);
    let (online, _) = world.persistent(V5, "two");
    world.subscribe(&online, &[("t", Q1)]);
    let from = world.client(V5, "from");
    world.disk = Disk::Waiting;
    world.say1(&from, "t", &"x".repeat(LONG), 1);
    world.disk_fails();
    assert_eq!(codes(&world.got(&from)), ["PUBACK #1 80"]);
    world.disk = Disk::Quick;
    world.pass(2);
    // What is in flight cannot be taken back; it is stored after all.
    world.assert_bodies();
    assert_eq!((count(&world, BODIES), count(&world, QUEUED)), (1, 1));
    world.ack(&online, 1);
    world.pass(2);
    assert_eq!((count(&world, BODIES), count(&world, QUEUED)), (0, 0));
}
