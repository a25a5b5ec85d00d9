//! Variables that never have a value, or whose missing value opens a hole (`TW-P016` to `TW-P019`).

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use thingwire_policy::{Action, CERTIFICATE_ATTRIBUTES, Effect};

use super::{Linter, model, rules};
use crate::policy::{Part, StatementPart};

const THING: &str = "iot:Connection.Thing.";
const ATTRIBUTES: &str = "iot:Connection.Thing.Attributes[";
const SINGLE: [&str; 10] = [
    "iot:ClientId",
    "aws:SourceIp",
    "iot:DomainName",
    "iot:Connection.Thing.ThingName",
    "iot:Connection.Thing.ThingTypeName",
    "iot:Connection.Thing.IsAttached",
    "iot:CertificateId",
    "iot:Certificate.SerialNumber",
    "iot:LastWillTopic",
    "iot:Topic",
];

/// What a variable's name is to AWS IoT.
#[derive(Debug, PartialEq, Eq)]
enum Name {
    Known,
    /// Several values (`C-37`).
    Multivalued,
    /// Known in another case; this is the right one.
    OtherCase(String),
    Unknown,
}

impl Name {
    fn of(name: &str) -> Self {
        if known(name, |one, other| one == other).is_some() {
            return Self::Known;
        }
        if matches!(
            name,
            "iot:ConnectAttributes" | "iot:Certificate.AvailableKeys"
        ) || name
            .strip_suffix(".List")
            .is_some_and(|name| certificate(name, |one, other| one == other).is_some())
        {
            return Self::Multivalued;
        }
        match known(name, str::eq_ignore_ascii_case) {
            Some(right) => Self::OtherCase(right),
            None => Self::Unknown,
        }
    }
}

/// The name as it is spelt, if it is one with this comparison.
fn known(name: &str, same: fn(&str, &str) -> bool) -> Option<String> {
    if let Some(plain) = SINGLE.into_iter().find(|plain| same(plain, name)) {
        return Some(plain.to_owned());
    }
    if let Some((start, rest)) = name.split_at_checked(ATTRIBUTES.len())
        && same(start, ATTRIBUTES)
        && rest.len() > 1
        && rest.ends_with(']')
    {
        return Some(format!("{ATTRIBUTES}{rest}"));
    }
    certificate(name, same)
}

fn certificate(name: &str, same: fn(&str, &str) -> bool) -> Option<String> {
    for holder in ["iot:Certificate.Subject.", "iot:Certificate.Issuer."] {
        let Some((start, rest)) = name.split_at_checked(holder.len()) else {
            continue;
        };
        if !same(start, holder) {
            continue;
        }
        let (attribute, index) = match rest.rsplit_once('.') {
            Some((attribute, index))
                if !index.is_empty() && index.bytes().all(|digit| digit.is_ascii_digit()) =>
            {
                (attribute, format!(".{index}"))
            }
            _ => (rest, String::new()),
        };
        if let Some(right) = CERTIFICATE_ATTRIBUTES
            .into_iter()
            .find(|right| same(right, attribute))
        {
            return Some(format!("{holder}{right}{index}"));
        }
    }
    None
}

/// The variables of a text: the name and its bytes.
fn variables(text: &str) -> Vec<(&str, Range<usize>)> {
    let mut found = Vec::new();
    let mut from = 0_usize;
    while let Some(start) = text
        .get(from..)
        .and_then(|rest| rest.find("${"))
        .and_then(|at| from.checked_add(at)?.checked_add(2))
    {
        let Some(end) = text
            .get(start..)
            .and_then(|rest| rest.find('}'))
            .and_then(|at| start.checked_add(at))
        else {
            break;
        };
        let name = text.get(start..end).unwrap_or_default();
        if !matches!(name, "*" | "?" | "$") {
            found.push((name, start..end));
        }
        from = end;
    }
    found
}

