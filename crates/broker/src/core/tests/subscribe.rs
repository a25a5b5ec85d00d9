//! SUBSCRIBE and UNSUBSCRIBE, B.5.

use thingwire_mqtt::{Packet, Properties, Property, RetainHandling, Subscribe};

use super::*;

#[test]
fn granted_filters_are_answered_in_order_and_told() {
    let mut world = World::new();
    for version in [V3, V5] {
        let device = world.client(version, "device");
        world.log.take();
        assert_eq!(
            world.subscribe(&device, &[("a", Q1), ("b/+", Q0), ("c/#", Q1)]),
            ["SUBACK [01, 00, 01]"]
        );
        assert_eq!(world.log.take(), ["device subscribed a b/+ c/#"]);
    }
}

#[test]
fn b_4_qos_2_closes_3_1_1_and_is_granted_as_1_to_5_unless_strict() {
    let mut world = World::new();
    let three = world.client(V3, "three");
    assert_eq!(world.subscribe(&three, &[("a", Q2)]), ["closed"]);
    let five = world.client(V5, "five");
    assert_eq!(world.subscribe(&five, &[("a", Q2)]), ["SUBACK [01]"]);
    assert!(
        world
            .log
            .take()
            .contains(&"five violated B-4: SUBSCRIBE with QoS 2 is granted QoS 1".into())
    );
    let mut world = World::with(|config| config.choices.strict_qos2_subscribe = true);
    let five = world.client(V5, "five");
    assert_eq!(
        codes(&world.subscribe(&five, &[("a", Q2)])),
        ["DISCONNECT 9b", "closed"]
    );
}

#[test]
fn b_30_more_than_8_filters_end_the_connection() {
    let filters = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let asked: Vec<_> = filters.iter().map(|filter| (*filter, Q0)).collect();
    for (version, expected) in [(V3, &["closed"][..]), (V5, &["DISCONNECT 97", "closed"])] {
        let mut world = World::new();
        let device = world.client(version, "device");
        assert_eq!(codes(&world.subscribe(&device, &asked[..8])).len(), 1);
        assert_eq!(codes(&world.subscribe(&device, &asked)), expected);
        let device = world.client(version, "device");
        world.send(&device, &[unsubscribe(&filters)]);
        assert_eq!(codes(&world.got(&device)), expected);
        assert_eq!(world.core.statistics().subscriptions, 0);
    }
}

#[test]
fn b_31_the_51st_subscription_is_rejected_and_the_connection_stays() {
    for (version, code) in [(V3, "80"), (V5, "97")] {
        let mut world = World::new();
        let device = world.client(version, "device");
        for n in 0..49 {
            world.subscribe(&device, &[(&format!("t/{n}"), Q0)]);
        }
        // The same filter twice in a packet, and one that is there already, take no room.
        assert_eq!(
            codes(&world.subscribe(&device, &[("x", Q0), ("x", Q1), ("t/1", Q1), ("y", Q0)])),
            [format!("SUBACK [00, 01, 01, {code}]")]
        );
        world.send(&device, &[unsubscribe(&["t/3"])]);
        world.got(&device);
        assert_eq!(world.subscribe(&device, &[("y", Q0)]), ["SUBACK [00]"]);
    }
}

#[test]
fn b_32_b_33_long_deep_and_malformed_filters_fail_and_others_are_granted() {
    let long = "f".repeat(257);
    let longest = "f".repeat(256);
    for (version, code) in [(V3, "80"), (V5, "8f")] {
        let mut world = World::new();
        let device = world.client(version, "device");
        let asked = [
            (&long[..], Q0),
            (&longest[..], Q0),
            ("1/2/3/4/5/6/7/8/9", Q0),
            ("1/2/3/4/5/6/7/#", Q0),
            ("a/#/b", Q0),
            ("a+/b", Q0),
            ("", Q0),
            ("ok", Q1),
        ];
        assert_eq!(
            codes(&world.subscribe(&device, &asked)),
            [format!(
                "SUBACK [{code}, 00, {code}, 00, {code}, {code}, {code}, 01]"
            )]
        );
        assert_eq!(world.core.statistics().subscriptions, 3);
    }
}

