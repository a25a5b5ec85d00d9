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
    /// Of topics, payloads and properties together.
    bytes: usize,
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

    /// Whether this one fits beside the others; what it replaces makes room.
    fn has_room(&self, topic: &str, payload: &[u8], messages: usize, bytes: usize) -> bool {
        let old = self.messages.get(topic);
        let freed = old.map_or(0, |old| weight(&old.topic, &old.payload, &old.properties));
        let others = self.bytes.saturating_sub(freed);
        (old.is_some() || self.messages.len() < messages)
            // Of a long message at least its payload must fit; its properties are bounded (`B-75`).
            && others.saturating_add(weight(topic, payload, &[])) <= bytes
    }

    pub(crate) fn insert(&mut self, message: Message) {
        let new = weight(&message.topic, &message.payload, &message.properties);
        self.bytes = self.bytes.saturating_add(new);
        let topic = Arc::clone(&message.topic);
        let old = self.messages.insert(topic, Arc::new(message));
        self.free(old.as_deref());
    }

    pub(crate) fn remove(&mut self, topic: &str) {
        let old = self.messages.remove(topic);
        self.free(old.as_deref());
    }

    fn free(&mut self, old: Option<&Message>) {
        let freed = old.map_or(0, |old| weight(&old.topic, &old.payload, &old.properties));
        self.bytes = self.bytes.saturating_sub(freed);
    }
}

fn weight(topic: &str, payload: &[u8], properties: &[u8]) -> usize {
    topic
        .len()
        .saturating_add(payload.len())
        .saturating_add(properties.len())
}

impl Core {
    /// Whether one more may be kept (`B-65`). Removing is always possible, replacing where there is room for what the new one has more.
    ///
    /// # Errors
    /// The quota or the setting that it is over, in words.
    pub(super) fn check_retained(&self, topic: &str, payload: &[u8]) -> Result<(), String> {
        if payload.is_empty() {
            return Ok(());
        }
        if let Some(meter) = &self.meter
            && self.retained.get(topic).is_none()
        {
            meter.retained_messages(self.retained.len())?;
        }
        let memory = &self.config.memory;
        let (messages, bytes) = (memory.retained_messages, memory.retained_bytes);
        if self.retained.has_room(topic, payload, messages, bytes) {
            return Ok(());
        }
        Err("B-65: there are too many retained messages, or too many bytes of them".to_owned())
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
            if self.check_retained(&name, publication.payload).is_err() {
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
