//! Expectations of policies, run like unit tests: "device `a` may publish `b`".
//!
//! [`Suite::parse`] reads the line format or the same as JSON; [`Suite::run`] asks the engine. The format is
//! documented in docs/policy-expectations.md. Reading cannot panic; each error names line and column.

mod json;
mod line;
mod run;

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use thingwire_policy::{Action, CERTIFICATE_ATTRIBUTES, Context, Outcome, Thing};

use crate::one_line::one_line;

pub use run::{Case, Report};

/// A file of expectations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suite {
    /// The cloud's region, if the file says one.
    pub region: Option<String>,
    /// The cloud's account, if the file says one.
    pub account: Option<String>,
    /// Policy files that apply to every device, as written.
    pub policies: Vec<String>,
    /// Devices that are described or mentioned, in the order of their first mention.
    pub devices: Vec<Device>,
    /// The expectations, in their order.
    pub expectations: Vec<Expectation>,
}

/// A device: what is known of its connection.
///
/// One that is only mentioned is the usual one: its client id and its thing have its name, and its certificate is
/// attached to the thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// What the file calls it.
    pub name: String,
    /// Client identifier.
    pub client_id: Option<String>,
    /// Things in the registry, as its certificate sees them.
    pub things: Vec<Thing>,
    /// Whether it speaks MQTT; HTTPS otherwise (`C-40`).
    pub mqtt: bool,
    /// Certificate id.
    pub certificate_id: Option<String>,
    /// Serial number of the certificate.
    pub serial_number: Option<String>,
    /// Attributes of the certificate's subject.
    pub subject: Vec<(String, String)>,
    /// Attributes of the certificate's issuer.
    pub issuer: Vec<(String, String)>,
    /// Its address.
    pub source_ip: Option<IpAddr>,
    /// The domain it connects to.
    pub domain_name: Option<String>,
    /// Whether it asks for a persistent session (`C-37`).
    pub persistent: bool,
    /// The topic of its Will (`C-37`).
    pub last_will_topic: Option<String>,
    /// Policy files of this device alone, as written.
    pub policies: Vec<String>,
}

/// One expectation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The line it stands on, counted from 1.
    pub line: usize,
    /// The device's index in the suite.
    pub device: usize,
    /// What is expected.
    pub expected: Expected,
    /// The action.
    pub action: Action,
    /// The resource: the last part of an ARN, or a whole one.
    pub resource: String,
    /// `iot:Topic`, for direct messages.
    pub topic: Option<String>,
    /// It in words.
    pub text: String,
}

/// What is expected of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// `may`: allowed.
    May,
    /// `may not`: denied, in whichever way.
    MayNot,
    /// `may never`: denied by an explicit Deny.
    Never,
}

/// What is wrong with a file of expectations, and where. Its author must change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuiteError {
    /// Line, counted from 1.
    pub line: usize,
    /// Character of the line, counted from 1.
    pub column: usize,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl fmt::Display for SuiteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}, column {}: {}",
            self.line,
            self.column,
            one_line(&self.message)
        )
    }
}

impl core::error::Error for SuiteError {}

impl Suite {
    /// Reads a file: JSON if it begins with `{`, the line format otherwise.
    ///
    /// # Errors
    /// [`SuiteError`] with the place of the first thing that has no meaning.
    pub fn parse(text: &str) -> Result<Self, SuiteError> {
        // Editors on Windows put a byte order mark first.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim_start().starts_with('{') {
            json::parse(text)
        } else {
            line::parse(text)
        }
    }

    /// The files of all policies that the suite names, each once.
    #[must_use]
    pub fn policy_files(&self) -> Vec<&str> {
        let mut files: Vec<&str> = Vec::new();
        let of_devices = self.devices.iter().flat_map(|device| &device.policies);
        for file in self.policies.iter().chain(of_devices) {
            if !files.contains(&file.as_str()) {
                files.push(file);
            }
        }
        files
    }

    /// The index of the device with this name; a new one if it was never mentioned.
    fn device(&mut self, name: &str) -> usize {
        if let Some(known) = self.devices.iter().position(|device| device.name == name) {
            return known;
        }
        self.devices.push(Device::named(name));
        self.devices.len().saturating_sub(1)
    }
}

impl Device {
    /// The usual device of this name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            client_id: Some(name.to_owned()),
            things: Vec::from([Thing::attached(name)]),
            mqtt: true,
            certificate_id: None,
            serial_number: None,
            subject: Vec::new(),
            issuer: Vec::new(),
            source_ip: None,
            domain_name: None,
            persistent: false,
            last_will_topic: None,
            policies: Vec::new(),
        }
    }

    /// What the engine has to know of its connection.
    #[must_use]
    pub fn context(&self, region: &str, account: &str) -> Context {
        let mut context = Context::new(region, account);
        context.mqtt = self.mqtt;
        context.client_id.clone_from(&self.client_id);
        context.certificate_id.clone_from(&self.certificate_id);
        context
            .certificate_serial_number
            .clone_from(&self.serial_number);
        for (attribute, value) in &self.subject {
            context.subject.add(attribute, value);
        }
        for (attribute, value) in &self.issuer {
            context.issuer.add(attribute, value);
        }
        context.source_ip = self.source_ip;
        context.domain_name.clone_from(&self.domain_name);
        context.things.clone_from(&self.things);
        context.persistent = self.persistent;
        context.last_will_topic.clone_from(&self.last_will_topic);
        context
    }
}

impl Expected {
    /// Whether a decision is the expected one.
    #[must_use]
    pub const fn is_met_by(self, outcome: Outcome) -> bool {
        match self {
            Self::May => matches!(outcome, Outcome::Allowed),
            Self::MayNot => matches!(outcome, Outcome::ImplicitDeny | Outcome::ExplicitDeny),
            Self::Never => matches!(outcome, Outcome::ExplicitDeny),
        }
    }

    /// As files write it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::May => "may",
            Self::MayNot => "may not",
            Self::Never => "may never",
        }
    }
}

/// The certificate attribute with this name (`C-42`), whatever its case.
#[must_use]
pub fn certificate_attribute(name: &str) -> Option<&'static str> {
    CERTIFICATE_ATTRIBUTES
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests;
