//! The pattern of a resource, taken apart: characters, wildcards (`C-26`) and variables.
//!
//! This answers what the engine has no need to know: whether one pattern covers another, and how far a text
//! follows a pattern before it leaves it.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use thingwire_policy::Context;

/// One part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// This character.
    Char(char),
    /// `?`: exactly one character.
    One,
    /// `*`: any run of characters.
    Any,
    /// `${name}`.
    Variable(String),
}

/// A pattern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Glob {
    /// Its parts in their order.
    pub tokens: Vec<Token>,
}

/// A variable without a value, and why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Unresolved {
    /// Its name without `${` and `}`.
    pub variable: String,
    /// Why it has no value, in words.
    pub reason: String,
}

/// How far a text follows a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// Characters of the text that some reading of the pattern follows.
    pub matched: usize,
    /// What the pattern wants there: a part, or its end. `None` if the whole text matches.
    pub wanted: Option<Option<Token>>,
}

impl Glob {
    /// Reads a pattern as documents write it. A `${` that is never closed is text here; the engine refuses it.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut tokens = Vec::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if let Some((name, behind)) = rest
                .strip_prefix("${")
                .and_then(|behind| behind.split_once('}'))
            {
                tokens.push(match name {
                    "*" => Token::Char('*'),
                    "?" => Token::Char('?'),
                    "$" => Token::Char('$'),
                    name => Token::Variable(name.to_owned()),
                });
                rest = behind;
                continue;
            }
            tokens.push(match character {
                '*' => Token::Any,
                '?' => Token::One,
                character => Token::Char(character),
            });
            rest = rest.get(character.len_utf8()..).unwrap_or_default();
        }
        Self { tokens }
    }

    /// A text in which nothing is special.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        Self {
            tokens: text.chars().map(Token::Char).collect(),
        }
    }

    /// The names of its variables, in their order.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.tokens.iter().filter_map(|token| match token {
            Token::Variable(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether it has a wildcard.
    #[must_use]
    pub fn has_wildcards(&self) -> bool {
        self.tokens
            .iter()
            .any(|token| matches!(token, Token::Any | Token::One))
    }

    /// The pattern with every variable replaced by its value as literal text (`C-47`).
    ///
    /// # Errors
    /// The variables that have no value on this connection (`C-45`).
    pub fn resolve(&self, context: &Context) -> Result<Self, Vec<Unresolved>> {
        let mut tokens = Vec::with_capacity(self.tokens.len());
        let mut unresolved = Vec::new();
        for token in &self.tokens {
            match token {
                Token::Variable(name) => match context.variable(name) {
                    Ok(value) => tokens.extend(value.chars().map(Token::Char)),
                    Err(reason) => unresolved.push(Unresolved {
                        variable: name.clone(),
                        reason,
                    }),
                },
                token => tokens.push(token.clone()),
            }
        }
        if unresolved.is_empty() {
            Ok(Self { tokens })
        } else {
            Err(unresolved)
        }
    }

    /// Every variable replaced by the same text; for questions that hold whatever the values are.
    #[must_use]
    pub fn with_variables_as(&self, text: &str) -> Self {
        let mut tokens = Vec::with_capacity(self.tokens.len());
        for token in &self.tokens {
            match token {
                Token::Variable(_) => tokens.extend(text.chars().map(Token::Char)),
                token => tokens.push(token.clone()),
            }
        }
        Self { tokens }
    }

    /// Whether everything that the other matches is matched by this one, whatever the variables become.
    ///
    /// `true` is certain; `false` may be a pair of patterns that only meet by way of several wildcards.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let width = other.tokens.len();
        // `row[j]`: whether the rest of this pattern covers `other.tokens[j..]`; from the last token to the first.
        let mut row: Vec<bool> = (0..=width).map(|at| at == width).collect();
        for token in self.tokens.iter().rev() {
            let mut next: Vec<bool> = Vec::with_capacity(row.len());
            let mut behind = false;
            for at in (0..=width).rev() {
                let below = |at: usize| row.get(at).copied().unwrap_or(false);
                let covered = match token {
                    Token::Any => below(at) || (at < width && behind),
                    token => {
                        let fits = match (token, other.tokens.get(at)) {
                            (Token::One, Some(Token::Char(_) | Token::One)) => true,
                            (Token::Char(one), Some(Token::Char(other))) => one == other,
                            (Token::Variable(one), Some(Token::Variable(other))) => one == other,
                            _ => false,
                        };
                        fits && below(at.saturating_add(1))
                    }
                };
                next.push(covered);
                behind = covered;
            }
            next.reverse();
            row = next;
        }
        row.first().copied().unwrap_or(false)
    }

    /// How far the text follows the pattern. Variables stand for themselves: resolve them first.
    ///
    /// Behind a `*` many readings are possible; the one that comes furthest in the pattern counts.
    #[must_use]
    pub fn departure(&self, text: &str) -> Departure {
        let mut states = self.closure(Vec::from([0]));
        let mut matched = 0_usize;
        let furthest = |states: &[usize]| states.last().copied().unwrap_or(0);
        let mut best = (furthest(&states), 0_usize);
        for character in text.chars() {
            let next: Vec<usize> = states
                .iter()
                .filter_map(|&at| match self.tokens.get(at) {
                    Some(Token::Any) => Some(at),
                    Some(Token::One) => Some(at.saturating_add(1)),
                    Some(Token::Char(wanted)) if *wanted == character => Some(at.saturating_add(1)),
                    _ => None,
                })
                .collect();
            states = self.closure(next);
            if states.is_empty() {
                break;
            }
            matched = matched.saturating_add(1);
            if furthest(&states) >= best.0 {
                best = (furthest(&states), matched);
            }
        }
        if states.contains(&self.tokens.len()) {
            return Departure {
                matched,
                wanted: None,
            };
        }
        Departure {
            matched: best.1,
            wanted: Some(self.tokens.get(best.0).cloned()),
        }
    }

    /// Whether the whole text follows the pattern.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.departure(text).wanted.is_none()
    }

    /// The positions, and those behind a `*` that stands for nothing.
    fn closure(&self, mut states: Vec<usize>) -> Vec<usize> {
        let mut at = 0_usize;
        while let Some(&state) = states.get(at) {
            if self.tokens.get(state) == Some(&Token::Any) {
                states.push(state.saturating_add(1));
            }
            at = at.saturating_add(1);
        }
        states.sort_unstable();
        states.dedup();
        states
    }
}

