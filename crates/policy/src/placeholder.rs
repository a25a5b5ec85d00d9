//! `REGION` and `ACCOUNT_ID` left in a policy (`C-50`): found, and replaced by the cloud's own.
//!
//! This works on the text, so that everything else of a policy file stays as its author wrote it.

use alloc::string::String;
use alloc::vec::Vec;

use crate::error::Position;

/// A placeholder in an ARN of a policy text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placeholder<'a> {
    /// As written, such as `ACCOUNT_ID`.
    pub text: &'a str,
    /// Where it is.
    pub position: Position,
    /// Whether it stands for the account; for the region otherwise.
    pub is_account: bool,
}

/// Spellings of the region, without brackets and in capitals.
const REGION: [&str; 4] = ["REGION", "AWS_REGION", "YOUR_REGION", "AWS::REGION"];
/// Spellings of the account id.
const ACCOUNT: [&str; 8] = [
    "ACCOUNT_ID",
    "ACCOUNTID",
    "ACCOUNT",
    "AWS_ACCOUNT_ID",
    "YOUR_ACCOUNT_ID",
    "YOUR_AWS_ACCOUNT_ID",
    "AWS_ACCOUNT",
    "AWS::ACCOUNTID",
];

/// The placeholders for region and account in the ARNs of a policy text, in their order.
#[must_use]
pub fn placeholders(text: &str) -> Vec<Placeholder<'_>> {
    let mut found = Vec::new();
    let mut from = 0_usize;
    while let Some(arn) = text
        .get(from..)
        .and_then(|rest| rest.find("\"arn:"))
        .and_then(|at| from.checked_add(at))
    {
        let start = arn.saturating_add(1);
        let rest = text.get(start..).unwrap_or_default();
        let end = rest.find('"').unwrap_or(rest.len());
        let mut at = start;
        for (index, field) in fields(rest.get(..end).unwrap_or_default()).enumerate() {
            let is_account = index == 4;
            if (index == 3 && is_one_of(field, &REGION))
                || (is_account && is_one_of(field, &ACCOUNT))
            {
                found.push(Placeholder {
                    text: field,
                    position: Position::of(text, at),
                    is_account,
                });
            }
            at = at.saturating_add(field.len()).saturating_add(1);
        }
        from = start.saturating_add(end);
    }
    found
}

/// The text with every placeholder replaced, and how many there were.
#[must_use]
pub fn replace_placeholders(text: &str, region: &str, account: &str) -> (String, usize) {
    let found = placeholders(text);
    let mut replaced = String::with_capacity(text.len());
    let mut from = 0;
    for placeholder in &found {
        let at = placeholder.position.offset;
        replaced.push_str(text.get(from..at).unwrap_or_default());
        replaced.push_str(if placeholder.is_account {
            account
        } else {
            region
        });
        from = at.saturating_add(placeholder.text.len());
    }
    replaced.push_str(text.get(from..).unwrap_or_default());
    (replaced, found.len())
}

/// The first five parts of an ARN; a part in `${…}` or `<…>` may have colons.
fn fields(arn: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    arn.split(move |c| {
        match c {
            '{' | '<' => depth = depth.saturating_add(1),
            '}' | '>' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ':' && depth == 0
    })
    .take(5)
}

/// Whether a part of an ARN is one of the spellings, whatever its case, brackets and hyphens.
fn is_one_of(field: &str, spellings: &[&str]) -> bool {
    let field = field.trim_matches(['<', '>', '{', '}', '$', '[', ']', '*']);
    spellings.iter().any(|spelling| {
        spelling.len() == field.len()
            && spelling.bytes().zip(field.bytes()).all(|(wanted, found)| {
                let found = if found == b'-' || found == b' ' {
                    b'_'
                } else {
                    found.to_ascii_uppercase()
                };
                found == wanted
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "{\n  \"Resource\": [\"arn:aws:iot:REGION:ACCOUNT_ID:client/${iot:Connection.Thing.ThingName}\",\n    \
                          \"arn:aws:iot:us-east-1:account-id:topic/REGION:ACCOUNT_ID\"]\n}";

    #[test]
    fn found_in_the_right_parts_only() {
        // C-50
        let found = placeholders(POLICY);
        let texts: Vec<_> = found
            .iter()
            .map(|found| (found.text, found.position.line, found.position.column))
            .collect();
        assert_eq!(
            texts,
            [
                ("REGION", 2, 29),
                ("ACCOUNT_ID", 2, 36),
                ("account-id", 3, 28)
            ]
        );
    }

    #[test]
    fn replaced_and_nothing_else_touched() {
        let (replaced, count) = replace_placeholders(POLICY, "eu-west-1", "111122223333");
        assert_eq!(count, 3);
        assert_eq!(
            replaced,
            "{\n  \"Resource\": [\"arn:aws:iot:eu-west-1:111122223333:client/${iot:Connection.Thing.ThingName}\",\n    \
             \"arn:aws:iot:us-east-1:111122223333:topic/REGION:ACCOUNT_ID\"]\n}"
        );
        assert_eq!(
            replace_placeholders(&replaced, "x", "y"),
            (replaced.clone(), 0),
            "nothing left to replace"
        );
    }

    #[test]
    fn other_spellings() {
        for (text, count) in [
            ("\"arn:aws:iot:<region>:<account-id>:*\"", 2),
            ("\"arn:aws:iot:${AWS::Region}:${AWS::AccountId}:*\"", 2),
            ("\"arn:aws:iot:your-region:your-aws-account-id:*\"", 2),
            ("\"arn:aws:iot:*:*:topic/x\"", 0),
            ("\"arn:aws:iot:us-east-1:123456789012:topic/REGION\"", 0),
            ("\"arn:aws:iot:REGION", 1),
            ("arn:aws:iot:REGION:ACCOUNT_ID:x", 0),
            ("\"arn:", 0),
            ("", 0),
        ] {
            assert_eq!(placeholders(text).len(), count, "{text}");
        }
    }
}
