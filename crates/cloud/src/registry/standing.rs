//! What decides about a client: its certificate, the policies that apply, and the thing it is (`C-8`, `C-41`).

use std::sync::Arc;

use thingwire_policy::Document;

use super::{AttachmentType, Certificate, Registry, Thing};

/// The thing that a client's thing variables speak of, and how its certificate is attached to it.
#[derive(Clone, Debug)]
pub struct AttachedThing {
    /// The thing.
    pub thing: Arc<Thing>,
    /// How the certificate is attached to it; none for the thing named like the client id, but not attached.
    pub attachment: Option<AttachmentType>,
}

/// One consistent reading of the registry about one client.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The certificate; none when it is not registered.
    pub certificate: Option<Arc<Certificate>>,
    /// The policies attached to the certificate, by name, each with its operative document or why it cannot be read.
    pub policies: Vec<(String, Result<Arc<Document>, String>)>,
    /// The thing, by `C-41`: that of an exclusive attachment whatever the client id, else the one named like the client id.
    pub thing: Option<AttachedThing>,
}

impl Registry {
    /// Where a client stands now.
    #[must_use]
    pub fn standing(&self, certificate_id: &str, client_id: &str) -> Standing {
        let state = self.read();
        let policies = state
            .policies_of
            .get(certificate_id)
            .into_iter()
            .flatten()
            .map(|name| {
                let document = match state.policies.get(name) {
                    Some(entry) => entry.document.clone(),
                    None => Err("it is attached but missing".to_owned()),
                };
                (name.clone(), document)
            })
            .collect();
        let attached = state.things_of.get(certificate_id);
        let exclusive = attached
            .into_iter()
            .flatten()
            .find(|(_, kind)| **kind == AttachmentType::ExclusiveThing)
            .map(|(name, _)| name.as_str());
        let name = exclusive.unwrap_or(client_id);
        let thing = state.things.get(name).map(|thing| AttachedThing {
            thing: Arc::clone(thing),
            attachment: attached.and_then(|things| things.get(name)).copied(),
        });
        Standing {
            certificate: state.certificates.get(certificate_id).cloned(),
            policies,
            thing,
        }
    }
}
