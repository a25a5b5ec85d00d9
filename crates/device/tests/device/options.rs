//! What MQTT 5 adds to subscriptions, to the end of a connection, and topics that the server sends as a number.

use thingwire_device::future::join;
use thingwire_device::{
    Client, ConfigError, EncodeError, Limits, Memory, Properties, Property, QoS, ReasonCode,
    RetainHandling, SubscribeError, SubscribeFilter, Version,
};
use thingwire_mqtt::{Packet, Publish};

use crate::wire::{ServerEnd, message};
use crate::world::Scene;

/// The next packet of the device, decoded.
async fn with_next<R>(server: &mut ServerEnd, look: impl FnOnce(Packet<'_>) -> R) -> R {
    let bytes = server.next_bytes().await;
    let (frame, _) = thingwire_mqtt::split(&bytes, usize::MAX).unwrap().unwrap();
    look(Packet::decode(Version::V5, &frame).unwrap())
}

#[test]
fn a_subscription_has_options_and_an_identifier_and_keeps_them_when_made_again() {
    let asked = SubscribeFilter {
        no_local: true,
        retain_as_published: true,
        retain_handling: RetainHandling::DoNotSend,
        ..SubscribeFilter::new("rooms/+", QoS::AtLeastOnce)
    };
    let identifier = [Property::SubscriptionIdentifier(7)];
    let check = |packet: Packet<'_>| {
        let Packet::Subscribe(subscribe) = packet else {
            panic!("not a SUBSCRIBE: {packet:?}")
        };
        assert!(subscribe.properties.iter().eq(identifier));
        assert!(subscribe.filters.iter().eq([asked]));
        subscribe.packet_id.get()
    };
    let scene = Scene::new(Version::V5);
    scene.play(scene.config().limits(Limits::MQTT), async |client| {
        let properties = Properties::List(&identifier);
        let mut granted = Vec::new();
        let story = async {
            let mut server = scene.network.accept_mqtt(false).await;
            let id = with_next(&mut server, check).await;
            server.suback(id, &[1]);
            server
        };
        let filters = [asked];
        let subscribe =
            client.subscribe_with(&filters, properties, |_, answer| granted.push(answer));
        let (subscribed, server) = join(subscribe, story).await;
        subscribed.unwrap();
        assert_eq!(granted, [Ok(QoS::AtLeastOnce)]);
        // The server lost the session.
        server.break_off();
        let mut server = scene.network.accept_mqtt(false).await;
        with_next(&mut server, check).await;
    });
}

#[test]
fn what_mqtt_3_1_1_cannot_ask_for_is_refused_at_the_call() {
    let scene = Scene::new(Version::V311);
    scene.play(scene.config(), async |client| {
        let _server = scene.network.accept_mqtt(false).await;
        client.connected().await;
        let plain = SubscribeFilter::new("a", QoS::AtMostOnce);
        let no_local = SubscribeFilter {
            no_local: true,
            ..plain
        };
        let identifier = [Property::SubscriptionIdentifier(7)];
        for (filter, properties) in [
            (no_local, Properties::EMPTY),
            (plain, Properties::List(&identifier)),
        ] {
            let refused = client
                .subscribe_with(&[filter], properties, |_, _| {})
                .await;
            assert!(
                matches!(refused, Err(SubscribeError::Session(_))),
                "{refused:?}"
            );
        }
        let refused = client.disconnect_with(ReasonCode(0x04), Properties::EMPTY);
        assert!(
            matches!(refused, Err(EncodeError::NotAllowed(_))),
            "{refused:?}"
        );
        assert!(client.is_connected(), "it goes on");
    });
}

#[test]
fn a_goodbye_has_a_reason_and_an_expiry_and_waits_for_what_was_accepted_b25() {
    let scene = Scene::new(Version::V5);
    let mut config = scene.config();
    config.connect.session_expiry = 3_600;
    let said = [
        Property::SessionExpiryInterval(60),
        Property::UserProperty("why", "service"),
    ];
    scene.play(config, async |client| {
        let mut server = scene.network.accept_mqtt(false).await;
        client.connected().await;
        client.publish("t", "last", QoS::AtMostOnce).await.unwrap();
        let reason = ReasonCode(0x04);
        client
            .disconnect_with(reason, Properties::List(&said))
            .unwrap();
        server.expect("PUBLISH 0 t last").await;
        with_next(&mut server, |packet| {
            let Packet::Disconnect(disconnect) = packet else {
                panic!("not a DISCONNECT: {packet:?}")
            };
            assert_eq!(disconnect.reason_code, reason);
            assert!(disconnect.properties.iter().eq(said));
        })
        .await;
        server.expect("closed").await;
    });
    assert_eq!(scene.diary().last().map(String::as_str), Some("stopped"));
}

#[test]
fn without_a_connection_a_goodbye_is_a_stop() {
    let scene = Scene::new(Version::V5);
    scene.play(scene.config(), async |client| {
        let reason = ReasonCode(0x04);
        client.disconnect_with(reason, Properties::EMPTY).unwrap();
        scene.world.sleep(60_000).await;
    });
    assert_eq!(scene.diary(), ["attempting 0", "stopped"]);
}

