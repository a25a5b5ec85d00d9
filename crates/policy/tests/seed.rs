//! The policy this project began with, `C-50` to `C-53`: decided exactly, and explained in words.

use thingwire_policy::{
    Action, Context, Document, Outcome, PolicySet, Request, Thing, placeholders,
    replace_placeholders,
};

const SEED: &str = include_str!("seed-policy.json");
const REGION: &str = "us-east-1";
const ACCOUNT: &str = "123456789012";

fn seed() -> Document {
    let (text, replaced) = replace_placeholders(SEED, REGION, ACCOUNT);
    assert_eq!(replaced, 8, "region and account of four resources");
    Document::parse(&text).expect("the seed's policy is valid")
}

fn client(id: &str, things: &[Thing]) -> Context {
    let mut context = Context::new(REGION, ACCOUNT);
    context.client_id = Some(id.into());
    context.things = things.to_vec();
    context
}

fn exclusively(name: &str) -> Thing {
    Thing {
        exclusive: true,
        ..Thing::attached(name)
    }
}

fn not_attached(name: &str) -> Thing {
    Thing {
        attached: false,
        ..Thing::attached(name)
    }
}

fn connect(context: &Context) -> Outcome {
    let document = seed();
    let policies = PolicySet::compile([("seed", &document)], context);
    let resource = format!(
        "client/{}",
        context.client_id.as_deref().unwrap_or_default()
    );
    policies
        .decide(Action::Connect, &resource, &Request::default())
        .outcome
}

#[test]
fn v001_the_thing_under_its_own_name() {
    assert_eq!(
        connect(&client("thing1", &[Thing::attached("thing1")])),
        Outcome::Allowed
    );
}

#[test]
fn v002_another_client_id() {
    assert_eq!(
        connect(&client("other", &[Thing::attached("thing1")])),
        Outcome::ImplicitDeny
    );
}

#[test]
fn v003_a_certificate_that_is_not_attached() {
    // C-52: denied although the policy has no IsAttached condition.
    assert_eq!(
        connect(&client("thing1", &[not_attached("thing1")])),
        Outcome::ImplicitDeny
    );
}

#[test]
fn v004_no_such_thing() {
    assert_eq!(connect(&client("thing1", &[])), Outcome::ImplicitDeny);
}

#[test]
fn v005_exclusive_under_another_name() {
    // C-53
    assert_eq!(
        connect(&client("sess-42", &[exclusively("thing1")])),
        Outcome::ImplicitDeny
    );
}

#[test]
fn v006_exclusive_under_its_own_name() {
    assert_eq!(
        connect(&client("thing1", &[exclusively("thing1")])),
        Outcome::Allowed
    );
}

#[test]
fn v007_a_client_named_like_the_variable() {
    // C-45: the text `${…}` is never compared.
    let name = "${iot:Connection.Thing.ThingName}";
    assert_eq!(
        connect(&client(name, &[Thing::attached("thing1")])),
        Outcome::ImplicitDeny
    );
}

#[test]
fn v008_attached_to_several_things() {
    // C-41: each of their names is allowed, and nothing else.
    let things = [Thing::attached("thing1"), Thing::attached("thing2")];
    assert_eq!(connect(&client("thing1", &things)), Outcome::Allowed);
    assert_eq!(connect(&client("thing2", &things)), Outcome::Allowed);
    assert_eq!(connect(&client("thing3", &things)), Outcome::ImplicitDeny);
}

#[test]
fn placeholders_that_were_left_in_deny_everything_and_are_named() {
    // C-50
    assert_eq!(placeholders(SEED).len(), 8);
    let document = Document::parse(SEED).expect("valid as it is");
    let policies = PolicySet::compile(
        [("seed", &document)],
        &client("thing1", &[Thing::attached("thing1")]),
    );
    let why = policies.explain(Action::Connect, "client/thing1", &Request::default());
    assert_eq!(
        why.to_string(),
        "iot:Connect on `client/thing1` is denied: no statement of the attached policies [`seed`] allows it; nearest \
         is policy `seed` statement 1, for `client/thing1` of region `REGION` and account `ACCOUNT_ID`, which are \
         not this cloud's"
    );
    assert_eq!(document.warnings(REGION, ACCOUNT).len(), 8);
}

/// What a connected device may do, action by action: the picture of the seed's policy.
#[test]
fn decisions_of_a_connected_device() {
    let document = seed();
    let policies = PolicySet::compile(
        [("seed", &document)],
        &client("esp32", &[Thing::attached("esp32")]),
    );
    let mut picture = String::new();
    for (action, resource) in [
        (Action::Connect, "client/esp32"),
        (Action::Connect, "client/esp32 "),
        (Action::Connect, "client/ESP32"),
        (Action::Connect, "client/"),
        (Action::Subscribe, "topicfilter/esp32/sub"),
        (Action::Subscribe, "topicfilter/esp32/pub"),
        (Action::Subscribe, "topicfilter/esp32/+"),
        (Action::Subscribe, "topicfilter/#"),
        (Action::Subscribe, "topic/esp32/sub"),
        (Action::Subscribe, "topicfilter/$share/g/esp32/sub"),
        (Action::Receive, "topic/esp32/sub"),
        (Action::Receive, "topic/esp32/pub"),
        (Action::Publish, "topic/esp32/pub"),
        (Action::Publish, "topic/esp32/sub"),
        (Action::Publish, "topic/esp32/pub/x"),
        (Action::Publish, "topicfilter/esp32/pub"),
        (Action::RetainPublish, "topic/esp32/pub"),
        (Action::GetThingShadow, "thing/esp32"),
    ] {
        let decision = policies.decide(action, resource, &Request::default());
        let by = decision
            .by
            .and_then(|by| policies.statement_name(by))
            .map_or(String::new(), |by| format!(" by {by}"));
        picture.push_str(&format!(
            "{} {resource}: {}{by}\n",
            action.name(),
            decision.outcome.name()
        ));
    }
    assert_eq!(picture, include_str!("seed-policy.decisions.txt"));
}

#[test]
fn a_compiled_seed_policy_is_small() {
    let document = seed();
    let policies = PolicySet::compile(
        [("seed", &document)],
        &client("esp32", &[Thing::attached("esp32")]),
    );
    let bytes = policies.heap_bytes() + size_of_val(&policies);
    assert!(bytes <= 2048, "{bytes} bytes");
    let literals = "topic/esp32/pub".len() + "topic/esp32/sub".len() + "client/esp32".len();
    assert!(
        policies.heap_bytes() > literals,
        "texts that it must hold count"
    );
}
