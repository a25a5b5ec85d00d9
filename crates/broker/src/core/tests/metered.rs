//! What quotas keep: timers and lists stay as few as what they are for, however long it goes on.

use super::*;
use crate::Quotas;

/// A world with AWS's quotas, and some of them changed.
fn world(changes: &[&str]) -> World {
    World::with(|config| {
        let mut quotas = Quotas {
            connects_per_client: 1000,
            ..Quotas::default()
        };
        for change in changes {
            quotas.set_text(change).unwrap();
        }
        config.quotas = Some(quotas);
    })
}

/// Every session's messages in flight are in the order of their sequence numbers, by which they are found.
fn assert_sorted(world: &World) {
    for (_, session) in world.core.sessions.iter() {
        let sent: Vec<_> = session.in_flight.iter().map(|sent| sent.sequence).collect();
        assert!(sent.is_sorted(), "{sent:?}");
    }
}

#[test]
fn b_49_one_timer_is_set_for_all_that_is_in_flight() {
    let mut world = world(&["retry-seconds-v3=30", "retry-seconds-v5=10"]);
    let three = world.client(V3, "three");
    let five = world.client(V5, "five");
    let from = world.client(V3, "from");
    for device in [&three, &five] {
        world.subscribe(device, &[("a", Q1)]);
    }
    for id in 1..=60 {
        world.say1(&from, "a", "x", id);
        for device in [&three, &five, &from] {
            world.send(device, &[Packet::PingReq]);
            world.got(device);
        }
        world.pass(1);
        // Three of keep-alive, the store's, and this.
        assert!(world.core.timers.len() <= 6, "{}", world.core.timers.len());
    }
    // Each is given up at its time: the last thirty and the last ten are left.
    let in_flight = |world: &World| -> Vec<_> {
        let connections = world.core.connections();
        connections.iter().map(|one| one.in_flight).collect()
    };
    let mut left = in_flight(&world);
    left.sort_unstable();
    assert_eq!(left, [0, 9, 29]);
    world.pass(30);
    assert_eq!(in_flight(&world), [0, 0, 0]);
}

#[test]
fn b_49_what_was_acknowledged_is_not_kept_until_its_time() {
    let mut world = world(&["publishes-per-connection=100000"]);
    let device = world.client(V5, "device");
    world.subscribe(&device, &[("a", Q1)]);
    let from = world.client(V3, "from");
    // One that is never acknowledged is before all others.
    world.say1(&from, "a", "first", 1);
    for id in 2..=5000 {
        world.say1(&from, "a", "x", id);
        world.ack(&device, id);
        world.got(&device);
        world.got(&from);
    }
    let kept = world.core.meter.as_ref().unwrap().watched();
    assert!(kept <= 1025, "{kept}");
    world.pass(960);
    assert_eq!(world.core.statistics().dropped, 1, "the first is given up");
}

#[test]
fn b_28_b_45_one_connection_has_one_timer_for_what_waits() {
    let mut world = world(&[
        "stored-deliveries=1",
        "publishes-per-connection=10",
        "retry-seconds-v3=100000",
    ]);
    let filters = [("stored", Q1), ("$share/g/live", Q0)];
    let (device, _) = world.persistent(V3, "device");
    world.subscribe(&device, &filters);
    world.lose(&device);
    let from = world.client(V3, "from");
    for id in 1..=9 {
        world.say1(&from, "stored", "x", id);
        world.pass(1);
    }
    let device = world.connecting(keeping(V3, "device"));
    let before = world.core.timers.len();
    let others: Vec<_> = (0..5)
        .map(|number| world.client(V3, &format!("other{number}")))
        .collect();
    let before = before + others.len();
    let mut stored = 1;
    for _ in 0..5 {
        // More than its ten a second: the next token is sooner than the next stored message.
        for _ in 0..10 {
            for other in &others {
                world.say(other, "live", "x");
            }
            world.advance_to(world.now.monotonic.plus(100));
            world.call(|core, now| core.handle_timeout(now));
        }
        let got = world.got(&device);
        stored += got.iter().filter(|line| line.contains("stored")).count();
        let now = world.core.timers.len();
        assert!(now <= before + 3, "{now} timers, {before} before");
    }
    assert!(stored > 3, "{stored}");
}

