//! Questions that meet the policies, and questions that just miss them.

use serde_json::Value;
use thingwire_policy::{Action, Settings};

use super::word;
use crate::pattern::{self, Piece};
use crate::random::Random;
use crate::rules::list;
use crate::situation::{Asked, Situation};

/// A question that some statement of the policies was made for, often slightly beside it.
pub(crate) fn asked(
    random: &mut Random,
    policies: &[Value],
    situation: &Situation,
    settings: &Settings,
) -> Asked {
    let statements = list(&random.one_of(policies)["Statement"]);
    let statement = random.one_of(statements);
    let action = fitting_action(random, statement);
    let resources = statement
        .get("Resource")
        .or_else(|| statement.get("NotResource"));
    let pattern = random.one_of(list(resources.unwrap_or(&Value::Null)));
    let mut resource = fill(random, pattern.as_str().unwrap_or(""), situation, settings);
    if random.percent(25) {
        resource = beside(random, &resource);
    }
    if action == Action::Subscribe && random.percent(8) {
        resource = resource.replacen(
            "topicfilter/",
            random.pick(&[
                "topicfilter/$share/g/",
                "topicfilter/$share//",
                "topicfilter/$share/+/",
            ]),
            1,
        );
    }
    let own = situation.arn("");
    let resource = match resource.strip_prefix(&own) {
        Some(own) if random.percent(95) => own.to_string(),
        _ => resource,
    };
    Asked {
        action,
        resource,
        topic: random.percent(30).then(|| word(random)),
        include_socket_information: [None, None, Some(true), Some(false)][random.below(4)],
    }
}

fn fitting_action(random: &mut Random, statement: &Value) -> Action {
    let patterns = statement
        .get("Action")
        .or_else(|| statement.get("NotAction"));
    let pattern = random.one_of(list(patterns.unwrap_or(&Value::Null)));
    let pattern = pattern::wildcards(&pattern.as_str().unwrap_or("").to_ascii_lowercase());
    let fitting: Vec<Action> = Action::ALL
        .into_iter()
        .filter(|action| pattern::matches(&pattern, &action.name().to_ascii_lowercase()))
        .collect();
    if fitting.is_empty() || random.percent(8) {
        *random.one_of(&Action::ALL)
    } else {
        *random.one_of(&fitting)
    }
}

/// Text that the pattern matches, if its variables have values.
fn fill(random: &mut Random, text: &str, situation: &Situation, settings: &Settings) -> String {
    let pieces = pattern::substituted(text, situation, settings).unwrap_or_else(|| {
        // C-45: the literal text of the variable is the first thing that someone would try.
        let mut literal = pattern::wildcards(text);
        if random.percent(50) {
            literal.retain(|piece| *piece != Piece::Is('$'));
        }
        literal
    });
    let mut filled = String::new();
    for piece in pieces {
        match piece {
            Piece::Is(character) => filled.push(character),
            Piece::One => filled.push(*random.one_of(&['a', 'b', '/', 'ä', '日', '+', '*'])),
            Piece::Any => {
                let word = match random.below(20) {
                    0 => "a".repeat(random.below(256)),
                    1 => "aab".repeat(random.below(8)),
                    _ => word(random),
                };
                filled.push_str(&word);
            }
        }
    }
    filled
}

/// The same with one character more, less or other.
fn beside(random: &mut Random, text: &str) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    if characters.is_empty() {
        return "a".into();
    }
    // Mostly in the resource itself, seldom in the ARN's first parts.
    let from = if random.percent(85) {
        characters.len().saturating_sub(1 + random.below(8))
    } else {
        random.below(characters.len())
    };
    match random.below(4) {
        0 => {
            characters.remove(from);
        }
        1 => characters.insert(from, *random.one_of(&['a', '/', '*', '日'])),
        2 => {
            let other = characters[from];
            characters[from] = if other.is_ascii_lowercase() {
                other.to_ascii_uppercase()
            } else {
                'x'
            };
        }
        _ => characters.push(*random.one_of(&['b', '/', '#'])),
    }
    characters.into_iter().collect()
}
