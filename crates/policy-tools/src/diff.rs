//! Two policies told apart by what they decide: what became allowed, what became denied, an example for each.
//!
//! [`crate::explore`] proposes one resource for every combination of patterns that can match together, and the
//! engine decides each under the old and the new policies, for several connections ([`views`]): attached and not,
//! and one for every value that a condition asks for. What no tried connection brought to bear is named.

mod views;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Serialize;
use thingwire_policy::{Action, Explanation, Outcome, PolicySet, Request};

use crate::explain::compile;
use crate::explore::{Exploration, explore, samples};
use crate::glob::Glob;
use crate::policy::Policy;
use crate::resource::Kind;

pub use views::{View, views};

/// States that one walk may visit; a pair of policies of 2048 characters has some thousands.
const STATES: usize = 10_000;

/// What differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    /// Each change once, with an example.
    pub changes: Vec<Change>,
    /// Whether all resources were looked at; otherwise the policies have too many wildcards for that.
    pub complete: bool,
    /// Statements whose conditions hold for none of the connections that were tried.
    pub not_compared: Vec<String>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Whether it became allowed or denied.
    pub became: Became,
    /// The action.
    pub action: &'static str,
    /// A resource on which it did: the last part of its ARN.
    pub example: String,
    /// For which connections, in words.
    pub connections: Vec<String>,
    /// The decision under the old policies, and why.
    pub old: String,
    /// The decision under the new policies, and why.
    pub new: String,
    /// The statements that make the change: those that allow it now, or deny it now, or allowed it before.
    pub statements: Vec<String>,
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Became {
    /// Allowed now, denied before.
    Allowed,
    /// Denied now, allowed before.
    Denied,
}

/// Compares two sets of policies for these connections.
#[must_use]
pub fn diff(old: &[Policy], new: &[Policy], views: &[View]) -> Diff {
    let mut comparison = Comparison::default();
    for view in views {
        let sets = (compile(old, &view.context), compile(new, &view.context));
        for action in Action::ALL {
            let patterns: Vec<Glob> = old
                .iter()
                .chain(new)
                .flat_map(|policy| patterns(policy, action, view))
                .collect();
            if patterns.is_empty() && !speaks(old, action) && !speaks(new, action) {
                continue;
            }
            for resource in comparison.resources(patterns, action, view) {
                comparison.ask(&sets, action, &resource, view);
            }
        }
    }
    let mut not_compared = comparison.unseen("old", old);
    not_compared.extend(comparison.unseen("new", new));
    let mut changes: Vec<Change> = comparison.changes.into_values().collect();
    changes.sort_by(|one, other| {
        (one.became, one.action, &one.example).cmp(&(other.became, other.action, &other.example))
    });
    Diff {
        changes,
        complete: !comparison.incomplete,
        not_compared,
    }
}

fn speaks(policies: &[Policy], action: Action) -> bool {
    policies
        .iter()
        .flat_map(|policy| policy.document.statements())
        .any(|statement| statement.speaks_of(action))
}

/// The resources of the statements about an action, as far as their variables have values.
fn patterns(policy: &Policy, action: Action, view: &View) -> Vec<Glob> {
    policy
        .document
        .statements()
        .iter()
        .filter(|statement| statement.speaks_of(action))
        .flat_map(|statement| statement.resources())
        .filter_map(|resource| Glob::parse(resource).resolve(&view.context).ok())
        .collect()
}

#[derive(Default)]
struct Comparison {
    /// Changes by what makes them.
    changes: BTreeMap<(Action, Became, Vec<String>), Change>,
    /// Walks that were made already: other connections often ask for the same.
    walks: BTreeMap<(Kind, Vec<String>), Vec<String>>,
    incomplete: bool,
    /// Statements that decided something, as `old policy … statement …`.
    seen: Vec<String>,
}

impl Comparison {
    /// One resource for each combination of patterns.
    fn resources(&mut self, patterns: Vec<Glob>, action: Action, view: &View) -> Vec<String> {
        let kind = Kind::of(action);
        if kind == Kind::Whole {
            return Vec::from([String::from("*")]);
        }
        let key = (
            kind,
            patterns.iter().map(ToString::to_string).collect::<Vec<_>>(),
        );
        if let Some(known) = self.walks.get(&key) {
            return known.clone();
        }
        let prefix = view.context.arn_prefix();
        let Exploration { found, complete } = explore(&patterns, &prefix, kind, STATES);
        self.incomplete |= !complete;
        let mut resources: Vec<String> = found.into_iter().map(|found| found.resource).collect();
        if !complete {
            resources.extend(samples(&patterns, &prefix, kind));
        }
        self.walks.insert(key, resources.clone());
        resources
    }

    fn ask(&mut self, sets: &(PolicySet, PolicySet), action: Action, resource: &str, view: &View) {
        let request = Request {
            topic: view.topic.as_deref(),
            include_socket_information: None,
        };
        let (old, new) = (
            sets.0.explain(action, resource, &request),
            sets.1.explain(action, resource, &request),
        );
        self.see("old", &old);
        self.see("new", &new);
        let became = match (
            old.outcome == Outcome::Allowed,
            new.outcome == Outcome::Allowed,
        ) {
            (false, true) => Became::Allowed,
            (true, false) => Became::Denied,
            _ => return,
        };
        let deciding = match became {
            Became::Allowed => names("new", &new.allowed_by),
            Became::Denied if new.denied_by.is_empty() => names("old", &old.allowed_by),
            Became::Denied => names("new", &new.denied_by),
        };
        let change = self
            .changes
            .entry((action, became, deciding.clone()))
            .or_insert_with(|| Change {
                became,
                action: action.name(),
                example: resource.into(),
                connections: Vec::new(),
                old: old.to_string(),
                new: new.to_string(),
                statements: deciding,
            });
        if !change.connections.contains(&view.name) {
            change.connections.push(view.name.clone());
        }
    }

    fn see(&mut self, which: &str, explanation: &Explanation) {
        for name in explanation.allowed_by.iter().chain(&explanation.denied_by) {
            let name = seen_name(which, &name.policy, name.number);
            if !self.seen.contains(&name) {
                self.seen.push(name);
            }
        }
    }

    /// Statements with conditions that never decided anything.
    fn unseen(&self, which: &str, policies: &[Policy]) -> Vec<String> {
        let mut unseen = Vec::new();
        for policy in policies {
            for (number, statement) in (1_usize..).zip(policy.document.statements()) {
                if statement.is_conditional()
                    && !self.seen.contains(&seen_name(which, &policy.name, number))
                {
                    unseen.push(format!(
                        "{which} policy `{}` statement {number}",
                        policy.name
                    ));
                }
            }
        }
        unseen
    }
}

fn seen_name(which: &str, policy: &str, number: usize) -> String {
    format!("{which} {number} {policy}")
}

fn names(which: &str, statements: &[thingwire_policy::StatementName]) -> Vec<String> {
    statements
        .iter()
        .map(|statement| format!("{which} {statement}"))
        .collect()
}

#[cfg(test)]
mod tests;
