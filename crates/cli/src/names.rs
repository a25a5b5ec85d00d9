//! Names as people type them, checked before anything is sent.

use thingwire_contract::name;

/// A thing name (`G-9`).
pub(crate) fn thing(text: &str) -> Result<String, String> {
    checked(&name::THING, text)
}

/// A policy name (`C-6`).
pub(crate) fn policy(text: &str) -> Result<String, String> {
    checked(&name::POLICY, text)
}

fn checked(rule: &'static name::Rule, text: &str) -> Result<String, String> {
    rule.check(text).map(ToOwned::to_owned).map_err(|error| error.to_string())
}
