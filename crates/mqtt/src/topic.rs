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

/// Whether `topic` is a topic name: not empty `[MQTT-4.7.3-1]`, without wildcards `[MQTT-3.3.2-2]`
/// (`B-43`) and without the null character `[MQTT-4.7.3-2]`.
#[must_use]
pub fn is_valid_name(topic: &str) -> bool {
    if cfg!(target_pointer_width = "64") && is_above_plus(topic.as_bytes()) {
        return !topic.is_empty();
    }
    let mut rest = topic.as_bytes();
    // By fours, because a step of a loop costs a small processor as much as looking at a byte.
    while let [a, b, c, d, after @ ..] = rest
        && *a > b'+'
        && *b > b'+'
        && *c > b'+'
        && *d > b'+'
    {
        rest = after;
    }
    let is_bad = |byte: &u8| matches!(byte, b'+' | b'#' | 0);
    !topic.is_empty() && !rest.iter().any(is_bad)
}

/// Whether every byte is above `+`, as in nearly every topic name; then none is a wildcard or null. Eight bytes at
/// once, for large processors.
fn is_above_plus(bytes: &[u8]) -> bool {
    const ONES: u64 = u64::MAX / 0xFF;
    const LOWEST: u64 = ONES.wrapping_mul(b'+' as u64 + 1);
    let (words, rest) = bytes.as_chunks::<8>();
    // The highest bit of a byte tells that it is below `LOWEST`, or that a byte under it borrowed from it.
    let below = words.iter().fold(0, |below, word| {
        let word = u64::from_le_bytes(*word);
        below | (word.wrapping_sub(LOWEST) & !word)
    });
    below & ONES.wrapping_shl(7) == 0 && rest.iter().all(|byte| *byte > b'+')
}

/// Whether `filter` is a topic filter: not empty, `#` only as the whole last level
/// `[MQTT-4.7.1-1]`, `+` only as a whole level `[MQTT-4.7.1-2]` (`B-33`), no null character; and if
/// it begins with `$share/`, one that [`shared`] can take apart.
#[must_use]
pub fn is_valid_filter(filter: &str) -> bool {
    // By bytes and not by `shared`, whose pieces of text cost a device twice as much flash.
    let mut plain = filter.as_bytes();
    if let Some(mut rest) = plain.strip_prefix(SHARE) {
        let group = rest;
        loop {
            match rest {
                [b'/', inside @ ..] if rest.len() < group.len() => {
                    plain = inside;
                    break;
                }
                [] | [b'/' | b'+' | b'#' | 0, ..] => return false,
                [_, after @ ..] => rest = after,
            }
        }
    }
    is_plain_filter(plain)
}

/// Whether a valid filter asks for a shared subscription.
pub(crate) fn is_shared(filter: &[u8]) -> bool {
    filter.starts_with(SHARE)
}

/// What a shared subscription begins with.
const SHARE: &[u8] = b"$share/";

fn is_plain_filter(filter: &[u8]) -> bool {
    // The byte before decides: a wildcard must have its level to itself, `#` the last one.
    let mut before = b'/';
    for &byte in filter {
        let fits = match before {
            b'#' => false,
            b'+' => byte == b'/',
            b'/' => true,
            _ => byte != b'+' && byte != b'#',
        };
        if !fits || byte == 0 {
            return false;
        }
        before = byte;
    }
    !filter.is_empty()
}

/// Whether the topic name `topic` is one of those that `filter` asks for.
///
/// A leading wildcard does not match topics that begin with `$` `[MQTT-4.7.2-1]` (`B-34`). Both
/// must be valid, and a shared subscription is matched by the filter inside it (see [`shared`]);
/// for anything else the answer means nothing.
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
    /// The ShareName. Members of one group share the messages; how long it may be is the caller's
    /// rule.
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
    // By bytes, because a search for a character costs a device several hundred bytes of flash.
    let end = rest.bytes().position(|byte| byte == b'/');
    let (group, inside) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
    let inside = inside.get(1..).unwrap_or_default();
    Some(if !is_valid_name(group) {
        Err(SharedFilterError::Group)
    } else if is_plain_filter(inside.as_bytes()) {
        Ok(SharedFilter {
            group,
            filter: inside,
        })
    } else {
        Err(SharedFilterError::Filter)
    })
}

