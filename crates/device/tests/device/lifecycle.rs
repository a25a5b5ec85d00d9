//! Connecting, staying connected, losing the connection and coming back.

use thingwire_device::{
    AlreadyRunning, Backoff, Client, Config, ConfigError, FailureKind, LimitError, Memory,
    Outgoing, QoS, SubscribeFilter, Version,
};
use thingwire_mqtt::Packet;

use crate::world::{BOTH, Scene};

#[test]
fn it_comes_back_after_every_kind_of_end() {
    for version in BOTH {
        let scene = Scene::new(version);
        scene.network.refuse(&[
            FailureKind::Dns,
            FailureKind::Tcp,
            FailureKind::ServerCertificate,
        ]);
        scene.play(scene.config(), async |client| {
            let server = scene.network.accept_mqtt(false).await;
            client.connected().await;
            server.break_off();
            let server = scene.network.accept_mqtt(true).await;
            drop(server);
            let mut server = scene.network.accept().await;
            server.next().await;
            drop(server);
            let mut server = scene.network.accept_mqtt(true).await;
            server.expect_silence(&scene.world, 1_000).await;
            assert!(client.is_connected());
        });
        assert_eq!(
            scene.diary(),
            [
                "attempting 0",
                "failed: the endpoint's name does not resolve (scripted)",
                "attempting 1",
                "failed: nobody answers at the endpoint (scripted)",
                "attempting 2",
                "failed: the server's certificate is not trusted (scripted)",
                "attempting 3",
                "connected present=false",
                "disconnected: the server closed the connection",
                "attempting 4",
                "connected present=true",
                "disconnected: the server closed the connection",
                "attempting 5",
                "failed: the server closed the connection before CONNACK: is the certificate registered \
                 and ACTIVE, and does its policy allow iot:Connect for this client id?",
                "attempting 6",
                "connected present=true",
            ],
            "a CONNACK alone does not reset the backoff"
        );
    }
}

#[test]
fn no_connack_ends_the_attempt_after_five_seconds() {
    for version in BOTH {
        let scene = Scene::new(version);
        scene.play(scene.config(), async |_| {
            let mut server = scene.network.accept().await;
            server.next().await;
            let asked = scene.world.seconds();
            server.expect("closed").await;
            assert_eq!(scene.world.seconds() - asked, 5.0);
        });
        assert_eq!(
            scene.diary()[1],
            "failed: the server did not answer CONNECT in time"
        );
    }
}

#[cfg(feature = "v5")]
#[test]
fn the_backoff_is_jittered_grows_and_keeps_a_second_between_connects_b17() {
    let mut waits = vec![Vec::new(); 8];
    for seed in 0..300 {
        let scene = Scene::seeded(Version::V311, seed);
        scene.network.refuse(&[FailureKind::Tcp; 8]);
        scene.play(scene.config(), async |_| {
            scene.network.accept().await;
        });
        for (attempt, pair) in scene.network.attempts().windows(2).enumerate() {
            waits[attempt].push(pair[1] - pair[0]);
        }
    }
    for (attempt, waits) in waits.iter().enumerate() {
        let ceiling = u64::from(Backoff::DEFAULT.ceiling(attempt as u32));
        let (least, most) = (*waits.iter().min().unwrap(), *waits.iter().max().unwrap());
        let mean = waits.iter().sum::<u64>() / waits.len() as u64;
        assert!(most <= ceiling, "attempt {attempt}: {most}");
        assert!(
            least <= ceiling / 20 && most >= ceiling - ceiling / 20,
            "attempt {attempt}: {least}..{most}"
        );
        assert!(
            mean.abs_diff(ceiling / 2) <= ceiling / 10,
            "attempt {attempt}: mean {mean}"
        );
    }

    // With CONNECTs, a second lies between them even if the jitter is zero.
    let scene = Scene::new(Version::V5);
    scene.play(scene.config(), async |_| {
        for _ in 0..20 {
            scene.network.accept_mqtt(false).await;
        }
    });
    let attempts = scene.network.attempts();
    assert!(
        attempts.windows(2).all(|pair| pair[1] - pair[0] >= 1_000),
        "{attempts:?}"
    );
}

#[test]
fn the_backoff_starts_again_after_a_stable_connection_only() {
    for (lasted, expected) in [(29_000, "attempting 5"), (31_000, "attempting 1")] {
        let scene = Scene::new(Version::V311);
        scene.network.refuse(&[FailureKind::Tcp; 4]);
        scene.play(scene.config(), async |_| {
            let server = scene.network.accept_mqtt(false).await;
            scene.world.sleep(lasted).await;
            drop(server);
            scene.network.refuse(&[FailureKind::Tcp]);
            scene.network.accept_mqtt(false).await;
        });
        let diary = scene.diary();
        let end = diary
            .iter()
            .position(|line| line.starts_with("disconnected"))
            .unwrap();
        let restart = if lasted > 30_000 {
            "attempting 1"
        } else {
            "attempting 5"
        };
        assert_eq!(diary[end + 1], restart);
        assert_eq!(restart, expected);
    }
}

