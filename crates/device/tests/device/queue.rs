//! The offline queue: what waits, what gives way, and how it leaves.

use std::cell::RefCell;
use std::convert::Infallible;

use thingwire_device::future::{Either, select};
use thingwire_device::queue::{
    Keep, Lost, LostWhy, OfflineQueue, QueueError, QueueOptions, QueueStorage, RamQueue,
};
use thingwire_device::{
    Client, LimitError, Millis, Outgoing, Platform as _, Properties, Property, PublishError, QoS,
    ReasonCode, Version,
};
use thingwire_mqtt::Packet;

use crate::cancellation::at_most;
use crate::wire::ServerEnd;
use crate::world::{BOTH, Scene};

/// Plays a story with a queue of 3 messages of 10 bytes (29 bytes each in the storage).
fn play(
    scene: &Scene,
    options: QueueOptions,
    tell: impl AsyncFnOnce(&Client<'_>, &OfflineQueue<'_, '_, RamQueue<'_>>),
) {
    scene.play(scene.config(), async |client| {
        let (mut storage, mut buffer) = ([0; 90], [0; 64]);
        let storage = RamQueue::new(&mut storage);
        let queue = OfflineQueue::open(client, storage, &mut buffer, options)
            .await
            .unwrap();
        tell(client, &queue).await;
    });
}

/// Puts a message of 10 bytes in all.
async fn put<S: QueueStorage<Error = Infallible>>(
    scene: &Scene,
    queue: &OfflineQueue<'_, '_, S>,
    topic: &str,
    payload: &str,
    keep: Keep,
) -> Result<bool, QueueError<Infallible>> {
    assert_eq!(topic.len() + payload.len(), 10);
    let message = Outgoing::new(topic, payload.as_bytes(), QoS::AtLeastOnce);
    queue.put(message, keep, scene.world.now()).await
}

/// Runs `drain` beside the story and tells which messages were lost.
async fn drain_beside(
    scene: &Scene,
    queue: &OfflineQueue<'_, '_, RamQueue<'_>>,
    story: impl Future<Output = ()>,
) -> Vec<(String, LostWhy)> {
    let lost = RefCell::new(Vec::new());
    let drain = queue.drain(
        &scene.world,
        || scene.world.now(),
        |message: Lost<'_>| {
            lost.borrow_mut()
                .push((message.topic.to_owned(), message.why))
        },
    );
    match select(drain, story).await {
        Either::First(ended) => ended.unwrap(),
        Either::Second(()) => {}
    }
    lost.into_inner()
}

