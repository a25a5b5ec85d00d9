//! Policies and their versions (`C-4`, `C-6`, `G-15`).
//!
//! A document is read by the policy engine before anything is stored: one that the engine cannot enforce
//! is refused here, with the place named (`C-2`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use thingwire_contract::limit::POLICY_VERSIONS;
use thingwire_policy::{Document, PolicyError};

use super::certificates::by_age;
use super::{
    Edit, Page, PageRequest, Policy, PolicyTarget, PolicyVersion, Registry, RegistryError,
    Timestamp, names, new_uuid,
};

impl Registry {
    /// Makes a policy with version 1.
    ///
    /// # Errors
    /// Invalid name, `MalformedPolicy` (`C-2`), `AlreadyExists` (`G-15`), Store.
    pub fn create_policy(
        &self,
        name: &str,
        document: &str,
        now: Timestamp,
    ) -> Result<Policy, RegistryError> {
        names::policy_name(name)?;
        self.check_document(name, document)?;
        self.change(|state| {
            if state.policies.contains_key(name) {
                return Err(RegistryError::AlreadyExists {
                    message: format!(
                        "Policy cannot be created - name already exists (name={name})"
                    ),
                    id: name.to_owned(),
                    arn: self.place.policy_arn(name),
                });
            }
            let version = PolicyVersion {
                document: document.to_owned(),
                created: now,
            };
            let policy = Policy {
                name: name.to_owned(),
                versions: BTreeMap::from([(1, version)]),
                default_version: 1,
                next_version: 2,
                created: now,
                modified: now,
                generation_id: new_uuid(),
                sequence: state.next_sequence,
            };
            Ok((vec![Edit::PutPolicy(policy.clone())], policy))
        })
    }

    /// The policy of that name.
    ///
    /// # Errors
    /// Invalid name, `NotFound`.
    pub fn policy(&self, name: &str) -> Result<Policy, RegistryError> {
        names::policy_name(name)?;
        Ok(self.read().policy(name)?.policy.clone())
    }

    /// The operative document of a policy as the engine reads it, or why it cannot be read.
    ///
    /// # Errors
    /// Invalid name, `NotFound`.
    pub fn operative_document(
        &self,
        name: &str,
    ) -> Result<Result<Arc<Document>, String>, RegistryError> {
        names::policy_name(name)?;
        Ok(self.read().policy(name)?.document.clone())
    }

    /// The policies that decide about a principal as a thing, by name, each once: those attached to the certificate or group
    /// itself, to the thing's groups, and to the ancestors of all these groups (`C-8`, `C-57`).
    ///
    /// # Errors
    /// `NotFound` for either.
    pub fn effective_policies(
        &self,
        principal: Option<&PolicyTarget>,
        thing: Option<&str>,
    ) -> Result<Vec<Policy>, RegistryError> {
        let state = self.read();
        let mut names = BTreeSet::new();
        if let Some(thing) = thing {
            state.thing(thing)?;
            names.extend(state.policies_of_thing(thing));
        }
        if let Some(principal) = principal {
            names.extend(state.policies_of_target(principal, true)?);
        }
        names
            .into_iter()
            .map(|name| Ok(state.policy(name)?.policy.clone()))
            .collect()
    }

    /// Names of policies in the order of creation, oldest first if `ascending`.
    ///
    /// # Errors
    /// Invalid token.
    pub fn policies(
        &self,
        ascending: bool,
        page: &PageRequest,
    ) -> Result<Page<String>, RegistryError> {
        let list = if ascending {
            "policies"
        } else {
            "policies, newest first"
        };
        let after = page.after_number(list)?;
        let state = self.read();
        let rows = by_age(&state.policies_by_age, after, ascending)
            .map(|(place, name)| (place.to_string(), name.clone()));
        Ok(page.take(list, rows))
    }

