//! How often what is full is searched for expired messages: once a second at most, because a search looks at all that waits, and
//! what is full would be searched with every publish otherwise.

use crate::Millis;

/// Milliseconds from one search to the next.
const AGAIN: u64 = 1000;

/// When the last search of one queue, group or table was, if there was one (monotonic clock).
#[derive(Debug, Default)]
pub(crate) struct Search(Option<Millis>);

impl Search {
    /// Whether to search now; then this counts as the last one.
    pub(crate) fn is_due(&mut self, monotonic: Millis) -> bool {
        if self.0.is_some_and(|last| monotonic.since(last) < AGAIN) {
            return false;
        }
        self.0 = Some(monotonic);
        true
    }
}
