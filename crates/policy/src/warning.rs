//! What is allowed in a document but is probably a mistake.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use thingwire_contract::Partition;

use crate::condition::Test;
use crate::document::Document;
use crate::error::{OneLine, Position, Quoted};
use crate::key::Key;
use crate::pattern;
use crate::scalar::IpRange;
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
    /// What looks wrong, given the cloud's region and account: resources of another partition, service, region or
    /// account, left placeholders included (`C-50`), variables that AWS IoT does not have (`C-45`), and address
    /// ranges with bits set that do not count.
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
                if let [_, partition, service, of_region, of_account, _] =
                    arn_fields(&resource.template.text).as_slice()
                {
                    let own_partition = Partition::of_region(region).name();
                    [
                        other(partition, own_partition, "partition"),
                        other(service, "iot", "service"),
                        other(of_region, region, "region"),
                        other(of_account, account, "account"),
                    ]
                    .into_iter()
                    .flatten()
                    .for_each(&mut warn);
                }
                unknown_variables(&resource.template).for_each(&mut warn);
            }
            for condition in &statement.conditions {
                for value in &condition.values {
                    let warning = |text| Warning {
                        position: value.position,
                        path: value.path.clone(),
                        text,
                    };
                    warnings.extend(unknown_variables(&value.template).map(warning));
                    if condition.operator.test == Test::IpAddress {
                        warnings.extend(host_bits(&value.template.text).map(warning));
                    }
                }
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

fn host_bits(range: &str) -> Option<String> {
    let network = IpRange::parse(range)?.without_host_bits()?;
    Some(alloc::format!(
        "the range {} has bits set behind its length; it is read as {}",
        Quoted(range),
        Quoted(&network)
    ))
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
