//! What happens by itself, and when.
//!
//! A time-out is never moved: when one comes due, whoever handles it looks at the facts and sets another if it was too
//! early. Those that nobody needs any more are swept out when they may be the majority: also while none comes due, because a flood
//! of connections can leave millions within the first one's keep-alive.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::slab::Key;
use crate::Millis;

/// Timers that are kept, needed or not.
const SWEEP_FROM: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A connection may have been silent for too long (`B-15`).
    KeepAlive(Key),
    /// A session without connection may have expired (`B-24`).
    SessionExpiry(Key),
    /// A Will may have waited long enough (`B-60`).
    WillDelay(Key),
    /// Changes that nobody waits for are to be stored.
    Store,
    /// A connection has rested because it had too many bytes (`B-46`).
    Throttle(Key),
    /// A connection may be sent more of what waits (`B-28`, `B-45`, `B-69`).
    Pump(Key),
    /// Something in flight may have to be given up (`B-49`).
    Retry,
}

#[derive(Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Millis, Timer)>>,
    /// How many there were twice over when they were last swept.
    sweep_at: usize,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Millis, timer: Timer) {
        self.heap.push(Reverse((at, timer)));
    }

    pub(crate) fn next(&self) -> Option<Millis> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    pub(crate) fn due(&mut self, now: Millis) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, timer))| timer)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether most may be of what is gone, when there are so many connections and sessions.
    pub(crate) fn wants_sweep(&self, living: usize) -> bool {
        let len = self.heap.len();
        len >= self.sweep_at && len > living.saturating_mul(2).saturating_add(SWEEP_FROM)
    }

    pub(crate) fn sweep(&mut self, mut needed: impl FnMut(Millis, Timer) -> bool) {
        self.heap.retain(|Reverse((at, timer))| needed(*at, *timer));
        self.sweep_at = self.heap.len().saturating_mul(2);
    }
}
