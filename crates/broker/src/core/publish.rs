//! PUBLISH of a client: what is refused, and how (`B-41` to `B-47`, `B-51`, `B-53`, `B-56`, `B-64`, `B-73`).
//!
//! A client publishes to the same few topics again and again, so what was found valid and allowed is
//! remembered for each connection, and the usual publish asks nothing twice.

use std::sync::Arc;

use thingwire_mqtt::{PacketId, Property, Publish, QoS, ReasonCode, Version, topic};

use super::Core;
use super::acknowledge::Ack;
use super::connection::{Connected, PUBLISH, RETAIN, denial};
use super::disconnect::Ending;
use super::message::{Publication, expiry};
use super::slab::Key;
use super::topics::TopicRef;
use super::violation::property_violation;
use crate::behaviour::{IN_FLIGHT_MAXIMUM, TOPIC_ALIAS_MAXIMUM};
use crate::{Action, DisconnectReason, Event, Now};

/// Why a publish is refused.
enum Refusal {
    /// The policy said no.
    Denied { action: Action, explanation: String },
    /// A rule said no; MQTT 5 gets this code.
    Rule { code: ReasonCode, detail: String },
    /// There is no room for it (`B-65`): it is discarded and the connection stays, in both versions.
    NoRoom { detail: String },
}

impl Core {
    pub(super) fn publish(&mut self, now: Now, key: Key, publish: &Publish<'_>) {
        self.statistics.count_received(publish.qos);
        if publish.qos > self.rules.qos_max {
            self.violate(
                now,
                key,
                ReasonCode::QOS_NOT_SUPPORTED,
                "B-3: a PUBLISH with QoS 2",
            );
            return;
        }
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let Some(connected) = connection.connected.as_deref_mut() else {
            return;
        };
        let session = connected.session;
        // First, because an alias that is set counts also when the message is here already.
        let alias = match resolve_alias(connected, publish) {
            Ok(topic) => topic,
            Err((code, detail)) => {
                self.violate(now, key, code, detail);
                return;
            }
        };
        let mut unacknowledged = connected.unacknowledged_publishes;
        if self.rules.qos_max == QoS::ExactlyOnce
            && let (Some(packet_id), Some(session)) =
                (publish.packet_id, self.sessions.get(session))
        {
            if publish.qos == QoS::ExactlyOnce && session.received.contains(&packet_id.get()) {
                // [MQTT-4.3.3-10]: it is here already.
                if self.journal.may_fail(key, connected.session, packet_id) {
                    self.acknowledge(key, Ack::ReceivedAgain(packet_id), true);
                } else {
                    self.acknowledge(key, Ack::Received(packet_id), false);
                }
                return;
            }
            // QoS 2 counts until PUBCOMP, however long its PUBREC waits.
            unacknowledged = unacknowledged.saturating_add(session.received.len());
        }
        if publish.qos != QoS::AtMostOnce && unacknowledged >= IN_FLIGHT_MAXIMUM.into() {
            if connected.version == Version::V5 {
                let detail = "B-47: more than 100 unacknowledged PUBLISH";
                self.violate(now, key, ReasonCode::RECEIVE_MAXIMUM_EXCEEDED, detail);
                return;
            }
            // MQTT 3.1.1 is not told; no more is read until a PUBACK leaves.
            if publish.qos == QoS::AtLeastOnce
                && connected.unacknowledged_publishes >= IN_FLIGHT_MAXIMUM.into()
            {
                connection.outbox.pause();
            }
        }
        connected.refresh(&*self.authorize, self.generation, &mut self.stamps);
        let version = connected.version;
        let topic = alias.as_deref().unwrap_or(publish.topic);
        if self.meter.is_some() && self.over_quota(now, key, publish, topic) {
            return;
        }
        let known = self.known_topic(key, topic, publish.retain);
        let judged = match known {
            Some(known) => Ok(known),
            None => self.judge(key, topic, publish.retain),
        };
        let judged = judged.and_then(|topic_ref| {
            self.check_content(now, publish, topic)?;
            Ok(topic_ref)
        });
        let topic_ref = match judged {
            Ok(topic_ref) => topic_ref,
            Err(refusal) => {
                self.refuse_publish(now, key, publish, topic, refusal);
                return;
            }
        };
        if publish.payload.len() > self.rules.payload_len {
            let detail = format!("B-42: a payload of {} bytes", publish.payload.len());
            self.violate(now, key, ReasonCode::QUOTA_EXCEEDED, &detail);
            return;
        }
        let publication = Publication {
            topic,
            payload: publish.payload,
            qos: publish.qos,
            properties: publish.properties,
            expires: match version {
                Version::V311 => None,
                Version::V5 => expiry(publish.properties, now.unix, self.rules.message_expiry_max),
            },
            retain: publish.retain,
            from: session,
        };
        let durable = self.dispatch(now, &publication, topic_ref, publish.retain);
        let Some(packet_id) = publish.packet_id else {
            return;
        };
        if publish.qos == QoS::ExactlyOnce {
            if let Some(session) = self.sessions.get_mut(session) {
                session.received.insert(packet_id.get());
            }
            if durable {
                self.journal.receive(key, session, packet_id);
            }
            self.acknowledge(key, Ack::Received(packet_id), durable);
        } else {
            self.acknowledge(key, Ack::Publish(packet_id), durable);
        }
    }

