//! What AWS does to a device that may not, and what the device makes of it.

use thingwire_device::future::join;
use thingwire_device::{
    FailureKind, Outgoing, PublishError, QoS, ReasonCode, SubscribeFilter, Version,
};
use thingwire_mqtt::{ConnAck, Disconnect, Packet, Properties};

use crate::world::{BOTH, Scene};

#[cfg(feature = "v5")]
#[test]
fn connect_denied_b52() {
    // MQTT 3.1.1: the socket is closed, no CONNACK. MQTT 5: CONNACK 0x87.
    let scene = Scene::new(Version::V311);
    scene.play(scene.config(), async |_| {
        let mut server = scene.network.accept().await;
        server.next().await;
        drop(server);
        scene.network.accept().await;
    });
    assert!(
        scene.diary()[1].contains("before CONNACK"),
        "{:?}",
        scene.diary()
    );

    let scene = Scene::new(Version::V5);
    scene.play(scene.config(), async |_| {
        let mut server = scene.network.accept().await;
        server.next().await;
        server.send(&Packet::ConnAck(ConnAck {
            session_present: false,
            reason_code: ReasonCode::NOT_AUTHORIZED,
            properties: Properties::EMPTY,
        }));
        server.expect("closed").await;
        scene.network.accept().await;
    });
    assert_eq!(
        scene.diary()[1],
        "failed: the server refused the connection with code 0x87"
    );
}

#[test]
fn subscribe_and_publish_denied_close_the_connection_in_3_1_1_b53_b54() {
    let scene = Scene::new(Version::V311);
    let filters = [SubscribeFilter::new("esp32/secret", QoS::AtMostOnce)];
    scene.play(scene.config().subscriptions(&filters), async |_| {
        let mut server = scene.network.accept_mqtt(false).await;
        server.expect("SUBSCRIBE 1 esp32/secret").await;
        drop(server);
        scene.network.accept().await;
    });
    assert_eq!(
        scene.diary()[2],
        "disconnected: the server closed the connection after SUBSCRIBE `esp32/secret`: \
         probably the policy does not allow iot:Subscribe there"
    );

    let scene = Scene::new(Version::V311);
    scene.play(scene.config(), async |client| {
        let mut server = scene.network.accept_mqtt(false).await;
        client
            .try_publish(Outgoing::new("secret", b"x", QoS::AtLeastOnce))
            .unwrap();
        server.expect("PUBLISH 1 secret x").await;
        drop(server);
        scene.network.accept().await;
    });
    assert_eq!(
        scene.diary()[2],
        "disconnected: the server closed the connection after PUBLISH `secret`: \
         probably the policy does not allow iot:Publish there"
    );
}

#[cfg(feature = "v5")]
#[test]
fn taken_over_by_the_same_client_id_b14() {
    let scene = Scene::new(Version::V5);
    scene.play(scene.config(), async |_| {
        let server = scene.network.accept_mqtt(false).await;
        server.send(&Packet::Disconnect(Disconnect {
            reason_code: ReasonCode::SESSION_TAKEN_OVER,
            properties: Properties::EMPTY,
        }));
        scene.network.accept().await;
    });
    assert_eq!(
        scene.diary()[2],
        "disconnected: the server ended the connection with reason 0x8e"
    );
}

#[test]
fn a_refused_client_certificate_is_told_in_plain_words_a28() {
    let scene = Scene::new(Version::V311);
    scene.network.refuse(&[FailureKind::ClientCertificate]);
    scene.play(scene.config(), async |_| {
        scene.network.accept().await;
    });
    assert_eq!(
        scene.diary()[1],
        "failed: the server refused this device's certificate: is it registered and ACTIVE? (scripted)"
    );
}

#[test]
fn a_server_that_talks_nonsense_is_left_and_tried_again() {
    for (version, bytes) in [
        (Version::V311, &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..]),
        (Version::V311, &[0x20, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]),
        (Version::V5, &[0x20, 3, 0, 0, 9]),
        (Version::V5, &[0x36, 5, 0, 1, b't', 0, 1]),
    ]
    .into_iter()
    .filter(|(version, _)| BOTH.contains(version))
    {
        let scene = Scene::new(version);
        scene.play(scene.config(), async |client| {
            let mut server = scene.network.accept().await;
            server.next().await;
            server.send_bytes(bytes);
            server.expect("closed").await;
            let _server = scene.network.accept_mqtt(false).await;
            client.connected().await;
        });
        assert!(
            scene.diary()[1].starts_with("failed: the server "),
            "{:?}",
            scene.diary()
        );
    }
}

#[test]
fn one_forbidden_message_does_not_keep_the_device_from_its_work_b53() {
    let scene = Scene::new(Version::V311);
    scene.play(scene.config(), async |client| {
        let story = async {
            for present in [false, true, true] {
                let mut server = scene.network.accept_mqtt(present).await;
                assert!(server.next().await.ends_with(" 1 forbidden x"));
                drop(server);
            }
            scene.network.accept_mqtt(true).await
        };
        let (mut server, refused) =
            join(story, client.publish("forbidden", "x", QoS::AtLeastOnce)).await;
        assert_eq!(
            refused,
            Err(PublishError::Refused(ReasonCode::NOT_AUTHORIZED))
        );
        server.expect_silence(&scene.world, 5_000).await;
        let publish = client.publish("allowed", "y", QoS::AtLeastOnce);
        let ((), published) = join(
            async {
                server.expect("PUBLISH 2 allowed y").await;
                server.puback(2);
            },
            publish,
        )
        .await;
        published.unwrap();
    });
    let told = scene
        .diary()
        .iter()
        .filter(|line| line.ends_with("it is set aside"))
        .count();
    assert_eq!(told, 1, "{:?}", scene.diary());
}

