//! Denials over the wire, for both protocol versions (A-21, A-28, A-30, B-52 to B-56).
//!
//! MQTT 3.1.1 has no words for a denial: AWS closes the connection. MQTT 5 has, and stays connected.

use std::path::Path;

use serde_json::Value;
use thingwire_conformance::{Authority, Cloud, http};
use thingwire_mqtt::QoS::{self, AtLeastOnce, AtMostOnce};
use thingwire_mqtt::Version::{self, V5, V311};

use crate::SEED_POLICY;
use crate::wire::{Came, Credentials, TLS, Wire, body, connect, publish, subscribe};

/// Subscribes and publishes more widely than it may receive, and may not retain.
const NARROW_POLICY: &str = r#"{"Version":"2012-10-17","Statement":[
{"Effect":"Allow","Action":"iot:Connect","Resource":"arn:aws:iot:REGION:ACCOUNT_ID:client/narrow"},
{"Effect":"Allow","Action":"iot:Subscribe","Resource":"arn:aws:iot:REGION:ACCOUNT_ID:topicfilter/narrow/*"},
{"Effect":"Allow","Action":"iot:Receive","Resource":"arn:aws:iot:REGION:ACCOUNT_ID:topic/narrow/open"},
{"Effect":"Allow","Action":"iot:Publish","Resource":"arn:aws:iot:REGION:ACCOUNT_ID:topic/narrow/*"}]}"#;

/// The connection may be made, but a CONNECT must never be answered.
fn never_gets_a_connack(port: u16, credentials: &Credentials, client_id: &str) {
    for tls in TLS {
        for version in [V311, V5] {
            // In TLS 1.2 the refusal may come during the handshake.
            let Ok(mut wire) = Wire::tls(port, credentials, tls, version) else {
                continue;
            };
            wire.send(&connect(client_id, true, version));
            wire.expect_end();
        }
    }
}

pub(crate) fn set_status(cloud: &Cloud, thing: &str, status: &str) {
    let (code, body) = http(
        &cloud.ready,
        "GET",
        &format!("/things/{thing}/principals"),
        &[],
        "",
    )
    .expect("an answer");
    assert_eq!(code, 200, "{body}");
    let principals: Value = serde_json::from_str(&body).expect("JSON");
    let (_, id) = principals["principals"][0]
        .as_str()
        .expect("a principal")
        .rsplit_once('/')
        .expect("an ARN");
    let path = format!("/certificates/{id}?newStatus={status}");
    assert_eq!(
        http(&cloud.ready, "PUT", &path, &[], "")
            .expect("an answer")
            .0,
        200
    );
}

fn unregistered(flags: &[&str]) {
    let cloud = Cloud::start_with(flags);
    let kit = cloud.thing("esp32-demo", SEED_POLICY);
    let stranger = Authority::new("somebody else's root").client("AWS IoT Certificate");
    for identity in [Some(&stranger), None] {
        let credentials = Credentials::other(&cloud.ready, identity);
        never_gets_a_connack(cloud.ready.mqtt_port, &credentials, "esp32-demo");
        never_gets_a_connack(
            cloud.ready.alpn_port,
            &credentials.with_alpn(),
            "esp32-demo",
        );
    }
    Wire::connect(&cloud.ready, &kit, "esp32-demo", V311).expect_alive();
}

#[test]
fn an_unregistered_certificate_never_gets_a_connack_a_21_a_30() {
    unregistered(&[]);
}

#[test]
fn nor_does_it_when_refusals_come_after_the_handshake_a_30() {
    unregistered(&["--cert-refusal", "after-handshake"]);
}

#[test]
fn an_inactive_certificate_is_disconnected_and_never_gets_a_connack_a_27_a_28() {
    for flags in [&[][..], &["--cert-refusal", "after-handshake"]] {
        let cloud = Cloud::start_with(flags);
        let kit = cloud.thing("esp32-demo", SEED_POLICY);
        let mut old = Wire::connect(&cloud.ready, &kit, "esp32-demo", V311);

        set_status(&cloud, "esp32-demo", "INACTIVE");
        old.expect_end(); // A-27, at once
        never_gets_a_connack(
            cloud.ready.mqtt_port,
            &Credentials::of_kit(&kit),
            "esp32-demo",
        );

        set_status(&cloud, "esp32-demo", "ACTIVE");
        Wire::connect(&cloud.ready, &kit, "esp32-demo", V5).expect_alive();
    }
}

/// A cloud with the seed's device.
fn seed() -> (Cloud, std::path::PathBuf) {
    let cloud = Cloud::start();
    let kit = cloud.thing("esp32-demo", SEED_POLICY);
    (cloud, kit)
}

fn tls(cloud: &Cloud, kit: &Path, version: Version) -> Wire {
    Wire::tls(
        cloud.ready.mqtt_port,
        &Credentials::of_kit(kit),
        TLS[1],
        version,
    )
    .expect("a TLS connection")
}

