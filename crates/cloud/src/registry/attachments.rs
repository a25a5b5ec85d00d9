//! Policies attached to certificates and thing groups (`C-5`, `C-7`, `G-16`).

use std::ops::Bound;

use thingwire_contract::limit::{POLICIES_PER_PRINCIPAL, POLICIES_PER_THING_GROUP};

use super::{Edit, Page, PageRequest, PolicyTarget, Registry, RegistryError, names};

impl Registry {
    /// Attaches a policy to the certificate or thing group with this ARN; doing it twice is no error (`G-16`).
    ///
    /// # Errors
    /// Invalid target, `NotFound` for either, Limit at the eleventh policy of a certificate and the third of a group
    /// (`C-5`), Store.
    pub fn attach_policy(&self, policy: &str, target: &str) -> Result<(), RegistryError> {
        names::policy_name(policy)?;
        let arn = target;
        let target = self.place.policy_target("target", arn)?;
        self.change(|state| {
            state.policy(policy)?;
            let attached = state.policies_of_target(&target, false)?;
            if attached.contains(policy) {
                return Ok((Vec::new(), ()));
            }
            let most = match target {
                PolicyTarget::Certificate(_) => POLICIES_PER_PRINCIPAL,
                PolicyTarget::ThingGroup(_) => POLICIES_PER_THING_GROUP,
            };
            if attached.len() >= most {
                return Err(RegistryError::Limit(format!(
                    "The maximum number of policies ({most}) is attached to {arn}"
                )));
            }
            let edit = Edit::AttachPolicy {
                target,
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
        let target = self.place.policy_target("target", target)?;
        self.change(|state| {
            let policy = policy.to_owned();
            let edits = if state.attached_policies.contains(&target, &policy) {
                vec![Edit::DetachPolicy { target, policy }]
            } else {
                Vec::new()
            };
            Ok((edits, ()))
        })
    }

    /// Names of the policies of the certificate or group with this ARN, in their order; of a group also those of its
    /// ancestors, if `recursive`.
    ///
    /// # Errors
    /// Invalid target or token, `NotFound`.
    pub fn attached_policies(
        &self,
        target: &str,
        recursive: bool,
        page: &PageRequest,
    ) -> Result<Page<String>, RegistryError> {
        let list = format!("policies of {target}");
        let after = page.after(&list)?;
        let target = self.place.policy_target("target", target)?;
        let state = self.read();
        let names = state.policies_of_target(&target, recursive)?;
        let rows = names
            .into_iter()
            .filter(|name| after.as_deref().is_none_or(|after| *name > after))
            .map(|name| (name.to_owned(), name.to_owned()));
        Ok(page.take(&list, rows))
    }

    /// The certificates and thing groups that have this policy, certificates first.
    ///
    /// # Errors
    /// Invalid name or token, `NotFound`.
    pub fn policy_targets(
        &self,
        policy: &str,
        page: &PageRequest,
    ) -> Result<Page<PolicyTarget>, RegistryError> {
        self.targets(policy, "targets", |_| true, page)
    }

    /// The certificates that have this policy.
    ///
    /// # Errors
    /// Invalid name or token, `NotFound`.
    pub fn policy_principals(
        &self,
        policy: &str,
        page: &PageRequest,
    ) -> Result<Page<PolicyTarget>, RegistryError> {
        let is_principal = |target: &PolicyTarget| matches!(target, PolicyTarget::Certificate(_));
        self.targets(policy, "principals", is_principal, page)
    }

    fn targets(
        &self,
        policy: &str,
        list: &str,
        shows: impl Fn(&PolicyTarget) -> bool,
        page: &PageRequest,
    ) -> Result<Page<PolicyTarget>, RegistryError> {
        names::policy_name(policy)?;
        let state = self.read();
        state.policy(policy)?;
        let list = format!("{list} of {policy}");
        let start = match page.after(&list)? {
            None => Bound::Unbounded,
            Some(arn) => Bound::Excluded(self.place.policy_target("marker", &arn)?),
        };
        let rows = state
            .attached_policies
            .lefts(policy)
            .into_iter()
            .flat_map(|targets| targets.range((start.clone(), Bound::Unbounded)))
            .filter(|target| shows(target))
            .map(|target| (self.place.target_arn(target), target.clone()));
        Ok(page.take(&list, rows))
    }
}
