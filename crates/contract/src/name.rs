//! Names that people give, and the patterns they must follow.
//!
//! Each check answers a [`NameError`] that shows the name, what is wrong with it and the pattern that was
//! expected; [`NameError::aws_message`] is the same in the words of the AWS API (`G-7`).

use core::fmt;

use crate::limit;

/// The pattern of one kind of name.
#[derive(Debug)]
pub struct Rule {
    /// What people call it: `thing name`.
    pub what: &'static str,
    /// The member of the API that carries it: `thingName`.
    pub member: &'static str,
    /// The regular expression of one name, as AWS writes it.
    pub pattern: &'static str,
    /// Fewest characters.
    pub min: usize,
    /// Most characters (bytes for a client id, `B-11`).
    pub max: usize,
    in_bytes: bool,
    allowed: fn(char) -> bool,
}

/// Thing name (`G-9`).
pub const THING: Rule = Rule {
    what: "thing name",
    member: "thingName",
    pattern: "[a-zA-Z0-9:_-]+",
    min: 1,
    max: limit::THING_NAME_CHARACTERS,
    in_bytes: false,
    allowed: |c| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '-'),
};

/// Thing type name, which follows the pattern of thing names (`G-9`).
pub const THING_TYPE: Rule = Rule {
    what: "thing type name",
    member: "thingTypeName",
    ..THING
};

/// Thing group name, which follows the pattern of thing names (`G-9`).
pub const THING_GROUP: Rule = Rule {
    what: "thing group name",
    member: "thingGroupName",
    ..THING
};

/// Description of a thing group (the API model).
pub const THING_GROUP_DESCRIPTION: Rule = Rule {
    what: "thing group description",
    member: "thingGroupDescription",
    pattern: r"[\p{Graph}\x20]*",
    min: 0,
    max: limit::THING_GROUP_DESCRIPTION_CHARACTERS,
    in_bytes: false,
    allowed: |c| !c.is_control() && (c == ' ' || !c.is_whitespace()),
};

/// Key of a tag (the API model).
pub const TAG_KEY: Rule = Rule {
    what: "tag key",
    member: "tags.member.Key",
    pattern: r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$",
    min: 1,
    max: limit::TAG_KEY_CHARACTERS,
    in_bytes: false,
    allowed: tag_character,
};

/// Value of a tag (the API model).
pub const TAG_VALUE: Rule = Rule {
    what: "tag value",
    member: "tags.member.Value",
    min: 0,
    max: limit::TAG_VALUE_CHARACTERS,
    ..TAG_KEY
};

fn tag_character(c: char) -> bool {
    c.is_alphanumeric()
        || (c.is_whitespace() && !c.is_control())
        || matches!(c, '_' | '.' | ':' | '/' | '=' | '+' | '-' | '@')
}

/// Policy name (`C-6`).
pub const POLICY: Rule = Rule {
    what: "policy name",
    member: "policyName",
    pattern: r"[\w+=,.@-]+",
    min: 1,
    max: limit::POLICY_NAME_CHARACTERS,
    in_bytes: false,
    allowed: |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '=' | ',' | '.' | '@' | '-'),
};

/// Client identifier (`B-11`): any UTF-8 that MQTT can carry. An empty one has rules of its own (`B-12`).
pub const CLIENT_ID: Rule = Rule {
    what: "client id",
    member: "clientId",
    pattern: "[^\\u0000]+",
    min: 1,
    max: limit::CLIENT_ID_BYTES,
    in_bytes: true,
    allowed: |c| c != '\0',
};

/// Certificate id (`A-25`).
pub const CERTIFICATE_ID: Rule = Rule {
    what: "certificate id",
    member: "certificateId",
    pattern: "(0x)?[a-fA-F0-9]+",
    min: limit::CERTIFICATE_ID_CHARACTERS,
    max: limit::CERTIFICATE_ID_CHARACTERS,
    in_bytes: false,
    allowed: |c| c.is_ascii_hexdigit(),
};

/// Name of a thing's attribute (`G-9`).
pub const ATTRIBUTE_NAME: Rule = Rule {
    what: "attribute name",
    member: "attributes",
    pattern: "[a-zA-Z0-9_.,@/:#-]+",
    min: 1,
    max: limit::ATTRIBUTE_NAME_CHARACTERS,
    in_bytes: false,
    allowed: |c| {
        c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ',' | '@' | '/' | ':' | '#' | '-')
    },
};

