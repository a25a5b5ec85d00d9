//! The decision vectors of aws-iot-core.md, section C.10, each by its id.
//!
//! `policy-vectors.json` holds policies, connection contexts, requests and the expected decision. Every vector
//! is decided three ways that must agree: with the resource as a suffix, with the whole ARN, and explained.

use serde_json::Value;
use thingwire_policy::{Action, Context, Document, Outcome, PolicySet, Request, Thing};

fn file() -> Value {
    serde_json::from_str(include_str!("policy-vectors.json")).expect("the vectors are JSON")
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(Into::into)
}

fn context(file: &Value, vector: &Value) -> Context {
    let given = &vector["context"];
    let mut context = Context::new(
        file["region"].as_str().expect("region"),
        file["account"].as_str().expect("account"),
    );
    context.mqtt = given["mqtt"].as_bool().expect("mqtt");
    context.client_id = text(&given["clientId"]);
    context.certificate_id = text(&given["certId"]);
    context.source_ip = given["sourceIp"]
        .as_str()
        .map(|address| address.parse().expect("an address"));
    context.domain_name = text(&given["domain"]);
    context.last_will_topic = text(&given["lastWillTopic"]);
    let attributes: Vec<&str> = given["connectAttributes"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    context.persistent = attributes.contains(&"PersistentConnect");
    assert_eq!(
        attributes.contains(&"LastWill"),
        context.last_will_topic.is_some(),
        "C-37: a Will has a topic"
    );
    for (name, thing) in given["things"].as_object().expect("an object") {
        let attributes = thing["attrs"].as_object().into_iter().flatten();
        context.things.push(Thing {
            name: name.clone(),
            type_name: text(&thing["type"]),
            attributes: attributes
                .map(|(name, value)| (name.clone(), text(value).expect("a text")))
                .collect(),
            attached: thing["attached"].as_bool().expect("attached"),
            exclusive: thing["exclusive"].as_bool().unwrap_or(false),
        });
    }
    for (attribute, values) in given["subject"].as_object().expect("an object") {
        for value in values.as_array().expect("a list") {
            context
                .subject
                .add(attribute, value.as_str().expect("a text"));
        }
    }
    context
}

/// Every context member of the file is one that `context` reads; a new one must not be ignored.
#[test]
fn no_context_member_is_unknown() {
    const KNOWN: [&str; 10] = [
        "clientId",
        "things",
        "certId",
        "mqtt",
        "connectAttributes",
        "lastWillTopic",
        "sourceIp",
        "domain",
        "subject",
        "dmTopic",
    ];
    for vector in file()["vectors"].as_array().expect("a list") {
        for member in vector["context"].as_object().expect("an object").keys() {
            assert!(
                KNOWN.contains(&member.as_str()),
                "{}: {member}",
                vector["id"]
            );
        }
    }
}

/// Decides one vector; the error says what differs.
fn check(file: &Value, vector: &Value) -> Result<(), String> {
    let policy = vector["policy"].as_str().expect("a policy");
    let document = Document::parse(&file["policies"][policy].to_string())
        .map_err(|error| error.to_string())?;
    let policies = PolicySet::compile([(policy, &document)], &context(file, vector));
    let action =
        Action::from_name(vector["action"].as_str().expect("an action")).ok_or("unknown action")?;
    let resource = vector["resource"].as_str().expect("a resource");
    let request = Request {
        topic: vector["context"]["dmTopic"].as_str(),
        include_socket_information: None,
    };
    let expected = vector["expect"].as_str().expect("an expectation");

    let decision = policies.decide(action, resource, &request);
    let explanation = policies.explain(action, resource, &request);
    if decision.outcome.name() != expected {
        return Err(format!("expected {expected}, {explanation}"));
    }
    let arn = format!("arn:aws:iot:us-east-1:123456789012:{resource}");
    let whole = policies.decide(action, &arn, &request);
    if whole != decision {
        return Err(format!(
            "{whole:?} for the whole ARN, {decision:?} for its last part"
        ));
    }
    let consistent = match decision.outcome {
        Outcome::Allowed => !explanation.allowed_by.is_empty() && explanation.denied_by.is_empty(),
        Outcome::ImplicitDeny => {
            explanation.allowed_by.is_empty() && explanation.denied_by.is_empty()
        }
        Outcome::ExplicitDeny => !explanation.denied_by.is_empty(),
    };
    if explanation.outcome == decision.outcome && consistent {
        Ok(())
    } else {
        Err(format!(
            "the explanation contradicts the decision: {explanation:?}"
        ))
    }
}

#[test]
fn all_vectors() {
    let file = file();
    let vectors = file["vectors"].as_array().expect("a list");
    let wrong: Vec<String> = vectors
        .iter()
        .filter_map(|vector| {
            check(&file, vector)
                .err()
                .map(|why| format!("{}: {why}", vector["id"]))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} vectors differ:\n{}",
        wrong.len(),
        vectors.len(),
        wrong.join("\n")
    );
    assert_eq!(vectors.len(), 100);
}
