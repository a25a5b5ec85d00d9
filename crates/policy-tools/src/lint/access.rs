//! Too much, or nothing at all: Device Defender's checks on permissive policies, statements that decide nothing
//! (`TW-P020` to `TW-P024`, `TW-P027`).

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use thingwire_policy::{Action, Effect};

use super::model::{self, Model};
use super::{Linter, rules};
use crate::explore::Found;
use crate::glob::{Glob, Token};
use crate::policy::{Part, StatementPart};
use crate::resource::Kind;

impl Linter<'_> {
    pub(super) fn access(&mut self) {
        let model = model::of(self.statements);
        let walks = walks(&model);
        for (index, (statement, own)) in self.statements.iter().zip(&model).enumerate() {
            if own.effect == Effect::Allow {
                self.permissive(statement, own);
                if statement.not_action || statement.not_resource {
                    let member = if statement.not_action {
                        "NotAction"
                    } else {
                        "NotResource"
                    };
                    self.add_on(
                        &rules::ALL_BUT,
                        statement,
                        format!("it allows everything but its {member}"),
                        "list what is meant, or add a Deny for what is not".to_owned(),
                    );
                }
            }
            self.reachable(&model, &walks, index, statement, own);
        }
    }

    /// `TW-P022`, `TW-P023`, `TW-P024`
    fn permissive(&mut self, statement: &StatementPart, own: &Model) {
        if own.not_resource {
            return;
        }
        for (part, glob) in statement.resources.iter().zip(&own.resources) {
            let text = glob.to_string();
            let speaks = |actions: &[Action]| actions.iter().any(|action| own.speaks_of(*action));
            let writes = [Action::Publish, Action::RetainPublish];
            // What may be received is bounded by what may be subscribed to, so iot:Receive alone is not looked at.
            let messages = [Action::Publish, Action::RetainPublish, Action::Subscribe];
            let on_things = own
                .actions
                .iter()
                .any(|action| Kind::of(*action) == Kind::Thing);
            if matches!(text.as_str(), "*" | "**" | "?*") {
                if speaks(&messages) || on_things {
                    self.too_much(
                        &rules::EVERYTHING,
                        part,
                        "it allows these actions on everything",
                    );
                }
            } else if (matches!(text.as_str(), "topic/*" | "topic*") && speaks(&writes))
                || (matches!(
                    text.as_str(),
                    "topicfilter/*" | "topicfilter/#" | "topicfilter*" | "topic*"
                ) && own.speaks_of(Action::Subscribe))
            {
                self.too_much(&rules::ALL_TOPICS, part, "it reaches every topic");
            } else if (begins_with_any(glob, "topic/$aws/things/") && speaks(&writes))
                || (begins_with_any(glob, "topicfilter/$aws/things/")
                    && own.speaks_of(Action::Subscribe))
                || (begins_with_any(glob, "thing/") && on_things)
            {
                self.too_much(
                    &rules::OTHER_THINGS,
                    part,
                    "it reaches other things' shadows or jobs",
                );
            }
        }
    }

    fn too_much(&mut self, rule: &'static super::Rule, part: &Part, message: &str) {
        self.add_at(
            rule,
            part,
            message.to_owned(),
            "name what the device needs, with `${iot:Connection.Thing.ThingName}` where its name stands".to_owned(),
            None,
        );
    }

    /// `TW-P020`, `TW-P021`
    fn reachable(
        &mut self,
        model: &[Model],
        walks: &BTreeMap<Action, Walk>,
        index: usize,
        statement: &StatementPart,
        own: &Model,
    ) {
        if self.findings.iter().any(|finding| {
            finding.rule.severity == super::Severity::Error
                && finding.path.starts_with(&statement.path)
        }) {
            // It has a mistake of its own that says why it matches nothing.
            return;
        }
        let mut matched = false;
        let mut decided = false;
        let mut by_other = true;
        for action in &own.actions {
            let Some(walk) = walks.get(action) else {
                return;
            };
            for found in walk.iter() {
                if !own.matches(&found.resource) {
                    continue;
                }
                matched = true;
                let denied =
                    own.effect == Effect::Allow && model::denied(model, *action, &found.resource);
                if denied {
                    continue;
                }
                decided = true;
                by_other &= model.iter().enumerate().any(|(other, statement)| {
                    let comes_first = other < index || statement.resources != own.resources;
                    other != index
                        && comes_first
                        && !statement.conditional
                        && statement.effect == own.effect
                        && statement.speaks_of(*action)
                        && statement.matches(&found.resource)
                });
            }
        }
        if !matched && !own.actions.is_empty() {
            self.add_on(
                &rules::UNREACHABLE,
                statement,
                "its resources match nothing that its actions are asked on".to_owned(),
                "look at the resources, or remove it".to_owned(),
            );
        } else if matched && !decided {
            let denies = model.iter().zip(self.statements).find(|(other, _)| {
                other.effect == Effect::Deny
                    && own.actions.iter().any(|action| other.speaks_of(*action))
            });
            let by = denies.map_or("a Deny", |(_, part)| part.path.as_str());
            self.add_on(
                &rules::UNREACHABLE,
                statement,
                format!("everything it allows is denied by {by}"),
                "remove it, or narrow the Deny".to_owned(),
            );
        } else if decided && by_other && own.effect == Effect::Allow {
            self.add_on(
                &rules::REDUNDANT,
                statement,
                "other statements allow all of this already".to_owned(),
                "remove it".to_owned(),
            );
        }
    }
}

/// Resources that bring about every combination of patterns.
type Walk = Rc<Vec<Found>>;

/// For each action that some statement is about, resources for every combination of patterns; an action with too
/// many of them has none.
fn walks(model: &[Model]) -> BTreeMap<Action, Walk> {
    let mut walks = BTreeMap::new();
    // Statements about `iot:*` ask the same for every action of a kind.
    let mut known: BTreeMap<(Kind, Vec<String>), Option<Walk>> = BTreeMap::new();
    for action in Action::ALL {
        let about: Vec<&Model> = model
            .iter()
            .filter(|statement| statement.speaks_of(action))
            .collect();
        if about.is_empty() {
            continue;
        }
        let patterns: Vec<Glob> = about
            .iter()
            .flat_map(|statement| statement.resources.iter().cloned())
            .collect();
        let key = (
            Kind::of(action),
            patterns.iter().map(ToString::to_string).collect(),
        );
        let walk = known
            .entry(key)
            .or_insert_with(|| model::walk(&patterns, action).map(Rc::new));
        if let Some(walk) = walk {
            walks.insert(action, Rc::clone(walk));
        }
    }
    walks
}

/// Whether a pattern begins with this text and a `*` right behind it.
fn begins_with_any(glob: &Glob, text: &str) -> bool {
    let start = Glob::literal(text).tokens;
    glob.tokens.starts_with(&start) && glob.tokens.get(start.len()) == Some(&Token::Any)
}
