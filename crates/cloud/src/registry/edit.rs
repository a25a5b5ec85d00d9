//! The changes a registry can undergo, and what each does to what is in memory.
//!
//! [`super::rows`] knows the row of each on disk. A change of several edits is one batch there; here they are applied in order.

use std::sync::Arc;

use thingwire_policy::Document;

use super::state::{PolicyEntry, State};
use super::{AttachmentType, Certificate, Policy, PolicyTarget, Thing, ThingGroup};

/// One change.
#[derive(Debug)]
pub(super) enum Edit {
    /// A thing is new or changed.
    PutThing(Thing),
    /// A thing is gone. It has no principals and is in no group.
    DeleteThing(String),
    /// A certificate is new or changed.
    PutCertificate(Certificate),
    /// A certificate is gone. It has neither policies nor things.
    DeleteCertificate(String),
    /// A policy is new or changed.
    PutPolicy(Policy),
    /// A policy is gone. It has no targets.
    DeletePolicy(String),
    /// A thing group is new or changed.
    PutGroup(ThingGroup),
    /// A thing group is gone. It has neither policies nor members nor groups below it.
    DeleteGroup(String),
    /// A thing comes into a group.
    AddMember { group: String, thing: String },
    /// A thing leaves a group.
    RemoveMember { group: String, thing: String },
    /// A certificate or a group gets a policy.
    AttachPolicy {
        target: PolicyTarget,
        policy: String,
    },
    /// A certificate or a group loses a policy.
    DetachPolicy {
        target: PolicyTarget,
        policy: String,
    },
    /// A certificate is attached to a thing.
    AttachThing {
        thing: String,
        certificate: String,
        kind: AttachmentType,
    },
    /// A certificate is detached from a thing.
    DetachThing { thing: String, certificate: String },
}

impl Edit {
    /// Whether a decision about some client may be another after it. What nothing is attached to yet decides nothing.
    pub(super) fn alters_decisions(&self, before: &State) -> bool {
        match self {
            Self::PutThing(thing) => before.principals_of.contains_key(&thing.name),
            Self::PutPolicy(policy) => before.attached_policies.lefts(&policy.name).is_some(),
            Self::PutCertificate(certificate) => before.certificates.contains_key(&certificate.id),
            // A group decides by its policies and members, and those come and go by edits of their own.
            Self::PutGroup(_) | Self::DeleteGroup(_) => false,
            Self::AddMember { thing, .. } | Self::RemoveMember { thing, .. } => {
                before.principals_of.contains_key(thing)
            }
            Self::DeleteThing(_) | Self::DeletePolicy(_) => false,
            Self::DeleteCertificate(_)
            | Self::AttachPolicy { .. }
            | Self::DetachPolicy { .. }
            | Self::AttachThing { .. }
            | Self::DetachThing { .. } => true,
        }
    }

    /// Its effect.
    pub(super) fn apply(self, state: &mut State) {
        match self {
            Self::PutThing(thing) => {
                state.things.insert(thing.name.clone(), Arc::new(thing));
            }
            Self::DeleteThing(name) => {
                state.things.remove(&name);
            }
            Self::PutCertificate(certificate) => {
                state.next_sequence = state
                    .next_sequence
                    .max(certificate.sequence.saturating_add(1));
                state
                    .certificates_by_age
                    .insert(certificate.sequence, certificate.id.clone());
                state
                    .certificates
                    .insert(certificate.id.clone(), Arc::new(certificate));
            }
            Self::DeleteCertificate(id) => {
                if let Some(certificate) = state.certificates.remove(&id) {
                    state.certificates_by_age.remove(&certificate.sequence);
                }
            }
            Self::PutPolicy(policy) => {
                state.next_sequence = state.next_sequence.max(policy.sequence.saturating_add(1));
                state
                    .policies_by_age
                    .insert(policy.sequence, policy.name.clone());
                let document = match policy.versions.get(&policy.default_version) {
                    Some(version) => Document::parse(&version.document)
                        .map(Arc::new)
                        .map_err(|error| error.to_string()),
                    None => Err("the default version is missing".to_owned()),
                };
                if let Err(error) = &document {
                    tracing::warn!(policy = %policy.name, %error, "a stored policy cannot be read; its clients are denied everything");
                }
                state.policies.insert(
                    policy.name.clone(),
                    Arc::new(PolicyEntry { policy, document }),
                );
            }
            Self::DeletePolicy(name) => {
                if let Some(entry) = state.policies.remove(&name) {
                    state.policies_by_age.remove(&entry.policy.sequence);
                }
            }
            Self::PutGroup(group) => {
                if let Some(parent) = &group.parent {
                    state
                        .child_groups
                        .insert(parent.clone(), group.name.clone());
                }
                state.groups.insert(group.name.clone(), Arc::new(group));
            }
            Self::DeleteGroup(name) => {
                let group = state.groups.remove(&name);
                if let Some(parent) = group.and_then(|group| group.parent.clone()) {
                    state.child_groups.remove(&parent, &name);
                }
            }
            Self::AddMember { group, thing } => state.members.insert(group, thing),
            Self::RemoveMember { group, thing } => state.members.remove(&group, &thing),
            Self::AttachPolicy { target, policy } => {
                state.attached_policies.insert(target, policy);
            }
            Self::DetachPolicy { target, policy } => {
                state.attached_policies.remove(&target, &policy);
            }
            Self::AttachThing {
                thing,
                certificate,
                kind,
            } => {
                state
                    .principals_of
                    .entry(thing.clone())
                    .or_default()
                    .insert(certificate.clone(), kind);
                state
                    .things_of
                    .entry(certificate)
                    .or_default()
                    .insert(thing, kind);
            }
            Self::DetachThing { thing, certificate } => {
                if let Some(ids) = state.principals_of.get_mut(&thing) {
                    ids.remove(&certificate);
                    if ids.is_empty() {
                        state.principals_of.remove(&thing);
                    }
                }
                if let Some(names) = state.things_of.get_mut(&certificate) {
                    names.remove(&thing);
                    if names.is_empty() {
                        state.things_of.remove(&certificate);
                    }
                }
            }
        }
    }
}
