//! When what was sent and is not acknowledged is given up (`B-49`).
//!
//! The time is that of a message: it begins when it is first sent, and goes on over later connections and while its client is away. One
//! timer is set for all of them.

use std::collections::VecDeque;

use thingwire_mqtt::Version;

use super::SWEEP_FROM;
use crate::core::Core;
use crate::core::durable::Change;
use crate::core::slab::Key;
use crate::core::timers::Timer;
use crate::{Millis, Now};

/// What is watched.
pub(super) struct Retries {
    /// MQTT 3.1.1's, MQTT 5's, each in the order of time.
    lists: [VecDeque<(Millis, Key, u64)>; 2],
    /// When the first of them is looked at; older timers may be there besides.
    at: Option<Millis>,
    /// How many there may be before those that were acknowledged are thrown away.
    sweep_at: usize,
}

impl Retries {
    pub(super) const fn new() -> Self {
        Self {
            lists: [VecDeque::new(), VecDeque::new()],
            at: None,
            sweep_at: SWEEP_FROM,
        }
    }

    /// A QoS 1 message was sent, and is given up at `at`. Answers when to look whether it was acknowledged, if nobody looks before.
    fn sent(
        &mut self,
        at: Millis,
        version: Version,
        session: Key,
        sequence: u64,
    ) -> Option<Millis> {
        let [three, five] = &mut self.lists;
        let list = match version {
            Version::V311 => three,
            Version::V5 => five,
        };
        list.push_back((at, session, sequence));
        self.arm(at).then_some(at)
    }

    /// Whether a timer has to be set for what is in flight: only when it is sooner than the one there is.
    fn arm(&mut self, at: Millis) -> bool {
        let sooner = self.at.is_none_or(|set| at < set);
        if sooner {
            self.at = Some(at);
        }
        sooner
    }

    /// Throws away what is not in flight any more, once there may be much of it.
    fn sweep(&mut self, in_flight: impl Fn(Key, u64) -> bool) {
        if self.watched() < self.sweep_at {
            return;
        }
        for list in &mut self.lists {
            list.retain(|(_, session, sequence)| in_flight(*session, *sequence));
            if list.len() < list.capacity() / 4 {
                list.shrink_to_fit();
            }
        }
        self.sweep_at = self.watched().saturating_mul(2).max(SWEEP_FROM);
    }

    /// Messages in flight that are watched.
    pub(super) fn watched(&self) -> usize {
        self.lists.iter().map(VecDeque::len).sum()
    }

    /// What is due to be given up, and when to look again.
    fn given_up(&mut self, now: Millis) -> (Vec<(Key, u64)>, Option<Millis>) {
        let mut due = Vec::new();
        if self.at.take_if(|at| *at <= now).is_none() {
            return (due, None);
        }
        for list in &mut self.lists {
            while let Some((_, session, sequence)) = list.pop_front_if(|(at, ..)| *at <= now) {
                due.push((session, sequence));
            }
        }
        let fronts = self.lists.iter().filter_map(VecDeque::front);
        let next = fronts.map(|(at, ..)| *at).min();
        (due, next.filter(|at| self.arm(*at)))
    }
}

impl Core {
    /// `B-49`: a QoS 1 message left for the first time. Its time goes on while its client is away, and over later connections.
    pub(in crate::core) fn note_sent(&mut self, now: Now, version: Version, session: Key) {
        let Some(meter) = &mut self.meter else { return };
        let sessions = &self.sessions;
        meter.retries.sweep(|key, sequence| {
            sessions
                .get(key)
                .is_some_and(|session| session.owes(sequence))
        });
        let sequence = self
            .sessions
            .get(session)
            .and_then(|session| session.in_flight.back())
            .map(|sent| sent.sequence);
        let seconds = match version {
            Version::V311 => meter.quotas.retry_seconds_v3,
            Version::V5 => meter.quotas.retry_seconds_v5,
        };
        let at = now.monotonic.plus_seconds(seconds.into());
        if let Some(sequence) = sequence
            && let Some(at) = meter.retries.sent(at, version, session, sequence)
        {
            self.timers.set(at, Timer::Retry);
        }
    }

    /// `B-49`: gives up what was not acknowledged for too long.
    pub(in crate::core) fn handle_retry_timer(&mut self, now: Now) {
        let Some(meter) = &mut self.meter else { return };
        let (due, again) = meter.retries.given_up(now.monotonic);
        if let Some(at) = again {
            self.timers.set(at, Timer::Retry);
        }
        for (key, sequence) in due {
            let Some(session) = self.sessions.get_mut(key) else {
                continue;
            };
            let Some(share) = session.give_up(sequence) else {
                continue;
            };
            self.statistics.dropped = self.statistics.dropped.saturating_add(1);
            tracing::warn!(
                client_id = &*session.client_id,
                "B-49: a message was not acknowledged in time and is dropped"
            );
            if session.is_persistent() && share.is_none() {
                self.journal.push(Change::Queued {
                    session: key,
                    number: session.number,
                    sequence,
                    new: false,
                });
            }
            if let Some(share) = share {
                self.share_acknowledged(*share);
            }
            self.pump(now, key);
        }
    }
}
