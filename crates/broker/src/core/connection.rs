//! One connection as the core sees it: who is there, what it may do, and what is staged for it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use thingwire_mqtt::{Packet, Version};

use super::acknowledge::Waiting;
use super::frame::encode_onto;
use super::outbox::{Outbox, Pending};
use super::slab::Key;
use super::topics::TopicRef;
use super::wills::Will;
use crate::{Action, Authorize, Client, Decision, Event, Millis, Observer, Peer, Permissions};

/// A connection, before and after its CONNECT.
pub(crate) struct Connection {
    pub(crate) peer: Peer,
    pub(crate) outbox: Arc<Outbox>,
    /// Packets of the call that runs; moved to the outbox when it ends.
    pub(crate) staged: Pending,
    /// What waited in the outbox when we last looked; it can only have become less.
    pub(crate) waiting: usize,
    /// It is in `Core::touched`.
    pub(crate) touched: bool,
    pub(crate) opened: Millis,
    /// Since its CONNECT was accepted.
    pub(crate) connected: Option<Box<Connected>>,
}

/// What CONNECT said and what was decided since.
pub(crate) struct Connected {
    pub(crate) client: Client,
    pub(crate) session: Key,
    pub(crate) version: Version,
    /// Milliseconds without a packet after which it is closed (`B-15`); 0 is never.
    pub(crate) silence: u64,
    pub(crate) last_packet: Millis,
    /// Messages that may be in flight to it (`B-47`).
    pub(crate) receive_maximum: usize,
    pub(crate) maximum_packet_size: usize,
    pub(crate) problem_information: bool,
    pub(crate) will: Option<Box<Will>>,
    /// Topic aliases of the client, from 1 (`B-73`).
    pub(crate) aliases: Vec<Option<Arc<str>>>,
    /// Acknowledgements that wait for the disk, and those behind them.
    pub(crate) unacknowledged: VecDeque<Waiting>,
    /// How many of them are of PUBLISH.
    pub(crate) unacknowledged_publishes: usize,
    pub(crate) permissions: Arc<dyn Permissions>,
    /// `Authorize::generation` of `permissions`.
    pub(crate) generation: u64,
    /// A number that no other permissions in this broker have or had.
    pub(crate) stamp: u64,
    pub(crate) decisions: Decisions,
    /// What [`may_receive`](Self::may_receive) said last: topic, stamp, answer.
    pub(crate) received: Option<(Arc<str>, u64, bool)>,
    /// QoS 0 was dropped because it reads too slowly; logged once.
    pub(crate) slow: bool,
    /// Its retained messages that found no room (`B-65`), since the first.
    pub(crate) no_room: Option<Box<NoRoom>>,
}

/// Retained messages of one connection that found no room: told of at the first, and once a minute while there are more.
pub(crate) struct NoRoom {
    /// When it was told of last.
    told: Millis,
    /// How many have come since then.
    since: u64,
}

/// How often one connection is told of.
const PAUSE: u64 = 60_000;

/// Publications that were allowed, until the policy changes.
#[derive(Default)]
pub(crate) struct Decisions {
    generation: u64,
    epoch: u32,
    last: Option<(TopicRef, u8)>,
    others: HashMap<u32, u8>,
}

/// Topics whose decision one connection keeps.
const DECISIONS_MAX: usize = 1024;

/// Publishing to the topic is valid and allowed.
pub(crate) const PUBLISH: u8 = 1;
/// Publishing to it with RETAIN is too.
pub(crate) const RETAIN: u8 = 2;

impl Connection {
    pub(crate) fn new(peer: Peer, opened: Millis) -> Self {
        Self {
            peer,
            outbox: Arc::new(Outbox::default()),
            staged: Pending::default(),
            waiting: 0,
            touched: false,
            opened,
            connected: None,
        }
    }

    /// Whether the outbox has room for something that may be dropped or may wait.
    pub(crate) fn has_room(&mut self, limit: usize) -> bool {
        if self.staged.len().saturating_add(self.waiting) < limit {
            return true;
        }
        self.waiting = self.outbox.waiting();
        self.staged.len().saturating_add(self.waiting) < limit
    }