/// As documents write it: literal `*` and `?` escaped (`${*}`), so that it can be read again.
impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tokens = self.tokens.iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                Token::Char(character @ ('*' | '?')) => write!(f, "${{{character}}}")?,
                Token::Char('$') if tokens.peek() == Some(&&Token::Char('{')) => {
                    f.write_str("${$}")?
                }
                Token::Char(character) => write!(f, "{character}")?,
                Token::One => f.write_str("?")?,
                Token::Any => f.write_str("*")?,
                Token::Variable(name) => write!(f, "${{{name}}}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::*;

    fn covers(one: &str, other: &str) -> bool {
        Glob::parse(one).covers(&Glob::parse(other))
    }

    #[test]
    fn what_covers_what() {
        // C-26, C-31
        assert!(covers("*", "topic/a/*"));
        assert!(covers("topic/*", "topic/a"));
        assert!(covers("topic/*", "topic/*/b"));
        assert!(covers("a*c", "abc") && covers("a*c", "ac") && !covers("a*c", "acb"));
        assert!(covers("a?c", "a?c") && covers("a*", "a?") && !covers("a?", "a*"));
        assert!(!covers("topic/a", "topic/*") && !covers("topic/b*", "topic/a*"));
        assert!(covers("", "") && !covers("", "a") && covers("**", ""));
    }

    #[test]
    fn a_variable_is_covered_by_a_star_and_by_itself() {
        assert!(covers("client/*", "client/${iot:ClientId}"));
        assert!(covers("client/${iot:ClientId}", "client/${iot:ClientId}"));
        assert!(!covers("client/${iot:ClientId}", "client/a"));
        assert!(!covers("client/?", "client/${iot:ClientId}"));
    }

    #[test]
    fn a_pattern_is_written_as_it_is_read() {
        for text in [
            "topic/*/a?",
            "topic/${iot:ClientId}/x",
            "a${*}b${?}${$}{x",
            "$aws/things/$",
            "",
        ] {
            assert_eq!(Glob::parse(text).to_string(), text);
        }
        assert_eq!(Glob::literal("a*${x}").to_string(), "a${*}${$}{x}");
        assert_eq!(Glob::parse("a${open").to_string(), "a${$}{open");
    }

    #[test]
    fn where_a_text_leaves_a_pattern() {
        let departure = |pattern: &str, text: &str| {
            let found = Glob::parse(pattern).departure(text);
            (found.matched, found.wanted)
        };
        assert_eq!(departure("topic/esp32/pub", "topic/esp32/pub"), (15, None));
        assert_eq!(
            departure("topic/esp32/pub", "topic/esp32/sub"),
            (12, Some(Some(Token::Char('p'))))
        );
        assert_eq!(
            departure("topic/a", "topic/ab"),
            (7, Some(None)),
            "the pattern ends where the text goes on"
        );
        assert_eq!(
            departure("topic/*/b", "topic/x/y"),
            (8, Some(Some(Token::Char('b')))),
            "behind the star, the reading that comes furthest"
        );
        assert_eq!(
            departure("topic/a*/b", "topic/ax"),
            (8, Some(Some(Token::Char('/')))),
            "the text ends where the pattern goes on"
        );
        assert_eq!(departure("*", "anything"), (8, None));
    }
}
