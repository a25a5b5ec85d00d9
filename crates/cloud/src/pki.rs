//! Certificates of devices: issued here from a request or with fresh keys, or brought and read.
//!
//! What is issued looks as AWS's certificates do (`A-23`); which keys are good enough is `A-22`. Nothing here remembers
//! anything: the registry does. Everything that comes in is text from strangers and cannot make this panic.
//! Signing takes a millisecond, making an RSA key some hundred: call from a blocking thread.

use rcgen::{
    CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::der_parser::asn1_rs::{Any, Tag};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

/// RSA keys need this many bits at least (`A-22`).
const RSA_BITS: usize = 2048;
/// A device's clock may be a little behind ours; AWS dates its certificates back as well.
const BACKDATED: Duration = Duration::minutes(2);
/// 2049-12-31T23:59:59Z in seconds since the Unix epoch (`A-23`).
const LAST_SECOND: i64 = 2_524_607_999;

/// Object identifiers, as DER content bytes.
const RSA_ENCRYPTION: &str = "1.2.840.113549.1.1.1";
const EC_PUBLIC_KEY: &str = "1.2.840.10045.2.1";
const CURVES: [&str; 3] = ["1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.132.0.35"];

/// Why a certificate was not issued or not understood. All but [`PkiError::Internal`] are about what the caller sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PkiError {
    /// The text is not the PEM that was expected.
    #[error("the {expected} is not valid PEM: {why}")]
    Pem {
        /// What was expected, in words.
        expected: &'static str,
        /// What is there instead.
        why: String,
    },
    /// The PEM holds something that is not what its label says.
    #[error("the {0} cannot be read")]
    Unreadable(&'static str),
    /// The request is not signed by the key it asks a certificate for (`A-24`).
    #[error("the signature of the certificate signing request does not verify with its own key")]
    Signature,
    /// The key is of a kind or size that AWS does not take (`A-22`).
    #[error(
        "the key is not supported: {0}; use RSA with at least 2048 bits, or ECC P-256, P-384 or P-521"
    )]
    Key(String),
    /// Signing or making keys failed; not the caller's fault.
    #[error("the certificate could not be made: {0}")]
    Internal(String),
}

/// A certificate that was just issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The certificate, PEM.
    pub pem: String,
    /// Its id (`A-25`).
    pub certificate_id: String,
    /// Start of validity, seconds since the Unix epoch.
    pub not_before: i64,
    /// End of validity, seconds since the Unix epoch.
    pub not_after: i64,
}

/// A key pair on its way to whom it is for. `Debug` does not show the private key.
#[derive(Clone)]
pub struct KeyPairPem {
    /// The public key, PEM (SubjectPublicKeyInfo).
    pub public: String,
    /// The private key, PEM (PKCS #8).
    pub private: String,
}

impl std::fmt::Debug for KeyPairPem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("KeyPairPem")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateInfo {
    /// Its id (`A-25`).
    pub certificate_id: String,
    /// The certificate alone, as clean PEM, whatever stood around it.
    pub pem: String,
    /// Subject, as RFC 4514 text.
    pub subject: String,
    /// Issuer, as RFC 4514 text.
    pub issuer: String,
    /// Start of validity, seconds since the Unix epoch.
    pub not_before: i64,
    /// End of validity, seconds since the Unix epoch.
    pub not_after: i64,
}

/// The certificate id: lower-case hex SHA-256 of the DER form (`A-25`).
#[must_use]
pub fn certificate_id(der: &[u8]) -> String {
    hex(&Sha256::digest(der))
}

/// Two digits a byte, in lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    let digits = bytes.iter().map(|byte| [byte >> 4, byte & 0xF]);
    digits.flatten().map(digit).collect()
}

