//! What a document that was read says about itself, and requests that carry values of their own (`C-1`, `C-3`, `C-36`).

use thingwire_policy::{Action, Context, Document, Effect, Outcome, PolicySet, Request};

const PREFIX: &str = "arn:aws:iot:us-east-1:123456789012:";

fn read(statements: &str) -> Document {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
        .replace("PREFIX:", PREFIX);
    Document::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// `C-1`: each member of a statement is found again, as written.
#[test]
fn a_statement_says_what_is_in_it() {
    let document = read(
        r#"{"Sid":"one","Effect":"Allow","Action":["iot:Pub*","iot:Connect"],"Resource":["PREFIX:topic/a","*"],
            "Condition":{"Bool":{"iot:Connection.Thing.IsAttached":"true"}}},
           {"Effect":"Deny","NotAction":"iot:Connect","NotResource":"PREFIX:topic/${iot:ClientId}"}"#,
    );
    let [one, other] = document.statements() else {
        panic!("two statements");
    };
    assert_eq!((one.sid(), other.sid()), (Some("one"), None));
    assert_eq!(
        (one.effect(), other.effect()),
        (Effect::Allow, Effect::Deny)
    );
    assert!(one.actions().eq(["iot:Pub*", "iot:Connect"]));
    assert!(other.actions().eq(["iot:Connect"]));
    assert_eq!((one.is_not_action(), other.is_not_action()), (false, true));
    assert!(
        one.resources()
            .eq([format!("{PREFIX}topic/a").as_str(), "*"])
    );
    assert!(
        other
            .resources()
            .eq([format!("{PREFIX}topic/${{iot:ClientId}}").as_str()])
    );
    assert_eq!(
        (one.is_not_resource(), other.is_not_resource()),
        (false, true)
    );
    assert_eq!(
        (one.is_conditional(), other.is_conditional()),
        (true, false)
    );
    assert!(one.speaks_of(Action::Publish) && !one.speaks_of(Action::Receive));
    assert!(other.speaks_of(Action::Publish) && !other.speaks_of(Action::Connect));
}

/// `C-19`: each job action keeps the name that it had under `iot:`.
#[test]
fn former_names_of_job_actions() {
    for action in [
        Action::DescribeJobExecution,
        Action::GetPendingJobExecutions,
        Action::StartNextPendingJobExecution,
        Action::UpdateJobExecution,
    ] {
        let former = action.name().replace("iotjobsdata:", "iot:");
        assert_eq!(Action::from_name(&former), Some(action), "{former}");
        let document = read(&format!(
            r#"{{"Effect":"Allow","Action":"{former}","Resource":"*"}}"#
        ));
        for other in Action::ALL {
            let speaks = document.statements().iter().any(|one| one.speaks_of(other));
            assert_eq!(speaks, other == action, "{former}: {other}");
        }
    }
}

/// `C-36`: what comes with the request decides with it; the explanation names the first condition that does not hold.
#[test]
fn conditions_of_the_request() {
    let document = read(
        r#"{"Effect":"Allow","Action":["iot:SendDirectMessage","iot:GetConnection"],"Resource":"PREFIX:client/hub",
            "Condition":{"StringLike":{"iot:Topic":"commands/*"},"BoolIfExists":{"iot:IncludeSocketInformation":"false"}}}"#,
    );
    let policies = PolicySet::compile(
        [("P", &document)],
        &Context::new("us-east-1", "123456789012"),
    );
    let ask = |topic, include_socket_information| {
        let request = Request {
            topic,
            include_socket_information,
        };
        let why = policies.explain(Action::SendDirectMessage, "client/hub", &request);
        assert_eq!(
            policies
                .decide(Action::SendDirectMessage, "client/hub", &request)
                .outcome,
            why.outcome
        );
        (why.outcome, why.to_string())
    };
    for (topic, sockets, allowed) in [
        (Some("commands/reboot"), None, true),
        (Some("commands/reboot"), Some(false), true),
        (Some("commands/reboot"), Some(true), false),
        (Some("other"), None, false),
        (None, Some(false), false),
    ] {
        let (outcome, why) = ask(topic, sockets);
        assert_eq!(outcome == Outcome::Allowed, allowed, "{why}");
        if !allowed {
            let key = if sockets == Some(true) {
                "BoolIfExists iot:IncludeSocketInformation"
            } else {
                "StringLike iot:Topic"
            };
            assert!(why.contains(key), "{why}");
        }
    }
}

