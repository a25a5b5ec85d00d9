//! Policies attached to certificates (`C-5`, `C-7`, `G-16`).

use std::collections::BTreeSet;
use std::ops::Bound;

use thingwire_contract::limit::POLICIES_PER_PRINCIPAL;

use super::{Edit, Page, PageRequest, Registry, RegistryError, names};

impl Registry {
    /// Attaches a policy to the certificate with this ARN; doing it twice is no error (`G-16`).
    ///
    /// # Errors
    /// Invalid target, `NotFound` for either, Limit at the eleventh (`C-5`), Store.
    pub fn attach_policy(&self, policy: &str, target: &str) -> Result<(), RegistryError> {
        names::policy_name(policy)?;
        let certificate = self.place.certificate_id("target", target)?;
        self.change(|state| {
            state.policy(policy)?;
            state.certificate(certificate)?;
            if let Some(attached) = state.policies_of.get(certificate) {
                if attached.contains(policy) {
                    return Ok((Vec::new(), ()));
                }
                if attached.len() >= POLICIES_PER_PRINCIPAL {
                    return Err(RegistryError::Limit(format!(
                        "The maximum number of policies ({POLICIES_PER_PRINCIPAL}) is attached to {target}"
                    )));
                }
            }
            let edit = Edit::AttachPolicy {
                certificate: certificate.to_owned(),
                policy: policy.to_owned(),
            };
            Ok((vec![edit], ()))
        })
    }

    /// Detaches a policy; what is not attached is no error, since the model of the operation has no `NotFound`.
    ///
    /// # Errors
    /// Invalid target, Store.
    pub fn detach_policy(&self, policy: &str, target: &str) -> Result<(), RegistryError> {
        names::policy_name(policy)?;
        let certificate = self.place.certificate_id("target", target)?;
        self.change(|state| {
            let attached = state
                .policies_of
                .get(certificate)
                .is_some_and(|names| names.contains(policy));
            let edits = if attached {
                vec![Edit::DetachPolicy {
                    certificate: certificate.to_owned(),
                    policy: policy.to_owned(),
                }]
            } else {
                Vec::new()
            };
            Ok((edits, ()))
        })
    }

    /// Names of the policies of the certificate with this ARN, in their order.
    ///
    /// # Errors
    /// Invalid target or token, `NotFound`.
    pub fn attached_policies(
        &self,
        target: &str,
        page: &PageRequest,
    ) -> Result<Page<String>, RegistryError> {
        let certificate = self.place.certificate_id("target", target)?;
        let state = self.read();
        state.certificate(certificate)?;
        names_after(
            &format!("policies of {certificate}"),
            state.policies_of.get(certificate),
            page,
        )
    }

    /// Ids of the certificates that have this policy, in their order.
    ///
    /// # Errors
    /// Invalid name or token, `NotFound`.
    pub fn policy_targets(
        &self,
        policy: &str,
        page: &PageRequest,
    ) -> Result<Page<String>, RegistryError> {
        names::policy_name(policy)?;
        let state = self.read();
        state.policy(policy)?;
        names_after(
            &format!("targets of {policy}"),
            state.targets_of.get(policy),
            page,
        )
    }
}

fn names_after(
    list: &str,
    names: Option<&BTreeSet<String>>,
    page: &PageRequest,
) -> Result<Page<String>, RegistryError> {
    let start = page.after(list)?.map_or(Bound::Unbounded, Bound::Excluded);
    let rows = names
        .into_iter()
        .flat_map(|names| names.range((start.clone(), Bound::Unbounded)))
        .map(|name| (name.clone(), name.clone()));
    Ok(page.take(list, rows))
}
