//! AWS's Python SDK and paho-mqtt connect with a device's kit, subscribe, receive and publish, over both
//! protocol versions and both ports; boto3 speaks to the control plane.

use thingwire_conformance::{Cloud, Program, finish, on_path, script};

use crate::operator::{listen, send};
use crate::{SEED_POLICY, STEP};

fn exchange(name: &str, arguments: &[&str]) {
    let (Some(mut command), Some(_)) =
        (script(name), on_path("mosquitto_sub", "mosquitto-clients"))
    else {
        return;
    };
    let cloud = Cloud::start();
    let kit = cloud.thing("esp32-demo", SEED_POLICY);
    let Some(mut operator) = listen(&cloud.ready, "mqttv5", "esp32/pub") else {
        return;
    };
    let mut client = Program::start(name, command.arg(kit).args(arguments));
    client.wait_for_line("READY", STEP);
    send(&cloud.ready, "mqttv5", "esp32/sub", "hello");
    client.wait_for_line("RECEIVED esp32/sub hello", STEP);
    operator.wait_for_line("esp32/pub answer to hello", STEP);
    client.wait_for_line("DONE", STEP);
}

#[test]
fn boto3_on_the_control_plane() {
    let Some(mut command) = script("boto3_steps.py") else {
        return;
    };
    let cloud = Cloud::start();
    command.args([&cloud.ready.api_url, &cloud.ready.region]);
    assert_eq!(finish(&mut command, STEP).success().trim(), "DONE");
}

#[test]
fn awsiotsdk_mqtt_5() {
    exchange("awsiot_exchange.py", &["--mqtt", "5"]);
}

#[test]
fn awsiotsdk_mqtt_5_on_the_alpn_port_a_6() {
    exchange("awsiot_exchange.py", &["--mqtt", "5", "--alpn"]);
}

#[test]
fn awsiotsdk_mqtt_3_1_1() {
    exchange("awsiot_exchange.py", &["--mqtt", "3.1.1"]);
}

#[test]
fn awsiotsdk_mqtt_3_1_1_on_the_alpn_port_a_6() {
    exchange("awsiot_exchange.py", &["--mqtt", "3.1.1", "--alpn"]);
}

#[test]
fn paho_mqtt_5() {
    exchange("paho_exchange.py", &["--mqtt", "5"]);
}

#[test]
fn paho_mqtt_3_1_1() {
    exchange("paho_exchange.py", &["--mqtt", "3.1.1"]);
}

#[test]
fn paho_mqtt_5_on_the_alpn_port_a_6() {
    exchange("paho_exchange.py", &["--mqtt", "5", "--alpn"]);
}
