//! Simulated time: it stands still while anybody can go on, and then jumps to the next thing that happens.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use thingwire_device::{Millis, Platform};

use crate::Random;

/// The clock of one world, and the device's randomness. Clones are the same clock.
#[derive(Clone)]
pub struct Clock(Rc<Inner>);

struct Inner {
    now: Cell<u64>,
    timers: RefCell<BTreeMap<(u64, u64), Waker>>,
    next_timer: Cell<u64>,
    random: RefCell<Random>,
}

impl Clock {
    /// A clock at 0; `seed` decides the device's randomness.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Rc::new(Inner {
            now: Cell::new(0),
            timers: RefCell::default(),
            next_timer: Cell::new(0),
            random: RefCell::new(Random::seeded(seed)),
        }))
    }

    /// Milliseconds since the world began.
    #[must_use]
    pub fn millis(&self) -> u64 {
        self.0.now.get()
    }

    /// When the next timer rings.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        self.0
            .timers
            .borrow()
            .first_key_value()
            .map(|((at, _), _)| *at)
    }

    /// Moves to `at` and wakes whoever waited for that.
    pub fn advance(&self, at: u64) {
        self.0.now.set(at.max(self.0.now.get()));
        loop {
            let mut timers = self.0.timers.borrow_mut();
            let Some(first) = timers.first_entry().filter(|first| first.key().0 <= at) else {
                return;
            };
            let waker = first.remove();
            drop(timers);
            waker.wake();
        }
    }

    /// Waits for so many milliseconds.
    pub fn sleep(&self, milliseconds: u64) -> Sleep<'_> {
        Sleep {
            clock: self,
            at: self.millis().saturating_add(milliseconds),
            timer: None,
        }
    }
}

/// Waits for a moment. When it is dropped nothing of it stays behind.
pub struct Sleep<'c> {
    clock: &'c Clock,
    at: u64,
    timer: Option<u64>,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let inner = &self.clock.0;
        if inner.now.get() >= self.at {
            return Poll::Ready(());
        }
        let number = self.timer.unwrap_or_else(|| {
            inner.next_timer.set(inner.next_timer.get() + 1);
            inner.next_timer.get()
        });
        inner
            .timers
            .borrow_mut()
            .insert((self.at, number), context.waker().clone());
        self.timer = Some(number);
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.timer {
            self.clock.0.timers.borrow_mut().remove(&(self.at, number));
        }
    }
}

impl Platform for Clock {
    fn now(&self) -> Millis {
        Millis(self.millis())
    }

    async fn sleep_until(&self, at: Millis) {
        Sleep {
            clock: self,
            at: at.0,
            timer: None,
        }
        .await;
    }

    fn random_u32(&self) -> u32 {
        (self.0.random.borrow_mut().u64() >> 32) as u32
    }
}
