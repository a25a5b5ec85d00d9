//! Topics that were published to lately, each with its subscribers and what was decided about them.
//!
//! A device publishes to the same few topics again and again: what routing and the policy said the first time
//! stands here until a subscription or a policy changes. The memory is bounded; when it is full, all is
//! forgotten and learnt again.

use std::collections::HashMap;
use std::sync::Arc;

use thingwire_mqtt::QoS;

use super::routes::{Routes, Subscriber};
use super::shared::Shared;
use super::slab::Key;

/// A topic of the table, while `epoch` is the table's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TopicRef {
    epoch: u32,
    index: u32,
}

impl TopicRef {
    pub(crate) const fn epoch(self) -> u32 {
        self.epoch
    }

    pub(crate) const fn index(self) -> u32 {
        self.index
    }
}

/// One subscriber of a topic and whether it may receive it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Match {
    pub(crate) session: Key,
    pub(crate) qos: QoS,
    /// `Connected::stamp` for which `allowed` was decided; 0 is no stamp.
    pub(crate) stamp: u64,
    pub(crate) allowed: bool,
    /// Its place in [`Matches::extras`], from 1; 0 is none.
    pub(crate) extra: u32,
}

/// The options of one subscriber's matching subscriptions together (`B-36`, `B-38`).
#[derive(Clone, Debug)]
pub(crate) struct Extra {
    /// The highest of them (`B-50`).
    pub(crate) qos: QoS,
    /// All of them are without their own messages.
    pub(crate) no_local: bool,
    /// Some of them are: what the others are together, which its own messages match alone [MQTT-3.8.3-3].
    pub(crate) own: Option<Box<Self>>,
    /// One of them wants RETAIN as it was published.
    pub(crate) retain_as_published: bool,
    pub(crate) ids: Arc<[u32]>,
}

/// The subscribers of a topic, lent out.
#[derive(Default)]
pub(crate) struct Matches {
    pub(crate) list: Vec<Match>,
    pub(crate) extras: Vec<Extra>,
}

struct Entry {
    name: Arc<str>,
    /// `Topics::generation` when `matches` was made; 0 when it must be made again.
    made: u64,
    matches: Matches,
    /// The same for `groups`, which are asked for only while there are any.
    groups_made: u64,
    groups: Vec<Key>,
}

/// The table.
pub(crate) struct Topics {
    by_name: HashMap<Arc<str>, u32>,
    entries: Vec<Entry>,
    epoch: u32,
    /// Grows when a wildcard subscription changes, which may concern any topic.
    generation: u64,
    topics_max: usize,
    matches: usize,
    scratch: Vec<Subscriber>,
}

/// Subscribers that are remembered over all topics.
const MATCHES_MAX: usize = 1_000_000;

impl Topics {
    pub(crate) fn new(topics_max: usize) -> Self {
        Self {
            by_name: HashMap::new(),
            entries: Vec::new(),
            epoch: 0,
            generation: 1,
            topics_max: topics_max.max(1),
            matches: 0,
            scratch: Vec::new(),
        }
    }

    /// The place of a topic; makes one.
    pub(crate) fn intern(&mut self, topic: &str) -> TopicRef {
        if let Some(index) = self.by_name.get(topic) {
            return TopicRef {
                epoch: self.epoch,
                index: *index,
            };
        }
        if self.entries.len() >= self.topics_max || self.matches > MATCHES_MAX {
            self.by_name.clear();
            self.entries.clear();
            self.matches = 0;
            self.epoch = self.epoch.wrapping_add(1);
        }
        let index = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let name: Arc<str> = topic.into();
        self.by_name.insert(Arc::clone(&name), index);
        self.entries.push(Entry {
            name,
            made: 0,
            matches: Matches::default(),
            groups_made: 0,
            groups: Vec::new(),
        });
        TopicRef {
            epoch: self.epoch,
            index,
        }
    }

    /// The place of a topic that has one.
    pub(crate) fn find(&self, topic: &str) -> Option<TopicRef> {
        let index = *self.by_name.get(topic)?;
        Some(TopicRef {
            epoch: self.epoch,
            index,
        })
    }

    /// The topic's name, unless the table has forgotten it.
    pub(crate) fn name(&self, topic: TopicRef) -> Option<&Arc<str>> {
        self.entry(topic).map(|entry| &entry.name)
    }

