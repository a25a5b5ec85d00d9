//! The only bridge between broker and policy: who a client is, which policies apply to it, what they say.
//!
//! A client's thing is that of `C-41`; its policies are those of its certificate and of the thing's groups with all their
//! ancestors (`C-8`). They are compiled once per connection and again when the registry's generation grew, so a change takes effect at once (`C-11`). What
//! cannot be decided is denied: an unregistered or inactive certificate, a stored policy that cannot be read.

mod holder;
mod trial;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use thingwire_broker::{Action, AllowAll, Authorize, Client, Decision, Permissions};
use thingwire_policy as policy;
use thingwire_policy::{Context, Outcome, PolicySet, Request};

use crate::access_keys::is_access_key;
use crate::registry::{AttachedThing, Certificate, CertificateStatus, Registry, Standing};
pub use holder::Names;

pub use trial::{Trial, TrialError, Verdict};

/// The principal of clients of the plaintext listener, which is a tool without policies (`A-8`). No certificate id is like it.
pub const PLAINTEXT_PRINCIPAL: &str = "plaintext";

/// Certificates whose names are kept; beyond that they are read again. Some hundred bytes each.
const KEPT_NAMES: usize = 10_000;

/// Decides by the registry's certificates, things and policies.
#[derive(Debug)]
pub struct Authorizer {
    registry: Arc<Registry>,
    /// Certificate id → what its subject and issuer say. An id is the hash of the certificate, so this cannot grow old.
    names: Mutex<HashMap<String, Arc<Names>>>,
}

impl Authorizer {
    /// One that asks this registry.
    #[must_use]
    pub fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            names: Mutex::default(),
        }
    }

    /// Everything that policies may ask about a client (`C-36` to `C-42`).
    fn context(
        &self,
        client: &Client,
        certificate: &Certificate,
        things: &[AttachedThing],
    ) -> Context {
        let mut context = self.context_of(certificate);
        // A request over HTTP has no client id, and so no thing (`C-40`).
        let over_mqtt = !client.client_id.is_empty();
        context.client_id = over_mqtt.then(|| client.client_id.to_string());
        context.source_ip = Some(client.address.ip());
        context.domain_name = client.server_name.as_deref().map(str::to_owned);
        context.persistent = client.persistent;
        context.last_will_topic = client.will_topic.as_deref().map(str::to_owned);
        if over_mqtt {
            context.things = things.iter().map(as_policy_thing).collect();
        }
        context
    }

    /// What is known of a certificate (`C-42`), whoever connects with it.
    fn context_of(&self, certificate: &Certificate) -> Context {
        let place = self.registry.place();
        let names = self.names(certificate);
        let mut context = Context::new(&place.region, &place.account_id);
        context.certificate_id = Some(certificate.id.clone());
        context.certificate_serial_number = names.serial_number.clone();
        context.subject = names.subject.clone();
        context.issuer = names.issuer.clone();
        context
    }

    /// The thing of a client's connection (`C-41`), as its policies see it.
    pub(crate) fn thing_name(&self, client: &Client) -> Option<String> {
        let standing = self.registry.standing(&client.principal, &client.client_id);
        let place = self.registry.place();
        let mut context = Context::new(&place.region, &place.account_id);
        context.client_id = Some(client.client_id.to_string());
        context.things = standing.things.iter().map(as_policy_thing).collect();
        context.thing().map(|thing| thing.name.clone())
    }

    fn names(&self, certificate: &Certificate) -> Arc<Names> {
        let mut kept = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(names) = kept.get(&certificate.id) {
            return Arc::clone(names);
        }
        if kept.len() >= KEPT_NAMES {
            kept.clear();
        }
        let names = Arc::new(Names::read(&certificate.pem));
        kept.insert(certificate.id.clone(), Arc::clone(&names));
        names
    }
}

fn as_policy_thing(attached: &AttachedThing) -> policy::Thing {
    policy::Thing {
        name: attached.thing.name.clone(),
        // Thing types are not there yet.
        type_name: None,
        attributes: attached
            .thing
            .attributes
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        attached: attached.attachment.is_some(),
        exclusive: attached.is_exclusive(),
    }
}

impl Authorize for Authorizer {
    fn generation(&self) -> u64 {
        self.registry.generation()
    }

    fn permissions(&self, client: &Client) -> Arc<dyn Permissions> {
        // For access keys IAM decides, not IoT policies (`C-9`); the local list says yes to all of its keys.
        if &*client.principal == PLAINTEXT_PRINCIPAL || is_access_key(&client.principal) {
            return Arc::new(AllowAll);
        }
        let Standing {
            certificate,
            policies,
            things,
        } = self.registry.standing(&client.principal, &client.client_id);
        let Some(certificate) = certificate else {
            return Nothing::because(format!(
                "certificate `{}` is not registered",
                client.principal
            ));
        };
        if certificate.status != CertificateStatus::Active {
            return Nothing::because(format!(
                "certificate `{}` is {}, not ACTIVE",
                certificate.id,
                certificate.status.name()
            ));
        }
        let mut documents = Vec::with_capacity(policies.len());
        for (name, document) in &policies {
            match document {
                Ok(document) => documents.push((name.as_str(), document.as_ref())),
                Err(error) => {
                    return Nothing::because(format!(
                        "policy `{name}` cannot be read, so its clients are denied everything: {error}"
                    ));
                }
            }
        }
        let context = self.context(client, &certificate, &things);
        let compiled = PolicySet::compile(documents, &context);
        for (statement, missing) in compiled.unresolved_denies() {
            tracing::warn!(
                client_id = %client.client_id, principal = %client.principal, %statement,
                variable = missing.key, reason = missing.reason,
                "a Deny denies nothing, for its variable has no value (C-46)"
            );
        }
        Arc::new(Compiled(compiled))
    }
}

/// What the broker asks, in the words of policies (`C-14` to `C-16`).
pub(crate) fn policy_question(action: Action, resource: &str) -> (policy::Action, String) {
    let (action, kind) = match action {
        Action::Connect => (policy::Action::Connect, "client/"),
        Action::Publish => (policy::Action::Publish, "topic/"),
        Action::RetainPublish => (policy::Action::RetainPublish, "topic/"),
        Action::Receive => (policy::Action::Receive, "topic/"),
        Action::Subscribe => (policy::Action::Subscribe, "topicfilter/"),
    };
    (action, format!("{kind}{resource}"))
}

/// What the policies allow one client.
struct Compiled(PolicySet);

impl Permissions for Compiled {
    fn decide(&self, action: Action, resource: &str) -> Decision {
        let (action, resource) = policy_question(action, resource);
        let request = Request::default();
        match self.0.decide(action, &resource, &request).outcome {
            Outcome::Allowed => Decision::Allow,
            Outcome::ImplicitDeny | Outcome::ExplicitDeny => {
                Decision::Deny(self.0.explain(action, &resource, &request).to_string())
            }
        }
    }
}

/// Nothing is allowed, for one reason.
struct Nothing(String);

impl Nothing {
    fn because(reason: String) -> Arc<dyn Permissions> {
        Arc::new(Self(reason))
    }
}

impl Permissions for Nothing {
    fn decide(&self, _action: Action, _resource: &str) -> Decision {
        Decision::Deny(self.0.clone())
    }
}

#[cfg(test)]
mod tests;
