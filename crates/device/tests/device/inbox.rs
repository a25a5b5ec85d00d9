//! Messages on their way to an application that takes its time: none with QoS 1 is lost or stalls the
//! server for ever, none with QoS 0 goes uncounted.

use std::cell::RefCell;

use thingwire_device::future::{Either, join, select};
use thingwire_device::{
    Client, Config, InboxError, Memory, Overflow, QoS, Reason, Router, Version,
};
use thingwire_mqtt::{Packet, Property, Publish};

use crate::wire::{ServerEnd, message};
use crate::world::{BOTH, Scene};

/// A client with an inbox of 64 bytes, which holds four messages `c` `12345` (15 bytes each).
fn small(scene: &Scene, config: Config<'_>, story: impl AsyncFnOnce(&Client<'_>)) {
    let mut memory = Memory::<256, 512, 128, 64>::new();
    let client = Client::new(config, memory.lend()).unwrap();
    scene.play_with(&client, story);
}

/// What `next` gives within a second.
async fn next(scene: &Scene, client: &Client<'_>) -> Option<String> {
    let mut buffer = [0; 64];
    match select(client.next(&mut buffer), scene.world.sleep(1_000)).await {
        Either::First(received) => {
            let received = received.unwrap();
            let payload = String::from_utf8_lossy(received.payload);
            Some(format!("{} {payload}", received.topic))
        }
        Either::Second(()) => None,
    }
}

/// A message that the server may have sent before.
fn again(server: &ServerEnd, id: u16, topic: &str, payload: &[u8]) {
    let Packet::Publish(publish) = message(Some(id), topic, payload) else {
        unreachable!()
    };
    server.send(&Packet::Publish(Publish {
        dup: true,
        ..publish
    }));
}

#[test]
fn messages_are_handed_over_in_order_and_acknowledged_when_the_next_is_asked_for() {
    for version in BOTH {
        let scene = Scene::new(version);
        small(&scene, scene.config(), async |client| {
            let mut server = scene.network.accept_mqtt(false).await;
            server.message(None, "a", b"first");
            server.message(Some(1), "b", b"second");
            scene.world.sleep(1).await;
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
            // Being worked on is not being done.
            server.expect_silence(&scene.world, 1_000).await;
            assert_eq!(next(&scene, client).await, None);
            server.expect("PUBACK 1").await;
        });
    }
}

#[test]
fn what_does_not_fit_is_fetched_again_when_the_application_has_caught_up() {
    let scene = Scene::new(Version::V311);
    small(&scene, scene.config(), async |client| {
        let mut server = scene.network.accept_mqtt(false).await;
        for id in 1..=6 {
            server.message(Some(id), "c", format!("1234{id}").as_bytes());
        }
        // Acknowledgements and PINGRESP are read as ever.
        let publish = client.publish("t", "x", QoS::AtLeastOnce);
        let ((), published) = join(
            async {
                server.expect("PUBLISH 1 t x").await;
                server.puback(1);
            },
            publish,
        )
        .await;
        published.unwrap();
        for id in 1..=4 {
            assert_eq!(next(&scene, client).await, Some(format!("c 1234{id}")));
        }
        let ((), rest) = join(
            async {
                for id in 1..=4 {
                    server.expect(&format!("PUBACK {id}")).await;
                }
                // Caught up: a friendly farewell, and the session lives.
                server.expect("DISCONNECT 0x0").await;
                server.expect("closed").await;
                server = scene.network.accept_mqtt(true).await;
                again(&server, 5, "c", b"12345");
                again(&server, 6, "c", b"12346");
            },
            async {
                let mut rest = Vec::new();
                let mut buffer = [0; 64];
                for _ in 0..2 {
                    let received = client.next(&mut buffer).await.unwrap();
                    rest.push(String::from_utf8_lossy(received.payload).into_owned());
                }
                rest
            },
        )
        .await;
        assert_eq!(rest, ["12345", "12346"]);
        assert_eq!(next(&scene, client).await, None);
        server.expect("PUBACK 5").await;
        server.expect("PUBACK 6").await;
        let statistics = client.statistics();
        assert_eq!(
            (statistics.inbox_full, statistics.count(Reason::Refetch)),
            (2, 1)
        );
    });
    let diary = scene.diary();
    assert!(
        diary.contains(&"inbox full c lost=false".into()),
        "{diary:?}"
    );
}

