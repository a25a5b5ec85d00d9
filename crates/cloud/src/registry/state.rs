//! What is registered, in memory, with the ways back of every relation.
//!
//! Only [`super::edit`] changes it, so both directions of an attachment always agree.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use thingwire_policy::Document;

use super::{AttachmentType, Certificate, Policy, RegistryError, Thing};

/// A policy and its operative document, read once.
///
/// A stored document that this version of the engine cannot read stays an error, and a client with such a policy is denied
/// everything: leaving the policy out could leave out a Deny.
#[derive(Debug)]
pub(super) struct PolicyEntry {
    pub(super) policy: Policy,
    pub(super) document: Result<Arc<Document>, String>,
}

/// Everything registered.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) things: BTreeMap<String, Arc<Thing>>,
    pub(super) certificates: HashMap<String, Arc<Certificate>>,
    /// Certificate ids in the order of creation.
    pub(super) certificates_by_age: BTreeMap<u64, String>,
    pub(super) policies: HashMap<String, Arc<PolicyEntry>>,
    /// Policy names in the order of creation.
    pub(super) policies_by_age: BTreeMap<u64, String>,
    /// Certificate id → names of its policies.
    pub(super) policies_of: HashMap<String, BTreeSet<String>>,
    /// Policy name → ids of its certificates.
    pub(super) targets_of: HashMap<String, BTreeSet<String>>,
    /// Thing name → ids of its certificates.
    pub(super) principals_of: HashMap<String, BTreeMap<String, AttachmentType>>,
    /// Certificate id → names of its things.
    pub(super) things_of: HashMap<String, BTreeMap<String, AttachmentType>>,
    /// The next place in an order of creation.
    pub(super) next_sequence: u64,
}

impl State {
    pub(super) fn thing(&self, name: &str) -> Result<&Arc<Thing>, RegistryError> {
        self.things
            .get(name)
            .ok_or_else(|| RegistryError::NotFound(format!("Thing {name} not found")))
    }

    pub(super) fn certificate(&self, id: &str) -> Result<&Arc<Certificate>, RegistryError> {
        self.certificates
            .get(id)
            .ok_or_else(|| RegistryError::NotFound(format!("Certificate {id} not found")))
    }

    pub(super) fn policy(&self, name: &str) -> Result<&Arc<PolicyEntry>, RegistryError> {
        self.policies
            .get(name)
            .ok_or_else(|| RegistryError::NotFound(format!("Policy not found (name={name})")))
    }
}
