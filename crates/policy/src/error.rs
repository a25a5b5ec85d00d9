//! What is wrong with a policy document, where, and what to do about it.
//!
//! [`PolicyError`] prints for people: line, column, the place inside the document, the cure.
//! [`PolicyError::aws_message`] is the text that the AWS API has for the same failure (`C-2`).

use alloc::string::String;
use core::fmt;

/// A place in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Bytes before the place.
    pub offset: usize,
    /// Line, counted from 1.
    pub line: usize,
    /// Character of the line, counted from 1.
    pub column: usize,
}

impl Position {
    /// The beginning of every text.
    pub const START: Self = Self {
        offset: 0,
        line: 1,
        column: 1,
    };

    /// The position of a byte offset of a text.
    #[must_use]
    pub fn of(text: &str, offset: usize) -> Self {
        Self::START.advance(text, offset)
    }

    /// The position of a byte offset that is not before this one.
    pub(crate) fn advance(self, text: &str, offset: usize) -> Self {
        let Self {
            offset: from,
            mut line,
            mut column,
        } = self;
        for c in text.get(from..offset).unwrap_or_default().chars() {
            if c == '\n' {
                line = line.saturating_add(1);
                column = 1;
            } else {
                column = column.saturating_add(1);
            }
        }
        Self {
            offset,
            line,
            column,
        }
    }
}

/// A policy document that AWS would refuse, or that this engine does not take. Its author must change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// Where in the text.
    pub position: Position,
    /// Where in the document, such as `Statement[1].Action[0]`; empty for the document itself.
    pub path: String,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a policy document. Texts are the user's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// More than 2048 characters without white space (`C-3`).
    TooLong {
        /// How many there are.
        characters: usize,
    },
    /// More bytes than the API takes, white space included (`C-3`).
    TooManyBytes {
        /// How many there are.
        bytes: usize,
    },
    /// The text is not JSON.
    Json(&'static str),
    /// A member name twice in one object.
    Duplicate(String),
    /// A member that must be there is not.
    Missing(&'static str),
    /// A member that has no meaning here, and what to do instead.
    UnknownMember(String, &'static str),
    /// Two members that exclude each other.
    Both(&'static str, &'static str),
    /// A value of the wrong type.
    Type {
        /// What belongs here.
        expected: &'static str,
        /// What is here.
        found: &'static str,
    },
    /// An empty list where at least one entry is needed.
    Empty,
    /// `Version` is not `2012-10-17` (`C-1`).
    Version(String),
    /// `Effect` is neither `Allow` nor `Deny` (`C-1`).
    Effect(String),
    /// No such action (`C-14` to `C-21`), and the nearest that exists.
    Action(String, Option<&'static str>),
    /// Not the pattern of an ARN, and why.
    Resource(String, &'static str),
    /// `${` without `}`.
    Unclosed(String),
    /// No such condition operator (`C-35`).
    Operator(String),
    /// No such condition key (`C-36`).
    ConditionKey(String),
    /// A condition value that its operator cannot use, and what it needs.
    ConditionValue(String, &'static str),
}

impl PolicyError {
    pub(crate) fn new(
        text: &str,
        offset: usize,
        path: impl Into<String>,
        problem: Problem,
    ) -> Self {
        Self {
            position: Position::of(text, offset),
            path: path.into(),
            problem,
        }
    }

    /// The message of `MalformedPolicyException` (`C-2`).
    #[must_use]
    pub fn aws_message(&self) -> String {
        const START: &str = "Policy document is Malformed";
        match &self.problem {
            Problem::Resource(resource, _) => {
                alloc::format!("{START}: The following resources are invalid : {resource}")
            }
            Problem::TooLong { .. } | Problem::TooManyBytes { .. } => START.into(),
            _ => alloc::format!("{START}: Invalid policy syntax."),
        }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !matches!(
            self.problem,
            Problem::TooLong { .. } | Problem::TooManyBytes { .. }
        ) {
            write!(
                f,
                "line {}, column {}",
                self.position.line, self.position.column
            )?;
            if !self.path.is_empty() {
                write!(f, " ({})", OneLine(&self.path))?;
            }
            f.write_str(": ")?;
        }
        self.problem.fmt(f)
    }
}

impl core::error::Error for PolicyError {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { characters } => write!(
                f,
                "the document has {characters} characters without white space, {} are allowed; split it into several policies",
                thingwire_contract::limit::POLICY_CHARACTERS
            ),
            Self::TooManyBytes { bytes } => write!(
                f,
                "the document has {bytes} bytes, {} are allowed; remove white space",
                thingwire_contract::limit::POLICY_DOCUMENT_BYTES
            ),
            Self::Json(what) => write!(f, "not JSON: {what}"),
            Self::Duplicate(name) => write!(f, "{} is here twice; keep one", Quoted(name)),
            Self::Missing(name) => write!(f, "`{name}` is missing"),
            Self::UnknownMember(name, cure) => {
                write!(f, "{} has no meaning here; {cure}", Quoted(name))
            }
            Self::Both(one, other) => {
                write!(f, "`{one}` and `{other}` exclude each other; keep one")
            }
            Self::Type { expected, found } => write!(f, "expected {expected}, found {found}"),
            Self::Empty => f.write_str("an empty list; it needs at least one entry"),
            Self::Version(found) => write!(
                f,
                "version {} is not `2012-10-17`, the only one that AWS IoT takes",
                Quoted(found)
            ),
            Self::Effect(found) => {
                write!(f, "effect {} is neither `Allow` nor `Deny`", Quoted(found))
            }
            Self::Action(found, None) => write!(f, "no AWS IoT action is called {}", Quoted(found)),
            Self::Action(found, Some(near)) => {
                write!(
                    f,
                    "no AWS IoT action is called {}; did you mean `{near}`?",
                    Quoted(found)
                )
            }
            Self::Resource(found, why) => write!(f, "{} is not a resource: {why}", Quoted(found)),
            Self::Unclosed(found) => write!(
                f,
                "{} opens a variable with `${{` and never closes it with `}}`",
                Quoted(found)
            ),
            Self::Operator(found) => write!(f, "no condition operator is called {}", Quoted(found)),
            Self::ConditionKey(found) => {
                write!(f, "AWS IoT has no condition key {}", Quoted(found))
            }
            Self::ConditionValue(found, needs) => write!(f, "{} is not {needs}", Quoted(found)),
        }
    }
}

/// User input in back-ticks, on one line and not too long.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", OneLine(self.0))
    }
}

/// User input on one line and not too long, for texts that have their own marks around it.
pub(crate) struct OneLine<'a>(pub(crate) &'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 200;
        let mut characters = self.0.chars();
        for c in characters.by_ref().take(SHOWN) {
            // Quotes and back-slashes are shown as they are; what would break the line is not.
            let breaks = c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
            if breaks {
                write!(f, "{}", c.escape_default())?
            } else {
                write!(f, "{c}")?
            }
        }
        if characters.next().is_some() {
            f.write_str("…")
        } else {
            Ok(())
        }
    }
}
