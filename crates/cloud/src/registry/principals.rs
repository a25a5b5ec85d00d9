//! Certificates attached to things, exclusively or not (`C-54`, `G-16`).

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{AttachmentType, Edit, Page, PageRequest, Registry, RegistryError, names};

impl Registry {
    /// Attaches the certificate with this ARN to a thing; doing it twice is no error (`G-16`).
    ///
    /// # Errors
    /// Invalid principal, or `C-54` forbids it; `NotFound` for either; Store.
    pub fn attach_thing_principal(
        &self,
        thing: &str,
        principal: &str,
        kind: AttachmentType,
    ) -> Result<(), RegistryError> {
        names::thing_name(thing)?;
        let certificate = self.place.certificate_id("principal", principal)?;
        self.change(|state| {
            state.thing(thing)?;
            state.certificate(certificate)?;
            for (other, attached) in state.things_of.get(certificate).into_iter().flatten() {
                if other == thing {
                    if *attached == kind {
                        return Ok((Vec::new(), ()));
                    }
                    return Err(RegistryError::Invalid(format!(
                        "Principal {principal} is attached to thing {thing} as {}; detach it first to attach it as {}",
                        attached.name(),
                        kind.name()
                    )));
                }
                if *attached == AttachmentType::ExclusiveThing {
                    return Err(RegistryError::Invalid(format!(
                        "Principal {principal} is exclusively attached to thing {other}; detach it first"
                    )));
                }
                if kind == AttachmentType::ExclusiveThing {
                    return Err(RegistryError::Invalid(format!(
                        "Principal {principal} cannot be attached exclusively, it is attached to thing {other}"
                    )));
                }
            }
            let edit = Edit::AttachThing {
                thing: thing.to_owned(),
                certificate: certificate.to_owned(),
                kind,
            };
            Ok((vec![edit], ()))
        })
    }

    /// Detaches a certificate from a thing.
    ///
    /// # Errors
    /// Invalid principal; `NotFound` when there is no such thing or it is not attached; Store.
    pub fn detach_thing_principal(
        &self,
        thing: &str,
        principal: &str,
    ) -> Result<(), RegistryError> {
        names::thing_name(thing)?;
        let certificate = self.place.certificate_id("principal", principal)?;
        self.change(|state| {
            state.thing(thing)?;
            let attached = state
                .principals_of
                .get(thing)
                .is_some_and(|ids| ids.contains_key(certificate));
            if !attached {
                return Err(RegistryError::NotFound(format!(
                    "Principal {principal} is not attached to thing {thing}"
                )));
            }
            let edit = Edit::DetachThing {
                thing: thing.to_owned(),
                certificate: certificate.to_owned(),
            };
            Ok((vec![edit], ()))
        })
    }

    /// Ids of the certificates attached to a thing, each with its type; only those of `kind`, if one is given.
    ///
    /// # Errors
    /// Invalid name or token, `NotFound`.
    pub fn thing_principals(
        &self,
        thing: &str,
        kind: Option<AttachmentType>,
        page: &PageRequest,
    ) -> Result<Page<(String, AttachmentType)>, RegistryError> {
        names::thing_name(thing)?;
        let state = self.read();
        state.thing(thing)?;
        let list = format!("principals of {thing}");
        attachments_after(&list, state.principals_of.get(thing), kind, page)
    }

    /// Names of the things to which the certificate with this ARN is attached, each with the type; only those of `kind`,
    /// if one is given.
    ///
    /// # Errors
    /// Invalid principal or token, `NotFound`.
    pub fn principal_things(
        &self,
        principal: &str,
        kind: Option<AttachmentType>,
        page: &PageRequest,
    ) -> Result<Page<(String, AttachmentType)>, RegistryError> {
        let certificate = self.place.certificate_id("principal", principal)?;
        let state = self.read();
        state.certificate(certificate)?;
        let list = format!("things of {certificate}");
        attachments_after(&list, state.things_of.get(certificate), kind, page)
    }
}

fn attachments_after(
    list: &str,
    attachments: Option<&BTreeMap<String, AttachmentType>>,
    kind: Option<AttachmentType>,
    page: &PageRequest,
) -> Result<Page<(String, AttachmentType)>, RegistryError> {
    let start = page.after(list)?.map_or(Bound::Unbounded, Bound::Excluded);
    let rows = attachments
        .into_iter()
        .flat_map(|all| all.range((start.clone(), Bound::Unbounded)))
        .filter(|(_, found)| kind.is_none_or(|wanted| wanted == **found))
        .map(|(name, found)| (name.clone(), (name.clone(), *found)));
    Ok(page.take(list, rows))
}
