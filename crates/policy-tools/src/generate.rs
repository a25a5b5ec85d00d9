//! From what a device did, the least policy that allows exactly that.
//!
//! The record is the local cloud's (`thingwire up --record FILE`): one JSON object a line. A level of a topic that is
//! the thing's name becomes the variable, so that one policy serves every thing of a kind. The order of the record,
//! and how often something happened, change nothing: the same set of events gives the same text.

mod record;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use thingwire_contract::{Partition, limit};
use thingwire_policy::{Action, Context, Document, Outcome, PolicySet, Request, Thing};

use crate::glob::{Glob, Token};

pub use record::{Event, RecordError, read};

/// The variable that stands for the thing's name (`C-40`).
pub const THING_NAME: &str = "iot:Connection.Thing.ThingName";

/// What was made from a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// The policy; several if it is too long for one document (`C-3`).
    pub documents: Vec<String>,
    /// The events that it allows: those of the record that were allowed, or all if asked for.
    pub allowed: usize,
    /// Events that were denied in the record and are left out.
    pub left_out: Vec<Event>,
    /// Events that the engine does not allow under the new policy: they cannot be expressed. Usually none.
    pub not_covered: Vec<Event>,
}

/// Makes the policy for a region and account; with `denied` also for what was denied in the record.
#[must_use]
pub fn generate(events: &[Event], region: &str, account: &str, denied: bool) -> Generated {
    let (wanted, left_out): (Vec<&Event>, Vec<&Event>) =
        events.iter().partition(|event| event.allowed || denied);
    let prefix = format!(
        "arn:{}:iot:{region}:{account}:",
        Partition::of_region(region).name()
    );
    let mut by_action: BTreeMap<Action, BTreeSet<String>> = BTreeMap::new();
    for event in &wanted {
        let resource = if event.resource == "*" {
            "*".into()
        } else {
            format!(
                "{prefix}{}",
                resource(&event.resource, event.thing_name.as_deref())
            )
        };
        by_action.entry(event.action).or_default().insert(resource);
    }
    let documents = documents(&merged(by_action));
    let not_covered = wanted
        .iter()
        .filter(|event| !covers(&documents, event, region, account))
        .map(|event| (*event).clone())
        .collect();
    Generated {
        documents,
        allowed: wanted.len(),
        left_out: left_out.into_iter().cloned().collect(),
        not_covered,
    }
}

/// Whether documents allow an event, as the engine decides.
#[must_use]
pub fn covers(documents: &[String], event: &Event, region: &str, account: &str) -> bool {
    let parsed: Vec<Document> = documents
        .iter()
        .filter_map(|text| Document::parse(text).ok())
        .collect();
    PolicySet::compile(
        parsed.iter().map(|document| ("generated", document)),
        &event.context(region, account),
    )
    .decide(event.action, &event.resource, &Request::default())
    .outcome
        == Outcome::Allowed
}

impl Event {
    /// The connection on which it happened.
    #[must_use]
    pub fn context(&self, region: &str, account: &str) -> Context {
        let mut context = Context::new(region, account);
        context.client_id = Some(self.client_id.clone());
        context.certificate_id.clone_from(&self.certificate_id);
        context
            .things
            .extend(self.thing_name.as_ref().map(|name| Thing {
                // A thing of another name than the client's belongs to the connection only exclusively (`C-41`).
                exclusive: *name != self.client_id,
                ..Thing::attached(name)
            }));
        context
    }
}

/// A resource as a policy writes it: literal, with the levels that are the thing's name as the variable.
///
/// The first level is the kind (`topic`, `client`) and stays.
#[must_use]
pub fn resource(rest: &str, thing_name: Option<&str>) -> String {
    let mut glob = Glob::default();
    for (index, level) in rest.split('/').enumerate() {
        if index > 0 {
            glob.tokens.push(Token::Char('/'));
        }
        if index > 0 && Some(level) == thing_name {
            glob.tokens.push(Token::Variable(THING_NAME.into()));
        } else {
            glob.tokens.extend(level.chars().map(Token::Char));
        }
    }
    format!("{glob}")
}

/// Statements: actions that are allowed on the same resources share one.
fn merged(by_action: BTreeMap<Action, BTreeSet<String>>) -> Vec<(Vec<&'static str>, Vec<String>)> {
    let mut statements: Vec<(Vec<&'static str>, Vec<String>)> = Vec::new();
    for (action, resources) in by_action {
        let resources: Vec<String> = resources.into_iter().collect();
        match statements.iter_mut().find(|(_, known)| *known == resources) {
            Some((actions, _)) => actions.push(action.name()),
            None => statements.push((Vec::from([action.name()]), resources)),
        }
    }
    statements
}

/// The texts of documents that hold these statements, each within the limit of `C-3`.
fn documents(statements: &[(Vec<&'static str>, Vec<String>)]) -> Vec<String> {
    let mut found = Vec::new();
    let mut current: Vec<(Vec<&'static str>, Vec<String>)> = Vec::new();
    for (actions, resources) in statements {
        let mut open: Option<Vec<String>> = None;
        for resource in resources {
            let mut with = open.clone().unwrap_or_default();
            with.push(resource.clone());
            let mut tried = current.clone();
            tried.push((actions.clone(), with.clone()));
            if characters(&document(&tried)) > limit::POLICY_CHARACTERS {
                if let Some(open) = open.take() {
                    current.push((actions.clone(), open));
                }
                if !current.is_empty() {
                    found.push(document(&current));
                    current.clear();
                }
                with = Vec::from([resource.clone()]);
            }
            open = Some(with);
        }
        current.extend(open.map(|open| (actions.clone(), open)));
    }
    if !current.is_empty() {
        found.push(document(&current));
    }
    found
}

fn characters(text: &str) -> usize {
    text.chars().filter(|c| !c.is_whitespace()).count()
}

fn document(statements: &[(Vec<&'static str>, Vec<String>)]) -> String {
    let mut text = String::from("{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [");
    for (index, (actions, resources)) in statements.iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        for line in statement(actions, resources).lines() {
            text.push_str("    ");
            text.push_str(line);
            text.push('\n');
        }
        text.pop();
    }
    text.push_str("\n  ]\n}\n");
    text
}

/// One Allow statement as JSON, over several lines.
#[must_use]
pub fn statement(actions: &[&str], resources: &[String]) -> String {
    let resources: Vec<&str> = resources.iter().map(String::as_str).collect();
    format!(
        "{{\n  \"Effect\": \"Allow\",\n  \"Action\": {},\n  \"Resource\": {}\n}}",
        list(actions),
        list(&resources)
    )
}

fn list(texts: &[&str]) -> String {
    // A text always has a JSON form.
    let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
    match texts {
        [one] => quoted(one),
        several => {
            let mut list = String::from("[");
            for (index, text) in several.iter().enumerate() {
                list.push_str(if index == 0 { "\n    " } else { ",\n    " });
                list.push_str(&quoted(text));
            }
            list.push_str("\n  ]");
            list
        }
    }
}

#[cfg(test)]
mod tests;
