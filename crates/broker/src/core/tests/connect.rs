//! CONNECT and CONNACK, B.2 and B.3; keep-alive; takeover.

use thingwire_mqtt::{DecodeError, Packet, Properties, Property, ReasonCode};

use super::*;

fn asking<'a>(client_id: &'a str, list: &'a [Property<'a>]) -> Connect<'a> {
    Connect {
        properties: Properties::List(list),
        ..clean(V5, client_id)
    }
}

#[test]
fn b_1_another_protocol_version_gets_connack_01() {
    let mut world = World::new();
    let device = world.open(V3);
    let error = DecodeError::UnsupportedVersion { level: 3 };
    world.call(|core, now| core.reject(now, device.key, &error, None));
    assert_eq!(world.got(&device), ["CONNACK 01", "closed"]);
}

#[test]
fn a_connect_that_cannot_be_read_is_answered_as_far_as_its_version_is_known() {
    let mut world = World::new();
    let error = DecodeError::Malformed("connect flags");
    for (version, expected) in [
        (
            Some(V5),
            &[
                "CONNACK 81 ReasonString(\"malformed packet: connect flags\")",
                "closed",
            ][..],
        ),
        (Some(V3), &["closed"]),
        (None, &["closed"]),
    ] {
        let device = world.open(V5);
        world.call(|core, now| core.reject(now, device.key, &error, version));
        assert_eq!(world.got(&device), expected);
    }
}

#[test]
fn b_2_enhanced_authentication_is_refused() {
    let mut world = World::new();
    let list = [Property::AuthenticationMethod("SCRAM")];
    let device = world.connecting(asking("a", &list));
    assert_eq!(codes(&world.got(&device)), ["CONNACK 87", "closed"]);
}

#[test]
fn b_8_packets_behind_connect_are_tolerated_unless_strict() {
    let filters = [SubscribeFilter::new("a", Q0)];
    let connect = Packet::Connect(clean(V3, "a"));
    for (strict, expected) in [
        (false, vec!["CONNACK 00", "SUBACK [00]"]),
        (true, vec!["closed"]),
    ] {
        let mut world = World::with(|config| config.choices.wait_for_connack = strict);
        let device = world.open(V3);
        world.send(&device, &[connect, subscribe(&filters)]);
        assert_eq!(world.got(&device), expected);
    }
}

#[test]
fn b_11_a_client_id_has_at_most_128_bytes() {
    let mut world = World::new();
    let fits = "x".repeat(128);
    world.client(V3, &fits);
    world.client(V5, &fits);
    let long = "x".repeat(129);
    let three = world.connecting(clean(V3, &long));
    assert_eq!(world.got(&three), ["CONNACK 02", "closed"]);
    let five = world.connecting(clean(V5, &long));
    assert_eq!(codes(&world.got(&five)), ["CONNACK 85", "closed"]);
    // `#` and `+` are accepted.
    world.client(V3, "a#+b");
}

#[test]
fn b_12_an_empty_client_id_is_assigned_and_policies_see_it() {
    let mut world = World::new();
    let id = "$GEN/01010101-0101-4101-8101-010101010101";
    let five = world.connecting(clean(V5, ""));
    let line = world.got(&five).remove(0);
    assert!(
        line.contains(&format!("AssignedClientIdentifier(\"{id}\")")),
        "{line}"
    );
    assert_eq!(world.log.take(), [format!("{id} connected present=false")]);

    // B-13: the assigned id is what the policy decides about.
    let next = "$GEN/02020202-0202-4202-8202-020202020202";
    world.policy.deny(Action::Connect, next);
    let denied = world.connecting(clean(V3, ""));
    assert_eq!(world.got(&denied), ["closed"]);
    assert_eq!(
        world.log.take(),
        [
            format!("{next} refused Connect {next}"),
            format!("{next} failed to connect")
        ]
    );

    let three = world.connecting(clean(V3, ""));
    assert_eq!(world.got(&three), ["CONNACK 00"]);
}

#[test]
fn b_12_what_an_empty_or_generated_id_cannot_do() {
    let mut world = World::new();
    let kept = world.connecting(Connect {
        clean_start: false,
        ..clean(V3, "")
    });
    assert_eq!(world.got(&kept), ["CONNACK 02", "closed"]);
    let taken = world.connecting(clean(V5, "$GEN/mine"));
    assert_eq!(codes(&world.got(&taken)), ["CONNACK 85", "closed"]);
}

#[test]
fn b_14_the_newer_connection_wins_and_the_older_ones_will_is_published() {
    let mut world = World::new();
    let watcher = world.client(V3, "watcher");
    world.subscribe(&watcher, &[("will", Q0)]);
    let older = world.connecting(with_will(clean(V5, "device"), "will", Q0, false));
    world.got(&older);
    world.log.take();

    let newer = world.client(V5, "device");
    assert_eq!(codes(&world.got(&older)), ["DISCONNECT 8e", "closed"]);
    assert_eq!(world.got(&watcher), ["PUBLISH will gone"]);
    assert_eq!(
        world.log.take(),
        [
            "device disconnected DUPLICATE_CLIENTID",
            "device connected present=false"
        ]
    );
    // What the older sends afterwards reaches nobody.
    world.say(&older, "will", "late");
    assert!(world.got(&watcher).is_empty());
    world.lose(&older);
    world.send(&newer, &[Packet::PingReq]);
    assert_eq!(world.got(&newer), ["PINGRESP"]);

    // MQTT 3.1.1 is only closed.
    let three = world.client(V3, "three");
    world.client(V3, "three");
    assert_eq!(world.got(&three), ["closed"]);
}