impl Linter<'_> {
    pub(super) fn variables(&mut self) {
        for statement in self.statements {
            let actions = model::actions(statement);
            let values = statement
                .conditions
                .iter()
                .flat_map(|condition| &condition.values);
            for part in statement.resources.iter().chain(values) {
                for (name, bytes) in variables(&part.text) {
                    self.variable(part, name, bytes);
                }
                self.thing_variable(statement, &actions, part);
            }
        }
    }

    /// `TW-P016`, `TW-P017`
    fn variable(&mut self, part: &Part, name: &str, bytes: Range<usize>) {
        match Name::of(name) {
            Name::Known => {}
            Name::Multivalued => self.add_at(
                &rules::MULTIVALUED_VARIABLE,
                part,
                format!("`${{{name}}}` never has a value"),
                "compare the key in a Condition with ForAnyValue or ForAllValues instead"
                    .to_owned(),
                None,
            ),
            Name::OtherCase(right) => {
                let edit = self.edit(part, bytes, &right);
                self.add_at(
                    &rules::UNKNOWN_VARIABLE,
                    part,
                    format!(
                        "`${{{name}}}` never has a value; variables are compared with their case"
                    ),
                    format!("write `${{{right}}}`"),
                    edit,
                );
            }
            Name::Unknown => self.add_at(
                &rules::UNKNOWN_VARIABLE,
                part,
                format!("AWS IoT has no variable `{name}`"),
                "use one of those of C-39 to C-42, such as `${iot:Connection.Thing.ThingName}`"
                    .to_owned(),
                None,
            ),
        }
    }

    /// `TW-P018`, `TW-P019`
    fn thing_variable(&mut self, statement: &StatementPart, actions: &[Action], part: &Part) {
        let names = variables(&part.text);
        let Some((name, _)) = names.iter().find(|(name, _)| name.starts_with(THING)) else {
            if statement.effect == Some(Effect::Deny)
                && let Some((name, _)) = names
                    .iter()
                    .find(|(name, _)| name.starts_with("iot:Certificate."))
            {
                self.variable_in_deny(part, name);
            }
            return;
        };
        let is_https = |action: &Action| {
            matches!(
                action,
                Action::GetThingShadow
                    | Action::UpdateThingShadow
                    | Action::DeleteThingShadow
                    | Action::ListNamedShadowsForThing
                    | Action::DescribeJobExecution
                    | Action::GetPendingJobExecutions
                    | Action::StartNextPendingJobExecution
                    | Action::UpdateJobExecution
                    | Action::AssumeRoleWithCertificate
            )
        };
        if !actions.is_empty() && actions.iter().all(is_https) {
            self.add_at(
                &rules::THING_VARIABLE_ON_HTTPS,
                part,
                format!("`${{{name}}}` has no value here"),
                "name the thing, use a certificate variable, or allow the MQTT topics under `$aws/things/` instead".to_owned(),
                None,
            );
        } else if statement.effect == Some(Effect::Deny) {
            self.variable_in_deny(part, name);
        }
    }

    fn variable_in_deny(&mut self, part: &Part, name: &str) {
        self.add_at(
            &rules::VARIABLE_IN_DENY,
            part,
            format!("for a connection without `${{{name}}}` this denies nothing"),
            "make sure that the Allow needs the same variable, or requires iot:Connection.Thing.IsAttached".to_owned(),
            None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_what_they_are() {
        // C-39 to C-43; the engine must agree on what has a value at all.
        for (name, is) in [
            ("iot:ClientId", Name::Known),
            ("iot:Connection.Thing.Attributes[colour]", Name::Known),
            ("iot:Certificate.Subject.CommonName", Name::Known),
            ("iot:Certificate.Issuer.CommonName.2", Name::Known),
            (
                "iot:Certificate.Subject.AlternativeName.DNSName.1",
                Name::Known,
            ),
            ("iot:Certificate.Subject.CommonName.List", Name::Multivalued),
            ("iot:ConnectAttributes", Name::Multivalued),
            ("iot:clientid", Name::OtherCase("iot:ClientId".into())),
            (
                "IOT:connection.thing.thingname",
                Name::OtherCase("iot:Connection.Thing.ThingName".into()),
            ),
            (
                "iot:connection.thing.attributes[A]",
                Name::OtherCase("iot:Connection.Thing.Attributes[A]".into()),
            ),
            (
                "iot:certificate.subject.commonname.1",
                Name::OtherCase("iot:Certificate.Subject.CommonName.1".into()),
            ),
            ("iot:Oops", Name::Unknown),
            ("", Name::Unknown),
            ("é", Name::Unknown),
            ("iot:Connection.Thing.Attributes[]", Name::Unknown),
        ] {
            assert_eq!(Name::of(name), is, "{name}");
            let reason = thingwire_policy::Context::new("us-east-1", "123456789012").variable(name);
            let unknown = reason == Err("AWS IoT has no variable of that name".into());
            assert_eq!(
                unknown,
                matches!(is, Name::Unknown | Name::OtherCase(_)),
                "{name}: {reason:?}"
            );
        }
    }

    #[test]
    fn variables_with_their_bytes() {
        let text = "a/${iot:ClientId}/${*}/${x}${";
        let found = variables(text);
        assert_eq!(found, [("iot:ClientId", 4..16), ("x", 25..26)]);
        assert_eq!(&text[4..16], "iot:ClientId");
    }
}
