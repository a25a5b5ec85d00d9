//! The cases that are measured: each asks one function a thousand times, so that callgrind can count only that.

use std::hint::black_box;
use std::str::FromStr as _;
use std::time::Instant;

use cedar_policy::{Authorizer, Decision, Entities};
use serde_json::Value;
use thingwire_policy::{
    Action, Context, Document, Outcome, PolicySet, Request, Thing, replace_placeholders,
};

use crate::translate::{self, Connection};

/// How often a case asks.
pub const ROUNDS: u32 = 1000;
const REGION: &str = "us-east-1";
const ACCOUNT: &str = "123456789012";
const SEED: &str = include_str!("../../../crates/policy/tests/seed-policy.json");

/// The names of all cases: engine and policy.
pub const NAMES: [&str; 13] = [
    "ours-seed",
    "ours-seed-denied",
    "ours-seed-compile",
    "ours-seed-parse",
    "ours-dense",
    "ours-conditions",
    "ours-ten",
    "ours-beside",
    "cedar-seed",
    "cedar-seed-entities",
    "cedar-seed-denied",
    "cedar-dense",
    "cedar-ten",
];

/// The functions whose instructions count.
#[inline(never)]
fn ours_decide(policies: &PolicySet, topic: &str) -> Outcome {
    policies
        .decide(Action::Publish, topic, &Request::default())
        .outcome
}

#[inline(never)]
fn ours_compile(documents: &[(&str, &Document)], context: &Context) -> PolicySet {
    PolicySet::compile(documents.iter().copied(), context)
}

#[inline(never)]
fn ours_parse(text: &str) -> Option<Document> {
    Document::parse(text).ok()
}

#[inline(never)]
fn cedar_decide(
    authorizer: &Authorizer,
    request: &cedar_policy::Request,
    policies: &cedar_policy::PolicySet,
    entities: &Entities,
) -> Decision {
    authorizer
        .is_authorized(request, policies, entities)
        .decision()
}

/// The function that counts in a case, as callgrind's toggle wants it.
pub fn toggle(name: &str) -> &'static str {
    match name {
        "ours-seed-compile" => "*cases::ours_compile*",
        "ours-seed-parse" => "*cases::ours_parse*",
        name if name.starts_with("ours") => "*cases::ours_decide*",
        _ => "*cases::cedar_decide*",
    }
}

fn seed() -> String {
    replace_placeholders(SEED, REGION, ACCOUNT).0
}

fn resource(rest: &str) -> String {
    format!("\"arn:aws:iot:{REGION}:{ACCOUNT}:topic/{rest}\"")
}

/// As many wildcard patterns as fit into 2048 characters; the last one allows what is asked for.
fn dense() -> String {
    let mut resources: Vec<String> = (0..34)
        .map(|number| resource(&format!("*/{number}x/*")))
        .collect();
    resources.push(resource("esp32/*b"));
    format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"iot:*","Resource":[{}],"Condition":{{"Bool":{{"iot:Connection.Thing.IsAttached":"true"}}}}}}}}"#,
        resources.join(",")
    )
}

/// As many statements with wildcards and a condition of their own as fit into 2048 characters.
fn conditions() -> String {
    let statement = |effect: &str, rest: &str, condition: &str| {
        format!(
            r#"{{"Effect":"{effect}","Action":"iot:Pub*","Resource":{},"Condition":{{{condition}}}}}"#,
            resource(rest)
        )
    };
    let mut statements: Vec<String> = (0..9)
        .map(|number| {
            let condition = match number % 3 {
                0 => format!(r#""StringNotLike":{{"iot:ClientId":"*{number}*?"}}"#),
                1 => r#""IpAddress":{"aws:SourceIp":"192.0.2.0/24"}"#.to_owned(),
                _ => r#""ForAnyValue:StringLike":{"iot:ConnectAttributes":"*Will"}"#.to_owned(),
            };
            statement("Deny", &format!("*/?{number}*/*"), &condition)
        })
        .collect();
    statements.push(statement(
        "Allow",
        "*?32/*b",
        r#""Bool":{"iot:Connection.Thing.IsAttached":"true"}"#,
    ));
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{}]}}"#,
        statements.join(",")
    )
}

/// Nine policies full of other topics, and the seed's: 180 statements that cannot match.
fn beside() -> Vec<String> {
    let full = |policy: usize| {
        let statements: Vec<String> = (0..20)
            .map(|number| {
                format!(
                    r#"{{"Effect":"Deny","Action":"iot:*","Resource":{}}}"#,
                    resource(&format!("p{policy}/{number}/*"))
                )
            })
            .collect();
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{}]}}"#,
            statements.join(",")
        )
    };
    (0..9).map(full).chain([seed()]).collect()
}

fn context() -> Context {
    let mut context = Context::new(REGION, ACCOUNT);
    context.client_id = Some("esp32".to_owned());
    context.source_ip = "192.0.2.7".parse().ok();
    context.last_will_topic = Some("will".to_owned());
    context.things.push(Thing::attached("esp32"));
    context
}

fn connection() -> Connection {
    Connection {
        client_id: "esp32".to_owned(),
        attached: true,
        source_ip: "192.0.2.7".to_owned(),
        connect_attributes: vec!["LastWill".to_owned()],
    }
}