#[cfg(test)]
mod tests {
    use std::string::String;

    use super::*;
    use proptest::prelude::*;

    use ParentMatch::{Excluded, Included};

    #[test]
    fn names_have_no_wildcards_b_43() {
        for name in [
            "a",
            "/",
            "a//b",
            " ",
            "$aws/things/x/shadow/get",
            "é/世界",
            "a/b/",
        ] {
            assert!(is_valid_name(name), "{name:?}");
        }
        for name in ["", "#", "+", "a/#", "a+", "+/a", "a\0b"] {
            assert!(!is_valid_name(name), "{name:?}");
        }
    }

    #[test]
    fn wildcards_in_filters_stand_alone_b_33() {
        // the examples of 4.7.1.2 and 4.7.1.3
        for filter in [
            "sport/tennis/player1/#",
            "sport/#",
            "#",
            "+",
            "+/tennis/#",
            "sport/+/player1",
            "/finance",
            "+/+",
            "/+",
            "a//b",
            "$SYS/#",
            "$share",
            "$shared/a",
            "$share/consumer1/sport/tennis/+",
            "$share/g/#",
            "$share/g//a",
        ] {
            assert!(is_valid_filter(filter), "{filter}");
        }
        for filter in [
            "",
            "sport/tennis#",
            "sport/tennis/#/ranking",
            "##",
            "sport+",
            "+a/b",
            "a/#/",
            "a\0",
            "$share/",
            "$share/g",
            "$share/g/",
            "$share//a",
            "$share/g+/a",
            "$share/#/a",
            "$share/g/a#",
        ] {
            assert!(!is_valid_filter(filter), "{filter:?}");
        }
    }

    /// Filter, topic, and whether it matches as the standard says and as AWS decides.
    const MATCHES: &[(&str, &str, bool, bool)] = &[
        // 4.7.1.2, and B-10 for the parent
        (
            "sport/tennis/player1/#",
            "sport/tennis/player1",
            true,
            false,
        ),
        (
            "sport/tennis/player1/#",
            "sport/tennis/player1/ranking",
            true,
            true,
        ),
        (
            "sport/tennis/player1/#",
            "sport/tennis/player1/score/wimbledon",
            true,
            true,
        ),
        ("sport/#", "sport", true, false),
        ("sport/#", "sport/", true, true),
        ("sensor/#", "sensors", false, false),
        ("+/#", "sensor", true, false),
        ("#", "sensor", true, true),
        ("#", "/", true, true),
        // 4.7.1.3
        ("sport/tennis/+", "sport/tennis/player1", true, true),
        (
            "sport/tennis/+",
            "sport/tennis/player1/ranking",
            false,
            false,
        ),
        ("sport/+", "sport", false, false),
        ("sport/+", "sport/", true, true),
        ("+/+", "/finance", true, true),
        ("/+", "/finance", true, true),
        ("+", "/finance", false, false),
        // [MQTT-4.7.2-1] B-34
        ("#", "$SYS/monitor", false, false),
        ("+/monitor/Clients", "$SYS/monitor/Clients", false, false),
        ("+", "$aws", false, false),
        ("$SYS/#", "$SYS/monitor", true, true),
        ("$SYS/monitor/+", "$SYS/monitor/Clients", true, true),
        ("a/+", "a/$b", true, true),
        // 4.7.3: case, spaces and empty levels matter
        ("ACCOUNTS", "Accounts", false, false),
        ("a", "a ", false, false),
        ("/a", "a", false, false),
        ("a", "a/", false, false),
        ("a/b", "a/b", true, true),
        ("a/b", "a/bc", false, false),
    ];