#[test]
fn b_35_reserved_filters_that_do_not_exist_close_3_1_1_and_fail_with_8f_in_5() {
    let mut world = World::new();
    let three = world.client(V3, "three");
    assert_eq!(
        world.subscribe(&three, &[("$aws/things/t/shadow/get/+", Q1)]),
        ["SUBACK [01]"]
    );
    assert_eq!(
        world.subscribe(&three, &[("ok", Q0), ("$SYS/#", Q0)]),
        ["closed"]
    );
    let five = world.client(V5, "five");
    assert_eq!(
        codes(&world.subscribe(&five, &[("$invalid/reserved/topic", Q0), ("ok", Q0)])),
        ["SUBACK [8f, 00]"]
    );
}

#[test]
fn b_36_a_subscription_identifier_is_answered_with_a1() {
    let mut world = World::new();
    let device = world.client(V5, "device");
    let filters = [SubscribeFilter::new("a", Q0)];
    let list = [Property::SubscriptionIdentifier(1)];
    world.send(
        &device,
        &[Packet::Subscribe(Subscribe {
            packet_id: PacketId::FIRST,
            properties: Properties::List(&list),
            filters: SubscribeFilters::List(&filters),
        })],
    );
    assert_eq!(codes(&world.got(&device)), ["DISCONNECT a1", "closed"]);
}

#[test]
fn b_54_a_denied_filter_closes_3_1_1_before_any_takes_effect() {
    let mut world = World::new();
    world.policy.deny(Action::Subscribe, "secret");
    let device = world.connecting(keeping(V3, "three"));
    world.got(&device);
    world.log.take();
    assert_eq!(
        world.subscribe(&device, &[("open", Q0), ("secret", Q0)]),
        ["closed"]
    );
    assert_eq!(
        world.log.take(),
        [
            "three refused Subscribe secret",
            "three disconnected AUTH_ERROR"
        ]
    );
    assert_eq!(world.core.statistics().subscriptions, 0);
}

#[test]
fn b_54_a_denied_filter_is_told_to_5_with_87_and_others_are_granted() {
    let mut world = World::new();
    world.policy.deny(Action::Subscribe, "secret");
    let device = world.client(V5, "five");
    world.log.take();
    assert_eq!(
        world.subscribe(&device, &[("secret", Q0), ("open", Q1)]),
        ["SUBACK [87, 01] ReasonString(\"no statement allows Subscribe on secret\")"]
    );
    assert_eq!(
        world.log.take(),
        ["five refused Subscribe secret", "five subscribed open"]
    );
}

#[test]
fn b_57_suback_80_for_3_1_1_can_be_switched_on() {
    let mut world = World::with(|config| config.choices.suback_0x80_on_deny = true);
    world.policy.deny(Action::Subscribe, "secret");
    let device = world.client(V3, "three");
    assert_eq!(
        world.subscribe(&device, &[("secret", Q0), ("open", Q0)]),
        ["SUBACK [80, 00]"]
    );
}

#[test]
fn b_82_the_policy_is_asked_before_the_reserved_list() {
    let mut world = World::new();
    world.policy.deny(Action::Subscribe, "$SYS/#");
    let device = world.client(V5, "five");
    assert_eq!(
        codes(&world.subscribe(&device, &[("$SYS/#", Q0)])),
        ["SUBACK [87]"]
    );
}

