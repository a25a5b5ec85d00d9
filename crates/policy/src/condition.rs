//! Condition operators: their names, what a value must look like, and how one value is tested (`C-35`).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::context::{Absent, Context};
use crate::key::Key;
use crate::pattern;
use crate::scalar::{self, IpRange};
use crate::settings::Settings;
use crate::template::Template;

/// A condition operator, taken apart: `ForAllValues:StringNotEqualsIfExists`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operator {
    pub(crate) test: Test,
    /// `…Not…`: true where the test is false, and for a missing key (`C-33`).
    pub(crate) negated: bool,
    /// `…IfExists`: true for a missing key (`C-33`).
    pub(crate) if_exists: bool,
    pub(crate) quantifier: Quantifier,
}

/// The set operators (`C-34`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantifier {
    None,
    /// True when the key is absent or empty.
    ForAllValues,
    /// False when the key is absent or empty.
    ForAnyValue,
}

/// How one value of the request is compared with one of the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    Text,
    TextIgnoringCase,
    Like,
    Number(Comparison),
    Date(Comparison),
    Bool,
    Binary,
    IpAddress,
    /// `ArnEquals` and `ArnLike` are the same: wildcards in each of the six parts.
    Arn,
    /// Not a comparison: whether the key has a value.
    Null,
}

/// Request value against policy value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};

const NAMES: [(&str, Test, bool); 27] = [
    ("StringEquals", Test::Text, false),
    ("StringNotEquals", Test::Text, true),
    ("StringEqualsIgnoreCase", Test::TextIgnoringCase, false),
    ("StringNotEqualsIgnoreCase", Test::TextIgnoringCase, true),
    ("StringLike", Test::Like, false),
    ("StringNotLike", Test::Like, true),
    ("NumericEquals", Test::Number(Equal), false),
    ("NumericNotEquals", Test::Number(Equal), true),
    ("NumericLessThan", Test::Number(Less), false),
    ("NumericLessThanEquals", Test::Number(LessOrEqual), false),
    ("NumericGreaterThan", Test::Number(Greater), false),
    (
        "NumericGreaterThanEquals",
        Test::Number(GreaterOrEqual),
        false,
    ),
    ("DateEquals", Test::Date(Equal), false),
    ("DateNotEquals", Test::Date(Equal), true),
    ("DateLessThan", Test::Date(Less), false),
    ("DateLessThanEquals", Test::Date(LessOrEqual), false),
    ("DateGreaterThan", Test::Date(Greater), false),
    ("DateGreaterThanEquals", Test::Date(GreaterOrEqual), false),
    ("Bool", Test::Bool, false),
    ("BinaryEquals", Test::Binary, false),
    ("IpAddress", Test::IpAddress, false),
    ("NotIpAddress", Test::IpAddress, true),
    ("ArnEquals", Test::Arn, false),
    ("ArnNotEquals", Test::Arn, true),
    ("ArnLike", Test::Arn, false),
    ("ArnNotLike", Test::Arn, true),
    ("Null", Test::Null, false),
];

impl Operator {
    /// The operator with this name, with everything that can stand before and behind it.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (quantifier, rest) = if let Some(rest) = name.strip_prefix("ForAllValues:") {
            (Quantifier::ForAllValues, rest)
        } else if let Some(rest) = name.strip_prefix("ForAnyValue:") {
            (Quantifier::ForAnyValue, rest)
        } else {
            (Quantifier::None, name)
        };
        let (if_exists, rest) = match rest.strip_suffix("IfExists") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let (_, test, negated) = NAMES.into_iter().find(|(known, ..)| *known == rest)?;
        // `Null` asks whether the key exists; nothing can be added to that.
        if test == Test::Null && (if_exists || quantifier != Quantifier::None) {
            return None;
        }
        Some(Self {
            test,
            negated,
            if_exists,
            quantifier,
        })
    }
}

