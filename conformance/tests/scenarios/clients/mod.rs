//! The clients that people use with AWS IoT Core, each led through the same story over the cloud's front door.
//!
//! The table in `docs/conformance.md` is printed from what stands here, and what stands here decides what the story
//! does: a mark in it is a step that passed. mosquitto's tools have a story of their own, with the same steps.

mod mosquitto;
mod story;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use thingwire_conformance::{node, rumqtt, script};

/// How a client reaches the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    /// The MQTT port, with the device's certificate (`A-4`).
    MutualTls,
    /// The port that AWS keeps on 443, with ALPN `x-amzn-mqtt-ca` (`A-6`).
    Alpn,
    /// WebSocket with the device's certificate (`A-9`).
    Certificate,
    /// WebSocket with a signed URL (`A-9`).
    Signed,
}

impl Route {
    const ALL: &[Self] = &[Self::MutualTls, Self::Alpn, Self::Certificate, Self::Signed];

    /// The programs around the clients know it by this name.
    fn name(self) -> &'static str {
        match self {
            Self::MutualTls => "mtls",
            Self::Alpn => "alpn",
            Self::Certificate => "certificate",
            Self::Signed => "signed",
        }
    }
}

/// How a client's program is started.
enum Around {
    Python(&'static str),
    Node(&'static str),
    Rumqttc,
    /// Its own story.
    Mosquitto,
}

/// What a program learns when policies say no.
#[derive(Debug, PartialEq, Eq)]
struct Denials<'a> {
    connect: &'a str,
    subscribe: &'a str,
    publish: &'a str,
}

struct Client {
    name: &'static str,
    around: Around,
    /// Versions of MQTT, with what is seen of a denial in each.
    versions: &'static [(&'static str, Denials<'static>)],
    /// Routes it cannot take, with the reason.
    without: &'static [(Route, &'static str)],
    /// It signs URLs itself; the others are given one.
    signs: bool,
    /// It signs for names of AWS's form only.
    aws_names_only: bool,
    /// It can publish with RETAIN.
    retains: bool,
}

const NO_WEBSOCKET: &str = "Debian's build has none";
const SIGNED_ONLY: &str = "its builder only signs";