#[test]
fn it_never_gives_up() {
    let scene = Scene::new(Version::V311);
    scene.network.refuse(&[FailureKind::Network; 2_000]);
    scene.play(scene.config(), async |client| {
        client_connects(&scene, client).await;
    });
    assert!(scene.world.seconds() > 20_000.0, "hours without a network");
}

async fn client_connects(scene: &Scene, client: &Client<'_>) {
    let _server = scene.network.accept_mqtt(false).await;
    client.connected().await;
}

#[test]
fn it_asks_for_life_and_leaves_when_there_is_none() {
    for version in BOTH {
        let scene = Scene::new(version);
        scene.play(scene.config().keep_alive(40), async |_| {
            let mut server = scene.network.accept_mqtt(false).await;
            server.expect("PINGREQ").await;
            assert_eq!(scene.world.seconds(), 35.0, "an eighth early");
            server.send(&Packet::PingResp);
            server.expect("PINGREQ").await;
            assert_eq!(scene.world.seconds(), 70.0);
            // No PINGRESP: half the keep-alive later it is over.
            match version {
                Version::V311 => {}
                Version::V5 => server.expect("DISCONNECT 0x80").await,
            }
            server.expect("closed").await;
            assert_eq!(scene.world.seconds(), 90.0);
        });
        assert_eq!(
            scene.diary()[2],
            "disconnected: the server did not answer PINGREQ in time"
        );
    }
}

#[test]
fn a_server_that_does_not_read_is_left() {
    let scene = Scene::new(Version::V311);
    scene.play(scene.config(), async |client| {
        let server = scene.network.accept_mqtt(false).await;
        client.connected().await;
        server.limit_writes(10);
        client
            .try_publish(Outgoing::new(
                "topic",
                b"longer than ten bytes",
                QoS::AtLeastOnce,
            ))
            .unwrap();
        let mut server = scene.network.accept_mqtt(true).await;
        // The session does not know how much of it arrived, so it says DUP.
        server
            .expect("PUBLISH DUP 1 topic longer than ten bytes")
            .await;
    });
    assert!(
        scene
            .diary()
            .contains(&"disconnected: the server does not read".to_string())
    );
}

#[test]
fn a_write_that_stalls_goes_on_where_it_stopped() {
    for version in BOTH {
        let scene = Scene::new(version);
        scene.play(scene.config(), async |client| {
            let mut server = scene.network.accept_mqtt(false).await;
            client.connected().await;
            for room in [1, 2, 3, 5, 8, 13] {
                server.limit_writes(room);
                client
                    .try_publish(Outgoing::new("t", b"0123456789", QoS::AtLeastOnce))
                    .unwrap();
                scene.world.sleep(1_000).await;
                server.unlimit_writes();
                let packet = server.next().await;
                assert!(packet.ends_with(" t 0123456789"), "{packet}");
                server.puback(packet.split(' ').nth(1).unwrap().parse().unwrap());
            }
        });
    }
}

#[test]
fn a_connection_that_breaks_in_the_middle_of_a_packet_is_only_a_reconnect() {
    for version in BOTH {
        let whole = crate::wire::encode(version, &crate::wire::message(Some(1), "t", b"payload"));
        for cut in 0..whole.len() {
            let scene = Scene::new(version);
            scene.play(scene.config(), async |_| {
                let server = scene.network.accept_mqtt(false).await;
                server.send_bytes(&whole[..cut]);
                scene.world.sleep(10).await;
                server.break_off();
                let mut server = scene.network.accept_mqtt(true).await;
                server.send_bytes(&whole);
                server.expect("PUBACK 1").await;
            });
            let messages = scene
                .diary()
                .iter()
                .filter(|line| *line == "message t payload")
                .count();
            assert_eq!(messages, 1, "cut after {cut}");
        }
    }
}

#[test]
fn stopping_sends_what_was_accepted_and_says_goodbye() {
    for version in BOTH {
        let scene = Scene::new(version);
        scene.play(scene.config(), async |client| {
            let mut server = scene.network.accept_mqtt(false).await;
            client.connected().await;
            client
                .publish("t", "last words", QoS::AtMostOnce)
                .await
                .unwrap();
            client.stop();
            server.expect("PUBLISH 0 t last words").await;
            server.expect("DISCONNECT 0x0").await;
            server.expect("closed").await;
            assert!(
                client
                    .publish("t", "too late", QoS::AtLeastOnce)
                    .await
                    .is_err()
            );
        });
        assert_eq!(scene.diary().last().unwrap(), "stopped");
    }
}

