//! The document as patterns of the last parts of ARNs, for questions that hold in every region and account.
//!
//! Variables are characters that no topic has, the same for the same variable. So "could be allowed" means: by some
//! Allow, with its conditions taken to hold, and by no Deny that always applies.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use thingwire_policy::{Action, Document, Effect, arn_fields};

use crate::explore::{self, Found};
use crate::glob::{Glob, Token};
use crate::policy::StatementPart;
use crate::resource::{self, Kind};

/// One statement.
pub(super) struct Model {
    pub(super) effect: Effect,
    pub(super) actions: Vec<Action>,
    pub(super) resources: Vec<Glob>,
    pub(super) not_resource: bool,
    pub(super) conditional: bool,
}

/// The pattern of the last part of an ARN; `*` for a pattern that spans it.
pub(super) fn last_part(resource: &str) -> &str {
    match arn_fields(resource).as_slice() {
        [_, _, _, _, _, last] => last,
        _ => "*",
    }
}

/// The actions that a list of patterns speaks of: the engine reads a statement that has them.
pub(super) fn actions(statement: &StatementPart) -> Vec<Action> {
    let names: Vec<&str> = statement
        .actions
        .iter()
        .map(|action| action.text.as_str())
        .collect();
    let member = if statement.not_action {
        "NotAction"
    } else {
        "Action"
    };
    let text = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", member: names, "Resource": "*"}],
    });
    // Unknown actions were a finding of their own.
    let Ok(document) = Document::parse(&alloc::format!("{text}")) else {
        return Vec::new();
    };
    Action::ALL
        .into_iter()
        .filter(|action| {
            document
                .statements()
                .iter()
                .any(|statement| statement.speaks_of(*action))
        })
        .collect()
}

/// All statements.
pub(super) fn of(statements: &[StatementPart]) -> Vec<Model> {
    let mut symbols = BTreeMap::new();
    statements
        .iter()
        .map(|statement| Model {
            effect: statement.effect.unwrap_or(Effect::Deny),
            actions: actions(statement),
            resources: statement
                .resources
                .iter()
                .map(|part| symbolic(&Glob::parse(last_part(&part.text)), &mut symbols))
                .collect(),
            not_resource: statement.not_resource,
            conditional: !statement.conditions.is_empty(),
        })
        .collect()
}

/// Each variable as two characters of its own: two, because `?` must not stand for one.
fn symbolic(glob: &Glob, symbols: &mut BTreeMap<String, char>) -> Glob {
    let mut tokens = Vec::new();
    for token in &glob.tokens {
        match token {
            Token::Variable(name) => {
                let next = u32::try_from(symbols.len())
                    .ok()
                    .and_then(|index| char::from_u32(0xe000_u32.checked_add(index)?))
                    .unwrap_or('\u{f8ff}');
                let symbol = *symbols.entry(name.clone()).or_insert(next);
                tokens.extend([Token::Char(symbol), Token::Char(symbol)]);
            }
            token => tokens.push(token.clone()),
        }
    }
    Glob { tokens }
}

/// Whether a text has a variable's symbol in it; it is then no example for people.
pub(super) fn has_symbol(text: &str) -> bool {
    text.contains(|character| matches!(character, '\u{e000}'..='\u{f8ff}'))
}

impl Model {
    pub(super) fn speaks_of(&self, action: Action) -> bool {
        self.actions.contains(&action)
    }

    pub(super) fn matches(&self, resource: &str) -> bool {
        let listed = self.resources.iter().any(|glob| glob.matches(resource));
        listed != self.not_resource
    }
}

/// Whether some Allow may allow it, and nothing always denies it.
pub(super) fn could(model: &[Model], action: Action, resource: &str) -> bool {
    let allowed = model.iter().any(|statement| {
        statement.effect == Effect::Allow
            && statement.speaks_of(action)
            && statement.matches(resource)
    });
    allowed && !denied(model, action, resource)
}

/// Whether some Deny without conditions denies it.
pub(super) fn denied(model: &[Model], action: Action, resource: &str) -> bool {
    model.iter().any(|statement| {
        statement.effect == Effect::Deny
            && !statement.conditional
            && statement.speaks_of(action)
            && statement.matches(resource)
    })
}

/// Whether a device could subscribe to something that delivers this topic.
pub(super) fn could_subscribe(model: &[Model], topic: &str) -> bool {
    filters(topic).iter().any(|filter| {
        could(
            model,
            Action::Subscribe,
            &alloc::format!("topicfilter/{filter}"),
        )
    })
}

/// Filters that match a topic: itself, each level as `+`, each beginning with `#`.
pub(super) fn filters(topic: &str) -> Vec<String> {
    let levels: Vec<&str> = topic.split('/').collect();
    let mut filters = Vec::from([String::from(topic)]);
    for at in 0..levels.len() {
        let mut with_plus = levels.clone();
        if let Some(level) = with_plus.get_mut(at) {
            *level = "+";
        }
        filters.push(with_plus.join("/"));
        let mut with_hash: Vec<&str> = levels.iter().copied().take(at).collect();
        with_hash.push("#");
        filters.push(with_hash.join("/"));
    }
    filters
}

/// States that one walk may visit. There are many walks, and a policy that needs more is not judged by them.
const STATES: usize = 2_000;

/// Resources that bring about every combination of these patterns, for an action; `None` if there are too many.
pub(super) fn walk(patterns: &[Glob], action: Action) -> Option<Vec<Found>> {
    let exploration = explore::explore(patterns, "", Kind::of(action), STATES);
    exploration.complete.then_some(exploration.found)
}

/// The topics that subscriptions under a `topicfilter/` pattern may deliver, as a `topic/` pattern.
///
/// `+`, `#` and `?` become `*`: wide rather than narrow, so that nothing is found where nothing is wrong.
pub(super) fn delivered(filter: &Glob) -> Option<Glob> {
    const START: &str = "topicfilter/";
    let count = START.chars().count();
    let begins = filter
        .tokens
        .iter()
        .take(count)
        .eq(Glob::literal(START).tokens.iter());
    let rest = if begins {
        filter.tokens.get(count..)?
    } else if filter.tokens.first() == Some(&Token::Any) {
        filter.tokens.as_slice()
    } else {
        return None;
    };
    let shared = Glob::literal("$share/").tokens;
    let rest = if rest.starts_with(&shared) {
        let behind = rest.get(shared.len()..)?;
        let slash = behind.iter().position(|token| *token == Token::Char('/'))?;
        behind.get(slash.checked_add(1)?..)?
    } else {
        rest
    };
    let mut tokens = Glob::literal("topic/").tokens;
    tokens.extend(rest.iter().map(|token| match token {
        Token::Char('+' | '#') | Token::One => Token::Any,
        token => token.clone(),
    }));
    // `a/#` delivers `a` in no case here (B-10), so nothing more is needed.
    Some(Glob { tokens })
}

/// The action that a person would name for this resource's kind.
pub(super) fn kind_of(last_part: &str) -> Option<Kind> {
    resource::Kind::NAMED
        .into_iter()
        .find(|kind| last_part.starts_with(kind.prefix()))
}
