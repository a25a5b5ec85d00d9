//! What the actions of MQTT do and do not reach: shadows, shared subscriptions, several policies (`C-8`, `C-22`, `C-25`).

use thingwire_policy::{
    Action, Context, Document, Outcome, PolicySet, Request, Settings, SharedSubscription, Thing,
};

const PREFIX: &str = "arn:aws:iot:us-east-1:123456789012:";

fn document(effect: &str, action: &str, resource: &str) -> Document {
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"{effect}","Action":"{action}","Resource":"{PREFIX}{resource}"}}}}"#
    );
    Document::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn outcome(
    documents: &[&Document],
    settings: &Settings,
    action: Action,
    resource: &str,
) -> Outcome {
    let mut context = Context::new("us-east-1", "123456789012");
    context.client_id = Some("lamp".into());
    context.things.push(Thing::attached("lamp"));
    let named = documents.iter().map(|document| ("policy", *document));
    PolicySet::compile_with(named, &context, settings)
        .decide(action, resource, &Request::default())
        .outcome
}

/// `C-22`: over MQTT a shadow is topics and nothing else; over HTTPS it is a thing and nothing else.
#[test]
fn shadows_over_mqtt_are_topics() {
    let https = document("Allow", "iot:*ThingShadow", "thing/lamp");
    let mqtt = document("Allow", "iot:Publish", "topic/$aws/things/lamp/shadow/*");
    let ask = |document: &Document, action, resource| {
        outcome(&[document], &Settings::default(), action, resource)
    };
    for (action, resource) in [
        (Action::Publish, "topic/$aws/things/lamp/shadow/get"),
        (Action::Publish, "topic/$aws/things/lamp/shadow/update"),
        (
            Action::Subscribe,
            "topicfilter/$aws/things/lamp/shadow/get/accepted",
        ),
        (
            Action::Receive,
            "topic/$aws/things/lamp/shadow/get/accepted",
        ),
    ] {
        assert_eq!(ask(&https, action, resource), Outcome::ImplicitDeny);
    }
    assert_eq!(
        ask(&mqtt, Action::Publish, "topic/$aws/things/lamp/shadow/get"),
        Outcome::Allowed
    );
    for action in [
        Action::GetThingShadow,
        Action::UpdateThingShadow,
        Action::DeleteThingShadow,
    ] {
        assert_eq!(ask(&https, action, "thing/lamp"), Outcome::Allowed);
        assert_eq!(ask(&mqtt, action, "thing/lamp"), Outcome::ImplicitDeny);
    }
}

/// `C-25`: the two policies that people must try on AWS, under both readings of `C-24`.
#[test]
fn both_forms_of_a_shared_subscription() {
    let full = document("Allow", "iot:Subscribe", "topicfilter/$share/*/x");
    let inner = document("Allow", "iot:Subscribe", "topicfilter/x");
    let reads_inner = Settings {
        shared_subscription: SharedSubscription::Inner,
        ..Settings::default()
    };
    for (document, settings, expected) in [
        (&full, Settings::default(), Outcome::Allowed),
        (&inner, Settings::default(), Outcome::ImplicitDeny),
        (&full, reads_inner, Outcome::ImplicitDeny),
        (&inner, reads_inner, Outcome::Allowed),
    ] {
        let shared = "topicfilter/$share/group/x";
        assert_eq!(
            outcome(&[document], &settings, Action::Subscribe, shared),
            expected
        );
        // Whatever is chosen, a plain subscription is a plain filter, and Receive is about the plain topic.
        let plain = outcome(&[document], &settings, Action::Subscribe, "topicfilter/x");
        assert_eq!(plain == Outcome::Allowed, std::ptr::eq(document, &inner));
    }
}

/// `C-8`, `C-10`: all policies that apply count, whatever they are attached to, and a Deny in any of them wins.
#[test]
fn policies_of_the_certificate_and_of_groups_add_up() {
    let certificate = document("Allow", "iot:Publish", "topic/own");
    let group = document("Allow", "iot:Publish", "topic/team");
    let ancestor = document("Deny", "iot:Publish", "topic/team/secret");
    let all = [&certificate, &group, &ancestor];
    let settings = Settings::default();
    for (topic, expected) in [
        ("topic/own", Outcome::Allowed),
        ("topic/team", Outcome::Allowed),
        ("topic/team/secret", Outcome::ExplicitDeny),
        ("topic/other", Outcome::ImplicitDeny),
    ] {
        assert_eq!(outcome(&all, &settings, Action::Publish, topic), expected);
        let mut turned = all;
        turned.reverse();
        assert_eq!(
            outcome(&turned, &settings, Action::Publish, topic),
            expected
        );
    }
}