#[test]
fn what_is_in_flight_stays_in_order_when_a_group_has_something_while_stored_messages_wait() {
    for backlog in [false, true] {
        let mut world = world(&["stored-deliveries=1"]);
        let (device, _) = world.persistent(V3, "device");
        world.subscribe(&device, &[("stored", Q1), ("$share/g/a", Q1)]);
        world.lose(&device);
        let from = world.client(V3, "from");
        for id in 1..=3 {
            world.say1(&from, "stored", &id.to_string(), id);
        }
        if backlog {
            world.say1(&from, "a", "shared", 4);
        }
        let (device, mut got) = world.persistent(V3, "device");
        if !backlog {
            world.say1(&from, "a", "shared", 4);
        }
        got.extend(world.got(&device));
        assert_sorted(&world);
        for _ in 0..3 {
            world.pass(1);
            got.extend(world.got(&device));
            assert_sorted(&world);
        }
        assert_eq!(
            got,
            [
                "CONNACK 00 present",
                "PUBLISH #1 stored 1",
                "PUBLISH #2 stored 2",
                "PUBLISH #3 stored 3",
                "PUBLISH #4 a shared"
            ]
        );
    }
}

/// A publish with QoS 1 and these properties.
fn stored<'a>(id: u16, payload: &'a str, list: &'a [Property<'a>]) -> Packet<'a> {
    Packet::Publish(Publish {
        qos: Q1,
        packet_id: PacketId::new(id),
        properties: Properties::List(list),
        ..message("a", payload)
    })
}

#[test]
fn b_28_what_is_dropped_of_the_backlog_takes_no_token_of_what_is_sent() {
    let mut world = world(&["stored-deliveries=10"]);
    let (device, _) = world.persistent(V5, "device");
    world.subscribe(&device, &[("a", Q1)]);
    world.lose(&device);
    let from = world.client(V5, "from");
    let short = [Property::MessageExpiryInterval(10)];
    for id in 1..=50 {
        world.send(&from, &[stored(id, "expires", &short)]);
    }
    for id in 51..=61 {
        world.send(&from, &[stored(id, "live", &[])]);
    }
    world.pass(11);
    let (device, got) = world.persistent(V5, "device");
    assert_eq!(got.len(), 1 + 10, "{got:?}");
    assert_eq!(got[1], "PUBLISH #1 a live");
    world.pass(1);
    assert_eq!(world.got(&device), ["PUBLISH #11 a live"]);
    // The backlog is gone: what comes now is live.
    for id in 62..=81 {
        world.send(&from, &[stored(id, "new", &[])]);
    }
    assert_eq!(world.got(&device).len(), 20);
}

#[test]
fn b_45_what_is_too_large_for_its_subscriber_takes_no_token_of_it() {
    for filter in ["a", "$share/g/a"] {
        let mut world = world(&["publishes-per-connection=10"]);
        let list = [Property::MaximumPacketSize(512)];
        let device = world.connecting(Connect {
            properties: Properties::List(&list),
            ..clean(V5, "device")
        });
        world.got(&device);
        world.subscribe(&device, &[(filter, Q1)]);
        let large = "x".repeat(512);
        for client_id in ["one", "two"] {
            let from = world.client(V3, client_id);
            let payload = if client_id == "one" { &*large } else { "small" };
            for _ in 0..10 {
                world.say(&from, "a", payload);
            }
        }
        let got = world.got(&device);
        assert_eq!(got.len(), 10, "{filter}: {got:?}");
    }
}

#[test]
fn b_65_a_publish_that_one_quota_refuses_takes_no_token_of_the_others() {
    let changes = [
        "inbound-publishes=10",
        "retained-publishes=3",
        "retained-per-topic=1",
        "retained-messages=3",
    ];
    let mut world = world(&changes);
    let from = world.client(V3, "from");
    for _ in 0..20 {
        world.send(&from, &[retained("a", "x")]);
    }
    world.send(&from, &[retained("b", "x"), retained("c", "x")]);
    assert_eq!(world.core.statistics().retained, 3);
    // No room for more; that takes none either.
    for number in 0..20 {
        world.send(&from, &[retained(&format!("d{number}"), "x")]);
    }
    let watcher = world.client(V3, "watcher");
    world.subscribe(&watcher, &[("e", Q0)]);
    for _ in 0..10 {
        world.say(&from, "e", "x");
    }
    assert_eq!(world.got(&watcher).len(), 7, "ten, without three retained");
}

