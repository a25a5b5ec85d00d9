//! Futures that are dropped at every poll: nothing is lost, doubled or cut in half.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use thingwire_device::future::join;
use thingwire_device::{Client, Memory, QoS, Version};

use crate::world::{BOTH, Scene};

/// Polls `future` at most `polls` times, then drops it.
pub(crate) async fn at_most<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        let polled = future.as_mut().poll(cx).map(Some);
        if polled.is_pending() && left == 0 {
            return Poll::Ready(None);
        }
        polled
    })
    .await
}

#[test]
fn publish_dropped_at_every_poll() {
    for version in BOTH {
        let mut finished = false;
        let mut polls = 0;
        while !finished {
            let scene = Scene::new(version);
            scene.play(scene.config(), async |client| {
                let mut server = scene.network.accept_mqtt(false).await;
                client.connected().await;
                let story = async {
                    if polls == 0 {
                        server.expect_silence(&scene.world, 500).await;
                    } else {
                        // Accepted is accepted: it arrives whole, exactly once.
                        server.expect("PUBLISH 1 t payload").await;
                        server.puback(1);
                    }
                    server
                };
                let (mut server, result) = join(
                    story,
                    at_most(polls, client.publish("t", "payload", QoS::AtLeastOnce)),
                )
                .await;
                finished = result.is_some();
                server.expect_silence(&scene.world, 30_000).await;
                // Nothing of it stays behind in the session buffer.
                client.idle().await;
                let big = [b'x'; 960];
                let (packet, published) = join(
                    async {
                        let packet = server.next().await;
                        server.puback(packet.split(' ').nth(1).unwrap().parse().unwrap());
                        packet
                    },
                    client.publish("t", big, QoS::AtLeastOnce),
                )
                .await;
                assert!(packet.starts_with("PUBLISH"), "{packet}");
                published.unwrap();
            });
            polls += 1;
            assert!(polls < 50, "publish never finished");
        }
        assert!(
            polls >= 2,
            "a publish that waits for its PUBACK takes at least two polls"
        );
    }
}

#[test]
fn subscribe_dropped_at_every_poll_is_made_or_not_asked_for() {
    for version in BOTH {
        let mut finished = false;
        let mut polls = 0;
        while !finished {
            let scene = Scene::new(version);
            scene.play(scene.config(), async |client| {
                let mut server = scene.network.accept_mqtt(false).await;
                client.connected().await;
                let story = async {
                    if polls == 0 {
                        server.expect_silence(&scene.world, 500).await;
                    } else {
                        server.expect("SUBSCRIBE 1 a").await;
                        server.suback(1, &[1]);
                    }
                    server
                };
                let (server, result) = join(
                    story,
                    at_most(polls, client.subscribe("a", QoS::AtLeastOnce)),
                )
                .await;
                finished = result.is_some();
                drop(server);
                let mut server = scene.network.accept_mqtt(false).await;
                if polls == 0 {
                    server.expect_silence(&scene.world, 500).await;
                } else {
                    server.expect("SUBSCRIBE 2 a").await;
                }
            });
            polls += 1;
            assert!(polls < 50);
        }
    }
}

#[test]
fn next_dropped_at_every_poll_loses_no_message() {
    let scene = Scene::new(Version::V311);
    let mut memory = Memory::<256, 512, 128, 256>::new();
    let client = Client::new(scene.config(), memory.lend()).unwrap();
    scene.play_with(&client, async |client| {
        let server = scene.network.accept_mqtt(false).await;
        let mut buffer = [0; 64];
        for number in 0..20_u8 {
            for polls in 0..3 {
                assert_eq!(at_most(polls, client.next(&mut buffer)).await, None);
            }
            server.message(None, "t", &[number]);
            scene.world.sleep(1).await;
            let received = at_most(1, client.next(&mut buffer))
                .await
                .expect("it waits there")
                .unwrap();
            assert_eq!(received.payload, [number]);
        }
    });
}

#[test]
fn dropping_the_driver_at_every_poll_keeps_the_session() {
    for version in BOTH {
        for polls in 1..40 {
            let scene = Scene::new(version);
            let mut memory = Memory::<256, 512, 128, 0>::new();
            let client = Client::new(scene.config(), memory.lend()).unwrap();
            let mut connector = scene.network.connector(&scene.world, version);
            scene.world.run(async {
                let publish = client.publish("t", "payload", QoS::AtLeastOnce);
                let story = async {
                    // The first driver dies young, while a server talks to it.
                    let first = at_most(polls, client.run(&mut connector, &scene.world, |_| {}));
                    let server = async {
                        let mut server = scene.network.accept().await;
                        if server.next().await != "closed" {
                            server.connack(false);
                            // What it received, if it received it whole, is not acknowledged.
                            while server.next().await != "closed" {}
                        }
                    };
                    thingwire_device::future::select(server, async {
                        first.await;
                        scene.world.sleep(100_000).await;
                    })
                    .await;
                    assert!(!client.is_connected());
                    // The second one delivers.
                    let second = client.run(&mut connector, &scene.world, |_| {});
                    let server = async {
                        let mut server = scene.network.accept_mqtt(true).await;
                        let packet = server.next().await;
                        assert!(
                            ["PUBLISH 1 t payload", "PUBLISH DUP 1 t payload"]
                                .contains(&packet.as_str()),
                            "{packet}"
                        );
                        server.puback(1);
                        scene.world.sleep(10).await;
                        client.stop();
                        while server.next().await != "closed" {}
                    };
                    join(second, server).await.0.unwrap();
                };
                let ((), published) = join(story, publish).await;
                published.unwrap();
            });
        }
    }
}