/// Value of a thing's attribute (`G-9`).
pub const ATTRIBUTE_VALUE: Rule = Rule {
    what: "attribute value",
    member: "attributes",
    pattern: r"[a-zA-Z0-9_.,@/:#=\[\]-]*",
    min: 0,
    max: limit::ATTRIBUTE_VALUE_CHARACTERS,
    in_bytes: false,
    allowed: |c| {
        c.is_ascii_alphanumeric()
            || matches!(
                c,
                '_' | '.' | ',' | '@' | '/' | ':' | '#' | '=' | '[' | ']' | '-'
            )
    },
};

/// Shadow name (section H.2; pattern of the API model).
pub const SHADOW: Rule = Rule {
    what: "shadow name",
    member: "shadowName",
    pattern: "[$a-zA-Z0-9:_-]+",
    min: 1,
    max: limit::SHADOW_NAME_CHARACTERS,
    in_bytes: false,
    allowed: |c| c.is_ascii_alphanumeric() || matches!(c, '$' | ':' | '_' | '-'),
};

/// Provisioning template name (`F-18`).
pub const TEMPLATE: Rule = Rule {
    what: "provisioning template name",
    member: "templateName",
    pattern: "^[0-9A-Za-z_-]+$",
    min: 1,
    max: limit::TEMPLATE_NAME_CHARACTERS,
    in_bytes: false,
    allowed: |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'),
};

/// Account id: 12 digits.
pub const ACCOUNT: Rule = Rule {
    what: "account id",
    member: "accountId",
    pattern: "[0-9]{12}",
    min: 12,
    max: 12,
    in_bytes: false,
    allowed: |c| c.is_ascii_digit(),
};

/// Region name, such as `us-east-1`.
pub const REGION: Rule = Rule {
    what: "region",
    member: "region",
    pattern: "[a-z0-9-]+",
    min: 1,
    max: 32,
    in_bytes: false,
    allowed: |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-',
};

/// Endpoint prefix (`A-3`).
pub const ENDPOINT_PREFIX: Rule = Rule {
    what: "endpoint prefix",
    member: "endpointAddress",
    pattern: "[a-z0-9]{14}",
    min: 14,
    max: 14,
    in_bytes: false,
    allowed: |c| c.is_ascii_lowercase() || c.is_ascii_digit(),
};

impl PartialEq for Rule {
    /// Two rules are the same when they are about the same kind of name.
    fn eq(&self, other: &Self) -> bool {
        self.what == other.what
    }
}

impl Eq for Rule {}

impl Rule {
    /// Checks a name against this rule.
    ///
    /// # Errors
    /// [`NameError`] with the first thing that is wrong.
    pub fn check<'a>(&'static self, name: &'a str) -> Result<&'a str, NameError<'a>> {
        let fail = |problem| {
            Err(NameError {
                rule: self,
                name,
                problem,
            })
        };
        let length = if self.in_bytes {
            name.len()
        } else {
            name.chars().count()
        };
        if length < self.min {
            return fail(NameProblem::TooShort { length });
        }
        if length > self.max {
            return fail(NameProblem::TooLong { length });
        }
        match name.chars().enumerate().find(|(_, c)| !(self.allowed)(*c)) {
            Some((index, character)) => fail(NameProblem::Character {
                character,
                position: index.saturating_add(1),
            }),
            None => Ok(name),
        }
    }
}

/// A name does not follow its pattern: whoever gave it must choose another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NameError<'a> {
    /// The rule it breaks.
    pub rule: &'static Rule,
    /// The name as given.
    pub name: &'a str,
    /// What is wrong with it.
    pub problem: NameProblem,
}

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameProblem {
    /// Fewer characters than the rule demands.
    TooShort {
        /// How many it has.
        length: usize,
    },
    /// More characters than the rule allows.
    TooLong {
        /// How many it has.
        length: usize,
    },
    /// A character that the pattern does not have.
    Character {
        /// The first such character.
        character: char,
        /// Which one it is, counted from 1.
        position: usize,
    },
}

impl NameError<'_> {
    /// The text of the AWS API for this failure (`G-7`).
    #[must_use]
    pub fn aws_message(&self) -> impl fmt::Display + '_ {
        AwsMessage(self)
    }
}