    #[test]
    fn filters_match_as_the_standard_and_as_aws_say_b_10_b_34() {
        for (filter, topic, standard, aws) in MATCHES {
            assert_eq!(
                matches(filter, topic, Included),
                *standard,
                "`{filter}` `{topic}` standard"
            );
            assert_eq!(
                matches(filter, topic, Excluded),
                *aws,
                "`{filter}` `{topic}` aws"
            );
        }
    }

    #[test]
    fn shared_subscriptions_are_taken_apart_b_67() {
        assert_eq!(
            shared("$share/g/a/+/#"),
            Some(Ok(SharedFilter {
                group: "g",
                filter: "a/+/#"
            }))
        );
        assert_eq!(
            shared("$share/g//"),
            Some(Ok(SharedFilter {
                group: "g",
                filter: "/"
            }))
        );
        assert_eq!(shared("$share"), None);
        assert_eq!(shared("a/$share/g/a"), None);
        assert_eq!(shared("$share/"), Some(Err(SharedFilterError::Group)));
        assert_eq!(shared("$share/g+/a"), Some(Err(SharedFilterError::Group)));
        assert_eq!(shared("$share/g"), Some(Err(SharedFilterError::Filter)));
        assert_eq!(shared("$share/g/"), Some(Err(SharedFilterError::Filter)));
        assert_eq!(shared("$share/g/a#"), Some(Err(SharedFilterError::Filter)));
    }

    /// The definition, as slow as it is plain.
    fn naive(filter: &[&str], topic: &[&str], first: bool, parent: ParentMatch) -> bool {
        let hidden = first && topic.first().is_some_and(|level| level.starts_with('$'));
        match (filter, topic) {
            ([], []) => true,
            (["#"], []) => !first && parent == Included,
            (["#"], _) => !hidden,
            (["+", filter @ ..], [_, topic @ ..]) => !hidden && naive(filter, topic, false, parent),
            ([asked, filter @ ..], [given, topic @ ..]) => {
                asked == given && naive(filter, topic, false, parent)
            }
            _ => false,
        }
    }

    /// Levels of few letters, so that they often match; `last` may close them.
    fn topics(level: &'static str, last: &'static str) -> impl Strategy<Value = String> {
        (prop::collection::vec(level, 0..5), last).prop_map(|(mut levels, last)| {
            levels.push(last);
            levels.join("/")
        })
    }

    fn config() -> ProptestConfig {
        ProptestConfig {
            cases: 4_000,
            failure_persistence: None,
            rng_seed: proptest::test_runner::RngSeed::Fixed(5),
            ..ProptestConfig::default()
        }
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn matching_agrees_with_its_naive_twin(
            filter in topics(r"\+|\$?[ab]{0,1}", r"#|\+|[ab]{1,2}"),
            topic in topics(r"\$?[ab]{0,1}", "[ab]{1,2}"),
        ) {
            prop_assert!(is_valid_filter(&filter) && is_valid_name(&topic));
            let asked: std::vec::Vec<_> = levels(&filter).collect();
            let given: std::vec::Vec<_> = levels(&topic).collect();
            for parent in [Included, Excluded] {
                prop_assert_eq!(matches(&filter, &topic, parent), naive(&asked, &given, true, parent));
            }
        }

        #[test]
        fn the_quick_look_agrees_with_the_careful_one(
            filter in r"(\$share/)?[a+#/\x00é]{0,6}(/[a+#]{0,3})?",
        ) {
            let careful = match shared(&filter) {
                Some(shared) => shared.is_ok(),
                None => is_plain_filter(filter.as_bytes()),
            };
            prop_assert_eq!(is_valid_filter(&filter), careful);
        }

        #[test]
        fn any_text_at_all_does_no_harm(filter in ".{0,20}", topic in ".{0,20}") {
            let _ = (shared(&filter), is_valid_filter(&filter), is_valid_name(&topic));
            let _ = matches(&filter, &topic, Included);
        }
    }
}