    /// Deletes a policy that has no targets and no version but the default one (`G-15`).
    ///
    /// # Errors
    /// `NotFound`, `DeleteConflict`, Store.
    pub fn delete_policy(&self, name: &str) -> Result<(), RegistryError> {
        names::policy_name(name)?;
        self.change(|state| {
            let entry = state.policy(name)?;
            if state.attached_policies.lefts(name).is_some() {
                return Err(RegistryError::DeleteConflict(format!(
                    "The policy cannot be deleted as the policy is attached to one or more principals (name={name})"
                )));
            }
            if entry.policy.versions.len() > 1 {
                return Err(RegistryError::DeleteConflict(format!(
                    "Cannot delete the policy because it has one or more policy versions attached to it (name={name})"
                )));
            }
            Ok((vec![Edit::DeletePolicy(name.to_owned())], ()))
        })
    }

    /// Adds a version and gives its id (`C-4`).
    ///
    /// # Errors
    /// `MalformedPolicy`, `NotFound`, `VersionsLimit`, Store.
    pub fn create_policy_version(
        &self,
        name: &str,
        document: &str,
        as_default: bool,
        now: Timestamp,
    ) -> Result<u32, RegistryError> {
        names::policy_name(name)?;
        self.check_document(name, document)?;
        self.change_policy(name, now, |policy| {
            if policy.versions.len() >= POLICY_VERSIONS {
                return Err(RegistryError::VersionsLimit(format!(
                    "The policy {name} already has the maximum number of versions ({POLICY_VERSIONS})"
                )));
            }
            let id = policy.next_version;
            policy.next_version = id.saturating_add(1);
            let version = PolicyVersion {
                document: document.to_owned(),
                created: now,
            };
            policy.versions.insert(id, version);
            if as_default {
                policy.default_version = id;
            }
            Ok(id)
        })
    }

    /// Makes a version the operative one.
    ///
    /// # Errors
    /// `NotFound`, Store.
    pub fn set_default_policy_version(
        &self,
        name: &str,
        version: u32,
        now: Timestamp,
    ) -> Result<(), RegistryError> {
        names::policy_name(name)?;
        self.change_policy(name, now, |policy| {
            policy.version(version)?;
            policy.default_version = version;
            Ok(())
        })
    }

    /// Deletes a version that is not the default one (`G-15`).
    ///
    /// # Errors
    /// `NotFound`; Invalid for the default version; Store.
    pub fn delete_policy_version(
        &self,
        name: &str,
        version: u32,
        now: Timestamp,
    ) -> Result<(), RegistryError> {
        names::policy_name(name)?;
        self.change_policy(name, now, |policy| {
            policy.version(version)?;
            if policy.default_version == version {
                return Err(RegistryError::Invalid(
                    "Cannot delete the default version of a policy".to_owned(),
                ));
            }
            policy.versions.remove(&version);
            Ok(())
        })
    }

    /// Refuses what cannot be enforced, and warns of what is probably a mistake, such as placeholders left in (`C-50`).
    fn check_document(&self, name: &str, document: &str) -> Result<(), RegistryError> {
        let document = Document::parse(document).map_err(|error| malformed(&error))?;
        for warning in document.warnings(&self.place.region, &self.place.account_id) {
            tracing::warn!(policy = name, %warning, "a policy may not do what it is meant to");
        }
        Ok(())
    }

    fn change_policy<T>(
        &self,
        name: &str,
        now: Timestamp,
        edit: impl FnOnce(&mut Policy) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        self.change(|state| {
            let mut policy = state.policy(name)?.policy.clone();
            let answer = edit(&mut policy)?;
            policy.modified = now;
            policy.generation_id = new_uuid();
            Ok((vec![Edit::PutPolicy(policy)], answer))
        })
    }
}

impl Policy {
    /// One version.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn version(&self, id: u32) -> Result<&PolicyVersion, RegistryError> {
        self.versions.get(&id).ok_or_else(|| {
            RegistryError::NotFound(format!(
                "The policy version {id} of policy {} was not found",
                self.name
            ))
        })
    }

    /// The text of the operative version.
    #[must_use]
    pub fn document(&self) -> &str {
        self.versions
            .get(&self.default_version)
            .map_or("", |version| version.document.as_str())
    }
}

/// AWS's words, then the place and ours.
fn malformed(error: &PolicyError) -> RegistryError {
    let aws = error.aws_message();
    let separator = if aws.ends_with('.') { " " } else { ": " };
    RegistryError::MalformedPolicy(format!("{aws}{separator}{error}"))
}
