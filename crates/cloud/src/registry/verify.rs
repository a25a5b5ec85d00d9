//! Whether the registry's rows can be read and agree with each other: for a data folder that no cloud has open.
//!
//! A cloud that starts reads the same rows and refuses a damaged one; relations to something that is not there it would
//! keep without a word.

use std::collections::{BTreeMap, BTreeSet};

use thingwire_policy::Document;
use thingwire_store::{StoreError, Table};

use super::rows::{
    Attachment, CERTIFICATES, GROUP_MEMBERS, GROUP_POLICIES, POLICIES, POLICY_ATTACHMENTS,
    THING_GROUPS, THING_PRINCIPALS, THINGS, read,
};
use super::{AttachmentType, Certificate, Policy, Thing, ThingGroup};
use crate::pki;
use crate::storage::Entry;

/// What is there, by name.
#[derive(Default)]
struct Known {
    things: BTreeSet<String>,
    certificates: BTreeSet<String>,
    policies: BTreeSet<String>,
    /// With the group above.
    groups: BTreeMap<String, Option<String>>,
    /// Places in the orders of creation, with the record that has each.
    sequences: BTreeMap<(Table, u64), String>,
    /// Certificates that belong to one thing only, and how many things each has.
    exclusive: BTreeSet<String>,
    things_of: BTreeMap<String, usize>,
}

/// What is wrong, each with the place of its row in the list. Rows of other tables are left alone.
pub(crate) fn problems(entries: &[Entry]) -> Vec<(usize, String)> {
    let mut known = Known::default();
    let mut found = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        found.extend(known.learn(entry).err().map(|what| (place, what)));
    }
    for (place, entry) in entries.iter().enumerate() {
        found.extend(known.disagreement(entry).map(|what| (place, what)));
    }
    found
}

impl Known {
    /// Reads one row by itself.
    fn learn(&mut self, entry: &Entry) -> Result<(), String> {
        match entry.table {
            THINGS => {
                let thing: Thing = decode(entry)?;
                named(entry, &thing.name)?;
                self.things.insert(thing.name);
            }
            CERTIFICATES => {
                let certificate: Certificate = decode(entry)?;
                named(entry, &certificate.id)?;
                // Known, whatever is wrong with it: what hangs on it is not wrong as well.
                self.certificates.insert(certificate.id.clone());
                self.in_order(CERTIFICATES, certificate.sequence, &certificate.id)?;
                let info = pki::inspect(&certificate.pem).map_err(|error| error.to_string())?;
                if info.certificate_id != certificate.id {
                    return Err(format!(
                        "the certificate in it has the id {}",
                        info.certificate_id
                    ));
                }
            }
            POLICIES => {
                let policy: Policy = decode(entry)?;
                named(entry, &policy.name)?;
                self.policies.insert(policy.name.clone());
                self.in_order(POLICIES, policy.sequence, &policy.name)?;
                versions(&policy)?;
            }
            THING_GROUPS => {
                let group: ThingGroup = decode(entry)?;
                named(entry, &group.name)?;
                self.groups.insert(group.name, group.parent);
            }
            POLICY_ATTACHMENTS | GROUP_POLICIES | GROUP_MEMBERS => {
                let Attachment { .. } = decode(entry)?;
                pair(entry)?;
            }
            THING_PRINCIPALS => {
                let Attachment { kind } = decode(entry)?;
                let (_, certificate) = pair(entry)?;
                let things = self.things_of.entry(certificate.to_owned()).or_default();
                *things = things.saturating_add(1);
                if kind.ok_or("its type is missing")? == AttachmentType::ExclusiveThing {
                    self.exclusive.insert(certificate.to_owned());
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn in_order(&mut self, table: Table, sequence: u64, name: &str) -> Result<(), String> {
        match self.sequences.insert((table, sequence), name.to_owned()) {
            Some(other) => Err(format!(
                "it has place {sequence} in the order of creation, as `{other}` has"
            )),
            None => Ok(()),
        }
    }

    /// What one row says that others do not bear out. Of a row that cannot be read it was said already.
    fn disagreement(&self, entry: &Entry) -> Option<String> {
        let absent = |what: &str, there: bool, name: &str| {
            (!there).then(|| format!("there is no {what} `{name}`"))
        };
        let thing = |name: &str| absent("thing", self.things.contains(name), name);
        let certificate = |id: &str| absent("certificate", self.certificates.contains(id), id);
        let policy = |name: &str| absent("policy", self.policies.contains(name), name);
        let group = |name: &str| absent("thing group", self.groups.contains_key(name), name);
        match entry.table {
            POLICY_ATTACHMENTS => {
                let (one, other) = pair(entry).ok()?;
                certificate(one).or_else(|| policy(other))
            }
            GROUP_POLICIES => {
                let (one, other) = pair(entry).ok()?;
                group(one).or_else(|| policy(other))
            }
            GROUP_MEMBERS => {
                let (one, other) = pair(entry).ok()?;
                group(one).or_else(|| thing(other))
            }
            THING_PRINCIPALS => {
                let (one, other) = pair(entry).ok()?;
                thing(one).or_else(|| certificate(other)).or_else(|| {
                    let shared = self.things_of.get(other).is_some_and(|things| *things > 1);
                    (shared && self.exclusive.contains(other)).then(|| {
                        format!("certificate `{other}` belongs to one thing only and has several")
                    })
                })
            }
            THING_GROUPS => {
                let name = std::str::from_utf8(&entry.row.0).ok()?;
                let parent = self.groups.get(name)?.as_deref()?;
                group(parent).or_else(|| {
                    self.is_below_itself(name)
                        .then(|| format!("group `{name}` is below itself"))
                })
            }
            _ => None,
        }
    }

    fn is_below_itself(&self, name: &str) -> bool {
        let mut above = self.groups.get(name);
        for _ in 0..=self.groups.len() {
            match above {
                Some(Some(parent)) if parent == name => return true,
                Some(Some(parent)) => above = self.groups.get(parent),
                _ => return false,
            }
        }
        // Somebody above is below itself; it is said there.
        false
    }
}

fn decode<T: serde::de::DeserializeOwned>(entry: &Entry) -> Result<T, String> {
    read(entry.table, &entry.row.0, &entry.row.1).map_err(|error| match error {
        StoreError::Damaged(what) => what
            .rsplit_once("`: ")
            .map_or(what.clone(), |(_, why)| why.to_owned()),
        other => other.to_string(),
    })
}

fn named(entry: &Entry, name: &str) -> Result<(), String> {
    if entry.row.0 == name.as_bytes() {
        Ok(())
    } else {
        Err(format!("the record in it is called `{name}`"))
    }
}

fn pair(entry: &Entry) -> Result<(&str, &str), String> {
    std::str::from_utf8(&entry.row.0)
        .ok()
        .and_then(|text| text.split_once('/'))
        .ok_or_else(|| "the key is not a pair".to_owned())
}

fn versions(policy: &Policy) -> Result<(), String> {
    let default = policy.default_version;
    if !policy.versions.contains_key(&default) {
        return Err(format!("its operative version {default} is not there"));
    }
    if let Some(newest) = policy.versions.keys().next_back()
        && *newest >= policy.next_version
    {
        return Err(format!(
            "its next version {} was given already",
            policy.next_version
        ));
    }
    for (number, version) in &policy.versions {
        if let Err(error) = Document::parse(&version.document) {
            return Err(format!("version {number} is not a policy: {error}"));
        }
    }
    Ok(())
}
