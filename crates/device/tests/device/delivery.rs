//! Messages in both directions, and what repetitions and lost sessions do to them.

use thingwire_device::future::join;
use thingwire_device::{
    Client, LimitError, Memory, Outgoing, PublishError, QoS, ReasonCode, SubscribeError,
    SubscribeFilter, Version,
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

/// Pain 4 of `docs/pains.md`: never silently.
#[test]
fn a_message_longer_than_the_buffer_is_reported_and_the_next_one_arrives() {
    for version in BOTH {
        let scene = Scene::new(version);
        scene.play(scene.config(), async |client| {
            let mut server = scene.network.accept_mqtt(false).await;
            server.message(Some(3), "big", &[b'x'; 1_000]);
            server.message(Some(4), "small", b"y");
            server.expect("PUBACK 3").await;
            server.expect("PUBACK 4").await;
            assert_eq!(client.statistics().session.skipped, 1, "counted");
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

#[cfg(feature = "v5")]
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
        assert_eq!(
            client.publish("$SYS/x", "", QoS::AtLeastOnce).await,
            Err(PublishError::Limit(LimitError::ReservedTopic))
        );
        assert_eq!(
            client.subscribe("$SYS/#", QoS::AtLeastOnce).await,
            Err(SubscribeError::Limit(LimitError::ReservedFilter))
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

#[test]
fn twenty_filters_go_in_three_packets_and_each_hears_its_answer_b30() {
    let scene = Scene::new(Version::V311);
    scene.play(scene.config(), async |client| {
        let mut server = scene.network.accept_mqtt(false).await;
        let names: Vec<_> = (0..20).map(|n| format!("f{n}")).collect();
        let filters: Vec<_> = names
            .iter()
            .map(|name| SubscribeFilter::new(name, QoS::AtLeastOnce))
            .collect();
        let mut heard = Vec::new();
        let subscribe = client.subscribe_all(&filters, |filter, granted| {
            // It may use the client.
            assert!(client.is_connected());
            heard.push((filter.filter.to_owned(), granted));
        });
        let story = async {
            server.expect("SUBSCRIBE 1 f0 f1 f2 f3 f4 f5 f6 f7").await;
            server.suback(1, &[1; 8]);
            server
                .expect("SUBSCRIBE 2 f8 f9 f10 f11 f12 f13 f14 f15")
                .await;
            server.suback(2, &[1, 1, 1, 0x80, 0, 1, 1, 1]);
            server.expect("SUBSCRIBE 3 f16 f17 f18 f19").await;
            server.suback(3, &[1; 4]);
        };
        let (subscribed, ()) = join(subscribe, story).await;
        subscribed.unwrap();
        assert_eq!(heard.len(), 20);
        assert_eq!(heard[11], ("f11".into(), Err(ReasonCode(0x80))));
        assert_eq!(heard[12], ("f12".into(), Ok(QoS::AtMostOnce)));
    });
}

#[test]
fn the_fifty_first_subscription_is_refused_at_the_call_b31() {
    let names: Vec<_> = (0..51).map(|n| format!("f{n}")).collect();
    let filters: Vec<_> = names
        .iter()
        .map(|name| SubscribeFilter::new(name, QoS::AtLeastOnce))
        .collect();
    let scene = Scene::new(Version::V311);
    let mut memory = Memory::<256, 2_048, 128, 0>::new();
    let config = scene.config().subscriptions(&filters[..50]);
    let client = Client::new(config, memory.lend()).unwrap();
    scene.play_with(&client, async |client| {
        let mut server = scene.network.accept_mqtt(false).await;
        for id in 1..=7 {
            assert!(server.next().await.starts_with("SUBSCRIBE"));
            server.suback(id, if id == 7 { &[1; 2] } else { &[1; 8] });
        }
        let refused = SubscribeError::Limit(LimitError::Subscriptions { count: 51, max: 50 });
        assert_eq!(
            client.subscribe("f50", QoS::AtLeastOnce).await,
            Err(refused)
        );
        // One that is held already takes no place of its own.
        let ((), again) = join(
            async {
                server.expect("SUBSCRIBE 8 f0").await;
                server.suback(8, &[0]);
            },
            client.subscribe("f0", QoS::AtMostOnce),
        )
        .await;
        assert_eq!(again, Ok(QoS::AtMostOnce));
    });
    let mut memory = Memory::<256, 2_048, 128, 0>::new();
    let config = scene.config().subscriptions(&filters);
    assert!(Client::new(config, memory.lend()).is_err());
}

/// The memory that the answer is read from held another packet before.
#[cfg(feature = "v5")]
#[test]
fn an_unsubscribe_that_ends_with_the_session_is_a_success() {
    let scene = Scene::new(Version::V5);
    scene.play(scene.config(), async |client| {
        let mut server = scene.network.accept_mqtt(false).await;
        client.connected().await;
        let payload = [0xFF; 100];
        client.publish("t", payload, QoS::AtMostOnce).await.unwrap();
        let (unsubscribed, ()) = join(client.unsubscribe("a"), async {
            server.next().await;
            server.expect("UNSUBSCRIBE 1 a").await;
            server.break_off();
            let _server = scene.network.accept_mqtt(false).await;
            scene.world.sleep(1_000).await;
        })
        .await;
        assert_eq!(unsubscribed, Ok(()));
    });
}
