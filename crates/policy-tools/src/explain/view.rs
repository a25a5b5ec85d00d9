//! One statement, asked alone: does it apply, and if not, what stands between?

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde::Serialize;
use thingwire_policy::{Context, Effect, Obstacle, Outcome, arn_fields};

use super::{Question, ask, unresolved_words, whole_arn};
use crate::glob::{Glob, Token};
use crate::policy::{Policy, StatementPart};

/// One statement and what it does to the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatementView {
    /// The policy's name.
    pub policy: String,
    /// Which statement of it, counted from 1.
    pub number: usize,
    /// `Sid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// The line of the policy's text on which it begins.
    pub line: usize,
    /// `Allow` or `Deny`.
    pub effect: &'static str,
    /// Its actions, as written; `not …` for `NotAction`.
    pub actions: String,
    /// Its resources without the beginning that all ARNs of the cloud share; `not …` for `NotResource`.
    pub resources: String,
    /// What it does to the request.
    pub verdict: Verdict,
}

/// What a statement does to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "camelCase")]
pub enum Verdict {
    /// It allows it.
    Allows,
    /// It denies it.
    Denies,
    /// It is about other actions.
    OtherAction,
    /// Its resources are others; this is the nearest of them.
    OtherResource(Difference),
    /// It is about everything but the resources it lists, and the request is on one of those (`C-32`).
    Excluded,
    /// It is about another region or account (`C-50`).
    Elsewhere {
        /// The resource, as written.
        resource: String,
    },
    /// A variable in the resource has no value (`C-45`).
    Unresolved {
        /// The resource, as written.
        resource: String,
        /// Which variables, and why.
        reason: String,
        /// Whether it would match if the variables had the right values.
        #[serde(rename = "wouldMatch")]
        would_match: bool,
        /// Characters of the asked resource that it follows before the first variable.
        matched: usize,
    },
    /// A condition does not hold.
    Condition {
        /// Which, and why.
        reason: String,
    },
}

/// Where the asked resource leaves a statement's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The statement's resource, with variables replaced.
    pub resource: String,
    /// The asked resource.
    pub asked: String,
    /// Which character of the asked resource differs, counted from 1.
    pub character: usize,
    /// The character asked; `None` at its end.
    pub found: Option<char>,
    /// What the statement has there: a character, `?`, or `None` for its end.
    pub wanted: Option<String>,
    /// What it takes, if the kind of resource is the mistake (`topic/` for `topicfilter/`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<&'static str>,
}

/// Looks at one statement.
pub(super) fn look(
    policy: &Policy,
    index: usize,
    context: &Context,
    question: &Question,
) -> Option<StatementView> {
    let part = policy.statements.get(index)?;
    let statement = policy.document.statements().get(index)?;
    let alone = policy.alone(index)?;
    let verdict = match ask(&alone, context, question).outcome {
        Outcome::Allowed => Verdict::Allows,
        Outcome::ExplicitDeny => Verdict::Denies,
        Outcome::ImplicitDeny if !statement.speaks_of(question.action) => Verdict::OtherAction,
        Outcome::ImplicitDeny => why_not(policy, index, part, context, question),
    };
    let effect = match statement.effect() {
        Effect::Allow => "Allow",
        Effect::Deny => "Deny",
    };
    let prefix = context.arn_prefix();
    let shown = |text: &str| text.strip_prefix(&prefix).unwrap_or(text).to_owned();
    let list = |texts: Vec<String>, negated: bool| {
        format!("{}{}", if negated { "not " } else { "" }, texts.join(", "))
    };
    Some(StatementView {
        policy: policy.name.clone(),
        number: index.saturating_add(1),
        sid: part.sid.clone(),
        line: policy.position(part.range.start).line,
        effect,
        actions: list(
            part.actions
                .iter()
                .map(|action| action.text.clone())
                .collect(),
            part.not_action,
        ),
        resources: list(
            part.resources
                .iter()
                .map(|resource| shown(&resource.text))
                .collect(),
            part.not_resource,
        ),
        verdict,
    })
}

