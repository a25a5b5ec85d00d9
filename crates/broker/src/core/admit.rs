//! Whether a CONNECT is accepted: what the packet alone decides, then the policy, then the reserved topics; and how
//! each version is told of a refusal (`B-11`, `B-18` to `B-21`, `B-52`, `B-58`).

use std::sync::Arc;

use thingwire_mqtt::{ConnAck, Connect, Packet, Properties, Property, ReasonCode, Version, topic};

use super::Core;
use super::connection::denial;
use super::disconnect::Ending;
use super::slab::Key;
use super::violation::property_violation;
use crate::behaviour::IN_FLIGHT_MAXIMUM;
use crate::{Action, Client, DisconnectReason, Event, Now, Permissions};

/// Why a CONNECT is refused, in both versions' terms.
pub(super) struct Refusal {
    /// `None`: MQTT 3.1.1 is closed without CONNACK.
    v311: Option<ReasonCode>,
    v5: ReasonCode,
    detail: String,
    /// The policy refused this.
    denied: Option<(Action, String)>,
}

impl Refusal {
    fn new(v311: Option<ReasonCode>, v5: ReasonCode, detail: impl Into<String>) -> Self {
        Self {
            v311,
            v5,
            detail: detail.into(),
            denied: None,
        }
    }
}

/// What a CONNECT asks for beyond the session.
pub(super) struct Wishes {
    /// Seconds; `None` when MQTT 5 did not say.
    pub(super) session_expiry: Option<u32>,
    pub(super) receive_maximum: u16,
    pub(super) maximum_packet_size: usize,
    pub(super) problem_information: bool,
}

impl Wishes {
    pub(super) fn of(connect: &Connect<'_>) -> Self {
        let mut wishes = Self {
            session_expiry: None,
            receive_maximum: IN_FLIGHT_MAXIMUM,
            maximum_packet_size: usize::MAX,
            problem_information: true,
        };
        for property in &connect.properties {
            match property {
                Property::SessionExpiryInterval(seconds) => wishes.session_expiry = Some(seconds),
                Property::ReceiveMaximum(maximum) => {
                    wishes.receive_maximum = maximum.clamp(1, IN_FLIGHT_MAXIMUM);
                }
                Property::MaximumPacketSize(bytes) => {
                    wishes.maximum_packet_size = usize::try_from(bytes).unwrap_or(usize::MAX);
                }
                Property::RequestProblemInformation(wanted) => wishes.problem_information = wanted,
                _ => {}
            }
        }
        wishes
    }
}

impl Core {
    /// What the packet alone decides.
    pub(super) fn check_connect(
        &self,
        connect: &Connect<'_>,
        wishes: &Wishes,
    ) -> Result<(), Refusal> {
        let rules = &self.rules;
        let id = connect.client_id;
        let rejected = Some(ReasonCode::V311_IDENTIFIER_REJECTED);
        let bad_id = ReasonCode::CLIENT_IDENTIFIER_NOT_VALID;
        if id.len() > rules.client_id_len {
            let detail = format!(
                "B-11: a client id of {} bytes, at most 128 are allowed",
                id.len()
            );
            return Err(Refusal::new(rejected, bad_id, detail));
        }
        if id.starts_with("$GEN/") {
            return Err(Refusal::new(
                rejected,
                bad_id,
                "B-12: only the server assigns `$GEN/` ids",
            ));
        }
        if id.is_empty() && connect.version == Version::V311 && !connect.clean_start {
            // [MQTT-3.1.3-8]
            let detail = "B-12: an empty client id needs a clean session";
            return Err(Refusal::new(rejected, bad_id, detail));
        }
        if connect.properties.iter().any(|property| {
            matches!(
                property,
                Property::AuthenticationMethod(_) | Property::AuthenticationData(_)
            )
        }) {
            let detail = "B-2: enhanced authentication is not supported";
            return Err(Refusal::new(None, rules.no_authentication, detail));
        }
        if wishes.maximum_packet_size < usize::try_from(rules.client_packet_min).unwrap_or(0) {
            let detail = "B-19: Maximum Packet Size below 512";
            return Err(Refusal::new(None, ReasonCode::UNSPECIFIED_ERROR, detail));
        }
        if let Some((code, detail)) = property_violation(connect.properties, rules) {
            return Err(Refusal::new(None, code, detail));
        }
        let Some(will) = &connect.will else {
            return Ok(());
        };
        if will.qos > rules.qos_max {
            let detail = "B-3: a Will with QoS 2";
            return Err(Refusal::new(None, ReasonCode::QOS_NOT_SUPPORTED, detail));
        }
        let len = Packet::Connect(*connect)
            .encoded_len(connect.version)
            .unwrap_or(usize::MAX);
        if len > rules.connect_with_will_len {
            let detail = "B-18: the Will makes CONNECT exceed 128 KB";
            return Err(Refusal::new(None, ReasonCode::QUOTA_EXCEEDED, detail));
        }
        if !topic::is_valid_name(will.topic) || self.topic_too_long(will.topic) {
            let detail = format!("B-41: the Will topic `{}` is not valid", will.topic);
            return Err(Refusal::new(None, ReasonCode::TOPIC_NAME_INVALID, detail));
        }
        if let Some((code, detail)) = property_violation(will.properties, rules) {
            return Err(Refusal::new(None, code, detail));
        }
        Ok(())
    }