impl fmt::Debug for NameError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for NameError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rule {
            what,
            pattern,
            min,
            max,
            in_bytes,
            ..
        } = self.rule;
        let unit = if *in_bytes { "bytes" } else { "characters" };
        write!(f, "{what} `{}` ", self.name.escape_debug())?;
        match self.problem {
            NameProblem::TooShort { length: 0 } => write!(f, "is empty")?,
            NameProblem::TooShort { length } | NameProblem::TooLong { length } => {
                write!(f, "has {length} {unit}")?
            }
            NameProblem::Character {
                character,
                position,
            } => {
                write!(
                    f,
                    "has `{}` at character {position}",
                    character.escape_debug()
                )?;
            }
        }
        if min == max {
            write!(f, "; expected {pattern}, {min} {unit}")
        } else {
            write!(f, "; expected {pattern}, {min} to {max} {unit}")
        }
    }
}

impl core::error::Error for NameError<'_> {}

struct AwsMessage<'a>(&'a NameError<'a>);

impl fmt::Display for AwsMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NameError {
            rule,
            name,
            problem,
        } = self.0;
        write!(
            f,
            "1 validation error detected: Value '{name}' at '{}' failed to satisfy constraint: Member must ",
            rule.member
        )?;
        match problem {
            NameProblem::TooShort { .. } => {
                write!(f, "have length greater than or equal to {}", rule.min)
            }
            NameProblem::TooLong { .. } => {
                write!(f, "have length less than or equal to {}", rule.max)
            }
            NameProblem::Character { .. } => {
                write!(f, "satisfy regular expression pattern: {}", rule.pattern)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::*;

    #[test]
    fn thing_names() {
        // G-9
        for good in ["a", "esp32-demo", "A:b_C-9", &"x".repeat(128)] {
            assert_eq!(THING.check(good), Ok(good));
        }
        let error = THING.check("my thing").expect_err("a space");
        assert_eq!(
            error.to_string(),
            "thing name `my thing` has ` ` at character 3; expected [a-zA-Z0-9:_-]+, 1 to 128 characters"
        );
        assert_eq!(
            error.aws_message().to_string(),
            "1 validation error detected: Value 'my thing' at 'thingName' failed to satisfy constraint: \
             Member must satisfy regular expression pattern: [a-zA-Z0-9:_-]+"
        );
        assert_eq!(
            THING.check("").map_err(|e| e.problem),
            Err(NameProblem::TooShort { length: 0 })
        );
        assert_eq!(
            THING.check(&"x".repeat(129)).map_err(|e| e.problem),
            Err(NameProblem::TooLong { length: 129 })
        );
        assert!(THING.check("ä").is_err());
        assert!(THING.check("a/b").is_err());
    }

    #[test]
    fn policy_names() {
        // C-6
        assert_eq!(POLICY.check("a+b=c,d.e@f-g_1"), Ok("a+b=c,d.e@f-g_1"));
        assert!(POLICY.check("a b").is_err());
        assert!(POLICY.check("a/b").is_err());
        assert!(POLICY.check("a:b").is_err());
    }

    #[test]
    fn client_ids_are_measured_in_bytes() {
        // B-11
        assert!(CLIENT_ID.check(&"ü".repeat(64)).is_ok());
        assert_eq!(
            CLIENT_ID.check(&"ü".repeat(65)).map_err(|e| e.problem),
            Err(NameProblem::TooLong { length: 130 })
        );
        assert!(CLIENT_ID.check("with space, # and +").is_ok());
        assert!(CLIENT_ID.check("a\0b").is_err());
    }

    #[test]
    fn the_other_patterns() {
        static RULES: [(Rule, &str, &str); 8] = [
            (
                CERTIFICATE_ID,
                "0123456789abcdefABCDEF6789abcdef0123456789abcdef0123456789abcdef",
                "0123",
            ),
            (ATTRIBUTE_NAME, "a.b,c@d/e:f#g-h", "a=b"),
            (ATTRIBUTE_VALUE, "x=[1]", "x y"),
            (SHADOW, "$cfg", "a/b"),
            (TEMPLATE, "T1_x-y", "T.1"),
            (ACCOUNT, "123456789012", "12345678901a"),
            (REGION, "us-east-1", "US-EAST-1"),
            (ENDPOINT_PREFIX, "a3qjexampleffp", "a3qjEXAMPLEffp"),
        ];
        for (rule, good, bad) in &RULES {
            assert!(rule.check(good).is_ok(), "{good}");
            assert!(rule.check(bad).is_err(), "{bad}");
        }
        assert!(
            ATTRIBUTE_VALUE.check("").is_ok(),
            "an attribute may be empty"
        );
    }
}
