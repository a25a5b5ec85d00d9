//! Futures that are dropped at every poll: nothing is lost, doubled or cut in half.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use thingwire_device::future::{Either, join, select};
use thingwire_device::queue::{Keep, OfflineQueue, QueueOptions, RamQueue};
use thingwire_device::{Client, Memory, Millis, Outgoing, QoS, SubscribeFilter, Version};

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

#[test]
fn a_second_lies_between_two_connects_of_two_drivers_b17() {
    let scene = Scene::new(Version::V311);
    let mut memory = Memory::<256, 512, 128, 0>::new();
    let client = Client::new(scene.config(), memory.lend()).unwrap();
    let mut connector = scene.network.connector(&scene.world, Version::V311);
    scene.world.run(async {
        for _ in 0..3 {
            let run = client.run(&mut connector, &scene.world, |_| {});
            let server = async {
                scene.network.accept_mqtt(false).await;
            };
            thingwire_device::future::select(pin!(run), pin!(server)).await;
        }
    });
    assert_eq!(scene.network.attempts(), [0, 1_000, 2_000]);
}

#[test]
fn subscribe_all_dropped_at_every_poll_asks_for_whole_packets_only() {
    let names: Vec<_> = (0..9).map(|n| format!("f{n}")).collect();
    let filters: Vec<_> = names
        .iter()
        .map(|name| SubscribeFilter::new(name, QoS::AtLeastOnce))
        .collect();
    for version in BOTH {
        let mut ends = Vec::new();
        for polls in 0..24 {
            let scene = Scene::new(version);
            scene.play(scene.config(), async |client| {
                let mut server = scene.network.accept_mqtt(false).await;
                client.connected().await;
                let asked = RefCell::new(Vec::new());
                let story = async {
                    loop {
                        let packet = server.next().await;
                        let id = packet.split(' ').nth(1).unwrap().parse().unwrap();
                        let count = packet.split(' ').count() - 2;
                        asked.borrow_mut().push(count);
                        server.suback(id, &[1; 8][..count]);
                    }
                };
                let subscribe = at_most(polls, client.subscribe_all(&filters, |_, _| {}));
                let rest = async {
                    let result = subscribe.await;
                    scene.world.sleep(1_000).await;
                    result
                };
                let finished = match select(story, rest).await {
                    Either::First(never) => never,
                    Either::Second(result) => result.is_some(),
                };
                let asked = asked.into_inner();
                assert!([&[][..], &[8], &[8, 1]].contains(&&asked[..]), "{asked:?}");
                assert!(!finished || asked == [8, 1], "{polls}: {asked:?}");
                ends.push(finished);
            });
        }
        assert!(ends.contains(&true) && ends.contains(&false), "{ends:?}");
    }
}

#[test]
fn unsubscribe_dropped_at_every_poll_ends_the_subscription_or_leaves_it() {
    for version in BOTH {
        for polls in 0..3 {
            let scene = Scene::new(version);
            let filters = [SubscribeFilter::new("a", QoS::AtLeastOnce)];
            scene.play(scene.config().subscriptions(&filters), async |client| {
                let mut server = scene.network.accept_mqtt(false).await;
                server.expect("SUBSCRIBE 1 a").await;
                server.suback(1, &[1]);
                scene.world.sleep(10).await;
                let _ = at_most(polls, client.unsubscribe("a")).await;
                if polls > 0 {
                    server.expect("UNSUBSCRIBE 2 a").await;
                }
                drop(server);
                let mut server = scene.network.accept_mqtt(false).await;
                if polls == 0 {
                    server.expect("SUBSCRIBE 2 a").await;
                }
                server.expect_silence(&scene.world, 500).await;
            });
        }
    }
}

#[test]
fn waiting_for_a_connection_or_for_quiet_may_be_dropped_and_asked_again() {
    let scene = Scene::new(Version::V311);
    scene.play(scene.config(), async |client| {
        let mut server = scene.network.accept().await;
        assert!(server.next().await.starts_with("CONNECT"));
        for polls in 0..4 {
            let connected = at_most(polls, client.connected());
            select(connected, scene.world.sleep(2)).await;
        }
        assert!(!client.is_connected());
        server.connack(false);
        client.connected().await;
        client
            .try_publish(Outgoing::new("t", b"x", QoS::AtLeastOnce))
            .unwrap();
        for polls in 0..4 {
            select(at_most(polls, client.idle()), scene.world.sleep(2)).await;
        }
        server.expect("PUBLISH 1 t x").await;
        server.puback(1);
        client.idle().await;
    });
}

#[test]
fn putting_into_a_queue_dropped_at_every_poll_puts_it_or_not() {
    let scene = Scene::new(Version::V311);
    scene.play(scene.config(), async |client| {
        for polls in 0..3 {
            let (mut storage, mut buffer) = ([0; 200], [0; 64]);
            let storage = RamQueue::new(&mut storage);
            let opened = OfflineQueue::open(client, storage, &mut buffer, QueueOptions::default());
            let queue = opened.await.unwrap();
            let message = Outgoing::new("t", b"x", QoS::AtLeastOnce);
            let put = at_most(polls, queue.put(message, Keep::MustArrive, Millis(0))).await;
            assert_eq!(put, (polls > 0).then_some(Ok(true)));
            assert_eq!(queue.statistics().depth, u32::from(polls > 0));
        }
    });
}
