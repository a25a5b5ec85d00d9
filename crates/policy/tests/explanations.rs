//! What people read when something was refused, and the choices of [`Settings`].

use thingwire_policy::{
    Action, Context, Document, Effect, Outcome, PolicySet, Request, Settings, SharedSubscription,
    Thing, UnresolvedDeny,
};

const REGION: &str = "us-east-1";
const ACCOUNT: &str = "123456789012";

/// A document of statements written as `Allow iot:Publish topic/a` (`!` before the resource: `NotResource`).
fn document(statements: &[&str]) -> Document {
    let statements: Vec<String> = statements
        .iter()
        .map(|statement| {
            let mut words = statement.splitn(4, ' ');
            let (effect, action) = (
                words.next().expect("an effect"),
                words.next().expect("an action"),
            );
            let resource = words.next().expect("a resource");
            let condition = words
                .next()
                .map(|json| format!(r#", "Condition": {json}"#))
                .unwrap_or_default();
            let (name, resource) = match resource.strip_prefix('!') {
                Some(rest) => ("NotResource", rest),
                None => ("Resource", resource),
            };
            let arn = if resource == "*" || resource.starts_with("arn:") {
                resource.to_owned()
            } else {
                format!("arn:aws:iot:{REGION}:{ACCOUNT}:{resource}")
            };
            format!(
                r#"{{"Effect": "{effect}", "Action": "{action}", "{name}": "{arn}"{condition}}}"#
            )
        })
        .collect();
    let text = format!(
        r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#,
        statements.join(", ")
    );
    Document::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn context() -> Context {
    let mut context = Context::new(REGION, ACCOUNT);
    context.client_id = Some("lamp".into());
    context.things.push(Thing::attached("lamp"));
    context
}

fn why(statements: &[&str], context: &Context, action: Action, resource: &str) -> String {
    let document = document(statements);
    PolicySet::compile([("P", &document)], context)
        .explain(action, resource, &Request::default())
        .to_string()
}

fn decide(statements: &[&str], settings: &Settings, action: Action, resource: &str) -> Outcome {
    let document = document(statements);
    PolicySet::compile_with([("P", &document)], &context(), settings)
        .decide(action, resource, &Request::default())
        .outcome
}

#[test]
fn allowed_and_denied_say_by_what() {
    let statements = [
        "Allow iot:Publish topic/*",
        "Deny iot:* topic/secret*",
        "Allow * *",
    ];
    assert_eq!(
        why(&statements, &context(), Action::Publish, "topic/a"),
        "iot:Publish on `topic/a` is allowed by policy `P` statement 1, policy `P` statement 3"
    );
    assert_eq!(
        why(&statements, &context(), Action::Publish, "topic/secrets"),
        "iot:Publish on `topic/secrets` is denied by policy `P` statement 2 (explicit Deny)"
    );
}

#[test]
fn the_nearest_statement_is_the_one_with_the_longest_common_beginning() {
    assert_eq!(
        why(
            &[
                "Allow iot:Publish topic/desk/*",
                "Allow iot:Publish topic/lamp/on",
                "Allow iot:Receive topic/lamp/off"
            ],
            &context(),
            Action::Publish,
            "topic/lamp/off"
        ),
        "iot:Publish on `topic/lamp/off` is denied: no statement of the attached policies [`P`] allows it; nearest is \
         policy `P` statement 2, for `topic/lamp/on`, the same up to `topic/lamp/o`"
    );
}

#[test]
fn of_equally_near_statements_the_first_is_named() {
    let line = why(
        &["Allow iot:Publish topic/a", "Allow iot:Publish topic/b"],
        &context(),
        Action::Publish,
        "topic/c",
    );
    assert!(
        line.contains("nearest is policy `P` statement 1, for `topic/a`"),
        "{line}"
    );
}

#[test]
fn each_obstacle_in_words() {
    let start = |action: &str, resource: &str| {
        format!(
            "{action} on `{resource}` is denied: no statement of the attached policies [`P`] allows it; "
        )
    };
    let mut other = context();
    other.client_id = Some("desk".into());
    // C-41
    assert_eq!(
        why(
            &["Allow iot:Connect client/${iot:Connection.Thing.ThingName}"],
            &other,
            Action::Connect,
            "client/desk"
        ),
        start("iot:Connect", "client/desk")
            + "nearest is policy `P` statement 1, for `client/${iot:Connection.Thing.ThingName}`, but \
               `${iot:Connection.Thing.ThingName}` has no value: client id `desk` is not the name of a thing that the \
               certificate is attached to (it is attached to `lamp`)"
    );
    let condition =
        r#"Allow iot:Connect client/* {"Bool": {"iot:Connection.Thing.IsAttached": "true"}}"#;
    assert_eq!(
        why(&[condition], &other, Action::Connect, "client/desk"),
        start("iot:Connect", "client/desk")
            + "nearest is policy `P` statement 1, for `client/*`, but its condition Bool \
               iot:Connection.Thing.IsAttached `true` does not hold"
    );
    let condition = r#"Allow iot:Publish topic/* {"StringEquals": {"iot:Connection.Thing.Attributes[room]": "hall"}}"#;
    assert_eq!(
        why(&[condition], &context(), Action::Publish, "topic/a"),
        start("iot:Publish", "topic/a")
            + "nearest is policy `P` statement 1, for `topic/*`, but its condition StringEquals \
               iot:Connection.Thing.Attributes[room] `hall` does not hold: iot:Connection.Thing.Attributes[room] has \
               no value: thing `lamp` has no attribute `room`"
    );
    // C-16: the mistake that everybody makes once.
    assert_eq!(
        why(
            &["Allow iot:Subscribe topic/a"],
            &context(),
            Action::Subscribe,
            "topicfilter/a"
        ),
        start("iot:Subscribe", "topicfilter/a")
            + "nearest is policy `P` statement 1, for `topic/a`, but what a Subscribe needs begins with `topicfilter/`"
    );
    assert_eq!(
        why(
            &["Allow iot:Receive topicfilter/a"],
            &context(),
            Action::Receive,
            "topic/a"
        ),
        start("iot:Receive", "topic/a")
            + "nearest is policy `P` statement 1, for `topicfilter/a`, but iot:Receive needs `topic/` instead of \
               `topicfilter/`"
    );
    // C-50: one of the two is enough.
    for (region, account) in [("eu-west-1", ACCOUNT), (REGION, "210987654321")] {
        assert_eq!(
            why(
                &[&format!(
                    "Allow iot:Publish arn:aws:iot:{region}:{account}:topic/a"
                )],
                &context(),
                Action::Publish,
                "topic/a"
            ),
            start("iot:Publish", "topic/a")
                + &format!(
                    "nearest is policy `P` statement 1, for `topic/a` of region `{region}` and account `{account}`, \
                     which are not this cloud's"
                )
        );
    }
    // Nothing in common is not spoken of.
    assert_eq!(
        why(
            &["Allow iot:Publish client/a"],
            &context(),
            Action::Publish,
            "topic/a"
        ),
        start("iot:Publish", "topic/a") + "nearest is policy `P` statement 1, for `client/a`"
    );
    // C-32
    assert_eq!(
        why(
            &["Allow iot:Receive !topic/secret/*"],
            &context(),
            Action::Receive,
            "topic/secret/a"
        ),
        start("iot:Receive", "topic/secret/a")
            + "nearest is policy `P` statement 1, for everything but `topic/secret/*`"
    );
    assert_eq!(
        why(
            &["Allow iot:Receive topic/a"],
            &context(),
            Action::Publish,
            "topic/a"
        ),
        start("iot:Publish", "topic/a") + "none of them allows iot:Publish on anything"
    );
    assert_eq!(
        why(
            &["Allow iot:Publish topic/a"],
            &context(),
            Action::Publish,
            "arn:aws:iot:eu-west-1:1:topic/a"
        ),
        start("iot:Publish", "arn:aws:iot:eu-west-1:1:topic/a")
            + "the resource is not one of this cloud's"
    );
    let none = PolicySet::compile(Vec::<(&str, &Document)>::new(), &context());
    assert_eq!(
        none.explain(Action::Publish, "topic/a", &Request::default())
            .to_string(),
        "iot:Publish on `topic/a` is denied: no policy is attached to the certificate"
    );
}

#[test]
fn a_line_break_in_a_document_or_a_topic_stays_out_of_the_line() {
    // Logs are read line by line.
    let condition = r#"Allow iot:Publish topic/* {"StringEquals": {"iot:Connection.Thing.Attributes[a\nb]": "x\ny"}}"#;
    for statement in [
        condition,
        r"Allow iot:Publish topic/${iot:x\ny}",
        r"Allow iot:Publish topic/a\nb",
    ] {
        let line = why(&[statement], &context(), Action::Publish, "topic/a\nc");
        assert!(!line.contains('\n') && line.contains(r"\n"), "{line:?}");
    }
}

#[test]
fn missing_context_values_are_listed_once() {
    // C-56
    let document = document(&[
        "Allow iot:Connect client/${iot:Connection.Thing.ThingName}",
        r#"Allow iot:Connect client/* {"StringEquals": {"iot:Connection.Thing.ThingName": "x"}}"#,
        "Allow iot:Publish topic/${iot:Connection.Thing.ThingTypeName}",
    ]);
    let nothing = Context::new(REGION, ACCOUNT);
    let explanation = PolicySet::compile([("P", &document)], &nothing).explain(
        Action::Connect,
        "client/x",
        &Request::default(),
    );
    let keys: Vec<_> = explanation
        .missing
        .iter()
        .map(|missing| missing.key.as_str())
        .collect();
    assert_eq!(keys, ["iot:Connection.Thing.ThingName"]);
}

#[test]
fn a_deny_in_another_policy_wins() {
    // C-10
    let (allow, deny) = (
        document(&["Allow * *"]),
        document(&["Deny iot:Publish topic/a"]),
    );
    let policies = PolicySet::compile([("allow", &allow), ("deny", &deny)], &context());
    let explanation = policies.explain(Action::Publish, "topic/a", &Request::default());
    assert_eq!(explanation.outcome, Outcome::ExplicitDeny);
    assert_eq!(explanation.denied_by[0].policy, "deny");
    assert_eq!(explanation.allowed_by[0].policy, "allow");
    assert_eq!(deny.statements()[0].effect(), Effect::Deny);
    assert_eq!(
        policies
            .decide(Action::Publish, "topic/b", &Request::default())
            .outcome,
        Outcome::Allowed
    );
}

#[test]
fn shared_subscriptions() {
    // C-24
    let full = Settings::default();
    let inner = Settings {
        shared_subscription: SharedSubscription::Inner,
        ..full
    };
    let subscribe = |statements: &[&str], settings: &Settings| {
        decide(
            statements,
            settings,
            Action::Subscribe,
            "topicfilter/$share/g/a/b",
        )
    };
    assert_eq!(
        subscribe(&["Allow iot:Subscribe topicfilter/$share/*/a/b"], &full),
        Outcome::Allowed
    );
    assert_eq!(
        subscribe(&["Allow iot:Subscribe topicfilter/$share/*/a/b"], &inner),
        Outcome::ImplicitDeny
    );
    assert_eq!(
        subscribe(&["Allow iot:Subscribe topicfilter/a/b"], &full),
        Outcome::ImplicitDeny
    );
    assert_eq!(
        subscribe(&["Allow iot:Subscribe topicfilter/a/b"], &inner),
        Outcome::Allowed
    );
    for settings in [&full, &inner] {
        for deny in [
            "Deny iot:Subscribe topicfilter/a/b",
            "Deny iot:Subscribe topicfilter/$share/g/*",
        ] {
            assert_eq!(
                subscribe(&["Allow * *", deny], settings),
                Outcome::ExplicitDeny
            );
        }
    }
    let both = document(&[
        "Allow iot:Subscribe topicfilter/$share/*",
        "Allow iot:Subscribe topicfilter/a/b",
    ]);
    for (settings, by) in [(full, 1), (inner, 2)] {
        let policies = PolicySet::compile_with([("P", &both)], &context(), &settings);
        let explanation = policies.explain(
            Action::Subscribe,
            "topicfilter/$share/g/a/b",
            &Request::default(),
        );
        let numbers: Vec<_> = explanation
            .allowed_by
            .iter()
            .map(|name| name.number)
            .collect();
        assert_eq!(numbers, [by], "only the form that counts");
    }
    let long = format!("topicfilter/$share/g/{}", "x".repeat(2000));
    assert_eq!(
        decide(&["Allow * *"], &full, Action::Subscribe, &long),
        Outcome::Allowed
    );
}

#[test]
fn an_unresolved_variable_in_a_deny() {
    // C-46
    let statements = [
        "Allow iot:Publish topic/*",
        "Deny iot:Publish topic/${iot:Connection.Thing.ThingTypeName}",
    ];
    let publish =
        |settings: &Settings, resource| decide(&statements, settings, Action::Publish, resource);
    assert_eq!(publish(&Settings::default(), "topic/a"), Outcome::Allowed);
    let strict = Settings {
        unresolved_deny: UnresolvedDeny::Denies,
        ..Settings::default()
    };
    assert_eq!(publish(&strict, "topic/a"), Outcome::ExplicitDeny);
    assert_eq!(
        publish(&strict, "arn:aws:iot:eu-west-1:1:topic/a"),
        Outcome::ExplicitDeny
    );

    let document = document(&statements);
    let policies = PolicySet::compile([("P", &document)], &context());
    let warned: Vec<_> = policies
        .unresolved_denies()
        .map(|(name, missing)| format!("{name}: {}", missing.reason))
        .collect();
    assert_eq!(
        warned,
        ["policy `P` statement 2: thing `lamp` has no thing type"]
    );
}

#[test]
fn an_unresolved_variable_widens_nothing() {
    // C-45: in NotResource and under a negated operator, an Allow does not apply and a Deny does.
    let settings = Settings::default();
    let publish = |statements: &[&str]| decide(statements, &settings, Action::Publish, "topic/a");
    let unknown = "!topic/${iot:Connection.Thing.ThingTypeName}";
    assert_eq!(
        publish(&[&format!("Allow iot:Publish {unknown}")]),
        Outcome::ImplicitDeny
    );
    assert_eq!(
        publish(&["Allow * *", &format!("Deny iot:Publish {unknown}")]),
        Outcome::ExplicitDeny
    );
    let condition =
        r#"{"StringNotEquals": {"iot:ClientId": "${iot:Connection.Thing.ThingTypeName}"}}"#;
    assert_eq!(
        publish(&[&format!("Allow iot:Publish topic/a {condition}")]),
        Outcome::ImplicitDeny
    );
    assert_eq!(
        publish(&[
            "Allow * *",
            &format!("Deny iot:Publish topic/a {condition}")
        ]),
        Outcome::ExplicitDeny
    );
}

#[test]
fn actions_have_no_case_unless_set() {
    // C-29
    let exact = Settings {
        case_sensitive_actions: true,
        ..Settings::default()
    };
    assert_eq!(
        decide(
            &["Allow IOT:publish topic/a"],
            &Settings::default(),
            Action::Publish,
            "topic/a"
        ),
        Outcome::Allowed
    );
    assert_eq!(
        decide(
            &["Allow IOT:publish topic/a"],
            &exact,
            Action::Publish,
            "topic/a"
        ),
        Outcome::ImplicitDeny
    );
}

#[test]
fn a_resource_of_another_account_never_matches() {
    // C-23, C-50
    let publish = |resource: &str| {
        decide(
            &[&format!("Allow iot:Publish {resource}")],
            &Settings::default(),
            Action::Publish,
            "topic/a",
        )
    };
    assert_eq!(
        publish("arn:aws:iot:us-east-1:123456789012:topic/a"),
        Outcome::Allowed
    );
    assert_eq!(publish("arn:aws:iot:*:*:topic/a"), Outcome::Allowed);
    assert_eq!(
        publish("arn:aws:iot:us-east-1:123456789012:*"),
        Outcome::Allowed
    );
    for other in [
        "arn:aws:iot:eu-west-1:123456789012:topic/a",
        "arn:aws:iot:us-east-1:210987654321:topic/a",
        "arn:aws-cn:iot:us-east-1:123456789012:topic/a",
        "arn:aws:s3:us-east-1:123456789012:topic/a",
        "arn:aws:iot:REGION:ACCOUNT_ID:topic/a",
    ] {
        assert_eq!(publish(other), Outcome::ImplicitDeny, "{other}");
    }
}