#[test]
fn b_10_b_34_what_wildcards_match() {
    let mut world = World::new();
    let device = world.client(V3, "device");
    world.subscribe(&device, &[("sensor/#", Q0)]);
    let all = world.client(V3, "all");
    world.subscribe(&all, &[("#", Q0)]);
    let plus = world.client(V3, "plus");
    world.subscribe(&plus, &[("+/things/#", Q0)]);
    let own = world.client(V3, "own");
    world.subscribe(&own, &[("$aws/things/+/shadow/get", Q0)]);
    let from = world.client(V3, "from");
    for topic in [
        "sensor",
        "sensor/",
        "sensor/temperature",
        "sensor/a/b",
        "Sensor/a",
    ] {
        world.say(&from, topic, "x");
    }
    world.say(&from, "$aws/things/t/shadow/get", "x");
    assert_eq!(
        world.got(&device),
        [
            "PUBLISH sensor/ x",
            "PUBLISH sensor/temperature x",
            "PUBLISH sensor/a/b x"
        ]
    );
    assert_eq!(world.got(&all).len(), 5);
    assert!(world.got(&plus).is_empty());
    assert_eq!(world.got(&own), ["PUBLISH $aws/things/t/shadow/get x"]);
}

#[test]
fn b_38_no_local_is_not_honoured() {
    let mut world = World::new();
    let device = world.client(V5, "device");
    let filters = [SubscribeFilter {
        no_local: true,
        ..SubscribeFilter::new("a", Q0)
    }];
    world.send(&device, &[subscribe(&filters)]);
    world.say(&device, "a", "x");
    assert_eq!(world.got(&device), ["SUBACK [00]", "PUBLISH a x"]);
}

#[test]
fn subscribing_again_replaces_the_qos() {
    let mut world = World::new();
    let device = world.client(V3, "device");
    for (filter, topic) in [("a", "a"), ("b/+", "b/c")] {
        world.subscribe(&device, &[(filter, Q1)]);
        world.say1(&device, topic, "1", 1);
        world.subscribe(&device, &[(filter, Q0)]);
        world.say1(&device, topic, "2", 2);
        let got = world.got(&device);
        assert!(got.contains(&format!("PUBLISH {topic} 2")), "{got:?}");
    }
    assert_eq!(world.core.statistics().subscriptions, 2);
}

#[test]
fn b_39_unsubscribe_ends_deliveries_and_does_not_mind_what_is_not_there() {
    let mut world = World::new();
    let device = world.client(V5, "device");
    world.subscribe(&device, &[("a", Q0), ("b/#", Q0)]);
    world.log.take();
    world.send(&device, &[unsubscribe(&["a", "never", "b/#/"])]);
    assert_eq!(world.got(&device), ["UNSUBACK [00, 00, 8f]"]);
    assert_eq!(world.log.take(), ["device unsubscribed a never"]);
    world.say(&device, "a", "x");
    world.say(&device, "b/c", "x");
    assert_eq!(world.got(&device), ["PUBLISH b/c x"]);
    let three = world.client(V3, "three");
    world.send(&three, &[unsubscribe(&["a"])]);
    assert_eq!(world.got(&three), ["UNSUBACK []"]);
}

#[test]
fn retain_handling_decides_when_retained_messages_come() {
    let asked = [
        (RetainHandling::SendAtSubscribe, [true, true]),
        (RetainHandling::SendIfNew, [true, false]),
        (RetainHandling::DoNotSend, [false, false]),
    ];
    for (handling, sent) in asked {
        let mut world = World::new();
        let device = world.client(V5, "device");
        world.send(&device, &[retained("a", "x")]);
        let filters = [SubscribeFilter {
            retain_handling: handling,
            ..SubscribeFilter::new("a", Q0)
        }];
        for expected in sent {
            world.send(&device, &[subscribe(&filters)]);
            assert_eq!(
                world.got(&device).len(),
                1 + usize::from(expected),
                "{handling:?}"
            );
        }
        // Without the setting it is as with the standard's value.
        let mut world = World::with(|config| config.choices.retain_handling = false);
        let device = world.client(V5, "device");
        world.send(&device, &[retained("a", "x"), subscribe(&filters)]);
        assert_eq!(world.got(&device), ["SUBACK [00]", "PUBLISH retained a x"]);
    }
}
