//! The broker's two clocks, as values.
//!
//! The core never reads a clock: every call brings a [`Now`]. Time-outs inside one run count on the monotonic
//! clock; what must survive a restart (session and message expiry) counts on the wall clock.

/// Milliseconds, since an arbitrary start (monotonic) or since 1970 (wall clock).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Millis {
    /// Later by so many seconds.
    #[must_use]
    pub const fn plus_seconds(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// Later by so many milliseconds.
    #[must_use]
    pub const fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to here; 0 when it is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The moment of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Never goes back; starts anywhere.
    pub monotonic: Millis,
    /// Since 1970-01-01T00:00:00Z.
    pub unix: Millis,
}