/// `C-56`: keys that a condition needed and that have no value are named as they are written.
#[test]
fn keys_that_a_condition_missed() {
    let document = read(
        r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"*","Condition":{
            "StringEquals":{"iot:Certificate.Issuer.Country.1":"DE"}}},
           {"Effect":"Allow","Action":"iot:Publish","Resource":"*","Condition":{
            "ForAnyValue:StringEquals":{"iot:Certificate.Subject.CommonName.List":"a"}}},
           {"Effect":"Allow","Action":"iot:Publish","Resource":"PREFIX:topic/${iot:Connection.Thing.Attributes[room]}"}"#,
    );
    let policies = PolicySet::compile(
        [("P", &document)],
        &Context::new("us-east-1", "123456789012"),
    );
    let why = policies.explain(Action::Publish, "topic/a", &Request::default());
    let keys: Vec<_> = why.missing.iter().map(|one| one.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "iot:Certificate.Issuer.Country.1",
            "iot:Certificate.Subject.CommonName.List",
            "iot:Connection.Thing.Attributes[room]",
        ]
    );
}

/// `C-46`: the warning is about Deny statements that deny less than they say, and about no others.
#[test]
fn denies_that_deny_nothing() {
    let document = read(
        r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"PREFIX:topic/${iot:ClientId}"},
           {"Effect":"Deny","Action":"iot:Publish","NotResource":"PREFIX:topic/${iot:ClientId}"},
           {"Effect":"Deny","Action":"iot:Publish","Resource":"PREFIX:topic/${iot:DomainName}"},
           {"Effect":"Deny","Action":"iot:Publish","Resource":"PREFIX:topic/x"}"#,
    );
    let policies = PolicySet::compile(
        [("P", &document)],
        &Context::new("us-east-1", "123456789012"),
    );
    let found: Vec<_> = policies
        .unresolved_denies()
        .map(|(statement, missing)| (statement.number, missing.key.as_str()))
        .collect();
    assert_eq!(found, [(3, "iot:DomainName")]);
}

/// `C-24`: both forms of a shared subscription are looked at in ARNs of other places, too.
#[test]
fn a_shared_subscription_elsewhere() {
    let elsewhere = "arn:aws:iot:eu-west-1:111122223333:topicfilter/";
    let document = read(&format!(
        r#"{{"Effect":"Allow","Action":"iot:Subscribe","Resource":"*"}},
           {{"Effect":"Deny","Action":"iot:Subscribe","Resource":"{elsewhere}secret"}}"#
    ));
    let policies = PolicySet::compile(
        [("P", &document)],
        &Context::new("us-east-1", "123456789012"),
    );
    for (filter, expected) in [
        ("secret", Outcome::ExplicitDeny),
        ("$share/group/secret", Outcome::ExplicitDeny),
        ("$share/group/open", Outcome::Allowed),
        ("$share/secret", Outcome::Allowed),
    ] {
        let arn = format!("{elsewhere}{filter}");
        let decision = policies.decide(Action::Subscribe, &arn, &Request::default());
        assert_eq!(decision.outcome, expected, "{filter}");
    }
}

/// Of two statements that come equally near, the one that fails by a variable is likelier to be the mistake.
#[test]
fn a_variable_is_a_likelier_mistake_than_a_resource() {
    let document = read(
        r#"{"Effect":"Allow","Action":"iot:Publish","Resource":"PREFIX:topic/a"},
           {"Effect":"Allow","Action":"iot:Publish","Resource":"PREFIX:topic/${iot:ClientId}"}"#,
    );
    let policies = PolicySet::compile(
        [("P", &document)],
        &Context::new("us-east-1", "123456789012"),
    );
    let why = policies.explain(Action::Publish, "topic/b", &Request::default());
    assert_eq!(why.nearest.expect("a nearest one").statement.number, 2);
}

/// `C-3`: 2048 characters that are no white space, 404,600 bytes in all; each to the last one.
#[test]
fn the_largest_document() {
    let text = |bytes: usize, characters: usize| {
        let start = r#"{"Version":"2012-10-17","Id":""#;
        let end = r#"","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
        let id = "x".repeat(characters - start.len() - end.len());
        let space = " ".repeat(bytes - characters);
        format!("{start}{id}{end}{space}")
    };
    let refusal = |bytes, characters| {
        Document::parse(&text(bytes, characters))
            .err()
            .map(|error| error.aws_message())
    };
    assert_eq!(refusal(404_600, 2048), None);
    // C-2: without the words about syntax, for the syntax is right.
    let malformed = Some("Policy document is Malformed".to_owned());
    assert_eq!(refusal(404_601, 2048), malformed);
    assert_eq!(refusal(404_600, 2049), malformed);
}
