//! Shared subscriptions (`B-67` to `B-71`): groups whose members share the messages of one filter.
//!
//! A group is the share name with its filter, and lives from its first member to its last. A message goes to one
//! random connected member. With QoS 1 it belongs to the group until that member acknowledges it: when the
//! member goes away first, another gets it, and while nobody can take it, it waits in the group. QoS 2 stays with the
//! member that it was sent to, and is its session's when the connection breaks. If a member is
//! persistent, what waits or is in flight is on disk; a row is named by the group's filter and a number, and
//! does not move when the message goes from one member to the next.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use thingwire_mqtt::{QoS, topic};

use super::Core;
use super::durable::Change;
use super::frame::Shape;
use super::message::{Message, Publication};
use super::routes::{Options, Routes, Subscriber};
use super::session::Share;
use super::slab::{Key, Slab};
use super::topics::TopicRef;
use crate::{Action, Event, Millis, Now};

/// Milliseconds until a full group is searched for expired messages again.
const PURGE_AGAIN: u64 = 1000;

/// The part of a shared subscription's filter that decides what matches.
pub(crate) fn inner(filter: &str) -> Option<&str> {
    match topic::shared(filter)? {
        Ok(shared) => Some(shared.filter),
        Err(_) => None,
    }
}

/// One session in a group.
#[derive(Clone, Copy, Debug)]
struct Member {
    session: Key,
    qos: QoS,
}

/// A QoS 1 message that nobody has acknowledged yet.
struct Held {
    message: Arc<Message>,
    /// It may have a row.
    stored: bool,
}

/// One group.
pub(crate) struct Group {
    /// As subscribed, with `$share/<name>/`.
    filter: Arc<str>,
    /// Those with a connection first.
    members: Vec<Member>,
    /// How many have a connection.
    active: usize,
    /// How many have a persistent session.
    persistent: usize,
    /// In flight or waiting, by number.
    messages: BTreeMap<u64, Held>,
    waiting: BTreeSet<u64>,
    waiting_bytes: usize,
    next: u64,
    /// A drop was logged since it last had room.
    overflowed: bool,
    /// It is in `Shared::ready`.
    ready: bool,
    /// When it was last full and searched for expired messages (monotonic clock).
    purged: Option<Millis>,
}

impl Group {
    fn at(&self, session: Key) -> Option<usize> {
        self.members
            .iter()
            .position(|member| member.session == session)
    }

    /// A held message, for its row.
    pub(crate) fn message(&self, number: u64) -> Option<&Message> {
        self.messages
            .get(&number)
            .filter(|held| held.stored)
            .map(|held| &*held.message)
    }

    fn wait(&mut self, number: u64) {
        if let Some(held) = self.messages.get(&number)
            && self.waiting.insert(number)
        {
            self.waiting_bytes = self
                .waiting_bytes
                .saturating_add(held.message.payload.len());
        }
    }

    fn unwait(&mut self, number: u64) -> bool {
        let waited = self.waiting.remove(&number);
        if waited && let Some(held) = self.messages.get(&number) {
            self.waiting_bytes = self
                .waiting_bytes
                .saturating_sub(held.message.payload.len());
        }
        waited
    }

    fn hold(&mut self, number: u64, message: Arc<Message>, stored: bool) {
        self.next = self.next.max(number.saturating_add(1));
        self.messages.insert(number, Held { message, stored });
    }
}

/// All groups.
pub(crate) struct Shared {
    groups: Slab<Group>,
    by_filter: HashMap<Arc<str>, Key>,
    /// Filters without `$share/<name>/`; its keys are those of groups.
    routes: Routes,
    /// Groups that may have something for a member; looked at when the call ends.
    pub(super) ready: Vec<Key>,
    /// State of the generator that picks members; 0 until it is seeded.
    random: u64,
    scratch: Vec<Subscriber>,
}

