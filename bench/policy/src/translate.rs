//! An IoT policy in Cedar's words, as far as Cedar has them.
//!
//! Cedar's `like` has `*` and no `?`, and its pattern is fixed when the policy is written: variables are put in here,
//! for one connection, as the engine does when it compiles. What has no translation is named in docs/benchmarks.md.

use std::fmt::Write as _;
use std::str::FromStr as _;

use cedar_policy::{Context, Entities, EntityUid, PolicySet, Request, RestrictedExpression};
use serde_json::Value;

/// A connection, for both.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Client identifier.
    pub client_id: String,
    /// Whether a thing of that name is attached.
    pub attached: bool,
    /// Address of the client.
    pub source_ip: String,
    /// `iot:ConnectAttributes`.
    pub connect_attributes: Vec<String>,
}

impl Connection {
    /// The value of a variable; none if it does not resolve.
    fn variable(&self, name: &str) -> Option<&str> {
        match name {
            "iot:ClientId" => Some(&self.client_id),
            "iot:Connection.Thing.ThingName" if self.attached => Some(&self.client_id),
            _ => None,
        }
    }
}

/// All statements of these documents as one set of Cedar policies.
pub fn policies(documents: &[Value], connection: &Connection) -> Result<PolicySet, String> {
    let mut text = String::new();
    for document in documents {
        for statement in list(&document["Statement"]) {
            statement_text(&mut text, statement, connection)?;
        }
    }
    PolicySet::from_str(&text).map_err(|error| format!("{error:?}\n{text}"))
}

fn statement_text(
    text: &mut String,
    statement: &Value,
    connection: &Connection,
) -> Result<(), String> {
    let deny = statement["Effect"] == "Deny";
    let effect = if deny { "forbid" } else { "permit" };
    let actions: Vec<String> = list(&statement["Action"])
        .iter()
        .flat_map(|pattern| match pattern.as_str() {
            Some("iot:*") => ACTIONS.to_vec(),
            Some(one) => vec![one],
            None => Vec::new(),
        })
        .map(|action| format!("Action::{action:?}"))
        .collect();
    let _ = write!(
        text,
        "{effect}(principal, action in [{}], resource)",
        actions.join(", ")
    );
    let (resources, negated) = match statement.get("Resource") {
        Some(resources) => (resources, false),
        None => (&statement["NotResource"], true),
    };
    let patterns: Vec<Option<String>> = list(resources)
        .iter()
        .map(|pattern| like_pattern(pattern.as_str().unwrap_or_default(), connection))
        .collect();
    // What has a variable without a value matches nothing (`C-45`), and an exception of that kind must not widen an Allow.
    let widening = negated && !deny && patterns.iter().any(Option::is_none);
    let alternatives: Vec<String> = patterns
        .into_iter()
        .flatten()
        .map(|pattern| format!("context.arn like \"{pattern}\""))
        .collect();
    let any = if alternatives.is_empty() {
        "false".to_owned()
    } else {
        alternatives.join(" || ")
    };
    let _ = match (widening, negated) {
        (true, _) => write!(text, " when {{ false }}"),
        (false, true) => write!(text, " when {{ !({any}) }}"),
        (false, false) => write!(text, " when {{ {any} }}"),
    };
    for (operator, keys) in statement["Condition"].as_object().into_iter().flatten() {
        for (key, values) in keys.as_object().into_iter().flatten() {
            let values: Vec<&str> = list(values).iter().filter_map(Value::as_str).collect();
            let _ = write!(text, " when {{ {} }}", condition(operator, key, &values)?);
        }
    }
    text.push_str(";\n");
    Ok(())
}

/// The actions that both are asked about.
pub const ACTIONS: [&str; 4] = ["iot:Connect", "iot:Publish", "iot:Subscribe", "iot:Receive"];

fn like_pattern(pattern: &str, connection: &Connection) -> Option<String> {
    let mut like = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, behind) = after.split_once('}')?;
        like.push_str(&before.replace('\\', "\\\\").replace('"', "\\\""));
        // C-47: a value is literal text; Cedar escapes a star as `\*`.
        let value = connection.variable(name)?;
        like.push_str(
            &value
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('*', "\\*"),
        );
        rest = behind;
    }
    like.push_str(&rest.replace('\\', "\\\\").replace('"', "\\\""));
    Some(like)
}

fn condition(operator: &str, key: &str, values: &[&str]) -> Result<String, String> {
    let any = |one: &dyn Fn(&str) -> String| {
        let all: Vec<String> = values.iter().map(|value| one(value)).collect();
        if all.is_empty() {
            "false".to_owned()
        } else {
            format!("({})", all.join(" || "))
        }
    };
    let set = format!(
        "[{}]",
        values
            .iter()
            .map(|value| format!("{value:?}"))
            .collect::<Vec<_>>()
            .join(", ")
    );
    match (operator, key) {
        ("StringEquals", "iot:ClientId") => {
            Ok(any(&|value| format!("context.clientId == {value:?}")))
        }
        ("StringNotEquals", "iot:ClientId") => Ok(format!(
            "!{}",
            any(&|value| format!("context.clientId == {value:?}"))
        )),
        ("StringLike", "iot:ClientId") => {
            Ok(any(&|value| format!("context.clientId like {value:?}")))
        }
        ("Bool", "iot:Connection.Thing.IsAttached") => {
            Ok(any(&|value| format!("context.isAttached == {value}")))
        }
        ("IpAddress", "aws:SourceIp") => Ok(any(&|value| {
            format!("context.sourceIp.isInRange(ip({value:?}))")
        })),
        ("NotIpAddress", "aws:SourceIp") => Ok(format!(
            "!{}",
            any(&|value| format!("context.sourceIp.isInRange(ip({value:?}))"))
        )),
        ("ForAllValues:StringEquals", "iot:ConnectAttributes") => {
            Ok(format!("{set}.containsAll(context.connectAttributes)"))
        }
        ("ForAnyValue:StringEquals", "iot:ConnectAttributes") => {
            Ok(format!("{set}.containsAny(context.connectAttributes)"))
        }
        _ => Err(format!("{operator} of {key} has no translation")),
    }
}

/// The question in Cedar's words.
pub fn request(action: &str, arn: &str, connection: &Connection) -> Result<Request, String> {
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
    let attributes = connection
        .connect_attributes
        .iter()
        .map(|value| text(value));
    let context = Context::from_pairs([
        ("arn".to_owned(), text(arn)),
        ("clientId".to_owned(), text(&connection.client_id)),
        (
            "isAttached".to_owned(),
            RestrictedExpression::new_bool(connection.attached),
        ),
        (
            "sourceIp".to_owned(),
            RestrictedExpression::new_ip(&connection.source_ip),
        ),
        (
            "connectAttributes".to_owned(),
            RestrictedExpression::new_set(attributes),
        ),
    ])
    .map_err(|error| failed(&error))?;
    let uid = |kind: &str, id: &str| {
        EntityUid::from_str(&format!("{kind}::{id:?}")).map_err(|error| failed(&error))
    };
    Request::new(
        uid("Device", "device")?,
        uid("Action", action)?,
        uid("Resource", "resource")?,
        context,
        None,
    )
    .map_err(|error| failed(&error))
}

/// No entities: everything stands in the context.
pub fn entities() -> Entities {
    Entities::empty()
}

/// A member that may be single or a list.
pub fn list(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        Value::Null => &[],
        single => std::slice::from_ref(single),
    }
}
