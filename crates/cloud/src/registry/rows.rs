//! The registry on disk: one row for each record and each pair of a relation.
//!
//! Loading replays the rows through the same [`Edit::apply`] as changes, so what is read back after a restart is what was
//! there before it. Rows are JSON with a format number; keys are names, those of relations `<one>/<other>`
//! (no name can hold a `/`).

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thingwire_store::{Store, StoreError, Table, Write};

use super::edit::Edit;
use super::state::State;
use super::{AttachmentType, PolicyTarget};

pub(super) const THINGS: Table = "registry.things";
pub(super) const CERTIFICATES: Table = "registry.certificates";
pub(super) const POLICIES: Table = "registry.policies";
pub(super) const THING_GROUPS: Table = "registry.thing-groups";
/// Certificate and policy.
pub(super) const POLICY_ATTACHMENTS: Table = "registry.policy-attachments";
/// Thing group and policy.
pub(super) const GROUP_POLICIES: Table = "registry.thing-group-policies";
pub(super) const THING_PRINCIPALS: Table = "registry.thing-principals";
/// Thing group and thing.
pub(super) const GROUP_MEMBERS: Table = "registry.thing-group-members";

/// All of them, in the order in which their rows need each other.
pub(crate) const TABLES: [Table; 8] = [
    THINGS,
    CERTIFICATES,
    POLICIES,
    POLICY_ATTACHMENTS,
    THING_GROUPS,
    GROUP_POLICIES,
    GROUP_MEMBERS,
    THING_PRINCIPALS,
];

/// Format of every row of these tables.
const FORMAT: u32 = 1;

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
pub(super) struct Attachment {
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<AttachmentType>,
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
            Self::PutGroup(group) => put(THING_GROUPS, &group.name, group)?,
            Self::DeleteGroup(name) => delete(THING_GROUPS, name),
            Self::AddMember { group, thing } => {
                let key = format!("{group}/{thing}");
                put(GROUP_MEMBERS, &key, &Attachment { kind: None })?
            }
            Self::RemoveMember { group, thing } => {
                delete(GROUP_MEMBERS, &format!("{group}/{thing}"))
            }
            Self::AttachPolicy { target, policy } => {
                let (table, key) = attachment(target, policy);
                put(table, &key, &Attachment { kind: None })?
            }
            Self::DetachPolicy { target, policy } => {
                let (table, key) = attachment(target, policy);
                delete(table, &key)
            }
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
        let target = PolicyTarget::Certificate(certificate);
        Edit::AttachPolicy { target, policy }.apply(&mut state);
    }
    for (key, value) in store.scan(THING_GROUPS, b"")? {
        Edit::PutGroup(read(THING_GROUPS, &key, &value)?).apply(&mut state);
    }
    for (key, value) in store.scan(GROUP_POLICIES, b"")? {
        let Attachment { .. } = read(GROUP_POLICIES, &key, &value)?;
        let (group, policy) = pair(GROUP_POLICIES, &key)?;
        let target = PolicyTarget::ThingGroup(group);
        Edit::AttachPolicy { target, policy }.apply(&mut state);
    }
    for (key, value) in store.scan(GROUP_MEMBERS, b"")? {
        let Attachment { .. } = read(GROUP_MEMBERS, &key, &value)?;
        let (group, thing) = pair(GROUP_MEMBERS, &key)?;
        Edit::AddMember { group, thing }.apply(&mut state);
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

/// Certificates and groups have tables of their own: a group can be called like a certificate.
fn attachment(target: &PolicyTarget, policy: &str) -> (Table, String) {
    match target {
        PolicyTarget::Certificate(id) => (POLICY_ATTACHMENTS, format!("{id}/{policy}")),
        PolicyTarget::ThingGroup(name) => (GROUP_POLICIES, format!("{name}/{policy}")),
    }
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

pub(super) fn read<T: DeserializeOwned>(
    table: Table,
    key: &[u8],
    value: &[u8],
) -> Result<T, StoreError> {
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