/// Reads a certificate that somebody wants to register; its key must be one that AWS takes (`A-22`).
///
/// # Errors
/// [`PkiError`]: all but `Signature` and `Internal`.
pub fn inspect(pem: &str) -> Result<CertificateInfo, PkiError> {
    const EXPECTED: &str = "certificate";
    let der = CertificateDer::from_pem_slice(text(pem))
        .map_err(|error| pem_error(EXPECTED, pem, &error))?;
    let (certificate_id, certificate) = (certificate_id(&der), parse(&der)?);
    check_key(certificate.public_key())?;
    Ok(CertificateInfo {
        certificate_id,
        pem: to_pem("CERTIFICATE", &der),
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        not_before: certificate.validity().not_before.timestamp(),
        not_after: certificate.validity().not_after.timestamp(),
    })
}

/// Start and end of validity of a certificate on the wire, seconds since the Unix epoch.
pub(crate) fn validity(der: &[u8]) -> Result<(i64, i64), PkiError> {
    let certificate = parse(der)?;
    Ok((
        certificate.validity().not_before.timestamp(),
        certificate.validity().not_after.timestamp(),
    ))
}

fn parse(der: &[u8]) -> Result<x509_parser::certificate::X509Certificate<'_>, PkiError> {
    match x509_parser::parse_x509_certificate(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(PkiError::Unreadable("certificate")),
    }
}

/// Issues device certificates for one account.
pub struct Pki {
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for Pki {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Pki").finish_non_exhaustive()
    }
}

impl Pki {
    /// An authority that signs with this key. Devices' certificates are recognised by their id, not by their
    /// issuer, so the authority needs no certificate of its own, as AWS's is not published either.
    #[must_use]
    pub fn new(key: KeyPair) -> Self {
        let mut name = DistinguishedName::new();
        // In AWS's order (`A-23`).
        for (kind, value) in [
            (DnType::OrganizationalUnitName, "Amazon Web Services"),
            (DnType::OrganizationName, "Amazon.com Inc."),
            (DnType::LocalityName, "Seattle"),
            (DnType::StateOrProvinceName, "Washington"),
            (DnType::CountryName, "US"),
        ] {
            name.push(kind, value);
        }
        let mut authority = CertificateParams::default();
        authority.distinguished_name = name;
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self {
            issuer: Issuer::new(authority, key),
        }
    }

    /// Issues a certificate for the key of a certificate signing request. The subject is AWS's, whatever the request
    /// says; each call gives a distinct certificate (`A-23`, `A-24`).
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn issue_from_csr(&self, csr_pem: &str) -> Result<Issued, PkiError> {
        const EXPECTED: &str = "certificate signing request";
        let der = CertificateSigningRequestDer::from_pem_slice(text(csr_pem))
            .map_err(|error| pem_error(EXPECTED, csr_pem, &error))?;
        let request = match X509CertificationRequest::from_der(&der) {
            Ok(([], request)) => request,
            _ => return Err(PkiError::Unreadable(EXPECTED)),
        };
        let key = &request.certification_request_info.subject_pki;
        check_key(key)?;
        check_signature(&request)?;
        let key = rcgen::SubjectPublicKeyInfo::from_der(key.raw)
            .map_err(|error| PkiError::Key(error.to_string()))?;
        self.issue(&key)
    }

    /// Makes an RSA-2048 key pair and a certificate for it, as AWS does (`A-24`). The private key is not kept.
    ///
    /// # Errors
    /// [`PkiError::Internal`].
    pub fn create_keys_and_certificate(&self) -> Result<(Issued, KeyPairPem), PkiError> {
        let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).map_err(internal)?;
        let issued = self.issue(&key)?;
        Ok((
            issued,
            KeyPairPem {
                public: key.public_key_pem(),
                private: key.serialize_pem(),
            },
        ))
    }

    /// Issues a certificate for a key of ours.
    pub(crate) fn issue(&self, key: &impl PublicKeyData) -> Result<Issued, PkiError> {
        let not_before = OffsetDateTime::now_utc()
            .checked_sub(BACKDATED)
            .and_then(|moment| moment.replace_nanosecond(0).ok())
            .ok_or_else(|| internal("the clock is off"))?;
        let not_after = OffsetDateTime::from_unix_timestamp(LAST_SECOND).map_err(internal)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "AWS IoT Certificate");
        params.serial_number = Some(serial_number()?);
        params.not_before = not_before;
        params.not_after = not_after;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(key, &self.issuer).map_err(internal)?;
        Ok(Issued {
            pem: to_pem("CERTIFICATE", certificate.der()),
            certificate_id: certificate_id(certificate.der()),
            not_before: not_before.unix_timestamp(),
            not_after: LAST_SECOND,
        })
    }
}

