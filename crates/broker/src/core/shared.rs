//! Shared subscriptions (`B-67` to `B-71`): groups whose members share the messages of one filter.
//!
//! A group is the share name with its filter, and lives from its first member to its last. A message goes to one
//! random connected member. With QoS 1 it belongs to the group until that member acknowledges it: when the
//! member goes away first, another gets it, and while nobody can take it, it waits in the group. QoS 2 stays with the
//! member that it was sent to, and is its session's when the connection breaks. If a member is
//! persistent, what waits or is in flight is on disk; a row is named by the group's filter and a number, and
//! does not move when the message goes from one member to the next.

mod members;
mod offer;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::slice;
use std::sync::Arc;

use thingwire_mqtt::{QoS, Version, topic};

use super::durable::Change;
use super::frame::Shape;
use super::message::Message;
use super::routes::{Options, Routes, Subscriber};
use super::search::Search;
use super::slab::{Key, Slab};

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
    options: Options,
}

impl Member {
    /// How it gets a message: with RETAIN if it asked for that, and with its identifier `[MQTT-3.3.4-3]`. Behaviour `aws` has
    /// neither (`B-36`, `B-38`).
    fn shape(&self, version: Version, qos: QoS, retain: bool) -> Shape<'_> {
        let id = &self.options.id;
        Shape {
            version,
            qos,
            retain: retain && self.options.retain_as_published,
            dup: false,
            ids: if *id == 0 { &[] } else { slice::from_ref(id) },
        }
    }
}

/// A QoS 1 message that nobody has acknowledged yet.
struct Held {
    message: Arc<Message>,
    /// It may have a row.
    stored: bool,
    /// It was published with RETAIN. The row does not say so: after a restart it was not.
    retain: bool,
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
    /// Those that wait for somebody who is away: nobody here may receive them or takes packets of their size. Apart, so that they
    /// hold nothing up and are not asked about again before a member comes or goes, or a policy changes.
    apart: BTreeSet<u64>,
    /// `Authorize::generation` when the first of them was set apart.
    apart_since: u64,
    /// Of both.
    waiting_bytes: usize,
    next: u64,
    /// A drop was logged since it last had room.
    overflowed: bool,
    /// It is in `Shared::ready`.
    ready: bool,
    /// Of the full group, for expired messages.
    search: Search,
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

    /// How many wait, for whomever.
    fn waiters(&self) -> usize {
        self.waiting.len().saturating_add(self.apart.len())
    }

    /// One of those that wait is only for somebody who is away.
    fn set_apart(&mut self, number: u64, generation: u64) {
        if self.waiting.remove(&number) {
            if self.apart.is_empty() {
                self.apart_since = generation;
            }
            self.apart.insert(number);
        }
    }

    /// Somebody else may take what was set apart, or nobody ever will.
    fn reunite(&mut self) {
        self.waiting.append(&mut self.apart);
    }

    fn unwait(&mut self, number: u64) -> bool {
        let waited = self.waiting.remove(&number) || self.apart.remove(&number);
        if waited && let Some(held) = self.messages.get(&number) {
            self.waiting_bytes = self
                .waiting_bytes
                .saturating_sub(held.message.payload.len());
        }
        waited
    }

    fn hold(&mut self, number: u64, held: Held) {
        self.next = self.next.max(number.saturating_add(1));
        self.messages.insert(number, held);
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
