//! Explanations as people see them: committed pictures.

use std::vec;

use thingwire_policy::Thing;

use super::*;
use crate::picture::{Palette, draw};

const ARN: &str = "arn:aws:iot:us-east-1:123456789012:";

fn sketch() -> Policy {
    let text = include_str!("../../../cli/src/policy_example.json")
        .replace("REGION:ACCOUNT_ID", "us-east-1:123456789012");
    Policy::parse("sketch", &text).expect("valid")
}

fn policy(statements: &str) -> Policy {
    let text =
        format!("{{\"Version\": \"2012-10-17\", \"Statement\": [{statements}]}}").replace('@', ARN);
    Policy::parse("p", &text).expect("valid")
}

fn device(attached: bool) -> Context {
    let mut context = Context::new("us-east-1", "123456789012");
    context.client_id = Some("lamp".into());
    context.things.push(Thing {
        attached,
        ..Thing::attached("lamp")
    });
    context
}

fn ask_for(policies: &[Policy], context: &Context, action: Action, resource: &str) -> Explained {
    let question = Question {
        action,
        resource: resource.into(),
        topic: None,
    };
    explain(policies, context, &question)
}

fn picture(explained: &Explained) -> String {
    draw(explained, "lamp", &Palette::PLAIN)
}

#[test]
fn allowed() {
    let explained = ask_for(&[sketch()], &device(true), Action::Connect, "client/lamp");
    assert_eq!(
        picture(&explained),
        "\
ALLOWED
  lamp asks for iot:Connect on client/lamp

  policy sketch
  ✓   1 Allow iot:Connect on client/${iot:Connection.Thing.ThingName}
              allows it
  ·   2 Allow iot:Subscribe on topicfilter/esp32/sub
  ·   3 Allow iot:Receive on topic/esp32/sub
  ·   4 Allow iot:Publish on topic/esp32/pub

  variables
    ${iot:Connection.Thing.ThingName} = lamp
"
    );
    assert_eq!(explained.cure, Cure::None);
}

#[test]
fn one_character_differs() {
    let explained = ask_for(
        &[sketch()],
        &device(true),
        Action::Publish,
        "topic/esp32/sub",
    );
    assert_eq!(
        picture(&explained),
        "\
DENIED: nothing allows it
  lamp asks for iot:Publish on topic/esp32/sub

  policy sketch
  ·   1 Allow iot:Connect on client/${iot:Connection.Thing.ThingName}
  ·   2 Allow iot:Subscribe on topicfilter/esp32/sub
  ·   3 Allow iot:Receive on topic/esp32/sub
  ~   4 Allow iot:Publish on topic/esp32/pub
              asked:  topic/esp32/sub
              policy: topic/esp32/pub
                                  ^ character 13: `s` was asked, the policy has `p`

  the smallest statement that would allow it
    {
      \"Effect\": \"Allow\",
      \"Action\": \"iot:Publish\",
      \"Resource\": \"arn:aws:iot:us-east-1:123456789012:topic/esp32/sub\"
    }
"
    );
}

#[test]
fn a_variable_that_has_no_value() {
    // C-45, C-52
    let explained = ask_for(&[sketch()], &device(false), Action::Connect, "client/lamp");
    let picture = picture(&explained);
    assert!(
        picture.contains("${iot:Connection.Thing.ThingName} has no value: the certificate is not attached to thing `lamp`"),
        "{picture}"
    );
    assert_eq!(explained.nearest, Some(0));
    assert!(matches!(
        explained.statements[0].verdict,
        Verdict::Unresolved {
            would_match: true,
            ..
        }
    ));
    // The thing's name cannot be used here, so the statement names the client.
    assert!(
        matches!(&explained.cure, Cure::Add { statement } if statement.contains(":client/lamp\"")),
        "{picture}"
    );
}

#[test]
fn the_smallest_statement_uses_the_things_name() {
    let explained = ask_for(
        &[sketch()],
        &device(true),
        Action::Publish,
        "topic/home/lamp/state",
    );
    assert!(
        matches!(&explained.cure, Cure::Add { statement } if statement.contains(":topic/home/${iot:Connection.Thing.ThingName}/state\"")),
        "{explained:#?}"
    );
}