#[test]
fn b_17_a_connect_that_one_quota_refuses_takes_no_token_of_the_others() {
    let mut world = world(&["connects=5", "connects-per-client=1"]);
    let connecting = |world: &mut World, name: &str| {
        let device = world.connecting(clean(V5, name));
        codes(&world.got(&device))[0].clone()
    };
    for _ in 0..10 {
        connecting(&mut world, "greedy");
    }
    for name in ["a", "b", "c", "d"] {
        assert_eq!(connecting(&mut world, name), "CONNACK 00", "{name}");
    }
    assert_eq!(connecting(&mut world, "e"), "CONNACK 97");
    // What was refused by the account's rate took none of the client's.
    world.pass(1);
    assert_eq!(connecting(&mut world, "e"), "CONNACK 00");
}

#[test]
fn b_40_b_71_a_subscribe_that_one_quota_refuses_takes_no_token_of_the_others() {
    let changes = ["subscribes=6", "shared-subscribes=3", "shared-members=1"];
    let mut world = world(&changes);
    let first = world.client(V5, "first");
    let second = world.client(V5, "second");
    let filter = [("$share/g/a", Q1)];
    let granted = |got: Vec<String>| codes(&got)[0] == "SUBACK [01]";
    assert!(granted(world.subscribe(&first, &filter)));
    // The group is full: neither its rate nor the account's is used up.
    for _ in 0..10 {
        assert!(!granted(world.subscribe(&second, &filter)));
    }
    for _ in 0..2 {
        assert!(granted(world.subscribe(&first, &filter)));
    }
    // Over the group's rate, which takes none of the account's.
    for _ in 0..10 {
        assert!(!granted(world.subscribe(&first, &filter)));
    }
    for topic in ["x", "y", "z"] {
        assert!(granted(world.subscribe(&second, &[(topic, Q1)])));
    }
    assert!(!granted(world.subscribe(&second, &[("last", Q1)])));
}

#[test]
fn b_28_what_finds_a_queue_full_takes_no_token_of_what_waits_for_others() {
    let mut world = World::with(|config| {
        let mut quotas = Quotas::default();
        quotas.set_text("queued-messages=5").unwrap();
        quotas.set_text("connects-per-client=1000").unwrap();
        config.quotas = Some(quotas);
        config.memory.queued_messages = 2;
    });
    for name in ["full", "empty"] {
        let (device, _) = world.persistent(V3, name);
        world.subscribe(&device, &[(name, Q1)]);
        world.lose(&device);
    }
    let from = world.client(V3, "from");
    for id in 1..=20 {
        world.say1(&from, "full", "x", id);
    }
    for id in 21..=22 {
        world.say1(&from, "empty", "x", id);
    }
    let (_, got) = world.persistent(V3, "empty");
    assert_eq!(got.len(), 1 + 2, "{got:?}");
}

/// The time is that of the message, not that of a connection.
#[test]
fn b_49_the_time_goes_on_over_connections_and_while_the_client_is_away() {
    for away in [false, true] {
        let mut world = world(&["retry-seconds-v3=100"]);
        let (mut device, _) = world.persistent(V3, "device");
        world.subscribe(&device, &[("a", Q1)]);
        let from = world.client(V3, "from");
        world.say1(&from, "a", "never acknowledged", 1);
        world.got(&device);
        for round in 1..10 {
            world.pass(9);
            world.lose(&device);
            // What was not sent yet has its whole time still.
            if away && round == 9 {
                world.say1(&from, "a", "new", 2);
                break;
            }
            world.pass(1);
            let (again, got) = world.persistent(V3, "device");
            assert_eq!(got.len(), 2, "{got:?}");
            assert_eq!(world.core.meter.as_ref().unwrap().watched(), 1);
            device = again;
        }
        world.pass(15);
        assert_eq!(world.core.statistics().dropped, 1);
        if !away {
            world.lose(&device);
        }
        // It is gone from the disk too.
        world.pass(2);
        world.crash();
        let (_, got) = world.persistent(V3, "device");
        let left: &[&str] = if away { &["PUBLISH #1 a new"] } else { &[] };
        assert_eq!(got[1..], *left);
    }
}