    /// `B-45`, `B-65`: whether this publish is over a quota. The excess is discarded; MQTT 5 is told with QoS 1.
    fn over_quota(&mut self, now: Now, key: Key, publish: &Publish<'_>, topic: &str) -> bool {
        self.count_bytes(now, key, topic.len().saturating_add(publish.payload.len()));
        // First, because what has no room takes no tokens.
        let mut judged = Ok(());
        if publish.retain {
            judged = self.check_retained(now, topic, publish.payload, publish.properties);
        }
        let Some(meter) = &mut self.meter else {
            return false;
        };
        let judged = match judged {
            Ok(()) => meter.publish(now.monotonic, key, topic, publish.retain),
            Err(detail) => {
                self.refuse_publish(now, key, publish, topic, Refusal::NoRoom { detail });
                return true;
            }
        };
        let Err(detail) = judged else {
            return false;
        };
        self.statistics.refused_publishes = self.statistics.refused_publishes.saturating_add(1);
        if meter.tells(now.monotonic, key) {
            self.tell_violation(key, &detail);
        }
        let version = self
            .connections
            .get(key)
            .and_then(|connection| connection.connected.as_deref())
            .map(|connected| connected.version);
        if let (Some(Version::V5), Some(packet_id)) = (version, publish.packet_id) {
            self.refuse_with_puback(
                key,
                publish.qos,
                packet_id,
                ReasonCode::QUOTA_EXCEEDED,
                detail,
            );
        }
        true
    }

    /// The topic, if this connection was allowed to publish to it before.
    fn known_topic(&self, key: Key, topic: &str, retain: bool) -> Option<TopicRef> {
        let connected = self.connections.get(key)?.connected.as_deref()?;
        let needed = if retain { PUBLISH | RETAIN } else { PUBLISH };
        let last = connected
            .last_topic()
            .filter(|last| self.topics.name(*last).is_some_and(|name| &**name == topic));
        let topic = match last {
            Some(last) => last,
            None => self.topics.find(topic)?,
        };
        (connected.allowed(topic) & needed == needed).then_some(topic)
    }