#[test]
fn b_15_keep_alive_is_moved_into_its_range_and_reported() {
    let mut world = World::new();
    for (asked, effective) in [
        (0, 1200),
        (1, 30),
        (29, 30),
        (30, 30),
        (900, 900),
        (1201, 1200),
    ] {
        let device = world.connecting(Connect {
            keep_alive: asked,
            ..clean(V5, "a")
        });
        let line = world.got(&device).remove(0);
        assert!(
            line.contains(&format!("ServerKeepAlive({effective})")),
            "{asked}: {line}"
        );
    }
}

#[test]
fn b_15_silence_for_one_and_a_half_keep_alives_ends_the_connection() {
    let mut world = World::new();
    let five = world.connecting(Connect {
        keep_alive: 40,
        ..clean(V5, "five")
    });
    let three = world.connecting(Connect {
        keep_alive: 0,
        ..clean(V3, "three")
    });
    world.got(&five);
    world.got(&three);
    world.pass(59);
    world.send(&five, &[Packet::PingReq]);
    world.pass(59);
    assert_eq!(world.got(&five), ["PINGRESP"]);
    world.log.take();
    world.pass(1);
    assert_eq!(codes(&world.got(&five)), ["DISCONNECT 8d", "closed"]);
    assert_eq!(
        world.log.take(),
        ["five disconnected MQTT_KEEP_ALIVE_TIMEOUT"]
    );
    world.pass(1800 - 119 - 1);
    assert!(world.got(&three).is_empty());
    world.pass(1);
    assert_eq!(world.got(&three), ["closed"]);
}

#[test]
fn b_16_a_second_connect_ends_the_connection() {
    let mut world = World::new();
    for (version, expected) in [(V3, &["closed"][..]), (V5, &["DISCONNECT 82", "closed"])] {
        let device = world.client(version, "a");
        world.log.take();
        world.send(&device, &[Packet::Connect(clean(version, "a"))]);
        assert_eq!(codes(&world.got(&device)), expected);
        assert_eq!(
            world.log.take(),
            [
                "a violated B-16: a second CONNECT",
                "a disconnected CLIENT_ERROR"
            ]
        );
    }
}

#[test]
fn b_16_so_does_one_of_another_version() {
    let mut world = World::new();
    let device = world.client(V5, "a");
    let error = DecodeError::UnsupportedVersion { level: 6 };
    world.call(|core, now| core.reject(now, device.key, &error, None));
    assert_eq!(codes(&world.got(&device)), ["DISCONNECT 82", "closed"]);
}

#[test]
fn the_first_packet_must_be_connect() {
    let mut world = World::new();
    let device = world.open(V3);
    world.send(&device, &[Packet::PingReq]);
    assert_eq!(world.got(&device), ["closed"]);
}

#[test]
fn b_19_a_client_must_take_packets_of_512_bytes() {
    let mut world = World::new();
    let list = [Property::MaximumPacketSize(511)];
    let device = world.connecting(asking("a", &list));
    assert_eq!(codes(&world.got(&device)), ["CONNACK 80", "closed"]);
    let list = [Property::MaximumPacketSize(512)];
    let device = world.connecting(asking("a", &list));
    assert_eq!(codes(&world.got(&device)), ["CONNACK 00"]);
}

#[test]
fn b_20_b_52_a_denied_connect_gets_no_connack_in_3_1_1_and_87_in_5() {
    let mut world = World::new();
    world.policy.deny(Action::Connect, "thief");
    let three = world.connecting(clean(V3, "thief"));
    assert_eq!(world.got(&three), ["closed"]);
    // D-4
    assert_eq!(
        world.log.take(),
        ["thief refused Connect thief", "thief failed to connect"]
    );
    let five = world.connecting(clean(V5, "thief"));
    assert_eq!(
        world.got(&five),
        [
            "CONNACK 87 ReasonString(\"no statement allows Connect on thief\")",
            "closed"
        ]
    );
    assert_eq!(world.core.statistics().sessions, 0);
    assert_eq!(world.core.statistics().refused_connects, 2);
}

#[test]
fn b_20_connack_05_can_be_switched_on() {
    let mut world = World::with(|config| config.choices.connack_on_auth_failure = true);
    world.policy.deny(Action::Connect, "thief");
    let three = world.connecting(clean(V3, "thief"));
    assert_eq!(world.got(&three), ["CONNACK 05", "closed"]);
}

