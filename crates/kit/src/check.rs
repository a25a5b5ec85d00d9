//! Reads a kit and notes everything that is wrong with it, not only the first thing.

use std::path::Path;
use std::time::SystemTime;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::SectionKind;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::{Finding, Kit, MANIFEST_FILE, Manifest, PrivateKey, Problem, Severity, pem};

/// Key files are kilobytes; what is larger than this is something else (a disk image, `/dev/zero`).
const FILE_LIMIT: u64 = 1 << 20;

/// Everything that is wrong with the kit in this folder, worst first. Empty: nothing found.
#[must_use]
pub fn check(dir: impl AsRef<Path>) -> Vec<Finding> {
    check_at(dir, SystemTime::now())
}

/// [`check`], with certificate dates judged at `now`.
#[must_use]
pub fn check_at(dir: impl AsRef<Path>, now: SystemTime) -> Vec<Finding> {
    let dir = dir.as_ref();
    let Reading {
        kit,
        mut findings,
        files,
    } = read(dir);
    if let (Ok(kit), Some(files)) = (&kit, &files) {
        if let Some(leaf) = kit.certificate.first() {
            findings.extend(dates(&files.certificate, leaf, now));
        }
        for root in &kit.roots {
            findings.extend(dates(&files.root_ca, root, now));
            findings.extend(authority(&files.root_ca, root));
        }
    }
    if let Some(files) = &files {
        findings.extend(too_open(dir, &files.private_key));
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.problem.severity()));
    findings
}

/// What reading a folder brought.
pub(crate) struct Reading {
    /// The kit, or the first finding that makes it unusable.
    pub(crate) kit: Result<Kit, Finding>,
    /// All findings of reading.
    findings: Vec<Finding>,
    /// The description, as far as it could be read.
    files: Option<Manifest>,
}

pub(crate) fn read(dir: &Path) -> Reading {
    let manifest = match file(dir, MANIFEST_FILE).and_then(|bytes| Manifest::parse(&bytes)) {
        Ok(manifest) => manifest,
        Err(finding) => {
            return Reading {
                kit: Err(finding.clone()),
                findings: vec![finding],
                files: None,
            };
        }
    };
    let roots = certificates(dir, &manifest.root_ca, "the root certificates");
    let certificate = certificates(dir, &manifest.certificate, "the device's certificate");
    let key = private_key(dir, &manifest.private_key);

    let mut findings = Vec::new();
    findings.extend(roots.as_ref().err().cloned());
    findings.extend(certificate.as_ref().err().cloned());
    findings.extend(key.as_ref().err().cloned());
    if let (Ok(certificate), Ok(key)) = (&certificate, &key) {
        findings.extend(fits(&manifest.private_key, certificate, key));
    }

    let unusable = findings
        .iter()
        .find(|finding| finding.problem.severity() == Severity::Unusable);
    let kit = match (unusable, roots, certificate, key) {
        (Some(finding), ..) => Err(finding.clone()),
        (None, Ok(roots), Ok(certificate), Ok(private_key)) => Ok(Kit {
            endpoint: manifest.endpoint.clone(),
            mqtt_port: manifest.mqtt_port,
            alpn_port: manifest.alpn_port,
            client_id: manifest.client_id.clone(),
            thing_name: manifest.thing_name.clone(),
            region: manifest.region.clone(),
            account_id: manifest.account_id.clone(),
            time_servers: manifest.time_servers.clone(),
            roots,
            certificate,
            private_key,
        }),
        (None, Err(finding), ..) | (None, _, Err(finding), _) | (None, _, _, Err(finding)) => {
            Err(finding)
        }
    };
    Reading {
        kit,
        findings,
        files: Some(manifest),
    }
}

fn file(dir: &Path, name: &str) -> Result<Vec<u8>, Finding> {
    let finding = |problem| Finding::new(name, problem);
    let path = dir.join(name);
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => finding(Problem::Missing),
        _ => finding(Problem::Unreadable(error.to_string())),
    };
    let metadata = std::fs::metadata(&path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(finding(Problem::Unreadable("it is not a file".into())));
    }
    if metadata.len() > FILE_LIMIT {
        return Err(finding(Problem::Unreadable(
            "it is larger than 1 MiB".into(),
        )));
    }
    std::fs::read(&path).map_err(unreadable)
}