/// Why a statement about this action does not apply.
fn why_not(
    policy: &Policy,
    index: usize,
    part: &StatementPart,
    context: &Context,
    question: &Question,
) -> Verdict {
    let nearest = policy
        .alone_as_allow(index)
        .and_then(|document| ask(&document, context, question).nearest);
    if let Some(Obstacle::Condition(condition, missing)) = nearest.map(|nearest| nearest.obstacle) {
        let why = missing
            .first()
            .map(|missing| format!("; `{}` has no value: {}", missing.key, missing.reason));
        return Verdict::Condition {
            reason: format!("{condition}{}", why.unwrap_or_default()),
        };
    }
    if part.not_resource {
        return Verdict::Excluded;
    }
    let verdicts = part
        .resources
        .iter()
        .map(|resource| compare(&resource.text, context, question));
    verdicts
        .max_by_key(Verdict::nearness)
        .unwrap_or(Verdict::OtherAction)
}

/// One resource that does not match.
fn compare(resource: &str, context: &Context, question: &Question) -> Verdict {
    let prefix = context.arn_prefix();
    let arn = whole_arn(context, &question.resource);
    let glob = Glob::parse(resource);
    let skipped = prefix.chars().count();
    match glob.resolve(context) {
        Err(unresolved) => {
            let open = Glob {
                tokens: glob
                    .tokens
                    .iter()
                    .map(|token| match token {
                        Token::Variable(_) => Token::Any,
                        token => token.clone(),
                    })
                    .collect(),
            };
            let departure = open.departure(&arn);
            Verdict::Unresolved {
                resource: resource
                    .strip_prefix(&prefix)
                    .unwrap_or(resource)
                    .to_owned(),
                reason: unresolved_words(&unresolved),
                would_match: departure.wanted.is_none(),
                matched: departure.matched.saturating_sub(skipped),
            }
        }
        Ok(resolved) => {
            let departure = resolved.departure(&arn);
            if departure.matched < skipped || !arn.starts_with(&prefix) {
                return Verdict::Elsewhere {
                    resource: resource.to_owned(),
                };
            }
            let asked = arn.strip_prefix(&prefix).unwrap_or(&arn);
            let text = resolved.to_string();
            let shown = text.strip_prefix(&prefix).map(ToOwned::to_owned);
            let shown = shown.unwrap_or_else(|| match arn_fields(&text).as_slice() {
                [_, _, _, _, _, last] => (*last).to_owned(),
                _ => text.clone(),
            });
            let matched = departure.matched.saturating_sub(skipped);
            Verdict::OtherResource(Difference {
                hint: hint(&shown, asked),
                resource: shown,
                asked: asked.to_owned(),
                character: matched.saturating_add(1),
                found: asked.chars().nth(matched),
                wanted: departure.wanted.flatten().map(|token| {
                    Glob {
                        tokens: Vec::from([token]),
                    }
                    .to_string()
                }),
            })
        }
    }
}

fn hint(resource: &str, asked: &str) -> Option<&'static str> {
    if asked.starts_with("topicfilter/") && resource.starts_with("topic/") {
        Some("a Subscribe needs `topicfilter/`, not `topic/`")
    } else if asked.starts_with("topic/") && resource.starts_with("topicfilter/") {
        Some("this action needs `topic/`, not `topicfilter/`")
    } else {
        None
    }
}

impl Verdict {
    /// How near it is to applying: a condition stands between, a variable, some characters, everything.
    fn nearness(&self) -> (u8, usize) {
        match self {
            Self::Allows | Self::Denies => (9, 0),
            Self::Condition { .. } => (8, 0),
            Self::Unresolved {
                would_match: true, ..
            } => (7, 0),
            Self::OtherResource(difference) if difference.hint.is_some() => {
                (6, difference.character)
            }
            Self::OtherResource(difference) => (5, difference.character),
            Self::Unresolved { matched, .. } => (5, *matched),
            Self::Excluded => (4, 0),
            Self::Elsewhere { .. } => (3, 0),
            Self::OtherAction => (0, 0),
        }
    }
}

/// The index of the Allow statement that comes closest.
pub(super) fn nearest(statements: &[StatementView]) -> Option<usize> {
    statements
        .iter()
        .enumerate()
        .filter(|(_, view)| view.effect == "Allow" && view.verdict != Verdict::OtherAction)
        // Of two that are equally near, the first.
        .rev()
        .max_by_key(|(_, view)| view.verdict.nearness())
        .map(|(index, _)| index)
}
