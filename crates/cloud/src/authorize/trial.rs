//! TestAuthorization: the broker's question asked without a connection (`C-55` to `C-58`).
//!
//! Policies, thing and certificate are read as for a client of the broker and compiled by the same engine. Nothing is
//! known of a connection: no address, no server name, no Will, perhaps no client id. Keys that policies needed and
//! that therefore have no value are named (`C-56`). Whether the certificate is ACTIVE is no question of policies.

use std::collections::BTreeSet;

use thingwire_contract::ErrorName;
use thingwire_policy::{Action, Context, Outcome, PolicySet, Request, StatementName};

use super::{Authorizer, as_policy_thing};
use crate::registry::RegistryError;

/// Why there is no trial.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The certificate or a policy is not there, or its name has not the form of one.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A stored policy cannot be read; the broker denies such a client everything.
    #[error("policy `{name}` cannot be read, so its clients are denied everything: {error}")]
    Unreadable {
        /// The policy.
        name: String,
        /// What is wrong with it.
        error: String,
    },
}

impl TrialError {
    /// The exception by which clients know it.
    #[must_use]
    pub const fn name(&self) -> ErrorName {
        match self {
            Self::Registry(error) => error.name(),
            Self::Unreadable { .. } => ErrorName::InternalFailure,
        }
    }
}

/// What policies say of one action on some resources. The names of policies are in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Of all resources together: one that is denied denies, explicitly before implicitly.
    pub outcome: Outcome,
    /// Policies with a statement that allows one of the resources.
    pub allowed_by: BTreeSet<String>,
    /// Policies with a statement that denies one of them.
    pub denied_by: BTreeSet<String>,
    /// Policies with no statement about at least one of them.
    pub silent: BTreeSet<String>,
    /// Keys that statements needed and that have no value (`C-56`).
    pub missing: BTreeSet<String>,
}

/// The policies of one principal, as they would be for a client.
pub struct Trial(PolicySet);

impl Authorizer {
    /// The policies of a certificate, with some added and some left out, and what is known of it and its thing.
    ///
    /// # Errors
    /// [`TrialError`] if the certificate or one of the policies is not registered, or a policy cannot be read.
    pub fn trial(
        &self,
        certificate_id: &str,
        client_id: Option<&str>,
        add: &[&str],
        skip: &[&str],
    ) -> Result<Trial, TrialError> {
        // A typing error that is passed over in silence would give a wrong answer.
        for name in skip {
            self.registry.policy(name)?;
        }
        let standing = self
            .registry
            .standing(certificate_id, client_id.unwrap_or_default());
        let Some(certificate) = standing.certificate else {
            let text = format!("Certificate {certificate_id} not found");
            return Err(RegistryError::NotFound(text).into());
        };
        let mut policies = standing.policies;
        for name in add {
            if policies.iter().all(|(attached, _)| attached != name) {
                policies.push(((*name).to_owned(), self.registry.operative_document(name)?));
            }
        }
        policies.retain(|(name, _)| !skip.contains(&name.as_str()));
        let mut documents = Vec::with_capacity(policies.len());
        for (name, document) in &policies {
            match document {
                Ok(document) => documents.push((name.as_str(), document.as_ref())),
                Err(error) => {
                    return Err(TrialError::Unreadable {
                        name: name.clone(),
                        error: error.clone(),
                    });
                }
            }
        }
        let mut context: Context = self.context_of(&certificate);
        context.client_id = client_id.map(str::to_owned);
        context.things = standing.things.iter().map(as_policy_thing).collect();
        Ok(Trial(PolicySet::compile(documents, &context)))
    }
}

impl Trial {
    /// Asks about one action on each of these ARNs.
    #[must_use]
    pub fn ask(&self, action: Action, resources: &[&str]) -> Verdict {
        let mut verdict = Verdict {
            outcome: Outcome::Allowed,
            allowed_by: BTreeSet::new(),
            denied_by: BTreeSet::new(),
            silent: BTreeSet::new(),
            missing: BTreeSet::new(),
        };
        for resource in resources {
            let why = self.0.explain(action, resource, &Request::default());
            verdict.outcome = stricter(verdict.outcome, why.outcome);
            let policy = |statement: StatementName| statement.policy;
            let allowed: BTreeSet<String> = why.allowed_by.into_iter().map(policy).collect();
            let denied: BTreeSet<String> = why.denied_by.into_iter().map(policy).collect();
            let silent = |name: &&str| !allowed.contains(*name) && !denied.contains(*name);
            let silent = self.0.policies().filter(silent).map(str::to_owned);
            verdict.silent.extend(silent);
            verdict.allowed_by.extend(allowed);
            verdict.denied_by.extend(denied);
            let keys = why.missing.into_iter().map(|missing| missing.key);
            verdict.missing.extend(keys);
        }
        if resources.is_empty() {
            verdict.outcome = Outcome::ImplicitDeny;
        }
        verdict
    }
}

fn stricter(one: Outcome, other: Outcome) -> Outcome {
    match (one, other) {
        (Outcome::ExplicitDeny, _) | (_, Outcome::ExplicitDeny) => Outcome::ExplicitDeny,
        (Outcome::ImplicitDeny, _) | (_, Outcome::ImplicitDeny) => Outcome::ImplicitDeny,
        (Outcome::Allowed, Outcome::Allowed) => Outcome::Allowed,
    }
}
