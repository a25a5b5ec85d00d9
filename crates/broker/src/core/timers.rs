//! What happens by itself, and when.
//!
//! A time-out is never moved: when one comes due, whoever handles it looks at the facts and sets another if it was too
//! early. Those of connections and sessions that are gone are swept out when they are the majority.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::slab::Key;
use crate::Millis;

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

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    pub(crate) fn sweep(&mut self, mut alive: impl FnMut(Timer) -> bool) {
        self.heap.retain(|Reverse((_, timer))| alive(*timer));
    }
}
