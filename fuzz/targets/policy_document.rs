//! Any text as a policy document: read, compiled for a device, asked about everything, explained.
//!
//! Nothing may panic, and the short answer and the long one must be the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use thingwire_policy::{Action, Context, Document, PolicySet, Request, Settings, Thing};

const RESOURCES: [&str; 8] = [
    "client/lamp",
    "topic/a/b",
    "topic/$aws/things/lamp/shadow/update",
    "topicfilter/$share/g/a/+",
    "topicfilter/#",
    "thing/lamp",
    "*",
    "arn:aws:iot:eu-west-1:210987654321:topic/ä",
];

fuzz_target!(|text: &str| {
    let strict = Document::parse(text);
    let lenient = Settings {
        accept_unknown_actions: true,
        accept_unknown_condition_keys: true,
        substituted_wildcards: text.len() % 2 == 0,
        ..Settings::default()
    };
    let document = match Document::parse_with(text, &lenient) {
        Ok(document) => document,
        Err(error) => {
            assert!(strict.is_err(), "only the strict reading took it");
            assert!(!error.to_string().contains('\n'));
            assert!(
                error
                    .aws_message()
                    .starts_with("Policy document is Malformed")
            );
            return;
        }
    };
    let _ = document.warnings("us-east-1", "123456789012");
    let mut context = Context::new("us-east-1", "123456789012");
    context.client_id = Some("lamp".to_owned());
    context.certificate_id = Some("c0ffee".to_owned());
    context.subject.add("CommonName", "a,b");
    context.subject.add("CommonName", "*");
    context.source_ip = "192.0.2.7".parse().ok();
    context.last_will_topic = Some("will".to_owned());
    let mut thing = Thing::attached("lamp");
    thing.attributes.push(("a".to_owned(), "1".to_owned()));
    context.things.push(thing);
    let policies =
        PolicySet::compile_with([("p", &document), ("q", &document)], &context, &lenient);
    for action in Action::ALL {
        for resource in RESOURCES {
            let request = Request {
                topic: Some("a/b"),
                include_socket_information: Some(true),
            };
            let decision = policies.decide(action, resource, &request);
            let why = policies.explain(action, resource, &request);
            assert_eq!(decision.outcome, why.outcome);
            assert!(!why.to_string().contains('\n'));
        }
    }
});