fn certificates(
    dir: &Path,
    name: &str,
    expected: &'static str,
) -> Result<Vec<CertificateDer<'static>>, Finding> {
    let bytes = file(dir, name)?;
    let finding = |problem| Finding::new(name, problem);
    let wrong_type = || {
        let found = pem::first_label(&bytes).unwrap_or_else(|| "PEM section".into());
        finding(Problem::WrongType { expected, found })
    };
    let mut chain = Vec::new();
    for section in pem::sections(&bytes).map_err(finding)? {
        match section.kind {
            SectionKind::Certificate => chain.push(CertificateDer::from(section.der)),
            // A private key among certificates is a secret in a file that is handed around: say so.
            SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey => {
                return Err(finding(Problem::WrongType {
                    expected,
                    found: "PRIVATE KEY".into(),
                }));
            }
            _ => {}
        }
    }
    if chain.is_empty() {
        return Err(wrong_type());
    }
    if chain
        .iter()
        .any(|der| X509Certificate::from_der(der).is_err())
    {
        return Err(finding(Problem::NotCertificate));
    }
    Ok(chain)
}

fn private_key(dir: &Path, name: &str) -> Result<PrivateKey, Finding> {
    let bytes = file(dir, name)?;
    let finding = |problem| Finding::new(name, problem);
    for section in pem::sections(&bytes).map_err(finding)? {
        let key: PrivateKeyDer<'static> = match section.kind {
            SectionKind::PrivateKey => PrivateKeyDer::Pkcs8(section.der.into()),
            SectionKind::RsaPrivateKey => PrivateKeyDer::Pkcs1(section.der.into()),
            SectionKind::EcPrivateKey => PrivateKeyDer::Sec1(section.der.into()),
            _ => continue,
        };
        return Ok(PrivateKey::new(key));
    }
    let found = pem::first_label(&bytes).unwrap_or_else(|| "PEM section".into());
    Err(finding(if found == "ENCRYPTED PRIVATE KEY" {
        Problem::KeyEncrypted
    } else {
        Problem::WrongType {
            expected: "the device's private key",
            found,
        }
    }))
}

/// Whether the key is the certificate's, by comparing public keys.
fn fits(name: &str, chain: &[CertificateDer<'static>], key: &PrivateKey) -> Option<Finding> {
    let Ok(signer) = any_supported_type(key.der()) else {
        return Some(Finding::new(name, Problem::KeyUnsupported));
    };
    match CertifiedKey::new(chain.to_vec(), signer).keys_match() {
        Err(TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Some(Finding::new(name, Problem::KeyMismatch))
        }
        _ => None,
    }
}

fn dates(name: &str, der: &CertificateDer<'_>, now: SystemTime) -> Option<Finding> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let validity = certificate.validity();
    let (from, until) = (
        validity.not_before.to_datetime(),
        validity.not_after.to_datetime(),
    );
    let now = OffsetDateTime::from(now);
    let text = |at: OffsetDateTime| at.format(&Rfc3339).unwrap_or_else(|_| at.to_string());
    if now > until {
        return Some(Finding::new(name, Problem::Expired(text(until))));
    }
    (now < from).then(|| Finding::new(name, Problem::NotYetValid(text(from))))
}

fn authority(name: &str, der: &CertificateDer<'_>) -> Option<Finding> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    // Version 1 roots have no extensions to say it with, and are still in use.
    let old = certificate.extensions().is_empty();
    (!old && !certificate.is_ca()).then(|| {
        Finding::new(
            name,
            Problem::NotAuthority(certificate.subject().to_string()),
        )
    })
}

#[cfg(unix)]
fn too_open(dir: &Path, name: &str) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(dir.join(name)).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| Finding::new(name, Problem::TooOpen(mode)))
}

/// On Windows a file in a user's profile is readable by that user, administrators and the system only,
/// by inheritance; we write there by default and do not look at access lists.
#[cfg(not(unix))]
fn too_open(_dir: &Path, _name: &str) -> Option<Finding> {
    None
}