#[test]
fn an_explicit_deny_needs_another_cure() {
    // C-10
    let both = policy(
        r#"{"Effect": "Allow", "Action": "iot:*", "Resource": "*"},
        {"Sid": "Never", "Effect": "Deny", "Action": "iot:Publish", "Resource": "@topic/secret/*"}"#,
    );
    let explained = ask_for(&[both], &device(true), Action::Publish, "topic/secret/x");
    assert_eq!(
        picture(&explained),
        "\
DENIED by an explicit Deny
  lamp asks for iot:Publish on topic/secret/x

  policy p
  ✓   1 Allow iot:* on *
              allows it
  ✗   2 Deny  iot:Publish on topic/secret/*
              denies it, whatever allows it

  no Allow helps against a Deny; to allow it, narrow or remove
    policy `p` statement 2 (`Never`)
"
    );
    assert_eq!(explained.statements[1].sid.as_deref(), Some("Never"));
}

#[test]
fn the_wrong_kind_a_condition_a_placeholder() {
    // C-16, C-33, C-50
    let wrong = policy(r#"{"Effect": "Allow", "Action": "iot:Subscribe", "Resource": "@topic/a"}"#);
    let shown = picture(&ask_for(
        &[wrong],
        &device(true),
        Action::Subscribe,
        "topicfilter/a",
    ));
    assert!(
        shown.contains("a Subscribe needs `topicfilter/`, not `topic/`"),
        "{shown}"
    );

    let condition = policy(
        r#"{"Effect": "Allow", "Action": "iot:Connect", "Resource": "@client/lamp",
        "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}"#,
    );
    let shown = picture(&ask_for(
        &[condition],
        &device(true),
        Action::Connect,
        "client/lamp",
    ));
    assert!(shown.contains("its condition does not hold: IpAddress aws:SourceIp `192.0.2.0/24`; `aws:SourceIp` has no value: the connection has none"), "{shown}");

    let elsewhere = policy(
        r#"{"Effect": "Allow", "Action": "iot:Connect", "Resource": "arn:aws:iot:REGION:ACCOUNT_ID:client/lamp"}"#,
    );
    let shown = picture(&ask_for(
        &[elsewhere],
        &device(true),
        Action::Connect,
        "client/lamp",
    ));
    assert!(
        shown.contains("another region or account (placeholders left?)"),
        "{shown}"
    );

    let but =
        policy(r#"{"Effect": "Allow", "Action": "iot:Receive", "NotResource": "@topic/secret"}"#);
    let shown = picture(&ask_for(
        &[but],
        &device(true),
        Action::Receive,
        "topic/secret",
    ));
    assert!(
        shown.contains("not topic/secret")
            && shown.contains("speaks of everything but this resource"),
        "{shown}"
    );
}

#[test]
fn no_policy_and_another_cloud() {
    let shown = picture(&ask_for(&[], &device(true), Action::Connect, "client/lamp"));
    assert!(shown.contains("no policy applies"), "{shown}");
    let arn = "arn:aws:iot:eu-west-1:123456789012:topic/a";
    let explained = ask_for(&[sketch()], &device(true), Action::Publish, arn);
    assert_eq!(explained.cure, Cure::Elsewhere);
}

#[test]
fn a_star_does_not_hide_where_it_differs() {
    let star = policy(
        r#"{"Effect": "Allow", "Action": "iot:Publish", "Resource": ["@topic/x", "@topic/*/state"]}"#,
    );
    let explained = ask_for(&[star], &device(true), Action::Publish, "topic/lamp/stats");
    assert_eq!(
        explained.statements[0].verdict,
        Verdict::OtherResource(Difference {
            resource: "topic/*/state".into(),
            asked: "topic/lamp/stats".into(),
            character: 16,
            found: Some('s'),
            wanted: Some("e".into()),
            hint: None,
        })
    );
}

#[test]
fn what_breaks_a_terminal_is_shown_as_text() {
    let shown = draw(
        &ask_for(
            &[sketch()],
            &device(true),
            Action::Publish,
            "topic/\u{1b}[31m\n",
        ),
        "a\nb",
        &Palette::PLAIN,
    );
    assert!(
        !shown.contains('\u{1b}') && shown.contains("a\\nb"),
        "{shown}"
    );
}

/// Each statement asked alone says the same as all together, and the cure is true: on every vector of C.10.
#[test]
fn explanations_agree_with_the_decisions_of_all_vectors() {
    let text = include_str!("../../../policy/tests/policy-vectors.json");
    let file: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let mut seen = vec![];
    for vector in file["vectors"].as_array().expect("a list") {
        let name = vector["policy"].as_str().expect("a name");
        let policy = Policy::parse(name, &file["policies"][name].to_string()).expect("valid");
        let client = vector["context"]["clientId"].as_str();
        let mut context = Context::new("us-east-1", "123456789012");
        context.client_id = client.map(Into::into);
        context.things.extend(client.map(Thing::attached));
        let action =
            Action::from_name(vector["action"].as_str().expect("an action")).expect("known");
        let explained = ask_for(
            &[policy],
            &context,
            action,
            vector["resource"].as_str().expect("a resource"),
        );
        let allows = explained
            .statements
            .iter()
            .any(|view| view.verdict == Verdict::Allows);
        let denies = explained
            .statements
            .iter()
            .any(|view| view.verdict == Verdict::Denies);
        let expected = match (allows, denies) {
            (_, true) => "EXPLICIT_DENY",
            (true, false) => "ALLOWED",
            (false, false) => "IMPLICIT_DENY",
        };
        assert_eq!(explained.decision, expected, "{}", vector["id"]);
        assert_eq!(
            matches!(explained.cure, Cure::Add { .. }),
            expected == "IMPLICIT_DENY",
            "{}",
            vector["id"]
        );
        seen.push(expected);
    }
    for outcome in ["ALLOWED", "IMPLICIT_DENY", "EXPLICIT_DENY"] {
        assert!(seen.contains(&outcome), "{outcome}");
    }
}
