//! What a request may call things, and the ARNs we call them by.
//!
//! Patterns and ARNs are those of `thingwire-contract`; a value that breaks one is answered in AWS's words (`G-7`).

use thingwire_contract::name::{self, Rule};
use thingwire_contract::{Arn, Kind};

use super::{PolicyTarget, RegistryError};

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

    /// ARN of a thing group (`C-7`).
    #[must_use]
    pub fn thing_group_arn(&self, name: &str) -> String {
        self.arn(Kind::ThingGroup, name)
    }

    /// ARN of what a policy is attached to.
    #[must_use]
    pub fn target_arn(&self, target: &PolicyTarget) -> String {
        match target {
            PolicyTarget::Certificate(id) => self.certificate_arn(id),
            PolicyTarget::ThingGroup(name) => self.thing_group_arn(name),
        }
    }

    /// The certificate id in an ARN of this account and region. Certificates are the only principals here.
    ///
    /// # Errors
    /// Invalid when it is anything else, saying what it is.
    pub fn certificate_id<'a>(
        &self,
        member: &str,
        text: &'a str,
    ) -> Result<&'a str, RegistryError> {
        let arn = self.own(member, text, "a certificate", Kind::Certificate)?;
        match arn.kind {
            Kind::Certificate => certificate_id(arn.name)?,
            other => return Err(another_kind(member, text, other, "a certificate")),
        }
        Ok(arn.name)
    }

    /// The certificate or thing group in an ARN of this account and region (`C-7`).
    ///
    /// # Errors
    /// Invalid when it is anything else, saying what it is.
    pub fn policy_target(&self, member: &str, text: &str) -> Result<PolicyTarget, RegistryError> {
        let arn = self.own(member, text, "a certificate", Kind::Certificate)?;
        match arn.kind {
            Kind::Certificate => {
                certificate_id(arn.name)?;
                Ok(PolicyTarget::Certificate(arn.name.to_owned()))
            }
            Kind::ThingGroup => {
                thing_group_name(arn.name)?;
                Ok(PolicyTarget::ThingGroup(arn.name.to_owned()))
            }
            other => {
                let wanted = "a certificate or a thing group";
                Err(another_kind(member, text, other, wanted))
            }
        }
    }

    /// The name in the ARN of a thing of this account and region.
    ///
    /// # Errors
    /// Invalid when it is anything else, saying what it is.
    pub fn thing_name<'a>(&self, member: &str, text: &'a str) -> Result<&'a str, RegistryError> {
        self.name_of(member, text, "a thing", Kind::Thing)
    }

    /// The name in the ARN of a thing group of this account and region.
    ///
    /// # Errors
    /// Invalid when it is anything else, saying what it is.
    pub fn thing_group_name<'a>(
        &self,
        member: &str,
        text: &'a str,
    ) -> Result<&'a str, RegistryError> {
        self.name_of(member, text, "a thing group", Kind::ThingGroup)
    }

    fn name_of<'a>(
        &self,
        member: &str,
        text: &'a str,
        wanted: &str,
        kind: Kind,
    ) -> Result<&'a str, RegistryError> {
        let arn = self.own(member, text, wanted, kind)?;
        if arn.kind == kind {
            Ok(arn.name)
        } else {
            Err(another_kind(member, text, arn.kind, wanted))
        }
    }

    /// An ARN of this account and region; `kind` is what an example in the refusal shows.
    fn own<'a>(
        &self,
        member: &str,
        text: &'a str,
        wanted: &str,
        kind: Kind,
    ) -> Result<Arn<'a>, RegistryError> {
        let arn = Arn::parse(text).map_err(|error| {
            let hint = if !text.starts_with("arn:") && text.contains(':') {
                "Cognito identities are not known to the local cloud yet".to_owned()
            } else {
                let example = match kind {
                    Kind::Certificate => "<certificateId>",
                    _ => "<name>",
                };
                format!("that of {wanted} is {}", self.arn(kind, example))
            };
            RegistryError::Invalid(format!("Invalid {member}: {error}; {hint}"))
        })?;
        if text != self.arn(arn.kind, arn.name) {
            return Err(RegistryError::Invalid(format!(
                "Invalid {member}: `{text}` is not of this cloud, whose ARNs begin with {}",
                self.arn(arn.kind, "")
            )));
        }
        Ok(arn)
    }
}

fn another_kind(member: &str, text: &str, kind: Kind, wanted: &str) -> RegistryError {
    let found = match kind {
        Kind::ThingGroup => "thing group",
        other => other.name(),
    };
    RegistryError::Invalid(format!(
        "Invalid {member}: `{text}` is a {found}, not {wanted}"
    ))
}

/// Checks a thing name (`G-9`).
pub(super) fn thing_name(name: &str) -> Result<(), RegistryError> {
    check(&name::THING, name)
}

/// Checks the name of a thing group (`G-19`).
pub(super) fn thing_group_name(name: &str) -> Result<(), RegistryError> {
    check(&name::THING_GROUP, name)
}

/// Checks the description of a thing group.
pub(super) fn description(text: &str) -> Result<(), RegistryError> {
    check(&name::THING_GROUP_DESCRIPTION, text)
}

/// Checks a tag.
pub(super) fn tag(key: &str, value: &str) -> Result<(), RegistryError> {
    check(&name::TAG_KEY, key)?;
    check(&name::TAG_VALUE, value)
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
                "is a thing group, not a certificate",
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

    /// `C-7`: a policy's target is a certificate or a thing group of this account.
    #[test]
    fn targets_of_policies() {
        let id = "0123456789abcdef".repeat(4);
        for target in [
            PolicyTarget::Certificate(id),
            PolicyTarget::ThingGroup("lamps".to_owned()),
        ] {
            let arn = place().target_arn(&target);
            assert_eq!(place().policy_target("target", &arn).expect("own"), target);
        }
        for (arn, reason) in [
            (
                "arn:aws:iot:us-east-1:123456789012:thing/t",
                "is a thing, not a certificate or a thing group",
            ),
            (
                "arn:aws:iot:us-east-1:000000000000:thinggroup/g",
                "whose ARNs begin with arn:aws:iot:us-east-1:123456789012:thinggroup/",
            ),
            (
                "arn:aws:iot:us-east-1:123456789012:thinggroup/a b",
                "thingGroupName",
            ),
        ] {
            let error = place().policy_target("target", arn).expect_err(arn);
            assert!(error.to_string().contains(reason), "{arn}: {error}");
        }
    }
}
