//! Each resource by itself: placeholders, other clouds, the wrong kind, MQTT wildcards (`TW-P003` to `TW-P011`).

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use thingwire_contract::{Partition, reserved};
use thingwire_policy::{Action, Effect, arn_fields, placeholders};

use super::{Linter, model, rules};
use crate::glob::Glob;
use crate::place::Edit;
use crate::policy::{Part, StatementPart};
use crate::resource::Kind;

impl Linter<'_> {
    pub(super) fn resources(&mut self) {
        self.placeholders();
        for statement in self.statements {
            let actions = model::actions(statement);
            for part in &statement.resources {
                self.elsewhere(part);
                self.kind(statement, &actions, part);
                self.mqtt_wildcards(statement, &actions, part);
                self.any_client(statement, &actions, part);
                self.reserved(statement, &actions, part);
            }
        }
    }

    /// `TW-P003`
    fn placeholders(&mut self) {
        for placeholder in placeholders(self.text) {
            let (what, own) = if placeholder.is_account {
                ("account", &self.settings.account)
            } else {
                ("region", &self.settings.region)
            };
            let start = placeholder.position.offset;
            let range = start..start.saturating_add(placeholder.text.len());
            let edit = own.as_ref().map(|own| Edit {
                range: range.clone(),
                replacement: own.clone(),
            });
            let cure = match own {
                Some(own) => format!("write `{own}`"),
                None => format!("write your {what}; --region and --account let --fix do it"),
            };
            let path = self.path_at(start);
            self.add(
                &rules::PLACEHOLDER,
                range,
                &path,
                format!("`{}` stands where the {what} belongs", placeholder.text),
                cure,
                edit,
            );
        }
    }

    /// The path of the resource at this offset.
    fn path_at(&self, offset: usize) -> String {
        self.statements
            .iter()
            .flat_map(|statement| &statement.resources)
            .find(|part| part.range.contains(&offset))
            .map(|part| part.path.clone())
            .unwrap_or_default()
    }

    /// `TW-P004`
    fn elsewhere(&mut self, part: &Part) {
        let fields = arn_fields(&part.text);
        let [_, partition, service, region, account, _] = fields.as_slice() else {
            return;
        };
        let is_placeholder = |field: &str| {
            placeholders(self.text)
                .iter()
                .any(|found| part.range.contains(&found.position.offset) && found.text == field)
        };
        let fits = |field: &str, own: &str| {
            field.contains("${") || is_placeholder(field) || Glob::parse(field).matches(own)
        };
        let mut wrong = Vec::new();
        if !fits(service, "iot") {
            wrong.push(format!("service `{service}` is not `iot`"));
        }
        if let Some(own) = &self.settings.region {
            if !fits(region, own) {
                wrong.push(format!("region `{region}` is not this cloud's, `{own}`"));
            }
            let own = Partition::of_region(own).name();
            if !fits(partition, own) {
                wrong.push(format!(
                    "partition `{partition}` is not this cloud's, `{own}`"
                ));
            }
        }
        if let Some(own) = &self.settings.account
            && !fits(account, own)
        {
            wrong.push(format!("account `{account}` is not this cloud's, `{own}`"));
        }
        if !wrong.is_empty() {
            self.add_at(
                &rules::ELSEWHERE,
                part,
                wrong.join("; "),
                "write this cloud's own, or `*`".to_owned(),
                None,
            );
        }
    }

    /// `TW-P007`, `TW-P008`, `TW-P009`
    fn kind(&mut self, statement: &StatementPart, actions: &[Action], part: &Part) {
        let last = model::last_part(&part.text);
        if statement.not_resource
            || last.starts_with('*')
            || last.starts_with('?')
            || last.starts_with("${")
        {
            return;
        }
        let wanted: Vec<Kind> = actions.iter().map(|action| Kind::of(*action)).collect();
        let found = model::kind_of(last);
        if actions.is_empty() || found.is_some_and(|kind| wanted.contains(&kind)) {
            self.subscribe_without_filter(statement, actions, part);
            return;
        }
        // A wildcard inside the kind may still stand for the right one.
        let before_wildcard = last.split(['*', '?']).next().unwrap_or_default();
        if before_wildcard.len() < last.len()
            && wanted
                .iter()
                .any(|kind| kind.prefix().starts_with(before_wildcard))
        {
            return;
        }
        let (rule, from, to) = match found {
            Some(Kind::Topic) if wanted.contains(&Kind::TopicFilter) => {
                (&rules::TOPIC_FOR_FILTER, "topic/", "topicfilter/")
            }
            Some(Kind::TopicFilter) if wanted.contains(&Kind::Topic) => {
                (&rules::FILTER_FOR_TOPIC, "topicfilter/", "topic/")
            }
            _ => {
                let mut kinds: Vec<&str> = wanted.iter().map(|kind| kind.prefix()).collect();
                kinds.sort_unstable();
                kinds.dedup();
                let kinds: Vec<String> = kinds
                    .into_iter()
                    .map(|prefix| {
                        if prefix.is_empty() {
                            "`*`".to_owned()
                        } else {
                            format!("`{prefix}…`")
                        }
                    })
                    .collect();
                self.add_at(
                    &rules::WRONG_KIND,
                    part,
                    format!("`{last}` is nothing that these actions are asked on"),
                    format!("write {}", kinds.join(" or ")),
                    None,
                );
                return;
            }
        };
        let start = part.text.len().saturating_sub(last.len());
        let single = wanted.iter().all(|kind| Some(kind) == wanted.first());
        let edit = self
            .edit(part, start..start.saturating_add(from.len()), to)
            .filter(|_| single);
        self.add_at(
            rule,
            part,
            format!("`{last}` never matches these actions"),
            format!("write `{to}` instead of `{from}`"),
            edit,
        );
    }

    /// `TW-P007` for a statement that mixes Subscribe with actions on topics but lists topics only.
    fn subscribe_without_filter(
        &mut self,
        statement: &StatementPart,
        actions: &[Action],
        part: &Part,
    ) {
        // Wildcards like `iot:*` name Subscribe without meaning it here.
        let named = |action: Action| {
            statement
                .actions
                .iter()
                .any(|part| part.text.eq_ignore_ascii_case(action.name()))
        };
        let kinds: Vec<Option<Kind>> = statement
            .resources
            .iter()
            .map(|part| model::kind_of(model::last_part(&part.text)))
            .collect();
        let is_first = statement.resources.first() == Some(part);
        let subscribe = actions.contains(&Action::Subscribe) && named(Action::Subscribe);
        if subscribe && is_first && kinds.iter().all(|kind| *kind == Some(Kind::Topic)) {
            self.add_at(
                &rules::TOPIC_FOR_FILTER,
                part,
                "iot:Subscribe is among the actions, but no resource begins with `topicfilter/`"
                    .to_owned(),
                "add the filters that the device subscribes to, with `topicfilter/`".to_owned(),
                None,
            );
        }
        let on_topics = [Action::Publish, Action::Receive];
        let publishes = on_topics.into_iter().find(|action| named(*action));
        if let Some(action) = publishes
            && is_first
            && kinds.iter().all(|kind| *kind == Some(Kind::TopicFilter))
        {
            self.add_at(
                &rules::FILTER_FOR_TOPIC,
                part,
                format!("{action} is among the actions, but no resource begins with `topic/`"),
                "add the topics, with `topic/`".to_owned(),
                None,
            );
        }
    }

    /// `TW-P010`, `TW-P011`
    fn mqtt_wildcards(&mut self, statement: &StatementPart, actions: &[Action], part: &Part) {
        let last = model::last_part(&part.text);
        let has = |text: &str| text.contains(['+', '#']);
        if let Some(topic) = last.strip_prefix("topic/").filter(|topic| has(topic)) {
            let edit = topic
                .strip_suffix("/#")
                .filter(|before| !has(before))
                .and_then(|_| {
                    self.edit(
                        part,
                        part.text.len().saturating_sub(1)..part.text.len(),
                        "*",
                    )
                });
            self.add_at(
                &rules::MQTT_WILDCARD_IN_TOPIC,
                part,
                format!("`{topic}` matches no topic"),
                "write `*` for any run of characters, `?` for one".to_owned(),
                edit,
            );
        }
        if let Some(filter) = last
            .strip_prefix("topicfilter/")
            .filter(|filter| has(filter))
            && statement.effect == Some(Effect::Deny)
            && actions.contains(&Action::Subscribe)
        {
            self.add_at(
                &rules::MQTT_WILDCARD_IN_DENY,
                part,
                format!("only a subscription to exactly `{filter}` is denied"),
                "write `*` instead, and deny iot:Receive on the topics as well".to_owned(),
                None,
            );
        }
    }

    /// `TW-P005`, `TW-P006`
    fn any_client(&mut self, statement: &StatementPart, actions: &[Action], part: &Part) {
        let attached = statement.conditions.iter().any(|condition| {
            condition
                .key
                .eq_ignore_ascii_case("iot:Connection.Thing.IsAttached")
        });
        if statement.effect != Some(Effect::Allow)
            || statement.not_resource
            || attached
            || !actions.contains(&Action::Connect)
        {
            return;
        }
        let last = model::last_part(&part.text);
        let cure = "write `client/${iot:Connection.Thing.ThingName}`, or require iot:Connection.Thing.IsAttached";
        if last == "client/${iot:ClientId}" {
            self.add_at(
                &rules::OWN_CLIENT_ID,
                part,
                "any certificate with this policy may connect with any client id".to_owned(),
                cure.to_owned(),
                None,
            );
        } else if Glob::parse(last).covers(&Glob::parse("client/*")) {
            self.add_at(
                &rules::ANY_CLIENT,
                part,
                format!("`{last}` lets a device connect with any client id"),
                cure.to_owned(),
                None,
            );
        }
    }

    /// `TW-P025`
    fn reserved(&mut self, statement: &StatementPart, actions: &[Action], part: &Part) {
        if statement.effect != Some(Effect::Allow) || statement.not_resource {
            return;
        }
        let glob = Glob::parse(model::last_part(&part.text));
        if glob.has_wildcards() {
            return;
        }
        let text = format!("{}", glob.with_variables_as("x"));
        let publish = actions
            .iter()
            .any(|action| matches!(action, Action::Publish | Action::RetainPublish));
        let refused = match (
            text.strip_prefix("topic/"),
            text.strip_prefix("topicfilter/"),
        ) {
            (Some(topic), _) if publish && !reserved::may_publish(topic) => "publish to",
            (_, Some(filter))
                if actions.contains(&Action::Subscribe)
                    && !reserved::may_subscribe(unshared(filter)) =>
            {
                "subscribe to"
            }
            _ => return,
        };
        self.add_at(
            &rules::RESERVED,
            part,
            format!("no client may {refused} `{}`", model::last_part(&part.text)),
            "remove it, or look at the spelling in the table of reserved topics (B-82)".to_owned(),
            None,
        );
    }
}

/// A filter without `$share/<name>/` before it.
fn unshared(filter: &str) -> &str {
    filter
        .strip_prefix("$share/")
        .and_then(|rest| rest.split_once('/'))
        .map_or(filter, |(_, filter)| filter)
}
