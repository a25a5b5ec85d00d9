//! SUBSCRIBE and UNSUBSCRIBE (`B-4`, `B-30` to `B-39`, `B-54`).
//!
//! All filters of a packet are judged before any takes effect, because MQTT 3.1.1 closes the connection on a
//! denied one.

use std::sync::Arc;

use thingwire_mqtt::{
    Property, QoS, ReasonCode, RetainHandling, Subscribe, SubscribeFilter, Unsubscribe, Version,
    topic,
};

use super::Core;
use super::acknowledge::Ack;
use super::connection::denial;
use super::disconnect::Ending;
use super::durable::Change;
use super::message::Message;
use super::meter::SubscribeFacts;
use super::publish::slashes;
use super::routes::{Options, has_wildcard};
use super::session::{Session, Subscription};
use super::shared;
use super::slab::Key;
use super::violation::property_violation;
use crate::{Action, DisconnectReason, Event, Now};

/// What becomes of one filter.
enum Verdict {
    Grant(QoS),
    /// MQTT 5's code; MQTT 3.1.1 gets 0x80.
    Fail(ReasonCode, String),
    /// MQTT 5 gets the code, MQTT 3.1.1 is closed.
    FailOrClose(ReasonCode, String, DisconnectReason),
    /// Both are closed; MQTT 5 with this code.
    Close(ReasonCode, String),
}