#[test]
fn what_comes_after_a_message_that_did_not_fit_waits_its_turn_mqtt_4_6_0_6() {
    for version in BOTH {
        let scene = Scene::new(version);
        let mut config = scene.config();
        config.connect.session_expiry = 3_600;
        small(&scene, config, async |client| {
            let server = scene.network.accept_mqtt(false).await;
            for id in 1..=5 {
                server.message(Some(id), "c", format!("1234{id}").as_bytes());
            }
            scene.world.sleep(10).await;
            for id in 1..=2 {
                assert_eq!(next(&scene, client).await, Some(format!("c 1234{id}")));
            }
            // There is room for it, but the fifth must come first.
            server.message(Some(6), "c", b"12346");
            scene.world.sleep(10).await;
            let server = async {
                let server = scene.network.accept_mqtt(true).await;
                again(&server, 5, "c", b"12345");
                again(&server, 6, "c", b"12346");
                server
            };
            let rest = async {
                let mut rest = Vec::new();
                let mut buffer = [0; 64];
                for _ in 0..4 {
                    let received = client.next(&mut buffer).await.unwrap();
                    rest.push(String::from_utf8_lossy(received.payload).into_owned());
                }
                rest
            };
            let (_server, rest) = join(server, rest).await;
            assert_eq!(rest, ["12343", "12344", "12345", "12346"], "{version:?}");
            assert_eq!(next(&scene, client).await, None);
        });
    }
}

#[test]
fn a_session_that_ends_with_the_connection_loses_it_by_name() {
    for version in BOTH {
        let scene = Scene::new(version);
        small(&scene, scene.config().clean_start(true), async |_| {
            let mut server = scene.network.accept_mqtt(false).await;
            for id in 1..=5 {
                server.message(Some(id), "c", b"12345");
            }
            // It must not block the server's window for nothing.
            server.expect("PUBACK 5").await;
            server.expect_silence(&scene.world, 5_000).await;
        });
        let diary = scene.diary();
        assert!(
            diary.contains(&"inbox full c lost=true".into()),
            "{diary:?}"
        );
    }
}

#[test]
fn a_message_longer_than_the_inbox_is_named_and_does_not_come_again() {
    let scene = Scene::new(Version::V311);
    small(&scene, scene.config(), async |_| {
        let mut server = scene.network.accept_mqtt(false).await;
        server.message(Some(9), "c", &[b'x'; 100]);
        server.expect("PUBACK 9").await;
    });
    let diary = scene.diary();
    assert!(diary.contains(&"skipped c 110 64".into()), "{diary:?}");
}

#[test]
fn a_message_that_waits_while_the_connection_breaks_is_not_doubled_b6() {
    for version in BOTH {
        let scene = Scene::new(version);
        small(&scene, scene.config(), async |client| {
            let server = scene.network.accept_mqtt(false).await;
            server.message(Some(1), "c", b"1");
            server.message(Some(2), "c", b"2");
            // The first is being worked on when the connection breaks.
            assert_eq!(next(&scene, client).await, Some("c 1".into()));
            server.break_off();
            let mut server = scene.network.accept_mqtt(true).await;
            // AWS may use other identifiers (B-6): an old one would acknowledge something else.
            again(&server, 2, "c", b"1");
            again(&server, 7, "c", b"2");
            server.expect_silence(&scene.world, 1_000).await;
            assert_eq!(next(&scene, client).await, Some("c 2".into()));
            server.expect("PUBACK 2").await;
            assert_eq!(next(&scene, client).await, None);
            server.expect("PUBACK 7").await;
            // What was done with comes again as a message of its own: at least once.
            again(&server, 2, "c", b"1");
            assert_eq!(next(&scene, client).await, Some("c 1".into()));
        });
    }
}

#[test]
fn qos_0_gives_way_as_configured_and_is_counted() {
    for (overflow, kept) in [
        (Overflow::DropNewest, ["0", "1", "2", "3", "4"]),
        (Overflow::DropOldest, ["2", "3", "4", "5", "6"]),
    ] {
        let scene = Scene::new(Version::V311);
        small(&scene, scene.config().overflow(overflow), async |client| {
            let server = scene.network.accept_mqtt(false).await;
            for number in 0..7 {
                server.message(None, "c", number.to_string().as_bytes());
            }
            scene.world.sleep(10).await;
            for number in kept {
                assert_eq!(next(&scene, client).await, Some(format!("c {number}")));
            }
            assert_eq!(next(&scene, client).await, None);
            assert_eq!(client.statistics().inbox_dropped, 2);
        });
    }
}

