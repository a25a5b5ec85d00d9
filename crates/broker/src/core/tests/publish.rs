//! PUBLISH, B.6, and what happens without permission, B.7; MQTT 5 properties, B.11.

use std::sync::atomic::Ordering;

use thingwire_mqtt::{Packet, Properties, Property, Publish};

use super::*;

/// A world with `device`, which publishes, and `watcher`, which sees everything.
fn watched(version: Version) -> (World, Device, Device) {
    let mut world = World::new();
    let watcher = world.client(V5, "watcher");
    world.subscribe(&watcher, &[("#", Q1), ("$aws/things/#", Q1)]);
    let device = world.client(version, "device");
    world.log.take();
    (world, device, watcher)
}

fn with_properties<'a>(topic: &'a str, list: &'a [Property<'a>]) -> Packet<'a> {
    Packet::Publish(Publish {
        properties: Properties::List(list),
        ..message(topic, "x")
    })
}

/// QoS 0 and QoS 1 form of a publish.
fn both<'a>(topic: &'a str, payload: &'a str) -> [Packet<'a>; 2] {
    let publish = message(topic, payload);
    [
        Packet::Publish(publish),
        Packet::Publish(Publish {
            qos: Q1,
            packet_id: PacketId::new(5),
            ..publish
        }),
    ]
}

#[test]
fn b_3_qos_2_closes_the_connection() {
    for (version, expected) in [(V3, &["closed"][..]), (V5, &["DISCONNECT 9b", "closed"])] {
        let (mut world, device, watcher) = watched(version);
        let publish = Publish {
            qos: Q2,
            packet_id: PacketId::new(1),
            ..message("a", "x")
        };
        world.send(&device, &[Packet::Publish(publish)]);
        assert_eq!(codes(&world.got(&device)), expected);
        assert!(world.got(&watcher).is_empty());
    }
}

#[test]
fn b_48_delivery_has_the_lower_qos_of_both() {
    let mut world = World::new();
    let zero = world.client(V3, "zero");
    let one = world.client(V5, "one");
    world.subscribe(&zero, &[("a", Q0)]);
    world.subscribe(&one, &[("a", Q1)]);
    let device = world.client(V3, "device");
    world.say(&device, "a", "unsure");
    world.say1(&device, "a", "sure", 9);
    assert_eq!(world.got(&device), ["PUBACK #9 00"]);
    assert_eq!(world.got(&zero), ["PUBLISH a unsure", "PUBLISH a sure"]);
    assert_eq!(world.got(&one), ["PUBLISH a unsure", "PUBLISH #1 a sure"]);
}

#[test]
fn b_50_overlapping_filters_bring_one_copy_with_the_highest_qos() {
    let mut world = World::new();
    let device = world.client(V3, "device");
    world.subscribe(&device, &[("a/b", Q0), ("a/+", Q1), ("#", Q0)]);
    world.say1(&device, "a/b", "x", 1);
    assert_eq!(world.got(&device), ["PUBLISH #1 a/b x", "PUBACK #1 00"]);
}

#[test]
fn b_51_no_subscriber_is_a_success() {
    let mut world = World::new();
    let device = world.client(V5, "device");
    world.say1(&device, "a", "x", 1);
    assert_eq!(world.got(&device), ["PUBACK #1 00"]);
}

#[test]
fn b_41_b_43_b_44_a_bad_topic_closes_3_1_1_and_is_told_to_5() {
    let long = "t".repeat(257);
    for topic in [
        &long,
        "1/2/3/4/5/6/7/8/9",
        "$SYS/x",
        "$aws/things/t/shadow/get/accepted",
        "$share/g/a",
    ] {
        let [zero, one] = both(topic, "x");
        let (mut world, device, watcher) = watched(V3);
        world.send(&device, &[one]);
        assert_eq!(world.got(&device), ["closed"], "{topic}");
        assert!(world.got(&watcher).is_empty());
        assert_eq!(
            world.log.take().pop().unwrap(),
            "device disconnected CLIENT_ERROR"
        );

        let (mut world, device, watcher) = watched(V5);
        world.send(&device, &[one]);
        assert_eq!(codes(&world.got(&device)), ["PUBACK #5 90"], "{topic}");
        world.send(&device, &[zero]);
        assert_eq!(
            codes(&world.got(&device)),
            ["DISCONNECT 90", "closed"],
            "{topic}"
        );
        assert!(world.got(&watcher).is_empty());
    }
}

