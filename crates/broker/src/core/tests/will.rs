//! The Will, B.8, and the reasons of disconnection, D-9.

use thingwire_mqtt::{DecodeError, Packet, Properties, Property, ReasonCode, Will};

use super::*;

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
