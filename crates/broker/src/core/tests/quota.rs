//! Quotas: each rate where it is counted, in simulated time. Without them nothing of this happens, which the other tests show.

use thingwire_mqtt::{ReasonCode, SubscribeFilter};

use super::*;
use crate::Quotas;

/// A world with AWS's quotas, and one of them changed.
fn world(change: &str) -> World {
    World::with(|config| {
        let mut quotas = Quotas {
            connects_per_client: 1000,
            ..Quotas::default()
        };
        quotas.set_text(change).unwrap();
        config.quotas = Some(quotas);
    })
}

/// How many lines are PUBLISH.
fn publishes(lines: &[String]) -> usize {
    lines
        .iter()
        .filter(|line| line.starts_with("PUBLISH"))
        .count()
}

#[test]
fn b_17_connects_are_refused_over_their_rates_and_the_number_of_connections() {
    for (change, quota) in [
        ("connects-per-client=1", "connects-per-client"),
        ("connects=1", "connects"),
        ("connections=1", "connections"),
    ] {
        let mut world = world(change);
        let first = world.client(V5, "device");
        let (second, third) = (clean(V5, "device"), clean(V3, "device"));
        let five = world.connecting(second);
        assert_eq!(
            codes(&world.got(&five)),
            ["CONNACK 97", "closed"],
            "{quota}"
        );
        let three = world.connecting(third);
        assert_eq!(world.got(&three), ["CONNACK 03", "closed"]);
        let log = world.log.take().join("\n");
        assert!(
            log.contains(&format!("violated B-17: over the quota `{quota}` (1)")),
            "{log}"
        );
        // The older connection of the client id was left alone.
        assert!(world.got(&first).is_empty());
        world.pass(1);
        world.lose(&first);
        let again = world.connecting(second);
        assert_eq!(codes(&world.got(&again)), ["CONNACK 00"], "{quota}");
    }
}

#[test]
fn b_45_more_publishes_a_second_are_discarded_and_the_connection_stays() {
    for version in [V3, V5] {
        let mut world = world("publishes-per-connection=10");
        let device = world.client(version, "device");
        for id in 1..=12 {
            world.say1(&device, "a", "x", id);
            world.say(&device, "a", "x");
        }
        let got = codes(&world.got(&device));
        let success = got.iter().filter(|line| line.ends_with(" 00")).count();
        assert_eq!(success, 5, "five of each in turn");
        let told = got.iter().filter(|line| line.ends_with(" 97")).count();
        // MQTT 3.1.1 has no way to say it: no PUBACK.
        assert_eq!(told, if version == V5 { 7 } else { 0 }, "{got:?}");
        let log = world.log.take().join("\n");
        assert_eq!(
            log.matches("over the quota `publishes-per-connection` (10)")
                .count(),
            1
        );
        world.pass(1);
        world.say1(&device, "a", "x", 99);
        assert_eq!(codes(&world.got(&device)), ["PUBACK #99 00"]);
    }
}

#[test]
fn b_45_outbound_publishes_count_too() {
    let mut world = world("publishes-per-connection=10");
    let device = world.client(V3, "device");
    world.subscribe(&device, &[("zero", Q0), ("one", Q1)]);
    for number in 0..2 {
        let from = world.client(V3, &format!("from{number}"));
        for id in 1..=4 {
            world.say(&from, "zero", "x");
            world.say1(&from, "one", "x", id);
        }
    }
    assert_eq!(publishes(&world.got(&device)), 10);
    // What was QoS 0 is gone; QoS 1 waits for its turn.
    assert_eq!(world.core.statistics().dropped, 3);
    world.pass(1);
    assert_eq!(publishes(&world.got(&device)), 3);
}

#[test]
fn b_46_bytes_over_the_rate_are_delayed_not_dropped_in_both_directions() {
    let mut world = world("bytes-per-connection=1000");
    let device = world.client(V3, "device");
    world.subscribe(&device, &[("a", Q0)]);
    let from = world.client(V3, "from");
    let text = "x".repeat(999);
    // Its publisher has used up its second; it is not read from for a while.
    world.say(&from, "a", &text);
    world.say(&from, "a", &text);
    assert!(from.outbox.paused());
    assert_eq!(publishes(&world.got(&device)), 0, "the receiver rests too");
    world.pass(1);
    assert!(from.outbox.paused(), "not all of the debt is paid");
    world.pass(1);
    assert!(!from.outbox.paused());
    assert_eq!(publishes(&world.got(&device)), 2, "nothing was lost");
    assert!(
        world
            .log
            .take()
            .join("\n")
            .contains("over the quota `bytes-per-connection` (1000)")
    );
}

