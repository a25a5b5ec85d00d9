//! Decision vectors: files in the format of policy-vectors.json (section C.10), each vector by its id.
//!
//! `{account, region, policies: {id: document}, vectors: [{id, policy, context, action, resource, expect}]}`. What a
//! file says that is not known here is named, not ignored: a vector is worth nothing if half of its context is lost.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use thingwire_policy::json::{self, Member, Node, Value};
use thingwire_policy::{Action, Context, Document, PolicySet, Position, Request, Thing};

use crate::expectations::{Case, Report, SuiteError, certificate_attribute};
use crate::place::value_at;

/// What came of a file of vectors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VectorReport {
    /// One case for each vector, by its id.
    pub report: Report,
    /// Members of contexts that are not known here, and how many vectors have each.
    pub unknown: BTreeMap<String, usize>,
}

/// Members of a vector.
const VECTOR: [&str; 9] = [
    "id",
    "policy",
    "context",
    "action",
    "resource",
    "expect",
    "source",
    "confidence",
    "note",
];

/// Reads a file and decides each vector.
///
/// # Errors
/// If the text is no such file. A vector that cannot be decided is a failed case.
pub fn run(text: &str) -> Result<VectorReport, SuiteError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let fail = |offset, message: String| {
        let position = Position::of(text, offset);
        SuiteError {
            line: position.line,
            column: position.column,
            message,
        }
    };
    let root = json::parse(text).map_err(|(offset, problem)| fail(offset, problem.to_string()))?;
    let member = |name: &str| {
        value_at(&root, name).ok_or_else(|| {
            fail(
                root.offset,
                format!("`{name}` is missing; is this a file of policy vectors?"),
            )
        })
    };
    let (Some(region), Some(account)) = (string(member("region")?), string(member("account")?))
    else {
        return Err(fail(
            root.offset,
            "`region` and `account` must be texts".to_owned(),
        ));
    };
    let policies = member("policies")?;
    let Value::Array(vectors) = &member("vectors")?.value else {
        return Err(fail(root.offset, "`vectors` must be a list".to_owned()));
    };
    let mut runner = Runner {
        text,
        policies,
        region,
        account,
        unknown: BTreeMap::new(),
        documents: BTreeMap::new(),
    };
    let cases = vectors.iter().map(|vector| runner.case(vector)).collect();
    Ok(VectorReport {
        report: Report { cases },
        unknown: runner.unknown,
    })
}

struct Runner<'a> {
    text: &'a str,
    policies: &'a Node,
    region: &'a str,
    account: &'a str,
    unknown: BTreeMap<String, usize>,
    documents: BTreeMap<String, Result<Document, String>>,
}