#[test]
fn b_52_a_wrong_client_id() {
    let (cloud, kit) = seed();

    let mut wire = tls(&cloud, &kit, V311);
    wire.send(&connect("somebody-else", true, V311));
    wire.expect_end(); // B-20: no CONNACK

    let mut wire = tls(&cloud, &kit, V5);
    wire.send(&connect("somebody-else", true, V5));
    assert_eq!(body(&wire.expect(0x20))[1], 0x87);
    wire.expect_end();

    Wire::connect(&cloud.ready, &kit, "esp32-demo", V5).expect_alive();
}

#[test]
fn b_53_a_topic_that_the_policy_does_not_allow() {
    let (cloud, kit) = seed();
    let denied = |qos: QoS, version| publish("esp32/other", b"x", qos, false, version);

    for qos in [AtMostOnce, AtLeastOnce] {
        let mut wire = Wire::connect(&cloud.ready, &kit, "esp32-demo", V311);
        wire.send(&denied(qos, V311));
        wire.expect_end();
    }

    let mut wire = Wire::connect(&cloud.ready, &kit, "esp32-demo", V5);
    wire.send(&denied(AtLeastOnce, V5));
    assert_eq!(body(&wire.expect(0x40))[2], 0x87);
    wire.send(&denied(AtMostOnce, V5));
    wire.expect_alive();
    // What is allowed still goes through on the same connection.
    wire.send(&publish("esp32/pub", b"x", AtLeastOnce, false, V5));
    let acknowledgement = wire.expect(0x40);
    assert!(
        body(&acknowledgement).get(2).is_none_or(|code| *code == 0),
        "{acknowledgement:02x?}"
    ); // B-51: never 0x10
}

#[test]
fn b_54_a_filter_that_the_policy_does_not_allow() {
    let (cloud, kit) = seed();

    for filter in ["esp32/pub", "esp32/+", "#"] {
        let mut wire = Wire::connect(&cloud.ready, &kit, "esp32-demo", V311);
        wire.send(&subscribe(&[filter], V311));
        wire.expect_end(); // no SUBACK with 0x80
    }

    let mut wire = Wire::connect(&cloud.ready, &kit, "esp32-demo", V5);
    wire.send(&subscribe(&["esp32/pub", "esp32/sub"], V5));
    let suback = wire.expect(0x90);
    assert_eq!(suback[suback.len() - 2..], [0x87, 0x01]);
    wire.expect_alive();
}

#[test]
fn b_55_what_may_not_be_received_is_not_delivered() {
    let cloud = Cloud::start();
    let kit = cloud.thing("narrow", NARROW_POLICY);
    for version in [V311, V5] {
        let mut device = Wire::connect(&cloud.ready, &kit, "narrow", version);
        assert_eq!(device.subscribe("narrow/#"), 1);
        let mut operator = Wire::connect(
            &cloud.ready,
            &cloud.ready.operator_kit,
            "operator-pub",
            version,
        );
        operator.publish("narrow/secret", b"not for you");
        operator.publish("narrow/open", b"for you");
        let message = device.packet();
        assert!(
            message.ends_with(b"for you") && !message.ends_with(b"not for you"),
            "{message:02x?}"
        );
    }
}

#[test]
fn b_56_a_retained_message_needs_retain_publish() {
    let cloud = Cloud::start();
    let kit = cloud.thing("narrow", NARROW_POLICY);
    let retained = |version| publish("narrow/open", b"keep me", AtLeastOnce, true, version);

    let mut wire = Wire::connect(&cloud.ready, &kit, "narrow", V311);
    wire.send(&retained(V311));
    wire.expect_end();

    let mut wire = Wire::connect(&cloud.ready, &kit, "narrow", V5);
    wire.send(&retained(V5));
    assert_eq!(body(&wire.expect(0x40))[2], 0x87);
    wire.expect_alive();

    // Nothing was kept.
    let mut operator = Wire::connect(
        &cloud.ready,
        &cloud.ready.operator_kit,
        "operator-sub",
        V311,
    );
    assert_eq!(operator.subscribe("narrow/open"), 1);
    operator.expect_alive();
}

#[test]
fn the_cloud_tells_why_it_refused() {
    let (cloud, kit) = seed();
    let mut wire = Wire::connect(&cloud.ready, &kit, "esp32-demo", V311);
    wire.send(&publish("esp32/other", b"x", AtLeastOnce, false, V311));
    assert_eq!(wire.next(), Came::End);
    let (status, body) = http(
        &cloud.ready,
        "GET",
        "/_thingwire/refusals?clientId=esp32-demo",
        &[],
        "",
    )
    .expect("an answer");
    assert_eq!(status, 200);
    assert!(
        body.contains("iot:Publish") && body.contains("topic/esp32/other"),
        "{body}"
    );
}
