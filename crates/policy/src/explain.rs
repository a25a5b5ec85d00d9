//! Why: one readable line for a decision, and the parts it is made of.
//!
//! For a denial by default the line names the nearest statement, the one that comes closest to allowing the
//! request, and what stands between: other text, another region or account, a variable without a value, a
//! condition that does not hold.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use crate::action::Action;
use crate::compile::{CompiledStatement, PolicySet, Resource};
use crate::decide::{Outcome, Request, StatementId};
use crate::document::Effect;
use crate::error::{OneLine, Quoted};
use crate::key::Key;
use crate::pattern;
use crate::template::arn_fields;

/// A decision with its reasons. Prints as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What was decided.
    pub outcome: Outcome,
    /// The action asked for.
    pub action: Action,
    /// The resource asked for, as given.
    pub resource: String,
    /// Whether it is an ARN of another region, account or partition.
    pub foreign: bool,
    /// Every statement that allows it.
    pub allowed_by: Vec<StatementName>,
    /// Every statement that denies it.
    pub denied_by: Vec<StatementName>,
    /// For a denial by default: the statement that comes closest to allowing it.
    pub nearest: Option<Nearest>,
    /// Keys that statements of this action needed and that have no value (`C-56`).
    pub missing: Vec<Missing>,
    /// The names of all policies that were asked.
    pub policies: Vec<String>,
}

/// Which statement: prints as ``policy `lamps` statement 2``.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementName {
    /// The policy's name.
    pub policy: String,
    /// Which statement of it, counted from 1.
    pub number: usize,
    /// Its `Sid`, if it has one.
    pub sid: Option<String>,
}

/// A variable or condition key without a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Its name, such as `iot:Connection.Thing.ThingName`.
    pub key: String,
    /// Why it has none.
    pub reason: String,
}

impl Missing {
    pub(crate) fn new(key: &Key, reason: String) -> Self {
        Self {
            key: key.to_string(),
            reason,
        }
    }
}

/// The statement that comes closest to allowing a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearest {
    /// Which one.
    pub statement: StatementName,
    /// Its resource without the beginning that all ARNs of the cloud share; variables are replaced if they can be.
    pub resource: String,
    /// The beginning that it and the requested resource have in common.
    pub common: String,
    /// What stands between.
    pub obstacle: Obstacle,
}

/// Why the nearest statement does not allow the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Its resource is another one.
    Resource,
    /// Its `NotResource` lists the requested resource, or something that matches it (`C-32`).
    Excluded,
    /// It is about another region or account (`C-50`); these are the ones it has.
    Elsewhere {
        /// Its region.
        region: String,
        /// Its account.
        account: String,
    },
    /// A variable in its resource has no value (`C-45`).
    Variable(Missing),
    /// A condition does not hold: the condition, and the keys without a value.
    Condition(String, Vec<Missing>),
}

impl PolicySet {
    /// The decision with its reasons. For refusals and tools: it looks at every statement.
    #[must_use]
    pub fn explain(&self, action: Action, resource: &str, request: &Request<'_>) -> Explanation {
        let names = |effect| {
            let found = self.all_matching(action, effect, resource, request);
            found
                .into_iter()
                .filter_map(|id| self.statement_name(id))
                .collect::<Vec<_>>()
        };
        let outcome = self.decide(action, resource, request).outcome;
        let nearest = match outcome {
            Outcome::ImplicitDeny => self.nearest(action, resource, request),
            Outcome::Allowed | Outcome::ExplicitDeny => None,
        };
        Explanation {
            outcome,
            action,
            resource: resource.to_string(),
            foreign: self.own_part(resource).is_none(),
            allowed_by: names(Effect::Allow),
            denied_by: names(Effect::Deny),
            nearest,
            missing: self.missing(action),
            policies: self.policies().map(Into::into).collect(),
        }
    }

    /// Which statement this is.
    #[must_use]
    pub fn statement_name(&self, id: StatementId) -> Option<StatementName> {
        self.statement(id).map(|statement| self.name(statement))
    }