#[test]
fn a_denied_connect_does_not_disturb_the_connection_that_has_the_id() {
    let mut world = World::new();
    let device = world.client(V5, "device");
    world.policy.deny(Action::Connect, "device");
    let thief = world.connecting(clean(V5, "device"));
    assert_eq!(codes(&world.got(&thief)), ["CONNACK 87", "closed"]);
    assert!(world.got(&device).is_empty());
}

#[test]
fn b_22_connack_of_mqtt_5_states_the_limits() {
    let mut world = World::new();
    let device = world.connecting(clean(V5, "a"));
    assert_eq!(
        world.got(&device),
        [
            "CONNACK 00 ReceiveMaximum(100) MaximumQoS(1) RetainAvailable(true) \
          MaximumPacketSize(149504) TopicAliasMaximum(8) WildcardSubscriptionAvailable(true) \
          SubscriptionIdentifierAvailable(false) SharedSubscriptionAvailable(true) \
          ServerKeepAlive(1200)"
        ]
    );
}

#[test]
fn b_24_a_session_expiry_over_the_maximum_is_lowered_and_reported() {
    let mut world = World::new();
    for (asked, reported) in [
        (3600, None),
        (3601, Some(3600)),
        (u32::MAX, Some(3600)),
        (0, None),
    ] {
        let list = [Property::SessionExpiryInterval(asked)];
        let device = world.connecting(asking("a", &list));
        let line = world.got(&device).remove(0);
        let said = line.contains("SessionExpiryInterval(3600)");
        assert_eq!(said, reported.is_some(), "{asked}: {line}");
    }
}

#[test]
fn b_75_no_reason_string_for_who_wants_none_or_cannot_take_it() {
    let mut world = World::new();
    world.policy.deny(Action::Connect, "thief");
    let list = [Property::RequestProblemInformation(false)];
    let device = world.connecting(asking("thief", &list));
    assert_eq!(world.got(&device), ["CONNACK 87", "closed"]);
    let mut world = World::with(|config| config.choices.reason_string = false);
    world.policy.deny(Action::Connect, "thief");
    let device = world.connecting(clean(V5, "thief"));
    assert_eq!(world.got(&device), ["CONNACK 87", "closed"]);
}

#[test]
fn a_27_every_connection_of_a_principal_can_be_closed() {
    let mut world = World::new();
    let three = world.client(V3, "three");
    let five = world.client(V5, "five");
    world.log.take();
    let count = world.call(|core, now| {
        let reason = crate::DisconnectReason::AuthError;
        core.disconnect_principal(now, "certificate", reason, "the certificate is not active")
    });
    assert_eq!(count, 2);
    assert_eq!(world.got(&three), ["closed"]);
    assert_eq!(
        world.got(&five),
        [
            "DISCONNECT 87 ReasonString(\"the certificate is not active\")",
            "closed"
        ]
    );
    assert_eq!(
        world.log.take(),
        [
            "three disconnected AUTH_ERROR",
            "five disconnected AUTH_ERROR"
        ]
    );
    let count = world.call(|core, now| {
        let reason = crate::DisconnectReason::AuthError;
        core.disconnect_principal(now, "somebody else", reason, "")
    });
    assert_eq!(count, 0);
}

#[test]
fn b_76_shutting_down_says_8b_and_keeps_sessions() {
    let mut world = World::new();
    let (five, _) = world.persistent(V5, "five");
    let three = world.client(V3, "three");
    world.call(|core, now| core.shut_down(now));
    assert_eq!(codes(&world.got(&five)), ["DISCONNECT 8b", "closed"]);
    assert_eq!(world.got(&three), ["closed"]);
    assert!(world.core.is_settled());
    world.crash();
    assert_eq!(world.persistent(V5, "five").1, ["CONNACK 00 present"]);
}

#[test]
fn packets_of_servers_and_of_qos_2_end_the_connection() {
    let mut world = World::new();
    let id = PacketId::FIRST;
    let ack = Ack {
        packet_id: id,
        reason_code: ReasonCode::SUCCESS,
        properties: Properties::EMPTY,
    };
    for packet in [
        Packet::PingResp,
        Packet::PubRec(ack),
        Packet::PubRel(ack),
        Packet::PubComp(ack),
        Packet::Auth(thingwire_mqtt::Auth {
            reason_code: ReasonCode(0x18),
            properties: Properties::List(&[Property::AuthenticationMethod("SCRAM")]),
        }),
    ] {
        let device = world.client(V5, "a");
        world.send(&device, &[packet]);
        assert_eq!(
            codes(&world.got(&device)),
            ["DISCONNECT 82", "closed"],
            "{packet:?}"
        );
    }
}

#[test]
fn a_31_user_name_and_password_are_accepted_and_ignored() {
    for version in [V3, V5] {
        let mut world = World::new();
        let device = world.connecting(Connect {
            user_name: Some("?SDK=any&Version=1"),
            password: Some(b"wrong"),
            ..clean(version, "device")
        });
        assert_eq!(codes(&world.got(&device)), ["CONNACK 00"]);
    }
}