impl Test {
    /// What a value of the policy must be, for the error.
    pub(crate) const fn needs(self) -> &'static str {
        match self {
            Self::Text | Self::TextIgnoringCase | Self::Like => "a text",
            Self::Number(_) => "a number",
            Self::Date(_) => "a date such as `2026-11-24T06:00:00Z`, or seconds since 1970",
            Self::Bool | Self::Null => "`true` or `false`",
            Self::Binary => "base64",
            Self::IpAddress => "an address or range such as `192.0.2.0/24`",
            Self::Arn => "an ARN such as `arn:aws:iot:us-east-1:123456789012:topic/a`",
        }
    }
}

/// A value of the policy, ready to be tested against.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    Text(Box<str>),
    TextIgnoringCase(Box<str>),
    Like(Box<[u8]>),
    Number(Comparison, f64),
    Date(Comparison, i64),
    Bool(bool),
    Binary(Box<[u8]>),
    IpAddress(IpRange),
    Arn(Box<[u8]>),
}

impl Operand {
    /// Makes it from the text of the policy. `Ok(None)`: after substitution, the text is not what the test
    /// needs, so nothing equals it.
    pub(crate) fn new(
        test: Test,
        value: &Template,
        context: &Context,
        settings: &Settings,
    ) -> Result<Option<Self>, Vec<(Key, Absent)>> {
        if matches!(test, Test::Like | Test::Arn) {
            let pattern = value.pattern(context, settings)?.into_boxed_slice();
            return Ok(match test {
                Test::Arn => {
                    (arn_parts(&pattern).count() == ARN_PARTS).then_some(Self::Arn(pattern))
                }
                _ => Some(Self::Like(pattern)),
            });
        }
        let text: String = value.plain(context, settings)?;
        Ok(match test {
            Test::Text => Some(Self::Text(text.into())),
            Test::TextIgnoringCase => Some(Self::TextIgnoringCase(text.into())),
            Test::Number(comparison) => {
                scalar::number(&text).map(|number| Self::Number(comparison, number))
            }
            Test::Date(comparison) => scalar::date(&text).map(|date| Self::Date(comparison, date)),
            Test::Bool | Test::Null => scalar::boolean(&text).map(Self::Bool),
            Test::Binary => scalar::base64(&text).map(|bytes| Self::Binary(bytes.into())),
            Test::IpAddress => IpRange::parse(&text).map(Self::IpAddress),
            Test::Like | Test::Arn => None,
        })
    }

    /// Whether a value of the request passes. Allocates nothing.
    pub(crate) fn test(&self, value: &str) -> bool {
        match self {
            Self::Text(text) => **text == *value,
            Self::TextIgnoringCase(text) => text
                .chars()
                .flat_map(char::to_lowercase)
                .eq(value.chars().flat_map(char::to_lowercase)),
            Self::Like(like) => pattern::matches(like, value.as_bytes()),
            Self::Number(comparison, number) => scalar::number(value)
                .and_then(|value| value.partial_cmp(number))
                .is_some_and(|ordering| comparison.holds(ordering)),
            Self::Date(comparison, date) => {
                scalar::date(value).is_some_and(|value| comparison.holds(value.cmp(date)))
            }
            Self::Bool(wanted) => scalar::boolean(value) == Some(*wanted),
            Self::Binary(bytes) => **bytes == *value.as_bytes(),
            Self::IpAddress(range) => value.parse().is_ok_and(|address| range.contains(address)),
            Self::Arn(arn) => {
                let mut parts = arn_parts(arn);
                let mut values = arn_parts(value.as_bytes());
                parts.by_ref().all(|part| {
                    values
                        .next()
                        .is_some_and(|value| pattern::matches(part, value))
                }) && values.next().is_none()
            }
        }
    }
}

const ARN_PARTS: usize = 6;

fn arn_parts(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.splitn(ARN_PARTS, |byte| *byte == b':')
}

