//! The Will, B.8, and the reasons of disconnection, D-9.

use thingwire_mqtt::{DecodeError, Packet, Properties, Property, ReasonCode, Will};

use super::*;
use crate::core::WILLS;

fn watched() -> (World, Device) {
    let mut world = World::new();
    let watcher = world.client(V5, "watcher");
    world.subscribe(&watcher, &[("will", Q1)]);
    (world, watcher)
}

#[test]
fn b_59_the_will_is_sent_on_every_end_but_the_clients_own() {
    for version in [V3, V5] {
        for case in [
            "lost",
            "bytes",
            "silence",
            "violation",
            "principal",
            "shutdown",
            "goodbye",
        ] {
            let (mut world, watcher) = watched();
            let connect = Connect {
                keep_alive: 30,
                ..clean(version, "device")
            };
            let device = world.connecting(with_will(connect, "will", Q0, false));
            world.got(&device);
            world.log.take();
            let (reason, sent) = match case {
                "lost" => {
                    world.lose(&device);
                    ("CONNECTION_LOST", true)
                }
                "bytes" => {
                    let error = DecodeError::Malformed("packet type");
                    world.call(|core, now| core.reject(now, device.key, &error, None));
                    ("CLIENT_ERROR", true)
                }
                "silence" => {
                    world.pass(45);
                    ("MQTT_KEEP_ALIVE_TIMEOUT", true)
                }
                "violation" => {
                    world.send(&device, &[Packet::PingResp]);
                    ("CLIENT_ERROR", true)
                }
                "principal" => {
                    // The watcher has the same principal, so its own end is not looked at.
                    let quiet = world.client(V3, "quiet");
                    world.subscribe(&quiet, &[("will", Q0)]);
                    world.lose(&device);
                    assert_eq!(world.got(&quiet), ["PUBLISH will gone"]);
                    ("CONNECTION_LOST", true)
                }
                "shutdown" => {
                    let (keeper, _) = world.persistent(V3, "keeper");
                    world.subscribe(&keeper, &[("will", Q1)]);
                    world.call(|core, now| core.shut_down(now));
                    ("SERVER_INITIATED_DISCONNECT", false)
                }
                _ => {
                    world.send(&device, &[goodbye(ReasonCode::SUCCESS)]);
                    ("CLIENT_INITIATED_DISCONNECT", false)
                }
            };
            let log = world.log.take();
            assert!(
                log.contains(&format!("device disconnected {reason}")),
                "{case} {log:?}"
            );
            let got = world.got(&watcher);
            assert_eq!(
                got.contains(&"PUBLISH will gone".into()),
                sent,
                "{case} {got:?}"
            );
        }
    }
}

#[test]
fn b_59_disconnect_04_of_mqtt_5_sends_the_will() {
    let (mut world, watcher) = watched();
    let device = world.connecting(with_will(clean(V5, "device"), "will", Q1, false));
    world.send(&device, &[goodbye(ReasonCode::DISCONNECT_WITH_WILL)]);
    assert_eq!(world.got(&watcher), ["PUBLISH #1 will gone"]);
}

#[test]
fn b_58_the_will_is_authorised_at_connect() {
    for (action, retain) in [(Action::Publish, false), (Action::RetainPublish, true)] {
        let (mut world, watcher) = watched();
        world.policy.deny(action, "will");
        let three = world.connecting(with_will(clean(V3, "three"), "will", Q0, retain));
        assert_eq!(world.got(&three), ["closed"]);
        let five = world.connecting(with_will(clean(V5, "five"), "will", Q0, retain));
        assert_eq!(codes(&world.got(&five)), ["CONNACK 87", "closed"]);
        assert!(world.got(&watcher).is_empty());
        assert!(
            world
                .log
                .take()
                .contains(&format!("three refused {action:?} will"))
        );
    }
    // Without RETAIN, RetainPublish is not asked.
    let (mut world, _) = watched();
    world.policy.deny(Action::RetainPublish, "will");
    let device = world.connecting(with_will(clean(V3, "device"), "will", Q0, false));
    assert_eq!(world.got(&device), ["CONNACK 00"]);
}

