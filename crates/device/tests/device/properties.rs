//! What MQTT 5 adds to a message, in both directions and through the inbox, and brokers with other limits than AWS's.

use thingwire_device::{
    Client, LimitError, Limits, Memory, Outgoing, Properties, Property, PublishError, QoS, Version,
};
use thingwire_mqtt::{Packet, Publish};

use crate::wire::message;
use crate::world::Scene;

/// One of each that AWS passes through (B-72).
const ALL: [Property<'static>; 6] = [
    Property::PayloadFormatIndicator(1),
    Property::MessageExpiryInterval(60),
    Property::ContentType("application/json"),
    Property::ResponseTopic("lamps/7/answers"),
    Property::CorrelationData(b"\x00\x01\x02"),
    Property::UserProperty("unit", "lux"),
];

fn with_all(topic: &'static str, payload: &'static [u8]) -> Outgoing<'static> {
    Outgoing {
        properties: Properties::List(&ALL),
        ..Outgoing::new(topic, payload, QoS::AtMostOnce)
    }
}

#[test]
fn a_message_leaves_with_its_properties_b72() {
    let scene = Scene::new(Version::V5);
    scene.play(scene.config(), async |client| {
        let mut server = scene.network.accept_mqtt(false).await;
        client.connected().await;
        client.publish_message(with_all("t", b"{}")).await.unwrap();
        let bytes = server.next_bytes().await;
        let (frame, _) = thingwire_mqtt::split(&bytes, usize::MAX).unwrap().unwrap();
        let Ok(Packet::Publish(publish)) = Packet::decode(Version::V5, &frame) else {
            panic!("not a PUBLISH: {bytes:?}")
        };
        assert!(publish.properties.iter().eq(ALL));
    });
}

#[test]
fn the_inbox_keeps_properties_b72() {
    let scene = Scene::new(Version::V5);
    let mut memory = Memory::<256, 512, 128, 256>::new();
    let client = Client::new(scene.config(), memory.lend()).unwrap();
    scene.play_with(&client, async |client| {
        let server = scene.network.accept_mqtt(false).await;
        let Packet::Publish(plain) = message(None, "a", b"first") else {
            unreachable!()
        };
        for (payload, properties) in [
            (&b"first"[..], Properties::List(&ALL)),
            (b"second", Properties::EMPTY),
            (b"", Properties::List(&ALL[5..])),
        ] {
            server.send(&Packet::Publish(Publish {
                payload,
                properties,
                ..plain
            }));
        }
        let mut buffer = [0; 128];
        for (payload, properties) in [
            (&b"first"[..], &ALL[..]),
            (b"second", &[]),
            (b"", &ALL[5..]),
        ] {
            let received = client.next(&mut buffer).await.unwrap();
            assert_eq!((received.topic, received.payload), ("a", payload));
            assert!(received.properties.iter().eq(properties.iter().copied()));
        }
    });
}

#[test]
fn without_mqtt_5_properties_are_refused_at_the_call() {
    let scene = Scene::new(Version::V311);
    scene.play(scene.config(), async |client| {
        let _server = scene.network.accept_mqtt(false).await;
        let refused = client.publish_message(with_all("t", b"{}")).await;
        assert!(
            matches!(refused, Err(PublishError::Session(_))),
            "{refused:?}"
        );
    });
}

#[test]
fn another_broker_takes_what_aws_does_not_b41_b42_b44() {
    let scene = Scene::new(Version::V311);
    let deep = "$SYS/1/2/3/4/5/6/7/8/9";
    let config = scene.config();
    scene.play(config, async |client| {
        let refused = client.try_publish(Outgoing::new(deep, b"x", QoS::AtLeastOnce));
        assert!(matches!(refused, Err(PublishError::Limit(_))));
    });
    let scene = Scene::new(Version::V311);
    scene.play(config.limits(Limits::MQTT), async |client| {
        let mut server = scene.network.accept_mqtt(false).await;
        client
            .try_publish(Outgoing::new(deep, b"x", QoS::AtLeastOnce))
            .unwrap();
        server.expect(&format!("PUBLISH 1 {deep} x")).await;
        let long = "t".repeat(70_000);
        assert_eq!(
            client.try_publish(Outgoing::new(&long, b"x", QoS::AtLeastOnce)),
            Err(PublishError::Limit(LimitError::TopicBytes {
                len: 70_000,
                max: 65_535
            }))
        );
    });
}

/// A topic longer than AWS takes is shown cut where it is blamed, and counted as company for others: it is never set aside.
#[test]
fn a_long_topic_of_another_broker_is_blamed_as_far_as_it_fits() {
    let scene = Scene::new(Version::V311);
    let long = "ä".repeat(200);
    let mut memory = Memory::<256, 2048, 1024, 0>::new();
    let config = scene.config().limits(Limits::MQTT);
    let client = Client::new(config, memory.lend()).unwrap();
    scene.play_with(&client, async |client| {
        let mut server = scene.network.accept_mqtt(false).await;
        client
            .try_publish(Outgoing::new(&long, b"x", QoS::AtLeastOnce))
            .unwrap();
        server.expect(&format!("PUBLISH 1 {long} x")).await;
        drop(server);
        let mut server = scene.network.accept_mqtt(true).await;
        server.expect(&format!("PUBLISH DUP 1 {long} x")).await;
    });
    let shown = "ä".repeat(128);
    assert!(
        scene
            .diary()
            .iter()
            .any(|line| line.contains(&format!("`{shown}`"))),
        "{:?}",
        scene.diary()
    );
}
