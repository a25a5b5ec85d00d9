//! Why a request is allowed or denied, statement by statement, and what would have to change.
//!
//! Each statement is asked alone, by the engine; then all together. What the engine has no need to know, in which
//! character the asked resource leaves the nearest statement, is worked out here.

mod cure;
mod view;

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde::Serialize;
use thingwire_policy::{Action, Context, Document, Outcome, PolicySet, Request};

use crate::glob::{Glob, Unresolved};
use crate::policy::Policy;

pub use cure::Cure;
pub use view::{Difference, StatementView, Verdict};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The action.
    pub action: Action,
    /// The resource: what follows the prefix of the cloud's own ARNs, or a whole ARN.
    pub resource: String,
    /// `iot:Topic`, for direct messages.
    pub topic: Option<String>,
}

/// A decision with everything that led to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// The word of the AWS API: `ALLOWED`, `IMPLICIT_DENY`, `EXPLICIT_DENY`.
    pub decision: &'static str,
    /// The action.
    pub action: &'static str,
    /// The resource, as asked.
    pub resource: String,
    /// The engine's reason, in one line.
    pub reason: String,
    /// Every statement of every policy, in order.
    pub statements: Vec<StatementView>,
    /// Every variable of the statements about this action, and what it became.
    pub variables: Vec<Variable>,
    /// For an implicit deny: the index in `statements` of the one that comes closest to allowing it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<usize>,
    /// What would have to change.
    pub cure: Cure,
    /// The decision itself.
    #[serde(skip)]
    pub outcome: Outcome,
}

/// A variable and what it became.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Variable {
    /// Its name without `${` and `}`.
    pub name: String,
    /// Its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Why it has none (`C-45`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Question {
    /// As the engine takes it.
    #[must_use]
    pub fn request(&self) -> Request<'_> {
        Request {
            topic: self.topic.as_deref(),
            include_socket_information: None,
        }
    }
}

/// The policies compiled for a connection.
#[must_use]
pub fn compile(policies: &[Policy], context: &Context) -> PolicySet {
    PolicySet::compile(
        policies
            .iter()
            .map(|policy| (policy.name.as_str(), &policy.document)),
        context,
    )
}

/// Says why.
#[must_use]
pub fn explain(policies: &[Policy], context: &Context, question: &Question) -> Explained {
    let set = compile(policies, context);
    let whole = set.explain(question.action, &question.resource, &question.request());
    let mut statements = Vec::new();
    for policy in policies {
        for index in 0..policy.statements.len() {
            statements.extend(view::look(policy, index, context, question));
        }
    }
    let nearest = match whole.outcome {
        Outcome::ImplicitDeny => view::nearest(&statements),
        Outcome::Allowed | Outcome::ExplicitDeny => None,
    };
    Explained {
        decision: whole.outcome.name(),
        action: question.action.name(),
        resource: question.resource.clone(),
        reason: whole.to_string(),
        variables: variables(policies, context, question.action),
        cure: cure::find(policies, context, question, &whole),
        nearest,
        statements,
        outcome: whole.outcome,
    }
}

/// Every variable in the statements about an action, each once, in order of appearance.
fn variables(policies: &[Policy], context: &Context, action: Action) -> Vec<Variable> {
    let mut found: Vec<Variable> = Vec::new();
    for policy in policies {
        for (part, statement) in policy.statements.iter().zip(policy.document.statements()) {
            if !statement.speaks_of(action) {
                continue;
            }
            let values = part
                .conditions
                .iter()
                .flat_map(|condition| &condition.values);
            for part in part.resources.iter().chain(values) {
                for name in Glob::parse(&part.text).variables() {
                    if found.iter().any(|known| known.name == name) {
                        continue;
                    }
                    let (value, reason) = match context.variable(name) {
                        Ok(value) => (Some(value), None),
                        Err(reason) => (None, Some(reason)),
                    };
                    found.push(Variable {
                        name: name.into(),
                        value,
                        reason,
                    });
                }
            }
        }
    }
    found
}

/// The whole ARN of a resource that is given by its last part.
fn whole_arn(context: &Context, resource: &str) -> String {
    if resource.starts_with("arn:") {
        resource.into()
    } else {
        format!("{}{resource}", context.arn_prefix())
    }
}

/// What the engine says of one document alone.
fn ask(
    document: &Document,
    context: &Context,
    question: &Question,
) -> thingwire_policy::Explanation {
    PolicySet::compile([("", document)], context).explain(
        question.action,
        &question.resource,
        &question.request(),
    )
}

/// Variables without a value, in words.
fn unresolved_words(unresolved: &[Unresolved]) -> String {
    let mut words = String::new();
    for (index, one) in unresolved.iter().enumerate() {
        if index > 0 {
            words.push_str("; ");
        }
        words.push_str(&format!(
            "`${{{}}}` has no value: {}",
            one.variable, one.reason
        ));
    }
    words
}

#[cfg(test)]
mod tests;