#[test]
fn b_58_a_policy_that_changes_after_connect_does_not_stop_the_will() {
    let (mut world, watcher) = watched();
    let device = world.connecting(with_will(clean(V3, "device"), "will", Q0, false));
    world.policy.deny(Action::Publish, "will");
    world.lose(&device);
    assert_eq!(world.got(&watcher), ["PUBLISH will gone"]);
}

#[test]
fn b_3_b_18_b_21_wills_that_cannot_be() {
    let long = "t".repeat(257);
    let cases = [
        ("will", Q2, false, "CONNACK 9b"),
        ("a/+", Q0, false, "CONNACK 90"),
        (&long[..], Q0, false, "CONNACK 90"),
        ("$SYS/x", Q0, false, "CONNACK 90"),
        ("$aws/things/t/shadow/update", Q0, true, "CONNACK 90"),
    ];
    for (topic, qos, retain, expected) in cases {
        let mut world = World::new();
        let five = world.connecting(with_will(clean(V5, "five"), topic, qos, retain));
        assert_eq!(codes(&world.got(&five)), [expected, "closed"], "{topic}");
        let three = world.connecting(with_will(clean(V3, "three"), topic, qos, retain));
        assert_eq!(world.got(&three), ["closed"], "{topic}");
    }
}

#[test]
fn b_18_connect_with_a_will_has_at_most_128_kb() {
    // A Will payload alone cannot exceed 65,535 bytes; with user properties CONNECT can.
    let payload = vec![b'x'; 65_535];
    let password = vec![b'p'; 65_535];
    let with = |user_name| Connect {
        will: Some(Will {
            topic: "will",
            payload: &payload,
            qos: Q0,
            retain: false,
            properties: Properties::EMPTY,
        }),
        user_name: Some(user_name),
        password: Some(&password),
        ..clean(V5, "device")
    };
    let mut world = World::new();
    let over = world.connecting(with("metrics"));
    assert_eq!(codes(&world.got(&over)), ["CONNACK 97", "closed"]);
    let fits = world.connecting(Connect {
        password: None,
        ..with("metrics")
    });
    assert_eq!(codes(&world.got(&fits)), ["CONNACK 00"]);
}

#[test]
fn b_60_will_properties_go_along_and_the_delay_is_ignored() {
    let (mut world, watcher) = watched();
    let list = [
        Property::WillDelayInterval(100),
        Property::MessageExpiryInterval(60),
        Property::ContentType("text/plain"),
    ];
    let mut connect = with_will(clean(V5, "device"), "will", Q0, false);
    connect.will = connect.will.map(|will| Will {
        properties: Properties::List(&list),
        ..will
    });
    let device = world.connecting(connect);
    // Its life begins with its publication.
    world.pass(100);
    world.lose(&device);
    assert_eq!(
        world.got(&watcher),
        ["PUBLISH will gone ContentType(\"text/plain\") MessageExpiryInterval(60)"]
    );
}

#[test]
fn a_retained_will_is_kept() {
    let (mut world, _) = watched();
    let device = world.connecting(with_will(clean(V3, "device"), "will", Q1, true));
    world.lose(&device);
    let late = world.client(V3, "late");
    assert_eq!(
        world.subscribe(&late, &[("will", Q0)]),
        ["SUBACK [00]", "PUBLISH retained will gone"]
    );
}

#[test]
fn the_will_of_a_refused_connect_is_never_sent() {
    let (mut world, watcher) = watched();
    world.policy.deny(Action::Connect, "device");
    let device = world.connecting(with_will(clean(V3, "device"), "will", Q0, false));
    world.lose(&device);
    assert!(world.got(&watcher).is_empty());
}

#[test]
fn b_61_a_will_to_a_reserved_topic_that_is_for_publishing_reaches_its_subscribers() {
    let mut world = World::new();
    let watcher = world.client(V3, "watcher");
    let topic = "$aws/things/kitchen/shadow/update";
    world.subscribe(&watcher, &[(topic, Q0)]);
    let device = world.connecting(with_will(clean(V3, "device"), topic, Q1, false));
    assert_eq!(world.got(&device), ["CONNACK 00"]);
    world.lose(&device);
    assert_eq!(world.got(&watcher), [format!("PUBLISH {topic} gone")]);
    // What is not for publishing is refused with the CONNECT (B-44, B-58).
    let topic = "$aws/things/kitchen/shadow/update/accepted";
    let device = world.connecting(with_will(clean(V3, "other"), topic, Q1, false));
    assert_eq!(world.got(&device), ["closed"]);
}

