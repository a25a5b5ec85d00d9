//! Wildcard patterns: `*` is any run of characters, `?` is exactly one, `/` is a character like any other (`C-26`).
//!
//! A compiled pattern is a string of bytes in which two values that never occur in UTF-8 stand for the
//! wildcards; so a substituted `*` can be literal text (`C-47`). Matching is iterative with one point to
//! return to: at most (bytes of the pattern) × (bytes of the text) comparisons, never exponential.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// Stands for `*`.
pub(crate) const ANY: u8 = 0xff;
/// Stands for `?`.
pub(crate) const ONE: u8 = 0xfe;

/// The pattern of a text in which `*` and `?` are wildcards.
pub(crate) fn from_wildcards(text: &str) -> Box<[u8]> {
    let mut pattern = Vec::with_capacity(text.len());
    push_wildcards(&mut pattern, text);
    pattern.into_boxed_slice()
}

/// Adds a text in which `*` and `?` are wildcards.
pub(crate) fn push_wildcards(pattern: &mut Vec<u8>, text: &str) {
    pattern.extend(text.bytes().map(|byte| match byte {
        b'*' => ANY,
        b'?' => ONE,
        byte => byte,
    }));
}

/// The pattern as people write it. Not to be compiled again: literal and wildcard look the same here.
pub(crate) fn display(pattern: &[u8]) -> String {
    let bytes = pattern.iter().map(|byte| match *byte {
        ANY => b'*',
        ONE => b'?',
        byte => byte,
    });
    String::from_utf8(bytes.collect()).unwrap_or_default()
}

/// The bytes before the first wildcard.
pub(crate) fn literal_prefix(pattern: &[u8]) -> &[u8] {
    pattern
        .split(|byte| matches!(*byte, ANY | ONE))
        .next()
        .unwrap_or_default()
}

/// Whether the whole text matches the whole pattern.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    matches_counting(pattern, text, || {})
}

/// [`matches`], telling of each comparison of a character.
fn matches_counting(pattern: &[u8], text: &[u8], mut compared: impl FnMut()) -> bool {
    let (mut p, mut t) = (pattern, text);
    // After the last `*` seen: the pattern behind it, and the text from which it is to be tried next.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        match p.split_first() {
            Some((&ANY, [])) => return true,
            Some((&ANY, rest)) => {
                retry = Some((rest, t));
            }
            None if t.is_empty() => return true,
            Some((&wanted, rest)) if !t.is_empty() => {
                compared();
                if let Some(after) = step(wanted, t) {
                    p = rest;
                    t = after;
                    continue;
                }
            }
            // Pattern left but no text: a later start leaves even less text.
            Some(_) => return false,
            None => {}
        }
        let Some((behind, from)) = retry else {
            return false;
        };
        match behind.split_first() {
            // It begins with a character that must be there: go to where it is.
            Some((&wanted, rest)) if wanted < ONE => {
                let mut later = from.iter();
                let found = later.any(|byte| {
                    compared();
                    *byte == wanted
                });
                if !found {
                    return false;
                }
                t = later.as_slice();
                retry = Some((behind, t));
                p = rest;
            }
            _ => {
                retry = from.split_first().map(|(_, later)| (behind, later));
                p = behind;
                t = from;
            }
        }
    }
}

/// The text behind one character, if the character is the wanted one.
fn step(wanted: u8, text: &[u8]) -> Option<&[u8]> {
    let (&byte, mut rest) = text.split_first()?;
    if wanted == ONE {
        // One character, not one byte. (A retry may stand inside a character; that does no harm: the `*`
        // might as well have ended before the character, with the same text left.)
        while let Some((&next, behind)) = rest.split_first() {
            if !is_continuation(next) {
                break;
            }
            rest = behind;
        }
        return Some(rest);
    }
    (byte == wanted).then_some(rest)
}

const fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// What remains of a pattern after a known beginning of the text: offsets such that
/// `prefix + rest` matches the pattern exactly if `rest` matches the pattern from one of them on.
///
/// So the fixed part of an ARN is matched once, at compile time.
pub(crate) fn after(pattern: &[u8], prefix: &str) -> Vec<usize> {
    let mut states = Vec::from([0_usize]);
    for character in prefix.chars() {
        let mut buffer = [0_u8; 4];
        let encoded = character.encode_utf8(&mut buffer).as_bytes();
        let mut next = Vec::new();
        for state in states {
            // A `*` may stand for nothing: go on with what is behind it, too.
            let mut at = state;
            while pattern.get(at) == Some(&ANY) {
                next.push(at);
                at = at.saturating_add(1);
            }
            match pattern.get(at) {
                Some(&ONE) => next.push(at.saturating_add(1)),
                Some(_)
                    if pattern
                        .get(at..)
                        .is_some_and(|rest| rest.starts_with(encoded)) =>
                {
                    next.push(at.saturating_add(encoded.len()));
                }
                _ => {}
            }
        }
        next.sort_unstable();
        next.dedup();
        // Whatever an earlier state can still match, the last `*` reached can match as well.
        if let Some(last) = next
            .iter()
            .rposition(|state| pattern.get(*state) == Some(&ANY))
        {
            next.drain(..last);
        }
        states = next;
    }
    states
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::ToString as _;

    use proptest::prelude::*;

    use super::*;

    /// Straight from the definition, without any cleverness.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['*', rest @ ..] => (0..=text.len()).any(|skip| naive(rest, &text[skip..])),
            ['?', rest @ ..] => !text.is_empty() && naive(rest, &text[1..]),
            [c, rest @ ..] => text.first() == Some(c) && naive(rest, &text[1..]),
        }
    }

    fn naive_str(pattern: &str, text: &str) -> bool {
        naive(
            &pattern.chars().collect::<Vec<_>>(),
            &text.chars().collect::<Vec<_>>(),
        )
    }

    fn ours(pattern: &str, text: &str) -> bool {
        matches(&from_wildcards(pattern), text.as_bytes())
    }

    #[test]
    fn the_wildcard_table() {
        // C-26, C-27, C-31
        assert!(ours("*", ""));
        assert!(ours("*", "topic/a/b"));
        assert!(ours("topic/topic_prefix*", "topic/topic_prefix/a/b"));
        assert!(ours("some/?????/topic", "some/abcde/topic"));
        assert!(!ours("some/?????/topic", "some/abcd/topic"));
        assert!(ours("a?b", "a/b"));
        assert!(ours("a?b", "aüb"), "one character, not one byte");
        assert!(!ours("a??b", "aüb"));
        assert!(ours("a/+/b", "a/+/b"));
        assert!(!ours("a/+/b", "a/x/b"), "`+` is an ordinary character");
        assert!(!ours("a/#", "a/x"), "`#` is an ordinary character");
        assert!(!ours("Topic", "topic"), "case matters (C-29)");
        assert!(!ours("", "x"));
        assert!(ours("", ""));
    }

    #[test]
    fn the_literal_text_ends_at_the_first_wildcard() {
        for (pattern, literal) in [
            ("topic/a/*/b*", "topic/a/"),
            ("a?*", "a"),
            ("*a", ""),
            ("a", "a"),
            ("", ""),
        ] {
            assert_eq!(
                literal_prefix(&from_wildcards(pattern)),
                literal.as_bytes(),
                "{pattern}"
            );
        }
    }

    /// Patterns that make backtracking matchers slow, in every size up to what a policy can hold.
    fn adversaries() -> impl Iterator<Item = String> {
        let sizes = [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233];
        sizes.into_iter().flat_map(|size| {
            [
                format!("{}b", "a*".repeat(size)),
                format!("*{}b", "a".repeat(size)),
                format!("{}b", "?*".repeat(size)),
                format!("*{}", "a*?".repeat(size)),
                format!("{}b*", "*a?a".repeat(size)),
                format!("*{}b*", "ab".repeat(size)),
                format!("*{}*{}c", "a".repeat(size), "a".repeat(size)),
                format!("{}*b", "?".repeat(size)),
                format!("*{}", "?".repeat(size)),
                format!("*{}ü", "ü".repeat(size)),
                format!("*{}*", "üa*".repeat(size)),
            ]
        })
    }

    #[test]
    fn comparisons_stay_under_pattern_times_text() {
        // The longest topics there are, in one and in several bytes.
        let texts = [
            "a".repeat(256),
            format!("{}b", "a".repeat(255)),
            "ab".repeat(128),
            "aab".repeat(85),
            "ü".repeat(128),
            "üa".repeat(85),
            String::new(),
        ];
        let mut largest_share = 0.0_f64;
        for pattern in adversaries() {
            let compiled = from_wildcards(&pattern);
            for text in &texts {
                let mut comparisons = 0_usize;
                let found = matches_counting(&compiled, text.as_bytes(), || comparisons += 1);
                let bound = pattern.len() * text.len();
                assert!(comparisons <= bound, "{pattern} {text}: {comparisons}");
                assert_eq!(found, ours(&pattern, text));
                if bound > 0 {
                    largest_share = largest_share.max(comparisons as f64 / bound as f64);
                }
            }
        }
        // Otherwise nothing here is an adversary.
        assert!(largest_share > 0.2, "{largest_share}");
    }

    #[test]
    fn the_fixed_part_of_an_arn_is_taken_off() {
        const OWN: &str = "arn:aws:iot:us-east-1:123456789012:";
        let rests = |pattern: &str| {
            let compiled = from_wildcards(pattern);
            after(&compiled, OWN)
                .into_iter()
                .map(|at| display(&compiled[at..]))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            rests("arn:aws:iot:us-east-1:123456789012:topic/a*"),
            ["topic/a*"]
        );
        assert_eq!(rests("*"), ["*"]);
        assert_eq!(rests("arn:aws:iot:*:*:topic/a"), ["*:topic/a", "topic/a"]);
        assert_eq!(
            rests("arn:aws:iot:us-east-?:123456789012:client/x"),
            ["client/x"]
        );
        assert!(
            rests("arn:aws:iot:REGION:ACCOUNT_ID:topic/a").is_empty(),
            "C-50"
        );
        assert!(rests("arn:aws:iot:eu-west-1:123456789012:*").is_empty());
        assert!(rests("arn:aws").is_empty());
    }

    /// The same random cases in every run.
    fn same_every_time(cases: u32) -> ProptestConfig {
        let rng_seed = proptest::test_runner::RngSeed::Fixed(20_261_124);
        ProptestConfig {
            cases,
            rng_seed,
            failure_persistence: None,
            ..ProptestConfig::default()
        }
    }

    proptest! {
        #![proptest_config(same_every_time(5_000))]

        #[test]
        fn agrees_with_the_naive_twin(pattern in "[ab?*ü]{0,8}", text in "[abü]{0,10}") {
            prop_assert_eq!(ours(&pattern, &text), naive_str(&pattern, &text));
        }

        #[test]
        fn taking_off_a_prefix_changes_nothing(pattern in "[ab:?*ü]{0,9}", prefix in "[ab:ü]{0,5}", rest in "[ab:ü]{0,5}") {
            let compiled = from_wildcards(&pattern);
            let whole = naive_str(&pattern, &format!("{prefix}{rest}"));
            let parts = after(&compiled, &prefix).iter().any(|at| matches(&compiled[*at..], rest.as_bytes()));
            prop_assert_eq!(parts, whole);
        }

        #[test]
        fn comparisons_are_bounded(pattern in "[ab?*]{0,24}", text in "[ab]{0,64}") {
            let mut comparisons = 0_usize;
            matches_counting(&from_wildcards(&pattern), text.as_bytes(), || comparisons += 1);
            prop_assert!(comparisons <= pattern.len() * text.len(), "{} comparisons", comparisons.to_string());
        }
    }
}
