//! boto3 speaks to the control plane and publishes over HTTPS.

use thingwire_conformance::{Cloud, finish, on_path, script};

use crate::STEP;
use crate::operator::listen;

#[test]
fn boto3_on_the_control_plane() {
    let Some(mut command) = script("boto3_steps.py") else {
        return;
    };
    let cloud = Cloud::start();
    command.args([&cloud.ready.api_url, &cloud.ready.region]);
    assert_eq!(finish(&mut command, STEP).success().trim(), "DONE");
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
