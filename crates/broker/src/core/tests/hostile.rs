//! Who harasses the broker: memory stays within its bounds, others are served, and the log names the offender.

use thingwire_mqtt::{Properties, Property};

use super::*;

/// What was logged meanwhile, from `info` on.
fn logged(story: impl FnOnce()) -> Vec<String> {
    let (file, path) = tempfile::NamedTempFile::new().unwrap().into_parts();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(Arc::new(file));
    tracing::subscriber::with_default(subscriber.finish(), story);
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_reader_that_stopped_is_named_once_and_owns_no_more_than_its_outbox() {
    let lines = logged(|| {
        let mut world = World::with(|config| config.memory.outbox_bytes = 10_000);
        let stopped = world.client(V3, "stopped-reading");
        world.subscribe(&stopped, &[("a", Q0)]);
        let quick = world.client(V3, "quick");
        world.subscribe(&quick, &[("a", Q0)]);
        let payload = "x".repeat(900);
        for _ in 0..1000 {
            world.say(&quick, "a", &payload);
            assert_eq!(world.got(&quick).len(), 1);
            assert!(stopped.outbox.waiting() < 11_000);
        }
        assert_eq!(world.core.statistics().dropped, 1000 - 12);
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("stopped-reading"), "{lines:?}");
    assert!(lines[0].contains("reads too slowly"), "{lines:?}");
}

#[test]
fn who_never_acknowledges_is_named_once_and_owns_no_more_than_its_queue() {
    let lines = logged(|| {
        let mut world = World::with(|config| {
            config.memory.queued_messages = 200;
            config.memory.queued_bytes = 50_000;
        });
        let (never, _) = world.persistent(V3, "never-acknowledges");
        world.subscribe(&never, &[("a", Q1)]);
        let from = world.client(V3, "from");
        let payload = "x".repeat(500);
        for round in 0..1000 {
            world.say1(&from, "a", &payload, round % 100 + 1);
            // The publisher is not made to pay for it.
            assert_eq!(world.got(&from).len(), 1);
            world.got(&never);
            let connections = world.core.connections();
            let never = connections
                .iter()
                .find(|one| &*one.client.client_id == "never-acknowledges")
                .unwrap();
            assert!(never.queued <= 100, "50,000 bytes are 100 messages");
            assert!(never.in_flight <= 100, "B-47");
        }
        assert_eq!(world.core.statistics().dropped, 1000 - 200);
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("never-acknowledges"), "{lines:?}");
    assert!(lines[0].contains("queue is full"), "{lines:?}");
}

#[test]
fn b_65_a_storm_of_retained_messages_ends_at_the_bound_of_their_bytes() {
    let mut world = World::with(|config| config.memory.retained_bytes = 10_000);
    // 3.1.1 is not told, and so goes on.
    let storm = world.client(V3, "storm");
    let payload = "x".repeat(998);
    for number in 0..20 {
        let topic = format!("{number:02}");
        world.send(&storm, &[retained(&topic, &payload)]);
    }
    assert_eq!(world.core.statistics().retained, 10);
    // The log does not grow with the storm.
    let told = |world: &World| {
        let mut lines = world.log.take();
        lines.retain(|line| line.starts_with("storm violated B-65"));
        lines
    };
    assert_eq!(told(&world).len(), 1);
    assert_eq!(world.core.statistics().refused_publishes, 10);
    world.pass(60);
    world.send(&storm, &[retained("20", &payload)]);
    let lines = told(&world);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("(9 more were refused"), "{lines:?}");
    world.pass(60);
    // One that is there may be replaced, but not by a larger one; removing makes room again.
    world.send(
        &storm,
        &[retained("03", &payload), retained("04", &"x".repeat(999))],
    );
    assert_eq!(told(&world).len(), 1);
    let next = world.client(V5, "next");
    world.send(&next, &[retained("03", ""), retained("77", &payload)]);
    assert_eq!(world.core.statistics().retained, 10);
    assert_eq!(
        world.subscribe(&next, &[("77", Q0)])[1],
        format!("PUBLISH retained 77 {payload}")
    );
    // What was refused is not kept.
    assert_eq!(world.subscribe(&next, &[("15", Q0)]), ["SUBACK [00]"]);
}

#[test]
fn b_31_overlapping_subscriptions_end_at_fifty_and_cost_one_delivery_each() {
    let mut world = World::new();
    let levels = ["a", "b", "c", "d", "e", "f"];
    let filter = |mask: usize| {
        let of = |(bit, level): (usize, &&'static str)| {
            if mask >> bit & 1 == 1 { "+" } else { *level }
        };
        let levels: Vec<_> = levels.iter().enumerate().map(of).collect();
        levels.join("/")
    };
    let mut clients = Vec::new();
    for number in 0..20 {
        let client = world.client(V5, &format!("overlapping-{number}"));
        for mask in 0..50 {
            assert_eq!(
                world.subscribe(&client, &[(&filter(mask), Q0)]),
                ["SUBACK [00]"]
            );
        }
        clients.push(client);
    }
    world.log.take();
    world.subscribe(&clients[0], &[(&filter(51), Q0)]);
    let refused = world.log.take();
    assert!(
        refused
            .iter()
            .any(|line| line.starts_with("overlapping-0 violated B-31")),
        "{refused:?}"
    );
    let publisher = world.client(V5, "publisher");
    world.say(&publisher, "a/b/c/d/e/f", "x");
    for client in &clients[1..] {
        assert_eq!(world.got(client), ["PUBLISH a/b/c/d/e/f x"]);
    }
    assert_eq!(world.core.statistics().subscriptions, 20 * 50);
}

/// Timers, connections and sessions that there are.
fn owned(world: &World) -> [usize; 3] {
    let core = &world.core;
    [
        core.timers.len(),
        core.connections.len(),
        core.sessions.len(),
    ]
}

#[test]
fn a_flood_of_connects_leaves_nothing_behind_and_its_client_is_named() {
    // New client ids; one id that takes itself over; one that comes back to its session with a Will that waits.
    for kind in ["ids", "take-over", "comes back"] {
        let mut world = World::new();
        let watcher = world.client(V3, "watcher");
        world.subscribe(&watcher, &[("a", Q0)]);
        let list = [Property::WillDelayInterval(3000)];
        for number in 0..5000 {
            let name = format!("flood-{number}");
            let mut connect = match kind {
                "ids" => clean(V5, &name),
                "take-over" => clean(V5, "flood"),
                _ => with_will(keeping(V5, "flood"), "will", Q0, false),
            };
            if let Some(will) = &mut connect.will {
                will.properties = Properties::List(&list);
            }
            let flood = world.connecting(connect);
            if kind != "take-over" {
                world.lose(&flood);
            }
            let [timers, connections, sessions] = owned(&world);
            assert!(timers <= 1100, "{kind}: {timers} timers");
            assert!(connections <= 2 && sessions <= 2, "{kind}");
        }
        world.say(&watcher, "a", "served");
        assert_eq!(world.got(&watcher), ["PUBLISH a served"]);
        let log = world.log.take();
        assert!(log.iter().any(|line| line.starts_with("flood")), "{kind}");
    }
}

#[test]
fn b_17_a_flood_of_connects_over_its_quota_is_refused_by_name_and_owns_nothing() {
    let mut world = World::with(|config| config.quotas = Some(crate::Quotas::default()));
    for number in 0..5000 {
        let name = format!("flood-{}", number % 2);
        let flood = world.connecting(clean(V5, &name));
        let expected = if number < 2 { "00" } else { "97" };
        let got = codes(&world.got(&flood));
        assert_eq!(got[0], format!("CONNACK {expected}"));
        let [timers, connections, sessions] = owned(&world);
        assert!(timers <= 2 && connections <= 2 && sessions <= 2);
    }
    let mut log = world.log.take();
    log.retain(|line| line.contains("violated B-17: over the quota `connects-per-client`"));
    assert_eq!(log.len(), 4998, "one refusal, one line, as AWS logs it");
}

/// A transport that is there and says nothing; the time limit is the edge's, see its tests.
#[test]
fn half_open_connections_own_no_session_no_timer_and_no_buffer_and_are_named_when_they_end() {
    let mut world = World::new();
    let client = world.client(V3, "client");
    let before = owned(&world);
    let mut silent: Vec<_> = (0..5000).map(|_| world.open(V3)).collect();
    let [timers, connections, sessions] = owned(&world);
    assert_eq!([timers, sessions], [before[0], before[2]]);
    assert_eq!(connections, 5001);
    assert!(silent.iter().all(|one| one.outbox.waiting() == 0));
    world.subscribe(&client, &[("a", Q0)]);
    world.say(&client, "a", "served");
    assert_eq!(world.got(&client), ["PUBLISH a served"]);
    let last = silent.pop().unwrap();
    for one in silent {
        world.lose(&one);
    }
    let lines = logged(|| {
        world.call(|core, now| core.lost(now, last.key, "no CONNECT in time"));
    });
    assert_eq!(owned(&world), before);
    assert_eq!(lines.len(), 1);
    for part in ["192.0.2.1:40000", "certificate", "no CONNECT in time"] {
        assert!(lines[0].contains(part), "{lines:?}");
    }
}