/// Persistent, so that it is still there after a crash.
fn kept_watcher(world: &mut World) {
    let (watcher, _) = world.persistent(V5, "watcher");
    world.subscribe(&watcher, &[("will", Q1)]);
    world.lose(&watcher);
}

/// What it gets after a crash: each time the same, for it acknowledges nothing.
fn kept_watcher_gets(world: &mut World) -> Vec<String> {
    let (_, mut got) = world.persistent(V5, "watcher");
    got.remove(0);
    got
}

#[test]
fn b_59_a_crash_of_the_broker_is_the_end_of_every_connection() {
    for version in [V3, V5] {
        let mut world = World::new();
        kept_watcher(&mut world);
        let device = world.connecting(with_will(clean(version, "device"), "will", Q1, true));
        assert_eq!(codes(&world.got(&device)), ["CONNACK 00"]);
        world.crash();
        assert_eq!(
            kept_watcher_gets(&mut world),
            ["PUBLISH #1 will gone"],
            "once"
        );
        world.pass(2);
        assert!(!world.tables.keys().any(|(table, _)| *table == WILLS));
        world.crash();
        let late = world.client(V5, "late");
        assert_eq!(
            world.subscribe(&late, &[("will", Q0)]),
            ["SUBACK [00]", "PUBLISH retained will gone"]
        );
        assert_eq!(kept_watcher_gets(&mut world).len(), 1, "once");
    }
}

/// Its policy was asked at CONNECT, and is not asked again.
#[test]
fn b_58_a_policy_that_changes_before_the_crash_does_not_stop_the_will() {
    let mut world = World::new();
    kept_watcher(&mut world);
    world.connecting(with_will(clean(V3, "device"), "will", Q1, false));
    world.policy.deny(Action::Publish, "will");
    world.crash();
    assert_eq!(kept_watcher_gets(&mut world), ["PUBLISH #1 will gone"]);
}

#[test]
fn a_will_that_was_taken_back_or_published_is_not_there_after_a_crash() {
    for case in ["goodbye", "lost", "replaced", "without"] {
        let mut world = World::new();
        kept_watcher(&mut world);
        let device = world.connecting(with_will(clean(V3, "device"), "will", Q1, false));
        let expected = match case {
            // At once: nobody waits for it, and yet it must not be published.
            "goodbye" => {
                world.send(&device, &[goodbye(ReasonCode::SUCCESS)]);
                0
            }
            "lost" => {
                world.lose(&device);
                world.pass(2);
                1
            }
            // Published before the last second, or again: there is one.
            "replaced" => {
                world.connecting(with_will(clean(V3, "device"), "other", Q1, false));
                1
            }
            _ => {
                world.client(V3, "device");
                1
            }
        };
        world.crash();
        let got = kept_watcher_gets(&mut world);
        assert_eq!(got.len(), expected, "{case}: {got:?}");
    }
}

#[test]
fn b_60_the_delay_counts_from_the_restart_and_the_client_that_is_back_stops_it() {
    let list = [Property::WillDelayInterval(60)];
    for back in [false, true] {
        let mut world = World::with(|config| config.behaviour = crate::Behaviour::Mqtt);
        let watch = |world: &mut World| {
            let watcher = world.client(V5, "watcher");
            world.subscribe(&watcher, &[("will", Q1)]);
            watcher
        };
        let mut connect = with_will(keeping(V5, "device"), "will", Q1, false);
        connect.will = connect.will.map(|will| Will {
            properties: Properties::List(&list),
            ..will
        });
        world.connecting(connect);
        world.pass(40);
        world.crash();
        world.pass(40);
        // What is left of it outlives a second crash.
        world.crash();
        let watcher = watch(&mut world);
        world.pass(19);
        assert!(world.got(&watcher).is_empty());
        if back {
            world.persistent(V5, "device");
            world.crash();
        }
        let watcher = if back { watch(&mut world) } else { watcher };
        world.pass(1);
        assert_eq!(world.got(&watcher).is_empty(), back);
        world.pass(100);
        assert!(world.got(&watcher).is_empty());
    }
}