/// Twenty octets at most, positive and not predictable (RFC 5280, 4.1.2.2).
pub(crate) fn serial_number() -> Result<rcgen::SerialNumber, PkiError> {
    let mut serial = [0u8; 20];
    getrandom::fill(&mut serial).map_err(internal)?;
    if let Some(first) = serial.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    Ok(rcgen::SerialNumber::from_slice(&serial))
}

fn internal(error: impl std::fmt::Display) -> PkiError {
    PkiError::Internal(error.to_string())
}

/// `A-22`.
fn check_key(key: &SubjectPublicKeyInfo<'_>) -> Result<(), PkiError> {
    let algorithm = key.algorithm.algorithm.to_id_string();
    match (algorithm.as_str(), key.parsed()) {
        (RSA_ENCRYPTION, Ok(PublicKey::RSA(rsa))) if rsa_bits(rsa.modulus) >= RSA_BITS => Ok(()),
        (RSA_ENCRYPTION, Ok(PublicKey::RSA(rsa))) => Err(PkiError::Key(format!(
            "an RSA key of {} bits",
            rsa_bits(rsa.modulus)
        ))),
        (EC_PUBLIC_KEY, Ok(PublicKey::EC(_))) => match curve(&key.algorithm) {
            Some(curve) if CURVES.contains(&curve.as_str()) => Ok(()),
            Some(curve) => Err(PkiError::Key(format!("an ECC key on the curve {curve}"))),
            None => Err(PkiError::Key("an ECC key without a named curve".to_owned())),
        },
        _ => Err(PkiError::Key(format!("the algorithm {algorithm}"))),
    }
}

fn rsa_bits(modulus: &[u8]) -> usize {
    let significant = modulus.iter().skip_while(|byte| **byte == 0);
    let first = significant
        .clone()
        .next()
        .map_or(0, |byte| byte.leading_zeros());
    significant
        .count()
        .saturating_mul(8)
        .saturating_sub(first as usize)
}

fn curve(algorithm: &AlgorithmIdentifier<'_>) -> Option<String> {
    let parameters = algorithm.parameters.as_ref()?;
    (parameters.tag() == Tag::Oid)
        .then(|| parameters.as_oid().ok())?
        .map(|oid| oid.to_id_string())
}

/// Whether the request was signed with the key in it. Done with rustls's algorithms, which know P-521 as well.
fn check_signature(request: &X509CertificationRequest<'_>) -> Result<(), PkiError> {
    let info = &request.certification_request_info;
    let key = &info.subject_pki;
    let key_algorithm = identifier(&key.algorithm);
    let signed_with = der_oid(request.signature_algorithm.algorithm.as_bytes());
    let known = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
    let verified = known
        .all
        .iter()
        .filter(|known| {
            known
                .public_key_alg_id()
                .as_ref()
                .starts_with(&key_algorithm)
        })
        .filter(|known| known.signature_alg_id().as_ref().starts_with(&signed_with))
        .any(|known| {
            known
                .verify_signature(
                    &key.subject_public_key.data,
                    info.raw,
                    &request.signature_value.data,
                )
                .is_ok()
        });
    if verified {
        Ok(())
    } else {
        Err(PkiError::Signature)
    }
}

