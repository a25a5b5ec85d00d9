//! Text of a document with variables and wildcards in it: the values of `Resource` and `Condition`.
//!
//! `${name}` is a variable; `${*}`, `${?}` and `${$}` are the characters themselves, as in IAM. A `$` that is
//! not followed by `{` is a dollar sign, as topics under `$aws/` need it.

use alloc::string::String;
use alloc::vec::Vec;

use crate::context::{Absent, Context};
use crate::key::Key;
use crate::pattern::{ANY, ONE, push_wildcards};
use crate::settings::Settings;

/// A text and its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    /// As written.
    pub(crate) text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// Text in which `*` and `?` are wildcards, where wildcards count.
    Text(String),
    /// One character that is itself.
    Character(char),
    Variable(Key),
}

/// `${` without `}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unclosed;

/// The parts of an ARN as written in a document: split at `:`, except inside `${…}`, into at most six.
#[must_use]
pub fn arn_fields(text: &str) -> Vec<&str> {
    let mut fields = Vec::new();
    let mut start = 0;
    let mut in_variable = false;
    let mut previous = ' ';
    for (at, character) in text.char_indices() {
        match character {
            '{' if previous == '$' => in_variable = true,
            '}' => in_variable = false,
            ':' if !in_variable && fields.len() < 5 => {
                fields.push(text.get(start..at).unwrap_or_default());
                start = at.saturating_add(1);
            }
            _ => {}
        }
        previous = character;
    }
    fields.push(text.get(start..).unwrap_or_default());
    fields
}

impl Template {
    pub(crate) fn parse(text: &str) -> Result<Self, Unclosed> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("${") {
            let (name, after) = behind.split_once('}').ok_or(Unclosed)?;
            if !before.is_empty() {
                parts.push(Part::Text(before.into()));
            }
            parts.push(match name {
                "*" => Part::Character('*'),
                "?" => Part::Character('?'),
                "$" => Part::Character('$'),
                name => Part::Variable(Key::of_variable(name)),
            });
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.into()));
        }
        Ok(Self {
            text: text.into(),
            parts,
        })
    }

    /// The variables in it.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &Key> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable(key) => Some(key),
            Part::Text(_) | Part::Character(_) => None,
        })
    }

    /// Whether it is fixed text, known when the document is read.
    pub(crate) fn is_constant(&self) -> bool {
        self.variables().next().is_none()
    }

    /// The pattern with every variable replaced by its value (`C-47`), or the variables that have none (`C-45`).
    pub(crate) fn pattern(
        &self,
        context: &Context,
        settings: &Settings,
    ) -> Result<Vec<u8>, Vec<(Key, Absent)>> {
        let mut pattern = Vec::with_capacity(self.text.len());
        let mut absent = Vec::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => push_wildcards(&mut pattern, text),
                Part::Character(character) => {
                    pattern.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                Part::Variable(key) => match context.substitute(key, settings) {
                    Ok(value) if settings.substituted_wildcards => {
                        push_wildcards(&mut pattern, &value)
                    }
                    Ok(value) => pattern.extend_from_slice(value.as_bytes()),
                    Err(reason) => absent.push((key.clone(), reason)),
                },
            }
        }
        if absent.is_empty() {
            Ok(pattern)
        } else {
            Err(absent)
        }
    }

    /// The text with every variable replaced, for operators that know no wildcards.
    pub(crate) fn plain(
        &self,
        context: &Context,
        settings: &Settings,
    ) -> Result<String, Vec<(Key, Absent)>> {
        // A pattern without its wildcards' meaning: they are the characters again.
        let mut bytes = self.pattern(context, settings)?;
        for byte in &mut bytes {
            match *byte {
                ANY => *byte = b'*',
                ONE => *byte = b'?',
                _ => {}
            }
        }
        Ok(String::from_utf8(bytes).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::display;

    fn context() -> Context {
        let mut context = Context::new("us-east-1", "123456789012");
        context.client_id = Some("a*b".into());
        context
    }

    fn pattern(text: &str, settings: &Settings) -> Option<Vec<u8>> {
        Template::parse(text)
            .expect("closed")
            .pattern(&context(), settings)
            .ok()
    }

    #[test]
    fn substituted_wildcards_are_literal() {
        // C-47
        let settings = Settings::default();
        assert_eq!(
            pattern("x/${iot:ClientId}/*", &settings).as_deref(),
            Some(b"x/a*b/\xff".as_slice())
        );
        let wild = Settings {
            substituted_wildcards: true,
            ..settings
        };
        assert_eq!(
            pattern("${iot:ClientId}", &wild).as_deref(),
            Some(b"a\xffb".as_slice())
        );
    }

    #[test]
    fn escapes_and_lone_dollars() {
        let settings = Settings::default();
        assert_eq!(
            pattern("a${*}${?}${$}{", &settings).as_deref(),
            Some(b"a*?${".as_slice())
        );
        let dollars = pattern("$aws/$$/$", &settings).expect("no variable");
        assert_eq!(display(&dollars), "$aws/$$/$");
    }

    #[test]
    fn an_unknown_variable_has_no_value_and_an_open_one_is_refused() {
        // C-45
        assert_eq!(pattern("${unknown:thing}", &Settings::default()), None);
        assert_eq!(pattern("${}", &Settings::default()), None);
        assert_eq!(Template::parse("a/${iot:ClientId"), Err(Unclosed));
    }

    #[test]
    fn colons_inside_variables_part_nothing() {
        assert_eq!(
            arn_fields("arn:aws:iot:r:a:client/${iot:ClientId}:x"),
            ["arn", "aws", "iot", "r", "a", "client/${iot:ClientId}:x"]
        );
        assert_eq!(arn_fields("arn:${aws:x}:iot"), ["arn", "${aws:x}", "iot"]);
        assert_eq!(arn_fields("arn:{a:b}:iot"), ["arn", "{a", "b}", "iot"]);
        assert_eq!(arn_fields("*"), ["*"]);
        assert_eq!(arn_fields(""), [""]);
    }

    #[test]
    fn without_wildcards_a_star_is_a_star() {
        let template = Template::parse("*-${iot:ClientId}-?").expect("closed");
        assert_eq!(
            template
                .plain(&context(), &Settings::default())
                .ok()
                .as_deref(),
            Some("*-a*b-?")
        );
    }
}
