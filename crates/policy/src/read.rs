//! From JSON to a [`Document`]: the grammar of `C-1`, with the place of everything that is wrong.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::cell::Cell;

use thingwire_contract::limit;

use crate::action::{Action, ActionSet};
use crate::condition::{Operand, Operator};
use crate::context::Context;
use crate::document::{
    ActionPattern, Condition, ConditionValue, Document, Effect, ResourcePattern, Statement,
};
use crate::error::{PolicyError, Position, Problem};
use crate::json::{self, Member, Node, Value};
use crate::key::Key;
use crate::settings::Settings;
use crate::template::{Template, arn_fields};

/// Reads and checks a document.
pub(crate) fn document(text: &str, settings: &Settings) -> Result<Document, PolicyError> {
    if text.len() > limit::POLICY_DOCUMENT_BYTES {
        return Err(PolicyError::new(
            text,
            0,
            "",
            Problem::TooManyBytes { bytes: text.len() },
        ));
    }
    let characters = text.chars().filter(|c| !c.is_whitespace()).count();
    if characters > limit::POLICY_CHARACTERS {
        return Err(PolicyError::new(
            text,
            0,
            "",
            Problem::TooLong { characters },
        ));
    }
    let node = json::parse(text)
        .map_err(|(offset, problem)| PolicyError::new(text, offset, "", problem))?;
    Reader {
        text,
        settings,
        last: Cell::new(Position::START),
    }
    .document(&node)
}

struct Reader<'a> {
    text: &'a str,
    settings: &'a Settings,
    /// The last position asked for: most are asked for in the order of the text.
    last: Cell<Position>,
}

/// Known member names, and what to say about one that is spelt in another case.
const DOCUMENT: [(&str, &str); 3] = [
    ("Version", "write it `Version`"),
    ("Id", "write it `Id`"),
    ("Statement", "write it `Statement`"),
];
const STATEMENT: [(&str, &str); 7] = [
    ("Sid", "write it `Sid`"),
    ("Effect", "write it `Effect`"),
    ("Action", "write it `Action`"),
    ("NotAction", "write it `NotAction`"),
    ("Resource", "write it `Resource`"),
    ("NotResource", "write it `NotResource`"),
    ("Condition", "write it `Condition`"),
];