#[test]
fn b_43_a_wildcard_in_a_topic_name_is_refused() {
    for topic in ["a/+", "#", "a#"] {
        // Our own encoder writes it, because the codec leaves topic rules to us.
        let (mut world, device, _) = watched(V3);
        world.say(&device, topic, "x");
        assert_eq!(world.got(&device), ["closed"], "{topic}");
    }
}

#[test]
fn b_41_the_longest_and_deepest_topic_passes() {
    let (mut world, device, watcher) = watched(V3);
    let long = "t".repeat(256);
    for topic in [&long, "1/2/3/4/5/6/7/8", "$aws/things/t/shadow/get"] {
        world.say(&device, topic, "x");
        assert_eq!(world.got(&watcher), [format!("PUBLISH {topic} x")]);
    }
}

#[test]
fn b_41_a_prefix_that_does_not_count_does_not_count() {
    let mut world =
        World::with(|config| config.reserved.publish = |topic| topic.starts_with("$aws/rules/"));
    let device = world.client(V5, "device");
    world.say1(&device, "$aws/rules/r/1/2/3/4/5/6/7/8", "x", 1);
    assert_eq!(world.got(&device), ["PUBACK #1 00"]);
    world.say1(&device, "$aws/rules/r/1/2/3/4/5/6/7/8/9", "x", 2);
    assert_eq!(codes(&world.got(&device)), ["PUBACK #2 90"]);
}

#[test]
fn b_42_a_payload_of_128_kb_passes_and_one_byte_more_ends_the_connection() {
    let fits = "x".repeat(131_072);
    let over = "x".repeat(131_073);
    for (version, expected) in [(V3, &["closed"][..]), (V5, &["DISCONNECT 97", "closed"])] {
        let (mut world, device, watcher) = watched(version);
        world.say(&device, "a", &fits);
        assert_eq!(world.got(&watcher).len(), 1);
        world.say(&device, "a", &over);
        assert_eq!(codes(&world.got(&device)), expected);
        assert!(world.got(&watcher).is_empty());
        assert_eq!(
            world.log.take().pop().unwrap(),
            "device disconnected CLIENT_ERROR"
        );
    }
}

#[test]
fn b_53_a_denied_publish_closes_3_1_1_without_puback() {
    for packet in both("secret", "x") {
        let (mut world, device, watcher) = watched(V3);
        world.policy.deny(Action::Publish, "secret");
        world.send(&device, &[packet]);
        assert_eq!(world.got(&device), ["closed"]);
        assert!(world.got(&watcher).is_empty());
        assert_eq!(
            world.log.take(),
            [
                "device refused Publish secret",
                "device disconnected AUTH_ERROR"
            ]
        );
    }
}

#[test]
fn b_53_a_denied_publish_is_told_to_5_with_87_and_dropped_with_qos_0() {
    let (mut world, device, watcher) = watched(V5);
    world.policy.deny(Action::Publish, "secret");
    world.send(&device, &both("secret", "x"));
    assert_eq!(
        world.got(&device),
        ["PUBACK #5 87 ReasonString(\"no statement allows Publish on secret\")"]
    );
    assert!(world.got(&watcher).is_empty());
    assert_eq!(
        world.log.take(),
        [
            "device refused Publish secret",
            "device refused Publish secret"
        ]
    );
    world.say(&device, "open", "x");
    assert_eq!(world.got(&watcher), ["PUBLISH open x"]);
}

