//! What a request may call things, and the ARNs we call them by.
//!
//! Patterns and ARNs are those of `thingwire-contract`; a value that breaks one is answered in AWS's words (`G-7`).

use thingwire_contract::name::{self, Rule};
use thingwire_contract::{Arn, Kind};

use super::RegistryError;

/// Whose resources these are: the two members that stand in every ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Region, such as `us-east-1`.
    pub region: String,
    /// The 12 digits of the account.
    pub account_id: String,
}

impl Place {
    fn arn(&self, kind: Kind, name: &str) -> String {
        Arn::new(&self.region, &self.account_id, kind, name).to_string()
    }

    /// ARN of a thing (`G-9`).
    #[must_use]
    pub fn thing_arn(&self, name: &str) -> String {
        self.arn(Kind::Thing, name)
    }

    /// ARN of a policy (`C-6`).
    #[must_use]
    pub fn policy_arn(&self, name: &str) -> String {
        self.arn(Kind::Policy, name)
    }

    /// ARN of a certificate (`A-25`).
    #[must_use]
    pub fn certificate_arn(&self, id: &str) -> String {
        self.arn(Kind::Certificate, id)
    }

    /// The certificate id in an ARN of this account and region.
    ///
    /// Certificates are the only principals and policy targets here so far; the others (`C-7`) are refused by name.
    ///
    /// # Errors
    /// Invalid when it is anything else, saying what it is.
    pub fn certificate_id<'a>(
        &self,
        member: &str,
        text: &'a str,
    ) -> Result<&'a str, RegistryError> {
        let invalid = |why: String| RegistryError::Invalid(format!("Invalid {member}: {why}"));
        let arn = Arn::parse(text).map_err(|error| {
            let hint = if !text.starts_with("arn:") && text.contains(':') {
                "Cognito identities are not known to the local cloud yet".to_owned()
            } else {
                format!(
                    "a certificate's is {}",
                    self.certificate_arn("<certificateId>")
                )
            };
            invalid(format!("{error}; {hint}"))
        })?;
        match arn.kind {
            Kind::Certificate => {}
            Kind::ThingGroup => {
                return Err(invalid(format!(
                    "`{text}` is a thing group; the local cloud does not know those yet, give the ARN of a certificate"
                )));
            }
            other => {
                return Err(invalid(format!(
                    "`{text}` is a {}, not a certificate",
                    other.name()
                )));
            }
        }
        if text != self.certificate_arn(arn.name) {
            return Err(invalid(format!(
                "`{text}` is not of this cloud, whose ARNs begin with {}",
                self.certificate_arn("")
            )));
        }
        certificate_id(arn.name)?;
        Ok(arn.name)
    }
}

/// Checks a thing name (`G-9`).
pub(super) fn thing_name(name: &str) -> Result<(), RegistryError> {
    check(&name::THING, name)
}

/// Checks a policy name (`C-6`).
pub(super) fn policy_name(name: &str) -> Result<(), RegistryError> {
    check(&name::POLICY, name)
}

/// Checks the form of a certificate id (`A-25`).
pub(super) fn certificate_id(id: &str) -> Result<(), RegistryError> {
    check(&name::CERTIFICATE_ID, id)
}

/// Checks an attribute's name and value (`G-9`).
pub(super) fn attribute(name: &str, value: &str) -> Result<(), RegistryError> {
    check(&name::ATTRIBUTE_NAME, name)?;
    check(&name::ATTRIBUTE_VALUE, value)
}

fn check(rule: &'static Rule, name: &str) -> Result<(), RegistryError> {
    match rule.check(name) {
        Ok(_) => Ok(()),
        Err(error) => Err(RegistryError::Invalid(error.aws_message().to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            region: "us-east-1".to_owned(),
            account_id: "123456789012".to_owned(),
        }
    }

    /// `A-25`
    #[test]
    fn the_arn_of_a_certificate_gives_its_id() {
        let id = "0123456789abcdef".repeat(4);
        let arn = place().certificate_arn(&id);
        assert_eq!(arn, format!("arn:aws:iot:us-east-1:123456789012:cert/{id}"));
        assert_eq!(place().certificate_id("target", &arn).expect("own arn"), id);
    }

    /// `C-7`: whatever is not a certificate of this account is refused and named.
    #[test]
    fn other_principals_are_refused_with_the_reason() {
        let id = "0123456789abcdef".repeat(4);
        for (arn, reason) in [
            (String::new(), "not an AWS IoT ARN"),
            (id.clone(), "not an AWS IoT ARN"),
            ("us-east-1:0a1b".to_owned(), "Cognito"),
            (
                format!("arn:aws:iot:eu-west-1:123456789012:cert/{id}"),
                "us-east-1",
            ),
            (
                format!("arn:aws:iot:us-east-1:000000000000:cert/{id}"),
                "123456789012",
            ),
            (
                format!("arn:aws-cn:iot:us-east-1:123456789012:cert/{id}"),
                "arn:aws:",
            ),
            (
                "arn:aws:iot:us-east-1:123456789012:thinggroup/g".to_owned(),
                "thing group",
            ),
            (
                "arn:aws:iot:us-east-1:123456789012:cert/xyz".to_owned(),
                "length",
            ),
            (
                "arn:aws:s3:us-east-1:123456789012:cert/xyz".to_owned(),
                "service",
            ),
            (
                "arn:aws:iot:us-east-1:123456789012:thing/t".to_owned(),
                "is a thing",
            ),
        ] {
            let error = place()
                .certificate_id("target", &arn)
                .expect_err(&arn)
                .to_string();
            assert!(error.contains(reason), "{arn}: {error}");
        }
    }
}
