//! The engine against a naive twin: no index, no prefix, no compilation, straight from `C-10` and `C-26` to `C-32`.
//!
//! Random policies over small alphabets, so that patterns overlap, nest and repeat.

use proptest::prelude::*;
use thingwire_policy::{Action, Context, Document, Outcome, PolicySet, Request};

const PREFIX: &str = "arn:aws:iot:us-east-1:123456789012:";
const ACTIONS: [Action; 3] = [Action::Publish, Action::RetainPublish, Action::Receive];

#[derive(Clone, Debug)]
struct Statement {
    allow: bool,
    not_action: bool,
    actions: Vec<String>,
    not_resource: bool,
    resources: Vec<String>,
}

fn glob(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['*', rest @ ..] => (0..=text.len()).any(|skip| glob(rest, &text[skip..])),
        ['?', rest @ ..] => !text.is_empty() && glob(rest, &text[1..]),
        [c, rest @ ..] => text.first() == Some(c) && glob(rest, &text[1..]),
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    glob(
        &pattern.chars().collect::<Vec<_>>(),
        &text.chars().collect::<Vec<_>>(),
    )
}

/// The client id is put in as literal text (`C-47`); these ids have no wildcards in them.
fn applies(statement: &Statement, client_id: &str, action: Action, arn: &str) -> bool {
    let action = statement
        .actions
        .iter()
        .any(|pattern| matches(&pattern.to_lowercase(), &action.name().to_lowercase()));
    let resource = statement
        .resources
        .iter()
        .any(|pattern| matches(&pattern.replace("${iot:ClientId}", client_id), arn));
    action != statement.not_action && resource != statement.not_resource
}

fn twin(statements: &[Statement], client_id: &str, action: Action, arn: &str) -> Outcome {
    let any = |allow| {
        statements
            .iter()
            .any(|s| s.allow == allow && applies(s, client_id, action, arn))
    };
    if any(false) {
        Outcome::ExplicitDeny
    } else if any(true) {
        Outcome::Allowed
    } else {
        Outcome::ImplicitDeny
    }
}

fn json(statements: &[Statement]) -> String {
    let statements: Vec<_> = statements
        .iter()
        .map(|s| {
            serde_json::json!({
                "Effect": if s.allow { "Allow" } else { "Deny" },
                (if s.not_action { "NotAction" } else { "Action" }): s.actions,
                (if s.not_resource { "NotResource" } else { "Resource" }): s.resources,
            })
        })
        .collect();
    serde_json::json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

fn statement() -> impl Strategy<Value = Statement> {
    let action = prop_oneof![
        Just("iot:Publish"),
        Just("iot:Receive"),
        Just("iot:*Publish"),
        Just("IOT:re*"),
        Just("iot:*"),
        Just("*"),
        Just("iot:Re?????")
    ]
    .prop_map(str::to_owned);
    let resource = prop_oneof![
        6 => "topic/[ab*?]{0,5}".prop_map(|rest| format!("{PREFIX}{rest}")),
        1 => "topic/[ab]{0,2}\\$\\{iot:ClientId\\}[ab*]{0,2}".prop_map(|rest| format!("{PREFIX}{rest}")),
        1 => "[ab]{0,2}".prop_map(|rest| format!("arn:aws:iot:*:*:topic/{rest}")),
        1 => "[ab]{0,2}".prop_map(|rest| format!("arn:aws:iot:us-east-?:*12:topic/{rest}*")),
        1 => "[ab]{1,2}".prop_map(|rest| format!("arn:aws:iot:eu-west-1:123456789012:topic/{rest}")),
        1 => Just("*".to_owned()),
    ];
    (
        prop::bool::weighted(0.7),
        prop::bool::weighted(0.1),
        prop::collection::vec(action, 1..3),
        prop::bool::weighted(0.2),
        prop::collection::vec(resource, 1..4),
    )
        .prop_map(
            |(allow, not_action, actions, not_resource, resources)| Statement {
                allow,
                not_action,
                actions,
                not_resource,
                resources,
            },
        )
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
    #![proptest_config(same_every_time(3_000))]

    #[test]
    fn the_engine_agrees(
        statements in prop::collection::vec(statement(), 1..5),
        more in prop::collection::vec(statement(), 1..3),
        client_id in "[ab]{1,2}",
        topics in prop::collection::vec("[ab]{0,5}", 4),
    ) {
        let document = Document::parse(&json(&statements)).expect("valid");
        let second = Document::parse(&json(&more)).expect("valid");
        let mut context = Context::new("us-east-1", "123456789012");
        context.client_id = Some(client_id.clone());
        let policies = PolicySet::compile([("one", &document), ("two", &second)], &context);
        let all: Vec<_> = statements.iter().chain(&more).cloned().collect();
        for action in ACTIONS {
            for topic in &topics {
                let resource = format!("topic/{topic}");
                let own = format!("{PREFIX}{resource}");
                let expected = twin(&all, &client_id, action, &own);
                let request = Request::default();
                prop_assert_eq!(policies.decide(action, &resource, &request).outcome, expected, "{} {}", action, &own);
                prop_assert_eq!(policies.decide(action, &own, &request).outcome, expected, "{} {}", action, &own);
                let foreign = format!("arn:aws:iot:eu-west-1:123456789012:{resource}");
                let expected = twin(&all, &client_id, action, &foreign);
                prop_assert_eq!(policies.decide(action, &foreign, &request).outcome, expected, "{} {}", action, &foreign);
            }
        }
    }
}
