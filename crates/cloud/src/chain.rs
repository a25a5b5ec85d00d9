//! A root and the server certificate under it: made once, the certificate issued anew whenever names or age ask for it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, SignatureAlgorithm,
};
use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::account::AccountError;
use crate::pki::{self, PkiError};

/// Lifetime of a server certificate. Some clients refuse more than 825 days.
const SERVER_LIFETIME: Duration = Duration::days(800);
/// At a start with less than this left, it is issued anew.
const SERVER_RENEWAL: Duration = Duration::days(400);
/// Roots end with the certificates that AWS issues (`A-23`).
const ROOT_END: (i32, u8, u8) = (2049, 12, 31);

/// One root and the server certificate under it, PEM, with their private keys: no `Debug`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Chain {
    pub(crate) root: String,
    root_key: String,
    pub(crate) server: String,
    pub(crate) server_key: String,
    /// What the server certificate holds.
    names: BTreeSet<String>,
    /// Seconds since the Unix epoch.
    server_not_after: i64,
}

impl Chain {
    /// A new root, and a key for a server certificate that is yet to be issued.
    pub(crate) fn make(
        algorithm: &'static SignatureAlgorithm,
        kind: &str,
        prefix: &str,
    ) -> Result<Self, PkiError> {
        let root_key = KeyPair::generate_for(algorithm).map_err(crypto)?;
        let server_key = KeyPair::generate_for(algorithm).map_err(crypto)?;
        let mut params = params()?;
        // The prefix keeps the roots of several data folders apart in one trust store.
        params.distinguished_name.push(
            DnType::CommonName,
            format!("Thingwire local root {kind} {prefix}"),
        );
        params.not_after = rcgen::date_time_ymd(ROOT_END.0, ROOT_END.1, ROOT_END.2);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let root = params.self_signed(&root_key).map_err(crypto)?;
        Ok(Self {
            root: pki::to_pem("CERTIFICATE", root.der()),
            root_key: root_key.serialize_pem(),
            server: String::new(),
            server_key: server_key.serialize_pem(),
            names: BTreeSet::new(),
            server_not_after: 0,
        })
    }

    /// Whether the server certificate is not for exactly these names, or is too old to start with.
    pub(crate) fn needs_issuing(&self, names: &BTreeSet<String>) -> bool {
        let renew = OffsetDateTime::now_utc()
            .saturating_add(SERVER_RENEWAL)
            .unix_timestamp();
        self.names != *names || self.server_not_after < renew
    }

    /// Issues the server certificate for these names.
    pub(crate) fn issue(&mut self, names: &BTreeSet<String>) -> Result<(), AccountError> {
        let unreadable = |what: &str| AccountError::Damaged(format!("{what} is unreadable"));
        let root_key =
            KeyPair::from_pem(&self.root_key).map_err(|_| unreadable("the key of a root"))?;
        let server_key =
            KeyPair::from_pem(&self.server_key).map_err(|_| unreadable("the key of the server"))?;
        let issuer =
            Issuer::from_ca_cert_pem(&self.root, root_key).map_err(|_| unreadable("a root"))?;
        let mut params = params()?;
        let not_after = OffsetDateTime::now_utc().saturating_add(SERVER_LIFETIME);
        params.not_after = not_after.replace_nanosecond(0).unwrap_or(not_after);
        params
            .distinguished_name
            .push(DnType::CommonName, "Thingwire local IoT endpoint");
        for name in names {
            params.subject_alt_names.push(match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(
                    name.as_str()
                        .try_into()
                        .map_err(|_| AccountError::Name(name.clone()))?,
                ),
            });
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if server_key.is_compatible(&rcgen::PKCS_RSA_SHA256) {
            params.key_usages.push(KeyUsagePurpose::KeyEncipherment);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let server = params.signed_by(&server_key, &issuer).map_err(crypto)?;
        self.server = pki::to_pem("CERTIFICATE", server.der());
        self.names.clone_from(names);
        self.server_not_after = params.not_after.unix_timestamp();
        Ok(())
    }
}

/// What roots and server certificates have in common.
fn params() -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Thingwire");
    params.serial_number = Some(pki::serial_number()?);
    // A board without a clock believes it is some day in the past; an hour helps against time zones only.
    let not_before = OffsetDateTime::now_utc().saturating_sub(Duration::HOUR);
    params.not_before = not_before.replace_nanosecond(0).unwrap_or(not_before);
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// Whether a client could ask for it by this name.
pub(crate) fn is_name(name: &str) -> bool {
    ServerName::try_from(name).is_ok()
}

pub(crate) fn crypto(error: rcgen::Error) -> PkiError {
    PkiError::Internal(error.to_string())
}
