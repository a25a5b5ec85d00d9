//! What is registered, in memory, with the ways back of every relation.
//!
//! Only [`super::edit`] changes it, so both directions of an attachment always agree.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use thingwire_policy::Document;

use super::relation::Relation;
use super::{AttachmentType, Certificate, Policy, PolicyTarget, RegistryError, Thing, ThingGroup};

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
    /// What policies are attached to, and their names.
    pub(super) attached_policies: Relation<PolicyTarget, String>,
    pub(super) groups: BTreeMap<String, Arc<ThingGroup>>,
    /// Names of groups and of the groups directly below them.
    pub(super) child_groups: Relation<String, String>,
    /// Names of groups and of the things that are in them themselves.
    pub(super) members: Relation<String, String>,
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

    pub(super) fn group(&self, name: &str) -> Result<&Arc<ThingGroup>, RegistryError> {
        self.groups
            .get(name)
            .ok_or_else(|| RegistryError::NotFound(format!("Thing group {name} not found")))
    }

    /// A group and its ancestors, from the group up to the root; empty if there is no such group.
    pub(super) fn lineage<'s>(&'s self, name: &str) -> impl Iterator<Item = &'s Arc<ThingGroup>> {
        // A parent is older than its child, so this ends.
        std::iter::successors(self.groups.get(name), |group| {
            self.groups.get(group.parent.as_deref()?)
        })
    }

    /// The groups of a thing with their ancestors, each once, in the order of their names (`C-8`).
    pub(super) fn groups_of_thing(&self, thing: &str) -> BTreeSet<&str> {
        let own = self.members.lefts(thing).into_iter().flatten();
        own.flat_map(|group| self.lineage(group))
            .map(|group| group.name.as_str())
            .collect()
    }

    /// A group and all groups below it, in the order of their names.
    pub(super) fn with_descendants<'s>(&'s self, name: &'s str) -> BTreeSet<&'s str> {
        let mut found = BTreeSet::from([name]);
        let mut open = vec![name];
        while let Some(group) = open.pop() {
            for child in self.child_groups.rights(group).into_iter().flatten() {
                if found.insert(child) {
                    open.push(child);
                }
            }
        }
        found
    }

    /// The names of the policies attached to a group and to its ancestors.
    pub(super) fn policies_of_group(&self, name: &str) -> BTreeSet<&str> {
        self.lineage(name)
            .filter_map(|group| {
                let target = PolicyTarget::ThingGroup(group.name.clone());
                self.attached_policies.rights(&target)
            })
            .flatten()
            .map(String::as_str)
            .collect()
    }

    /// The names of the policies that a thing has from its groups and their ancestors (`C-8`).
    pub(super) fn policies_of_thing(&self, thing: &str) -> BTreeSet<&str> {
        let own = self.members.lefts(thing).into_iter().flatten();
        own.flat_map(|group| self.policies_of_group(group))
            .collect()
    }

    /// The names of the policies attached to a certificate or group; of a group also those of its ancestors, if
    /// `recursive`.
    pub(super) fn policies_of_target(
        &self,
        target: &PolicyTarget,
        recursive: bool,
    ) -> Result<BTreeSet<&str>, RegistryError> {
        match target {
            PolicyTarget::Certificate(id) => {
                self.certificate(id)?;
            }
            PolicyTarget::ThingGroup(name) => {
                self.group(name)?;
                if recursive {
                    return Ok(self.policies_of_group(name));
                }
            }
        }
        let own = self.attached_policies.rights(target);
        Ok(own.into_iter().flatten().map(String::as_str).collect())
    }
}
