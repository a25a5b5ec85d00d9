//! The engine and a naive twin give the same answers to a million questions.
//!
//! `rules.rs`, `pattern.rs`, `situation.rs` and `condition.rs` are the twin, written from section C of
//! aws-iot-core.md by someone who had not read the engine; `generate.rs` thinks of policies, connections and
//! questions. Everything comes from the number of the set: a failure prints the whole case, and comes again.

mod condition;
mod generate;
mod pattern;
mod random;
mod rules;
mod shrink;
mod situation;
mod vectors;

use serde_json::Value;
use thingwire_policy::{Document, Outcome, PolicySet, Settings};

use random::Random;
use situation::{Asked, Situation};

/// Sets of policies in one test; there are four tests, so that they share the cores.
const POLICIES: u64 = 31_250;
/// Connections for each set of policies, and questions for each connection.
const SITUATIONS: usize = 2;
const QUESTIONS: usize = 4;

#[test]
fn agree_in_the_first_quarter_of_a_million() {
    agree(0);
}

#[test]
fn agree_in_the_second_quarter_of_a_million() {
    agree(1);
}

#[test]
fn agree_in_the_third_quarter_of_a_million() {
    agree(2);
}

#[test]
fn agree_in_the_fourth_quarter_of_a_million() {
    agree(3);
}

/// Asks both, and counts what they say: a generator whose answers are all alike would prove nothing.
fn agree(quarter: u64) {
    let mut counts = [0_u64; 3];
    for number in quarter * POLICIES..(quarter + 1) * POLICIES {
        let mut random = Random::new(number);
        let settings = generate::settings(&mut random);
        let policies = generate::policies(&mut random);
        let documents = parse(&policies, &settings);
        for _ in 0..SITUATIONS {
            let situation = generate::situation(&mut random);
            let named = documents.iter().map(|document| ("policy", document));
            let set = PolicySet::compile_with(named, &situation.context(), &settings);
            for question in 0..QUESTIONS {
                let asked = generate::asked(&mut random, &policies, &situation, &settings);
                let twin = rules::decide(&policies, &situation, &settings, &asked);
                let decision = set.decide(asked.action, &asked.resource, &asked.request());
                if decision.outcome != twin {
                    report(number, &policies, &situation, &settings, &asked);
                }
                if question == 0 {
                    assert_reasons(&set, &asked, twin);
                }
                match twin {
                    Outcome::Allowed => counts[0] += 1,
                    Outcome::ImplicitDeny => counts[1] += 1,
                    Outcome::ExplicitDeny => counts[2] += 1,
                }
            }
        }
    }
    let total: u64 = counts.iter().sum();
    assert_eq!(total, POLICIES * SITUATIONS as u64 * QUESTIONS as u64);
    let [allowed, implicit, explicit] = counts.map(|count| count as f64 * 100.0 / total as f64);
    println!(
        "{total} cases: allowed {allowed:.1} %, implicit deny {implicit:.1} %, explicit deny {explicit:.1} %"
    );
    assert!(allowed >= 10.0 && implicit >= 10.0 && explicit >= 10.0);
}

/// The long answer names the statements that the short one rests on.
fn assert_reasons(set: &PolicySet, asked: &Asked, outcome: Outcome) {
    let why = set.explain(asked.action, &asked.resource, &asked.request());
    let denied = !why.denied_by.is_empty();
    let allowed = !why.allowed_by.is_empty();
    let expected = match (denied, allowed) {
        (true, _) => Outcome::ExplicitDeny,
        (false, true) => Outcome::Allowed,
        (false, false) => Outcome::ImplicitDeny,
    };
    assert_eq!((why.outcome, expected), (outcome, outcome), "{asked:?}");
}

fn parse(policies: &[Value], settings: &Settings) -> Vec<Document> {
    policies
        .iter()
        .map(|policy| {
            Document::parse_with(&policy.to_string(), settings)
                .unwrap_or_else(|error| panic!("{error}\n{policy:#}"))
        })
        .collect()
}

/// Fails with the smallest form of the case.
fn report(
    number: u64,
    policies: &[Value],
    situation: &Situation,
    settings: &Settings,
    asked: &Asked,
) -> ! {
    let both = |policies: &[Value]| {
        let documents = parse(policies, settings);
        let named = documents.iter().map(|document| ("policy", document));
        let set = PolicySet::compile_with(named, &situation.context(), settings);
        let engine = set
            .decide(asked.action, &asked.resource, &asked.request())
            .outcome;
        (engine, rules::decide(policies, situation, settings, asked))
    };
    let smallest = shrink::shrink(policies, |policies| {
        let (engine, twin) = both(policies);
        engine != twin
    });
    let (engine, twin) = both(&smallest);
    panic!(
        "set {number}: the engine says {engine:?}, the twin {twin:?}\n{}\n{asked:?}\n{situation:?}\n{settings:?}",
        Value::from(smallest),
    );
}
