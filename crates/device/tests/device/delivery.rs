//! Messages in both directions, and what repetitions and lost sessions do to them.

use thingwire_device::future::join;
use thingwire_device::{
    Client, InboxError, LimitError, Memory, Outgoing, PublishError, QoS, ReasonCode,
    SubscribeError, SubscribeFilter, Version,
};

use crate::world::{BOTH, Scene};

const SUB: [SubscribeFilter<'static>; 1] = [SubscribeFilter::new("esp32/sub", QoS::AtLeastOnce)];

#[test]
fn the_sketch_in_both_versions() {
    for version in BOTH {
        let scene = Scene::new(version);
        scene.play(scene.config().subscriptions(&SUB), async |client| {
            let mut server = scene.network.accept_mqtt(false).await;
            server.expect("SUBSCRIBE 1 esp32/sub").await;
            server.suback(1, &[1]);
            server.message(Some(5), "esp32/sub", b"hello");
            server.expect("PUBACK 5").await;
            let publish = client.publish("esp32/pub", "42", QoS::AtLeastOnce);
            let ((), published) = join(
                async {
                    server.expect("PUBLISH 2 esp32/pub 42").await;
                    server.puback(2);
                },
                publish,
            )
            .await;
            published.unwrap();
            client
                .publish("esp32/pub", [1_u8, 2, 3], QoS::AtMostOnce)
                .await
                .unwrap();
            server.expect("PUBLISH 0 esp32/pub \u{1}\u{2}\u{3}").await;
        });
        assert_eq!(
            scene.diary(),
            [
                "attempting 0",
                "connected present=false",
                "subscribed [1]",
                "message esp32/sub hello"
            ]
        );
    }
}

#[test]
fn the_inbox_hands_messages_over_in_order() {
    let scene = Scene::new(Version::V311);
    let mut memory = Memory::<256, 512, 128, 64>::new();
    let client = Client::new(scene.config(), memory.lend()).unwrap();
    scene.play_with(&client, async |client| {
        let mut server = scene.network.accept_mqtt(false).await;
        server.message(None, "a", b"first");
        server.message(Some(1), "b", b"second");
        server.expect("PUBACK 1").await;
        let mut tiny = [0; 3];
        assert_eq!(
            client.next(&mut tiny).await,
            Err(InboxError::BufferTooSmall { needed: 6 })
        );
        let mut buffer = [0; 32];
        let first = client.next(&mut buffer).await.unwrap();
        assert_eq!(
            (first.topic, first.payload, first.qos),
            ("a", &b"first"[..], QoS::AtMostOnce)
        );
        let second = client.next(&mut buffer).await.unwrap();
        assert_eq!(
            (second.topic, second.payload, second.qos),
            ("b", &b"second"[..], QoS::AtLeastOnce)
        );

        // 64 bytes hold four of these; the fifth is not acknowledged.
        for id in 1..=5 {
            server.message(Some(id), "c", b"12345");
        }
        for id in 1..=4 {
            server.expect(&format!("PUBACK {id}")).await;
        }
        server.expect_silence(&scene.world, 1_000).await;
    });
    assert!(scene.diary().contains(&"inbox full c".to_string()));
    assert_eq!(client.statistics().inbox_full, 1);
}

#[test]
fn a_message_longer_than_the_buffer_is_reported_and_the_next_one_arrives() {
    for version in BOTH {
        let scene = Scene::new(version);
        scene.play(scene.config(), async |_| {
            let mut server = scene.network.accept_mqtt(false).await;
            server.message(Some(3), "big", &[b'x'; 1_000]);
            server.message(Some(4), "small", b"y");
            server.expect("PUBACK 3").await;
            server.expect("PUBACK 4").await;
        });
        let diary = scene.diary();
        assert!(diary[2].starts_with("skipped big 10"), "{diary:?}");
        assert_eq!(diary[3], "message small y");
    }
}

#[test]
fn an_unanswered_publish_is_repeated_in_3_1_1_within_10_seconds_and_never_in_5() {
    for version in BOTH {
        let scene = Scene::new(version);
        scene.play(scene.config(), async |client| {
            let mut server = scene.network.accept_mqtt(false).await;
            client
                .try_publish(Outgoing::new("t", b"x", QoS::AtLeastOnce))
                .unwrap();
            server.expect("PUBLISH 1 t x").await;
            if version == Version::V311 {
                let sent = scene.world.seconds();
                server.expect("PUBLISH DUP 1 t x").await;
                assert!(scene.world.seconds() - sent <= 10.0);
                server.puback(1);
                server.expect_silence(&scene.world, 20_000).await;
            } else {
                server.expect_silence(&scene.world, 50_000).await;
            }
        });
    }
}

#[test]
fn a_message_survives_the_connection_and_its_publish_returns_after_the_next() {
    for version in BOTH {
        for present in [true, false] {
            let scene = Scene::new(version);
            scene.play(scene.config().subscriptions(&SUB), async |client| {
                let publish = client.publish("esp32/pub", "42", QoS::AtLeastOnce);
                let story = async {
                    let mut server = scene.network.accept_mqtt(false).await;
                    server.expect("SUBSCRIBE 1 esp32/sub").await;
                    server.suback(1, &[1]);
                    server.expect("PUBLISH 2 esp32/pub 42").await;
                    scene.world.sleep(10).await;
                    server.break_off();
                    let mut server = scene.network.accept_mqtt(present).await;
                    if present {
                        // No SUBSCRIBE: the session lives.
                        server.expect("PUBLISH DUP 2 esp32/pub 42").await;
                    } else {
                        server.expect("SUBSCRIBE 3 esp32/sub").await;
                        server.suback(3, &[1]);
                        server.expect("PUBLISH 2 esp32/pub 42").await;
                    }
                    server.puback(2);
                    server
                };
                let (mut server, published) = join(story, publish).await;
                published.unwrap();
                server.expect_silence(&scene.world, 1_000).await;
            });
        }
    }
}

#[test]
fn subscribing_and_unsubscribing_by_call() {
    for version in BOTH {
        let scene = Scene::new(version);
        scene.play(scene.config(), async |client| {
            let mut server = scene.network.accept_mqtt(false).await;
            let ((), granted) = join(
                async {
                    server.expect("SUBSCRIBE 1 a/+").await;
                    server.suback(1, &[0]);
                },
                client.subscribe("a/+", QoS::AtLeastOnce),
            )
            .await;
            assert_eq!(
                granted,
                Ok(QoS::AtMostOnce),
                "what the server grants, not what was asked for"
            );
            let ((), ended) = join(
                async {
                    server.expect("UNSUBSCRIBE 2 a/+").await;
                    // UNSUBACK; MQTT 5 has a reason code for each filter.
                    match version {
                        Version::V311 => server.send_bytes(&[0xB0, 2, 0, 2]),
                        Version::V5 => server.send_bytes(&[0xB0, 4, 0, 2, 0, 0]),
                    }
                },
                client.unsubscribe("a/+"),
            )
            .await;
            assert_eq!(ended, Ok(()));
            drop(server);
            let mut server = scene.network.accept_mqtt(false).await;
            server.expect_silence(&scene.world, 1_000).await;
        });
    }
}

#[test]
fn refusals_reach_the_caller_b53_b54() {
    let scene = Scene::new(Version::V5);
    scene.play(scene.config(), async |client| {
        let mut server = scene.network.accept_mqtt(false).await;
        let ((), refused) = join(
            async {
                server.expect("SUBSCRIBE 1 secret").await;
                server.suback(1, &[0x87]);
            },
            client.subscribe("secret", QoS::AtLeastOnce),
        )
        .await;
        assert_eq!(
            refused,
            Err(SubscribeError::Refused(ReasonCode::NOT_AUTHORIZED))
        );
        let ((), refused) = join(
            async {
                server.expect("PUBLISH 2 secret x").await;
                server.puback_with(2, ReasonCode::NOT_AUTHORIZED);
            },
            client.publish("secret", "x", QoS::AtLeastOnce),
        )
        .await;
        assert_eq!(
            refused,
            Err(PublishError::Refused(ReasonCode::NOT_AUTHORIZED))
        );
    });
}

#[test]
fn a_full_session_makes_publish_wait_and_then_go_on() {
    let scene = Scene::new(Version::V311);
    let mut memory = Memory::<256, 128, 64, 0>::new();
    let client = Client::new(scene.config(), memory.lend()).unwrap();
    scene.play_with(&client, async |client| {
        let mut server = scene.network.accept_mqtt(false).await;
        let payload = [b'x'; 60];
        client
            .try_publish(Outgoing::new("t", &payload, QoS::AtLeastOnce))
            .unwrap();
        let waiting = client.publish("t", "second", QoS::AtLeastOnce);
        let second = client.publish("t", payload, QoS::AtLeastOnce);
        let story = async {
            assert!(server.next().await.starts_with("PUBLISH 1 t xxx"));
            // The short one still fits beside the first, the long one waits for its end.
            server.expect("PUBLISH 2 t second").await;
            server.expect_silence(&scene.world, 100).await;
            server.puback(1);
            server.puback(2);
            assert!(server.next().await.starts_with("PUBLISH 3 t xxx"));
            server.puback(3);
        };
        let (((), first), second) = join(join(story, waiting), second).await;
        first.unwrap();
        second.unwrap();
    });
}

#[test]
fn limits_are_named_at_the_call_b41_b42() {
    let scene = Scene::new(Version::V311);
    scene.play(scene.config(), async |client| {
        let _server = scene.network.accept_mqtt(false).await;
        let long = "t".repeat(257);
        assert_eq!(
            client.publish(&long, "", QoS::AtLeastOnce).await,
            Err(PublishError::Limit(LimitError::TopicBytes {
                len: 257,
                max: 256
            }))
        );
        let big = vec![0; 131_073];
        assert_eq!(
            client.publish("t", &big, QoS::AtLeastOnce).await,
            Err(PublishError::Limit(LimitError::PayloadBytes {
                len: 131_073,
                max: 131_072
            }))
        );
        assert!(matches!(
            client.publish("a/#", "", QoS::AtMostOnce).await,
            Err(PublishError::Session(_))
        ));
        assert!(matches!(
            client.subscribe("1/2/3/4/5/6/7/8/9", QoS::AtMostOnce).await,
            Err(SubscribeError::Limit(LimitError::TopicSlashes {
                count: 8,
                max: 7
            }))
        ));
    });
}
