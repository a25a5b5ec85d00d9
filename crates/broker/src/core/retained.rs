//! Retained messages: the last of each topic that was published with RETAIN (`B-62` to `B-66`).

use std::collections::HashMap;
use std::sync::Arc;

use thingwire_mqtt::Properties;
use thingwire_mqtt::topic::{ParentMatch, matches};

use super::Core;
use super::durable::Change;
use super::message::{Message, Publication, wire_bytes};
use super::search::Search;
use super::topics::TopicRef;
use crate::Now;

/// By topic.
#[derive(Default)]
pub(crate) struct Retained {
    messages: HashMap<Arc<str>, Arc<Message>>,
    /// Of topics, payloads and properties together.
    bytes: usize,
    /// Of them all when there is no room, for expired ones.
    search: Search,
}

impl Retained {
    /// Of topics, payloads and properties together.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

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

    /// Whether this one, of so many bytes, fits beside the others; what it replaces makes room, so one that is not larger always fits.
    ///
    /// # Errors
    /// The bound that it is over, in words.
    fn check_room(
        &self,
        topic: &str,
        new: usize,
        messages: usize,
        bytes: usize,
    ) -> Result<(), String> {
        let old = self.messages.get(topic);
        if old.is_none() && self.messages.len() >= messages {
            return Err(format!(
                "B-65: {messages} retained messages are kept, and no more; remove some"
            ));
        }
        let freed = old.map_or(0, |old| weight(&old.topic, &old.payload, &old.properties));
        if new <= freed || self.bytes.saturating_sub(freed).saturating_add(new) <= bytes {
            return Ok(());
        }
        Err(format!(
            "B-65: a retained message of {new} bytes beside {} of the {bytes} that may be kept; remove some or raise `retained-bytes`",
            self.bytes
        ))
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
    /// Those that have expired make room (`B-74`).
    ///
    /// # Errors
    /// The quota or the setting that it is over, in words.
    pub(super) fn check_retained(
        &mut self,
        now: Now,
        topic: &str,
        payload: &[u8],
        properties: Properties<'_>,
    ) -> Result<(), String> {
        if payload.is_empty() {
            return Ok(());
        }
        let new = weight(topic, payload, wire_bytes(properties));
        let first = self.retained_room(topic, new);
        if first.is_ok() || !self.purge_retained(now) {
            return first;
        }
        self.retained_room(topic, new)
    }

    fn retained_room(&self, topic: &str, new: usize) -> Result<(), String> {
        if let Some(meter) = &self.meter
            && self.retained.get(topic).is_none()
        {
            meter.retained_messages(self.retained.len())?;
        }
        let memory = &self.config.memory;
        let (messages, bytes) = (memory.retained_messages, memory.retained_bytes);
        self.retained.check_room(topic, new, messages, bytes)
    }

    /// Removes what has expired, at most once a second. Answers whether that was anything.
    fn purge_retained(&mut self, now: Now) -> bool {
        if !self.retained.search.is_due(now.monotonic) {
            return false;
        }
        let messages = self.retained.messages.values();
        let expired: Vec<_> = messages
            .filter(|message| message.is_expired(now.unix))
            .map(|message| Arc::clone(&message.topic))
            .collect();
        for topic in &expired {
            self.retained.remove(topic);
            let topic = Arc::clone(topic);
            self.journal.push(Change::Retained { topic });
        }
        !expired.is_empty()
    }

    /// Keeps or, with an empty payload, removes (`B-62`). Answers whether the store must know.
    pub(super) fn retain(
        &mut self,
        now: Now,
        publication: &Publication<'_>,
        topic: TopicRef,
    ) -> bool {
        let name = self
            .topics
            .name(topic)
            .map_or_else(|| publication.topic.into(), Arc::clone);
        if publication.payload.is_empty() {
            // Stored even when there is none: an earlier removal may not have reached the disk yet.
            self.retained.remove(&name);
        } else {
            let properties = publication.properties;
            let room = self.check_retained(now, &name, publication.payload, properties);
            if room.is_err() {
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
