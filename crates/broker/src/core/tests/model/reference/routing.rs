//! Who gets what: subscriptions, and messages on their way to clients, groups and retained topics.

use thingwire_mqtt::RetainHandling;
use thingwire_mqtt::topic::{matches, shared};

use super::super::{CLIENTS, Q0, Q1, QoS, TOPICS, WILL, Wish};
use super::{Entry, Model, Session, Subscribed, Time, What, Will};

impl Model {
    pub(in super::super) fn subscribe(&mut self, who: usize, filter: &str, qos: QoS, wish: Wish) {
        let Some(session) = self.sessions[who].as_mut() else {
            return;
        };
        let mut stored = wish;
        if self.aws {
            // B-38.
            (stored.no_local, stored.retain_as_published) = (false, false);
        }
        let subscribed = Subscribed { qos, wish: stored };
        let before = session.filters.insert(filter.to_owned(), subscribed);
        if shared(filter).is_some() {
            self.groups.entry(filter.to_owned()).or_default();
            return;
        }
        // B-38.
        match wish.handling {
            RetainHandling::SendAtSubscribe => {}
            RetainHandling::SendIfNew if before.is_none() => {}
            RetainHandling::SendIfNew | RetainHandling::DoNotSend => return,
        }
        // B-37.
        let exact = !filter.contains(['+', '#']);
        let (parent, now) = (self.parent(), self.now);
        let found: Vec<Entry> = self
            .retained
            .values()
            .filter(|entry| entry.expires.is_none_or(|expires| expires > now))
            .filter(|entry| {
                if exact {
                    entry.topic == filter
                } else {
                    !self.aws && matches(filter, &entry.topic, parent)
                }
            })
            .cloned()
            .collect();
        for entry in found {
            let qos = entry.qos.min(qos);
            self.deliver(
                who,
                Entry {
                    qos,
                    retained: true,
                    identifiers: wish.identifier.into_iter().collect(),
                    ..entry
                },
            );
        }
    }

    pub(in super::super) fn unsubscribe(&mut self, who: usize, filter: &str) {
        let Some(session) = self.sessions[who].as_mut() else {
            return;
        };
        session.filters.remove(filter);
        for entry in &mut session.entries {
            // [MQTT-3.10.4-3]: what was begun is finished, by the session itself.
            if entry.group.as_deref() == Some(filter) {
                entry.group = None;
            }
        }
        self.forget_empty_groups();
    }

    /// `from` one of the clients, or from somebody else.
    pub(in super::super) fn publish(&mut self, from: Option<usize>, what: &What) {
        self.route(from, TOPICS[what.topic], what);
    }

    fn route(&mut self, from: Option<usize>, topic: &str, what: &What) {
        let qos = what.qos;
        let expires = what.expires.map(Time::from);
        let entry = Entry {
            topic: topic.to_owned(),
            number: what.number,
            qos,
            retained: false,
            identifiers: Vec::new(),
            expires: expires.map(|seconds| self.now + seconds * 1000),
            group: None,
            sent: false,
            flying: false,
            order: 0,
            optional: false,
            loose: false,
        };
        if what.retain {
            // B-62.
            if what.number == 0 {
                self.retained.remove(topic);
            } else {
                self.retained.insert(topic.to_owned(), entry.clone());
            }
        }
        let parent = self.parent();
        for who in 0..CLIENTS {
            let Some(session) = &self.sessions[who] else {
                continue;
            };
            let found = session.filters.iter();
            let found: Vec<Subscribed> = found
                .filter(|(filter, _)| shared(filter).is_none() && matches(filter, topic, parent))
                // [MQTT-3.8.3-3]: what it published itself is none of this subscription's.
                .filter(|(_, one)| !(one.wish.no_local && from == Some(who)))
                .map(|(_, one)| *one)
                .collect();
            let Some(granted) = found.iter().map(|one| one.qos).max() else {
                continue;
            };
            let mut identifiers: Vec<u32> =
                found.iter().filter_map(|one| one.wish.identifier).collect();
            identifiers.sort_unstable();
            // B-48, and [MQTT-3.3.1-12], [MQTT-3.3.1-13].
            let entry = Entry {
                qos: qos.min(granted),
                retained: what.retain && found.iter().any(|one| one.wish.retain_as_published),
                identifiers,
                ..entry.clone()
            };
            self.deliver(who, entry);
        }
        let filters: Vec<_> = self.groups.keys().cloned().collect();
        for filter in filters {
            let inside = shared(&filter)
                .and_then(Result::ok)
                .expect("a group")
                .filter;
            if !matches(inside, topic, parent) {
                continue;
            }
            let active = self.active(&filter);
            if qos == Q0 {
                // B-69: dropped when nobody can take it.
                if !active.is_empty() {
                    self.due.once.push((what.number, active));
                }
                continue;
            }
            let kept = self.members(&filter).into_iter().any(|who| {
                self.sessions[who]
                    .as_ref()
                    .is_some_and(Session::is_persistent)
            });
            let entry = Entry {
                group: Some(filter.clone()),
                // Nobody promised that it outlives the process.
                sent: !kept,
                ..entry.clone()
            };
            self.groups.entry(filter).or_default().waiting.push(entry);
        }
    }

    /// [MQTT-3.8.3-3]: the client whose Will it is published it.
    pub(super) fn publish_will(&mut self, who: usize, will: Will) {
        self.wills.insert(will.number);
        let what = What {
            topic: 0,
            number: will.number,
            qos: will.qos,
            retain: false,
            expires: None,
        };
        self.route(Some(who), WILL, &what);
    }

    /// To one client, now or later.
    fn deliver(&mut self, who: usize, entry: Entry) {
        let Some(session) = self.sessions[who].as_mut() else {
            return;
        };
        let connected = self.connected[who];
        // QoS 0 takes no room.
        let now = connected && (entry.qos == Q0 || session.has_room());
        self.next_order += 1;
        let entry = Entry {
            order: self.next_order,
            sent: now,
            flying: now,
            ..entry
        };
        if now {
            self.due.own[who].push(entry.clone());
        }
        // B-27.
        if entry.qos == Q1 && (connected || session.is_persistent()) {
            session.entries.push(entry);
        }
    }
}
