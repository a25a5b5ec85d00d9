//! Who may come in: what is checked of a client's certificate.
//!
//! A device's certificate is recognised by being registered, not by its issuer: anyone may have signed it. What is
//! checked is that the client has its private key, that today is within its validity, and that the registry
//! holds it as ACTIVE (`A-21`, `A-28`).

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, SignatureScheme,
};

use crate::pki;
use crate::refusals::Reason;
use crate::registry::{CertificateStatus, Known, Registry};

/// Whoever knows which certificates may connect.
pub trait Certificates: Send + Sync + 'static {
    /// A registered certificate, by its id; none when it is not registered.
    fn known(&self, certificate_id: &str) -> Option<Known>;
}

impl Certificates for Registry {
    fn known(&self, certificate_id: &str) -> Option<Known> {
        Registry::known(self, certificate_id)
    }
}

/// Why a certificate may not connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// As a name.
    pub reason: Reason,
    /// In words.
    pub explanation: String,
    /// Which certificate.
    pub certificate_id: String,
}

impl fmt::Display for Denied {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.explanation)
    }
}

impl std::error::Error for Denied {}

/// Judges a certificate: is it valid at this time (seconds since the Unix epoch), registered, and ACTIVE
/// (`A-21`, `A-28`)? The answer is its id.
///
/// # Errors
/// [`Denied`] says why not, in AWS's words where it has some (`A-29`).
pub fn judge(certificates: &dyn Certificates, der: &[u8], now: i64) -> Result<String, Denied> {
    let certificate_id = pki::certificate_id(der);
    let denied = |reason, explanation: String| Denied {
        reason,
        explanation,
        certificate_id: certificate_id.clone(),
    };
    // What is registered was read then, and its id says that it is the same: only the unknown is read here.
    let Some(known) = certificates.known(&certificate_id) else {
        return Err(match pki::validity(der) {
            Ok(_) => denied(
                Reason::DeviceCertificateNotRegistered,
                "Device certificate is not registered".to_owned(),
            ),
            Err(error) => denied(Reason::NotAuthenticated, error.to_string()),
        });
    };
    let Known {
        status,
        not_before,
        not_after,
    } = known;
    let inactive = |reason| {
        let explanation = format!(
            "Device certificate is not active: its status is {}",
            status.name()
        );
        Err(denied(reason, explanation))
    };
    match status {
        CertificateStatus::Revoked => inactive(Reason::DeviceCertificateRevoked),
        CertificateStatus::Inactive | CertificateStatus::PendingActivation => {
            inactive(Reason::DeviceCertificateInactive)
        }
        CertificateStatus::Active if now < not_before => {
            let explanation =
                "Device certificate is not valid yet: check the clock of whoever made it";
            Err(denied(
                Reason::DeviceCertificateNotValidNow,
                explanation.to_owned(),
            ))
        }
        CertificateStatus::Active if now > not_after => {
            let explanation = "Device certificate has expired: issue a new one".to_owned();
            Err(denied(Reason::DeviceCertificateNotValidNow, explanation))
        }
        CertificateStatus::Active => Ok(certificate_id),
    }
}

/// Finds the [`Denied`] in the error that ended a handshake.
pub(crate) fn denied(error: &rustls::Error) -> Option<&Denied> {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => {
            inner.downcast_ref()
        }
        _ => None,
    }
}

/// Asks for a certificate and has its owner prove that it is theirs.
pub(super) struct Verifier {
    pub(super) provider: Arc<CryptoProvider>,
    /// Whom to ask during the handshake; none when the judgement comes after it.
    pub(super) certificates: Option<Arc<dyn Certificates>>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl ClientCertVerifier for Verifier {
    /// None: any issuer will do, and some clients send no certificate unless they see theirs here.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if let Some(certificates) = &self.certificates {
            let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
            judge(certificates.as_ref(), end_entity, now)
                // `Other` becomes the alert certificate_unknown (`A-30`).
                .map_err(|denied| CertificateError::Other(OtherError(Arc::new(denied))))?;
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    impl Certificates for HashMap<String, Known> {
        fn known(&self, certificate_id: &str) -> Option<Known> {
            self.get(certificate_id).copied()
        }
    }

    #[test]
    fn a_certificate_is_judged_by_registration_status_and_dates() {
        let mut params = CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2024, 1, 1);
        params.not_after = rcgen::date_time_ymd(2025, 1, 1);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let id = pki::certificate_id(certificate.der());
        let during = rcgen::date_time_ymd(2024, 6, 1).unix_timestamp();
        let reason = |status: Option<CertificateStatus>, now: i64| {
            let (not_before, not_after) = pki::validity(certificate.der()).unwrap();
            let known = |status| Known {
                status,
                not_before,
                not_after,
            };
            let known: HashMap<_, _> = status
                .map(|status| (id.clone(), known(status)))
                .into_iter()
                .collect();
            judge(&known, certificate.der(), now).map_err(|denied| denied.reason.name())
        };
        //
        assert_eq!(
            reason(Some(CertificateStatus::Active), during),
            Ok(id.clone())
        );
        assert_eq!(
            reason(None, during),
            Err("DEVICE_CERTIFICATE_NOT_REGISTERED")
        );
        assert_eq!(
            reason(Some(CertificateStatus::Inactive), during),
            Err("DEVICE_CERTIFICATE_INACTIVE")
        );
        assert_eq!(
            reason(Some(CertificateStatus::PendingActivation), during),
            Err("DEVICE_CERTIFICATE_INACTIVE")
        );
        assert_eq!(
            reason(Some(CertificateStatus::Revoked), during),
            Err("DEVICE_CERTIFICATE_REVOKED")
        );
        let year = 366 * 24 * 3600;
        assert_eq!(
            reason(Some(CertificateStatus::Active), during + year),
            Err("DEVICE_CERTIFICATE_NOT_VALID_NOW")
        );
        assert_eq!(
            reason(Some(CertificateStatus::Active), during - year),
            Err("DEVICE_CERTIFICATE_NOT_VALID_NOW")
        );
        assert_eq!(
            judge(&HashMap::new(), b"junk", during).unwrap_err().reason,
            Reason::NotAuthenticated
        );
    }
}