    /// The Deny statements that deny nothing because a variable has no value (`C-46`): a warning for the log.
    pub fn unresolved_denies(&self) -> impl Iterator<Item = (StatementName, &Missing)> {
        self.statements
            .iter()
            .filter(|statement| statement.effect == Effect::Deny && !statement.not_resource)
            .flat_map(|statement| {
                let missing = self
                    .resources_of(statement)
                    .flat_map(|resource| &resource.missing);
                missing.map(|missing| (self.name(statement), missing))
            })
    }

    fn name(&self, statement: &CompiledStatement) -> StatementName {
        StatementName {
            policy: self
                .policies
                .get(statement.policy)
                .map(|name| name.to_string())
                .unwrap_or_default(),
            number: statement.number,
            sid: statement.sid.as_deref().map(Into::into),
        }
    }

    /// Keys without a value in statements of this action, each once (`C-56`).
    fn missing(&self, action: Action) -> Vec<Missing> {
        let mut found: Vec<Missing> = Vec::new();
        for statement in self
            .statements
            .iter()
            .filter(|statement| statement.actions.contains(action))
        {
            let of_resources = self
                .resources_of(statement)
                .flat_map(|resource| &resource.missing);
            let of_conditions = match &statement.conditions {
                crate::clause::Conditions::Fail(_, missing) => missing.as_ref(),
                _ => &[],
            };
            for missing in of_resources.chain(of_conditions) {
                if !found.contains(missing) {
                    found.push(missing.clone());
                }
            }
        }
        found
    }

    fn nearest(&self, action: Action, resource: &str, request: &Request<'_>) -> Option<Nearest> {
        let wanted = self.own_part(resource)?;
        let mut best: Option<((bool, usize, u8), Nearest)> = None;
        for statement in &self.statements {
            if statement.effect != Effect::Allow || !statement.actions.contains(action) {
                continue;
            }
            for compiled in self.resources_of(statement) {
                let (matches, near) = self.compare(statement, compiled, wanted, request);
                let score = (matches, near.common.chars().count(), near.obstacle.weight());
                if best.as_ref().is_none_or(|(known, _)| score > *known) {
                    best = Some((score, near));
                }
            }
        }
        best.map(|(_, near)| near)
    }

    /// How near one resource of one Allow statement comes; `true` if only a condition stands between.
    fn compare(
        &self,
        statement: &CompiledStatement,
        compiled: &Resource,
        wanted: &str,
        request: &Request<'_>,
    ) -> (bool, Nearest) {
        let arn = pattern::display(&compiled.pattern);
        let fields = arn_fields(&arn);
        let shown = match fields.as_slice() {
            [_, _, _, _, _, last] => *last,
            _ => arn.as_str(),
        };
        let common = shown
            .chars()
            .zip(wanted.chars())
            .take_while(|(a, b)| a == b)
            .map(|(a, _)| a)
            .collect();
        let matches = compiled.matches_rest(wanted.as_bytes()) != statement.not_resource;
        let obstacle = if let Some((region, account)) = self.elsewhere(&fields) {
            Obstacle::Elsewhere { region, account }
        } else if let Some(missing) = compiled.missing.first() {
            Obstacle::Variable(missing.clone())
        } else if let (true, Some((text, missing))) =
            (matches, statement.conditions.failure(request))
        {
            Obstacle::Condition(text.to_string(), missing.to_vec())
        } else if statement.not_resource {
            Obstacle::Excluded
        } else {
            Obstacle::Resource
        };
        let only_condition = matches!(obstacle, Obstacle::Condition(..));
        (
            only_condition,
            Nearest {
                statement: self.name(statement),
                resource: shown.to_string(),
                common,
                obstacle,
            },
        )
    }

    /// Region and account of a resource, if they are not the cloud's own.
    fn elsewhere(&self, fields: &[&str]) -> Option<(String, String)> {
        let mut own = self.arn_prefix.split(':').skip(3);
        let (own_region, own_account) = (own.next()?, own.next()?);
        let [_, _, _, region, account, _] = fields else {
            return None;
        };
        let fits = |field: &str, own: &str| {
            pattern::matches(&pattern::from_wildcards(field), own.as_bytes())
        };
        let own = fits(region, own_region) && fits(account, own_account);
        (!own).then(|| (region.to_string(), account.to_string()))
    }
}