/// Takes a PUBLISH and acknowledges it; answers topic and payload.
async fn take(server: &mut ServerEnd) -> String {
    let packet = server.next().await;
    let mut words = packet.split(' ').filter(|word| *word != "DUP").skip(1);
    let id = words.next().unwrap().parse().unwrap();
    server.puback(id);
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn what_was_put_offline_arrives_in_order_at_the_allowed_rate_b45() {
    for version in BOTH {
        let scene = Scene::new(version);
        play(&scene, QueueOptions::default(), async |client, queue| {
            for payload in ["12345678", "22345678", "32345678"] {
                assert_eq!(
                    put(&scene, queue, "t1", payload, Keep::MustArrive).await,
                    Ok(true)
                );
            }
            let lost = drain_beside(&scene, queue, async {
                let mut server = scene.network.accept_mqtt(false).await;
                let begun = scene.world.seconds();
                assert_eq!(take(&mut server).await, "t1 12345678");
                assert_eq!(take(&mut server).await, "t1 22345678");
                assert_eq!(take(&mut server).await, "t1 32345678");
                let took = scene.world.seconds() - begun;
                assert!((0.2..0.25).contains(&took), "ten a second: {took}");
                server.expect_silence(&scene.world, 1_000).await;
                // What is put later leaves as well.
                put(&scene, queue, "t1", "42345678", Keep::MustArrive)
                    .await
                    .unwrap();
                assert_eq!(take(&mut server).await, "t1 42345678");
                scene.world.sleep(10).await;
            })
            .await;
            assert_eq!(lost, []);
            let statistics = queue.statistics();
            assert_eq!(
                statistics.to_string(),
                r#"{"depth":0,"queued":4,"delivered":4,"replaced":0,"dropped":0,"expired":0,"refused":0}"#
            );
            assert!(client.statistics().round_trip.is_some());
        });
    }
}

#[test]
fn each_policy_decides_what_gives_way() {
    use Keep::{DropNewest, DropOldest, LatestValue, MustArrive};
    // What waits in a full queue, what comes, what is answered, and what waits then.
    type Row = (
        [(&'static str, Keep); 3],
        (&'static str, Keep),
        Result<bool, QueueError<Infallible>>,
        &'static str,
    );
    let rows: [Row; 9] = [
        (
            [("a", DropOldest), ("b", DropOldest), ("c", MustArrive)],
            ("d", MustArrive),
            Ok(true),
            "bcd",
        ),
        (
            [("a", DropOldest), ("b", DropNewest), ("c", MustArrive)],
            ("d", DropOldest),
            Ok(true),
            "bcd",
        ),
        (
            [("a", DropOldest), ("b", DropOldest), ("c", MustArrive)],
            ("d", DropNewest),
            Ok(false),
            "abc",
        ),
        (
            [("a", MustArrive), ("b", MustArrive), ("c", MustArrive)],
            ("d", DropOldest),
            Ok(false),
            "abc",
        ),
        (
            [("a", MustArrive), ("b", MustArrive), ("c", LatestValue)],
            ("d", MustArrive),
            Err(QueueError::Full),
            "abc",
        ),
        (
            [("a", MustArrive), ("b", LatestValue), ("c", MustArrive)],
            ("b", LatestValue),
            Ok(true),
            "acb",
        ),
        (
            [("a", DropNewest), ("b", LatestValue), ("c", MustArrive)],
            ("b", LatestValue),
            Ok(true),
            "cb",
        ),
        (
            [("a", MustArrive), ("b", LatestValue), ("c", MustArrive)],
            ("d", LatestValue),
            Err(QueueError::Full),
            "abc",
        ),
        (
            [("a", MustArrive), ("b", DropNewest), ("c", MustArrive)],
            ("d", LatestValue),
            Ok(true),
            "acd",
        ),
    ];
    for (before, (topic, keep), answer, after) in rows {
        let scene = Scene::new(Version::V311);
        play(&scene, QueueOptions::default(), async |_, queue| {
            for (topic, keep) in before {
                assert_eq!(put(&scene, queue, topic, "old______", keep).await, Ok(true));
            }
            let told = put(&scene, queue, topic, "new______", keep).await;
            assert_eq!(told, answer, "{before:?} + {topic} {keep:?}");
            assert_eq!(queue.statistics().depth as usize, after.len());
            drain_beside(&scene, queue, async {
                let mut server = scene.network.accept_mqtt(false).await;
                for expected in after.chars() {
                    let taken = take(&mut server).await;
                    assert!(taken.starts_with(expected), "{before:?}: {taken}");
                    let new = taken.ends_with("new______");
                    assert_eq!(new, told == Ok(true) && expected.to_string() == topic);
                }
                server.expect_silence(&scene.world, 1_000).await;
            })
            .await;
        });
    }
}

#[cfg(feature = "v5")]
#[test]
fn what_is_too_old_or_refused_is_reported_and_the_rest_goes_on() {
    let scene = Scene::new(Version::V5);
    let options = QueueOptions {
        max_age: Some(30_000),
        ..QueueOptions::default()
    };
    play(&scene, options, async |_, queue| {
        put(&scene, queue, "old", "1234567", Keep::MustArrive)
            .await
            .unwrap();
        let mut server = scene.network.accept_mqtt(false).await;
        scene.world.sleep(31_000).await;
        put(&scene, queue, "secret", "1234", Keep::MustArrive)
            .await
            .unwrap();
        put(&scene, queue, "fine", "123456", Keep::MustArrive)
            .await
            .unwrap();
        let lost = drain_beside(&scene, queue, async {
            server.expect("PUBLISH 1 secret 1234").await;
            server.puback_with(1, ReasonCode::NOT_AUTHORIZED);
            // AWS takes messages at a limited rate: what is too fast is not lost (B-45).
            server.expect("PUBLISH 2 fine 123456").await;
            server.puback_with(2, ReasonCode::QUOTA_EXCEEDED);
            server.expect_silence(&scene.world, 900).await;
            server.expect("PUBLISH 3 fine 123456").await;
            server.puback(3);
            scene.world.sleep(10).await;
        })
        .await;
        assert_eq!(
            lost,
            [
                ("old".into(), LostWhy::Expired),
                (
                    "secret".into(),
                    LostWhy::Refused(ReasonCode::NOT_AUTHORIZED)
                )
            ]
        );
        let statistics = queue.statistics();
        assert_eq!(
            (
                statistics.depth,
                statistics.delivered,
                statistics.expired,
                statistics.refused
            ),
            (0, 1, 1, 1)
        );
    });
}

#[test]
fn what_can_never_be_sent_does_not_block_the_queue() {
    let scene = Scene::new(Version::V311);
    scene.play(scene.config(), async |client| {
        let (mut storage, mut buffer) = (vec![0; 4_096], vec![0; 2_048]);
        let storage = RamQueue::new(&mut storage);
        let queue = OfflineQueue::open(client, storage, &mut buffer, QueueOptions::default())
            .await
            .unwrap();
        let now = Millis(0);
        let big = [b'x'; 1_500];
        let big = Outgoing::new("big", &big, QoS::AtLeastOnce);
        queue.put(big, Keep::MustArrive, now).await.unwrap();
        let small = Outgoing::new("small", b"1", QoS::AtLeastOnce);
        queue.put(small, Keep::MustArrive, now).await.unwrap();
        let too_big = [b'x'; 2_040];
        assert_eq!(
            queue
                .put(Outgoing::new("t", &too_big, QoS::AtLeastOnce), Keep::MustArrive, now)
                .await,
            Err(QueueError::BufferTooSmall { needed: 2_056, len: 2_048 })
        );
        assert_eq!(
            queue
                .put(Outgoing::new("a/#", b"", QoS::AtLeastOnce), Keep::MustArrive, now)
                .await,
            Err(QueueError::Limit(LimitError::TopicGrammar))
        );
        let lost = drain_beside(&scene, &queue, async {
            let mut server = scene.network.accept_mqtt(false).await;
            assert_eq!(take(&mut server).await, "small 1");
        })
        .await;
        assert!(
            matches!(&lost[..], [(topic, LostWhy::Impossible(PublishError::Session(_)))] if topic == "big"),
            "{lost:?}"
        );
    });
}

#[test]
fn drain_dropped_at_every_poll_neither_loses_nor_doubles() {
    for version in BOTH {
        for polls in 1..24 {
            let scene = Scene::new(version);
            play(&scene, QueueOptions::default(), async |_, queue| {
                for payload in ["12345678", "22345678", "32345678"] {
                    put(&scene, queue, "t1", payload, Keep::MustArrive)
                        .await
                        .unwrap();
                }
                let mut server = scene.network.accept_mqtt(false).await;
                let taken = RefCell::new(Vec::new());
                let story = async {
                    for _ in 0..3 {
                        let packet = take(&mut server).await;
                        taken.borrow_mut().push(packet);
                    }
                    server.expect_silence(&scene.world, 2_000).await;
                };
                let drains = async {
                    loop {
                        let drain = queue.drain(&scene.world, || scene.world.now(), |_| {});
                        let _ = at_most(polls, drain).await;
                        scene.world.sleep(7).await;
                    }
                };
                select(story, drains).await;
                assert_eq!(
                    *taken.borrow(),
                    ["t1 12345678", "t1 22345678", "t1 32345678"],
                    "dropped after {polls}"
                );
                assert_eq!(queue.statistics().depth, 0);
            });
        }
    }
}

#[test]
fn a_connection_that_breaks_in_between_loses_nothing() {
    for version in BOTH {
        let scene = Scene::new(version);
        play(&scene, QueueOptions::default(), async |_, queue| {
            put(&scene, queue, "t1", "12345678", Keep::MustArrive)
                .await
                .unwrap();
            put(&scene, queue, "t1", "22345678", Keep::LatestValue)
                .await
                .unwrap();
            drain_beside(&scene, queue, async {
                let mut server = scene.network.accept_mqtt(false).await;
                server.expect("PUBLISH 1 t1 12345678").await;
                server.break_off();
                let mut server = scene.network.accept_mqtt(true).await;
                server.expect("PUBLISH DUP 1 t1 12345678").await;
                server.puback(1);
                server.expect("PUBLISH 2 t1 22345678").await;
                // On its way it is not replaced any more; the newer one follows.
                put(&scene, queue, "t1", "32345678", Keep::LatestValue)
                    .await
                    .unwrap();
                server.puback(2);
                assert_eq!(take(&mut server).await, "t1 32345678");
            })
            .await;
        });
    }
}

#[cfg(feature = "v5")]
#[test]
fn a_message_waits_with_its_properties() {
    let said = [
        Property::MessageExpiryInterval(60),
        Property::UserProperty("unit", "lux"),
    ];
    let scene = Scene::new(Version::V5);
    play(&scene, QueueOptions::default(), async |_, queue| {
        let message = Outgoing {
            properties: Properties::List(&said),
            // Nobody would know whether it may leave the queue: it is sent with QoS 1.
            ..Outgoing::new("t", b"dim", QoS::AtMostOnce)
        };
        let now = scene.world.now();
        assert_eq!(queue.put(message, Keep::MustArrive, now).await, Ok(true));
        let lost = drain_beside(&scene, queue, async {
            let mut server = scene.network.accept_mqtt(false).await;
            let bytes = server.next_bytes().await;
            let (frame, _) = thingwire_mqtt::split(&bytes, usize::MAX).unwrap().unwrap();
            let Ok(Packet::Publish(publish)) = Packet::decode(Version::V5, &frame) else {
                panic!("not a PUBLISH: {bytes:?}")
            };
            assert_eq!(publish.qos, QoS::AtLeastOnce);
            assert_eq!((publish.topic, publish.payload), ("t", &b"dim"[..]));
            assert!(publish.properties.iter().eq(said));
            server.puback(1);
            scene.world.sleep(10).await;
        })
        .await;
        assert_eq!((lost, queue.statistics().delivered), (vec![], 1));
    });
}

#[test]
fn what_the_client_cannot_send_does_not_enter_the_queue() {
    let said = [Property::UserProperty("unit", "lux")];
    let plain = Outgoing::new("t", b"dim", QoS::AtLeastOnce);
    let refused = [
        (
            Version::V311,
            Outgoing {
                properties: Properties::List(&said),
                ..plain
            },
        ),
        (
            Version::V5,
            Outgoing {
                properties: Properties::List(&[Property::ReceiveMaximum(1)]),
                ..plain
            },
        ),
        (
            Version::V5,
            Outgoing {
                // Aliases are the session's.
                properties: Properties::List(&[Property::TopicAlias(1)]),
                ..plain
            },
        ),
        (
            Version::V5,
            Outgoing {
                // [MQTT-3.3.4-6]
                properties: Properties::List(&[Property::SubscriptionIdentifier(1)]),
                ..plain
            },
        ),
        (
            Version::V5,
            Outgoing {
                // B-2
                qos: QoS::ExactlyOnce,
                ..plain
            },
        ),
    ];
    for (version, message) in refused
        .into_iter()
        .filter(|(version, _)| BOTH.contains(version))
    {
        let scene = Scene::new(version);
        play(&scene, QueueOptions::default(), async |_, queue| {
            let put = queue.put(message, Keep::MustArrive, Millis(0)).await;
            assert!(matches!(put, Err(QueueError::Encode(_))), "{put:?}");
            assert_eq!(queue.statistics().depth, 0);
        });
    }
}

/// It cannot be told apart from a message of a later version, but it must not keep the device awake for ever.
#[test]
fn a_record_that_nobody_can_read_leaves_the_queue_once() {
    let scene = Scene::new(Version::V311);
    scene.play(scene.config(), async |client| {
        let (mut storage, mut buffer) = ([0; 200], [0; 64]);
        let mut storage = RamQueue::new(&mut storage);
        storage.push(&[0xFF; 20]).await.unwrap();
        let queue = OfflineQueue::open(client, storage, &mut buffer, QueueOptions::default())
            .await
            .unwrap();
        put(&scene, &queue, "t1", "12345678", Keep::MustArrive)
            .await
            .unwrap();
        let lost = drain_beside(&scene, &queue, async {
            let mut server = scene.network.accept_mqtt(false).await;
            assert_eq!(take(&mut server).await, "t1 12345678");
            scene.world.sleep(1_000).await;
        })
        .await;
        assert_eq!(lost, []);
        assert_eq!(queue.statistics().depth, 0);
    });
}
