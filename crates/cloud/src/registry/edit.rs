//! The changes a registry can undergo: each knows its row on disk and its effect in memory.
//!
//! Loading replays the rows through the same [`Edit::apply`], so what is read back after a restart is what was
//! there before it. Rows are JSON with a format number; keys are names, those of relations `<one>/<other>`
//! (no name can hold a `/`).

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thingwire_policy::Document;
use thingwire_store::{Store, StoreError, Table, Write};

use super::state::{PolicyEntry, State};
use super::{AttachmentType, Certificate, Policy, Thing};

const THINGS: Table = "registry.things";
const CERTIFICATES: Table = "registry.certificates";
const POLICIES: Table = "registry.policies";
const POLICY_ATTACHMENTS: Table = "registry.policy-attachments";
const THING_PRINCIPALS: Table = "registry.thing-principals";

/// Format of every row of these tables.
const FORMAT: u32 = 1;

/// One change.
#[derive(Debug)]
pub(super) enum Edit {
    /// A thing is new or changed.
    PutThing(Thing),
    /// A thing is gone. It has no principals.
    DeleteThing(String),
    /// A certificate is new or changed.
    PutCertificate(Certificate),
    /// A certificate is gone. It has neither policies nor things.
    DeleteCertificate(String),
    /// A policy is new or changed.
    PutPolicy(Policy),
    /// A policy is gone. It has no targets.
    DeletePolicy(String),
    /// A certificate gets a policy.
    AttachPolicy { certificate: String, policy: String },
    /// A certificate loses a policy.
    DetachPolicy { certificate: String, policy: String },
    /// A certificate is attached to a thing.
    AttachThing {
        thing: String,
        certificate: String,
        kind: AttachmentType,
    },
    /// A certificate is detached from a thing.
    DetachThing { thing: String, certificate: String },
}

#[derive(Serialize)]
struct RowOut<'a, T> {
    format: u32,
    #[serde(flatten)]
    record: &'a T,
}

#[derive(Deserialize)]
struct RowFormat {
    format: u32,
}

/// The value of a row of a relation.
#[derive(Serialize, Deserialize)]
struct Attachment {
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    kind: Option<AttachmentType>,
}

impl Edit {
    /// The row that makes it last.
    pub(super) fn write(&self) -> Result<Write, StoreError> {
        Ok(match self {
            Self::PutThing(thing) => put(THINGS, &thing.name, thing)?,
            Self::DeleteThing(name) => delete(THINGS, name),
            Self::PutCertificate(certificate) => put(CERTIFICATES, &certificate.id, certificate)?,
            Self::DeleteCertificate(id) => delete(CERTIFICATES, id),
            Self::PutPolicy(policy) => put(POLICIES, &policy.name, policy)?,
            Self::DeletePolicy(name) => delete(POLICIES, name),
            Self::AttachPolicy {
                certificate,
                policy,
            } => {
                let key = format!("{certificate}/{policy}");
                put(POLICY_ATTACHMENTS, &key, &Attachment { kind: None })?
            }
            Self::DetachPolicy {
                certificate,
                policy,
            } => delete(POLICY_ATTACHMENTS, &format!("{certificate}/{policy}")),
            Self::AttachThing {
                thing,
                certificate,
                kind,
            } => {
                let key = format!("{thing}/{certificate}");
                put(THING_PRINCIPALS, &key, &Attachment { kind: Some(*kind) })?
            }
            Self::DetachThing { thing, certificate } => {
                delete(THING_PRINCIPALS, &format!("{thing}/{certificate}"))
            }
        })
    }

