//! A decision allocates nothing, whatever it decides: it runs inside the broker's routing.

use allocation_counter::measure;
use thingwire_policy::{Action, Context, Document, Outcome, PolicySet, Request, Thing};

#[test]
fn decisions_allocate_nothing() {
    let document = Document::parse(
        r#"{"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "iot:*", "Resource": "arn:aws:iot:*:*:topic*/${iot:ClientId}/*",
             "Condition": {"Bool": {"iot:Connection.Thing.IsAttached": "true"}}},
            {"Effect": "Deny", "Action": "iot:Publish", "NotResource": "arn:aws:iot:us-east-1:123456789012:*/lamp/*"},
            {"Effect": "Deny", "Action": "iot:Subscribe", "Resource": "arn:aws:iot:*:*:*/secret?"},
            {"Effect": "Allow", "Action": "iot:SendDirectMessage", "Resource": "*",
             "Condition": {"StringLike": {"iot:Topic": "a/*"}, "StringNotEqualsIgnoreCase": {"iot:Topic": "A/ß"},
                           "NotIpAddress": {"iot:Topic": "192.0.2.0/24"}, "DateLessThanIfExists": {"iot:Topic": "2026-01-01"},
                           "NumericNotEquals": {"iot:Topic": 1}, "ArnNotLike": {"iot:Topic": "arn:aws:iot:*:*:topic/*"}}}
        ]}"#,
    )
    .expect("valid");
    let mut context = Context::new("us-east-1", "123456789012");
    context.client_id = Some("lamp".into());
    context.things.push(Thing::attached("lamp"));
    let policies = PolicySet::compile([("p", &document)], &context);
    let request = Request {
        topic: Some("a/b"),
        include_socket_information: None,
    };

    for (action, resource, expected) in [
        (Action::Publish, "topic/lamp/on", Outcome::Allowed),
        (Action::Publish, "topic/desk/on", Outcome::ExplicitDeny),
        (Action::Receive, "topic/desk/on", Outcome::ImplicitDeny),
        (Action::Subscribe, "topicfilter/lamp/#", Outcome::Allowed),
        (
            Action::Subscribe,
            "topicfilter/lamp/secret1",
            Outcome::ExplicitDeny,
        ),
        (
            Action::Subscribe,
            "topicfilter/$share/g/lamp/secret1",
            Outcome::ExplicitDeny,
        ),
        (Action::SendDirectMessage, "client/x", Outcome::ImplicitDeny),
        (
            Action::Publish,
            "arn:aws:iot:us-east-1:123456789012:topic/lamp/on",
            Outcome::Allowed,
        ),
        (
            Action::Receive,
            "arn:aws:iot:eu-west-1:123456789012:topic/lamp/on",
            Outcome::Allowed,
        ),
        (
            // C-24 holds for the resources of other regions too.
            Action::Subscribe,
            "arn:aws:iot:eu-west-1:123456789012:topicfilter/$share/g/lamp/secret1",
            Outcome::ExplicitDeny,
        ),
    ] {
        let mut outcome = None;
        let allocations =
            measure(|| outcome = Some(policies.decide(action, resource, &request).outcome));
        assert_eq!(outcome, Some(expected), "{action} {resource}");
        let explained = policies.explain(action, resource, &request).outcome;
        assert_eq!(outcome, Some(explained), "{action} {resource}");
        assert_eq!(allocations.count_total, 0, "{action} {resource}");
    }
}