/// The start of an AlgorithmIdentifier's content: its object identifier and, for ECC, the curve's.
fn identifier(algorithm: &AlgorithmIdentifier<'_>) -> Vec<u8> {
    let mut bytes = der_oid(algorithm.algorithm.as_bytes());
    let parameters = algorithm.parameters.as_ref();
    // asn1-rs reads any value as an object identifier when asked to.
    if let Some(Ok(curve)) = parameters
        .filter(|any| any.tag() == Tag::Oid)
        .map(Any::as_oid)
    {
        bytes.extend(der_oid(curve.as_bytes()));
    }
    bytes
}

/// The DER form of an object identifier; those of algorithms are far shorter than 128 bytes.
fn der_oid(content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![6, u8::try_from(content.len()).unwrap_or(u8::MAX)];
    bytes.extend_from_slice(content);
    bytes
}

/// Without the byte order mark that editors on Windows leave.
fn text(pem: &str) -> &[u8] {
    pem.trim_start_matches('\u{feff}').as_bytes()
}

fn pem_error(expected: &'static str, pem: &str, error: &rustls::pki_types::pem::Error) -> PkiError {
    use rustls::pki_types::pem::Error;
    let begin = pem.matches("-----BEGIN ").count();
    let why = match error {
        _ if begin == 0 => "there is no line that starts with `-----BEGIN`".to_owned(),
        // BEGIN, base64 and END on one line, as happens when it is pasted through a shell or a form.
        _ if pem.trim().lines().count() < 3 => "it has lost its line breaks".to_owned(),
        Error::NoItemsFound => format!("it holds something else than a {expected}"),
        other => other.to_string(),
    };
    PkiError::Pem { expected, why }
}