#[test]
fn connack_promises_the_will_and_waits_for_the_disk() {
    for version in [V3, V5] {
        let mut world = World::new();
        kept_watcher(&mut world);
        world.disk = Disk::Waiting;
        // Without a Will nothing waits.
        let plain = world.connecting(clean(version, "plain"));
        assert_eq!(codes(&world.got(&plain)), ["CONNACK 00"]);
        let device = world.connecting(with_will(clean(version, "device"), "will", Q1, false));
        assert!(world.got(&device).is_empty());
        while world.batches() > 0 {
            world.disk_stores();
        }
        assert_eq!(codes(&world.got(&device)), ["CONNACK 00"]);
        // Refused: it has none.
        let other = world.connecting(with_will(clean(version, "other"), "will", Q1, false));
        world.disk_fails();
        let code = if version == V5 { "80" } else { "03" };
        assert_eq!(
            codes(&world.got(&other)),
            [format!("CONNACK {code}"), "closed".to_owned()]
        );
        world.disk = Disk::Quick;
        while world.batches() > 0 {
            world.disk_stores();
        }
        world.pass(2);
        assert_eq!(kept_watcher_gets(&mut world), [] as [&str; 0]);
    }
}

#[test]
fn an_orderly_stop_leaves_no_will_behind_but_one_that_waits() {
    let mut world = World::new();
    kept_watcher(&mut world);
    world.connecting(with_will(clean(V5, "device"), "will", Q1, false));
    world.call(|core, now| core.shut_down(now));
    assert!(!world.tables.keys().any(|(table, _)| *table == WILLS));
    world.crash();
    assert_eq!(kept_watcher_gets(&mut world), ["PUBLISH #1 will gone"]);
}

/// [MQTT-3.1.2-15] with [MQTT-3.3.1-13].
#[test]
fn b_61_a_retained_will_is_retained_for_who_wants_that_as_published() {
    let mut world = World::with(|config| config.behaviour = crate::Behaviour::Mqtt);
    let watcher = world.client(V5, "watcher");
    let filters = [SubscribeFilter {
        retain_as_published: true,
        ..SubscribeFilter::new("will", Q0)
    }];
    world.send(&watcher, &[subscribe(&filters)]);
    world.got(&watcher);
    for (retain, expected) in [
        (true, "PUBLISH retained will gone"),
        (false, "PUBLISH will gone"),
    ] {
        let device = world.connecting(with_will(clean(V5, "device"), "will", Q0, retain));
        world.lose(&device);
        assert_eq!(world.got(&watcher), [expected]);
    }
}

/// [MQTT-3.8.3-3]: its client published it.
#[test]
fn b_38_no_local_keeps_a_clients_own_will_from_it_and_from_nobody_else() {
    let filters = [SubscribeFilter {
        no_local: true,
        ..SubscribeFilter::new("will", Q1)
    }];
    let list = [Property::WillDelayInterval(60)];
    for case in ["now", "delay", "crash"] {
        let mut world = World::with(|config| config.behaviour = crate::Behaviour::Mqtt);
        let (watcher, _) = world.persistent(V5, "watcher");
        world.send(&watcher, &[subscribe(&filters)]);
        world.lose(&watcher);
        let mut connect = with_will(keeping(V5, "device"), "will", Q1, false);
        if case == "delay" {
            connect.will = connect.will.map(|will| Will {
                properties: Properties::List(&list),
                ..will
            });
        }
        let device = world.connecting(connect);
        world.send(&device, &[subscribe(&filters)]);
        if case == "crash" {
            world.pass(2);
            world.crash();
        } else {
            world.lose(&device);
        }
        world.pass(61);
        let (_, got) = world.persistent(V5, "device");
        assert_eq!(got, ["CONNACK 00 present"], "{case}");
        let (_, got) = world.persistent(V5, "watcher");
        assert_eq!(got.len(), 2, "{case}: {got:?}");
        assert!(got[1].ends_with(" will gone"), "{case}: {got:?}");
    }
}
