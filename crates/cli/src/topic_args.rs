//! Topics, filters and QoS as mosquitto's flags give them.

use clap::ValueEnum;
use thingwire_mqtt::{QoS, Version, topic};

/// A topic name: something one can publish to.
pub(crate) fn name(text: &str) -> Result<String, String> {
    if topic::is_valid_name(text) {
        return Ok(text.to_owned());
    }
    Err("a topic to publish to is not empty and holds no `+`, `#` or NUL".into())
}

/// A topic filter: something one can subscribe to.
pub(crate) fn filter(text: &str) -> Result<String, String> {
    if topic::is_valid_filter(text) {
        return Ok(text.to_owned());
    }
    Err(
        "in a topic filter `+` stands for a whole level and `#` for the last one; it is not empty"
            .into(),
    )
}

/// 0 or 1; AWS IoT has no QoS 2 (`B-2`).
pub(crate) fn qos(text: &str) -> Result<QoS, String> {
    match text {
        "0" => Ok(QoS::AtMostOnce),
        "1" => Ok(QoS::AtLeastOnce),
        "2" => Err("AWS IoT Core does not support QoS 2; use 0 or 1".into()),
        _ => Err("quality of service is 0 or 1".into()),
    }
}

/// Protocol versions, under mosquitto's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProtocolVersion {
    /// MQTT 3.1.1: a denial closes the connection
    #[value(name = "mqttv311", aliases = ["311", "31", "3"])]
    V311,
    /// MQTT 5: a denial has a reason code
    #[value(name = "mqttv5", aliases = ["5"])]
    V5,
}

impl From<ProtocolVersion> for Version {
    fn from(version: ProtocolVersion) -> Self {
        match version {
            ProtocolVersion::V311 => Self::V311,
            ProtocolVersion::V5 => Self::V5,
        }
    }
}
