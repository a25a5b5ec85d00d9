//! A person with mosquitto's tools and the operator's kit talks to our running device.

use std::path::Path;
use std::process::Command;

use thingwire_conformance::{Cloud, Program, Ready, finish, on_path};

use crate::{SEED_POLICY, STEP};

/// A mosquitto tool with the operator's kit, as a person would type it.
pub(crate) fn tool(name: &str, ready: &Ready, client_id: &str) -> Option<Command> {
    tool_with(name, ready, &ready.operator_kit, ready.mqtt_port, client_id)
}

/// The same with any kit and port.
pub(crate) fn tool_with(
    name: &str,
    ready: &Ready,
    kit: &Path,
    port: u16,
    client_id: &str,
) -> Option<Command> {
    // Into a pipe the tools write block by block; a test wants to see lines.
    let mut command = Command::new("stdbuf");
    command.arg("-oL").arg(on_path(name, "mosquitto-clients")?);
    command.args([
        "-h",
        &ready.endpoint,
        "-p",
        &port.to_string(),
        "-i",
        client_id,
        "-q",
        "1",
    ]);
    command.arg("--cafile").arg(kit.join("root-CA.pem"));
    command
        .arg("--cert")
        .arg(kit.join("certificate.pem"))
        .arg("--key")
        .arg(kit.join("private.key"));
    Some(command)
}

/// Subscribes as the operator and waits until the subscription stands; it ends after one message.
pub(crate) fn listen(ready: &Ready, version: &str, topic: &str) -> Option<Program> {
    let mut command = tool("mosquitto_sub", ready, "operator-sub")?;
    let mut program = Program::start(
        "mosquitto_sub",
        command.args(["-d", "-v", "-C", "1", "-V", version, "-t", topic]),
    );
    program.wait_for_line("Subscribed", STEP);
    Some(program)
}

/// Publishes as the operator.
pub(crate) fn send(ready: &Ready, version: &str, topic: &str, message: &str) {
    let mut command = tool("mosquitto_pub", ready, "operator-pub").expect("looked for before");
    let _ = finish(
        command.args(["-V", version, "-t", topic, "-m", message]),
        STEP,
    )
    .success();
}

/// Our device, running.
fn device(cloud: &Cloud, kit: &Path) -> Program {
    let mut command = cloud.command();
    Program::start(
        "thingwire device run",
        command.args(["device", "run", "--kit"]).arg(kit),
    )
}

fn exchange(version: &str) {
    if on_path("mosquitto_sub", "mosquitto-clients").is_none() {
        return;
    }
    let cloud = Cloud::start();
    let kit = cloud.thing("esp32-demo", SEED_POLICY);
    let Some(mut listener) = listen(&cloud.ready, version, "esp32/pub") else {
        return;
    };
    let mut device = device(&cloud, &kit);

    // The device publishes by itself, and mosquitto_sub prints it.
    listener.wait_for_line("esp32/pub ", STEP);

    // What mosquitto_pub sends, the device prints.
    send(&cloud.ready, version, "esp32/sub", "hello from mosquitto");
    device.wait_for_line("hello from mosquitto", STEP);
    device.stop("INT", STEP);
}

#[test]
fn mosquitto_tools_exchange_messages_with_our_device_in_3_1_1() {
    exchange("mqttv311");
}

#[test]
fn mosquitto_tools_exchange_messages_with_our_device_in_5() {
    exchange("mqttv5");
}
