//! Rules that a peer broke: what it is told, and what the observer is told.

use thingwire_mqtt::{ConnAck, DecodeError, Packet, Properties, Property, ReasonCode, Version};

use super::disconnect::Ending;
use super::slab::Key;
use super::{ConnectionKey, Core};
use crate::{DisconnectReason, Event, Now, Rules};

impl Core {
    /// The bytes were not MQTT: the connection is told as far as its version allows, and closed. `version` is that
    /// of a CONNECT that could not be read, if it said one.
    pub fn reject(
        &mut self,
        now: Now,
        key: ConnectionKey,
        error: &DecodeError,
        version: Option<Version>,
    ) {
        let ConnectionKey(key) = key;
        self.begin(now);
        self.current = Some(key);
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let code = match error {
            DecodeError::TooLarge { .. } => self.rules.too_large,
            other => other.reason_code(),
        };
        let detail = error.to_string();
        if connection.connected.is_some() {
            let code = match error {
                // A second CONNECT (`B-16`), whatever version it asks for.
                DecodeError::UnsupportedVersion { .. } => ReasonCode::PROTOCOL_ERROR,
                _ => code,
            };
            self.violate(now, key, code, &detail);
            return;
        }
        let answer = match (error, version) {
            // `B-1`: MQTT 3.1 and whatever may come after 5.
            (DecodeError::UnsupportedVersion { .. }, _) => Some((
                Version::V311,
                ReasonCode::V311_UNACCEPTABLE_PROTOCOL_VERSION,
            )),
            (_, Some(Version::V5)) => Some((Version::V5, code)),
            _ => None,
        };
        if let Some((version, reason_code)) = answer {
            let list = [Property::ReasonString(&detail)];
            let properties = match version {
                Version::V5 if self.config.choices.reason_string => Properties::List(&list),
                _ => Properties::EMPTY,
            };
            let refusal = ConnAck {
                session_present: false,
                reason_code,
                properties,
            };
            connection.stage(version, &Packet::ConnAck(refusal));
        }
        self.end_connection(
            now,
            key,
            &Ending::new(DisconnectReason::ClientError, &detail),
        );
    }

    /// Closes a connection because its client broke a rule; MQTT 5 is told which.
    pub(super) fn violate(&mut self, now: Now, key: Key, code: ReasonCode, detail: &str) {
        self.tell_violation(key, detail);
        let ending = Ending::new(DisconnectReason::ClientError, detail).with_code(code);
        self.end_connection(now, key, &ending);
    }

    /// Tells the observer only.
    pub(super) fn tell_violation(&self, key: Key, detail: &str) {
        if let Some(connected) = self
            .connections
            .get(key)
            .and_then(|connection| connection.connected.as_deref())
        {
            self.observer.event(Event::Violated {
                client: &connected.client,
                detail,
            });
        }
    }
}

/// Whether a client may send this packet with this code (tables 3-4 to 3-7 of MQTT 5). MQTT 3.1.1 has no codes, and what is no
/// acknowledgement of a PUBLISH has none here. The code of DISCONNECT is not asked about: it ends the connection anyhow.
pub(super) const fn has_its_code(packet: &Packet<'_>) -> bool {
    match packet {
        Packet::PubAck(ack) | Packet::PubRec(ack) => matches!(
            ack.reason_code.0,
            0 | 0x10 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99
        ),
        Packet::PubRel(ack) | Packet::PubComp(ack) => matches!(ack.reason_code.0, 0 | 0x92),
        _ => true,
    }
}

/// The first of `B-72`'s limits that these properties break, with the code and the text for it. That Response Topic has
/// no wildcard was checked when it was decoded.
pub(super) fn property_violation(
    properties: Properties<'_>,
    rules: &Rules,
) -> Option<(ReasonCode, &'static str)> {
    let mut user_properties: usize = 0;
    for property in &properties {
        match property {
            Property::UserProperty(name, value) => {
                user_properties = user_properties
                    .saturating_add(name.len())
                    .saturating_add(value.len());
                if user_properties > rules.user_properties_len {
                    return Some((
                        ReasonCode::QUOTA_EXCEEDED,
                        "B-72: user properties over 8 KB",
                    ));
                }
            }
            Property::ContentType(value) if value.len() > rules.content_type_len => {
                return Some((
                    ReasonCode::QUOTA_EXCEEDED,
                    "B-72: content type over 256 bytes",
                ));
            }
            Property::CorrelationData(value) if value.len() > rules.correlation_data_len => {
                return Some((
                    ReasonCode::QUOTA_EXCEEDED,
                    "B-72: correlation data over 8 KB",
                ));
            }
            _ => {}
        }
    }
    None
}
