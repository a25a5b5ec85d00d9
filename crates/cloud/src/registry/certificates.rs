//! Certificates: register, describe, list, change of status, delete (`A-25` to `A-27`, `G-13`, `G-14`).
//!
//! Issuing and reading certificates is the work of `pki`; here they have a life.

use std::ops::Bound;
use std::sync::Arc;

use super::{
    Certificate, CertificateMode, CertificateStatus, Edit, Page, PageRequest, PolicyTarget,
    Registry, RegistryError, Timestamp, names, new_uuid,
};

/// What decides about a registered certificate. Times are seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Only ACTIVE ones may connect.
    pub status: CertificateStatus,
    /// Start of validity.
    pub not_before: i64,
    /// End of validity.
    pub not_after: i64,
}

/// A certificate to register.
#[derive(Clone, Debug)]
pub struct NewCertificate {
    /// Lower-case hex SHA-256 of the DER form (`A-25`).
    pub id: String,
    /// The certificate.
    pub pem: String,
    /// Start of validity, seconds since the Unix epoch.
    pub not_before: i64,
    /// End of validity, seconds since the Unix epoch.
    pub not_after: i64,
    /// How it came to be known.
    pub mode: CertificateMode,
}

impl Registry {
    /// Registers a certificate.
    ///
    /// # Errors
    /// `AlreadyExists` when it is registered (`G-14`), Invalid id, Store.
    pub fn register_certificate(
        &self,
        new: NewCertificate,
        status: CertificateStatus,
        now: Timestamp,
    ) -> Result<Arc<Certificate>, RegistryError> {
        names::certificate_id(&new.id)?;
        self.change(|state| {
            if let Some(known) = state.certificates.get(&new.id) {
                return Err(RegistryError::AlreadyExists {
                    message: "The certificate is already provisioned or registered".to_owned(),
                    id: known.id.clone(),
                    arn: self.place.certificate_arn(&known.id),
                });
            }
            let certificate = Certificate {
                id: new.id,
                pem: new.pem,
                status,
                mode: new.mode,
                not_before: new.not_before,
                not_after: new.not_after,
                created: now,
                modified: now,
                customer_version: 1,
                generation_id: new_uuid(),
                sequence: state.next_sequence,
            };
            Ok((
                vec![Edit::PutCertificate(certificate.clone())],
                Arc::new(certificate),
            ))
        })
    }

    /// The certificate of that id.
    ///
    /// # Errors
    /// Invalid id, `NotFound`.
    pub fn certificate(&self, id: &str) -> Result<Arc<Certificate>, RegistryError> {
        names::certificate_id(id)?;
        self.read().certificate(id).cloned()
    }

    /// The status of a certificate; none when it is not registered.
    #[must_use]
    pub fn status(&self, id: &str) -> Option<CertificateStatus> {
        self.known(id).map(|known| known.status)
    }

    /// What decides about a certificate; none when it is not registered. What the TLS listener asks (`A-28`).
    #[must_use]
    pub fn known(&self, id: &str) -> Option<Known> {
        let state = self.read();
        let certificate = state.certificates.get(id)?;
        Some(Known {
            status: certificate.status,
            not_before: certificate.not_before,
            not_after: certificate.not_after,
        })
    }

    /// Certificates in the order of their creation, oldest first if `ascending`.
    ///
    /// # Errors
    /// Invalid token.
    pub fn certificates(
        &self,
        ascending: bool,
        page: &PageRequest,
    ) -> Result<Page<Arc<Certificate>>, RegistryError> {
        let list = if ascending {
            "certificates"
        } else {
            "certificates, newest first"
        };
        let after = page.after_number(list)?;
        let state = self.read();
        let rows =
            by_age(&state.certificates_by_age, after, ascending).filter_map(|(place, id)| {
                Some((place.to_string(), Arc::clone(state.certificates.get(id)?)))
            });
        Ok(page.take(list, rows))
    }

    /// Sets a certificate's status (`A-26`). Clients of one that stops being ACTIVE are disconnected (`A-27`).
    ///
    /// # Errors
    /// `NotFound`; `CertificateState` when it is REVOKED; Store.
    pub fn set_certificate_status(
        &self,
        id: &str,
        status: CertificateStatus,
        now: Timestamp,
    ) -> Result<(), RegistryError> {
        names::certificate_id(id)?;
        let was = self.change(|state| {
            let mut certificate = Certificate::clone(state.certificate(id)?);
            let was = certificate.status;
            if was == status {
                return Ok((Vec::new(), was));
            }
            if was == CertificateStatus::Revoked {
                return Err(RegistryError::CertificateState(format!(
                    "A REVOKED certificate cannot be set {}. Id: {id}",
                    status.name()
                )));
            }
            certificate.status = status;
            certificate.modified = now;
            certificate.customer_version = certificate.customer_version.saturating_add(1);
            certificate.generation_id = new_uuid();
            Ok((vec![Edit::PutCertificate(certificate)], was))
        })?;
        if was == CertificateStatus::Active && status != CertificateStatus::Active {
            self.left_active(id);
        }
        Ok(())
    }

    /// Deletes a certificate. `force` takes its policies away with it (`G-13`).
    ///
    /// # Errors
    /// `NotFound`; `CertificateState` while ACTIVE; `DeleteConflict` while attached; Store.
    pub fn delete_certificate(&self, id: &str, force: bool) -> Result<(), RegistryError> {
        names::certificate_id(id)?;
        self.change(|state| {
            let certificate = state.certificate(id)?;
            if certificate.status == CertificateStatus::Active {
                return Err(RegistryError::CertificateState(format!(
                    "Certificate must be deactivated (not ACTIVE) before deletion. Id: {id}"
                )));
            }
            let arn = self.place.certificate_arn(id);
            if state.things_of.contains_key(id) {
                return Err(RegistryError::DeleteConflict(format!(
                    "Things must be detached before deletion (arn: {arn})"
                )));
            }
            let target = PolicyTarget::Certificate(id.to_owned());
            let policies = state.attached_policies.rights(&target);
            if policies.is_some() && !force {
                return Err(RegistryError::DeleteConflict(format!(
                    "Certificate policies must be detached before deletion (arn: {arn})"
                )));
            }
            let mut edits: Vec<Edit> = policies
                .into_iter()
                .flatten()
                .map(|policy| Edit::DetachPolicy {
                    target: target.clone(),
                    policy: policy.clone(),
                })
                .collect();
            edits.push(Edit::DeleteCertificate(id.to_owned()));
            Ok((edits, ()))
        })
    }
}

/// The rows of an order of creation that come after `after`.
pub(super) fn by_age(
    ages: &std::collections::BTreeMap<u64, String>,
    after: Option<u64>,
    ascending: bool,
) -> Box<dyn Iterator<Item = (&u64, &String)> + '_> {
    if ascending {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        Box::new(ages.range((start, Bound::Unbounded)))
    } else {
        let end = after.map_or(Bound::Unbounded, Bound::Excluded);
        Box::new(ages.range((Bound::Unbounded, end)).rev())
    }
}
