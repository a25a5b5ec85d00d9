//! AWS's Python SDK and paho-mqtt connect with a device's kit, subscribe, receive and publish, over both
//! protocol versions and both ports; boto3 speaks to the control plane.

use thingwire_conformance::{Cloud, Program, Ready, finish, on_path, script};

use crate::operator::{listen, send};
use crate::{SEED_POLICY, STEP};

fn exchange(name: &str, arguments: &[&str]) {
    exchange_with(name, |_| {
        arguments
            .iter()
            .map(|argument| (*argument).to_owned())
            .collect()
    });
}

/// Over a WebSocket (`A-9`), as the operator's access key or with the kit's certificate.
fn exchange_over_websocket(name: &str, version: &str, signed: bool) {
    exchange_with(name, |ready| {
        let port = if signed {
            Some(ready.alpn_port)
        } else {
            ready.https_port
        };
        let port = port.expect("the port of the WebSocket").to_string();
        let mut arguments = ["--mqtt", version, "--websocket", &port]
            .map(str::to_owned)
            .to_vec();
        if signed {
            let file = ready.credentials_file.display().to_string();
            arguments.extend(["--sign".to_owned(), file]);
        }
        arguments
    });
}

fn exchange_with(name: &str, arguments: impl FnOnce(&Ready) -> Vec<String>) {
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
    let mut client = Program::start(name, command.arg(kit).args(arguments(&cloud.ready)));
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

#[test]
fn paho_over_a_signed_websocket_a_9() {
    for version in ["5", "3.1.1"] {
        exchange_over_websocket("paho_exchange.py", version, true);
    }
}

#[test]
fn paho_over_a_websocket_with_a_certificate_a_9() {
    for version in ["5", "3.1.1"] {
        exchange_over_websocket("paho_exchange.py", version, false);
    }
}

#[test]
fn awsiotsdk_over_a_signed_websocket_a_9() {
    for version in ["5", "3.1.1"] {
        exchange_over_websocket("awsiot_exchange.py", version, true);
    }
}

/// `A-5`, `F-24`: boto3 signs for its own name of the service; the topic arrives as it was, slash and all.
#[test]
fn boto3_publishes_over_https() {
    let (Some(mut command), Some(_)) = (
        script("boto3_publish.py"),
        on_path("mosquitto_sub", "mosquitto-clients"),
    ) else {
        return;
    };
    let cloud = Cloud::start();
    let Some(mut operator) = listen(&cloud.ready, "mqttv311", "esp32/#") else {
        return;
    };
    let ready = &cloud.ready;
    command
        .arg(format!("https://localhost:{}", ready.alpn_port))
        .arg(&ready.region)
        .arg(&ready.ca_file)
        .arg(&ready.credentials_file)
        .args(["esp32/a b/(c)", "hello over HTTPS"]);
    assert_eq!(finish(&mut command, STEP).success().trim(), "DONE");
    operator.wait_for_line("esp32/a b/(c) hello over HTTPS", STEP);
}
