//! Changes that people make to policies, and what they do.

use alloc::borrow::ToOwned as _;
use alloc::string::ToString as _;
use alloc::vec;
use core::slice;

use thingwire_policy::{Context, Thing};

use super::*;

const ARN: &str = "arn:aws:iot:us-east-1:123456789012:";

fn policy(statements: &str) -> Policy {
    let text =
        format!("{{\"Version\": \"2012-10-17\", \"Statement\": [{statements}]}}").replace('@', ARN);
    Policy::parse("p", &text).expect("valid")
}

fn statement(effect: &str, action: &str, resource: &str) -> String {
    format!(r#"{{"Effect": "{effect}", "Action": "iot:{action}", "Resource": "{resource}"}}"#)
}

fn device() -> Context {
    let mut context = Context::new("us-east-1", "123456789012");
    context.client_id = Some("thing1".into());
    context.things.push(Thing::attached("thing1"));
    context
}

fn compare(old: &str, new: &str) -> Diff {
    let (old, new) = (policy(old), policy(new));
    let views = views(&device(), [&old, &new]);
    diff(&[old], &[new], &views)
}

fn changes(old: &str, new: &str) -> Vec<(Became, &'static str, String)> {
    let found = compare(old, new);
    assert!(
        found.complete && found.not_compared.is_empty(),
        "{found:#?}"
    );
    found
        .changes
        .into_iter()
        .map(|change| (change.became, change.action, change.example))
        .collect()
}

#[test]
fn the_same_policy_in_other_words_is_no_change() {
    let one = statement("Allow", "Publish", "@topic/a/*");
    let other = r#"{"Effect": "Allow", "Action": ["iot:publish"], "Resource": ["@topic/a/*", "@topic/a/b"]}"#;
    assert_eq!(changes(&one, other), vec![]);
}

#[test]
fn a_wider_and_a_narrower_pattern() {
    // C-26
    let exact = statement("Allow", "Publish", "@topic/esp32/pub");
    let wide = statement("Allow", "Publish", "@topic/esp32/*");
    assert_eq!(
        changes(&exact, &wide),
        vec![(Became::Allowed, "iot:Publish", "topic/esp32/x".to_owned())]
    );
    assert_eq!(
        changes(&wide, &exact),
        vec![(Became::Denied, "iot:Publish", "topic/esp32/x".to_owned())]
    );
}

#[test]
fn a_new_deny_wins_and_is_named() {
    // C-10
    let allow = statement("Allow", "Subscribe", "@topicfilter/building/*");
    let found = compare(
        &allow,
        &format!(
            "{allow}, {}",
            statement("Deny", "Subscribe", "@topicfilter/building/control/*")
        ),
    );
    assert_eq!(found.changes.len(), 1);
    let change = &found.changes[0];
    assert_eq!(
        (change.became, change.example.as_str()),
        (Became::Denied, "topicfilter/building/control/x")
    );
    assert_eq!(change.statements, ["new policy `p` statement 2"]);
    assert!(change.new.contains("explicit Deny"), "{}", change.new);
    assert!(
        change.old.contains("allowed by policy `p` statement 1"),
        "{}",
        change.old
    );
}

#[test]
fn a_variable_instead_of_a_star() {
    // C-48, C-51
    let any = statement("Allow", "Connect", "@client/*");
    let own = statement(
        "Allow",
        "Connect",
        "@client/${iot:Connection.Thing.ThingName}",
    );
    let found = compare(&any, &own);
    let attached = found
        .changes
        .iter()
        .find(|change| change.connections == ["a device attached to its thing"]);
    // Both kinds of device lose other client ids; only the unattached one loses its own.
    assert!(attached.is_none(), "{found:#?}");
    assert!(
        found
            .changes
            .iter()
            .all(|change| change.became == Became::Denied)
    );
    assert_eq!(found.changes[0].connections.len(), 2);
}

#[test]
fn conditions_are_brought_to_bear() {
    // C-33, C-37, C-42
    let plain = statement("Allow", "Connect", "@client/thing1");
    for (condition, connection) in [
        (
            r#"{"Bool": {"iot:Connection.Thing.IsAttached": "true"}}"#,
            "a device that is not attached to its thing",
        ),
        (
            r#"{"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}"#,
            "a device attached to its thing",
        ),
        (
            r#"{"ForAllValues:StringNotEquals": {"iot:ConnectAttributes": ["PersistentConnect"]}}"#,
            "a device with iot:ConnectAttributes `PersistentConnect`",
        ),
        (
            r#"{"StringEquals": {"iot:Certificate.Subject.CommonName.2": "Administrator"}}"#,
            "a device attached to its thing",
        ),
    ] {
        let with = format!(
            r#"{{"Effect": "Allow", "Action": "iot:Connect", "Resource": "@client/thing1", "Condition": {condition}}}"#
        );
        let found = compare(&plain, &with);
        assert_eq!(found.changes.len(), 1, "{condition}: {found:#?}");
        assert_eq!(found.changes[0].became, Became::Denied);
        assert!(
            found.changes[0]
                .connections
                .contains(&connection.to_string()),
            "{found:#?}"
        );
        assert_eq!(found.not_compared, Vec::<String>::new(), "{condition}");
    }
}

#[test]
fn what_was_not_compared_is_named() {
    let with = r#"{"Effect": "Allow", "Action": "iot:Connect", "Resource": "@client/thing1",
        "Condition": {"StringEquals": {"iot:ClientId": "a"}, "StringNotEquals": {"iot:ClientId": "a"}}}"#;
    let found = compare(&statement("Allow", "Publish", "@topic/a"), with);
    assert_eq!(found.not_compared, ["new policy `p` statement 1"]);
}