    /// `B-17`: whether the rates and the number of connections allow one more.
    pub(super) fn check_quota(&mut self, now: Now, client: &Client) -> Result<(), Refusal> {
        let connections = self.connections.len();
        let Some(meter) = &mut self.meter else {
            return Ok(());
        };
        meter
            .connect(now.monotonic, &client.client_id, connections)
            .map_err(|detail| {
                let unavailable = Some(ReasonCode::V311_SERVER_UNAVAILABLE);
                Refusal::new(unavailable, ReasonCode::QUOTA_EXCEEDED, detail)
            })
    }

    /// `B-52`, `B-58`: what the policy decides, and after it the reserved topics (`B-82`).
    pub(super) fn check_permissions(
        &self,
        connect: &Connect<'_>,
        client: &Client,
    ) -> Result<Arc<dyn Permissions>, Refusal> {
        let permissions = self.authorize.permissions(client);
        let mut wanted = vec![(Action::Connect, &*client.client_id)];
        if let Some(will) = &connect.will {
            wanted.push((Action::Publish, will.topic));
            if will.retain {
                wanted.push((Action::RetainPublish, will.topic));
            }
        }
        for (action, resource) in wanted {
            if let Some(detail) = denial(permissions.decide(action, resource)) {
                return Err(Refusal {
                    v311: self
                        .config
                        .choices
                        .connack_on_auth_failure
                        .then_some(ReasonCode::V311_NOT_AUTHORIZED),
                    v5: ReasonCode::NOT_AUTHORIZED,
                    detail,
                    denied: Some((action, resource.to_owned())),
                });
            }
        }
        if let Some(will) = &connect.will
            && let Some(detail) = self.reserved_publish(will.topic, will.retain)
        {
            return Err(Refusal::new(None, ReasonCode::TOPIC_NAME_INVALID, detail));
        }
        Ok(permissions)
    }

    pub(super) fn refuse_connect(
        &mut self,
        now: Now,
        key: Key,
        version: Version,
        wishes: &Wishes,
        client: &Client,
        refusal: &Refusal,
    ) {
        match &refusal.denied {
            Some((action, resource)) => {
                self.observer.event(Event::Refused {
                    client,
                    action: *action,
                    resource,
                    explanation: &refusal.detail,
                });
                self.observer.event(Event::ConnectFailed { client });
            }
            None => self.observer.event(Event::Violated {
                client,
                detail: &refusal.detail,
            }),
        }
        self.statistics.refused_connects = self.statistics.refused_connects.saturating_add(1);
        let code = match version {
            Version::V311 => refusal.v311,
            Version::V5 => Some(refusal.v5),
        };
        if let (Some(reason_code), Some(connection)) = (code, self.connections.get_mut(key)) {
            let list = [Property::ReasonString(&refusal.detail)];
            let tell = version == Version::V5
                && wishes.problem_information
                && self.config.choices.reason_string;
            let mut packet = ConnAck {
                session_present: false,
                reason_code,
                properties: if tell {
                    Properties::List(&list)
                } else {
                    Properties::EMPTY
                },
            };
            // [MQTT-3.2.2-19]
            if Packet::ConnAck(packet)
                .encoded_len(version)
                .map_or(true, |len| len > wishes.maximum_packet_size)
            {
                packet.properties = Properties::EMPTY;
            }
            connection.stage(version, &Packet::ConnAck(packet));
        }
        let reason = match refusal.denied {
            Some(_) => DisconnectReason::AuthError,
            None => DisconnectReason::ClientError,
        };
        self.end_connection(now, key, &Ending::new(reason, &refusal.detail));
    }
}
