//! The twin itself against the 100 vectors of aws-iot-core.md C.10, whose answers nobody here made up.

use serde_json::Value;
use thingwire_contract::Partition;
use thingwire_policy::{Action, Settings};

use crate::rules;
use crate::situation::{Asked, Registered, Situation};

#[test]
fn the_twin_follows_the_vectors() {
    let file: Value =
        serde_json::from_str(include_str!("../policy-vectors.json")).expect("the vectors are JSON");
    let vectors = file["vectors"].as_array().expect("a list");
    assert_eq!(vectors.len(), 100);
    for vector in vectors {
        let policy = vector["policy"].as_str().expect("a policy's name");
        let action = vector["action"].as_str().expect("an action's name");
        let asked = Asked {
            action: Action::from_name(action).expect("a known action"),
            resource: text(&vector["resource"]).expect("a resource"),
            topic: text(&vector["context"]["dmTopic"]),
            include_socket_information: None,
        };
        let outcome = rules::decide(
            std::slice::from_ref(&file["policies"][policy]),
            &situation(&file, &vector["context"]),
            &Settings::default(),
            &asked,
        );
        assert_eq!(outcome.name(), vector["expect"], "{}", vector["id"]);
    }
}

fn situation(file: &Value, context: &Value) -> Situation {
    let things = context["things"].as_object().into_iter().flatten();
    let subject = context["subject"].as_object().into_iter().flatten();
    let connect_attributes = context["connectAttributes"].to_string();
    Situation {
        partition: Partition::Aws,
        region: text(&file["region"]).expect("a region"),
        account: text(&file["account"]).expect("an account"),
        mqtt: context["mqtt"] == true,
        client_id: text(&context["clientId"]),
        certificate_id: text(&context["certId"]),
        serial_number: None,
        subject: subject
            .map(|(name, values)| {
                let name = thingwire_policy::CERTIFICATE_ATTRIBUTES
                    .into_iter()
                    .find(|known| known == name)
                    .expect("a known attribute");
                (name, rules::list(values).iter().filter_map(text).collect())
            })
            .collect(),
        issuer: Vec::new(),
        source_ip: text(&context["sourceIp"]).and_then(|address| address.parse().ok()),
        domain_name: text(&context["domain"]),
        things: things
            .map(|(name, thing)| Registered {
                name: name.clone(),
                type_name: text(&thing["type"]),
                attributes: thing["attrs"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter_map(|(name, value)| Some((name.clone(), text(value)?)))
                    .collect(),
                attached: thing["attached"] == true,
                exclusive: thing["exclusive"] == true,
            })
            .collect(),
        persistent: connect_attributes.contains("PersistentConnect"),
        last_will_topic: connect_attributes
            .contains("LastWill")
            .then(|| text(&context["lastWillTopic"]).expect("a Will has a topic")),
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_string)
}