impl Shared {
    pub(crate) fn new(hash_matches_parent: bool) -> Self {
        Self {
            groups: Slab::new(),
            by_filter: HashMap::new(),
            routes: Routes::new(hash_matches_parent),
            ready: Vec::new(),
            random: 0,
            scratch: Vec::new(),
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.groups.len() == 0
    }

    pub(crate) const fn len(&self) -> usize {
        self.groups.len()
    }

    /// Subscriptions in all groups.
    pub(crate) fn members(&self) -> usize {
        self.groups
            .iter()
            .map(|(_, group)| group.members.len())
            .sum()
    }

    pub(crate) fn get(&self, key: Key) -> Option<&Group> {
        self.groups.get(key)
    }

    /// Members of a group, if the filter is a shared one.
    pub(crate) fn members_of(&self, filter: &str) -> Option<usize> {
        inner(filter)?;
        let group = self.find(filter).and_then(|key| self.groups.get(key));
        Some(group.map_or(0, |group| group.members.len()))
    }

    pub(crate) fn find(&self, filter: &str) -> Option<Key> {
        self.by_filter.get(filter).copied()
    }

    /// The groups whose filter matches.
    pub(crate) fn collect(&mut self, topic: &str, found: &mut Vec<Key>) {
        self.scratch.clear();
        self.routes.collect(topic, &mut self.scratch);
        found.clear();
        found.extend(self.scratch.iter().map(|found| found.session));
    }

    /// Has a group looked at when the call ends.
    fn set_ready(&mut self, key: Key) {
        if let Some(group) = self.groups.get_mut(key)
            && !std::mem::replace(&mut group.ready, true)
        {
            self.ready.push(key);
        }
    }

    /// A number below `end` (xorshift64*); 0 when `end` is.
    fn below(&mut self, end: usize) -> usize {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let high = self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        let end = u64::try_from(end).unwrap_or(u64::MAX);
        usize::try_from(high.checked_rem(end).unwrap_or(0)).unwrap_or(0)
    }
}

/// What became of an attempt to give a message to a member.
enum Taken {
    /// It has it; whether the store must know.
    Yes(bool),
    /// It has no room now.
    Busy,
    /// It never will: not allowed, or too large.
    Never,
}

/// What became of an attempt to give the first that waits to a member.
enum Pumped {
    Sent,
    /// It has no room now, or nothing waits.
    Idle,
    /// It may not receive this one.
    Denied,
}

impl Core {
    /// Adds a session to the group of a shared subscription, or changes its QoS there.
    pub(super) fn join_group(&mut self, session_key: Key, filter: &Arc<str>, qos: QoS) {
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
        if let Some(at) = group.at(session_key) {
            if let Some(member) = group.members.get_mut(at) {
                member.qos = qos;
            }
            return;
        }
        session.shares.push(key);
        let member = Member {
            session: session_key,
            qos,
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
            waiting_bytes: 0,
            next: 0,
            overflowed: false,
            ready: false,
            purged: None,
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
    pub(super) fn leave_group(&mut self, session_key: Key, filter: &str) {
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
            .is_some_and(super::session::Session::is_persistent);
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
    pub(super) fn part_with_shares(&mut self, session_key: Key) {
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
    pub(super) fn leave_groups(&mut self, session_key: Key, session: &mut super::session::Session) {
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
    pub(super) fn share_presence(&mut self, session_key: Key, connected: bool) {
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
    pub(super) fn share_persistence(&mut self, session_key: Key, persistent: bool) {
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
    pub(super) fn share_acknowledged(&mut self, share: Share) {
        if let Some(group) = self.shared.groups.get_mut(share.group) {
            forget(&mut self.journal, share.group, group, share.number);
        }
    }

    /// Gives a publication to one member of each group that wants it. Answers whether it must be on disk before the
    /// publisher hears of success.
    pub(super) fn dispatch_shared(
        &mut self,
        now: Now,
        publication: &Publication<'_>,
        topic: TopicRef,
        kept: &mut Option<Arc<Message>>,
    ) -> bool {
        let groups = self.topics.take_groups(topic, &mut self.shared);
        let mut durable = false;
        for group in &groups {
            durable |= self.offer_group(now, publication, topic, *group, kept);
        }
        self.topics.give_back_groups(topic, groups);
        durable
    }

    fn offer_group(
        &mut self,
        now: Now,
        publication: &Publication<'_>,
        topic: TopicRef,
        key: Key,
        kept: &mut Option<Arc<Message>>,
    ) -> bool {
        let Some(group) = self.shared.groups.get(key) else {
            return false;
        };
        let (active, members) = (group.active, group.members.len());
        let queues = publication.qos != QoS::AtMostOnce;
        // Those that wait already go first.
        let mut waits = queues && (active == 0 || !group.waiting.is_empty());
        let durable = queues && self.journal.enabled && group.persistent > 0;
        if !waits {
            let start = self.shared.below(active);
            let mut somebody = active < members;
            for step in 0..active {
                let at = start.saturating_add(step).checked_rem(active).unwrap_or(0);
                match self.offer_member(now, publication, topic, key, at, kept, durable) {
                    Taken::Yes(stored) => return stored,
                    Taken::Busy => somebody = true,
                    Taken::Never => continue,
                }
                if !queues {
                    // `B-69`: QoS 0 is lost with the member that was chosen.
                    break;
                }
            }
            if !queues || !somebody {
                self.statistics.dropped = self.statistics.dropped.saturating_add(1);
                return false;
            }
            waits = true;
        }
        let message = Self::shared_message(kept, publication, self.topics.name(topic));
        waits && self.hold(now, key, message, durable)
    }

    #[expect(clippy::too_many_arguments, reason = "one message and one member")]
    fn offer_member(
        &mut self,
        now: Now,
        publication: &Publication<'_>,
        topic: TopicRef,
        group_key: Key,
        at: usize,
        kept: &mut Option<Arc<Message>>,
        durable: bool,
    ) -> Taken {
        let Some(group) = self.shared.groups.get_mut(group_key) else {
            return Taken::Never;
        };
        let Some(member) = group.members.get(at).copied() else {
            return Taken::Never;
        };
        let Some(session) = self.sessions.get_mut(member.session) else {
            return Taken::Never;
        };
        let Some(key) = session.connection else {
            return Taken::Busy;
        };
        let Some(connection) = self.connections.get_mut(key) else {
            return Taken::Busy;
        };
        let room = connection.has_room(self.config.memory.outbox_bytes);
        let Some(connected) = connection.connected.as_deref_mut() else {
            return Taken::Busy;
        };
        connected.refresh(&*self.authorize, self.generation, &mut self.stamps);
        let Some(name) = self.topics.name(topic) else {
            return Taken::Never;
        };
        if let Err(explanation) = connected.may_receive(name) {
            self.statistics.denied_deliveries = self.statistics.denied_deliveries.saturating_add(1);
            if let Some(explanation) = explanation {
                self.observer.event(Event::Refused {
                    client: &connected.client,
                    action: Action::Receive,
                    resource: publication.topic,
                    explanation: &explanation,
                });
            }
            return Taken::Never;
        }
        let qos = publication.qos.min(member.qos);
        if qos != QoS::AtMostOnce && !session.queue.is_empty() {
            // In flight stays in the order of sequence numbers; what waits in the session has older ones.
            return Taken::Busy;
        }
        if !room || (qos != QoS::AtMostOnce && session.in_flight.len() >= connected.receive_maximum)
        {
            self.wakers.extend(connection.outbox.ask_to_tell_drained());
            return Taken::Busy;
        }
        let version = connected.version;
        if let Some(meter) = &mut self.meter
            && let Err(at) = meter.deliver(now.monotonic, key)
        {
            self.pump_later(key, at);
            return Taken::Busy;
        }
        let Some(form) = self.forms.form(publication, version, qos, now.unix) else {
            return Taken::Never;
        };
        if form.len() > connected.maximum_packet_size {
            return Taken::Never;
        }
        let packet_id = (qos != QoS::AtMostOnce).then(|| {
            let message = Self::shared_message(kept, publication, Some(name));
            let number = group.next;
            group.hold(number, message, durable);
            if durable {
                self.journal.push(Change::Shared {
                    group: group_key,
                    filter: Arc::clone(&group.filter),
                    number,
                });
            }
            let share = Share {
                group: group_key,
                number,
            };
            session.send_share(share, qos)
        });
        form.append_to(&mut connection.staged, packet_id);
        self.count_delivery(qos);
        self.touch(key);
        if self.meter.is_some() && packet_id.is_some() {
            self.note_sent(now, version, member.session);
        }
        Taken::Yes(durable && packet_id.is_some())
    }

    /// Lets a message wait in a group. Answers whether the store must know.
    fn hold(&mut self, now: Now, key: Key, message: Arc<Message>, durable: bool) -> bool {
        let memory = &self.config.memory;
        let Some(group) = self.shared.groups.get_mut(key) else {
            return false;
        };
        let is_full = |group: &Group| {
            group.waiting.len() >= memory.shared_messages
                || group.waiting_bytes.saturating_add(message.payload.len()) > memory.shared_bytes
        };
        // Once a second, because each publish would go through all that waits.
        let searched = group
            .purged
            .is_some_and(|purged| now.monotonic.since(purged) < PURGE_AGAIN);
        if is_full(group) && !searched {
            group.purged = Some(now.monotonic);
            let expired: Vec<_> = group
                .waiting
                .iter()
                .copied()
                .filter(|number| {
                    group
                        .messages
                        .get(number)
                        .is_some_and(|held| held.message.is_expired(now.unix))
                })
                .collect();
            for number in expired {
                forget(&mut self.journal, key, group, number);
            }
        }
        if is_full(group) {
            // `B-69`: over the limit the newest is dropped.
            self.statistics.dropped = self.statistics.dropped.saturating_add(1);
            if !std::mem::replace(&mut group.overflowed, true) {
                tracing::warn!(
                    group = &*group.filter,
                    waiting = group.waiting.len(),
                    "the shared subscription's queue is full: the newest messages are dropped"
                );
            }
            return false;
        }
        let number = group.next;
        group.hold(number, message, durable);
        group.wait(number);
        self.statistics.queued = self.statistics.queued.saturating_add(1);
        if durable {
            self.journal.push(Change::Shared {
                group: key,
                filter: Arc::clone(&group.filter),
                number,
            });
        }
        if group.active > 0 {
            self.shared.set_ready(key);
        }
        durable
    }

    /// Gives what waits in groups to members that have room. Called when a call ends.
    pub(super) fn pump_ready_groups(&mut self, now: Now) {
        while let Some(key) = self.shared.ready.pop() {
            let Some(group) = self.shared.groups.get_mut(key) else {
                continue;
            };
            group.ready = false;
            if group.waiting.is_empty() || group.active == 0 {
                continue;
            }
            let active = group.active;
            self.pump_group(now, key, active);
        }
    }

    /// Gives what waits in a group to its connected members, one at a time to each in turn, so that a backlog is
    /// shared too.
    fn pump_group(&mut self, now: Now, key: Key, active: usize) {
        let start = self.shared.below(active);
        let mut step: usize = 0;
        let mut asked_for = None;
        // Members in turn that did not take the first, and those of them that may not receive it.
        let (mut refused, mut denied): (usize, usize) = (0, 0);
        loop {
            let Some(group) = self.shared.groups.get_mut(key) else {
                return;
            };
            let Some(first) = group.waiting.first().copied() else {
                group.overflowed = false;
                return;
            };
            if asked_for != Some(first) {
                asked_for = Some(first);
                (refused, denied) = (0, 0);
            }
            if refused >= active {
                if denied < refused {
                    return;
                }
                // `B-55`: nobody who is here may receive it, and it would hold up all behind it.
                self.statistics.dropped = self.statistics.dropped.saturating_add(1);
                forget(&mut self.journal, key, group, first);
                continue;
            }
            let at = start.saturating_add(step).checked_rem(active).unwrap_or(0);
            let Some(member) = group.members.get(at).copied() else {
                return;
            };
            match self.pump_member(now, key, member) {
                Pumped::Sent => {}
                Pumped::Idle => refused = refused.saturating_add(1),
                Pumped::Denied => {
                    refused = refused.saturating_add(1);
                    denied = denied.saturating_add(1);
                }
            }
            step = step.saturating_add(1);
        }
    }

    /// Has the groups of a session looked at when the call ends: it has room.
    pub(super) fn ready_groups(&mut self, session: Key) {
        if let Some(session) = self.sessions.get(session) {
            for key in &session.shares {
                self.shared.set_ready(*key);
            }
        }
    }

    /// Sends the first that waits to a member.
    fn pump_member(&mut self, now: Now, group_key: Key, member: Member) -> Pumped {
        loop {
            let Some(group) = self.shared.groups.get_mut(group_key) else {
                return Pumped::Idle;
            };
            let Some(session) = self.sessions.get_mut(member.session) else {
                return Pumped::Idle;
            };
            let Some(key) = session.connection else {
                return Pumped::Idle;
            };
            let Some(connection) = self.connections.get_mut(key) else {
                return Pumped::Idle;
            };
            let room = connection.has_room(self.config.memory.outbox_bytes);
            let Some(connected) = connection.connected.as_deref_mut() else {
                return Pumped::Idle;
            };
            if !session.queue.is_empty() || session.in_flight.len() >= connected.receive_maximum {
                // `Core::pump` has the groups looked at when it makes room.
                return Pumped::Idle;
            }
            let Some(number) = group.waiting.first().copied() else {
                return Pumped::Idle;
            };
            if !room {
                self.wakers.extend(connection.outbox.ask_to_tell_drained());
                return Pumped::Idle;
            }
            let Some(message) = group
                .messages
                .get(&number)
                .map(|held| Arc::clone(&held.message))
            else {
                group.waiting.remove(&number);
                continue;
            };
            if message.is_expired(now.unix) {
                self.statistics.dropped = self.statistics.dropped.saturating_add(1);
                forget(&mut self.journal, group_key, group, number);
                continue;
            }
            connected.refresh(&*self.authorize, self.generation, &mut self.stamps);
            if let Err(explanation) = connected.may_receive(&message.topic) {
                if let Some(explanation) = explanation {
                    self.observer.event(Event::Refused {
                        client: &connected.client,
                        action: Action::Receive,
                        resource: &message.topic,
                        explanation: &explanation,
                    });
                }
                // Another member may be allowed.
                return Pumped::Denied;
            }
            let version = connected.version;
            let maximum = connected.maximum_packet_size;
            if let Some(meter) = &mut self.meter
                && let Err(at) = meter.deliver_shared(now.monotonic, key)
            {
                self.pump_later(key, at);
                return Pumped::Idle;
            }
            let qos = message.qos.min(member.qos);
            let shape = Shape {
                version,
                qos,
                retain: false,
                dup: false,
                ids: &[],
            };
            if self
                .single
                .encode(&message.publication(), shape, now.unix)
                .is_none()
                || self.single.len() > maximum
            {
                self.statistics.dropped = self.statistics.dropped.saturating_add(1);
                forget(&mut self.journal, group_key, group, number);
                continue;
            }
            let packet_id = if qos == QoS::AtMostOnce {
                forget(&mut self.journal, group_key, group, number);
                None
            } else {
                group.unwait(number);
                let share = Share {
                    group: group_key,
                    number,
                };
                Some(session.send_share(share, qos))
            };
            self.single.append_to(&mut connection.staged, packet_id);
            self.count_delivery(qos);
            self.touch(key);
            if self.meter.is_some() && packet_id.is_some() {
                self.note_sent(now, version, member.session);
            }
            return Pumped::Sent;
        }
    }

    fn count_delivery(&mut self, qos: QoS) {
        self.statistics.delivered = self.statistics.delivered.saturating_add(1);
        if qos != QoS::AtMostOnce {
            let count = &mut self.statistics.delivered_at_least_once;
            *count = count.saturating_add(1);
        }
    }

    /// A batch with this message has failed: its publisher was not told of success, so it does not wait here.
    pub(super) fn discard_shared(&mut self, group: Key, number: u64) {
        if let Some(group) = self.shared.groups.get_mut(group)
            && group.unwait(number)
        {
            group.messages.remove(&number);
        }
    }

    /// Brings back a stored message. Answers whether its group exists.
    pub(super) fn restore_shared(&mut self, filter: &str, number: u64, message: Message) -> bool {
        let Some(group) = self
            .shared
            .find(filter)
            .and_then(|key| self.shared.groups.get_mut(key))
        else {
            return false;
        };
        group.hold(number, Arc::new(message), true);
        group.wait(number);
        true
    }
}

/// A message is done with; its row goes, and nobody waits for that.
fn forget(journal: &mut super::durable::Journal, key: Key, group: &mut Group, number: u64) {
    group.unwait(number);
    if group
        .messages
        .remove(&number)
        .is_some_and(|held| held.stored)
    {
        journal.push(Change::Shared {
            group: key,
            filter: Arc::clone(&group.filter),
            number,
        });
    }
}
