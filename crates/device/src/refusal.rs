//! PUBLISHes with QoS 0 that the server closes the connection on, and when such a topic is set aside.
//!
//! MQTT never answers QoS 0, so guilt is a guess. It is taken for proven only when, on three
//! connections in a row, the server closed without a word within five seconds of the *first* PUBLISH to
//! one topic, this was the only topic published to with QoS 0 on that connection, and nothing else was
//! unanswered. A connection that had carried the topic for longer acquits it. A topic set aside is
//! refused at the call for an hour, then tried again: policies get corrected.

use heapless::String;

use crate::Millis;

/// Bytes of a topic that are kept to name it. Which topic it is, its hash says.
const NAME: usize = 64;

/// How soon after the first PUBLISH a close points at it, in milliseconds.
const SUSPICION: u64 = 5_000;

/// Connections in a row that must end like this.
const STRIKES: u8 = 3;

/// How long a topic stays set aside, in milliseconds.
const SET_ASIDE: u64 = 3_600_000;

/// Topics that can be set aside at a time; the oldest makes room.
const SET_ASIDE_TOPICS: usize = 4;

/// A moment in whole seconds, in half the bytes.
type Seconds = u32;

/// What is known of QoS 0. Topics are known by their [`hash`].
#[derive(Default)]
pub(crate) struct Refusals {
    /// The only topic on this connection so far, or its beginning; empty when there was none.
    name: String<NAME>,
    topic: u32,
    /// When the first PUBLISH to it was written.
    first_at: Option<Millis>,
    /// There were several: none can be blamed.
    mixed: bool,
    strikes: u8,
    /// The topic that the strikes are for.
    suspect: u32,
    set_aside: heapless::Vec<(u32, Seconds), SET_ASIDE_TOPICS>,
}

impl Refusals {
    /// Whether publishing to this topic was set aside.
    pub(crate) fn is_set_aside(&mut self, topic: &str, now: Millis) -> bool {
        if self.set_aside.is_empty() {
            return false;
        }
        let now = seconds(now);
        self.set_aside.retain(|(_, until)| now < *until);
        let hash = hash(topic);
        self.set_aside.iter().any(|(held, _)| *held == hash)
    }

    /// A PUBLISH with QoS 0 was accepted on a live connection.
    pub(crate) fn published(&mut self, topic: &str) {
        let hash = hash(topic);
        if self.name.is_empty() {
            self.topic = hash;
            let end = topic.floor_char_boundary(NAME);
            // Cannot fail: it was cut to fit.
            let _ = self.name.push_str(topic.get(..end).unwrap_or_default());
        } else if self.topic != hash {
            self.mixed = true;
        }
    }

    /// What was accepted has been written.
    pub(crate) fn written(&mut self, now: Millis) {
        if self.first_at.is_none() && !self.name.is_empty() {
            self.first_at = Some(now);
        }
    }

    /// The topic that all QoS 0 PUBLISHes of this connection went to, or its beginning.
    pub(crate) fn topic(&self) -> Option<&str> {
        (!self.mixed && !self.name.is_empty()).then_some(self.name.as_str())
    }

    /// The server closed the connection without a word while nothing but QoS 0 was unanswered.
    /// Answers whether a topic is set aside now.
    pub(crate) fn closed_silently(&mut self, now: Millis) -> bool {
        let soon = self
            .first_at
            .is_some_and(|first| now.since(first) < SUSPICION);
        if !soon || self.topic().is_none() {
            self.strikes = 0;
            return false;
        }
        let hash = self.topic;
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
        let _ = self.set_aside.push((hash, seconds(now.after(SET_ASIDE))));
        true
    }

    /// A new connection knows nothing of the last one's topics.
    pub(crate) fn connection_lost(&mut self) {
        self.name.clear();
        self.first_at = None;
        self.mixed = false;
    }
}

fn seconds(at: Millis) -> Seconds {
    // Saturates after 136 years.
    Seconds::try_from(at.0 / 1_000).unwrap_or(Seconds::MAX)
}

/// FNV-1a with 32 bits: enough to tell the topics of one device apart, and a multiplication of the processor's own.
fn hash(topic: &str) -> u32 {
    topic.bytes().fold(0x811C_9DC5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
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