#[test]
fn b_46_what_a_resting_connection_is_owed_leaves_when_it_is_closed() {
    let mut world = world("bytes-per-connection=300");
    let device = world.client(V5, "device");
    world.subscribe(&device, &[("a", Q0)]);
    let from = world.client(V5, "from");
    world.say(&from, "a", &"x".repeat(1000));
    assert_eq!(publishes(&world.got(&device)), 0);
    world.call(|core, now| core.shut_down(now));
    let got = world.got(&device);
    assert_eq!(publishes(&got), 1);
    assert_eq!(got.last().map(String::as_str), Some("closed"));
}

#[test]
fn b_28_stored_messages_come_ten_a_second_beside_live_ones() {
    let mut world = world("stored-deliveries=10");
    let (device, _) = world.persistent(V3, "device");
    world.subscribe(&device, &[("a", Q1)]);
    world.lose(&device);
    let from = world.client(V3, "from");
    for id in 1..=25 {
        world.say1(&from, "a", &id.to_string(), id);
    }
    let device = world.connecting(keeping(V3, "device"));
    assert_eq!(publishes(&world.got(&device)), 10);
    let mut all = 10;
    for _ in 0..10 {
        world.pass(1);
        all += publishes(&world.got(&device));
        assert!(all <= 25);
        if all == 20 {
            break;
        }
    }
    assert_eq!(all, 20, "one more second brought ten more");
    world.pass(1);
    assert_eq!(publishes(&world.got(&device)), 5);
    // The backlog is gone: what comes now is live.
    for id in 30..=60 {
        world.say1(&from, "a", "x", id);
    }
    assert_eq!(publishes(&world.got(&device)), 31);
}

#[test]
fn b_28_messages_beyond_the_accounts_rate_do_not_wait() {
    let mut world = world("queued-messages=5");
    let (device, _) = world.persistent(V3, "device");
    world.subscribe(&device, &[("a", Q1)]);
    world.lose(&device);
    let from = world.client(V3, "from");
    for id in 1..=8 {
        world.say1(&from, "a", "x", id);
    }
    assert_eq!(world.got(&from).len(), 8, "AWS acknowledges what it drops");
    let (_, got) = world.persistent(V3, "device");
    assert_eq!(publishes(&got), 5);
}

#[test]
fn b_49_what_is_not_acknowledged_in_time_is_dropped() {
    for (version, seconds) in [(V3, 3600), (V5, 960)] {
        let mut world = world("connects=3000");
        let (device, _) = world.persistent(version, "device");
        world.subscribe(&device, &[("a", Q1)]);
        let from = world.client(V3, "from");
        for id in 1..=2 {
            world.say1(&from, "a", &id.to_string(), id);
        }
        assert_eq!(publishes(&world.got(&device)), 2);
        world.ack(&device, 1);
        let mut left = seconds;
        while left > 0 {
            // Keep-alive is half an hour at most.
            let step = left.min(900);
            world.send(&device, &[Packet::PingReq]);
            left -= step;
            if left == 0 {
                world.pass(step - 1);
                assert_eq!(world.core.connections()[0].in_flight, 1);
                world.pass(1);
            } else {
                world.pass(step);
            }
        }
        assert_eq!(world.core.connections()[0].in_flight, 0, "{version:?}");
        world.got(&device);
        world.lose(&device);
        let (_, got) = world.persistent(version, "device");
        assert_eq!(publishes(&got), 0, "it is not sent again");
    }
}

#[test]
fn b_40_b_71_subscribing_over_a_rate_or_a_number_is_refused_in_suback() {
    for (change, filters, quota) in [
        ("subscribes=2", ["a", "b", "c"], "subscribes"),
        ("subscriptions=2", ["a", "b", "c"], "subscriptions"),
        (
            "shared-groups=2",
            ["$share/a/x", "$share/b/x", "$share/c/x"],
            "shared-groups",
        ),
    ] {
        for (version, code) in [(V3, "80"), (V5, "97")] {
            let mut world = world(change);
            let device = world.client(version, "device");
            let filters: Vec<_> = filters
                .iter()
                .map(|filter| SubscribeFilter::new(filter, Q1))
                .collect();
            // One by one, because a packet is granted as a whole.
            let got: Vec<_> = filters
                .iter()
                .flat_map(|filter| {
                    world.send(&device, &[subscribe(&[*filter])]);
                    codes(&world.got(&device))
                })
                .collect();
            let last = format!("SUBACK [{code}]");
            assert_eq!(got, ["SUBACK [01]", "SUBACK [01]", &last], "{quota}");
            let log = world.log.take().join("\n");
            assert!(
                log.contains(&format!("over the quota `{quota}` (2)")),
                "{log}"
            );
        }
    }
}

