//! What belongs together: Subscribe and Receive, a Deny of both, a shadow's requests and its answers
//! (`TW-P012` to `TW-P015`).

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use thingwire_policy::{Action, Effect};

use super::model::{self, Model};
use super::{Linter, rules};
use crate::glob::{Glob, Token};

impl Linter<'_> {
    pub(super) fn messages(&mut self) {
        let model = model::of(self.statements);
        for (index, statement) in model.iter().enumerate() {
            if statement.not_resource {
                continue;
            }
            match statement.effect {
                Effect::Allow if statement.speaks_of(Action::Subscribe) => {
                    self.receive_for(&model, index)
                }
                Effect::Deny if statement.speaks_of(Action::Subscribe) => {
                    self.denied_subscribe(&model, index)
                }
                _ => {}
            }
            if statement.effect == Effect::Allow && statement.speaks_of(Action::Receive) {
                self.subscribe_for(&model, index);
            }
            if statement.effect == Effect::Allow && statement.speaks_of(Action::Publish) {
                self.shadow_answers(&model, index);
            }
        }
    }

    /// `TW-P013`
    fn receive_for(&mut self, model: &[Model], index: usize) {
        for (part, glob) in self.pairs(model, index) {
            let Some(topics) = model::delivered(&glob) else {
                continue;
            };
            let patterns = with_allowed(&topics, model, Action::Receive);
            let Some(walked) = model::walk(&patterns, Action::Receive) else {
                continue;
            };
            let received = walked.iter().any(|found| {
                found.matching.contains(&0) && model::could(model, Action::Receive, &found.resource)
            });
            if !received {
                self.add_at(
                    &rules::NO_RECEIVE,
                    &part,
                    "what is published there is never delivered: no statement allows iot:Receive on it".to_owned(),
                    format!("allow iot:Receive on `{}`", shown(&part.text, &topics)),
                    None,
                );
            }
        }
    }

    /// `TW-P014`
    fn subscribe_for(&mut self, model: &[Model], index: usize) {
        let subscribable: Vec<Glob> = model
            .iter()
            .filter(|statement| {
                statement.effect == Effect::Allow && statement.speaks_of(Action::Subscribe)
            })
            .flat_map(|statement| {
                if statement.not_resource {
                    Vec::from([Some(Glob::parse("*"))])
                } else {
                    statement.resources.iter().map(model::delivered).collect()
                }
            })
            .flatten()
            .collect();
        for (part, glob) in self.pairs(model, index) {
            let text = glob.to_string();
            // The answers of jobs and of certificate requests come without a subscription (B.14).
            let is_sent_anyway =
                text.contains("/jobs/") || text.starts_with("topic/$aws/certificates/");
            let is_topic = text.starts_with("topic/") || text.starts_with('*');
            if !is_topic || is_sent_anyway {
                continue;
            }
            let mut patterns = Vec::from([glob.clone()]);
            patterns.extend(subscribable.iter().cloned());
            let Some(walked) = model::walk(&patterns, Action::Receive) else {
                continue;
            };
            let reached = walked
                .iter()
                .any(|found| found.matching.contains(&0) && found.matching.len() > 1);
            if !reached {
                let topic = model::last_part(&part.text)
                    .strip_prefix("topic/")
                    .unwrap_or("*");
                self.add_at(
                    &rules::NO_SUBSCRIBE,
                    &part,
                    "no statement allows a subscription that would deliver this".to_owned(),
                    format!("allow iot:Subscribe on `topicfilter/{topic}`, or remove it"),
                    None,
                );
            }
        }
    }

    /// `TW-P012`
    fn denied_subscribe(&mut self, model: &[Model], index: usize) {
        for (part, glob) in self.pairs(model, index) {
            let Some(topics) = model::delivered(&glob) else {
                continue;
            };
            let patterns = with_allowed(&topics, model, Action::Receive);
            let Some(walked) = model::walk(&patterns, Action::Receive) else {
                continue;
            };
            let leak = walked
                .iter()
                .filter(|found| found.matching.contains(&0))
                .filter(|found| model::could(model, Action::Receive, &found.resource))
                .find_map(|found| {
                    let topic = found.resource.strip_prefix("topic/")?;
                    let filter = model::filters(topic)
                        .into_iter()
                        .filter(|filter| filter != topic)
                        .find(|filter| {
                            model::could(model, Action::Subscribe, &format!("topicfilter/{filter}"))
                        })?;
                    (!model::has_symbol(topic)).then(|| (topic.to_owned(), filter))
                });
            if let Some((topic, filter)) = leak {
                self.add_at(
                    &rules::DENY_WITHOUT_RECEIVE,
                    &part,
                    format!("a subscription to `{filter}` still delivers `{topic}`"),
                    format!(
                        "deny iot:Receive on `{}` as well",
                        shown(&part.text, &topics)
                    ),
                    None,
                );
            }
        }
    }

    /// `TW-P015`
    fn shadow_answers(&mut self, model: &[Model], index: usize) {
        for (part, glob) in self.pairs(model, index) {
            if !glob.to_string().starts_with("topic/$aws/things/") {
                continue;
            }
            let mut missing: Vec<String> = Vec::new();
            for operation in ["get", "update", "delete"] {
                for name in ["", "/name/*"] {
                    let request =
                        Glob::parse(&format!("topic/$aws/things/*/shadow{name}/{operation}"));
                    let walked = model::walk(&[glob.clone(), request], Action::Publish);
                    let Some(found) = walked
                        .iter()
                        .flatten()
                        .find(|found| found.matching.len() == 2)
                    else {
                        continue;
                    };
                    let topic = found.resource.strip_prefix("topic/").unwrap_or_default();
                    for answer in ["accepted", "rejected"] {
                        let answered = model::could_subscribe(model, &format!("{topic}/{answer}"));
                        let what = format!("{operation}/{answer}");
                        if !answered && !missing.contains(&what) {
                            missing.push(what);
                        }
                    }
                }
            }
            if !missing.is_empty() {
                let topic = model::last_part(&part.text)
                    .strip_prefix("topic/")
                    .unwrap_or_default();
                let base = topic.split("/shadow").next().unwrap_or_default();
                self.add_at(
                    &rules::NO_SHADOW_ANSWERS,
                    &part,
                    format!("no subscription is allowed to the answers {}", missing.join(", ")),
                    format!("allow iot:Subscribe on `topicfilter/{base}/shadow/*`, and iot:Receive on the topics"),
                    None,
                );
            }
        }
    }

    /// The resources of a statement, as written and as patterns.
    fn pairs(&self, model: &[Model], index: usize) -> Vec<(crate::policy::Part, Glob)> {
        let parts = self
            .statements
            .get(index)
            .map(|statement| statement.resources.as_slice())
            .unwrap_or_default();
        let globs = model
            .get(index)
            .map(|statement| statement.resources.as_slice())
            .unwrap_or_default();
        parts.iter().cloned().zip(globs.iter().cloned()).collect()
    }
}

/// A pattern, and those of all statements about an action, so that the walk meets every combination.
fn with_allowed(pattern: &Glob, model: &[Model], action: Action) -> Vec<Glob> {
    let mut patterns = Vec::from([pattern.clone()]);
    for statement in model.iter().filter(|statement| statement.speaks_of(action)) {
        patterns.extend(statement.resources.iter().cloned());
    }
    patterns
}

/// A `topic/` pattern with its variables as the document has them.
fn shown(written: &str, topics: &Glob) -> String {
    let last = model::last_part(written);
    match model::delivered(&Glob::parse(last)) {
        Some(glob) => glob.to_string(),
        None if topics.tokens.contains(&Token::Any) => "topic/*".to_owned(),
        None => last.to_owned(),
    }
}
