//! Quality of service 2 with brokers that have it (feature `qos2`): through the client and its inbox, over lost connections.
//! The engine's own tests are in `thingwire-mqtt`.

#[path = "device/wire.rs"]
#[expect(dead_code, reason = "the other tests need more of it")]
mod wire;
#[path = "device/world.rs"]
#[expect(dead_code, reason = "the other tests need more of it")]
mod world;

use thingwire_device::future::{Either, join, select};
use thingwire_device::queue::{Keep, OfflineQueue, QueueOptions, RamQueue};
use thingwire_device::{
    Client, Config, Limits, Memory, Outgoing, Platform as _, PublishError, QoS, SubscribeFilter,
};
use thingwire_mqtt::{Packet, Publish, Version};

use crate::wire::{ServerEnd, message};
use crate::world::{BOTH, Scene};

fn config(scene: &Scene) -> Config<'static> {
    scene.config().limits(Limits::MQTT)
}

fn deliver(server: &ServerEnd, id: u16, payload: &[u8], dup: bool) {
    let Packet::Publish(publish) = message(Some(id), "c", payload) else {
        unreachable!()
    };
    server.send(&Packet::Publish(Publish {
        qos: QoS::ExactlyOnce,
        dup,
        ..publish
    }));
}

/// PUBREC, PUBREL or PUBCOMP, the same in both versions when all is well.
fn answer(server: &ServerEnd, first: u8, id: u8) {
    server.send_bytes(&[first, 2, 0, id]);
}

async fn next(scene: &Scene, client: &Client<'_>) -> Option<String> {
    let mut buffer = [0; 64];
    match select(client.next(&mut buffer), scene.world.sleep(1_000)).await {
        Either::First(received) => {
            let received = received.unwrap();
            Some(String::from_utf8_lossy(received.payload).into_owned())
        }
        Either::Second(()) => None,
    }
}

#[test]
fn a_publish_returns_after_pubcomp_through_a_lost_connection() {
    for version in BOTH {
        let scene = Scene::new(version);
        scene.play(config(&scene), async |client| {
            let story = async {
                let mut server = scene.network.accept_mqtt(false).await;
                server.expect("PUBLISH 1 t x").await;
                drop(server);
                let mut server = scene.network.accept_mqtt(true).await;
                server.expect("PUBLISH DUP 1 t x").await;
                answer(&server, 0x50, 1);
                server.expect("PubRel").await;
                drop(server);
                let mut server = scene.network.accept_mqtt(true).await;
                server.expect("PubRel").await;
                answer(&server, 0x70, 1);
                server
            };
            let publish = client.publish("t", "x", QoS::ExactlyOnce);
            let (mut server, published) = join(story, publish).await;
            assert_eq!(published, Ok(()));
            server.expect_silence(&scene.world, 1_000).await;
        });
    }
}

#[test]
fn a_message_that_waits_in_the_inbox_while_the_connection_breaks_is_handed_over_once() {
    for version in BOTH {
        let scene = Scene::new(version);
        let mut memory = Memory::<256, 512, 128, 128>::new();
        let client = Client::new(config(&scene), memory.lend()).unwrap();
        scene.play_with(&client, async |client| {
            let server = scene.network.accept_mqtt(false).await;
            deliver(&server, 7, b"once", false);
            scene.world.sleep(10).await;
            drop(server);
            let mut server = scene.network.accept_mqtt(true).await;
            deliver(&server, 7, b"once", true);
            assert_eq!(next(&scene, client).await.as_deref(), Some("once"));
            // Being worked on is not being done.
            assert_eq!(next(&scene, client).await, None);
            server.expect("PubRec").await;
            answer(&server, 0x62, 7);
            server.expect("PubComp").await;
        });
    }
}

#[test]
fn what_does_not_fit_is_fetched_again() {
    let scene = Scene::new(Version::V311);
    // Four messages of 15 bytes fit.
    let mut memory = Memory::<256, 512, 128, 64>::new();
    let client = Client::new(config(&scene), memory.lend()).unwrap();
    scene.play_with(&client, async |client| {
        let mut server = scene.network.accept_mqtt(false).await;
        for id in 1..=5_u16 {
            deliver(&server, id, format!("1234{id}").as_bytes(), false);
        }
        scene.world.sleep(10).await;
        for id in 1..=4 {
            assert_eq!(next(&scene, client).await, Some(format!("1234{id}")));
        }
        let ((), none) = join(
            async {
                let mut id = 0;
                loop {
                    match server.next().await.as_str() {
                        "PubRec" => {
                            id += 1;
                            answer(&server, 0x62, id);
                        }
                        "PubComp" => {}
                        // Caught up: what was left out is fetched.
                        other => return assert_eq!(other, "DISCONNECT 0x0"),
                    }
                }
            },
            next(&scene, client),
        )
        .await;
        assert_eq!(none, None);
        drop(server);
        let server = scene.network.accept_mqtt(true).await;
        deliver(&server, 5, b"12345", true);
        assert_eq!(next(&scene, client).await.as_deref(), Some("12345"));
    });
}

#[test]
fn the_offline_queue_lets_go_after_pubcomp() {
    for version in BOTH {
        let scene = Scene::new(version);
        scene.play(config(&scene), async |client| {
            let (mut storage, mut buffer) = ([0; 128], [0; 64]);
            let storage = RamQueue::new(&mut storage);
            let options = QueueOptions::default();
            let opened = OfflineQueue::open(client, storage, &mut buffer, options).await;
            let queue = opened.unwrap();
            let message = Outgoing::new("t", b"x", QoS::ExactlyOnce);
            let put = queue.put(message, Keep::MustArrive, scene.world.now());
            assert_eq!(put.await, Ok(true));
            let drain = queue.drain(
                &scene.world,
                || scene.world.now(),
                |lost| panic!("{lost:?}"),
            );
            let story = async {
                let mut server = scene.network.accept_mqtt(false).await;
                server.expect("PUBLISH 1 t x").await;
                answer(&server, 0x50, 1);
                server.expect("PubRel").await;
                assert_eq!(queue.statistics().depth, 1, "not yet");
                drop(server);
                let mut server = scene.network.accept_mqtt(true).await;
                server.expect("PubRel").await;
                answer(&server, 0x70, 1);
                scene.world.sleep(10).await;
                assert_eq!(queue.statistics().depth, 0);
                server.expect_silence(&scene.world, 1_000).await;
            };
            match select(drain, story).await {
                Either::First(ended) => panic!("{ended:?}"),
                Either::Second(()) => {}
            }
        });
    }
}

#[test]
fn aws_has_no_qos_2_b2() {
    let scene = Scene::new(Version::V311);
    scene.play(scene.config(), async |client| {
        let refused = client.try_publish(Outgoing::new("t", b"x", QoS::ExactlyOnce));
        assert!(matches!(refused, Err(PublishError::Session(_))));
        assert!(client.subscribe("t", QoS::ExactlyOnce).await.is_err());
    });
    let filters = [SubscribeFilter::new("t", QoS::ExactlyOnce)];
    let mut memory = Memory::<256, 512, 128, 64>::new();
    assert!(Client::new(scene.config().subscriptions(&filters), memory.lend()).is_err());
}
