//! Lifecycle events as the operator sees them with mosquitto's tools, and who may not see them (D-1 to D-8, B-14, B-35, B-44, B-82).

use serde_json::json;
use thingwire_conformance::{Cloud, Driver, Program, finish, on_path, script};
use thingwire_mqtt::QoS::AtLeastOnce;
use thingwire_mqtt::Version::{V5, V311};

use crate::operator::{send, tool};
use crate::wire::{Wire, body, publish, subscribe};
use crate::{SEED_POLICY, STEP};

/// Connections and disconnections of everybody, and the right to publish anywhere.
const WATCHER_POLICY: &str = r#"{"Version":"2012-10-17","Statement":[
{"Effect":"Allow","Action":"iot:Connect","Resource":"arn:aws:iot:REGION:ACCOUNT_ID:client/watcher"},
{"Effect":"Allow","Action":"iot:Publish","Resource":"*"},
{"Effect":"Allow","Action":"iot:Subscribe","Resource":"arn:aws:iot:REGION:ACCOUNT_ID:topicfilter/$aws/*"},
{"Effect":"Allow","Action":"iot:Receive","Resource":"arn:aws:iot:REGION:ACCOUNT_ID:topic/$aws/events/presence/*"}]}"#;

/// The operator's `mosquitto_sub` on all lifecycle events.
fn watch(cloud: &Cloud, version: &str) -> Option<Program> {
    let mut command = tool("mosquitto_sub", &cloud.ready, "operator-sub")?;
    command.args(["-d", "-v", "-V", version, "-t", "$aws/events/#"]);
    let mut program = Program::start("mosquitto_sub", &mut command);
    program.wait_for_line("Subscribed", STEP);
    Some(program)
}

fn a_day_of_a_device(version: &str, mqtt: &str) {
    let (Some(mut paho), Some(_)) = (
        script("drive_paho.py"),
        on_path("mosquitto_sub", "mosquitto-clients"),
    ) else {
        return;
    };
    let cloud = Cloud::start();
    let kit = cloud.thing("esp32-demo", SEED_POLICY);
    let Some(mut events) = watch(&cloud, version) else {
        return;
    };
    let mut device = Driver::start("paho", &mut paho);
    let file = |name: &str| kit.join(name);
    device.tell(&json!({
        "do": "connect", "version": mqtt, "route": "mtls",
        "host": cloud.ready.endpoint, "port": cloud.ready.mqtt_port, "root": file("root-CA.pem"),
        "certificate": file("certificate.pem"), "key": file("private.key"),
        "client_id": "esp32-demo", "clean": true, "expiry": 0, "will": null,
    }));
    device.expect("connected", STEP);
    device.tell(&json!({"do": "subscribe", "filter": "esp32/sub", "qos": 1}));
    device.expect("subscribed", STEP);
    // D-1, D-2, D-7: paho came, and from where.
    events.wait_for_line(
        "$aws/events/presence/connected/esp32-demo {\"clientId\":\"esp32-demo\",",
        STEP,
    );
    // D-5: and what it asked for.
    events.wait_for_line("$aws/events/subscriptions/subscribed/esp32-demo {", STEP);
    send(&cloud.ready, version, "esp32/sub", "hello");
    assert_eq!(device.expect("message", STEP)["payload"], "hello");
    device.tell(&json!({"do": "disconnect"}));
    device.expect("disconnected", STEP);
    // D-3, D-6: and that it said goodbye; as the first connection of this client.
    events.wait_for_line(
        "\"clientInitiatedDisconnect\":true,\"disconnectReason\":\"CLIENT_INITIATED_DISCONNECT\",\"versionNumber\":0}",
        STEP,
    );
    events.stop("INT", STEP);
}

#[test]
fn the_operator_sees_a_device_come_and_go_in_3_1_1_d_1_d_2_d_3_d_5() {
    a_day_of_a_device("mqttv311", "3.1.1");
}

#[test]
fn the_operator_sees_a_device_come_and_go_in_5_d_1_d_2_d_3_d_5() {
    a_day_of_a_device("mqttv5", "5");
}

#[test]
fn a_refused_connect_and_a_duplicate_client_id_are_told_d_4_d_9_b_14() {
    if on_path("mosquitto_sub", "mosquitto-clients").is_none() {
        return;
    }
    let cloud = Cloud::start();
    let kit = cloud.thing("esp32-demo", SEED_POLICY);
    let Some(mut events) = watch(&cloud, "mqttv5") else {
        return;
    };
    // Its policy allows its own client id only.
    let mut command = tool("mosquitto_pub", &cloud.ready, "somebody-else").expect("looked for");
    command
        .arg("--cert")
        .arg(kit.join("certificate.pem"))
        .arg("--key")
        .arg(kit.join("private.key"))
        .args(["-t", "a", "-m", "b"]);
    let _ = finish(&mut command, STEP);
    events.wait_for_line("$aws/events/presence/connect_failed/somebody-else {", STEP);
    let mut old = Wire::connect(&cloud.ready, &kit, "esp32-demo", V311);
    let mut new = Wire::connect(&cloud.ready, &kit, "esp32-demo", V5);
    old.expect_end();
    events.wait_for_line(
        "\"disconnectReason\":\"DUPLICATE_CLIENTID\",\"versionNumber\":0}",
        STEP,
    );
    new.expect_alive();
    events.stop("INT", STEP);
}

#[test]
fn policies_decide_who_sees_events_and_reserved_topics_what_exists_d_8_b_35_b_44_b_64_b_82() {
    let cloud = Cloud::start();
    let watcher = cloud.thing("watcher", WATCHER_POLICY);
    let device = cloud.thing("esp32-demo", SEED_POLICY);

    // The seed's device has no right to events: MQTT 5 is told, MQTT 3.1.1 is closed (B-54).
    let mut wire = Wire::connect(&cloud.ready, &device, "esp32-demo", V5);
    assert_eq!(wire.subscribe("$aws/events/#"), 0x87);
    let mut wire = Wire::connect(&cloud.ready, &device, "esp32-demo", V311);
    wire.send(&subscribe(&["$aws/events/#"], V311));
    wire.expect_end();

    // The watcher may ask for everything under `$aws/`, but only what exists can be had.
    let mut wire = Wire::connect(&cloud.ready, &watcher, "watcher", V5);
    for (filter, code) in [
        ("$aws/events/presence/#", 1),
        ("$aws/rules/x", 0x8F),
        ("$aws/nothing/x", 0x8F),
        ("$aws/things/x/shadow/update/accepted", 1),
    ] {
        assert_eq!(wire.subscribe(filter), code, "{filter}");
    }
    // B-44: nobody but the service publishes events. B-78: Basic Ingest is for publishing only.
    for (topic, code) in [
        ("$aws/events/presence/connected/x", 0x90),
        ("$aws/rules/none/a", 0),
    ] {
        wire.send(&publish(topic, b"x", AtLeastOnce, false, V5));
        let puback = wire.expect(0x40);
        assert_eq!(body(&puback).get(2).copied().unwrap_or(0), code, "{topic}");
    }
}
