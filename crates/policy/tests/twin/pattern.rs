//! Patterns as the rules describe them, character by character (`C-26`, `C-27`, `C-45`, `C-47`).

use thingwire_policy::Settings;

use crate::situation::Situation;

/// One place of a pattern.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Piece {
    /// This character.
    Is(char),
    /// Exactly one character, `/` too.
    One,
    /// Any run of characters, the empty one too.
    Any,
}

/// Text with wildcards and without variables.
pub(crate) fn wildcards(text: &str) -> Vec<Piece> {
    text.chars().map(piece).collect()
}

fn piece(character: char) -> Piece {
    match character {
        '*' => Piece::Any,
        '?' => Piece::One,
        other => Piece::Is(other),
    }
}

/// Text with wildcards and variables; `None` if one of the variables has no value (`C-45`).
pub(crate) fn substituted(
    text: &str,
    situation: &Situation,
    settings: &Settings,
) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else {
            break;
        };
        pieces.extend(before.chars().map(piece));
        match name {
            // C-49: as in IAM, these stand for the characters themselves.
            "*" | "?" | "$" => pieces.extend(name.chars().map(Piece::Is)),
            _ => {
                let value = situation.variable(name, settings)?;
                // C-47: literal text, unless set otherwise.
                pieces.extend(value.chars().map(|character| {
                    if settings.substituted_wildcards {
                        piece(character)
                    } else {
                        Piece::Is(character)
                    }
                }));
            }
        }
        rest = behind;
    }
    pieces.extend(rest.chars().map(piece));
    Some(pieces)
}

/// Whether the whole text is what the pattern describes.
///
/// Keeps the set of all places of the pattern that one can be at, and walks through the text once.
pub(crate) fn matches(pattern: &[Piece], text: &str) -> bool {
    let mut at = vec![false; pattern.len() + 1];
    let mut next = at.clone();
    at[0] = true;
    pass_any(pattern, &mut at);
    for character in text.chars() {
        if !at.contains(&true) {
            return false;
        }
        next.fill(false);
        for (place, piece) in pattern.iter().enumerate() {
            if !at[place] {
                continue;
            }
            match piece {
                Piece::Is(expected) if *expected == character => next[place + 1] = true,
                Piece::Is(_) => {}
                Piece::One => next[place + 1] = true,
                Piece::Any => next[place] = true,
            }
        }
        pass_any(pattern, &mut next);
        std::mem::swap(&mut at, &mut next);
    }
    at[pattern.len()]
}

/// A run may be empty: whoever stands before it also stands behind it.
fn pass_any(pattern: &[Piece], at: &mut [bool]) {
    for (place, piece) in pattern.iter().enumerate() {
        if at[place] && *piece == Piece::Any {
            at[place + 1] = true;
        }
    }
}
