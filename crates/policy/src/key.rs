//! Condition keys and policy variables: the same names (`C-36`, `C-39` to `C-43`).

use alloc::string::String;
use core::fmt;

/// The attributes of a certificate's subject and issuer that a policy can name (`C-42`).
pub const CERTIFICATE_ATTRIBUTES: [&str; 18] = [
    "DistinguishedNameQualifier",
    "Country",
    "Organization",
    "OrganizationalUnit",
    "State",
    "CommonName",
    "SerialNumber",
    "Title",
    "Surname",
    "GivenName",
    "Initials",
    "Pseudonym",
    "GenerationQualifier",
    "AlternativeName.RFC822Name",
    "AlternativeName.DNSName",
    "AlternativeName.DirectoryName",
    "AlternativeName.UniformResourceIdentifier",
    "AlternativeName.IPAddress",
];

const CERTIFICATE: &str = "iot:Certificate.";
const ATTRIBUTES: &str = "iot:Connection.Thing.Attributes[";

/// A value of the connection or of the request that a policy can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    ClientId,
    SourceIp,
    DomainName,
    ThingName,
    ThingTypeName,
    /// An attribute of the thing; the name is compared with its case.
    Attribute(String),
    IsAttached,
    CertificateId,
    CertificateSerialNumber,
    AvailableKeys,
    Subject(&'static str, Selector),
    Issuer(&'static str, Selector),
    ConnectAttributes,
    LastWillTopic,
    /// Of the request: the topic of a direct message.
    Topic,
    /// Of the request.
    IncludeSocketInformation,
    /// A name that is none of these. It never has a value.
    Unknown(String),
}

/// Which of several values (`C-43`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    /// The bare name: the first.
    First,
    /// `.N`: the value after N others.
    Index(usize),
    /// `.List`: all.
    List,
}

/// Names that have no parameter.
const PLAIN: [(&str, Key); 13] = [
    ("iot:ClientId", Key::ClientId),
    ("aws:SourceIp", Key::SourceIp),
    ("iot:DomainName", Key::DomainName),
    ("iot:Connection.Thing.ThingName", Key::ThingName),
    ("iot:Connection.Thing.ThingTypeName", Key::ThingTypeName),
    ("iot:Connection.Thing.IsAttached", Key::IsAttached),
    ("iot:CertificateId", Key::CertificateId),
    ("iot:Certificate.SerialNumber", Key::CertificateSerialNumber),
    ("iot:Certificate.AvailableKeys", Key::AvailableKeys),
    ("iot:ConnectAttributes", Key::ConnectAttributes),
    ("iot:LastWillTopic", Key::LastWillTopic),
    ("iot:Topic", Key::Topic),
    (
        "iot:IncludeSocketInformation",
        Key::IncludeSocketInformation,
    ),
];

impl Key {
    /// The variable with this name; variables are compared with their case, because a document that works here
    /// must not fail on AWS.
    pub(crate) fn of_variable(name: &str) -> Self {
        Self::parse(name, |one, other| one == other)
    }

    /// The condition key with this name; IAM compares those without case.
    pub(crate) fn of_condition(name: &str) -> Self {
        Self::parse(name, str::eq_ignore_ascii_case)
    }

    fn parse(name: &str, same: fn(&str, &str) -> bool) -> Self {
        if let Some((_, key)) = PLAIN.iter().find(|(plain, _)| same(plain, name)) {
            return key.clone();
        }
        if let Some(attribute) =
            after(name, ATTRIBUTES, same).and_then(|rest| rest.strip_suffix(']'))
            && !attribute.is_empty()
        {
            return Self::Attribute(attribute.into());
        }
        after(name, CERTIFICATE, same)
            .and_then(|rest| Self::certificate(rest, same))
            .unwrap_or_else(|| Self::Unknown(name.into()))
    }

    fn certificate(rest: &str, same: fn(&str, &str) -> bool) -> Option<Self> {
        let (holder, attribute) = rest.split_once('.')?;
        let known = |wanted: &str| {
            CERTIFICATE_ATTRIBUTES
                .into_iter()
                .find(|attribute| same(attribute, wanted))
        };
        let (attribute, selector) = match known(attribute) {
            Some(attribute) => (attribute, Selector::First),
            None => {
                let (attribute, last) = attribute.rsplit_once('.')?;
                let selector = if same("List", last) {
                    Selector::List
                } else if last.bytes().all(|digit| digit.is_ascii_digit()) {
                    Selector::Index(last.parse().ok()?)
                } else {
                    return None;
                };
                (known(attribute)?, selector)
            }
        };
        if same("Subject", holder) {
            Some(Self::Subject(attribute, selector))
        } else if same("Issuer", holder) {
            Some(Self::Issuer(attribute, selector))
        } else {
            None
        }
    }

    /// Whether the value comes with each request and not with the connection.
    pub(crate) const fn is_of_request(&self) -> bool {
        matches!(self, Self::Topic | Self::IncludeSocketInformation)
    }
}

/// What follows a prefix of a name.
fn after<'a>(name: &'a str, prefix: &str, same: fn(&str, &str) -> bool) -> Option<&'a str> {
    let (start, rest) = name.split_at_checked(prefix.len())?;
    same(start, prefix).then_some(rest)
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, _)) = PLAIN.iter().find(|(_, key)| key == self) {
            return f.write_str(name);
        }
        match self {
            Self::Attribute(attribute) => write!(f, "{ATTRIBUTES}{attribute}]"),
            Self::Subject(attribute, selector) => {
                write!(f, "{CERTIFICATE}Subject.{attribute}{selector}")
            }
            Self::Issuer(attribute, selector) => {
                write!(f, "{CERTIFICATE}Issuer.{attribute}{selector}")
            }
            Self::Unknown(name) => f.write_str(name),
            // Every other key is in the list of plain names.
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => Ok(()),
            Self::Index(index) => write!(f, ".{index}"),
            Self::List => f.write_str(".List"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::*;

    #[test]
    fn every_name_is_read_back() {
        // C-36, C-39, C-40, C-42, C-43
        for (name, key) in &PLAIN {
            assert_eq!(&Key::of_variable(name), key);
            assert_eq!(&key.to_string(), name);
            assert_eq!(&Key::of_condition(&name.to_uppercase()), key);
        }
        for attribute in CERTIFICATE_ATTRIBUTES {
            for (suffix, selector) in [
                ("", Selector::First),
                (".1", Selector::Index(1)),
                (".List", Selector::List),
            ] {
                let name = std::format!("iot:Certificate.Subject.{attribute}{suffix}");
                assert_eq!(Key::of_variable(&name), Key::Subject(attribute, selector));
                assert_eq!(Key::of_variable(&name).to_string(), name);
                let name = name.replace("Subject", "Issuer");
                assert_eq!(Key::of_variable(&name), Key::Issuer(attribute, selector));
            }
        }
        assert_eq!(
            Key::of_variable("iot:Connection.Thing.Attributes[a.B]"),
            Key::Attribute("a.B".into())
        );
    }

    #[test]
    fn what_is_no_name_is_unknown() {
        for name in [
            "",
            "unknown:thing",
            "iot:clientid",
            "iot:Connection.Thing.Attributes[]",
            "iot:Connection.Thing.Attributes[x",
            "iot:Certificate.Subject.Nickname",
            "iot:Certificate.Subject.CommonName.x",
            "iot:Certificate.Owner.CommonName",
            "iot:Certificate.Subject.CommonName.99999999999999999999999",
            "é",
        ] {
            assert_eq!(Key::of_variable(name), Key::Unknown(name.into()), "{name}");
        }
    }
}
