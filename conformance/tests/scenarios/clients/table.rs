//! The clients, and what each can do and shows: the story reads it, and `docs/conformance.md` prints it.

use std::process::Command;

use thingwire_conformance::{node, rumqtt, script};

/// How a client reaches the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
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
    pub(super) const ALL: &[Self] = &[Self::MutualTls, Self::Alpn, Self::Certificate, Self::Signed];

    /// The programs around the clients know it by this name.
    pub(super) fn name(self) -> &'static str {
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
pub(super) struct Denials<'a> {
    pub(super) connect: &'a str,
    pub(super) subscribe: &'a str,
    pub(super) publish: &'a str,
}

pub(super) struct Client {
    pub(super) name: &'static str,
    around: Around,
    /// Versions of MQTT, with what is seen of a denial in each.
    pub(super) versions: &'static [(&'static str, Denials<'static>)],
    /// Routes it cannot take, with the reason.
    pub(super) without: &'static [(Route, &'static str)],
    /// It signs URLs itself; the others are given one.
    pub(super) signs: bool,
    /// It signs for names of AWS's form only.
    pub(super) aws_names_only: bool,
    /// It can publish with RETAIN.
    pub(super) retains: bool,
}

const NO_WEBSOCKET: &str = "Debian's build has none";
const SIGNED_ONLY: &str = "its builder only signs";

pub(super) const CLIENTS: &[Client] = &[
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
    pub(super) fn named(name: &str) -> &'static Self {
        let found = CLIENTS.iter().find(|client| client.name.starts_with(name));
        found.expect("a client of the table")
    }

    /// The program around it; `None` after saying that it is missing.
    pub(super) fn command(&self) -> Option<Command> {
        match self.around {
            Around::Python(name) => script(name),
            Around::Node(name) => node(name),
            Around::Rumqttc => rumqtt("rumqttc").map(Command::new),
            Around::Mosquitto => None,
        }
    }

    /// Whether it can take this route; or why not.
    pub(super) fn route(&self, route: Route) -> Result<(), &'static str> {
        match self.without.iter().find(|(without, _)| *without == route) {
            Some((_, why)) => Err(why),
            None => Ok(()),
        }
    }

    pub(super) fn denials(&self, version: &str) -> &Denials<'static> {
        let found = self.versions.iter().find(|(known, _)| *known == version);
        &found.expect("a version of the table").1
    }
}