const CLIENTS: &[Client] = &[
    Client {
        name: "paho-mqtt",
        around: Around::Python("drive_paho.py"),
        versions: &[
            (
                "3.1.1",
                Denials {
                    connect: "Unspecified error",
                    subscribe: "Unspecified error",
                    publish: "Unspecified error",
                },
            ),
            (
                "5",
                Denials {
                    connect: "Not authorized",
                    subscribe: "0x87",
                    publish: "0x87",
                },
            ),
        ],
        without: &[],
        signs: false,
        aws_names_only: false,
        retains: true,
    },
    Client {
        name: "aiomqtt",
        around: Around::Python("drive_aiomqtt.py"),
        versions: &[
            (
                "3.1.1",
                Denials {
                    connect: "Operation timed out",
                    subscribe: "Disconnected during message iteration",
                    publish: "Disconnected during message iteration",
                },
            ),
            (
                "5",
                Denials {
                    connect: "[code:135] Not authorized",
                    subscribe: "0x87",
                    publish: "nothing",
                },
            ),
        ],
        without: &[],
        signs: false,
        aws_names_only: false,
        retains: true,
    },
    Client {
        name: "awsiotsdk (Python, v2)",
        around: Around::Python("drive_awsiot.py"),
        versions: &[
            (
                "3.1.1",
                Denials {
                    connect: "AWS_ERROR_MQTT_UNEXPECTED_HANGUP",
                    subscribe: "AWS_ERROR_MQTT_UNEXPECTED_HANGUP",
                    publish: "AWS_ERROR_MQTT_UNEXPECTED_HANGUP",
                },
            ),
            (
                "5",
                Denials {
                    connect: "NOT_AUTHORIZED",
                    subscribe: "0x87",
                    publish: "0x87",
                },
            ),
        ],
        without: &[(Route::Certificate, SIGNED_ONLY)],
        signs: true,
        aws_names_only: false,
        retains: true,
    },
    Client {
        name: "AWSIoTPythonSDK (v1)",
        around: Around::Python("drive_awsiot_v1.py"),
        versions: &[(
            "3.1.1",
            Denials {
                connect: "connectTimeoutException",
                subscribe: "offline",
                publish: "offline",
            },
        )],
        without: &[(Route::Certificate, SIGNED_ONLY)],
        signs: true,
        aws_names_only: true,
        retains: false,
    },
    Client {
        name: "mqtt.js",
        around: Around::Node("drive_mqttjs.mjs"),
        versions: &[
            (
                "3.1.1",
                Denials {
                    connect: "close",
                    subscribe: "close",
                    publish: "close",
                },
            ),
            (
                "5",
                Denials {
                    connect: "Connection refused: Not authorized",
                    subscribe: "Subscribe error: Not authorized",
                    publish: "Publish error: Not authorized",
                },
            ),
        ],
        without: &[],
        signs: false,
        aws_names_only: false,
        retains: true,
    },
    Client {
        name: "aws-iot-device-sdk-v2 (JavaScript)",
        around: Around::Node("drive_awsiot.mjs"),
        versions: &[
            (
                "3.1.1",
                Denials {
                    connect: "Failed to connect: libaws-c-mqtt: AWS_ERROR_MQTT_UNEXPECTED_HANGUP, The connection was closed unexpectedly.",
                    subscribe: "AWS_ERROR_MQTT_UNEXPECTED_HANGUP",
                    publish: "AWS_ERROR_MQTT_UNEXPECTED_HANGUP",
                },
            ),
            (
                "5",
                Denials {
                    connect: "NotAuthorized",
                    subscribe: "0x87",
                    publish: "0x87",
                },
            ),
        ],
        without: &[(Route::Certificate, SIGNED_ONLY)],
        signs: true,
        aws_names_only: false,
        retains: true,
    },
    Client {
        name: "rumqttc",
        around: Around::Rumqttc,
        versions: &[
            (
                "3.1.1",
                Denials {
                    connect: "Mqtt state: Connection closed by peer abruptly",
                    subscribe: "Mqtt state: Connection closed by peer abruptly",
                    publish: "Mqtt state: Connection closed by peer abruptly",
                },
            ),
            (
                "5",
                Denials {
                    connect: "Connection refused, return code: `NotAuthorized`",
                    subscribe: "0x87",
                    publish: "0x87",
                },
            ),
        ],
        without: &[],
        signs: false,
        aws_names_only: false,
        retains: true,
    },
    Client {
        name: "mosquitto_pub, mosquitto_sub",
        around: Around::Mosquitto,
        versions: &[
            (
                "3.1.1",
                Denials {
                    connect: "Error: The connection was lost.",
                    subscribe: "connects again, and again",
                    publish: "Error: The connection was lost.",
                },
            ),
            (
                "5",
                Denials {
                    connect: "Connection error: Not authorized",
                    subscribe: "All subscription requests were denied.",
                    publish: "Warning: Publish 1 failed: Not authorized.",
                },
            ),
        ],
        without: &[
            (Route::Certificate, NO_WEBSOCKET),
            (Route::Signed, NO_WEBSOCKET),
        ],
        signs: false,
        aws_names_only: false,
        retains: true,
    },
];

impl Client {
    fn named(name: &str) -> &'static Self {
        let found = CLIENTS.iter().find(|client| client.name.starts_with(name));
        found.expect("a client of the table")
    }

    /// The program around it; `None` after saying that it is missing.
    fn command(&self) -> Option<Command> {
        match self.around {
            Around::Python(name) => script(name),
            Around::Node(name) => node(name),
            Around::Rumqttc => rumqtt("rumqttc").map(Command::new),
            Around::Mosquitto => None,
        }
    }

    /// Whether it can take this route; or why not.
    fn route(&self, route: Route) -> Result<(), &'static str> {
        match self.without.iter().find(|(without, _)| *without == route) {
            Some((_, why)) => Err(why),
            None => Ok(()),
        }
    }

    fn denials(&self, version: &str) -> &Denials<'static> {
        let found = self.versions.iter().find(|(known, _)| *known == version);
        &found.expect("a version of the table").1
    }
}

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