#[test]
fn b_56_b_66_retain_needs_a_permission_of_its_own() {
    let (mut world, device, watcher) = watched(V5);
    world.policy.deny(Action::RetainPublish, "a");
    world.say1(&device, "a", "fine", 1);
    assert_eq!(world.got(&device), ["PUBACK #1 00"]);
    assert_eq!(world.got(&watcher), ["PUBLISH #1 a fine"]);
    let retain = Publish {
        retain: true,
        qos: Q1,
        packet_id: PacketId::new(2),
        ..message("a", "x")
    };
    world.send(&device, &[Packet::Publish(retain)]);
    assert_eq!(codes(&world.got(&device)), ["PUBACK #2 87"]);
    assert_eq!(world.log.take(), ["device refused RetainPublish a"]);
    // The next without RETAIN is allowed still.
    world.say1(&device, "a", "fine", 3);
    assert_eq!(world.got(&device), ["PUBACK #3 00"]);
    assert_eq!(world.core.statistics().retained, 0);

    let (mut world, device, _) = watched(V3);
    world.policy.deny(Action::RetainPublish, "a");
    world.send(&device, &[retained("a", "x")]);
    assert_eq!(world.got(&device), ["closed"]);
}

#[test]
fn b_64_reserved_topics_cannot_be_retained() {
    let (mut world, device, _) = watched(V5);
    let topic = "$aws/things/t/shadow/update";
    let retain = Publish {
        retain: true,
        qos: Q1,
        packet_id: PacketId::new(2),
        ..message(topic, "x")
    };
    world.send(&device, &[Packet::Publish(retain)]);
    assert_eq!(codes(&world.got(&device)), ["PUBACK #2 90"]);
    assert_eq!(world.core.statistics().retained, 0);
    world.send(&device, &[retained(topic, "x")]);
    assert_eq!(codes(&world.got(&device)), ["DISCONNECT 90", "closed"]);
}

#[test]
fn b_55_c_12_receive_is_decided_at_every_delivery_and_can_be_revoked() {
    let (mut world, device, watcher) = watched(V3);
    world.say(&device, "a", "1");
    world.policy.deny(Action::Receive, "a");
    world.say(&device, "a", "2");
    world.say1(&device, "a", "3", 1);
    world.say(&device, "b", "4");
    assert_eq!(world.got(&watcher), ["PUBLISH a 1", "PUBLISH b 4"]);
    // The publisher notices nothing, the log tells it once.
    assert_eq!(world.got(&device), ["PUBACK #1 00"]);
    assert_eq!(world.log.take(), ["watcher refused Receive a"]);
    assert_eq!(world.core.statistics().denied_deliveries, 2);
    world.policy.allow_all();
    world.say(&device, "a", "5");
    assert_eq!(world.got(&watcher), ["PUBLISH a 5"]);
}

#[test]
fn c_12_publish_is_decided_again_as_soon_as_the_policy_changes_and_not_before() {
    let (mut world, device, watcher) = watched(V3);
    world.say(&device, "a", "1");
    let asked = world.policy.asked.load(Ordering::Relaxed);
    for _ in 0..10 {
        world.say(&device, "a", "2");
    }
    assert_eq!(world.policy.asked.load(Ordering::Relaxed), asked);
    assert_eq!(world.got(&watcher).len(), 11);
    world.policy.deny(Action::Publish, "a");
    world.say(&device, "a", "3");
    assert_eq!(world.got(&device), ["closed"]);
    assert!(world.got(&watcher).is_empty());
}

#[test]
fn decisions_of_many_topics_are_kept_apart() {
    let (mut world, device, watcher) = watched(V5);
    for round in 0..3 {
        for topic in 0..3000 {
            let name = format!("t/{topic}");
            if topic % 1000 == 7 && round == 0 {
                world.policy.deny(Action::Publish, &name);
            }
            world.say(&device, &name, "x");
            let expected = usize::from(topic % 1000 != 7);
            assert_eq!(world.got(&watcher).len(), expected, "{round} {topic}");
        }
    }
}

