//! A policy document with the place of each of its parts.
//!
//! The engine keeps what it needs to decide. Tools that point at a line or change a text need to know where every
//! action, resource and condition value stands, also in a document that the engine refuses for its length.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::ops::Range;

use thingwire_policy::json::{self, Member, Node, Value};
use thingwire_policy::{Document, Effect, PolicyError, Position};

use crate::place::value_at;

/// A document that the engine takes, its text, and the places of its parts.
#[derive(Clone, Debug)]
pub struct Policy {
    /// What people call it: a policy's name or a file's.
    pub name: String,
    /// The text.
    pub text: String,
    /// The document.
    pub document: Document,
    /// Its statements, in their order.
    pub statements: Vec<StatementPart>,
}

/// One statement and its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementPart {
    /// Where it is: `Statement[0]`.
    pub path: String,
    /// Its bytes in the text.
    pub range: Range<usize>,
    /// Allow or Deny.
    pub effect: Option<Effect>,
    /// The bytes of its value in the text; empty if there is none.
    pub effect_range: Range<usize>,
    /// `Sid`.
    pub sid: Option<String>,
    /// Entries of `Action` or `NotAction`.
    pub actions: Vec<Part>,
    /// Whether they are `NotAction`.
    pub not_action: bool,
    /// Entries of `Resource` or `NotResource`.
    pub resources: Vec<Part>,
    /// Whether they are `NotResource`.
    pub not_resource: bool,
    /// Its conditions.
    pub conditions: Vec<ConditionPart>,
}

/// One string of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it says.
    pub text: String,
    /// Where it is: `Statement[0].Resource[1]`.
    pub path: String,
    /// Its bytes in the text, quotes included.
    pub range: Range<usize>,
}

/// One key of one operator, with its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionPart {
    /// The operator.
    pub operator: String,
    /// The key.
    pub key: String,
    /// Where the key is: `Statement[0].Condition.Bool.iot:…`.
    pub path: String,
    /// First byte of the key's name.
    pub offset: usize,
    /// First byte of the operator's name.
    pub operator_offset: usize,
    /// The values.
    pub values: Vec<Part>,
}

impl Policy {
    /// Reads a document.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn parse(name: &str, text: &str) -> Result<Self, PolicyError> {
        let document = Document::parse(text)?;
        // What the engine took is JSON.
        let statements = json::parse(text)
            .map(|node| statements(&node))
            .unwrap_or_default();
        Ok(Self {
            name: name.to_owned(),
            text: text.to_owned(),
            document,
            statements,
        })
    }

    /// A document with one statement of this one; `None` if there is no such statement.
    #[must_use]
    pub fn alone(&self, index: usize) -> Option<Document> {
        let statement = self.text.get(self.statements.get(index)?.range.clone())?;
        Document::parse(&format!(
            "{{\"Version\":\"2012-10-17\",\"Statement\":[{statement}]}}"
        ))
        .ok()
    }

    /// The same with `Allow` as its effect, to learn why a Deny does not apply.
    #[must_use]
    pub(crate) fn alone_as_allow(&self, index: usize) -> Option<Document> {
        let part = self.statements.get(index)?;
        let statement = self.text.get(part.range.clone())?;
        let at = |offset: usize| offset.checked_sub(part.range.start);
        let effect = part.effect_range.clone();
        let edit = crate::place::Edit {
            range: at(effect.start)?..at(effect.end)?,
            replacement: "\"Allow\"".to_owned(),
        };
        let (statement, _) = crate::place::apply(statement, [edit]);
        Document::parse(&format!(
            "{{\"Version\":\"2012-10-17\",\"Statement\":[{statement}]}}"
        ))
        .ok()
    }

    /// The place of a byte offset.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        Position::of(&self.text, offset)
    }
}

/// The statements of a text that is JSON, as far as they have the shape of statements.
pub(crate) fn statements(root: &Node) -> Vec<StatementPart> {
    let Some(node) = value_at(root, "Statement") else {
        return Vec::new();
    };
    match &node.value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| statement(item, format!("Statement[{index}]")))
            .collect(),
        _ => Vec::from([statement(node, "Statement".to_owned())]),
    }
}