impl Runner<'_> {
    fn case(&mut self, vector: &Node) -> Case {
        let text = |name: &str| value_at(vector, name).and_then(string).unwrap_or_default();
        let mut case = Case {
            name: text("id").to_owned(),
            group: text("policy").to_owned(),
            line: Position::of(self.text, vector.offset).line,
            passed: false,
            expected: text("expect").to_owned(),
            decision: String::new(),
            reason: String::new(),
        };
        for member in members(vector) {
            if !VECTOR.contains(&member.name.as_str()) {
                self.not_known(&member.name);
            }
        }
        match self.decide(vector) {
            Ok((decision, reason)) => {
                case.passed = decision == case.expected;
                case.decision = decision.to_owned();
                case.reason = reason;
            }
            Err(why) => {
                case.decision = "none".to_owned();
                case.reason = why;
            }
        }
        case
    }

    fn decide(&mut self, vector: &Node) -> Result<(&'static str, String), String> {
        let need = |name: &str| {
            value_at(vector, name)
                .and_then(string)
                .ok_or_else(|| format!("`{name}` is missing or not a text"))
        };
        let policies: Vec<String> = match value_at(vector, "policy").map(|node| &node.value) {
            Some(Value::Array(names)) => names
                .iter()
                .filter_map(string)
                .map(ToOwned::to_owned)
                .collect(),
            _ => Vec::from([need("policy")?.to_owned()]),
        };
        let name = need("action")?;
        let action = Action::from_name(name).ok_or_else(|| format!("`{name}` is no action"))?;
        let resource = need("resource")?;
        let mut context = Context::new(self.region, self.account);
        let mut topic = None;
        if let Some(given) = value_at(vector, "context") {
            self.context(given, &mut context, &mut topic)?;
        }
        for name in &policies {
            self.document(name);
        }
        let mut documents = Vec::new();
        for name in &policies {
            match self.documents.get(name) {
                Some(Ok(document)) => documents.push((name.as_str(), document)),
                Some(Err(why)) => return Err(format!("policy `{name}`: {why}")),
                None => return Err(format!("the file has no policy `{name}`")),
            }
        }
        let request = Request {
            topic: topic.as_deref(),
            include_socket_information: None,
        };
        let explanation =
            PolicySet::compile(documents, &context).explain(action, resource, &request);
        Ok((explanation.outcome.name(), explanation.to_string()))
    }

    fn document(&mut self, name: &str) {
        if self.documents.contains_key(name) {
            return;
        }
        let Some(node) = value_at(self.policies, name) else {
            return;
        };
        let text = match &node.value {
            // A document may stand there as text, too.
            Value::String(text) => text,
            _ => self.text.get(node.offset..node.end).unwrap_or_default(),
        };
        let document = Document::parse(text).map_err(|error| error.to_string());
        self.documents.insert(name.to_owned(), document);
    }

    fn not_known(&mut self, member: &str) {
        let count = self.unknown.entry(member.to_owned()).or_default();
        *count = count.saturating_add(1);
    }

    /// Fills in what a vector says of the connection; `null` is as good as not said.
    fn context(
        &mut self,
        given: &Node,
        context: &mut Context,
        topic: &mut Option<String>,
    ) -> Result<(), String> {
        let mut has_will = false;
        for Member { name, node, .. } in members(given) {
            if node.value == Value::Null {
                if !CONTEXT.contains(&name.as_str()) {
                    self.not_known(name);
                }
                continue;
            }
            let text = || {
                string(node)
                    .map(ToOwned::to_owned)
                    .ok_or_else(|| format!("context member `{name}` is not a text"))
            };
            match name.as_str() {
                "clientId" => context.client_id = Some(text()?),
                "certId" => context.certificate_id = Some(text()?),
                "serialNumber" => context.certificate_serial_number = Some(text()?),
                "mqtt" => {
                    context.mqtt =
                        bool(node).ok_or("context member `mqtt` is neither true nor false")?;
                }
                "sourceIp" => {
                    let address = text()?;
                    context.source_ip = Some(
                        address
                            .parse()
                            .map_err(|_| format!("`{address}` is no IP address"))?,
                    );
                }
                "domain" => context.domain_name = Some(text()?),
                "dmTopic" => *topic = Some(text()?),
                "lastWillTopic" => context.last_will_topic = Some(text()?),
                "connectAttributes" => {
                    for value in items(node).iter().filter_map(string) {
                        match value {
                            "PersistentConnect" => context.persistent = true,
                            "LastWill" => has_will = true,
                            other => self.not_known(&format!("connectAttributes {other}")),
                        }
                    }
                }
                "things" => {
                    for thing in members(node) {
                        let thing = self.thing(thing)?;
                        context.things.push(thing);
                    }
                }
                "subject" | "issuer" => {
                    for Member {
                        name: attribute,
                        node,
                        ..
                    } in members(node)
                    {
                        if certificate_attribute(attribute) != Some(attribute) {
                            self.not_known(&format!("{name}.{attribute}"));
                        }
                        for value in items(node).iter().filter_map(string) {
                            if name == "subject" {
                                context.subject.add(attribute, value);
                            } else {
                                context.issuer.add(attribute, value);
                            }
                        }
                    }
                }
                _ => self.not_known(name),
            }
        }
        // C-37: `LastWill` is there exactly if there is a Will; one without a topic has no ARN to compare.
        if has_will && context.last_will_topic.is_none() {
            context.last_will_topic = Some(String::new());
        }
        Ok(())
    }

    fn thing(&mut self, member: &Member) -> Result<Thing, String> {
        let mut thing = Thing {
            name: member.name.clone(),
            ..Thing::default()
        };
        for Member { name, node, .. } in members(&member.node) {
            match (name.as_str(), &node.value) {
                ("attached", Value::Bool(value)) => thing.attached = *value,
                ("exclusive", Value::Bool(value)) => thing.exclusive = *value,
                ("attached" | "exclusive" | "type" | "attrs", Value::Null) => {}
                ("type", Value::String(text)) => thing.type_name = Some(text.clone()),
                ("attrs", Value::Object(attributes)) => {
                    for attribute in attributes {
                        let value = string(&attribute.node).ok_or_else(|| {
                            format!("attribute `{}` is not a text", attribute.name)
                        })?;
                        thing
                            .attributes
                            .push((attribute.name.clone(), value.to_owned()));
                    }
                }
                ("attached" | "exclusive" | "type" | "attrs", _) => {
                    return Err(format!(
                        "member `{name}` of thing `{}` has the wrong type",
                        member.name
                    ));
                }
                _ => self.not_known(&format!("things.*.{name}")),
            }
        }
        Ok(thing)
    }
}