impl Reader<'_> {
    fn fail<T>(&self, offset: usize, path: &str, problem: Problem) -> Result<T, PolicyError> {
        Err(PolicyError::new(self.text, offset, path, problem))
    }

    fn position(&self, offset: usize) -> Position {
        let last = self.last.get();
        let from = if last.offset <= offset {
            last
        } else {
            Position::START
        };
        self.last.set(from.advance(self.text, offset));
        self.last.get()
    }

    fn document(&self, node: &Node) -> Result<Document, PolicyError> {
        let members = self.object(node, "")?;
        self.only(members, "", &DOCUMENT)?;
        let Some(version) = find(members, "Version") else {
            return self.fail(node.offset, "", Problem::Missing("Version"));
        };
        let found = self.string(version, "Version")?;
        if found != "2012-10-17" {
            return self.fail(version.offset, "Version", Problem::Version(found.into()));
        }
        if let Some(id) = find(members, "Id") {
            self.string(id, "Id")?;
        }
        let Some(statements) = find(members, "Statement") else {
            return self.fail(node.offset, "", Problem::Missing("Statement"));
        };
        let statements = match &statements.value {
            Value::Object(_) => Vec::from([self.statement(statements, "Statement")?]),
            Value::Array(items) if items.is_empty() => {
                return self.fail(statements.offset, "Statement", Problem::Empty);
            }
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| self.statement(item, &format!("Statement[{index}]")))
                .collect::<Result<_, _>>()?,
            other => {
                let problem = Problem::Type {
                    expected: "a list of statements",
                    found: other.type_name(),
                };
                return self.fail(statements.offset, "Statement", problem);
            }
        };
        Ok(Document { statements })
    }

    fn statement(&self, node: &Node, path: &str) -> Result<Statement, PolicyError> {
        let members = self.object(node, path)?;
        self.only(members, path, &STATEMENT)?;
        let sid = match find(members, "Sid") {
            Some(sid) => Some(self.string(sid, &format!("{path}.Sid"))?.to_string()),
            None => None,
        };
        let Some(effect) = find(members, "Effect") else {
            return self.fail(node.offset, path, Problem::Missing("Effect"));
        };
        let effect_path = format!("{path}.Effect");
        let effect = match self.string(effect, &effect_path)? {
            "Allow" => Effect::Allow,
            "Deny" => Effect::Deny,
            other => return self.fail(effect.offset, &effect_path, Problem::Effect(other.into())),
        };
        let (actions, not_action) = self.one_of(node, members, path, "Action", "NotAction")?;
        let actions = actions
            .into_iter()
            .map(|(text, offset, path)| self.action(text, offset, &path))
            .collect::<Result<_, _>>()?;
        let (resources, not_resource) =
            self.one_of(node, members, path, "Resource", "NotResource")?;
        let resources = resources
            .into_iter()
            .map(|(text, offset, path)| self.resource(text, offset, path))
            .collect::<Result<_, _>>()?;
        let conditions = match find(members, "Condition") {
            Some(condition) => self.conditions(condition, &format!("{path}.Condition"))?,
            None => Vec::new(),
        };
        Ok(Statement {
            sid,
            effect,
            actions,
            not_action,
            resources,
            not_resource,
            conditions,
        })
    }

    /// The texts of `Action` or `NotAction` (`Resource` or `NotResource`), and whether it was the latter.
    #[allow(
        clippy::type_complexity,
        reason = "text, offset, path of each entry; used once"
    )]
    fn one_of<'n>(
        &self,
        node: &Node,
        members: &'n [Member],
        path: &str,
        name: &'static str,
        negation: &'static str,
    ) -> Result<(Vec<(&'n str, usize, String)>, bool), PolicyError> {
        match (find(members, name), find(members, negation)) {
            (Some(list), None) => Ok((self.strings(list, &format!("{path}.{name}"))?, false)),
            (None, Some(list)) => Ok((self.strings(list, &format!("{path}.{negation}"))?, true)),
            (None, None) => self.fail(node.offset, path, Problem::Missing(name)),
            (Some(_), Some(second)) => {
                self.fail(second.offset, path, Problem::Both(name, negation))
            }
        }
    }

    fn action(&self, text: &str, offset: usize, path: &str) -> Result<ActionPattern, PolicyError> {
        let any_case = ActionSet::matching(text, false);
        let exact_case = ActionSet::matching(text, true);
        // Greengrass asks its own questions of the same policies; nothing here ever asks for its actions.
        let elsewhere = text
            .strip_prefix("greengrass:")
            .is_some_and(|name| !name.is_empty());
        let known = if self.settings.case_sensitive_actions {
            exact_case
        } else {
            any_case
        };
        if known.is_empty() && !elsewhere && !self.settings.accept_unknown_actions {
            return self.fail(
                offset,
                path,
                Problem::Action(text.into(), Action::nearest(text)),
            );
        }
        Ok(ActionPattern {
            text: text.into(),
            any_case,
            exact_case,
        })
    }

    fn resource(
        &self,
        text: &str,
        offset: usize,
        path: String,
    ) -> Result<ResourcePattern, PolicyError> {
        let template = self.template(text, offset, &path)?;
        if let Err(why) = check_resource(text) {
            return self.fail(offset, &path, Problem::Resource(text.into(), why));
        }
        Ok(ResourcePattern {
            template,
            position: self.position(offset),
            path,
        })
    }

    fn template(&self, text: &str, offset: usize, path: &str) -> Result<Template, PolicyError> {
        Template::parse(text).map_err(|_unclosed| {
            PolicyError::new(self.text, offset, path, Problem::Unclosed(text.into()))
        })
    }

    fn conditions(&self, node: &Node, path: &str) -> Result<Vec<Condition>, PolicyError> {
        let mut conditions = Vec::new();
        for Member { name, offset, node } in self.object(node, path)? {
            let path = format!("{path}.{name}");
            let Some(operator) = Operator::parse(name) else {
                return self.fail(*offset, &path, Problem::Operator(name.clone()));
            };
            for Member {
                name: key_name,
                offset,
                node,
            } in self.object(node, &path)?
            {
                let path = format!("{path}.{key_name}");
                let key = Key::of_condition(key_name);
                if matches!(key, Key::Unknown(_)) && !self.settings.accept_unknown_condition_keys {
                    return self.fail(*offset, &path, Problem::ConditionKey(key_name.clone()));
                }
                let values = self.condition_values(node, &path, operator)?;
                conditions.push(Condition {
                    operator,
                    operator_name: name.clone(),
                    key,
                    values,
                });
            }
        }
        Ok(conditions)
    }

    /// Texts, numbers and booleans, one or a list; an empty list is allowed, as AWS's own example has one.
    fn condition_values(
        &self,
        node: &Node,
        path: &str,
        operator: Operator,
    ) -> Result<Vec<ConditionValue>, PolicyError> {
        let one = |node: &Node, path: String| {
            let text = match &node.value {
                Value::String(text) | Value::Number(text) => text.clone(),
                Value::Bool(value) => value.to_string(),
                other => {
                    let problem = Problem::Type {
                        expected: "a text",
                        found: other.type_name(),
                    };
                    return self.fail(node.offset, &path, problem);
                }
            };
            let template = self.template(&text, node.offset, &path)?;
            let nothing = Context::new("", "");
            if template.is_constant()
                && Operand::new(operator.test, &template, &nothing, self.settings) == Ok(None)
            {
                let problem = Problem::ConditionValue(text, operator.test.needs());
                return self.fail(node.offset, &path, problem);
            }
            Ok(ConditionValue {
                template,
                position: self.position(node.offset),
                path,
            })
        };
        match &node.value {
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| one(item, format!("{path}[{index}]")))
                .collect(),
            _ => Ok(Vec::from([one(node, path.into())?])),
        }
    }

    fn object<'n>(&self, node: &'n Node, path: &str) -> Result<&'n [Member], PolicyError> {
        match &node.value {
            Value::Object(members) => Ok(members),
            other => {
                let problem = Problem::Type {
                    expected: "an object",
                    found: other.type_name(),
                };
                self.fail(node.offset, path, problem)
            }
        }
    }

    fn string<'n>(&self, node: &'n Node, path: &str) -> Result<&'n str, PolicyError> {
        match &node.value {
            Value::String(text) => Ok(text),
            other => {
                let problem = Problem::Type {
                    expected: "a text",
                    found: other.type_name(),
                };
                self.fail(node.offset, path, problem)
            }
        }
    }

    /// One text or a list of them, each with its offset and path.
    fn strings<'n>(
        &self,
        node: &'n Node,
        path: &str,
    ) -> Result<Vec<(&'n str, usize, String)>, PolicyError> {
        let Value::Array(items) = &node.value else {
            return Ok(Vec::from([(
                self.string(node, path)?,
                node.offset,
                path.into(),
            )]));
        };
        if items.is_empty() {
            return self.fail(node.offset, path, Problem::Empty);
        }
        items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let path = format!("{path}[{index}]");
                Ok((self.string(item, &path)?, item.offset, path))
            })
            .collect()
    }

    /// Refuses members that are not in the list.
    fn only(
        &self,
        members: &[Member],
        path: &str,
        known: &[(&'static str, &'static str)],
    ) -> Result<(), PolicyError> {
        for Member { name, offset, .. } in members {
            if known.iter().any(|(known, _)| known == name) {
                continue;
            }
            let cure = if name == "Principal" || name == "NotPrincipal" {
                "attach the policy to its principal instead"
            } else {
                known
                    .iter()
                    .find(|(known, _)| known.eq_ignore_ascii_case(name))
                    .map_or("remove it", |(_, cure)| cure)
            };
            return self.fail(*offset, path, Problem::UnknownMember(name.clone(), cure));
        }
        Ok(())
    }
}

fn find<'n>(members: &'n [Member], name: &str) -> Option<&'n Node> {
    members
        .iter()
        .find(|member| member.name == name)
        .map(|member| &member.node)
}

/// Whether a text can be the pattern of an ARN: six parts, or fewer when a `*` stands for the others.
fn check_resource(text: &str) -> Result<(), &'static str> {
    let fields = arn_fields(text);
    match (fields.first(), fields.last()) {
        (Some(first), Some(last)) if *first == "arn" || first.contains('*') => {
            if last.is_empty() {
                Err("its last part is empty; name a client, topic or topic filter, or write `*`")
            } else if fields.len() == 6 || last.ends_with('*') {
                Ok(())
            } else {
                Err("an ARN has six parts, as in `arn:aws:iot:REGION:ACCOUNT_ID:topic/…`")
            }
        }
        _ => Err("write an ARN, as in `arn:aws:iot:REGION:ACCOUNT_ID:topic/…`, or `*`"),
    }
}