fn statement(node: &Node, path: String) -> StatementPart {
    let list = |name: &str, negation: &str| match (value_at(node, name), value_at(node, negation)) {
        (Some(list), _) => (parts(list, &format!("{path}.{name}")), false),
        (None, Some(list)) => (parts(list, &format!("{path}.{negation}")), true),
        (None, None) => (Vec::new(), false),
    };
    let text = |name: &str| match value_at(node, name).map(|node| &node.value) {
        Some(Value::String(text)) => Some(text.clone()),
        _ => None,
    };
    let (actions, not_action) = list("Action", "NotAction");
    let (resources, not_resource) = list("Resource", "NotResource");
    StatementPart {
        range: node.offset..node.end,
        effect: match text("Effect").as_deref() {
            Some("Allow") => Some(Effect::Allow),
            Some("Deny") => Some(Effect::Deny),
            _ => None,
        },
        effect_range: value_at(node, "Effect").map_or(0..0, |node| node.offset..node.end),
        sid: text("Sid"),
        actions,
        not_action,
        resources,
        not_resource,
        conditions: value_at(node, "Condition")
            .map(|node| conditions(node, &path))
            .unwrap_or_default(),
        path,
    }
}

/// A string or a list of them; numbers and booleans count as their text, as in conditions.
fn parts(node: &Node, path: &str) -> Vec<Part> {
    let one = |node: &Node, path: String| {
        let text = match &node.value {
            Value::String(text) | Value::Number(text) => text.clone(),
            Value::Bool(value) => value.to_string(),
            _ => return None,
        };
        Some(Part {
            text,
            path,
            range: node.offset..node.end,
        })
    };
    match &node.value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| one(item, format!("{path}[{index}]")))
            .collect(),
        _ => one(node, path.to_owned()).into_iter().collect(),
    }
}

fn conditions(node: &Node, statement: &str) -> Vec<ConditionPart> {
    let mut found = Vec::new();
    for operator in members(node) {
        for key in members(&operator.node) {
            let path = format!("{statement}.Condition.{}.{}", operator.name, key.name);
            found.push(ConditionPart {
                operator: operator.name.clone(),
                key: key.name.clone(),
                values: parts(&key.node, &path),
                path,
                offset: key.offset,
                operator_offset: operator.offset,
            });
        }
    }
    found
}

fn members(node: &Node) -> &[Member] {
    match &node.value {
        Value::Object(members) => members,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{
  "Version": "2012-10-17",
  "Statement": [{
    "Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"],
    "Resource": "arn:aws:iot:us-east-1:123456789012:topic/a",
    "Condition": {"Bool": {"iot:Connection.Thing.IsAttached": ["true"]}}
  }]
}"#;

    #[test]
    fn every_part_has_its_place() {
        let policy = Policy::parse("p", TEXT).expect("valid");
        let statement = &policy.statements[0];
        assert_eq!(statement.effect, Some(Effect::Allow));
        assert_eq!(statement.actions[1].text, "iot:Receive");
        assert_eq!(statement.actions[1].path, "Statement[0].Action[1]");
        assert_eq!(&TEXT[statement.actions[1].range.clone()], "\"iot:Receive\"");
        assert_eq!(statement.resources[0].path, "Statement[0].Resource");
        let condition = &statement.conditions[0];
        assert_eq!(
            condition.path,
            "Statement[0].Condition.Bool.iot:Connection.Thing.IsAttached"
        );
        assert_eq!(&TEXT[condition.values[0].range.clone()], "\"true\"");
        assert_eq!(policy.position(condition.offset).line, 6);
    }

    #[test]
    fn a_single_statement_needs_no_list_and_can_stand_alone() {
        // C-1
        let text = TEXT.replace("[{", "{").replace("}]", "}");
        let policy = Policy::parse("p", &text).expect("valid");
        assert_eq!(policy.statements[0].path, "Statement");
        let alone = policy.alone(0).expect("a statement");
        assert_eq!(alone.statements().len(), 1);
        assert!(
            alone.statements()[0]
                .actions()
                .eq(["iot:Publish", "iot:Receive"])
        );
        assert_eq!(policy.alone(1), None);
    }
}
