//! Retained messages, B.9.

use thingwire_mqtt::{Packet, Properties, Property, Publish};

use super::*;

#[test]
fn b_62_b_63_the_last_message_of_a_topic_is_given_to_new_subscribers_with_the_flag() {
    for version in [V3, V5] {
        let mut world = World::new();
        let device = world.client(version, "device");
        world.subscribe(&device, &[("a", Q0)]);
        world.send(&device, &[retained("a", "1"), retained("a", "2")]);
        // The flag is 0 for those who were there.
        assert_eq!(world.got(&device), ["PUBLISH a 1", "PUBLISH a 2"]);
        let late = world.client(version, "late");
        assert_eq!(
            world.subscribe(&late, &[("a", Q1)]),
            ["SUBACK [01]", "PUBLISH retained a 2"]
        );
        // Every SUBSCRIBE brings it again (3.8.4).
        assert_eq!(
            world.subscribe(&late, &[("a", Q1)]),
            ["SUBACK [01]", "PUBLISH retained a 2"]
        );
    }
}

#[test]
fn b_62_an_empty_payload_removes_it_and_is_delivered_itself() {
    let mut world = World::new();
    let device = world.client(V3, "device");
    world.subscribe(&device, &[("a", Q0)]);
    world.send(&device, &[retained("a", "1"), retained("a", "")]);
    assert_eq!(world.got(&device), ["PUBLISH a 1", "PUBLISH a "]);
    let late = world.client(V3, "late");
    assert_eq!(world.subscribe(&late, &[("a", Q0)]), ["SUBACK [00]"]);
    assert_eq!(world.core.statistics().retained, 0);
}

#[test]
fn b_37_never_for_a_filter_with_wildcards() {
    let mut world = World::new();
    let device = world.client(V3, "device");
    world.send(&device, &[retained("a/b", "x")]);
    assert_eq!(
        world.subscribe(&device, &[("a/+", Q0), ("#", Q0)]),
        ["SUBACK [00, 00]"]
    );
    assert_eq!(
        world.subscribe(&device, &[("a/b", Q0)]),
        ["SUBACK [00]", "PUBLISH retained a/b x"]
    );
}

#[test]
fn b_48_a_retained_message_has_the_lower_qos_and_is_acknowledged() {
    let mut world = World::new();
    let device = world.client(V3, "device");
    let publish = Publish {
        retain: true,
        qos: Q1,
        packet_id: PacketId::new(4),
        ..message("a", "x")
    };
    world.send(&device, &[Packet::Publish(publish)]);
    assert_eq!(world.got(&device), ["PUBACK #4 00"]);
    assert_eq!(
        world.subscribe(&device, &[("a", Q1)]),
        ["SUBACK [01]", "PUBLISH #1 retained a x"]
    );
    world.ack(&device, 1);
    assert_eq!(
        world.subscribe(&device, &[("a", Q0)]),
        ["SUBACK [00]", "PUBLISH retained a x"]
    );
}

#[test]
fn b_55_a_retained_message_needs_receive_too() {
    let mut world = World::new();
    world.policy.deny(Action::Receive, "a");
    let device = world.client(V3, "device");
    world.send(&device, &[retained("a", "x")]);
    world.log.take();
    assert_eq!(world.subscribe(&device, &[("a", Q0)]), ["SUBACK [00]"]);
    assert_eq!(world.subscribe(&device, &[("a", Q1)]), ["SUBACK [01]"]);
    assert_eq!(
        world.log.take(),
        [
            "device subscribed a",
            "device refused Receive a",
            "device subscribed a"
        ]
    );
}

#[test]
fn b_65_b_74_a_retained_message_expires() {
    let mut world = World::new();
    let device = world.client(V5, "device");
    let list = [Property::MessageExpiryInterval(10)];
    let publish = Publish {
        retain: true,
        properties: Properties::List(&list),
        ..message("a", "x")
    };
    world.send(&device, &[Packet::Publish(publish)]);
    world.pass(9);
    assert_eq!(
        world.subscribe(&device, &[("a", Q0)]),
        [
            "SUBACK [00]",
            "PUBLISH retained a x MessageExpiryInterval(1)"
        ]
    );
    world.pass(1);
    assert_eq!(world.subscribe(&device, &[("a", Q0)]), ["SUBACK [00]"]);
    assert_eq!(world.core.statistics().retained, 0);
    // And from the disk.
    world.pass(2);
    assert!(world.tables.is_empty());
}

#[test]
fn b_65_there_is_a_most_of_retained_messages() {
    let mut world = World::with(|config| config.memory.retained_messages = 2);
    let device = world.client(V5, "device");
    let keep = |topic, id, payload| {
        Packet::Publish(Publish {
            retain: true,
            qos: Q1,
            packet_id: PacketId::new(id),
            ..message(topic, payload)
        })
    };
    world.send(
        &device,
        &[
            keep("a", 1, "x"),
            keep("b", 2, "x"),
            keep("c", 3, "x"),
            keep("a", 4, "y"),
        ],
    );
    assert_eq!(
        codes(&world.got(&device)),
        [
            "PUBACK #1 00",
            "PUBACK #2 00",
            "PUBACK #3 97",
            "PUBACK #4 00"
        ]
    );
    world.send(&device, &[keep("b", 5, ""), keep("c", 6, "x")]);
    assert_eq!(codes(&world.got(&device)), ["PUBACK #5 00", "PUBACK #6 00"]);
    // MQTT 3.1.1 keeps what got no PUBACK.
    let three = world.client(V3, "three");
    world.send(&three, &[keep("d", 1, "x"), Packet::PingReq]);
    assert_eq!(world.got(&three), ["PINGRESP"]);
}

