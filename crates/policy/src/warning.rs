//! What is allowed in a document but is probably a mistake.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use crate::document::Document;
use crate::error::{OneLine, Position, Quoted};
use crate::key::Key;
use crate::pattern;
use crate::template::{Template, arn_fields};

/// A probable mistake in a document that is valid. Prints as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where in the text.
    pub position: Position,
    /// Where in the document.
    pub path: String,
    /// What looks wrong.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}, column {} ({}): {}",
            self.position.line,
            self.position.column,
            OneLine(&self.path),
            self.text
        )
    }
}

impl Document {
    /// What looks wrong, given the cloud's region and account: resources of another region or account, left
    /// placeholders included (`C-50`), and variables that AWS IoT does not have (`C-45`).
    #[must_use]
    pub fn warnings(&self, region: &str, account: &str) -> Vec<Warning> {
        let mut warnings = Vec::new();
        for statement in &self.statements {
            for resource in &statement.resources {
                let mut warn = |text| {
                    warnings.push(Warning {
                        position: resource.position,
                        path: resource.path.clone(),
                        text,
                    });
                };
                if let [_, _, _, of_region, of_account, _] =
                    arn_fields(&resource.template.text).as_slice()
                {
                    other(of_region, region, "region")
                        .into_iter()
                        .for_each(&mut warn);
                    other(of_account, account, "account")
                        .into_iter()
                        .for_each(&mut warn);
                }
                unknown_variables(&resource.template).for_each(&mut warn);
            }
            for value in statement
                .conditions
                .iter()
                .flat_map(|condition| &condition.values)
            {
                warnings.extend(unknown_variables(&value.template).map(|text| Warning {
                    position: value.position,
                    path: value.path.clone(),
                    text,
                }));
            }
        }
        warnings
    }
}

fn other(found: &str, own: &str, what: &str) -> Option<String> {
    let fits =
        pattern::matches(&pattern::from_wildcards(found), own.as_bytes()) || found.contains("${");
    (!fits).then(|| {
        alloc::format!(
            "{what} {} is not this cloud's, {}; it never matches here",
            Quoted(found),
            Quoted(own)
        )
    })
}

fn unknown_variables(template: &Template) -> impl Iterator<Item = String> {
    template
        .variables()
        .filter(|key| matches!(key, Key::Unknown(_)))
        .map(|key| {
            alloc::format!(
                "AWS IoT has no variable {}; it never has a value",
                Quoted(&key.to_string())
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_foreign_arns_and_unknown_variables() {
        // C-45, C-50
        let text = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:Publish",
"Resource": ["arn:aws:iot:REGION:ACCOUNT_ID:topic/a", "arn:aws:iot:*:123456789012:topic/${iot:Oops}", "*"]}]}"#;
        let document = Document::parse(text).expect("valid");
        let warnings: Vec<_> = document
            .warnings("us-east-1", "123456789012")
            .iter()
            .map(|warning| warning.to_string())
            .collect();
        assert_eq!(
            warnings,
            [
                "line 2, column 14 (Statement[0].Resource[0]): region `REGION` is not this cloud's, `us-east-1`; it never matches here",
                "line 2, column 14 (Statement[0].Resource[0]): account `ACCOUNT_ID` is not this cloud's, `123456789012`; it never matches here",
                "line 2, column 55 (Statement[0].Resource[1]): AWS IoT has no variable `iot:Oops`; it never has a value",
            ]
        );
    }
}
