//! Runs the expectations: the engine decides each, and the report says what differs and why.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde::Serialize;
use thingwire_policy::{Context, PolicySet, Request};

use super::{Device, Suite};
use crate::policy::Policy;

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// One for each expectation, in their order.
    pub cases: Vec<Case>,
}

/// One expectation or vector and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    /// The expectation in words, or the vector's id.
    pub name: String,
    /// The group it belongs to: the device, or the policy.
    pub group: String,
    /// The line it stands on; 0 if that is not known.
    pub line: usize,
    /// Whether the decision is the expected one.
    pub passed: bool,
    /// What was expected.
    pub expected: String,
    /// The decision, in the words of the AWS API.
    pub decision: String,
    /// Why, in one line.
    pub reason: String,
}

impl Report {
    /// How many are not as expected.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.cases.iter().filter(|case| !case.passed).count()
    }
}

impl Suite {
    /// The policies that apply to a device: those given, those of the suite, its own.
    #[must_use]
    pub fn policies_of<'p>(
        &self,
        device: &Device,
        given: &'p [Policy],
        files: &'p BTreeMap<String, Policy>,
    ) -> Vec<&'p Policy> {
        let named = self.policies.iter().chain(&device.policies);
        given
            .iter()
            .chain(named.filter_map(|file| files.get(file)))
            .collect()
    }

    /// Decides every expectation. `given` are policies beyond those that the suite names; `files` are the latter.
    #[must_use]
    pub fn run(
        &self,
        given: &[Policy],
        files: &BTreeMap<String, Policy>,
        region: &str,
        account: &str,
    ) -> Report {
        let compiled: Vec<PolicySet> = self
            .devices
            .iter()
            .map(|device| {
                let context: Context = device.context(region, account);
                PolicySet::compile(
                    self.policies_of(device, given, files)
                        .into_iter()
                        .map(|policy| (policy.name.as_str(), &policy.document)),
                    &context,
                )
            })
            .collect();
        let cases = self.expectations.iter().filter_map(|expectation| {
            let request = Request {
                topic: expectation.topic.as_deref(),
                include_socket_information: None,
            };
            let explanation = compiled.get(expectation.device)?.explain(
                expectation.action,
                &expectation.resource,
                &request,
            );
            Some(Case {
                name: expectation.text.clone(),
                group: self.devices.get(expectation.device)?.name.clone(),
                line: expectation.line,
                passed: expectation.expected.is_met_by(explanation.outcome),
                expected: expectation.expected.words().into(),
                decision: explanation.outcome.name().into(),
                reason: explanation.to_string(),
            })
        });
        Report {
            cases: cases.collect(),
        }
    }
}