#[test]
fn b_71_a_group_has_so_many_members_and_subscribes_a_second() {
    for (change, quota) in [
        ("shared-members=2", "shared-members"),
        ("shared-subscribes=2", "shared-subscribes"),
    ] {
        let mut world = world(change);
        let got: Vec<_> = (0..3)
            .flat_map(|number| {
                let device = world.client(V5, &format!("device{number}"));
                codes(&world.subscribe(&device, &[("$share/g/a", Q1)]))
            })
            .collect();
        assert_eq!(
            got,
            ["SUBACK [01]", "SUBACK [01]", "SUBACK [97]"],
            "{quota}"
        );
    }
}

#[test]
fn b_69_what_waits_in_a_group_comes_twenty_a_second_to_each_member() {
    let mut world = world("shared-deliveries=20");
    let (keeper, _) = world.persistent(V3, "keeper");
    world.subscribe(&keeper, &[("$share/g/a", Q1)]);
    world.lose(&keeper);
    let from = world.client(V3, "from");
    for id in 1..=70 {
        world.say1(&from, "a", "x", id);
    }
    let keeper = world.connecting(keeping(V3, "keeper"));
    let helper = world.client(V3, "helper");
    let mut got = publishes(&world.subscribe(&helper, &[("$share/g/a", Q1)]));
    got += publishes(&world.got(&keeper));
    assert_eq!(got, 40);
    world.pass(1);
    let got = publishes(&world.got(&helper)) + publishes(&world.got(&keeper));
    assert_eq!(got, 30);
}

#[test]
fn b_65_retained_messages_have_rates_and_a_number() {
    for (change, topics, quota) in [
        (
            "retained-publishes=2",
            ["a", "b", "c"],
            "retained-publishes",
        ),
        (
            "retained-per-topic=2",
            ["a", "a", "a"],
            "retained-per-topic",
        ),
    ] {
        let mut world = world(change);
        if quota == "retained-publishes" {
            // Not the other one.
            world = self::world("retained-publishes=2");
        }
        let device = world.client(V5, "device");
        for (id, topic) in (1..).zip(topics) {
            world.send(
                &device,
                &[Packet::Publish(Publish {
                    retain: true,
                    qos: Q1,
                    packet_id: PacketId::new(id),
                    ..message(topic, "x")
                })],
            );
        }
        assert_eq!(
            codes(&world.got(&device)),
            ["PUBACK #1 00", "PUBACK #2 00", "PUBACK #3 97"],
            "{quota}"
        );
        assert!(
            world
                .log
                .take()
                .join("\n")
                .contains(&format!("B-65: over the quota `{quota}` (2)"))
        );
    }
    let mut world = world("retained-messages=1");
    let device = world.client(V5, "device");
    world.send(&device, &[retained("a", "x")]);
    world.log.take();
    for retained in [retained("b", "x"), retained("a", "y"), retained("a", "")] {
        world.pass(1);
        world.send(&device, &[retained]);
    }
    assert_eq!(world.core.statistics().retained, 0, "replaced and removed");
    let told = "device violated B-65: over the quota `retained-messages` (1)";
    assert_eq!(world.log.take(), [told]);
    assert!(world.got(&device).is_empty(), "and the connection stays");
}

#[test]
fn the_accounts_rates_of_publishes_count_all_connections() {
    let mut world = world("inbound-publishes=3");
    let [one, two] = ["one", "two"].map(|id| world.client(V5, id));
    for id in 1..=2 {
        world.say1(&one, "a", "x", id);
        world.say1(&two, "a", "x", id);
    }
    assert_eq!(codes(&world.got(&one)), ["PUBACK #1 00", "PUBACK #2 00"]);
    assert_eq!(codes(&world.got(&two)), ["PUBACK #1 00", "PUBACK #2 97"]);
    let mut world = self::world("outbound-publishes=2");
    let device = world.client(V5, "device");
    world.subscribe(&device, &[("a", Q0)]);
    for _ in 0..3 {
        world.say(&device, "a", "x");
    }
    assert_eq!(publishes(&world.got(&device)), 2);
    world.send(&device, &[goodbye(ReasonCode::SUCCESS)]);
}

#[test]
fn b_65_a_storm_of_retained_messages_over_their_number_is_a_line_a_minute() {
    let mut world = world("retained-messages=1");
    let device = world.client(V5, "device");
    world.send(&device, &[retained("a", "x")]);
    world.log.take();
    for second in 0..=60 {
        world.send(&device, &[retained(&format!("b{second}"), "x")]);
        world.pass(1);
    }
    let told = "device violated B-65: over the quota `retained-messages` (1)";
    let again = format!("{told} (59 more were refused in the meantime)");
    assert_eq!(world.log.take(), [told, &again]);
}
