//! The clients that people use with AWS IoT Core, each led through the same story over the cloud's front door.
//!
//! `table.rs` decides which steps a client is led through, and the tables of `docs/conformance.md` are printed from it: a mark
//! in them is a step that passed. mosquitto's tools have a story of their own, with the same steps.

mod mosquitto;
mod story;
mod table;

use std::fmt::Write as _;
use std::path::Path;

use table::{CLIENTS, Client, Denials, Route};

/// One test a client and version, so that they run beside each other.
macro_rules! stories {
    ($(fn $test:ident: $client:literal $version:literal,)+) => {$(
        #[test]
        fn $test() {
            story::run(Client::named($client), $version);
        }
    )+};
}

stories! {
    fn paho_3_1_1: "paho-mqtt" "3.1.1",
    fn paho_5: "paho-mqtt" "5",
    fn aiomqtt_3_1_1: "aiomqtt" "3.1.1",
    fn aiomqtt_5: "aiomqtt" "5",
    fn awsiotsdk_python_3_1_1: "awsiotsdk" "3.1.1",
    fn awsiotsdk_python_5: "awsiotsdk" "5",
    fn awsiotsdk_python_v1_3_1_1: "AWSIoTPythonSDK" "3.1.1",
    fn mqttjs_3_1_1: "mqtt.js" "3.1.1",
    fn mqttjs_5: "mqtt.js" "5",
    fn awsiotsdk_javascript_3_1_1: "aws-iot-device-sdk-v2" "3.1.1",
    fn awsiotsdk_javascript_5: "aws-iot-device-sdk-v2" "5",
    fn rumqttc_3_1_1: "rumqttc" "3.1.1",
    fn rumqttc_5: "rumqttc" "5",
}

#[test]
fn mosquitto_3_1_1() {
    mosquitto::run("3.1.1");
}

#[test]
fn mosquitto_5() {
    mosquitto::run("5");
}

/// What each client can do, and what it shows of a denial, as `docs/conformance.md` prints it.
fn tables() -> String {
    let mut text = String::from(
        "| client | MQTT | mutual TLS | ALPN | WebSocket, certificate | WebSocket, signed | both ways | Will | resume | retained | shared | denials |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for client in CLIENTS {
        for (version, _) in client.versions {
            let _ = write!(text, "| {} | {version} |", client.name);
            for route in Route::ALL {
                let cell = client.route(*route).map_or_else(|why| why, |()| "✓");
                let _ = write!(text, " {cell} |");
            }
            let retained = if client.retains {
                "✓"
            } else {
                "✓, receives only"
            };
            let _ = writeln!(text, " ✓ | ✓ | ✓ | {retained} | ✓ | ✓ |");
        }
    }
    text.push_str(
        "\nWhat a program learns of a denial from its client:\n\n\
         | client | MQTT | CONNECT | SUBSCRIBE | PUBLISH, QoS 1 |\n|---|---|---|---|---|\n",
    );
    for client in CLIENTS {
        for (version, seen) in client.versions {
            let Denials {
                connect,
                subscribe,
                publish,
            } = seen;
            let _ = writeln!(
                text,
                "| {} | {version} | {connect} | {subscribe} | {publish} |",
                client.name
            );
        }
    }
    text
}

/// `THINGWIRE_BLESS=1 cargo test -p thingwire-conformance --test scenarios tables_are_in_the_docs` writes them anew.
#[test]
fn the_tables_are_in_the_docs() {
    const BEGIN: &str = "<!-- clients: printed by conformance/tests/scenarios/clients -->\n";
    const END: &str = "<!-- /clients -->";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/conformance.md");
    let docs = std::fs::read_to_string(&file).expect("docs/conformance.md");
    let (before, rest) = docs.split_once(BEGIN).expect("the begin of the tables");
    let (printed, after) = rest.split_once(END).expect("the end of the tables");
    if std::env::var_os("THINGWIRE_BLESS").is_some() {
        let text = format!("{before}{BEGIN}{}{END}{after}", tables());
        std::fs::write(&file, text).expect("docs/conformance.md can be written");
        return;
    }
    assert_eq!(printed, tables(), "THINGWIRE_BLESS=1 writes them anew");
}