/// Members of a context.
const CONTEXT: [&str; 12] = [
    "clientId",
    "certId",
    "serialNumber",
    "mqtt",
    "sourceIp",
    "domain",
    "dmTopic",
    "lastWillTopic",
    "connectAttributes",
    "things",
    "subject",
    "issuer",
];

fn string(node: &Node) -> Option<&str> {
    match &node.value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn bool(node: &Node) -> Option<bool> {
    match node.value {
        Value::Bool(value) => Some(value),
        _ => None,
    }
}

fn members(node: &Node) -> &[Member] {
    match &node.value {
        Value::Object(members) => members,
        _ => &[],
    }
}

/// The items of a list; one value is a list of itself.
fn items(node: &Node) -> &[Node] {
    match &node.value {
        Value::Array(items) => items,
        _ => core::slice::from_ref(node),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = include_str!("../../policy/tests/policy-vectors.json");

    #[test]
    fn the_hundred_vectors_agree() {
        let found = run(FILE).expect("a file of vectors");
        assert_eq!(found.report.cases.len(), 100);
        let wrong: Vec<_> = found
            .report
            .cases
            .iter()
            .filter(|case| !case.passed)
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(found.unknown.is_empty(), "{:?}", found.unknown);
        assert_eq!(found.report.cases[0].name, "V001");
    }

    #[test]
    fn what_differs_and_what_is_not_known_is_named() {
        let text = FILE
            .replacen(
                "\"expect\": \"ALLOWED\"",
                "\"expect\": \"EXPLICIT_DENY\"",
                1,
            )
            .replacen(
                "\"clientId\": \"thing1\"",
                "\"clientId\": \"thing1\", \"moonPhase\": null",
                1,
            )
            .replacen(
                "\"attached\": true",
                "\"attached\": true, \"colour\": \"red\"",
                1,
            );
        let found = run(&text).expect("a file of vectors");
        assert_eq!(found.report.failed(), 1);
        let wrong = found
            .report
            .cases
            .iter()
            .find(|case| !case.passed)
            .expect("one");
        assert_eq!(
            (wrong.expected.as_str(), wrong.decision.as_str()),
            ("EXPLICIT_DENY", "ALLOWED")
        );
        assert!(
            wrong.reason.contains("allowed by policy"),
            "{}",
            wrong.reason
        );
        let unknown: Vec<_> = found.unknown.into_iter().collect();
        assert_eq!(
            unknown,
            [("moonPhase".into(), 1), ("things.*.colour".into(), 1)]
        );
    }

    #[test]
    fn what_cannot_be_decided_fails_with_its_reason() {
        let file = |vector: &str| {
            format!(
                r#"{{"region":"us-east-1","account":"123456789012",
                "policies":{{"p":{{"Version":"2012-10-17","Statement":[]}},"t":"no document"}},"vectors":[{vector}]}}"#
            )
        };
        for (vector, reason) in [
            (
                r#"{"id":"A","policy":"q","action":"iot:Publish","resource":"topic/a","expect":"ALLOWED"}"#,
                "no policy `q`",
            ),
            (
                r#"{"id":"A","policy":"p","action":"iot:Publish","resource":"topic/a","expect":"ALLOWED"}"#,
                "empty list",
            ),
            (
                r#"{"id":"A","policy":"t","action":"iot:Publish","resource":"topic/a","expect":"ALLOWED"}"#,
                "not JSON",
            ),
            (
                r#"{"id":"A","policy":"p","action":"iot:Shout","resource":"topic/a","expect":"ALLOWED"}"#,
                "`iot:Shout` is no action",
            ),
            (
                r#"{"id":"A","policy":"p","action":"iot:Publish","expect":"ALLOWED"}"#,
                "`resource` is missing",
            ),
            (
                r#"{"id":"A","policy":"p","context":{"sourceIp":"1.2"},"action":"iot:Publish","resource":"topic/a"}"#,
                "no IP address",
            ),
            ("7", "`policy` is missing"),
        ] {
            let found = run(&file(vector)).expect("a file of vectors");
            let case = &found.report.cases[0];
            assert!(
                !case.passed && case.reason.contains(reason),
                "{vector}: {}",
                case.reason
            );
        }
    }

    #[test]
    fn another_file_is_refused_with_its_place() {
        assert_eq!(run("{\n \"a\": 1,\n}").expect_err("no JSON").line, 3);
        assert!(
            run("{}")
                .expect_err("empty")
                .message
                .contains("`region` is missing")
        );
        assert!(run("[]").is_err() && run("").is_err() && run(&"[".repeat(10_000)).is_err());
    }
}