impl Obstacle {
    /// Of two that are equally near, the one that is likelier to be the mistake.
    const fn weight(&self) -> u8 {
        match self {
            Self::Resource | Self::Excluded => 0,
            Self::Elsewhere { .. } => 1,
            Self::Variable(_) => 2,
            Self::Condition(..) => 3,
        }
    }
}

impl fmt::Display for StatementName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "policy {} statement {}",
            Quoted(&self.policy),
            self.number
        )?;
        match &self.sid {
            Some(sid) => write!(f, " ({})", Quoted(sid)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {} is ", self.action, Quoted(&self.resource))?;
        match self.outcome {
            Outcome::Allowed => {
                f.write_str("allowed by ")?;
                list(f, &self.allowed_by)
            }
            Outcome::ExplicitDeny => {
                f.write_str("denied by ")?;
                list(f, &self.denied_by)?;
                f.write_str(" (explicit Deny)")
            }
            Outcome::ImplicitDeny if self.policies.is_empty() => {
                f.write_str("denied: no policy is attached to the certificate")
            }
            Outcome::ImplicitDeny => {
                f.write_str("denied: no statement of the attached policies [")?;
                for (index, policy) in self.policies.iter().enumerate() {
                    write!(
                        f,
                        "{}{}",
                        if index == 0 { "" } else { ", " },
                        Quoted(policy)
                    )?;
                }
                f.write_str("] allows it; ")?;
                match &self.nearest {
                    None if self.foreign => f.write_str("the resource is not one of this cloud's"),
                    Some(nearest) => write!(f, "{}", NearestOf(self, nearest)),
                    None => write!(f, "none of them allows {} on anything", self.action),
                }
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, names: &[StatementName]) -> fmt::Result {
    for (index, name) in names.iter().enumerate() {
        write!(f, "{}{name}", if index == 0 { "" } else { ", " })?;
    }
    Ok(())
}

struct NearestOf<'a>(&'a Explanation, &'a Nearest);

impl fmt::Display for NearestOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(
            explanation,
            Nearest {
                statement,
                resource,
                common,
                obstacle,
            },
        ) = self;
        let but = if *obstacle == Obstacle::Excluded {
            "everything but "
        } else {
            ""
        };
        write!(f, "nearest is {statement}, for {but}{}", Quoted(resource))?;
        match obstacle {
            Obstacle::Excluded => Ok(()),
            Obstacle::Resource
                if explanation.action == Action::Subscribe && resource.starts_with("topic/") =>
            {
                f.write_str(", but what a Subscribe needs begins with `topicfilter/`")
            }
            Obstacle::Resource
                if explanation.action != Action::Subscribe
                    && resource.starts_with("topicfilter/") =>
            {
                write!(
                    f,
                    ", but {} needs `topic/` instead of `topicfilter/`",
                    explanation.action
                )
            }
            Obstacle::Resource if common.is_empty() => Ok(()),
            Obstacle::Resource => write!(f, ", the same up to {}", Quoted(common)),
            Obstacle::Elsewhere { region, account } => {
                write!(
                    f,
                    " of region {} and account {}, which are not this cloud's",
                    Quoted(region),
                    Quoted(account)
                )
            }
            Obstacle::Variable(missing) => {
                write!(
                    f,
                    ", but `${{{}}}` has no value: {}",
                    OneLine(&missing.key),
                    missing.reason
                )
            }
            Obstacle::Condition(text, missing) => {
                write!(f, ", but its condition {} does not hold", OneLine(text))?;
                match missing.first() {
                    Some(missing) => {
                        write!(
                            f,
                            ": {} has no value: {}",
                            OneLine(&missing.key),
                            missing.reason
                        )
                    }
                    None => Ok(()),
                }
            }
        }
    }
}