    /// Stages a packet of ours. The caller must have noted that the connection is touched.
    pub(crate) fn stage(&mut self, version: Version, packet: &Packet<'_>) {
        if encode_onto(self.staged.small(), version, packet).is_none() {
            tracing::error!(packet = ?packet.packet_type(), "a packet of our own could not be encoded");
        }
    }
}

impl Connected {
    /// Fetches the permissions again if any policy changed.
    pub(crate) fn refresh(&mut self, authorize: &dyn Authorize, generation: u64, stamps: &mut u64) {
        if self.generation == generation {
            return;
        }
        self.permissions = authorize.permissions(&self.client);
        self.generation = generation;
        *stamps = stamps.saturating_add(1);
        self.stamp = *stamps;
    }

    /// The topic of its last publish, which is most often that of the next.
    pub(crate) fn last_topic(&self) -> Option<TopicRef> {
        self.decisions.last.map(|(topic, _)| topic)
    }

    /// What was allowed on this topic before: [`PUBLISH`] and [`RETAIN`].
    pub(crate) fn allowed(&self, topic: TopicRef) -> u8 {
        if self.decisions.epoch != topic.epoch() || self.decisions.generation != self.generation {
            return 0;
        }
        match self.decisions.last {
            Some((last, allowed)) if last == topic => allowed,
            _ => self
                .decisions
                .others
                .get(&topic.index())
                .copied()
                .unwrap_or(0),
        }
    }

    /// Remembers what is allowed on this topic.
    pub(crate) fn remember(&mut self, topic: TopicRef, allowed: u8) {
        let decisions = &mut self.decisions;
        if decisions.epoch != topic.epoch() || decisions.generation != self.generation {
            *decisions = Decisions {
                generation: self.generation,
                epoch: topic.epoch(),
                ..Decisions::default()
            };
        }
        if let Some((last, before)) = decisions.last
            && last != topic
        {
            if decisions.others.len() >= DECISIONS_MAX {
                decisions.others.clear();
            }
            decisions.others.insert(last.index(), before);
        }
        decisions.last = Some((topic, allowed));
    }

    /// Whether it may receive from this topic; asked for messages out of the queue. A denial is told once for each topic
    /// and policy.
    pub(crate) fn may_receive(&mut self, topic: &Arc<str>, observer: &dyn Observer) -> bool {
        if let Some((last, stamp, allowed)) = &self.received
            && *stamp == self.stamp
            && last == topic
        {
            return *allowed;
        }
        let denied = denial(self.permissions.decide(Action::Receive, topic));
        if let Some(explanation) = &denied {
            observer.event(Event::Refused {
                client: &self.client,
                action: Action::Receive,
                resource: topic,
                explanation,
            });
        }
        self.received = Some((Arc::clone(topic), self.stamp, denied.is_none()));
        denied.is_none()
    }

    /// One more of its retained messages found no room, for the reason in `detail`. Answers what is to be told now, if anything.
    pub(crate) fn note_no_room(&mut self, now: Millis, detail: &str) -> Option<String> {
        let Some(before) = &mut self.no_room else {
            let (told, since) = (now, 0);
            self.no_room = Some(Box::new(NoRoom { told, since }));
            return Some(detail.to_owned());
        };
        if now.since(before.told) < PAUSE {
            before.since = before.since.saturating_add(1);
            return None;
        }
        before.told = now;
        let unsaid = std::mem::take(&mut before.since);
        Some(match unsaid {
            0 => detail.to_owned(),
            _ => format!("{detail} ({unsaid} more were refused in the meantime)"),
        })
    }

    /// The reason string for a refusal, if the client wants any (`B-75`).
    pub(crate) fn wants_reason(&self, configured: bool) -> bool {
        configured && self.problem_information && self.version == Version::V5
    }
}

/// Splits a decision into yes and the reason for no.
pub(crate) fn denial(decision: Decision) -> Option<String> {
    match decision {
        Decision::Allow => None,
        Decision::Deny(reason) => Some(reason),
    }
}
