//! PUBLISHes with QoS 0 that the server closes the connection on, and when such a topic is set aside.
//!
//! MQTT never answers QoS 0, so guilt is a guess. It is taken for proven only when, on three
//! connections in a row, the server closed without a word within five seconds of the *first* PUBLISH to
//! one topic, this was the only topic published to with QoS 0 on that connection, and nothing else was
//! unanswered. A connection that had carried the topic for longer acquits it. A topic set aside is
//! refused at the call for an hour, then tried again: policies get corrected.

use heapless::String;
use thingwire_contract::limit;

use crate::Millis;

/// Room for the longest topic AWS takes (`B-41`). Where another broker takes longer ones, they are shown cut, and never set
/// aside.
pub(crate) type Topic = String<{ limit::TOPIC_BYTES }>;

/// As much of a topic as fits.
pub(crate) fn cut(topic: &str) -> Topic {
    let end = topic.floor_char_boundary(limit::TOPIC_BYTES);
    Topic::try_from(topic.get(..end).unwrap_or_default()).unwrap_or_default()
}

/// How soon after the first PUBLISH a close points at it, in milliseconds.
const SUSPICION: u64 = 5_000;

/// Connections in a row that must end like this.
const STRIKES: u8 = 3;

/// How long a topic stays set aside, in milliseconds.
const SET_ASIDE: u64 = 3_600_000;

/// Topics that can be set aside at a time; the oldest makes room.
const SET_ASIDE_TOPICS: usize = 4;

/// What is known of QoS 0.
#[derive(Default)]
pub(crate) struct Refusals {
    /// The only topic on this connection so far; empty when there was none.
    topic: Topic,
    /// When the first PUBLISH to it was written.
    first_at: Option<Millis>,
    /// There were several: none can be blamed.
    mixed: bool,
    strikes: u8,
    /// Hash of the topic that the strikes are for.
    suspect: u64,
    set_aside: heapless::Vec<(u64, Millis), SET_ASIDE_TOPICS>,
}

impl Refusals {
    /// Whether publishing to this topic was set aside.
    pub(crate) fn is_set_aside(&mut self, topic: &str, now: Millis) -> bool {
        if self.set_aside.is_empty() {
            return false;
        }
        self.set_aside.retain(|(_, until)| now < *until);
        let hash = hash(topic);
        self.set_aside.iter().any(|(held, _)| *held == hash)
    }

    /// A PUBLISH with QoS 0 was accepted on a live connection.
    pub(crate) fn published(&mut self, topic: &str) {
        if self.topic.is_empty() {
            self.topic = cut(topic);
        }
        // What was cut is not the same any more.
        if self.topic != topic {
            self.mixed = true;
        }
    }

    /// What was accepted has been written.
    pub(crate) fn written(&mut self, now: Millis) {
        if self.first_at.is_none() && !self.topic.is_empty() {
            self.first_at = Some(now);
        }
    }

    /// The topic that all QoS 0 PUBLISHes of this connection went to.
    pub(crate) fn topic(&self) -> Option<&Topic> {
        (!self.mixed && !self.topic.is_empty()).then_some(&self.topic)
    }

    /// The server closed the connection without a word while nothing but QoS 0 was unanswered.
    /// Answers whether a topic is set aside now.
    pub(crate) fn closed_silently(&mut self, now: Millis) -> bool {
        let soon = self
            .first_at
            .is_some_and(|first| now.since(first) < SUSPICION);
        let Some(topic) = self.topic().filter(|_| soon) else {
            self.strikes = 0;
            return false;
        };
        let hash = hash(topic);
        self.strikes = if self.suspect == hash {
            self.strikes.saturating_add(1)
        } else {
            1
        };
        self.suspect = hash;
        if self.strikes < STRIKES {
            return false;
        }
        self.strikes = 0;
        if self.set_aside.is_full() {
            self.set_aside.remove(0);
        }
        // Cannot fail: there is room now.
        let _ = self.set_aside.push((hash, now.after(SET_ASIDE)));
        true
    }

    /// A new connection knows nothing of the last one's topics.
    pub(crate) fn connection_lost(&mut self) {
        self.topic.clear();
        self.first_at = None;
        self.mixed = false;
    }
}

/// FNV-1a with 64 bits: enough to tell the topics of one device apart.
fn hash(topic: &str) -> u64 {
    topic.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One connection on which `topics` were published at `at`, closed `after` milliseconds later.
    fn connection(refusals: &mut Refusals, topics: &[&str], at: u64, after: u64) -> bool {
        for topic in topics {
            refusals.published(topic);
        }
        refusals.written(Millis(at));
        let set_aside = refusals.closed_silently(Millis(at + after));
        refusals.connection_lost();
        set_aside
    }

    #[test]
    fn three_connections_that_end_on_one_topic_set_it_aside_for_an_hour_b53() {
        let mut refusals = Refusals::default();
        assert!(!connection(&mut refusals, &["t", "t"], 0, 100));
        assert!(!connection(&mut refusals, &["t"], 10_000, 100));
        assert!(connection(&mut refusals, &["t"], 20_000, 100));
        assert!(refusals.is_set_aside("t", Millis(21_000)));
        assert!(!refusals.is_set_aside("u", Millis(21_000)));
        assert!(!refusals.is_set_aside("t", Millis(20_100 + SET_ASIDE)));
    }

    #[test]
    fn a_topic_that_lived_longer_once_or_had_company_is_not_blamed() {
        for acquitting in [(&["t"][..], 5_000), (&["t", "u"], 100), (&[], 100)] {
            let mut refusals = Refusals::default();
            assert!(!connection(&mut refusals, &["t"], 0, 100));
            assert!(!connection(&mut refusals, &["t"], 10_000, 100));
            assert!(!connection(
                &mut refusals,
                acquitting.0,
                20_000,
                acquitting.1
            ));
            assert!(!connection(&mut refusals, &["t"], 30_000, 100));
        }
    }

    #[test]
    fn another_topic_starts_from_one() {
        let mut refusals = Refusals::default();
        for topic in ["t", "t", "u", "u"] {
            assert!(!connection(&mut refusals, &[topic], 0, 100), "{topic}");
        }
        assert!(connection(&mut refusals, &["u"], 0, 100));
    }
}