/// A PUBLISH with an alias.
fn aliased<'m>(topic: &'m str, payload: &'m [u8], alias: &'m [Property<'m>; 1]) -> Packet<'m> {
    let Packet::Publish(plain) = message(None, topic, payload) else {
        unreachable!()
    };
    Packet::Publish(Publish {
        properties: Properties::List(alias),
        ..plain
    })
}

#[test]
fn the_server_may_send_a_topic_as_a_number_mqtt_3_3_2_7() {
    let scene = Scene::new(Version::V5);
    let mut memory = Memory::<256, 512, 128, 256>::new();
    let config = scene.config().server_aliases(2, 20);
    let client = Client::new(config, memory.lend()).unwrap();
    let (one, two) = ([Property::TopicAlias(1)], [Property::TopicAlias(2)]);
    scene.play_with(&client, async |client| {
        let mut server = scene.network.accept().await;
        with_next(&mut server, |packet| {
            let Packet::Connect(connect) = packet else {
                panic!("not a CONNECT: {packet:?}")
            };
            let mut told = connect.properties.iter();
            assert!(told.any(|told| told == Property::TopicAliasMaximum(2)));
        })
        .await;
        server.connack(false);
        for (topic, payload, alias) in [
            ("sensors/attic", b"1", &one),
            ("sensors/cellar", b"2", &two),
            ("", b"3", &one),
            ("sensors/garden", b"4", &one),
            ("", b"5", &two),
            ("", b"6", &one),
        ] {
            server.send(&aliased(topic, payload, alias));
        }
        let mut buffer = [0; 128];
        for (topic, payload) in [
            ("sensors/attic", b"1"),
            ("sensors/cellar", b"2"),
            ("sensors/attic", b"3"),
            ("sensors/garden", b"4"),
            ("sensors/cellar", b"5"),
            ("sensors/garden", b"6"),
        ] {
            let received = client.next(&mut buffer).await.unwrap();
            assert_eq!((received.topic, received.payload), (topic, &payload[..]));
        }
        // A new connection knows none of them.
        server.break_off();
        let server = scene.network.accept_mqtt(true).await;
        server.send(&aliased("", b"7", &one));
        let _ = scene.network.accept().await;
    });
    ended_by_an_unknown_alias(&scene);
}

/// That a connection ended because the server used a number that stands for no topic.
fn ended_by_an_unknown_alias(scene: &Scene) {
    let diary = scene.diary();
    let told = |line: &String| line.contains("a topic alias that was given no topic");
    assert!(diary.iter().any(told), "{diary:?}");
}

/// What a packet that nobody read said of an alias is not known: using it may not deliver under the topic of before.
#[test]
fn an_alias_does_not_outlive_a_message_that_was_skipped() {
    let scene = Scene::new(Version::V5);
    let mut memory = Memory::<256, 512, 128, 256>::new();
    let config = scene.config().server_aliases(2, 20);
    let client = Client::new(config, memory.lend()).unwrap();
    let one = [Property::TopicAlias(1)];
    scene.play_with(&client, async |client| {
        let server = scene.network.accept_mqtt(false).await;
        server.send(&aliased("valve/open", b"1", &one));
        server.send(&aliased("valve/close", &[b'x'; 300], &one));
        server.send(&aliased("", b"2", &one));
        let mut buffer = [0; 128];
        let received = client.next(&mut buffer).await.unwrap();
        assert_eq!(
            (received.topic, received.payload),
            ("valve/open", &b"1"[..])
        );
        let server = scene.network.accept_mqtt(true).await;
        server.send(&aliased("valve/close", b"3", &one));
        let received = client.next(&mut buffer).await.unwrap();
        assert_eq!(
            (received.topic, received.payload),
            ("valve/close", &b"3"[..])
        );
    });
    ended_by_an_unknown_alias(&scene);
}

/// In the inbox each message has its topic, also one that came as a number.
#[test]
fn the_receive_maximum_leaves_room_for_topics_that_come_as_a_number() {
    let scene = Scene::new(Version::V5);
    let mut memory = Memory::<64, 512, 128, 339>::new();
    let config = scene.config().server_aliases(1, 40);
    let client = Client::new(config, memory.lend()).unwrap();
    scene.play_with(&client, async |_| {
        let mut server = scene.network.accept().await;
        with_next(&mut server, |packet| {
            let Packet::Connect(connect) = packet else {
                panic!("not a CONNECT: {packet:?}")
            };
            let mut told = connect.properties.iter();
            // 339 / (64 + 9 + 40)
            assert!(told.any(|told| told == Property::ReceiveMaximum(3)));
        })
        .await;
    });
}

#[test]
fn aliases_that_were_not_offered_end_the_connection_mqtt_3_3_2_9() {
    let alias = [Property::TopicAlias(1)];
    // None wanted; and a buffer of which half does not hold one.
    for (count, topic) in [(0, 20), (1, 600)] {
        let scene = Scene::new(Version::V5);
        scene.play(scene.config().server_aliases(count, topic), async |_| {
            let server = scene.network.accept_mqtt(false).await;
            server.send(&aliased("t", b"x", &alias));
            let _ = scene.network.accept().await;
        });
        assert!(
            scene
                .diary()
                .iter()
                .any(|line| line.contains("a topic alias above the maximum")),
            "{:?}",
            scene.diary()
        );
    }
}

#[test]
fn aliases_take_no_memory_in_mqtt_3_1_1_and_leave_room_for_subscriptions_in_5() {
    let filters = [SubscribeFilter::new("a/long/topic/filter", QoS::AtMostOnce)];
    let new = |version, count| {
        let mut memory = Memory::<64, 80, 128, 0>::new();
        let config = Scene::new(version).config().subscriptions(&filters);
        Client::new(config.server_aliases(count, 20), memory.lend()).err()
    };
    assert_eq!(new(Version::V311, 9), None);
    assert_eq!(new(Version::V5, 1), None);
    // Half of the buffer is gone, and four bytes are missing in what is left.
    assert_eq!(
        new(Version::V5, 9),
        Some(ConfigError::SessionBuffer { needed: 4 })
    );
}
