//! What a decision costs, in instructions: they do not move with the machine, times do.
//!
//! ```text
//! cargo build --release -p thingwire-policy --example cost
//! valgrind --tool=callgrind --toggle-collect='cost::decide*' target/release/examples/cost seed
//! ```
//!
//! Collected instructions ÷ 1000 are those of one decision. Cases: `seed` (the policy this project began with),
//! `dense` (a policy of 2048 characters full of wildcards), `ten` (ten such policies attached); the toggle
//! `cost::compile*` counts the compilation instead, which happens once.

use std::hint::black_box;

use thingwire_policy::{
    Action, Context, Document, Outcome, PolicySet, Request, Thing, replace_placeholders,
};

const REGION: &str = "us-east-1";
const ACCOUNT: &str = "123456789012";
const ROUNDS: usize = 1000;

#[inline(never)]
fn compile(policies: &[(&str, &Document)], context: &Context) -> PolicySet {
    PolicySet::compile(policies.iter().copied(), context)
}

#[inline(never)]
fn decide(policies: &PolicySet, topic: &str) -> Outcome {
    policies
        .decide(Action::Publish, topic, &Request::default())
        .outcome
}

/// As many wildcard statements as fit into 2048 characters; the last one allows what is asked for.
fn dense() -> String {
    let resource = |rest: &str| format!("\"arn:aws:iot:{REGION}:{ACCOUNT}:topic/{rest}\"");
    let mut resources: Vec<_> = (0..34)
        .map(|number| resource(&format!("*/{number}?/*")))
        .collect();
    resources.push(resource("esp32/*b"));
    format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"iot:*","Resource":[{}],"Condition":{{"Bool":{{"iot:Connection.Thing.IsAttached":"true"}}}}}}}}"#,
        resources.join(",")
    )
}

fn main() {
    let case = std::env::args().nth(1).unwrap_or_default();
    let (text, copies) = match case.as_str() {
        "seed" => (
            replace_placeholders(include_str!("../tests/seed-policy.json"), REGION, ACCOUNT).0,
            1,
        ),
        "dense" => (dense(), 1),
        "ten" => (dense(), 10),
        _ => {
            eprintln!("usage: cost seed|dense|ten");
            std::process::exit(2);
        }
    };
    let document = Document::parse(&text).unwrap_or_else(|error| panic!("{error}"));
    let mut context = Context::new(REGION, ACCOUNT);
    context.client_id = Some("esp32".into());
    context.things.push(Thing::attached("esp32"));
    let policies = compile(&vec![("policy", &document); copies], &context);
    for _ in 0..ROUNDS {
        assert_eq!(
            decide(black_box(&policies), black_box("topic/esp32/pub")),
            Outcome::Allowed
        );
    }
    println!(
        "{case}: {ROUNDS} decisions, {} bytes of heap compiled",
        policies.heap_bytes()
    );
}
