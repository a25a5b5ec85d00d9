//! Any pattern against any text: the engine and the definition of a wildcard pattern must agree (`C-26`).
//!
//! The input is `pattern NUL text`. The definition is followed with a set of places, so that no pattern is slow.

#![no_main]

use libfuzzer_sys::fuzz_target;
use thingwire_policy::{Action, Context, Document, Outcome, PolicySet, Request};

const PREFIX: &str = "arn:aws:iot:us-east-1:123456789012:";

fuzz_target!(|input: &str| {
    let Some((pattern, text)) = input.split_once('\0') else {
        return;
    };
    // A variable is another subject; the others are for JSON.
    if pattern.contains("${")
        || pattern.contains(['"', '\\'])
        || pattern.chars().any(char::is_control)
    {
        return;
    }
    let json = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"iot:Publish","Resource":"{PREFIX}{pattern}"}}}}"#
    );
    let Ok(document) = Document::parse(&json) else {
        return;
    };
    let context = Context::new("us-east-1", "123456789012");
    let policies = PolicySet::compile([("p", &document)], &context);
    let request = Request::default();
    let whole = format!("{PREFIX}{text}");
    let expected = defined(&format!("{PREFIX}{pattern}"), &whole);
    for resource in [text, &whole] {
        // A text that begins like an ARN is one.
        if resource == text && text.starts_with("arn:") {
            continue;
        }
        let outcome = policies.decide(Action::Publish, resource, &request).outcome;
        assert_eq!(
            outcome == Outcome::Allowed,
            expected,
            "{pattern:?} {resource:?}"
        );
    }
});

fn defined(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let mut places = vec![false; pattern.len() + 1];
    places[0] = true;
    skip_runs(&pattern, &mut places);
    for character in text.chars() {
        let mut next = vec![false; pattern.len() + 1];
        for (place, wanted) in pattern
            .iter()
            .enumerate()
            .filter(|(place, _)| places[*place])
        {
            match wanted {
                '*' => next[place] = true,
                '?' => next[place + 1] = true,
                wanted if *wanted == character => next[place + 1] = true,
                _ => {}
            }
        }
        skip_runs(&pattern, &mut next);
        places = next;
    }
    places[pattern.len()]
}

fn skip_runs(pattern: &[char], places: &mut [bool]) {
    for (place, wanted) in pattern.iter().enumerate() {
        if places[place] && *wanted == '*' {
            places[place + 1] = true;
        }
    }
}
