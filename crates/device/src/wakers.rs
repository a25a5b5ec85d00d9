//! Who wants to be woken when the session changes.

use core::task::Waker;

/// Tasks that may wait at the same time without disturbing each other. More are correct, too: the one
/// that waited longest is woken, looks, and waits again.
const WAITING_TASKS: usize = 4;

/// The waiting tasks.
#[derive(Default)]
pub(crate) struct Wakers(heapless::Vec<Waker, WAITING_TASKS>);

impl Wakers {
    pub(crate) fn register(&mut self, waker: &Waker) {
        if self.0.iter().any(|known| known.will_wake(waker)) {
            return;
        }
        if self.0.is_full() {
            self.0.remove(0).wake();
        }
        // Cannot fail: there is room now.
        let _ = self.0.push(waker.clone());
    }

    pub(crate) fn wake_all(&mut self) {
        while let Some(waker) = self.0.pop() {
            waker.wake();
        }
    }
}