#[test]
fn stopping_while_it_waits_to_reconnect_is_immediate() {
    let scene = Scene::new(Version::V311);
    scene.network.refuse(&[FailureKind::Network; 50]);
    scene.play(scene.config(), async |client| {
        scene.world.sleep(100_000).await;
        let asked = scene.world.seconds();
        client.stop();
        scene.world.sleep(1).await;
        assert!(scene.world.seconds() - asked < 0.1);
    });
    assert_eq!(scene.diary().last().unwrap(), "stopped");
}

#[test]
fn running_it_twice_is_refused() {
    let scene = Scene::new(Version::V311);
    scene.play(scene.config(), async |client| {
        let mut connector = scene.network.connector(&scene.world, scene.version);
        let second = client.run(&mut connector, &scene.world, |_| {}).await;
        assert_eq!(second, Err(AlreadyRunning));
    });
}

#[test]
fn what_does_not_fit_is_said_before_anything_is_sent() {
    let long = "c".repeat(129);
    let new = |config: Config<'_>, write: usize, session: usize| {
        let (mut receive, mut session) = (vec![0; 256], vec![0; session]);
        let (mut write, mut inbox) = (vec![0; write], []);
        let buffers = thingwire_device::Buffers {
            receive: &mut receive,
            session: &mut session,
            write: &mut write,
            inbox: &mut inbox,
        };
        Client::new(config, buffers).err()
    };
    let config = Config::new(Version::V311, "esp32-demo");
    assert_eq!(new(config, 128, 128), None);
    assert_eq!(
        new(config, 20, 128),
        Some(ConfigError::WriteBuffer {
            needed: 24,
            len: 20
        })
    );
    assert_eq!(
        new(Config::new(Version::V311, &long), 256, 128),
        Some(ConfigError::Limit(LimitError::ClientIdBytes {
            len: 129,
            max: 128
        })),
        "B-11"
    );
    assert_eq!(
        new(Config::new(Version::V311, ""), 128, 128),
        Some(ConfigError::EmptyClientId)
    );
    assert_eq!(
        new(Config::new(Version::V311, "").clean_start(true), 128, 128),
        None
    );
    let filters = [
        SubscribeFilter::new("a", QoS::AtMostOnce),
        SubscribeFilter::new("b/#/c", QoS::AtMostOnce),
    ];
    assert_eq!(
        new(config.subscriptions(&filters), 128, 128),
        Some(ConfigError::Subscription { index: 1 })
    );
    let filters = [SubscribeFilter::new("a/long/topic/filter", QoS::AtMostOnce)];
    assert!(matches!(
        new(config.subscriptions(&filters), 128, 30),
        Some(ConfigError::SessionBuffer { .. })
    ));
}

#[test]
fn nine_subscriptions_go_in_two_packets_b30() {
    let names: Vec<String> = (0..9).map(|n| n.to_string()).collect();
    let filters: Vec<_> = names
        .iter()
        .map(|name| SubscribeFilter::new(name, QoS::AtMostOnce))
        .collect();
    let scene = Scene::new(Version::V311);
    let mut memory = Memory::<256, 1024, 128, 0>::new();
    let client = Client::new(scene.config().subscriptions(&filters), memory.lend()).unwrap();
    scene.play_with(&client, async |_| {
        let mut server = scene.network.accept_mqtt(false).await;
        server.expect("SUBSCRIBE 1 0 1 2 3 4 5 6 7").await;
        server.expect("SUBSCRIBE 2 8").await;
    });
}

/// What a client costs besides the buffers it is lent and its transport. The figures are those of a 64-bit
/// computer; on a 32-bit chip, where pointers and lengths have half the size, they stay below 2 KiB.
#[cfg(feature = "v5")]
#[test]
fn a_client_takes_little_more_than_two_kilobytes_on_a_computer() {
    let scene = Scene::new(Version::V5);
    let mut memory = Memory::<256, 256, 128, 64>::new();
    let client = Client::new(scene.config(), memory.lend()).unwrap();
    let mut connector = scene.network.connector(&scene.world, scene.version);
    let driver = size_of_val(&client.run(&mut connector, &scene.world, |_| {}));
    let shared = size_of_val(&client);
    println!("client {shared} bytes, driver future {driver} bytes");
    assert!(
        shared + driver <= 2_304,
        "client {shared} bytes, driver future {driver} bytes"
    );
}

/// A kit may ask for what the program was built without.
#[cfg(not(feature = "v5"))]
#[test]
fn without_the_feature_mqtt_5_is_refused_at_the_start_by_its_name() {
    use thingwire_device::{Client, Config, Memory};
    let mut memory = Memory::<256, 1024, 128, 0>::new();
    let refused = Client::new(Config::new(Version::V5, "lamp"), memory.lend());
    assert_eq!(
        refused.err().unwrap().to_string(),
        "CONNECT cannot be written: MQTT 5 is not in this build, see the feature `v5`"
    );
}
