//! What a session can be asked about itself: how many subscriptions it holds, how fast the server answers.

use super::arena::At;
use super::record::{Entry, Kind, State};
use super::session::Session;
use super::stored;
use crate::ReasonCode;

impl Session<'_> {
    /// How many filters are subscribed or asked for, refused ones not counted. AWS grants 50 a
    /// connection (`B-31`).
    #[must_use]
    pub fn subscription_count(&self) -> usize {
        let mut count = 0_usize;
        self.each_subscription(|session, at, entry| {
            let refused = if entry.state == State::Granted {
                let codes = session.arena.codes(at, &entry).iter();
                codes.filter(|code| ReasonCode(**code).is_failure()).count()
            } else {
                0
            };
            count = count.saturating_add(usize::from(entry.codes).saturating_sub(refused));
        });
        count
    }

    /// Whether exactly this filter is subscribed or asked for.
    #[must_use]
    pub fn is_subscribed(&self, filter: &str) -> bool {
        let mut found = false;
        self.each_subscription(|session, at, entry| {
            let packet = session.arena.packet(at, &entry);
            found |= stored::filters(session.options.version, packet)
                .any(|held| held.name == filter.as_bytes());
        });
        found
    }

    /// Milliseconds from the last PUBLISH with QoS 1 to its PUBACK. Repeated ones say nothing about
    /// it, because nobody knows which of them was answered.
    #[must_use]
    pub fn round_trip(&self) -> Option<u64> {
        self.round_trip.map(u64::from)
    }

    /// The PUBLISH in this record was acknowledged right now.
    pub(super) fn measure(&mut self, at: At, entry: &Entry) {
        let repeated = self
            .arena
            .packet(at, entry)
            .first()
            .is_none_or(|first| first & 0b1000 != 0);
        if entry.state == State::Sent && !repeated {
            self.round_trip = Some(self.last_received.since_low(entry.sent_at));
        }
    }

    fn each_subscription(&self, mut look: impl FnMut(&Self, At, Entry)) {
        let mut at = self.arena.first();
        while let Some(entry) = self.arena.entry(at) {
            let kept = !matches!(entry.state, State::Done | State::Withdrawn);
            if entry.kind == Kind::Subscribe && kept {
                look(self, at, entry);
            }
            at = self.arena.after(at, &entry);
        }
    }
}