#[test]
fn b_72_properties_pass_through_in_order_and_no_others() {
    let (mut world, device, watcher) = watched(V5);
    let list = [
        Property::PayloadFormatIndicator(1),
        Property::TopicAlias(1),
        Property::ContentType("text/plain"),
        Property::UserProperty("a", "1"),
        Property::ResponseTopic("answer"),
        Property::CorrelationData(b"7"),
        Property::UserProperty("a", "2"),
    ];
    world.send(&device, &[with_properties("a", &list)]);
    let expected = "PUBLISH a x PayloadFormatIndicator(1) ContentType(\"text/plain\") \
         UserProperty((\"a\", \"1\")) ResponseTopic(\"answer\") CorrelationData([55]) \
         UserProperty((\"a\", \"2\"))";
    let got = world.got(&watcher);
    let strip = |text: &str| text.replace("((", "(").replace("))", ")").replace(' ', "");
    assert_eq!(strip(&got[0]), strip(expected));
    // To MQTT 3.1.1 goes the message alone.
    let three = world.client(V3, "three");
    world.subscribe(&three, &[("a", Q0)]);
    world.send(&device, &[with_properties("a", &list)]);
    assert_eq!(world.got(&three), ["PUBLISH a x"]);
}

#[test]
fn f_24_b_72_b_74_properties_of_a_message_from_https_last_while_it_is_kept() {
    let list = [
        Property::PayloadFormatIndicator(1),
        Property::MessageExpiryInterval(100),
        Property::ContentType("text/plain"),
        Property::CorrelationData(b"7"),
        Property::UserProperty("a", "1"),
    ];
    let mut world = World::new();
    // One whose session waits, one in a group that waits, and whoever asks for the retained message.
    for (client_id, filter) in [("away", "a"), ("member", "$share/g/a")] {
        let (device, _) = world.persistent(V5, client_id);
        world.subscribe(&device, &[(filter, Q1)]);
        world.lose(&device);
    }
    world.call(|core, now| {
        core.publish_for_client(now, "a", b"x", Q1, true, Properties::List(&list))
            .expect("no quota");
    });
    let statistics = world.core.statistics();
    assert_eq!(
        (statistics.received, statistics.received_at_least_once),
        (1, 1)
    );
    world.pass(10);
    let check = |lines: &[String]| {
        let line = lines.last().expect("a PUBLISH").clone();
        for part in [
            "PayloadFormatIndicator(1)",
            "ContentType(\"text/plain\")",
            "CorrelationData([55])",
            "UserProperty",
            "MessageExpiryInterval(90)",
        ] {
            assert!(line.contains(part), "{line}");
        }
    };
    let late = world.client(V5, "late");
    check(&world.subscribe(&late, &[("a", Q1)]));
    for restart in [false, true] {
        if restart {
            world.crash();
        }
        for client_id in ["away", "member"] {
            let device = world.connecting(keeping(V5, client_id));
            check(&world.got(&device));
            // Not acknowledged: it is delivered again.
            world.lose(&device);
        }
    }
    let late = world.client(V5, "late");
    check(&world.subscribe(&late, &[("a", Q1)]));
    // Gone with the rest.
    world.pass(90);
    let later = world.client(V5, "later");
    assert_eq!(world.subscribe(&later, &[("a", Q1)]), ["SUBACK [01]"]);
}