impl Comparison {
    const fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether `value` of a request passes `operator` with `wanted` of the policy.
    fn passes(operator: &str, wanted: &str, value: &str) -> bool {
        let operator = Operator::parse(operator).expect(operator);
        let template = Template::parse(wanted).expect(wanted);
        let context = Context::new("us-east-1", "123456789012");
        let operand = Operand::new(operator.test, &template, &context, &Settings::default());
        operand
            .expect("no variables")
            .expect("a value of the right kind")
            .test(value)
            != operator.negated
    }

    #[test]
    fn every_family() {
        // C-35
        let table = [
            ("StringEquals", "a*", "a*", true),
            ("StringEquals", "a*", "ab", false),
            ("StringNotEquals", "a", "b", true),
            ("StringEqualsIgnoreCase", "ÄB", "äb", true),
            ("StringNotEqualsIgnoreCase", "a", "A", false),
            ("StringLike", "a*", "abc", true),
            ("StringNotLike", "a?", "ab", false),
            ("NumericEquals", "1.0", "1", true),
            ("NumericNotEquals", "1", "x", true),
            ("NumericLessThan", "10", "9", true),
            ("NumericLessThan", "10", "10", false),
            ("NumericLessThanEquals", "10", "10", true),
            ("NumericGreaterThan", "10", "9", false),
            ("NumericGreaterThanEquals", "10", "10", true),
            ("NumericGreaterThan", "10", "eleven", false),
            ("DateEquals", "2026-01-01", "2026-01-01T00:00:00Z", true),
            ("DateNotEquals", "2026-01-01", "2026-01-02", true),
            (
                "DateLessThan",
                "2026-01-01T00:00:00Z",
                "2025-12-31T23:59:59Z",
                true,
            ),
            ("DateLessThanEquals", "2026-01-01", "2026-01-01", true),
            ("DateGreaterThan", "2026-01-01", "2026-01-01", false),
            ("DateGreaterThanEquals", "2026-01-01", "1795498729", true),
            ("Bool", "true", "true", true),
            ("Bool", "true", "false", false),
            ("BinaryEquals", "Zm9v", "foo", true),
            ("IpAddress", "192.0.2.0/24", "192.0.2.9", true),
            ("NotIpAddress", "192.0.2.0/24", "192.0.2.9", false),
            (
                "ArnEquals",
                "arn:aws:iot:*:123456789012:topic/a*",
                "arn:aws:iot:eu-west-1:123456789012:topic/a/b",
                true,
            ),
            (
                "ArnEquals",
                "arn:aws:iot:*:topic/a:x:y",
                "arn:aws:iot:eu:1:topic/a:x:y",
                false,
            ),
            (
                "ArnLike",
                "arn:aws:iot:us-east-1:123456789012:topic/a",
                "arn:aws:iot:us-east-1:123456789012:topic/b",
                false,
            ),
            ("ArnNotEquals", "arn:aws:iot:r:a:topic/a", "no arn", true),
            (
                "ArnNotLike",
                "arn:aws:iot:r:a:topic/a",
                "arn:aws:iot:r:a:topic/a",
                false,
            ),
        ];
        for (operator, wanted, value, expected) in table {
            assert_eq!(
                passes(operator, wanted, value),
                expected,
                "{operator} {wanted} {value}"
            );
        }
    }

    #[test]
    fn names_are_taken_apart() {
        // C-33, C-34
        let operator = Operator::parse("ForAllValues:StringNotEqualsIfExists").expect("known");
        assert_eq!(
            operator,
            Operator {
                test: Test::Text,
                negated: true,
                if_exists: true,
                quantifier: Quantifier::ForAllValues
            }
        );
        for wrong in [
            "",
            "stringEquals",
            "StringMatches",
            "ForSomeValues:StringEquals",
            "NullIfExists",
            "ForAnyValue:Null",
            "BoolIfExistsIfExists",
            "StringEqualsIfExistsIfExists",
            "IfExists",
        ] {
            assert_eq!(Operator::parse(wrong), None, "{wrong}");
        }
    }
}