    /// Decides about a topic that this connection was not yet allowed to publish to, and remembers a yes.
    fn judge(&mut self, key: Key, topic: &str, retain: bool) -> Result<TopicRef, Refusal> {
        let rule = |detail: String| Refusal::Rule {
            code: ReasonCode::TOPIC_NAME_INVALID,
            detail,
        };
        if !topic::is_valid_name(topic) {
            return Err(rule(format!("B-43: `{topic}` is not a topic name")));
        }
        if self.topic_too_long(topic) {
            return Err(rule(format!(
                "B-41: the topic `{topic}` has {} bytes and {} slashes",
                topic.len(),
                slashes(topic)
            )));
        }
        let topic_ref = {
            let Some(connected) = self
                .connections
                .get(key)
                .and_then(|connection| connection.connected.as_deref())
            else {
                return Err(rule("the connection is gone".into()));
            };
            let decide = |action| {
                denial(connected.permissions.decide(action, topic)).map_or(Ok(()), |explanation| {
                    Err(Refusal::Denied {
                        action,
                        explanation,
                    })
                })
            };
            decide(Action::Publish)?;
            if retain {
                decide(Action::RetainPublish)?;
            }
            // After the policy (`B-82`).
            if let Some(detail) = self.reserved_publish(topic, retain) {
                return Err(rule(detail));
            }
            self.topics.intern(topic)
        };
        if let Some(connected) = self
            .connections
            .get_mut(key)
            .and_then(|connection| connection.connected.as_deref_mut())
        {
            let before = connected.allowed(topic_ref);
            connected.remember(
                topic_ref,
                before | PUBLISH | if retain { RETAIN } else { 0 },
            );
        }
        Ok(topic_ref)
    }

    fn check_content(
        &mut self,
        now: Now,
        publish: &Publish<'_>,
        topic: &str,
    ) -> Result<(), Refusal> {
        if !publish.properties.is_empty()
            && let Some((code, detail)) = property_violation(publish.properties, &self.rules)
        {
            return Err(Refusal::Rule {
                code,
                detail: detail.into(),
            });
        }
        if !publish.retain {
            return Ok(());
        }
        self.check_retained(now, topic, publish.payload, publish.properties)
            .map_err(|detail| Refusal::NoRoom { detail })
    }

    /// Tells the observer and the client of a refused publish, each version in its way.
    fn refuse_publish(
        &mut self,
        now: Now,
        key: Key,
        publish: &Publish<'_>,
        topic: &str,
        refusal: Refusal,
    ) {
        let Some(connected) = self
            .connections
            .get_mut(key)
            .and_then(|connection| connection.connected.as_deref_mut())
        else {
            return;
        };
        self.statistics.refused_publishes = self.statistics.refused_publishes.saturating_add(1);
        let (code, detail, is_denied) = match refusal {
            Refusal::Denied {
                action,
                explanation,
            } => {
                self.observer.event(Event::Refused {
                    client: &connected.client,
                    action,
                    resource: topic,
                    explanation: &explanation,
                });
                (ReasonCode::NOT_AUTHORIZED, explanation, true)
            }
            Refusal::Rule { code, detail } => {
                self.observer.event(Event::Violated {
                    client: &connected.client,
                    detail: &detail,
                });
                (code, detail, false)
            }
            Refusal::NoRoom { detail } => {
                // Whoever fills the store with retained messages does not fill the log with them too.
                if let Some(detail) = connected.note_no_room(now.monotonic, &detail) {
                    self.observer.event(Event::Violated {
                        client: &connected.client,
                        detail: &detail,
                    });
                }
                // Without PUBACK a client with MQTT 3.1.1 keeps it.
                if let (Version::V5, Some(packet_id)) = (connected.version, publish.packet_id) {
                    let code = ReasonCode::QUOTA_EXCEEDED;
                    self.refuse_with_puback(key, publish.qos, packet_id, code, detail);
                }
                return;
            }
        };
        match (connected.version, publish.packet_id) {
            (Version::V5, Some(packet_id)) => {
                self.refuse_with_puback(key, publish.qos, packet_id, code, detail);
            }
            // `B-53`: nothing can be told about QoS 0; the denial stands in the log.
            (Version::V5, None) if is_denied => {}
            _ => {
                let reason = if is_denied {
                    DisconnectReason::AuthError
                } else {
                    DisconnectReason::ClientError
                };
                self.end_connection(now, key, &Ending::new(reason, &detail).with_code(code));
            }
        }
    }