/// A retained publish with QoS 1 and these properties.
fn keep<'a>(topic: &'a str, id: u16, payload: &'a str, list: &'a [Property<'a>]) -> Packet<'a> {
    Packet::Publish(Publish {
        retain: true,
        qos: Q1,
        packet_id: PacketId::new(id),
        properties: Properties::List(list),
        ..message(topic, payload)
    })
}

#[test]
fn b_65_b_74_what_has_expired_makes_room_for_what_is_retained_next() {
    for bound in ["messages", "bytes", "quota"] {
        let mut world = World::with(|config| match bound {
            "messages" => config.memory.retained_messages = 2,
            "bytes" => config.memory.retained_bytes = 20,
            _ => {
                config.quotas = Some(crate::Quotas {
                    retained_messages: 2,
                    ..crate::Quotas::default()
                });
            }
        });
        let device = world.client(V5, "device");
        let short = [Property::MessageExpiryInterval(10)];
        world.send(
            &device,
            &[keep("a", 1, "x", &short), keep("b", 2, "x", &[])],
        );
        world.got(&device);
        let payload = "x".repeat(15);
        let third = |id| keep("c", id, &payload, &[]);
        world.send(&device, &[third(3)]);
        assert_eq!(codes(&world.got(&device)), ["PUBACK #3 97"], "{bound}");
        world.pass(11);
        world.send(&device, &[third(4)]);
        assert_eq!(codes(&world.got(&device)), ["PUBACK #4 00"], "{bound}");
        assert_eq!(world.core.statistics().retained, 2);
        world.crash();
        assert_eq!(world.core.statistics().retained, 2, "its row is gone too");
    }
}

#[test]
fn b_65_b_72_over_the_bound_what_is_not_larger_may_replace_and_properties_count() {
    let mut world = World::with(|config| config.memory.retained_bytes = 100);
    let device = world.client(V5, "device");
    let list = [Property::ContentType("text/plain")];
    let payload = "x".repeat(86);
    // 1 + 86 + 13.
    world.send(&device, &[keep("a", 1, &payload, &list)]);
    assert_eq!(codes(&world.got(&device)), ["PUBACK #1 00"]);
    assert_eq!(world.core.statistics().retained_bytes, 100);
    let longer = "x".repeat(87);
    world.send(&device, &[keep("a", 2, &longer, &list)]);
    let got = world.got(&device);
    assert_eq!(codes(&got), ["PUBACK #2 97"]);
    assert!(got[0].contains("100 that may be kept"), "{got:?}");
    assert!(got[0].contains("`retained-bytes`"), "{got:?}");
    // A restart with a lower bound: what is there may still be replaced by what is not larger.
    world.pass(2);
    world.config.memory.retained_bytes = 50;
    world.crash();
    let device = world.client(V5, "device");
    world.send(
        &device,
        &[keep("a", 3, &payload, &list), keep("a", 4, "x", &[])],
    );
    assert_eq!(codes(&world.got(&device)), ["PUBACK #3 00", "PUBACK #4 00"]);
}

#[test]
fn b_65_without_room_a_retained_qos_0_message_is_discarded_and_the_connection_stays() {
    for version in [V3, V5] {
        let mut world = World::with(|config| config.memory.retained_bytes = 10);
        let device = world.client(version, "device");
        let payload = "x".repeat(10);
        world.send(&device, &[retained("a", &payload), Packet::PingReq]);
        assert_eq!(world.got(&device), ["PINGRESP"]);
        assert_eq!(world.core.statistics().refused_publishes, 1);
        assert_eq!(world.core.statistics().retained, 0);
    }
}

/// Whoever resumes the session after a crash does not subscribe again, and would never get what SUBACK announced.
#[test]
fn b_63_what_a_repeated_subscribe_brings_again_is_on_disk_with_its_suback() {
    let mut world = World::new();
    let from = world.client(V3, "from");
    let kept = Publish {
        qos: Q1,
        packet_id: PacketId::new(1),
        retain: true,
        ..message("a", "kept")
    };
    world.send(&from, &[Packet::Publish(kept)]);
    let (device, _) = world.persistent(V3, "device");
    world.subscribe(&device, &[("a", Q1)]);
    world.ack(&device, 1);
    world.pass(2);
    world.disk = Disk::Waiting;
    let got = world.subscribe(&device, &[("a", Q1)]);
    assert_eq!(got, ["PUBLISH #2 retained a kept"], "SUBACK waits");
    world.disk_stores();
    assert_eq!(world.got(&device), ["SUBACK [01]"]);
    world.crash();
    world.disk = Disk::Quick;
    let (_, got) = world.persistent(V3, "device");
    assert_eq!(got.len(), 2, "{got:?}");
    assert!(got[1].ends_with("retained a kept"), "{got:?}");
}