/// Runs one case. Prints the nanoseconds of one round if it was asked for the time.
pub fn run(name: &str, quiet: bool) -> Result<(), String> {
    let started;
    match name {
        "ours-seed-parse" => {
            let text = seed();
            started = Instant::now();
            for _ in 0..ROUNDS {
                assert!(black_box(ours_parse(black_box(&text))).is_some());
            }
        }
        "ours-seed-compile" => {
            let document = parse(&seed())?;
            let context = context();
            started = Instant::now();
            for _ in 0..ROUNDS {
                black_box(ours_compile(
                    black_box(&[("seed", &document)]),
                    black_box(&context),
                ));
            }
        }
        name if name.starts_with("ours") => {
            let documents = if name == "ours-beside" {
                beside()
                    .iter()
                    .map(|text| parse(text))
                    .collect::<Result<Vec<_>, _>>()?
            } else {
                let (text, copies) = policy(name)?;
                vec![parse(&text)?; copies]
            };
            let named: Vec<_> = documents
                .iter()
                .map(|document| ("policy", document))
                .collect();
            let policies = ours_compile(&named, &context());
            let (topic, expected) = question(name);
            started = Instant::now();
            for _ in 0..ROUNDS {
                let outcome = ours_decide(black_box(&policies), black_box(topic));
                assert_eq!(outcome == Outcome::Allowed, expected);
            }
        }
        _ => {
            let (topic, expected) = question(name);
            let arn = format!("arn:aws:iot:{REGION}:{ACCOUNT}:{topic}");
            let (policies, request) = if name == "cedar-seed-entities" {
                (seed_of_entities()?, request_of_entities(topic)?)
            } else {
                let (text, copies) = policy(name)?;
                let document: Value =
                    serde_json::from_str(&text).map_err(|error| error.to_string())?;
                let documents = vec![document; copies];
                let policies = translate::policies(&documents, &connection())?;
                (
                    policies,
                    translate::request("iot:Publish", &arn, &connection())?,
                )
            };
            let (authorizer, entities) = (Authorizer::new(), translate::entities());
            started = Instant::now();
            for _ in 0..ROUNDS {
                let decision = cedar_decide(
                    &authorizer,
                    black_box(&request),
                    black_box(&policies),
                    &entities,
                );
                assert_eq!(decision == Decision::Allow, expected);
            }
        }
    }
    if !quiet {
        println!("{}", started.elapsed().as_nanos() / u128::from(ROUNDS));
    }
    Ok(())
}

fn parse(text: &str) -> Result<Document, String> {
    Document::parse(text).map_err(|error| error.to_string())
}

fn policy(name: &str) -> Result<(String, usize), String> {
    match name.split_once('-').map(|(_, policy)| policy) {
        Some("seed" | "seed-denied") => Ok((seed(), 1)),
        Some("dense") => Ok((dense(), 1)),
        Some("conditions") => Ok((conditions(), 1)),
        Some("ten") => Ok((dense(), 10)),
        _ => Err(format!("no case is called `{name}`")),
    }
}

fn question(name: &str) -> (&'static str, bool) {
    if name.ends_with("denied") {
        ("topic/esp32/other", false)
    } else {
        ("topic/esp32/pub", true)
    }
}

/// The seed's policy as somebody would write it for Cedar alone: resources are entities, compared by their ids.
fn seed_of_entities() -> Result<cedar_policy::PolicySet, String> {
    let text = r#"
        permit(principal, action == Action::"iot:Connect", resource == Client::"esp32");
        permit(principal, action == Action::"iot:Subscribe", resource == Filter::"esp32/sub");
        permit(principal, action == Action::"iot:Receive", resource == Topic::"esp32/sub");
        permit(principal, action == Action::"iot:Publish", resource == Topic::"esp32/pub");
    "#;
    cedar_policy::PolicySet::from_str(text).map_err(|error| error.to_string())
}

fn request_of_entities(topic: &str) -> Result<cedar_policy::Request, String> {
    let uid =
        |text: String| cedar_policy::EntityUid::from_str(&text).map_err(|error| error.to_string());
    let name = topic.strip_prefix("topic/").unwrap_or(topic);
    cedar_policy::Request::new(
        uid("Device::\"esp32\"".to_owned())?,
        uid("Action::\"iot:Publish\"".to_owned())?,
        uid(format!("Topic::{name:?}"))?,
        cedar_policy::Context::empty(),
        None,
    )
    .map_err(|error| error.to_string())
}

/// Bytes of the seed's policy when it is compiled: itself and what it points to.
pub fn compiled_bytes() -> Result<usize, String> {
    let document = parse(&seed())?;
    let policies = ours_compile(&[("seed", &document)], &context());
    Ok(policies.heap_bytes() + size_of::<PolicySet>())
}

/// Characters without white space of the two big policies (`C-3`: 2048 are allowed).
pub fn sizes() -> [(&'static str, usize); 2] {
    let count = |text: String| {
        text.chars()
            .filter(|character| !character.is_whitespace())
            .count()
    };
    [
        ("dense", count(dense())),
        ("conditions", count(conditions())),
    ]
}
