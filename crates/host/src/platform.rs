//! Time and randomness of the operating system.

use std::time::Duration;

use thingwire_device::{Millis, Platform};
use tokio::time::Instant;

/// Tokio's clock and the system's random numbers.
///
/// With `tokio::time::pause` the clock is a test's own.
#[derive(Clone, Copy, Debug)]
pub struct HostPlatform {
    start: Instant,
}

impl HostPlatform {
    /// A clock that starts now. Create it inside a tokio runtime.
    #[must_use]
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Default for HostPlatform {
    fn default() -> Self {
        Self::new()
    }
}

impl Platform for HostPlatform {
    fn now(&self) -> Millis {
        Millis(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    async fn sleep_until(&self, at: Millis) {
        match self.start.checked_add(Duration::from_millis(at.0)) {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    fn random_u32(&self) -> u32 {
        // Without randomness the clock's low bits still keep two devices apart.
        getrandom::u32().unwrap_or_else(|_| self.start.elapsed().subsec_nanos().rotate_left(16))
    }
}
