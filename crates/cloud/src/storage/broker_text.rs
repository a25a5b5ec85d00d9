//! The broker's records as JSON.
//!
//! A payload that is UTF-8 stands there as text (`payload`), another in hex (`payloadHex`); properties are
//! those of the PUBLISH packet, in hex. What has its usual value is left out.

use serde::{Deserialize, Serialize};
use thingwire_broker::core::stored::{Content, Record, StoredMessage};
use thingwire_broker::{Millis, QoS};
use thingwire_mqtt::Version;

use super::text::unhex;
use crate::pki::hex;

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(tag = "table", deny_unknown_fields)]
pub(super) enum BrokerLine {
    #[serde(rename = "broker.sessions", rename_all = "camelCase")]
    Session {
        session: u64,
        client_id: String,
        version: u8,
        expiry: u32,
        /// Milliseconds since 1970; none: it was connected.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        disconnected: Option<u64>,
    },
    #[serde(rename = "broker.subscriptions", rename_all = "camelCase")]
    Subscription {
        session: u64,
        filter: String,
        qos: u8,
        #[serde(default, skip_serializing_if = "is_default")]
        no_local: bool,
        #[serde(default, skip_serializing_if = "is_default")]
        retain_as_published: bool,
        #[serde(default, skip_serializing_if = "is_default")]
        identifier: u32,
    },
    #[serde(rename = "broker.queued", rename_all = "camelCase")]
    Queued {
        session: u64,
        sequence: u64,
        qos: u8,
        #[serde(default, skip_serializing_if = "is_default")]
        retained: bool,
        #[serde(default, skip_serializing_if = "is_default")]
        identifiers: Vec<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<Message>,
        /// Instead of the message.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<u64>,
    },
    #[serde(rename = "broker.bodies", rename_all = "camelCase")]
    Body { body: u64, message: Message },
    #[serde(rename = "broker.shared", rename_all = "camelCase")]
    Shared {
        filter: String,
        number: u64,
        message: Message,
    },
    #[serde(rename = "broker.retained", rename_all = "camelCase")]
    Retained { message: Message },
    #[serde(rename = "broker.wills", rename_all = "camelCase")]
    Will {
        client_id: String,
        #[serde(default, skip_serializing_if = "is_default")]
        retain: bool,
        #[serde(default, skip_serializing_if = "is_default")]
        delay: u32,
        /// Milliseconds since 1970; none: its connection stands.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due: Option<u64>,
        message: Message,
    },
}

/// A message.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Message {
    topic: String,
    qos: u8,
    /// Milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    properties: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_hex: Option<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl BrokerLine {
    pub(super) fn of(record: Record) -> Self {
        match record {
            Record::Session {
                number,
                client_id,
                version,
                expiry,
                disconnected,
            } => Self::Session {
                session: number,
                client_id,
                version: version.level(),
                expiry,
                disconnected: disconnected.map(|at| at.0),
            },
            Record::Subscription {
                session,
                filter,
                qos,
                no_local,
                retain_as_published,
                identifier,
            } => Self::Subscription {
                session,
                filter,
                qos: qos.bits(),
                no_local,
                retain_as_published,
                identifier,
            },
            Record::Queued {
                session,
                sequence,
                qos,
                retained,
                identifiers,
                content,
            } => {
                let (message, body) = match content {
                    Content::Message(message) => (Some(Message::of(message)), None),
                    Content::Body(id) => (None, Some(id)),
                };
                Self::Queued {
                    session,
                    sequence,
                    qos: qos.bits(),
                    retained,
                    identifiers,
                    message,
                    body,
                }
            }
            Record::Body { id, message } => Self::Body {
                body: id,
                message: Message::of(message),
            },
            Record::Shared {
                filter,
                number,
                message,
            } => Self::Shared {
                filter,
                number,
                message: Message::of(message),
            },
            Record::Retained { message } => Self::Retained {
                message: Message::of(message),
            },
            Record::Will {
                client_id,
                retain,
                delay,
                due,
                message,
            } => Self::Will {
                client_id,
                retain,
                delay,
                due: due.map(|at| at.0),
                message: Message::of(message),
            },
        }
    }

    pub(super) fn record(self) -> Result<Record, String> {
        Ok(match self {
            Self::Session {
                session,
                client_id,
                version,
                expiry,
                disconnected,
            } => Record::Session {
                number: session,
                client_id,
                version: match version {
                    4 => Version::V311,
                    5 => Version::V5,
                    other => return Err(format!("`version` is {other}; expected 4 or 5")),
                },
                expiry,
                disconnected: moment("disconnected", disconnected)?,
            },
            Self::Subscription {
                session,
                filter,
                qos,
                no_local,
                retain_as_published,
                identifier,
            } => Record::Subscription {
                session,
                filter,
                qos: quality(qos)?,
                no_local,
                retain_as_published,
                identifier,
            },
            Self::Queued {
                session,
                sequence,
                qos,
                retained,
                identifiers,
                message,
                body,
            } => Record::Queued {
                session,
                sequence,
                qos: quality(qos)?,
                retained,
                identifiers,
                content: match (message, body) {
                    (Some(message), None) => Content::Message(message.stored()?),
                    (None, Some(id)) => Content::Body(id),
                    _ => return Err("one of `message` and `body` must be there".to_owned()),
                },
            },
            Self::Body { body, message } => Record::Body {
                id: body,
                message: message.stored()?,
            },
            Self::Shared {
                filter,
                number,
                message,
            } => Record::Shared {
                filter,
                number,
                message: message.stored()?,
            },
            Self::Retained { message } => Record::Retained {
                message: message.stored()?,
            },
            Self::Will {
                client_id,
                retain,
                delay,
                due,
                message,
            } => Record::Will {
                client_id,
                retain,
                delay,
                due: moment("due", due)?,
                message: message.stored()?,
            },
        })
    }
}

impl Message {
    fn of(message: StoredMessage) -> Self {
        let (payload, payload_hex) = match String::from_utf8(message.payload.to_vec()) {
            Ok(text) => (Some(text), None),
            Err(bytes) => (None, Some(hex(bytes.as_bytes()))),
        };
        Self {
            topic: message.topic,
            qos: message.qos.bits(),
            expires: message.expires.map(|at| at.0),
            properties: hex(&message.properties),
            payload,
            payload_hex,
        }
    }

    fn stored(self) -> Result<StoredMessage, String> {
        let digits = |member: &str, text: &str| {
            unhex(text).ok_or_else(|| format!("`{member}` is not hex in lower case"))
        };
        let payload = match (self.payload, self.payload_hex) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(text)) => digits("payloadHex", &text)?,
            _ => return Err("one of `payload` and `payloadHex` must be there".to_owned()),
        };
        Ok(StoredMessage {
            topic: self.topic,
            payload: payload.into(),
            qos: quality(self.qos)?,
            properties: digits("properties", &self.properties)?,
            expires: moment("expires", self.expires)?,
        })
    }
}

fn quality(bits: u8) -> Result<QoS, String> {
    QoS::from_bits(bits).ok_or_else(|| format!("`qos` is {bits}; expected 0, 1 or 2"))
}

/// 0 would be read back as none.
fn moment(member: &str, at: Option<u64>) -> Result<Option<Millis>, String> {
    match at {
        Some(0) => Err(format!("`{member}` is 0; leave it out for none")),
        other => Ok(other.map(Millis)),
    }
}
