//! Time and randomness for the device library.

use core::cell::Cell;

use embassy_time::{Instant, Timer};
use thingwire_device::{Millis, Platform};

/// Embassy's clock, and random numbers that spread reconnects.
#[derive(Debug)]
pub struct ChipPlatform {
    /// Never 0.
    state: Cell<u32>,
}

impl ChipPlatform {
    /// Starts the random numbers at `seed`, which must come from hardware, so that the devices of a fleet differ.
    #[must_use]
    pub const fn new(seed: u32) -> Self {
        Self {
            state: Cell::new(if seed == 0 { 1 } else { seed }),
        }
    }
}

impl Platform for ChipPlatform {
    fn now(&self) -> Millis {
        Millis(Instant::now().as_millis())
    }

    async fn sleep_until(&self, at: Millis) {
        Timer::at(Instant::from_millis(at.0)).await;
    }

    /// Marsaglia's xorshift: uniform, and not for keys, which TLS draws from the hardware itself.
    fn random_u32(&self) -> u32 {
        let mut state = self.state.get();
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        self.state.set(state);
        state
    }
}