#[test]
fn qos_0_gives_way_to_qos_1() {
    let scene = Scene::new(Version::V311);
    small(&scene, scene.config(), async |client| {
        let server = scene.network.accept_mqtt(false).await;
        for number in 0..5 {
            server.message(None, "c", number.to_string().as_bytes());
        }
        server.message(Some(1), "d", b"1");
        scene.world.sleep(10).await;
        for expected in ["c 1", "c 2", "c 3", "c 4", "d 1"] {
            assert_eq!(next(&scene, client).await.as_deref(), Some(expected));
        }
        assert_eq!(client.statistics().inbox_dropped, 1);
    });
}

#[cfg(feature = "v5")]
#[test]
fn an_mqtt_5_server_is_told_how_many_messages_surely_fit() {
    let scene = Scene::new(Version::V5);
    let mut memory = Memory::<256, 512, 128, 1_024>::new();
    let client = Client::new(scene.config(), memory.lend()).unwrap();
    scene.play_with(&client, async |_| {
        let mut server = scene.network.accept().await;
        let connect = server.next_bytes().await;
        let (frame, _) = thingwire_mqtt::split(&connect, 1_024).unwrap().unwrap();
        let Packet::Connect(connect) = Packet::decode(Version::V5, &frame).unwrap() else {
            panic!("not a CONNECT");
        };
        let told = connect.properties.find(|property| match property {
            Property::ReceiveMaximum(count) => Some(count),
            _ => None,
        });
        assert_eq!(told, Some(3), "1024 / (256 + 9)");
    });
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum To {
    Lamp,
    Settings,
}

const ROUTES: Router<'static, To, 2> = Router::new([
    ("lamps/+", QoS::AtLeastOnce, To::Lamp),
    ("settings", QoS::AtMostOnce, To::Settings),
]);

#[test]
fn each_message_reaches_its_handler() {
    let scene = Scene::new(Version::V311);
    let config = scene.config().subscriptions(ROUTES.subscriptions());
    small(&scene, config, async |client| {
        let mut server = scene.network.accept_mqtt(false).await;
        server.expect("SUBSCRIBE 1 lamps/+ settings").await;
        server.suback(1, &[1, 0]);
        let heard = RefCell::new(Vec::new());
        let mut buffer = [0; 64];
        let serve = client.serve(&ROUTES, &mut buffer, async |route, message| {
            // A handler may take its time and talk to the server.
            scene.world.sleep(100).await;
            heard
                .borrow_mut()
                .push((*route.to, route.wildcard(0).map(str::to_owned)));
            assert_eq!(message.payload, b"on");
            client.publish("done", "", QoS::AtMostOnce).await.unwrap();
        });
        let story = async {
            server.message(Some(1), "lamps/7", b"on");
            server.message(None, "settings", b"on");
            server.message(Some(2), "elsewhere", b"on");
            // Acknowledgements go first.
            server.expect("PUBACK 1").await;
            server.expect("PUBLISH 0 done ").await;
            server.expect("PUBACK 2").await;
            server.expect("PUBLISH 0 done ").await;
            client.stop();
            server.expect("DISCONNECT 0x0").await;
        };
        let (ended, ()) = join(serve, story).await;
        assert_eq!(ended, InboxError::Stopped);
        assert_eq!(
            *heard.borrow(),
            [(To::Lamp, Some("7".into())), (To::Settings, None)]
        );
        assert_eq!(client.statistics().unrouted, 1);
    });
}

#[test]
fn a_handler_that_is_dropped_gets_its_message_again() {
    let scene = Scene::new(Version::V311);
    small(&scene, scene.config(), async |client| {
        let mut server = scene.network.accept_mqtt(false).await;
        server.message(Some(1), "lamps/7", b"on");
        for round in 0..3 {
            let started = RefCell::new(0);
            let mut buffer = [0; 64];
            let serve = client.serve(&ROUTES, &mut buffer, async |_, _| {
                *started.borrow_mut() += 1;
                if round < 2 {
                    std::future::pending::<()>().await;
                }
            });
            select(serve, scene.world.sleep(1_000)).await;
            assert_eq!(*started.borrow(), 1, "round {round}");
        }
        server.expect("PUBACK 1").await;
        server.expect_silence(&scene.world, 1_000).await;
    });
}
