//! Who is in a group: joining, leaving, coming and going, and what becomes of the messages that a member had.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use thingwire_mqtt::QoS;

use super::{Group, Held, Member, forget, inner};
use crate::core::Core;
use crate::core::durable::Change;
use crate::core::message::Message;
use crate::core::routes::Options;
use crate::core::search::Search;
use crate::core::session::{Session, Share};
use crate::core::slab::Key;

impl Core {
    /// Adds a session to the group of a shared subscription, or changes how it gets messages there.
    pub(in crate::core) fn join_group(
        &mut self,
        session_key: Key,
        filter: &Arc<str>,
        qos: QoS,
        options: Options,
    ) {
        let Some(inner) = inner(filter) else { return };
        let key = match self.shared.find(filter) {
            Some(key) => key,
            None => self.new_group(filter, inner),
        };
        let (Some(session), Some(group)) = (
            self.sessions.get_mut(session_key),
            self.shared.groups.get_mut(key),
        ) else {
            return;
        };
        group.reunite();
        if let Some(at) = group.at(session_key) {
            if let Some(member) = group.members.get_mut(at) {
                (member.qos, member.options) = (qos, options);
            }
            return;
        }
        session.shares.push(key);
        let member = Member {
            session: session_key,
            qos,
            options,
        };
        if session.is_persistent() {
            group.persistent = group.persistent.saturating_add(1);
        }
        if session.connection.is_some() {
            group.members.insert(group.active, member);
            group.active = group.active.saturating_add(1);
            self.shared.set_ready(key);
        } else {
            group.members.push(member);
        }
    }

    fn new_group(&mut self, filter: &Arc<str>, inner: &str) -> Key {
        if self.shared.random == 0 {
            let [a, b, c, d, e, f, g, h, ..] = (self.random)();
            self.shared.random = u64::from_be_bytes([a, b, c, d, e, f, g, h]).max(1);
        }
        let key = self.shared.groups.insert(Group {
            filter: Arc::clone(filter),
            members: Vec::new(),
            active: 0,
            persistent: 0,
            messages: BTreeMap::new(),
            waiting: BTreeSet::new(),
            apart: BTreeSet::new(),
            apart_since: 0,
            waiting_bytes: 0,
            next: 0,
            overflowed: false,
            ready: false,
            search: Search::default(),
        });
        self.shared.by_filter.insert(Arc::clone(filter), key);
        self.shared
            .routes
            .insert(&inner.into(), key, QoS::AtLeastOnce, Options::default());
        self.topics.forget(inner);
        key
    }

    /// Takes a session out of a group. What is in flight to it stays its own until it acknowledges
    /// `[MQTT-3.10.4-3]`. A group without members ends, and what waits in it is gone.
    pub(in crate::core) fn leave_group(&mut self, session_key: Key, filter: &str) {
        let Some(key) = self.shared.find(filter) else {
            return;
        };
        self.adopt_shares(session_key, key, QoS::AtLeastOnce);
        if let Some(session) = self.sessions.get_mut(session_key) {
            session.shares.retain(|other| *other != key);
        }
        let was_persistent = self
            .sessions
            .get(session_key)
            .is_some_and(Session::is_persistent);
        self.remove_member(key, session_key, was_persistent);
    }

    /// What is in flight to a session with at least this QoS belongs to it from now on, and not to the group.
    fn adopt_shares(&mut self, session_key: Key, key: Key, qos: QoS) {
        let (Some(session), Some(group)) = (
            self.sessions.get_mut(session_key),
            self.shared.groups.get_mut(key),
        ) else {
            return;
        };
        let adopted = session.adopt(key, qos, |number| {
            group
                .messages
                .get(&number)
                .map(|held| Arc::clone(&held.message))
        });
        for (sequence, number) in adopted {
            if session.is_persistent() {
                self.journal.push(Change::Queued {
                    session: session_key,
                    number: session.number,
                    sequence,
                    new: false,
                });
            }
            forget(&mut self.journal, key, group, number);
        }
    }

    /// The connection of a persistent session breaks. QoS 2 stays its own until it is back `[MQTT-4.8.2-4]`; the
    /// rest that was in flight goes to the others.
    pub(in crate::core) fn part_with_shares(&mut self, session_key: Key) {
        if self.rules.qos_max == QoS::ExactlyOnce
            && let Some(session) = self.sessions.get(session_key)
        {
            for key in session.shares.clone() {
                self.adopt_shares(session_key, key, QoS::ExactlyOnce);
            }
        }
        let Some(session) = self.sessions.get_mut(session_key) else {
            return;
        };
        for (share, qos) in session.take_shares_in_flight() {
            self.give_back_share(share, qos);
        }
    }

