//! What decides about a client: its certificate, the policies that apply, and the thing it is (`C-8`, `C-41`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use thingwire_policy::Document;

use super::{AttachmentType, Certificate, PolicyTarget, Registry, Thing};

/// Things beyond the deciding one that a [`Standing`] names, so that a refusal can say what the certificate is attached to.
const OTHERS: usize = 5;

/// A thing, as seen from one certificate.
#[derive(Clone, Debug)]
pub struct AttachedThing {
    /// The thing.
    pub thing: Arc<Thing>,
    /// How the certificate is attached to it; none if it is not.
    pub attachment: Option<AttachmentType>,
}

impl AttachedThing {
    /// Whether the certificate belongs to this thing only (`C-54`).
    #[must_use]
    pub fn is_exclusive(&self) -> bool {
        self.attachment == Some(AttachmentType::ExclusiveThing)
    }
}

/// One consistent reading of the registry about one client.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The certificate; none when it is not registered.
    pub certificate: Option<Arc<Certificate>>,
    /// The policies of the certificate, and of the groups of the connection's thing with all their ancestors (`C-8`); by name,
    /// each with its operative document or why it cannot be read.
    pub policies: Vec<(String, Result<Arc<Document>, String>)>,
    /// The thing named like the client id, attached or not; then things that the certificate is attached to: the exclusive
    /// one, if there is one, or some of them. `C-41` picks the thing of the connection from these.
    pub things: Vec<AttachedThing>,
}

impl Registry {
    /// Where a client stands now.
    #[must_use]
    pub fn standing(&self, certificate_id: &str, client_id: &str) -> Standing {
        let state = self.read();
        let attachments = state.things_of.get(certificate_id);
        // An exclusive attachment is the only one, so it is always among the first.
        let others = attachments
            .into_iter()
            .flat_map(|things| things.keys())
            .map(String::as_str)
            .filter(|name| *name != client_id)
            .take(OTHERS);
        let things = std::iter::once(client_id)
            .chain(others)
            .filter_map(|name| {
                Some(AttachedThing {
                    thing: Arc::clone(state.things.get(name)?),
                    attachment: attachments.and_then(|things| things.get(name)).copied(),
                })
            })
            .collect();
        let target = PolicyTarget::Certificate(certificate_id.to_owned());
        let own = state.attached_policies.rights(&target);
        let mut names: BTreeSet<&str> = own.into_iter().flatten().map(String::as_str).collect();
        if let Some(thing) = connected(attachments, client_id) {
            names.extend(state.policies_of_thing(thing));
        }
        let policies = names
            .into_iter()
            .map(|name| {
                let document = match state.policies.get(name) {
                    Some(entry) => entry.document.clone(),
                    None => Err("it is attached but missing".to_owned()),
                };
                (name.to_owned(), document)
            })
            .collect();
        Standing {
            certificate: state.certificates.get(certificate_id).cloned(),
            policies,
            things,
        }
    }
}

/// The thing of the connection (`C-41`): the exclusive one, whatever the client id, else the one that is named like it. Only
/// with such a thing do its groups' policies apply.
fn connected<'s>(
    attachments: Option<&'s BTreeMap<String, AttachmentType>>,
    client_id: &str,
) -> Option<&'s str> {
    let attachments = attachments?;
    let exclusive = attachments
        .iter()
        .find(|(_, kind)| **kind == AttachmentType::ExclusiveThing)
        .map(|(name, _)| name);
    let named = || attachments.get_key_value(client_id).map(|(name, _)| name);
    exclusive.or_else(named).map(String::as_str)
}