#[test]
fn not_resource_and_whole_actions() {
    // C-32
    let all = statement("Allow", "Receive", "@topic/*");
    let but = r#"{"Effect": "Allow", "Action": "iot:Receive", "NotResource": "@topic/secret/*"}"#;
    assert_eq!(
        changes(&all, but),
        vec![(Became::Denied, "iot:Receive", "topic/secret/x".to_owned())]
    );
    assert_eq!(
        changes(
            &all,
            &format!("{all}, {}", statement("Allow", "ListRetainedMessages", "*"))
        ),
        vec![(Became::Allowed, "iot:ListRetainedMessages", "*".to_owned())]
    );
}

#[test]
fn policies_with_too_many_wildcards_to_walk() {
    let many = |first: &str| {
        let patterns: Vec<String> = "ABCDEFGHIJKLMNOPQRST"
            .chars()
            .map(|letter| format!("\"*{letter}*\""))
            .collect();
        format!(
            r#"{{"Effect": "Allow", "Action": "iot:Publish", "Resource": ["{first}", {}]}}"#,
            patterns.join(", ")
        )
    };
    let found = compare(&many("@topic/p*q"), &many("@topic/p*r"));
    assert!(!found.complete);
    let examples: Vec<_> = found
        .changes
        .iter()
        .map(|change| change.example.as_str())
        .collect();
    assert_eq!(examples, ["topic/pr", "topic/pq"], "{found:#?}");
}

/// Every example was decided by the engine; here it is asked once more, the long way.
#[test]
fn examples_are_true() {
    let (old, new) = (
        policy(
            &[
                statement("Allow", "*", "@topic/a*b*"),
                statement("Deny", "Publish", "@topic/*c"),
            ]
            .join(","),
        ),
        policy(
            &[
                statement("Allow", "*", "@topic/*b?"),
                statement("Deny", "Receive", "@topic/??c*"),
            ]
            .join(","),
        ),
    );
    let views = views(&device(), [&old, &new]);
    let found = diff(slice::from_ref(&old), slice::from_ref(&new), &views);
    assert!(found.changes.len() > 3, "{found:#?}");
    for change in &found.changes {
        let action = Action::from_name(change.action).expect("an action");
        let allowed = |policy: &Policy| {
            PolicySet::compile([("p", &policy.document)], &device())
                .decide(action, &change.example, &Request::default())
                .outcome
                == Outcome::Allowed
        };
        assert_eq!(
            allowed(&new),
            change.became == Became::Allowed,
            "{change:#?}"
        );
        assert_ne!(allowed(&old), allowed(&new), "{change:#?}");
    }
}