impl Core {
    pub(super) fn subscribe(&mut self, now: Now, key: Key, subscribe: &Subscribe<'_>) {
        let Some(connected) = self
            .connections
            .get_mut(key)
            .and_then(|connection| connection.connected.as_deref_mut())
        else {
            return;
        };
        connected.refresh(&*self.authorize, self.generation, &mut self.stamps);
        let (version, session_key) = (connected.version, connected.session);
        if !self.rules.subscription_identifiers
            && subscribe
                .properties
                .iter()
                .any(|one| matches!(one, Property::SubscriptionIdentifier(_)))
        {
            let code = ReasonCode::SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED;
            self.violate(now, key, code, "B-36: a subscription identifier");
            return;
        }
        if let Some((code, detail)) = property_violation(subscribe.properties, &self.rules) {
            self.violate(now, key, code, detail);
            return;
        }
        let count = subscribe.filters.len();
        if count > self.rules.filters_per_packet {
            let detail = format!("B-30: {count} filters in one SUBSCRIBE, at most 8 are allowed");
            self.violate(now, key, ReasonCode::QUOTA_EXCEEDED, &detail);
            return;
        }

        let mut codes = Vec::with_capacity(count);
        let mut granted: Vec<(SubscribeFilter<'_>, QoS)> = Vec::new();
        let mut reason = None;
        let mut room = self.rules.subscriptions.saturating_sub(
            self.sessions
                .get(session_key)
                .map_or(0, |session| session.subscriptions.len()),
        );
        for filter in &subscribe.filters {
            let mut verdict = self.judge_filter(key, &filter);
            let exists = self.has_subscription(session_key, filter.filter)
                || granted
                    .iter()
                    .any(|(other, _)| other.filter == filter.filter);
            if matches!(verdict, Verdict::Grant(_)) && !exists {
                if room == 0 {
                    let detail = "B-31: more than 50 subscriptions".to_owned();
                    verdict = Verdict::Fail(ReasonCode::QUOTA_EXCEEDED, detail);
                }
                room = room.saturating_sub(1);
            }
            if self.meter.is_some()
                && matches!(verdict, Verdict::Grant(_))
                && let Some(detail) = self.over_subscribe_quota(now, filter.filter, !exists)
            {
                verdict = Verdict::Fail(ReasonCode::QUOTA_EXCEEDED, detail);
            }
            match (verdict, version) {
                (Verdict::Grant(qos), _) => {
                    codes.push(qos.bits());
                    granted.push((filter, qos));
                }
                (Verdict::Fail(code, detail), _)
                | (Verdict::FailOrClose(code, detail, _), Version::V5) => {
                    self.tell_filter(key, code, &detail);
                    codes.push(if version == Version::V5 { code.0 } else { 0x80 });
                    reason = reason.or(Some(detail));
                }
                (Verdict::FailOrClose(code, detail, why), Version::V311) => {
                    self.tell_filter(key, code, &detail);
                    self.end_connection(now, key, &Ending::new(why, &detail));
                    return;
                }
                (Verdict::Close(code, detail), _) => {
                    self.violate(now, key, code, &detail);
                    return;
                }
            }
        }
        self.grant(now, key, session_key, subscribe, codes, granted, reason);
    }

    /// `B-40`, `B-71`: the quota that one more SUBSCRIBE of this filter is over.
    fn over_subscribe_quota(&mut self, now: Now, filter: &str, is_new: bool) -> Option<String> {
        let facts = SubscribeFacts {
            is_new,
            subscriptions: self.statistics().subscriptions,
            groups: self.shared.len(),
            members: self.shared.members_of(filter),
        };
        let meter = self.meter.as_mut()?;
        meter.subscribe(now.monotonic, filter, facts).err()
    }

    fn judge_filter(&self, key: Key, asked: &SubscribeFilter<'_>) -> Verdict {
        let filter = asked.filter;
        let Some(connected) = self
            .connections
            .get(key)
            .and_then(|connection| connection.connected.as_deref())
        else {
            return Verdict::Fail(ReasonCode::UNSPECIFIED_ERROR, String::new());
        };
        let qos = match (asked.qos, connected.version) {
            (qos, _) if qos <= self.rules.qos_max => qos,
            (QoS::ExactlyOnce, Version::V5) if !self.config.choices.strict_qos2_subscribe => {
                // `B-4`: Maximum QoS 1 lets a server grant 1.
                self.tell_violation(key, "B-4: SUBSCRIBE with QoS 2 is granted QoS 1");
                QoS::AtLeastOnce
            }
            (QoS::ExactlyOnce, _) => {
                let detail = "B-4: a SUBSCRIBE with QoS 2".to_owned();
                return Verdict::Close(ReasonCode::QOS_NOT_SUPPORTED, detail);
            }
            (qos, _) => qos,
        };
        let invalid = ReasonCode::TOPIC_FILTER_INVALID;
        if !topic::is_valid_filter(filter) {
            return Verdict::Fail(invalid, format!("B-33: `{filter}` is not a topic filter"));
        }
        // `$share/<name>/` counts neither for length nor for depth (`B-32`), and is no reserved topic.
        let mut inner = filter;
        if let Some(Ok(shared)) = topic::shared(filter) {
            let len = shared.group.chars().count();
            if len > self.rules.share_name_len {
                let detail = format!("B-67: a share name of {len} characters");
                return Verdict::Fail(invalid, detail);
            }
            inner = shared.filter;
        }
        if inner.len() > self.rules.topic_len || slashes(inner) > self.rules.topic_slashes {
            let (len, depth) = (inner.len(), slashes(inner));
            let detail = format!("B-32: the filter `{filter}` has {len} bytes and {depth} slashes");
            return Verdict::Fail(invalid, detail);
        }
        if let Some(explanation) = denial(connected.permissions.decide(Action::Subscribe, filter)) {
            self.observer.event(Event::Refused {
                client: &connected.client,
                action: Action::Subscribe,
                resource: filter,
                explanation: &explanation,
            });
            let code = ReasonCode::NOT_AUTHORIZED;
            if self.config.choices.suback_0x80_on_deny {
                return Verdict::Fail(code, explanation);
            }
            return Verdict::FailOrClose(code, explanation, DisconnectReason::AuthError);
        }
        // After the policy (`B-82`).
        if self.rules.reserves_topics
            && inner.starts_with('$')
            && !(self.config.reserved.subscribe)(inner)
        {
            let detail = format!("B-35: `{filter}` is not a reserved topic for subscribing");
            return Verdict::FailOrClose(invalid, detail, DisconnectReason::ClientError);
        }
        Verdict::Grant(qos)
    }

    /// A denial was told when it was decided; the rest is told here.
    fn tell_filter(&self, key: Key, code: ReasonCode, detail: &str) {
        if code != ReasonCode::NOT_AUTHORIZED {
            self.tell_violation(key, detail);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the outcome of one SUBSCRIBE")]
    fn grant(
        &mut self,
        now: Now,
        key: Key,
        session_key: Key,
        subscribe: &Subscribe<'_>,
        codes: Vec<u8>,
        granted: Vec<(SubscribeFilter<'_>, QoS)>,
        reason: Option<String>,
    ) {
        let mut added = Vec::new();
        let mut is_new: Vec<bool> = Vec::with_capacity(granted.len());
        let mut durable = false;
        let id = subscribe.properties.find(|property| match property {
            Property::SubscriptionIdentifier(id) => Some(id),
            _ => None,
        });
        for (filter, qos) in &granted {
            let options = if self.rules.subscription_options {
                Options {
                    no_local: filter.no_local,
                    retain_as_published: filter.retain_as_published,
                    id: id.unwrap_or(0),
                }
            } else {
                Options::default()
            };
            let Some(session) = self.sessions.get_mut(session_key) else {
                return;
            };
            let known = session.subscriptions.get_key_value(filter.filter);
            let name = known.map_or_else(|| filter.filter.into(), |(name, _)| Arc::clone(name));
            let before = session.subscriptions.get(&name).copied();
            let is_stored = before.is_some_and(|before| before.pending.is_none());
            let changed =
                before.is_none_or(|before| before.qos != *qos || before.options != options);
            let must_store = session.is_persistent() && self.journal.enabled;
            is_new.push(before.is_none());
            if !is_stored {
                added.push(Arc::clone(&name));
            }
            if changed || (must_store && !is_stored) {
                let pending = must_store.then(|| self.journal.next());
                let subscription = Subscription {
                    qos: *qos,
                    options,
                    pending,
                };
                session
                    .subscriptions
                    .insert(Arc::clone(&name), subscription);
                durable |= must_store;
                if must_store {
                    let number = session.number;
                    let filter = Arc::clone(&name);
                    self.journal.push(Change::Subscription {
                        session: session_key,
                        number,
                        filter,
                    });
                }
            }
            if changed && shared::inner(&name).is_some() {
                self.join_group(session_key, &name, *qos, options);
            } else if changed {
                self.routes.insert(&name, session_key, *qos, options);
                self.topics.forget(&name);
            }
        }
        let Some(connected) = self
            .connections
            .get(key)
            .and_then(|connection| connection.connected.as_deref())
        else {
            return;
        };
        if !granted.is_empty() {
            let filters: Vec<_> = granted.iter().map(|(filter, _)| filter.filter).collect();
            self.observer.event(Event::Subscribed {
                client: &connected.client,
                filters: &filters,
            });
        }
        let reason = reason.and_then(|reason| {
            self.fitting_reason(connected, reason, codes.len().saturating_add(8))
        });
        let retained = self.retained_for(now, &granted, &is_new);
        // Whoever resumes the session after a crash does not subscribe again: what SUBACK announces is on disk with it.
        durable |= self.journal.enabled
            && retained
                .iter()
                .any(|(message, granted)| message.qos.min(*granted) != QoS::AtMostOnce)
            && self
                .sessions
                .get(session_key)
                .is_some_and(Session::is_persistent);
        let packet_id = subscribe.packet_id;
        self.acknowledge(
            key,
            Ack::Subscribe {
                packet_id,
                codes,
                reason,
                added,
            },
            durable,
        );

        let ids: Option<Arc<[u32]>> = id.map(|id| [id].into());
        for (message, qos) in retained {
            self.deliver_retained(now, session_key, &message, qos, ids.as_ref());
        }
    }

    /// The retained messages that these filters ask for, each with what was granted.
    fn retained_for(
        &mut self,
        now: Now,
        granted: &[(SubscribeFilter<'_>, QoS)],
        is_new: &[bool],
    ) -> Vec<(Arc<Message>, QoS)> {
        let mut found = Vec::new();
        for ((filter, qos), is_new) in granted.iter().zip(is_new) {
            if self.wants_retained(filter, *is_new) {
                self.find_retained(now, filter.filter, *qos, &mut found);
            }
        }
        found
    }

    /// `B-38`; never for shared subscriptions (`B-37`).
    fn wants_retained(&self, filter: &SubscribeFilter<'_>, is_new: bool) -> bool {
        let wanted = match filter.retain_handling {
            _ if !self.config.choices.retain_handling => true,
            RetainHandling::SendAtSubscribe => true,
            RetainHandling::SendIfNew => is_new,
            RetainHandling::DoNotSend => false,
        };
        wanted && shared::inner(filter.filter).is_none()
    }

    /// `B-37`: on AWS only for filters without wildcards.
    fn find_retained(
        &mut self,
        now: Now,
        filter: &str,
        qos: QoS,
        found: &mut Vec<(Arc<Message>, QoS)>,
    ) {
        if !has_wildcard(filter) {
            let message = self.retained_message(now, filter);
            found.extend(message.map(|message| (message, qos)));
        } else if self.rules.retained_for_wildcards {
            for topic in self.retained.matching(filter) {
                let message = self.retained_message(now, &topic);
                found.extend(message.map(|message| (message, qos)));
            }
        }
    }

    pub(super) fn unsubscribe(&mut self, now: Now, key: Key, unsubscribe: &Unsubscribe<'_>) {
        let Some(connected) = self
            .connections
            .get(key)
            .and_then(|connection| connection.connected.as_deref())
        else {
            return;
        };
        let session_key = connected.session;
        if let Some((code, detail)) = property_violation(unsubscribe.properties, &self.rules) {
            self.violate(now, key, code, detail);
            return;
        }
        let count = unsubscribe.filters.len();
        if count > self.rules.filters_per_packet {
            let detail = format!("B-30: {count} filters in one UNSUBSCRIBE, at most 8 are allowed");
            self.violate(now, key, ReasonCode::QUOTA_EXCEEDED, &detail);
            return;
        }
        let mut durable = false;
        let mut codes = Vec::with_capacity(count);
        let mut filters = Vec::with_capacity(count);
        for filter in &unsubscribe.filters {
            if topic::is_valid_filter(filter) {
                if self.meter.is_some() {
                    // It counts (`B-40`), but nobody is kept from leaving.
                    let _ = self.over_subscribe_quota(now, filter, false);
                }
                let existed = self.has_subscription(session_key, filter);
                durable |= self.unsubscribe_filter(session_key, filter);
                // AWS does not use 0x11 (`B-39`).
                let code = if !existed && self.rules.tells_no_subscription {
                    ReasonCode::NO_SUBSCRIPTION_EXISTED
                } else {
                    ReasonCode::SUCCESS
                };
                codes.push(code.0);
                filters.push(filter);
            } else {
                codes.push(ReasonCode::TOPIC_FILTER_INVALID.0);
            }
        }
        if let Some(connected) = self
            .connections
            .get(key)
            .and_then(|connection| connection.connected.as_deref())
            && !filters.is_empty()
        {
            self.observer.event(Event::Unsubscribed {
                client: &connected.client,
                filters: &filters,
            });
        }
        let packet_id = unsubscribe.packet_id;
        self.acknowledge(key, Ack::Unsubscribe { packet_id, codes }, durable);
    }

    /// Removes one subscription. Answers whether the store must know, which it must even of one that is not there: an
    /// earlier removal may not have reached the disk yet.
    fn unsubscribe_filter(&mut self, session_key: Key, filter: &str) -> bool {
        let Some(session) = self.sessions.get_mut(session_key) else {
            return false;
        };
        let removed = session.subscriptions.remove_entry(filter);
        let (number, is_persistent) = (session.number, session.is_persistent());
        if removed.is_some() && shared::inner(filter).is_some() {
            self.leave_group(session_key, filter);
        } else if removed.is_some() {
            self.routes.remove(filter, session_key);
            self.topics.forget(filter);
        }
        if is_persistent {
            let filter = removed.map_or_else(|| filter.into(), |(filter, _)| filter);
            self.journal.push(Change::Subscription {
                session: session_key,
                number,
                filter,
            });
        }
        is_persistent && self.journal.enabled
    }

    /// Takes a subscription back whose batch failed, unless a later SUBSCRIBE asked for it again.
    pub(super) fn take_back(&mut self, session: Key, filter: &str, batch: u64) {
        let pending = self
            .sessions
            .get(session)
            .and_then(|session| session.subscriptions.get(filter)?.pending);
        if pending == Some(batch) {
            self.unsubscribe_filter(session, filter);
        }
    }

    fn has_subscription(&self, session: Key, filter: &str) -> bool {
        self.sessions
            .get(session)
            .is_some_and(|session| session.subscriptions.contains_key(filter))
    }
}
