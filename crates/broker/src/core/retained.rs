//! Retained messages: the last of each topic that was published with RETAIN (`B-62` to `B-66`).

use std::collections::HashMap;
use std::sync::Arc;

use thingwire_mqtt::topic::{ParentMatch, matches};

use super::Core;
use super::durable::Change;
use super::message::{Message, Publication};
use super::topics::TopicRef;
use crate::Now;

/// By topic.
#[derive(Default)]
pub(crate) struct Retained {
    messages: HashMap<Arc<str>, Arc<Message>>,
}

impl Retained {
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn get(&self, topic: &str) -> Option<&Arc<Message>> {
        self.messages.get(topic)
    }

    /// The topics that a filter matches, sorted. Looks at every message, which only behaviour `mqtt` asks for.
    pub(crate) fn matching(&self, filter: &str) -> Vec<Arc<str>> {
        let topics = self.messages.keys();
        let mut found: Vec<_> = topics
            .filter(|topic| matches(filter, topic, ParentMatch::Included))
            .cloned()
            .collect();
        found.sort_unstable();
        found
    }

    pub(crate) fn insert(&mut self, message: Message) {
        self.messages
            .insert(Arc::clone(&message.topic), Arc::new(message));
    }

    pub(crate) fn remove(&mut self, topic: &str) {
        self.messages.remove(topic);
    }
}

impl Core {
    /// Whether one more may be kept (`B-65`); replacing and removing are always possible.
    pub(super) fn may_retain(&self, topic: &str, payload: &[u8]) -> bool {
        let quota = self
            .meter
            .as_ref()
            .map_or(usize::MAX, |meter| meter.retained_messages());
        payload.is_empty()
            || self.retained.len() < self.config.memory.retained_messages.min(quota)
            || self.retained.get(topic).is_some()
    }

    /// Keeps or, with an empty payload, removes (`B-62`). Answers whether the store must know.
    pub(super) fn retain(&mut self, publication: &Publication<'_>, topic: TopicRef) -> bool {
        let name = self
            .topics
            .name(topic)
            .map_or_else(|| publication.topic.into(), Arc::clone);
        if publication.payload.is_empty() {
            // Stored even when there is none: an earlier removal may not have reached the disk yet.
            self.retained.remove(&name);
        } else {
            if !self.may_retain(&name, publication.payload) {
                self.statistics.dropped = self.statistics.dropped.saturating_add(1);
                return false;
            }
            self.retained.insert(publication.to_message(Some(&name)));
        }
        self.journal.push(Change::Retained { topic: name });
        self.journal.enabled
    }

    /// The retained message of a topic, unless it has expired (`B-65`, `B-74`).
    pub(super) fn retained_message(&mut self, now: Now, topic: &str) -> Option<Arc<Message>> {
        let message = self.retained.get(topic)?;
        if !message.is_expired(now.unix) {
            return Some(Arc::clone(message));
        }
        let topic = Arc::clone(&message.topic);
        self.retained.remove(&topic);
        self.journal.push(Change::Retained { topic });
        None
    }
}
