//! Behaviour `mqtt`: where the standard's letter parts from AWS, line by line of the table in `behaviour.rs`.

use thingwire_mqtt::{ReasonCode, RetainHandling, SubscribeFilter, Will};

use super::*;
use crate::Behaviour;

fn standard() -> World {
    World::with(|config| config.behaviour = Behaviour::Mqtt)
}

fn exactly_once<'a>(topic: &'a str, payload: &'a str, id: u16) -> Packet<'a> {
    Packet::Publish(Publish {
        qos: Q2,
        packet_id: PacketId::new(id),
        ..message(topic, payload)
    })
}

fn ack(id: u16) -> Ack<'static> {
    Ack {
        packet_id: PacketId::new(id).unwrap(),
        reason_code: ReasonCode::SUCCESS,
        properties: Properties::EMPTY,
    }
}

fn subscribe_with_id<'a>(id: &'a [Property<'a>], filters: &'a [SubscribeFilter<'a>]) -> Packet<'a> {
    Packet::Subscribe(Subscribe {
        packet_id: PacketId::FIRST,
        properties: Properties::List(id),
        filters: SubscribeFilters::List(filters),
    })
}

#[test]
fn b_2_qos_2_is_received_once_however_often_it_is_sent() {
    for version in [V3, V5] {
        let mut world = standard();
        let device = world.client(version, "device");
        world.subscribe(&device, &[("a", Q0)]);
        let (from, _) = world.persistent(version, "from");
        let publish = exactly_once("a", "x", 7);
        world.send(&from, &[publish, publish]);
        assert_eq!(world.got(&from), ["PUBREC", "PUBREC"]);
        // On another connection too: the session remembers.
        world.lose(&from);
        let from = world.connecting(keeping(version, "from"));
        world.got(&from);
        world.send(&from, &[publish, Packet::PubRel(ack(7))]);
        assert_eq!(world.got(&from), ["PUBREC", "PUBCOMP"]);
        assert_eq!(world.got(&device), ["PUBLISH a x"]);
        // After PUBREL the identifier is free.
        world.send(&from, &[publish]);
        assert_eq!(world.got(&device), ["PUBLISH a x"]);
    }
}

#[test]
fn b_2_qos_2_is_delivered_by_its_four_packets_and_goes_on_where_it_was() {
    for version in [V3, V5] {
        let mut world = standard();
        let (device, _) = world.persistent(version, "device");
        assert_eq!(world.subscribe(&device, &[("a", Q2)]), ["SUBACK [02]"]);
        let from = world.client(version, "from");
        world.send(
            &from,
            &[exactly_once("a", "x", 1), exactly_once("a", "y", 2)],
        );
        assert_eq!(world.got(&device), ["PUBLISH #1 a x", "PUBLISH #2 a y"]);
        world.send(&device, &[Packet::PubRec(ack(1))]);
        assert_eq!(world.got(&device), ["PUBREL"]);
        world.lose(&device);
        // [MQTT-4.4.0-1]: with its packet identifier, and DUP; of the first only PUBREL.
        let (device, got) = world.persistent(version, "device");
        assert_eq!(got, ["CONNACK 00 present", "PUBREL", "PUBLISH #2 dup a y"]);
        world.send(
            &device,
            &[
                Packet::PubComp(ack(1)),
                Packet::PubRec(ack(2)),
                Packet::PubComp(ack(2)),
            ],
        );
        world.got(&device);
        assert_eq!(world.core.connections()[0].in_flight, 0);
    }
}

#[test]
fn b_5_b_6_qos_1_is_sent_again_with_dup_and_its_packet_identifier() {
    let mut world = standard();
    let (device, _) = world.persistent(V3, "device");
    world.subscribe(&device, &[("a", Q1)]);
    let from = world.client(V3, "from");
    for id in 1..=3 {
        world.say1(&from, "a", &id.to_string(), id);
    }
    world.ack(&device, 1);
    world.got(&device);
    world.lose(&device);
    world.say1(&from, "a", "4", 4);
    let (_, got) = world.persistent(V3, "device");
    assert_eq!(
        got,
        [
            "CONNACK 00 present",
            "PUBLISH #2 dup a 2",
            "PUBLISH #3 dup a 3",
            "PUBLISH #4 a 4"
        ]
    );
}

#[test]
fn b_22_connack_says_what_there_is() {
    let mut world = standard();
    let device = world.connecting(clean(V5, "device"));
    let got = world.got(&device).concat();
    assert!(!got.contains("MaximumQoS"), "{got}");
    assert!(
        got.contains("SubscriptionIdentifierAvailable(true)"),
        "{got}"
    );
}

#[test]
fn b_36_subscription_identifiers_come_back_with_messages_live_stored_and_retained() {
    let mut world = standard();
    let (device, _) = world.persistent(V5, "device");
    world.send(&device, &[retained("r", "x")]);
    for (id, filter) in [(3, "a"), (4, "#")] {
        let id = [Property::SubscriptionIdentifier(id)];
        let filters = [SubscribeFilter::new(filter, Q1)];
        world.send(&device, &[subscribe_with_id(&id, &filters)]);
    }
    assert_eq!(
        world.got(&device),
        [
            "SUBACK [01]",
            "PUBLISH retained r x SubscriptionIdentifier(4)",
            "SUBACK [01]"
        ]
    );
    let from = world.client(V5, "from");
    world.say(&from, "a", "x");
    let got = world.got(&device);
    assert!(
        got[0].contains("SubscriptionIdentifier(3)")
            && got[0].contains("SubscriptionIdentifier(4)"),
        "{got:?}"
    );
    world.lose(&device);
    world.say1(&from, "b", "y", 1);
    let (_, got) = world.persistent(V5, "device");
    assert_eq!(got.len(), 2);
    // Subscriptions keep their options over a crash, and messages that wait their identifiers.
    world.pass(2);
    world.crash();
    let device = world.connecting(keeping(V5, "device"));
    let got = world.got(&device);
    assert!(got[1].ends_with("b y SubscriptionIdentifier(4)"), "{got:?}");
    let from = world.client(V5, "from");
    world.say(&from, "c", "z");
    assert_eq!(
        world.got(&device),
        ["PUBLISH c z SubscriptionIdentifier(4)"]
    );
}

#[test]
fn b_37_filters_with_wildcards_get_retained_messages() {
    let mut world = standard();
    let from = world.client(V3, "from");
    for topic in ["a/1", "a/2", "b", "$x"] {
        world.send(&from, &[retained(topic, topic)]);
    }
    let device = world.client(V3, "device");
    assert_eq!(
        world.subscribe(&device, &[("a/#", Q0)]),
        [
            "SUBACK [00]",
            "PUBLISH retained a/1 a/1",
            "PUBLISH retained a/2 a/2"
        ]
    );
    let all = world.client(V3, "all");
    assert_eq!(world.subscribe(&all, &[("#", Q0)]).len(), 4);
}

#[test]
fn b_38_no_local_and_retain_as_published_are_obeyed_and_retain_handling_too() {
    let mut world = standard();
    let device = world.client(V5, "device");
    let filters = [
        SubscribeFilter {
            no_local: true,
            ..SubscribeFilter::new("quiet", Q1)
        },
        SubscribeFilter {
            retain_as_published: true,
            retain_handling: RetainHandling::DoNotSend,
            ..SubscribeFilter::new("kept", Q1)
        },
    ];
    world.send(&device, &[subscribe(&filters)]);
    world.got(&device);
    world.say(&device, "quiet", "own");
    let other = world.client(V5, "other");
    world.say(&other, "quiet", "another's");
    world.send(&other, &[retained("kept", "r")]);
    world.say(&other, "kept", "not");
    assert_eq!(
        world.got(&device),
        [
            "PUBLISH quiet another's",
            "PUBLISH retained kept r",
            "PUBLISH kept not"
        ]
    );
    // On AWS the first is not honoured (B-38).
    let mut world = World::new();
    let device = world.client(V5, "device");
    world.send(&device, &[subscribe(&filters)]);
    world.got(&device);
    world.say(&device, "quiet", "own");
    world.send(&device, &[retained("kept", "r")]);
    assert_eq!(world.got(&device), ["PUBLISH quiet own", "PUBLISH kept r"]);
}

#[test]
fn b_39_unsuback_tells_that_there_was_no_subscription() {
    let mut world = standard();
    let device = world.client(V5, "device");
    world.subscribe(&device, &[("a", Q0)]);
    world.send(&device, &[unsubscribe(&["a", "b"])]);
    assert_eq!(world.got(&device), ["UNSUBACK [00, 11]"]);
}

#[test]
fn b_35_b_44_topics_that_begin_with_a_dollar_are_topics_like_others() {
    let mut world = standard();
    let device = world.client(V3, "device");
    assert_eq!(
        world.subscribe(&device, &[("$mine/a", Q0), ("#", Q0)]),
        ["SUBACK [00, 00]"]
    );
    world.say(&device, "$mine/a", "x");
    assert_eq!(world.got(&device), ["PUBLISH $mine/a x"]);
}

#[test]
fn b_10_hash_matches_the_parent() {
    let mut world = standard();
    let device = world.client(V3, "device");
    world.subscribe(&device, &[("sport/#", Q0), ("$share/g/team/#", Q0)]);
    world.say(&device, "sport", "x");
    world.say(&device, "team", "y");
    assert_eq!(world.got(&device), ["PUBLISH sport x", "PUBLISH team y"]);
}

#[test]
fn b_60_a_will_waits_for_its_delay_or_the_end_of_the_session_and_not_if_the_client_is_back() {
    for (delay, expiry, back, sent_after) in [
        (10, 100, None, Some(10)),
        (100, 10, None, Some(10)),
        (10, 100, Some(5), None),
        (0, 100, None, Some(0)),
        (10, 0, None, Some(0)),
    ] {
        let mut world = standard();
        let watcher = world.client(V3, "watcher");
        world.subscribe(&watcher, &[("will", Q0)]);
        let delay = [Property::WillDelayInterval(delay)];
        let expiry = [Property::SessionExpiryInterval(expiry)];
        let connect = Connect {
            clean_start: false,
            will: Some(Will {
                topic: "will",
                payload: b"gone",
                qos: Q2,
                retain: false,
                properties: Properties::List(&delay),
            }),
            properties: Properties::List(&expiry),
            ..clean(V5, "device")
        };
        let device = world.connecting(connect);
        world.lose(&device);
        if let Some(seconds) = back {
            world.pass(seconds);
            world.connecting(Connect {
                will: None,
                ..connect
            });
        }
        if let Some(seconds @ 1..) = sent_after {
            world.pass(seconds - 1);
            assert!(world.got(&watcher).is_empty());
            world.pass(1);
        } else if sent_after.is_none() {
            world.pass(200);
        }
        let expected = usize::from(sent_after.is_some());
        assert_eq!(world.got(&watcher).len(), expected, "{delay:?} {expiry:?}");
    }
}

#[test]
fn b_24_sessions_last_as_long_as_asked_and_those_of_3_1_1_for_ever() {
    let mut world = standard();
    let (three, _) = world.persistent(V3, "three");
    world.lose(&three);
    let long = [Property::SessionExpiryInterval(1_000_000)];
    let five = world.connecting(Connect {
        properties: Properties::List(&long),
        ..keeping(V5, "five")
    });
    assert!(!world.got(&five)[0].contains("SessionExpiry"));
    world.lose(&five);
    world.pass(999_999);
    assert_eq!(world.core.statistics().sessions, 2);
    world.pass(2);
    assert_eq!(world.core.statistics().sessions, 1);
    world.pass(1_000_000_000);
    assert_eq!(world.core.statistics().sessions, 1);
}

#[test]
fn b_60_the_expiry_of_a_will_counts_from_its_publication_also_at_the_end_of_the_session() {
    for (waits, arrives) in [(4, true), (6, false)] {
        let mut world = standard();
        let (watcher, _) = world.persistent(V3, "watcher");
        world.subscribe(&watcher, &[("will", Q1)]);
        world.lose(&watcher);
        let properties = [
            Property::WillDelayInterval(100),
            Property::MessageExpiryInterval(5),
        ];
        let expiry = [Property::SessionExpiryInterval(10)];
        let device = world.connecting(Connect {
            will: Some(Will {
                topic: "will",
                payload: b"gone",
                qos: Q1,
                retain: false,
                properties: Properties::List(&properties),
            }),
            properties: Properties::List(&expiry),
            ..clean(V5, "device")
        });
        world.lose(&device);
        world.pass(10 + waits);
        let (_, got) = world.persistent(V3, "watcher");
        assert_eq!(got.len(), if arrives { 2 } else { 1 }, "{got:?}");
    }
}

/// [MQTT-3.8.3-3]: of two subscriptions that match, the one without its own messages adds nothing to them.
#[test]
fn b_38_a_subscription_without_its_own_messages_adds_neither_qos_nor_identifier_to_them() {
    let mut world = standard();
    let device = world.client(V5, "device");
    let others = world.client(V5, "others");
    for (filter, qos, no_local, id) in [("a/+", Q1, true, 1), ("a/#", Q0, false, 2)] {
        let filters = [SubscribeFilter {
            no_local,
            retain_as_published: no_local,
            ..SubscribeFilter::new(filter, qos)
        }];
        let list = [Property::SubscriptionIdentifier(id)];
        world.send(&device, &[subscribe_with_id(&list, &filters)]);
    }
    world.got(&device);
    let publish = Publish {
        qos: Q1,
        packet_id: PacketId::new(1),
        retain: true,
        ..message("a/b", "x")
    };
    world.send(&device, &[Packet::Publish(publish)]);
    let mut got = world.got(&device);
    got.retain(|line| line.starts_with("PUBLISH"));
    assert_eq!(got, ["PUBLISH a/b x SubscriptionIdentifier(2)"]);
    world.send(&others, &[Packet::Publish(publish)]);
    let got = world.got(&device);
    assert_eq!(
        got,
        ["PUBLISH #1 retained a/b x SubscriptionIdentifier(1) SubscriptionIdentifier(2)"]
    );
}

fn share(filter: &str, id: u32, retain_as_published: bool) -> (SubscribeFilter<'_>, u32) {
    let filter = SubscribeFilter {
        retain_as_published,
        ..SubscribeFilter::new(filter, Q2)
    };
    (filter, id)
}

/// 3.8.3.1 and [MQTT-3.3.4-3]: the member that was chosen has its own identifier, and RETAIN as it asked.
#[test]
fn b_36_a_message_of_a_group_comes_as_its_member_subscribed() {
    let mut world = standard();
    let join = |world: &mut World, device: &Device, (filter, id): (SubscribeFilter<'_>, u32)| {
        let list = [Property::SubscriptionIdentifier(id)];
        let list = if id == 0 { &[][..] } else { &list };
        world.send(device, &[subscribe_with_id(list, &[filter])]);
        world.got(device);
    };
    let from = world.client(V5, "from");
    let say = |world: &mut World, qos, payload: &str| {
        let publish = Publish {
            qos,
            packet_id: (qos != Q0).then_some(PacketId::FIRST),
            retain: true,
            ..message("a", payload)
        };
        world.send(&from, &[Packet::Publish(publish)]);
        if qos == Q2 {
            world.send(&from, &[Packet::PubRel(ack(1))]);
        }
    };
    let (one, _) = world.persistent(V5, "one");
    join(&mut world, &one, share("$share/g/a", 3, true));
    for qos in [Q0, Q1, Q2] {
        say(&mut world, qos, "x");
    }
    assert_eq!(
        world.got(&one),
        [
            "PUBLISH retained a x SubscriptionIdentifier(3)",
            "PUBLISH #1 retained a x SubscriptionIdentifier(3)",
            "PUBLISH #2 retained a x SubscriptionIdentifier(3)",
        ]
    );
    // What was not acknowledged goes to another member as that one asked; QoS 2 stays with its own.
    let (two, _) = world.persistent(V5, "two");
    join(&mut world, &two, share("$share/g/a", 4, false));
    world.lose(&one);
    assert_eq!(
        world.got(&two),
        ["PUBLISH #1 a x SubscriptionIdentifier(4)"]
    );
    world.send(&two, &[Packet::PubAck(ack(1))]);
    // `World::persistent` leaves properties out.
    let back = |world: &mut World| {
        let one = world.connecting(keeping(V5, "one"));
        let got = world.got(&one);
        assert_eq!(got.len(), 2, "{got:?}");
        (one, got[1].clone())
    };
    let (one, got) = back(&mut world);
    assert_eq!(got, "PUBLISH #2 retained dup a x SubscriptionIdentifier(3)");
    world.send(&one, &[Packet::PubRec(ack(2)), Packet::PubComp(ack(2))]);
    world.got(&one);
    // What waits for a member that comes back too, also after a restart; the subscription is replaced without identifier.
    world.send(&two, &[unsubscribe(&["$share/g/a"])]);
    world.lose(&one);
    say(&mut world, Q1, "y");
    world.pass(2);
    let (_, got) = back(&mut world);
    assert!(
        got.ends_with("retained a y SubscriptionIdentifier(3)"),
        "{got}"
    );
    world.pass(2);
    world.crash();
    // Its RETAIN is not in the row.
    let (one, got) = back(&mut world);
    assert!(got.ends_with(" a y SubscriptionIdentifier(3)"), "{got}");
    join(&mut world, &one, share("$share/g/a", 0, false));
    let from = world.client(V5, "from");
    world.send(&from, &[retained("a", "z")]);
    assert_eq!(world.got(&one), ["PUBLISH a z"]);
}

/// B-36, B-38: AWS knows neither, in a group as elsewhere.
#[test]
fn b_38_a_message_of_a_group_has_no_retain_on_aws() {
    let mut world = World::new();
    let device = world.client(V5, "device");
    let (filter, _) = share("$share/g/a", 0, true);
    world.send(
        &device,
        &[subscribe(&[SubscribeFilter { qos: Q1, ..filter }])],
    );
    world.got(&device);
    world.send(&device, &[retained("a", "x")]);
    assert_eq!(world.got(&device), ["PUBLISH a x"]);
}