#[test]
fn a_forbidden_qos_0_topic_is_set_aside_after_three_connections_b53() {
    let scene = Scene::new(Version::V311);
    scene.play(scene.config(), async |client| {
        for _ in 0..3 {
            let mut server = scene.network.accept_mqtt(true).await;
            client.connected().await;
            client
                .publish("forbidden", "x", QoS::AtMostOnce)
                .await
                .unwrap();
            server.expect("PUBLISH 0 forbidden x").await;
            drop(server);
        }
        let mut server = scene.network.accept_mqtt(true).await;
        client.connected().await;
        assert_eq!(
            client.publish("forbidden", "x", QoS::AtMostOnce).await,
            Err(PublishError::SetAside)
        );
        client
            .publish("allowed", "y", QoS::AtMostOnce)
            .await
            .unwrap();
        server.expect("PUBLISH 0 allowed y").await;
        assert_eq!(client.statistics().topics_set_aside, 1);
        // Policies get corrected: an hour later it may try again.
        for _ in 0..70 {
            server.expect("PINGREQ").await;
            server.send(&Packet::PingResp);
        }
        client
            .publish("forbidden", "x", QoS::AtMostOnce)
            .await
            .unwrap();
        server.expect("PUBLISH 0 forbidden x").await;
    });
    assert!(
        scene.diary().contains(
            &"disconnected: the server closed the connection after PUBLISH `forbidden`: probably the policy does \
              not allow iot:Publish there; after three times it is set aside"
                .into()
        ),
        "{:?}",
        scene.diary()
    );
}

#[test]
fn connections_that_merely_break_after_qos_0_set_nothing_aside() {
    let scene = Scene::new(Version::V311);
    scene.play(scene.config(), async |client| {
        for _ in 0..5 {
            let mut server = scene.network.accept_mqtt(true).await;
            client.connected().await;
            // It had gone well for six seconds before the connection ended.
            for _ in 0..7 {
                client.publish("fine", "x", QoS::AtMostOnce).await.unwrap();
                server.expect("PUBLISH 0 fine x").await;
                scene.world.sleep(1_000).await;
            }
            drop(server);
        }
        let _server = scene.network.accept_mqtt(true).await;
        client.connected().await;
        assert_eq!(client.publish("fine", "x", QoS::AtMostOnce).await, Ok(()));
    });
}

#[cfg(feature = "v5")]
#[test]
fn an_mqtt_5_server_that_disconnects_on_qos_0_is_understood_b53() {
    let scene = Scene::new(Version::V5);
    scene.play(scene.config(), async |client| {
        for _ in 0..3 {
            let mut server = scene.network.accept_mqtt(true).await;
            client.connected().await;
            client
                .publish("forbidden", "x", QoS::AtMostOnce)
                .await
                .unwrap();
            server.expect("PUBLISH 0 forbidden x").await;
            server.send(&Packet::Disconnect(Disconnect {
                reason_code: ReasonCode::NOT_AUTHORIZED,
                properties: Properties::EMPTY,
            }));
        }
        let _server = scene.network.accept_mqtt(true).await;
        client.connected().await;
        assert_eq!(
            client.publish("forbidden", "x", QoS::AtMostOnce).await,
            Err(PublishError::SetAside)
        );
    });
}

#[test]
fn a_tls_1_3_refusal_at_the_first_read_is_told_as_what_it_is_a30() {
    let scene = Scene::new(Version::V311);
    scene.play(scene.config(), async |_| {
        let mut server = scene.network.accept().await;
        server.next().await;
        server.refuse_certificate();
        scene.network.accept().await;
    });
    assert_eq!(
        scene.diary()[1],
        "failed: the server refused this device's certificate: is it registered and ACTIVE? (alert)"
    );
}

#[test]
fn every_end_comes_with_advice() {
    use thingwire_device::Why;
    let why = Why::Failure(thingwire_device::Failure::new(
        FailureKind::ServerCertificate,
        "",
    ));
    assert_eq!(
        why.advice(),
        "check the kit's roots, the endpoint's name and this device's clock"
    );
}

#[test]
fn sdk_metrics_are_sent_when_asked_for_and_only_then() {
    for asked in [false, true] {
        let scene = Scene::new(Version::V311);
        let config = if asked {
            scene
                .config()
                .user_name(thingwire_device::Config::SDK_METRICS)
        } else {
            scene.config()
        };
        scene.play(config, async |_| {
            let mut server = scene.network.accept().await;
            let bytes = server.next_bytes().await;
            let told = String::from_utf8_lossy(&bytes).contains("?SDK=Thingwire&Version=");
            assert_eq!(told, asked);
        });
    }
}