    /// A session has ended: what was in flight to it goes to the others.
    pub(in crate::core) fn leave_groups(&mut self, session_key: Key, session: &mut Session) {
        for (share, qos) in session.take_shares_in_flight() {
            self.give_back_share(share, qos);
        }
        for key in std::mem::take(&mut session.shares) {
            self.remove_member(key, session_key, session.is_persistent());
        }
    }

    fn remove_member(&mut self, key: Key, session: Key, was_persistent: bool) {
        let Some(group) = self.shared.groups.get_mut(key) else {
            return;
        };
        let Some(at) = group.at(session) else { return };
        if at < group.active {
            group.active = group.active.saturating_sub(1);
        }
        group.members.remove(at);
        group.reunite();
        if group.active > 0 {
            self.shared.set_ready(key);
        }
        let Some(group) = self.shared.groups.get_mut(key) else {
            return;
        };
        if was_persistent {
            group.persistent = group.persistent.saturating_sub(1);
        }
        if !group.members.is_empty() {
            return;
        }
        let Some(group) = self.shared.groups.remove(key) else {
            return;
        };
        self.shared.by_filter.remove(&group.filter);
        if let Some(inner) = inner(&group.filter) {
            self.shared.routes.remove(inner, key);
            self.topics.forget(inner);
        }
        for (number, held) in group.messages {
            if held.stored {
                self.journal.push(Change::Shared {
                    group: Key::NOWHERE,
                    filter: Arc::clone(&group.filter),
                    number,
                });
            }
        }
    }

    /// A session with groups has a connection now, or has none any more.
    pub(in crate::core) fn share_presence(&mut self, session_key: Key, connected: bool) {
        let Some(session) = self.sessions.get(session_key) else {
            return;
        };
        for key in &session.shares {
            let Some(group) = self.shared.groups.get_mut(*key) else {
                continue;
            };
            let Some(at) = group.at(session_key) else {
                continue;
            };
            group.reunite();
            if connected && at >= group.active {
                group.members.swap(at, group.active);
                group.active = group.active.saturating_add(1);
                self.shared.set_ready(*key);
            } else if !connected && at < group.active {
                group.active = group.active.saturating_sub(1);
                group.members.swap(at, group.active);
            }
        }
    }

    /// A session with groups became persistent, or is not any more.
    pub(in crate::core) fn share_persistence(&mut self, session_key: Key, persistent: bool) {
        let Some(session) = self.sessions.get(session_key) else {
            return;
        };
        for key in &session.shares {
            if let Some(group) = self.shared.groups.get_mut(*key) {
                group.persistent = if persistent {
                    group.persistent.saturating_add(1)
                } else {
                    group.persistent.saturating_sub(1)
                };
            }
        }
    }

    /// A message that was in flight to a member that is gone waits for another. With QoS 2 it ends with that member's
    /// session `[MQTT-4.8.2-5]`.
    fn give_back_share(&mut self, share: Share, qos: QoS) {
        if qos == QoS::ExactlyOnce {
            self.share_acknowledged(share);
            return;
        }
        if let Some(group) = self.shared.groups.get_mut(share.group) {
            group.wait(share.number);
            self.shared.set_ready(share.group);
        }
    }

    /// A member acknowledged.
    pub(in crate::core) fn share_acknowledged(&mut self, share: Share) {
        if let Some(group) = self.shared.groups.get_mut(share.group) {
            forget(&mut self.journal, share.group, group, share.number);
        }
    }

    /// A batch with this message has failed: its publisher was not told of success, so it does not wait here.
    pub(in crate::core) fn discard_shared(&mut self, group: Key, number: u64) {
        if let Some(group) = self.shared.groups.get_mut(group)
            && group.unwait(number)
        {
            group.messages.remove(&number);
        }
    }

    /// Brings back a stored message. Answers whether its group exists.
    pub(in crate::core) fn restore_shared(
        &mut self,
        filter: &str,
        number: u64,
        message: Message,
    ) -> bool {
        let Some(group) = self
            .shared
            .find(filter)
            .and_then(|key| self.shared.groups.get_mut(key))
        else {
            return false;
        };
        let held = Held {
            message: Arc::new(message),
            stored: true,
            retain: false,
        };
        group.hold(number, held);
        group.wait(number);
        true
    }
}
