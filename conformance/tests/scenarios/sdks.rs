//! boto3 speaks to the control plane; it and the AWS CLI publish over HTTPS.

use thingwire_conformance::{Cloud, Program, aws, finish, on_path, script};

use crate::STEP;
use crate::operator::{listen, tool};

#[test]
fn boto3_on_the_control_plane() {
    let Some(mut command) = script("boto3_steps.py") else {
        return;
    };
    let cloud = Cloud::start();
    command.args([&cloud.ready.api_url, &cloud.ready.region]);
    assert_eq!(finish(&mut command, STEP).success().trim(), "DONE");
}

/// `A-5`, `F-24`: boto3 signs for its own name of the service; the topic arrives as it was, slash and all, and so do its properties of MQTT 5.
#[test]
fn boto3_publishes_over_https() {
    let (Some(mut command), Some(_)) = (
        script("boto3_publish.py"),
        on_path("mosquitto_sub", "mosquitto-clients"),
    ) else {
        return;
    };
    let cloud = Cloud::start();
    let Some(mut listener) = tool("mosquitto_sub", &cloud.ready, "operator-sub") else {
        return;
    };
    listener.args(["-d", "-V", "mqttv5", "-t", "esp32/#"]);
    // Payload format, content type, response topic, correlation data, user properties.
    listener.args(["-F", "%t|%F|%C|%R|%D|%P|%p"]);
    let mut operator = Program::start("mosquitto_sub", &mut listener);
    operator.wait_for_line("Subscribed", STEP);
    let ready = &cloud.ready;
    command
        .arg(format!("https://localhost:{}", ready.alpn_port))
        .arg(&ready.region)
        .arg(&ready.ca_file)
        .arg(&ready.credentials_file)
        .args(["esp32/a b/(c)", "hello over HTTPS"]);
    assert_eq!(finish(&mut command, STEP).success().trim(), "DONE");
    operator.wait_for_line(
        "esp32/a b/(c)|1|text/plain|answers/a b|question 7|unit:°C unit:K|hello over HTTPS",
        STEP,
    );
}

/// `F-24`: as a person types it, with the operator's access key; with another it is refused.
#[test]
fn the_aws_cli_publishes_over_https() {
    let cloud = Cloud::start();
    let ready = &cloud.ready;
    let publish = |message: &str| {
        let mut command = aws(ready)?;
        command
            .args(["iot-data", "publish", "--topic", "esp32/sub", "--qos", "1"])
            .args(["--payload", message, "--endpoint-url"])
            .arg(format!("https://localhost:{}", ready.alpn_port))
            .arg("--ca-bundle")
            .arg(&ready.ca_file);
        Some(command)
    };
    let Some(mut stranger) = publish("forged") else {
        return;
    };
    let Some(mut operator) = listen(ready, "mqttv5", "esp32/#") else {
        return;
    };
    let refused = finish(&mut stranger, STEP);
    assert_ne!(refused.code, Some(0));
    assert!(
        refused.stderr.contains("ForbiddenException"),
        "{}",
        refused.stderr
    );
    let mut known = publish("hello from the AWS CLI").expect("there");
    known
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("AWS_SHARED_CREDENTIALS_FILE", &ready.credentials_file);
    let _ = finish(&mut known, STEP).success();
    operator.wait_for_line("esp32/sub hello from the AWS CLI", STEP);
}
