//! Topic names and topic filters: what is valid, and what matches (4.7, 4.8.2).
//!
//! Only the grammar is decided here. How long a topic may be and how many levels it may have are
//! limits of the service, and its callers check them (`B-32`, `B-41`). Nothing here can panic.

use core::fmt;
use core::str::Split;

/// Whether a filter that ends in `/#` matches the level above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParentMatch {
    /// `sensor/#` matches `sensor`, as the standard says (4.7.1.2).
    Included,
    /// `sensor/#` does not match `sensor`, as AWS IoT Core decides (`B-10`).
    Excluded,
}

/// The levels of a topic name or topic filter, in order; they may be empty. There is always one.
pub fn levels(topic: &str) -> Split<'_, char> {
    topic.split('/')
}

/// Whether `topic` is a topic name: not empty `[MQTT-4.7.3-1]`, without wildcards `[MQTT-3.3.2-2]` (`B-43`)
/// and without the null character `[MQTT-4.7.3-2]`.
#[must_use]
pub fn is_valid_name(topic: &str) -> bool {
    !topic.is_empty() && !topic.bytes().any(|byte| matches!(byte, b'+' | b'#' | 0))
}

/// Whether `filter` is a topic filter: not empty, `#` only as the whole last level `[MQTT-4.7.1-1]`, `+` only
/// as a whole level `[MQTT-4.7.1-2]` (`B-33`), no null character; and if it begins with `$share/`, one that
/// [`shared`] can take apart.
#[must_use]
pub fn is_valid_filter(filter: &str) -> bool {
    match shared(filter) {
        Some(shared) => shared.is_ok(),
        None => is_plain_filter(filter),
    }
}

fn is_plain_filter(filter: &str) -> bool {
    if filter.is_empty() || filter.contains('\0') {
        return false;
    }
    let mut levels = levels(filter).peekable();
    while let Some(level) = levels.next() {
        let is_last = levels.peek().is_none();
        match level {
            "#" if is_last => {}
            "+" => {}
            _ if level.contains(['#', '+']) => return false,
            _ => {}
        }
    }
    true
}

/// Whether the topic name `topic` is one of those that `filter` asks for.
///
/// A leading wildcard does not match topics that begin with `$` `[MQTT-4.7.2-1]` (`B-34`). Both must be valid,
/// and a shared subscription is matched by the filter inside it (see [`shared`]); for anything
/// else the answer means nothing.
#[must_use]
pub fn matches(filter: &str, topic: &str, parent: ParentMatch) -> bool {
    if topic.starts_with('$') && filter.starts_with(['#', '+']) {
        return false;
    }
    let mut asked = levels(filter);
    let mut given = levels(topic);
    loop {
        match (asked.next(), given.next()) {
            (Some("#"), Some(_)) => return true,
            (Some("#"), None) => return parent == ParentMatch::Included,
            (Some("+"), Some(_)) => {}
            (Some(filter_level), Some(level)) if filter_level == level => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

/// A shared subscription, `$share/<group>/<filter>` (4.8.2, `B-67`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SharedFilter<'a> {
    /// The ShareName. Members of one group share the messages; how long it may be is the caller's rule.
    pub group: &'a str,
    /// The topic filter that decides what matches.
    pub filter: &'a str,
}

/// Why a filter that begins with `$share/` is not a shared subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedFilterError {
    /// The ShareName is empty or has a wildcard or null character in it `[MQTT-4.8.2-1]`.
    Group,
    /// What follows the ShareName is missing or is not a topic filter `[MQTT-4.8.2-2]`.
    Filter,
}

impl fmt::Display for SharedFilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Group => "the share name is empty or has `+` or `#` in it",
            Self::Filter => "the share name must be followed by `/` and a topic filter",
        })
    }
}

impl core::error::Error for SharedFilterError {}

/// Takes a shared subscription apart; `None` when `filter` is not one.
///
/// # Errors
/// [`SharedFilterError`] when it begins with `$share/` but does not go on as it must.
#[must_use]
pub fn shared(filter: &str) -> Option<Result<SharedFilter<'_>, SharedFilterError>> {
    let rest = filter.strip_prefix("$share/")?;
    let (group, inside) = match rest.split_once('/') {
        Some((group, inside)) => (group, Some(inside)),
        None => (rest, None),
    };
    Some(match inside {
        _ if !is_valid_name(group) => Err(SharedFilterError::Group),
        Some(filter) if is_plain_filter(filter) => Ok(SharedFilter { group, filter }),
        _ => Err(SharedFilterError::Filter),
    })
}