    /// Whether a decision about some client may be another after it. What nothing is attached to yet decides nothing.
    pub(super) fn alters_decisions(&self, before: &State) -> bool {
        match self {
            Self::PutThing(thing) => before.principals_of.contains_key(&thing.name),
            Self::PutPolicy(policy) => before.targets_of.contains_key(&policy.name),
            Self::PutCertificate(certificate) => before.certificates.contains_key(&certificate.id),
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
            Self::AttachPolicy {
                certificate,
                policy,
            } => {
                state
                    .policies_of
                    .entry(certificate.clone())
                    .or_default()
                    .insert(policy.clone());
                state
                    .targets_of
                    .entry(policy)
                    .or_default()
                    .insert(certificate);
            }
            Self::DetachPolicy {
                certificate,
                policy,
            } => {
                if let Some(names) = state.policies_of.get_mut(&certificate) {
                    names.remove(&policy);
                    if names.is_empty() {
                        state.policies_of.remove(&certificate);
                    }
                }
                if let Some(ids) = state.targets_of.get_mut(&policy) {
                    ids.remove(&certificate);
                    if ids.is_empty() {
                        state.targets_of.remove(&policy);
                    }
                }
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

/// Reads everything back.
///
/// # Errors
/// [`StoreError`] when the store cannot be read, a row is damaged, or a newer program wrote it.
pub(super) fn load(store: &dyn Store) -> Result<State, StoreError> {
    let mut state = State::default();
    for (key, value) in store.scan(THINGS, b"")? {
        Edit::PutThing(read(THINGS, &key, &value)?).apply(&mut state);
    }
    for (key, value) in store.scan(CERTIFICATES, b"")? {
        Edit::PutCertificate(read(CERTIFICATES, &key, &value)?).apply(&mut state);
    }
    for (key, value) in store.scan(POLICIES, b"")? {
        Edit::PutPolicy(read(POLICIES, &key, &value)?).apply(&mut state);
    }
    for (key, value) in store.scan(POLICY_ATTACHMENTS, b"")? {
        let Attachment { .. } = read(POLICY_ATTACHMENTS, &key, &value)?;
        let (certificate, policy) = pair(POLICY_ATTACHMENTS, &key)?;
        Edit::AttachPolicy {
            certificate,
            policy,
        }
        .apply(&mut state);
    }
    for (key, value) in store.scan(THING_PRINCIPALS, b"")? {
        let Attachment { kind } = read(THING_PRINCIPALS, &key, &value)?;
        let (thing, certificate) = pair(THING_PRINCIPALS, &key)?;
        let kind = kind.ok_or_else(|| damaged(THING_PRINCIPALS, &key, "its type is missing"))?;
        Edit::AttachThing {
            thing,
            certificate,
            kind,
        }
        .apply(&mut state);
    }
    Ok(state)
}

fn put<T: Serialize>(table: Table, key: &str, record: &T) -> Result<Write, StoreError> {
    let row = RowOut {
        format: FORMAT,
        record,
    };
    let value = serde_json::to_vec(&row)
        .map_err(|error| StoreError::Io(Arc::new(std::io::Error::other(error))))?;
    Ok(Write::Put {
        table,
        key: key.as_bytes().to_vec(),
        value,
    })
}

fn delete(table: Table, key: &str) -> Write {
    Write::Delete {
        table,
        key: key.as_bytes().to_vec(),
    }
}

fn read<T: DeserializeOwned>(table: Table, key: &[u8], value: &[u8]) -> Result<T, StoreError> {
    let RowFormat { format } =
        serde_json::from_slice(value).map_err(|error| damaged(table, key, &error.to_string()))?;
    if format > FORMAT {
        return Err(StoreError::Newer {
            found: format,
            known: FORMAT,
        });
    }
    serde_json::from_slice(value).map_err(|error| damaged(table, key, &error.to_string()))
}

fn pair(table: Table, key: &[u8]) -> Result<(String, String), StoreError> {
    std::str::from_utf8(key)
        .ok()
        .and_then(|text| text.split_once('/'))
        .map(|(one, other)| (one.to_owned(), other.to_owned()))
        .ok_or_else(|| damaged(table, key, "the key is not a pair"))
}

fn damaged(table: Table, key: &[u8], why: &str) -> StoreError {
    StoreError::Damaged(format!(
        "table {table}, row `{}`: {why}",
        String::from_utf8_lossy(key)
    ))
}