/// PEM with `\n` at the ends of lines on every platform.
pub(crate) fn to_pem(label: &str, der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(label, der), config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pki() -> Pki {
        Pki::new(KeyPair::generate().unwrap())
    }

    fn csr(key: &KeyPair) -> String {
        CertificateParams::default()
            .serialize_request(key)
            .unwrap()
            .pem()
            .unwrap()
    }

    #[test]
    fn a_certificate_looks_as_aws_issues_it() {
        let key = KeyPair::generate().unwrap();
        let issued = pki().issue_from_csr(&csr(&key)).unwrap();
        let seen = inspect(&issued.pem).unwrap();
        assert_eq!(seen.subject, "CN=AWS IoT Certificate", "A-23");
        assert_eq!(
            seen.issuer,
            "OU=Amazon Web Services, O=Amazon.com Inc., L=Seattle, ST=Washington, C=US",
            "A-23"
        );
        let last = OffsetDateTime::from_unix_timestamp(seen.not_after).unwrap();
        assert_eq!(last.to_string(), "2049-12-31 23:59:59.0 +00:00:00", "A-23");
        assert_eq!(
            (seen.not_before, seen.not_after),
            (issued.not_before, issued.not_after)
        );
        assert_eq!(seen.certificate_id, issued.certificate_id);
        assert_eq!(seen.pem, issued.pem);
        let der = CertificateDer::from_pem_slice(issued.pem.as_bytes()).unwrap();
        assert_eq!(
            parse(&der).unwrap().public_key().raw,
            key.subject_public_key_info(),
            "it is for the device's key"
        );
        assert_eq!(issued.certificate_id.len(), 64, "A-25");
    }

    #[test]
    fn one_request_twice_gives_two_certificates() {
        let (pki, request) = (pki(), csr(&KeyPair::generate().unwrap()));
        let ids = [(); 2].map(|()| pki.issue_from_csr(&request).unwrap().certificate_id);
        assert_ne!(ids[0], ids[1], "A-24");
    }

    #[test]
    fn all_keys_of_a_22_are_taken_with_all_their_signatures() {
        let pki = pki();
        for algorithm in [
            &rcgen::PKCS_RSA_SHA256,
            &rcgen::PKCS_RSA_SHA512,
            &rcgen::PKCS_ECDSA_P256_SHA256,
            &rcgen::PKCS_ECDSA_P384_SHA384,
            &rcgen::PKCS_ECDSA_P521_SHA256,
            &rcgen::PKCS_ECDSA_P521_SHA384,
            &rcgen::PKCS_ECDSA_P521_SHA512,
        ] {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let issued = pki
                .issue_from_csr(&csr(&key))
                .unwrap_or_else(|error| panic!("{algorithm:?}: {error}"));
            inspect(&issued.pem).unwrap_or_else(|error| panic!("{algorithm:?}: {error}"));
        }
    }

    #[test]
    fn other_keys_are_refused_by_name() {
        let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        match pki().issue_from_csr(&csr(&ed25519)) {
            Err(PkiError::Key(what)) => assert_eq!(what, "the algorithm 1.3.101.112"),
            other => panic!("{other:?}"),
        }
        // openssl req -new -newkey rsa:1024 -nodes -subj /CN=small
        match pki().issue_from_csr(include_str!("../tests/files/rsa-1024.csr.pem")) {
            Err(PkiError::Key(what)) => assert_eq!(what, "an RSA key of 1024 bits"),
            other => panic!("{other:?}"),
        }
        // openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:secp256k1 -nodes -subj /CN=bitcoin
        match pki().issue_from_csr(include_str!("../tests/files/secp256k1.csr.pem")) {
            Err(PkiError::Key(what)) => assert_eq!(what, "an ECC key on the curve 1.3.132.0.10"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_request_signed_by_another_key_is_refused() {
        let pem = csr(&KeyPair::generate().unwrap());
        let mut der = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes())
            .unwrap()
            .to_vec();
        *der.last_mut().unwrap() ^= 1;
        assert_eq!(
            pki().issue_from_csr(&to_pem("CERTIFICATE REQUEST", &der)),
            Err(PkiError::Signature)
        );
    }

    #[test]
    fn unusual_pem_is_read_and_broken_pem_is_explained() {
        let pki = pki();
        let good = csr(&KeyPair::generate().unwrap());
        for readable in [
            good.replace('\n', "\r\n"),
            format!("\u{feff}{good}"),
            format!("Somebody wrote:\n{good}\nBye"),
        ] {
            pki.issue_from_csr(&readable).unwrap();
        }
        let certificate = pki.issue_from_csr(&good).unwrap().pem;
        for (broken, expected) in [
            (good.replace('\n', ""), "it has lost its line breaks"),
            (
                certificate,
                "it holds something else than a certificate signing request",
            ),
            (
                String::new(),
                "there is no line that starts with `-----BEGIN`",
            ),
        ] {
            match pki.issue_from_csr(&broken) {
                Err(PkiError::Pem { why, .. }) => assert_eq!(why, expected),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn no_cut_or_flipped_byte_panics() {
        let pki = pki();
        let pem = csr(&KeyPair::generate().unwrap());
        let der = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes()).unwrap();
        for at in 0..der.len() {
            let mut flipped = der.to_vec();
            flipped[at] ^= 0x41;
            // A few bytes around the signature are not signed, so not every flip is an error.
            let _ = pki.issue_from_csr(&to_pem("CERTIFICATE REQUEST", &flipped));
            let cut = to_pem("CERTIFICATE REQUEST", &der[..at]);
            assert!(pki.issue_from_csr(&cut).is_err(), "cut at {at}");
            let _ = inspect(&to_pem("CERTIFICATE", &flipped));
        }
    }

    #[test]
    fn the_private_key_is_not_in_debug_output() {
        let (issued, keys) = pki().create_keys_and_certificate().unwrap();
        assert!(keys.private.contains("PRIVATE KEY"));
        assert!(!format!("{keys:?} {issued:?} {:?}", pki()).contains("PRIVATE"));
        let der = CertificateDer::from_pem_slice(issued.pem.as_bytes()).unwrap();
        match parse(&der).unwrap().public_key().parsed() {
            Ok(PublicKey::RSA(rsa)) => assert_eq!(rsa_bits(rsa.modulus), 2048, "A-24"),
            other => panic!("{other:?}"),
        }
    }
}
