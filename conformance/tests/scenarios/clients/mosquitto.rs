//! mosquitto's tools with a device's kit: the steps of the story, each a command as a person types it.

use std::process::Command;

use thingwire_conformance::{Program, finish};

use super::story::{EXPIRY, Scene};
use super::{Client, Route};
use crate::STEP;
use crate::operator::tool_with;

/// A tool with the device's kit.
fn device(scene: &Scene, version: &str, name: &str, id: &str, route: Route) -> Command {
    let port = scene.port(route);
    let mut command =
        tool_with(name, &scene.cloud.ready, &scene.kit, port, id).expect("looked for before");
    command.args(["-V", version]);
    if route == Route::Alpn {
        command.args(["--tls-alpn", "x-amzn-mqtt-ca"]);
    }
    command
}

/// A subscriber whose subscriptions stand.
fn subscriber(mut command: Command, filters: &[&str]) -> Program {
    command.args(["-d", "-F", "%t %q %r %p"]);
    for filter in filters {
        command.args(["-t", filter]);
    }
    let mut program = Program::start("mosquitto_sub", &mut command);
    program.wait_for_line("Subscribed", STEP);
    program
}

/// Runs the whole story.
pub(super) fn run(version: &str) {
    let client = Client::named("mosquitto");
    let Some(mut scene) = Scene::new() else {
        return;
    };
    let v = if version == "5" { "mqttv5" } else { "mqttv311" };
    let sub = |scene: &Scene, id| device(scene, v, "mosquitto_sub", id, Route::MutualTls);
    let publish = |scene: &Scene, route| device(scene, v, "mosquitto_pub", "matrix-pub", route);

    for route in Route::ALL {
        if client.route(*route).is_err() {
            continue;
        }
        let command = device(&scene, v, "mosquitto_sub", "matrix-sub", *route);
        let mut program = subscriber(command, &["matrix/in/+"]);
        scene.send("matrix/in/a", "to the device", &[]);
        program.wait_for_line("matrix/in/a 1 0 to the device", STEP);
        let mut command = publish(&scene, *route);
        command.args(["-t", "matrix/out/1", "-m", route.name()]);
        let _ = finish(&mut command, STEP).success();
        let line = format!("matrix/out/1 1 {}", route.name());
        scene.watcher.wait_for_line(&line, STEP);
    }

    // A Will, and a session that outlives its connection.
    let sleeper = |scene: &Scene| {
        let mut command = sub(scene, "matrix-sleeper");
        command.args(["-c", "--will-topic", "matrix/out/will"]);
        command.args(["--will-payload", "gone", "--will-qos", "1"]);
        if version == "5" {
            command.args(["-x", &EXPIRY.to_string()]);
        }
        command
    };
    let mut program = subscriber(sleeper(&scene), &["matrix/in/stored"]);
    program.kill();
    scene.watcher.wait_for_line("matrix/out/will 1 gone", STEP);
    scene.send("matrix/in/stored", "while you were away", &[]);
    subscriber(sleeper(&scene), &["matrix/in/stored"])
        .wait_for_line("matrix/in/stored 1 0 while you were away", STEP);

    // Retained.
    let mut command = publish(&scene, Route::MutualTls);
    command.args(["-r", "-t", "matrix/kept", "-m", "kept"]);
    let _ = finish(&mut command, STEP).success();
    subscriber(sub(&scene, "matrix-keeper"), &["matrix/kept"])
        .wait_for_line("matrix/kept 1 1 kept", STEP);

    shared(
        &scene,
        ["matrix-left", "matrix-right"].map(|id| sub(&scene, id)),
    );

    // Denials: what the person at the terminal reads.
    let mut command = publish(&scene, Route::MutualTls);
    command.args(["-i", "stranger", "-t", "matrix/out/x", "-m", "x"]);
    let connect = finish(&mut command, STEP).stderr;
    let mut command = publish(&scene, Route::MutualTls);
    let publish = finish(command.args(["-t", "forbidden", "-m", "x"]), STEP).stderr;
    let mut command = sub(&scene, "matrix-denied");
    let mut program = Program::start("mosquitto_sub", command.args(["-d", "-t", "forbidden"]));
    let seen = client.denials(version);
    if version == "5" {
        program.wait_for_line(seen.subscribe, STEP);
    } else {
        // It is not told, and tries for ever.
        program.wait_for_line("sending SUBSCRIBE (Mid: 2", STEP);
    }
    let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    // What follows in MQTT 5 is our reason string.
    assert_eq!(
        (first(&connect).as_str(), first(&publish).as_str()),
        (seen.connect, seen.publish)
    );
}

fn shared(scene: &Scene, members: [Command; 2]) {
    let members = members
        .map(|command| subscriber(command, &["$share/group/matrix/jobs/+", "matrix/in/end"]));
    for number in 0..4 {
        scene.send(&format!("matrix/jobs/{number}"), "job", &[]);
    }
    scene.send("matrix/in/end", "end", &[]);
    let mut done: Vec<String> = Vec::new();
    for mut member in members {
        member.wait_for_line("matrix/in/end 1 0 end", STEP);
        let log = member.log();
        let work = log.lines().filter(|line| line.starts_with("matrix/jobs/"));
        done.extend(work.map(str::to_owned));
    }
    done.sort();
    let all: Vec<String> = (0..4)
        .map(|number| format!("matrix/jobs/{number} 1 0 job"))
        .collect();
    assert_eq!(done, all);
}