#[test]
fn b_72_properties_have_limits() {
    let long = "v".repeat(4096);
    let longer = "v".repeat(4097);
    let data = vec![0; 8193];
    let fits = [Property::UserProperty(&long, &long)];
    let over: [&[Property<'_>]; 3] = [
        &[Property::UserProperty(&long, &longer)],
        &[Property::ContentType(&long[..257])],
        &[Property::CorrelationData(&data)],
    ];
    let (mut world, device, watcher) = watched(V5);
    world.send(&device, &[with_properties("a", &fits)]);
    assert_eq!(world.got(&watcher).len(), 1);
    for list in over {
        let (mut world, device, watcher) = watched(V5);
        let publish = Publish {
            qos: Q1,
            packet_id: PacketId::new(1),
            properties: Properties::List(list),
            ..message("a", "x")
        };
        world.send(&device, &[Packet::Publish(publish)]);
        assert_eq!(codes(&world.got(&device)), ["PUBACK #1 97"]);
        world.send(&device, &[with_properties("a", list)]);
        assert_eq!(codes(&world.got(&device)), ["DISCONNECT 97", "closed"]);
        assert!(world.got(&watcher).is_empty());
    }
}

#[test]
fn b_73_topic_aliases_stand_for_their_topic_up_to_eight() {
    let (mut world, device, watcher) = watched(V5);
    world.send(&device, &[with_properties("a", &[Property::TopicAlias(8)])]);
    world.send(&device, &[with_properties("", &[Property::TopicAlias(8)])]);
    world.send(&device, &[with_properties("b", &[Property::TopicAlias(8)])]);
    world.send(&device, &[with_properties("", &[Property::TopicAlias(8)])]);
    assert_eq!(
        world.got(&watcher),
        ["PUBLISH a x", "PUBLISH a x", "PUBLISH b x", "PUBLISH b x"]
    );
    world.send(&device, &[with_properties("a", &[Property::TopicAlias(9)])]);
    assert_eq!(codes(&world.got(&device)), ["DISCONNECT 94", "closed"]);

    let (mut world, device, _) = watched(V5);
    world.send(&device, &[with_properties("", &[Property::TopicAlias(3)])]);
    assert_eq!(codes(&world.got(&device)), ["DISCONNECT 82", "closed"]);
}

#[test]
fn b_73_an_alias_does_not_get_around_the_policy() {
    let (mut world, device, watcher) = watched(V5);
    world.send(&device, &[with_properties("a", &[Property::TopicAlias(1)])]);
    assert_eq!(world.got(&watcher).len(), 1);
    world.policy.deny(Action::Publish, "a");
    world.send(&device, &[with_properties("", &[Property::TopicAlias(1)])]);
    assert!(world.got(&watcher).is_empty());
    assert_eq!(world.log.take(), ["device refused Publish a"]);
}

#[test]
fn b_74_the_expiry_interval_is_moved_into_its_range_and_what_is_left_goes_on() {
    let (mut world, device, watcher) = watched(V5);
    for (asked, sent) in [(0, 1), (1, 1), (604_800, 604_800), (604_801, 604_800)] {
        world.send(
            &device,
            &[with_properties(
                "a",
                &[Property::MessageExpiryInterval(asked)],
            )],
        );
        assert_eq!(
            world.got(&watcher),
            [format!("PUBLISH a x MessageExpiryInterval({sent})")]
        );
    }
}

#[test]
fn services_publish_without_policy_and_to_reserved_topics() {
    let (mut world, _, watcher) = watched(V5);
    let topic = "$aws/things/t/shadow/get/accepted";
    world.policy.deny(Action::Publish, topic);
    world.call(|core, now| core.publish_internal(now, topic, b"{}", Q1, false, Properties::EMPTY));
    assert_eq!(world.got(&watcher), [format!("PUBLISH #1 {topic} {{}}")]);
}

#[test]
fn a_message_longer_than_the_client_takes_is_not_sent_to_it() {
    let mut world = World::new();
    let list = [Property::MaximumPacketSize(512)];
    let small = world.connecting(Connect {
        properties: Properties::List(&list),
        ..clean(V5, "small")
    });
    world.got(&small);
    world.subscribe(&small, &[("a", Q1)]);
    let device = world.client(V3, "device");
    world.say1(&device, "a", &"x".repeat(505), 1);
    assert_eq!(world.got(&device), ["PUBACK #1 00"]);
    assert!(world.got(&small).is_empty());
    // It takes no place in flight either.
    world.say1(&device, "a", "x", 2);
    assert_eq!(world.got(&small), ["PUBLISH #1 a x"]);
    assert_eq!(world.core.statistics().dropped, 1);
}

#[test]
fn b_7_b_9_order_is_kept_and_a_subscription_stands_before_its_suback_leaves() {
    // AWS promises neither; a device that relies on it must not be broken by us.
    let mut world = World::new();
    let device = world.client(V3, "device");
    let from = world.client(V3, "from");
    assert_eq!(world.subscribe(&device, &[("a", Q1)]), ["SUBACK [01]"]);
    for id in 1..=20 {
        world.say1(&from, "a", &id.to_string(), id);
    }
    let expected: Vec<_> = (1..=20).map(|id| format!("PUBLISH #{id} a {id}")).collect();
    assert_eq!(world.got(&device), expected);
}
