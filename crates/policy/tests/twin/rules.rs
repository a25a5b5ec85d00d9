//! The naive twin: what the rules of aws-iot-core.md say, read aloud.
//!
//! Written from section C of the specification by someone who had not read the engine. It takes the policies as
//! they are in JSON, keeps nothing between two questions, has no index and no cache, and looks at every statement,
//! every pattern and every character each time. Where it and the engine differ, the rules decide which is wrong.

use serde_json::Value;
use thingwire_policy::{Outcome, Settings, SharedSubscription, UnresolvedDeny};

use crate::condition;
use crate::pattern::{self, Piece};
use crate::situation::{Asked, Situation};

/// `C-10`: default deny; an Allow overrides the default; a Deny overrides any Allow, wherever it is attached.
pub(crate) fn decide(
    policies: &[Value],
    situation: &Situation,
    settings: &Settings,
    asked: &Asked,
) -> Outcome {
    let full = situation.arn(&asked.resource);
    let inner = inner_of_shared(asked, &full);
    let allowed_form = match (&inner, settings.shared_subscription) {
        (Some(inner), SharedSubscription::Inner) => inner,
        _ => &full,
    };
    let question = Question {
        situation,
        settings,
        asked,
    };
    let mut allowed = false;
    for policy in policies {
        for statement in list(&policy["Statement"]) {
            match text(&statement["Effect"]) {
                "Deny" => {
                    // C-24: a Deny on either form of a shared subscription counts.
                    let denied = question.applies(statement, &full)
                        || inner
                            .as_ref()
                            .is_some_and(|inner| question.applies(statement, inner));
                    if denied {
                        return Outcome::ExplicitDeny;
                    }
                }
                _ => allowed |= question.applies(statement, allowed_form),
            }
        }
    }
    if allowed {
        Outcome::Allowed
    } else {
        Outcome::ImplicitDeny
    }
}

/// `C-24`: `…:topicfilter/<filter>` for `…:topicfilter/$share/<name>/<filter>`.
fn inner_of_shared(asked: &Asked, full: &str) -> Option<String> {
    if asked.action.name() != "iot:Subscribe" {
        return None;
    }
    let parts: Vec<&str> = full.splitn(6, ':').collect();
    let resource = parts.get(5)?;
    let rest = resource.strip_prefix("topicfilter/$share/")?;
    let (name, filter) = rest.split_once('/')?;
    if name.is_empty() {
        return None;
    }
    let before = full.strip_suffix(resource)?;
    Some(format!("{before}topicfilter/{filter}"))
}

struct Question<'a> {
    situation: &'a Situation,
    settings: &'a Settings,
    asked: &'a Asked,
}

impl Question<'_> {
    fn applies(&self, statement: &Value, resource: &str) -> bool {
        self.action_applies(statement)
            && self.resource_applies(statement, resource)
            && self.conditions_hold(statement)
    }

    fn action_applies(&self, statement: &Value) -> bool {
        if statement.get("Action").is_some() {
            self.any_action(&statement["Action"])
        } else {
            // C-1, with IAM's meaning: every action but these.
            !self.any_action(&statement["NotAction"])
        }
    }

    fn any_action(&self, patterns: &Value) -> bool {
        let name = self.asked.action.name();
        // C-19: a jobs action has its former name too, where that is written in full: the rule does not say what
        // `iot:*` means for these, and the engine's documentation chooses the narrow reading.
        let former = name
            .strip_prefix("iotjobsdata:")
            .map(|rest| format!("iot:{rest}"));
        // C-29: without case, unless set otherwise.
        let case = |text: &str| {
            if self.settings.case_sensitive_actions {
                text.to_string()
            } else {
                text.to_ascii_lowercase()
            }
        };
        list(patterns).iter().any(|pattern| {
            let pattern = case(text(pattern));
            pattern::matches(&pattern::wildcards(&pattern), &case(name))
                || former.as_deref().map(case) == Some(pattern)
        })
    }

    fn resource_applies(&self, statement: &Value, resource: &str) -> bool {
        let deny = text(&statement["Effect"]) == "Deny";
        let listed = statement
            .get("Resource")
            .or_else(|| statement.get("NotResource"));
        let patterns: Vec<Option<Vec<Piece>>> = list(listed.unwrap_or(&Value::Null))
            .iter()
            .map(|value| pattern::substituted(text(value), self.situation, self.settings))
            .collect();
        let unresolved = patterns.iter().any(Option::is_none);
        let listed = patterns
            .iter()
            .flatten()
            .any(|pattern| pattern::matches(pattern, resource));
        if statement.get("Resource").is_some() {
            // C-45: what has no value matches nothing; C-46: in a Deny as well, unless set otherwise.
            listed
                || (deny && unresolved && self.settings.unresolved_deny == UnresolvedDeny::Denies)
        } else if unresolved && !deny {
            // The engine's settings name this choice: "matches nothing" must not widen an Allow.
            false
        } else {
            // C-32.
            !listed
        }
    }

    /// `C-33`: every operator and every key.
    fn conditions_hold(&self, statement: &Value) -> bool {
        let deny = text(&statement["Effect"]) == "Deny";
        let Some(operators) = statement.get("Condition").and_then(Value::as_object) else {
            return true;
        };
        operators.iter().all(|(operator, keys)| {
            let keys = keys.as_object().into_iter().flatten();
            keys.into_iter().all(|(key, values)| {
                let present = self.situation.values(key, self.settings, self.asked);
                let values = list(values);
                condition::holds(
                    operator,
                    present,
                    values,
                    deny,
                    self.situation,
                    self.settings,
                )
            })
        })
    }
}

/// A member that may be single or a list.
pub(crate) fn list(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        Value::Null => &[],
        single => std::slice::from_ref(single),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}
