//! Time and randomness, as the board or the computer has them.

use crate::Millis;

/// What the library needs of the machine it runs on.
///
/// It takes the place of a global timer driver: a test hands in a clock of its own, and two clients in
/// one program need not share one.
#[allow(
    async_fn_in_trait,
    reason = "one executor polls everything; nothing needs `Send`"
)]
pub trait Platform {
    /// Milliseconds since an arbitrary start. Never runs backwards, also not when the wall clock is set.
    fn now(&self) -> Millis;

    /// Waits until [`now`](Self::now) is `at` or later; returns at once if it already is.
    ///
    /// Dropping the future must have no effect.
    async fn sleep_until(&self, at: Millis);

    /// A random number, uniform over all 32 bits. It spreads reconnects of a fleet, so it must differ
    /// between devices; it is not used for keys.
    fn random_u32(&self) -> u32;
}
