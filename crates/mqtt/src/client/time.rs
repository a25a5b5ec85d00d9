//! Time as the session sees it: milliseconds since some moment that the driver chose.

/// A moment, in milliseconds since an arbitrary start. It must never run backwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Millis {
    /// The moment `milliseconds` later; the end of time if that is too far.
    #[must_use]
    pub const fn after(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// Milliseconds since `earlier`; 0 if `earlier` lies in the future.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The low half, as the arena keeps it.
    pub(super) const fn low(self) -> u32 {
        self.0 as u32
    }

    /// Milliseconds since the moment with this low half; right for 49 days.
    pub(super) const fn since_low(self, earlier: u32) -> u32 {
        self.low().wrapping_sub(earlier)
    }
}