    /// Lends out the subscribers of a topic; give them back with [`give_back`](Self::give_back).
    pub(crate) fn take_matches(&mut self, topic: TopicRef, routes: &Routes) -> Matches {
        if topic.epoch != self.epoch {
            return Matches::default();
        }
        let Some(entry) = self.entries.get_mut(topic.index as usize) else {
            return Matches::default();
        };
        if entry.made != self.generation {
            self.scratch.clear();
            self.matches = self.matches.saturating_sub(entry.matches.list.len());
            entry.matches.list.clear();
            entry.matches.extras.clear();
            if routes.has_options() {
                routes.collect_all(&entry.name, &mut self.scratch);
                merge(&mut self.scratch, &mut entry.matches);
            } else {
                routes.collect(&entry.name, &mut self.scratch);
                let list = self.scratch.iter().map(|found| of(found, 0));
                entry.matches.list.extend(list);
            }
            self.matches = self.matches.saturating_add(entry.matches.list.len());
            entry.made = self.generation;
        }
        std::mem::take(&mut entry.matches)
    }

    /// Takes the list back, with the decisions that were added.
    pub(crate) fn give_back(&mut self, topic: TopicRef, matches: Matches) {
        if topic.epoch == self.epoch
            && let Some(entry) = self.entries.get_mut(topic.index as usize)
        {
            entry.matches = matches;
        }
    }

    /// Lends out the groups of a topic (`B-68`).
    pub(crate) fn take_groups(&mut self, topic: TopicRef, shared: &mut Shared) -> Vec<Key> {
        if topic.epoch != self.epoch {
            return Vec::new();
        }
        let Some(entry) = self.entries.get_mut(topic.index as usize) else {
            return Vec::new();
        };
        if entry.groups_made != self.generation {
            shared.collect(&entry.name, &mut entry.groups);
            entry.groups_made = self.generation;
        }
        std::mem::take(&mut entry.groups)
    }

    /// Takes the list back.
    pub(crate) fn give_back_groups(&mut self, topic: TopicRef, groups: Vec<Key>) {
        if topic.epoch == self.epoch
            && let Some(entry) = self.entries.get_mut(topic.index as usize)
        {
            entry.groups = groups;
        }
    }

    /// A subscription to this filter was added, changed or removed.
    pub(crate) fn forget(&mut self, filter: &str) {
        if super::routes::has_wildcard(filter) {
            self.generation = self.generation.saturating_add(1);
        } else if let Some(index) = self.by_name.get(filter)
            && let Some(entry) = self.entries.get_mut(*index as usize)
        {
            entry.made = 0;
            entry.groups_made = 0;
        }
    }

    fn entry(&self, topic: TopicRef) -> Option<&Entry> {
        if topic.epoch == self.epoch {
            self.entries.get(topic.index as usize)
        } else {
            None
        }
    }
}

fn of(found: &Subscriber, extra: u32) -> Match {
    Match {
        session: found.session,
        qos: found.qos,
        stamp: 0,
        allowed: false,
        extra,
    }
}

/// The options of some subscriptions of one session, whose highest QoS is `qos`.
fn together<'a>(qos: QoS, group: impl Iterator<Item = &'a Subscriber> + Clone) -> Extra {
    let ids = group.clone().map(|one| one.options.id);
    Extra {
        qos,
        no_local: group.clone().all(|one| one.options.no_local),
        own: None,
        retain_as_published: group.clone().any(|one| one.options.retain_as_published),
        ids: ids.filter(|id| *id != 0).collect(),
    }
}

/// One match for each session: the highest QoS (`B-50`), and the options of all its subscriptions.
fn merge(found: &mut [Subscriber], matches: &mut Matches) {
    found.sort_unstable_by_key(|one| (one.session, std::cmp::Reverse(one.qos)));
    for group in found.chunk_by(|one, other| one.session == other.session) {
        let Some(first) = group.first() else { continue };
        let mut extra = together(first.qos, group.iter());
        let others = || group.iter().filter(|one| !one.options.no_local);
        if !extra.no_local
            && let Some(own) = others().next()
            && group.iter().any(|one| one.options.no_local)
        {
            extra.own = Some(Box::new(together(own.qos, others())));
        }
        let mut place = 0;
        if extra.no_local
            || extra.retain_as_published
            || extra.own.is_some()
            || !extra.ids.is_empty()
        {
            matches.extras.push(extra);
            place = u32::try_from(matches.extras.len()).unwrap_or(0);
        }
        matches.list.push(of(first, place));
    }
}
