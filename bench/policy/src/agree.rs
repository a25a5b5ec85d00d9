//! The engine and Cedar give the same answers where both have the words.

use cedar_policy::{Authorizer, Decision};
use serde_json::{Map, Value, json};
use thingwire_policy::{Action, Context, Document, Outcome, PolicySet, Request, Thing};

use crate::translate::{self, ACTIONS, Connection};

const REGION: &str = "us-east-1";
const ACCOUNT: &str = "123456789012";
const SETS: u64 = 2_000;
const QUESTIONS: usize = 10;

/// Compares, and prints how often which answer came.
pub fn run() -> Result<(), String> {
    let mut counts = [0_u64; 3];
    let authorizer = Authorizer::new();
    for number in 0..SETS {
        let mut random = Random(number);
        let documents: Vec<Value> = (0..1 + random.below(2))
            .map(|_| document(&mut random))
            .collect();
        let parsed = documents
            .iter()
            .map(|document| Document::parse(&document.to_string()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| error.to_string())?;
        let connection = connection(&mut random);
        let named = parsed.iter().map(|document| ("policy", document));
        let ours = PolicySet::compile(named, &context(&connection));
        let cedar = translate::policies(&documents, &connection)?;
        for _ in 0..QUESTIONS {
            let (action, arn) = question(&mut random, &documents, &connection);
            let known = Action::from_name(action).ok_or("an unknown action")?;
            let our_outcome = ours.decide(known, &arn, &Request::default()).outcome;
            let request = translate::request(action, &arn, &connection)?;
            let response = authorizer.is_authorized(&request, &cedar, &translate::entities());
            if let Some(error) = response.diagnostics().errors().next() {
                return Err(format!("set {number}: {error}"));
            }
            let determined = response.diagnostics().reason().next().is_some();
            let cedar_outcome = match (response.decision(), determined) {
                (Decision::Allow, _) => Outcome::Allowed,
                (Decision::Deny, true) => Outcome::ExplicitDeny,
                (Decision::Deny, false) => Outcome::ImplicitDeny,
            };
            if our_outcome != cedar_outcome {
                return Err(format!(
                    "set {number}: {action} {arn}: ours {our_outcome:?}, cedar {cedar_outcome:?}\n{connection:?}\n{}\n{cedar}",
                    Value::from(documents)
                ));
            }
            match our_outcome {
                Outcome::Allowed => counts[0] += 1,
                Outcome::ImplicitDeny => counts[1] += 1,
                Outcome::ExplicitDeny => counts[2] += 1,
            }
        }
    }
    let total: u64 = counts.iter().sum();
    let [allowed, implicit, explicit] = counts.map(|count| count as f64 * 100.0 / total as f64);
    println!(
        "{total} decisions agree: allowed {allowed:.1} %, implicit deny {implicit:.1} %, explicit deny {explicit:.1} %"
    );
    if allowed.min(implicit).min(explicit) < 10.0 {
        return Err("one kind of answer is too rare to prove anything".to_owned());
    }
    Ok(())
}

fn context(connection: &Connection) -> Context {
    let mut context = Context::new(REGION, ACCOUNT);
    context.client_id = Some(connection.client_id.clone());
    context.source_ip = connection.source_ip.parse().ok();
    if connection.attached {
        context.things.push(Thing::attached(&connection.client_id));
    }
    context.persistent = connection
        .connect_attributes
        .contains(&"PersistentConnect".to_owned());
    if connection
        .connect_attributes
        .contains(&"LastWill".to_owned())
    {
        context.last_will_topic = Some("will".to_owned());
    }
    context
}

/// SplitMix64, seeded: the same cases in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % end as u64) as usize
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

fn connection(random: &mut Random) -> Connection {
    let all = ["PersistentConnect", "LastWill"];
    Connection {
        client_id: random
            .pick(&["lamp", "a", "a*", "ä", "x\"y", "a\\b"])
            .to_owned(),
        attached: random.below(3) > 0,
        source_ip: random
            .pick(&["192.0.2.7", "198.51.100.9", "2001:db8::1"])
            .to_owned(),
        connect_attributes: all
            .into_iter()
            .filter(|_| random.below(2) == 0)
            .map(str::to_owned)
            .collect(),
    }
}

fn document(random: &mut Random) -> Value {
    let statements: Vec<Value> = (0..1 + random.below(4))
        .map(|_| statement(random))
        .collect();
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn statement(random: &mut Random) -> Value {
    let mut members = Map::new();
    let effect = random.pick(&["Allow", "Allow", "Deny"]);
    members.insert("Effect".to_owned(), effect.into());
    let actions: Vec<&str> = match random.below(4) {
        0 => vec!["iot:*"],
        count => (0..count).map(|_| random.pick(&ACTIONS)).collect(),
    };
    members.insert("Action".to_owned(), actions.into());
    let member = random.pick(&[
        "Resource",
        "Resource",
        "Resource",
        "Resource",
        "Resource",
        "NotResource",
    ]);
    let resources: Vec<String> = (0..1 + random.below(3)).map(|_| resource(random)).collect();
    members.insert(member.to_owned(), resources.into());
    if random.below(3) == 0 {
        let (operator, key, values): (_, _, &[&str]) = match random.below(8) {
            0 => ("StringEquals", "iot:ClientId", &["lamp", "a*"]),
            1 => ("StringNotEquals", "iot:ClientId", &["lamp"]),
            2 => ("StringLike", "iot:ClientId", &["a*", "l*p"]),
            3 => ("Bool", "iot:Connection.Thing.IsAttached", &["true"]),
            4 => (
                "IpAddress",
                "aws:SourceIp",
                &["192.0.2.0/24", "2001:db8::/32"],
            ),
            5 => ("NotIpAddress", "aws:SourceIp", &["192.0.2.0/24"]),
            6 => (
                "ForAllValues:StringEquals",
                "iot:ConnectAttributes",
                &["PersistentConnect"],
            ),
            _ => (
                "ForAnyValue:StringEquals",
                "iot:ConnectAttributes",
                &["LastWill"],
            ),
        };
        members.insert("Condition".to_owned(), json!({ operator: { key: values } }));
    }
    Value::Object(members)
}

fn resource(random: &mut Random) -> String {
    let kind = random.pick(&["topic", "topicfilter", "client", "*", "topic*"]);
    let mut text = format!("arn:aws:iot:{REGION}:{ACCOUNT}:{kind}/");
    for _ in 0..1 + random.below(3) {
        text.push_str(random.pick(&[
            "a",
            "b",
            "lamp",
            "*",
            "/",
            "ä",
            "${iot:ClientId}",
            "${iot:Connection.Thing.ThingName}",
        ]));
    }
    text
}

/// Something that one of the resources was made for, sometimes slightly beside it.
fn question(
    random: &mut Random,
    documents: &[Value],
    connection: &Connection,
) -> (&'static str, String) {
    let statements = translate::list(&documents[random.below(documents.len())]["Statement"]);
    let statement = &statements[random.below(statements.len())];
    let resources = statement
        .get("Resource")
        .unwrap_or(&statement["NotResource"]);
    let resources = translate::list(resources);
    let mut arn = resources[random.below(resources.len())]
        .as_str()
        .unwrap_or_default()
        .replace("${iot:ClientId}", &connection.client_id)
        .replace("${iot:Connection.Thing.ThingName}", &connection.client_id);
    while arn.contains('*') && random.below(5) > 0 {
        arn = arn.replacen('*', random.pick(&["", "a", "a/b", "topic", "ä"]), 1);
    }
    if random.below(5) == 0 {
        arn.push_str(random.pick(&["x", "/", "a"]));
    }
    let actions = translate::list(&statement["Action"]);
    let action = match actions[random.below(actions.len())].as_str() {
        Some("iot:*") | None => random.pick(&ACTIONS),
        Some(one) => ACTIONS
            .into_iter()
            .find(|known| *known == one)
            .unwrap_or(ACTIONS[0]),
    };
    (action, arn)
}
