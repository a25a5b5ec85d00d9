//! Names as people type them, checked before anything is sent.

use thingwire_contract::name;

/// A thing name (`G-9`).
pub(crate) fn thing(text: &str) -> Result<String, String> {
    checked(&name::THING, text)
}

/// A thing group name (`G-19`).
pub(crate) fn thing_group(text: &str) -> Result<String, String> {
    checked(&name::THING_GROUP, text)
}

/// A policy name (`C-6`).
pub(crate) fn policy(text: &str) -> Result<String, String> {
    checked(&name::POLICY, text)
}

/// An MQTT client id (`B-11`).
pub(crate) fn client(text: &str) -> Result<String, String> {
    checked(&name::CLIENT_ID, text)
}

/// An AWS region.
pub(crate) fn region(text: &str) -> Result<String, String> {
    checked(&name::REGION, text)
}

/// An account id, 12 digits.
pub(crate) fn account(text: &str) -> Result<String, String> {
    checked(&name::ACCOUNT, text)
}

fn checked(rule: &'static name::Rule, text: &str) -> Result<String, String> {
    rule.check(text)
        .map(ToOwned::to_owned)
        .map_err(|error| error.to_string())
}