    fn refuse_with_puback(
        &mut self,
        key: Key,
        qos: QoS,
        packet_id: PacketId,
        code: ReasonCode,
        detail: String,
    ) {
        let Some(connected) = self
            .connections
            .get(key)
            .and_then(|connection| connection.connected.as_deref())
        else {
            return;
        };
        let reason = self.fitting_reason(connected, detail, 8);
        self.acknowledge(key, Ack::Refuse(qos, packet_id, code, reason), false);
    }

    /// The reason string, if the client wants one and its packets may be long enough for it
    /// `[MQTT-3.4.2-2]`, `[MQTT-3.9.2-1]`. `others` is what the rest of the packet takes, at most.
    pub(super) fn fitting_reason(
        &self,
        connected: &Connected,
        detail: String,
        others: usize,
    ) -> Option<String> {
        let len = detail.len().saturating_add(others).saturating_add(8);
        // It may quote a topic that is as long as text can be.
        let fits = len <= connected.maximum_packet_size.min(usize::from(u16::MAX));
        (fits && connected.wants_reason(self.config.choices.reason_string)).then_some(detail)
    }

    /// `B-41`.
    pub(super) fn topic_too_long(&self, topic: &str) -> bool {
        let counted = (self.config.reserved.counted)(topic);
        counted.len() > self.rules.topic_len || slashes(counted) > self.rules.topic_slashes
    }

    /// `B-44`, `B-64`: why this `$` topic cannot be published to.
    pub(super) fn reserved_publish(&self, topic: &str, retain: bool) -> Option<String> {
        if !topic.starts_with('$') || !self.rules.reserves_topics {
            return None;
        }
        if !(self.config.reserved.publish)(topic) {
            return Some(format!(
                "B-44: the reserved topic `{topic}` is not for publishing"
            ));
        }
        retain.then(|| format!("B-64: RETAIN on the reserved topic `{topic}`"))
    }
}

pub(super) fn slashes(topic: &str) -> usize {
    topic.bytes().filter(|byte| *byte == b'/').count()
}

/// `B-73`: the topic of an alias, or `None` when the packet names its topic itself.
fn resolve_alias(
    connected: &mut Connected,
    publish: &Publish<'_>,
) -> Result<Option<Arc<str>>, (ReasonCode, &'static str)> {
    let mut alias = None;
    for property in &publish.properties {
        match property {
            Property::TopicAlias(value) => alias = Some(value),
            Property::SubscriptionIdentifier(_) => {
                let detail = "[MQTT-3.3.4-6] only a server sends a subscription identifier";
                return Err((ReasonCode::PROTOCOL_ERROR, detail));
            }
            _ => {}
        }
    }
    let Some(alias) = alias else { return Ok(None) };
    if alias == 0 || alias > TOPIC_ALIAS_MAXIMUM {
        return Err((
            ReasonCode::TOPIC_ALIAS_INVALID,
            "B-73: a topic alias over 8",
        ));
    }
    let at = usize::from(alias).saturating_sub(1);
    if publish.topic.is_empty() {
        return match connected.aliases.get(at) {
            Some(Some(topic)) => Ok(Some(Arc::clone(topic))),
            _ => Err((
                ReasonCode::PROTOCOL_ERROR,
                "B-73: a topic alias that was never set",
            )),
        };
    }
    if connected.aliases.len() <= at {
        connected.aliases.resize(at.saturating_add(1), None);
    }
    if let Some(place) = connected.aliases.get_mut(at) {
        *place = Some(publish.topic.into());
    }
    Ok(None)
}
