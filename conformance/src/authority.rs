//! Certificates that are not the local cloud's: for foreign brokers, and for devices nobody registered.

use std::fs;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// A certificate authority with a P-256 key.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its private key, as PEM.
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// Its P-256 private key, PKCS #8.
    pub key: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

impl Authority {
    /// A fresh root of this name.
    ///
    /// # Panics
    /// When the cryptographic library fails, as everywhere in this file.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a root").pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// The root, as PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A server certificate for localhost.
    #[must_use]
    pub fn server(&self) -> Identity {
        self.sign(
            "localhost",
            &["localhost", "127.0.0.1"],
            ExtendedKeyUsagePurpose::ServerAuth,
        )
    }

    /// A client certificate with this common name.
    #[must_use]
    pub fn client(&self, name: &str) -> Identity {
        self.sign(name, &[], ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// The same for a client whose certificate holds so many more names.
    #[must_use]
    pub fn client_of_many_names(&self, name: &str, more: usize) -> Identity {
        let names: Vec<String> = (0..more).map(|n| format!("name-{n}.example")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.sign(name, &names, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(&self, name: &str, alternatives: &[&str], usage: ExtendedKeyUsagePurpose) -> Identity {
        let alternatives: Vec<String> =
            alternatives.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(alternatives).expect("names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().expect("a key");
        let certificate = params
            .signed_by(&key, &self.issuer)
            .expect("a certificate")
            .pem();
        Identity {
            certificate,
            key: key.serialize_pem(),
        }
    }
}

impl Identity {
    /// Writes `<name>.crt` and `<name>.key` into a folder.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub fn write(&self, folder: &Path, name: &str) {
        fs::write(folder.join(format!("{name}.crt")), &self.certificate)
            .expect("a certificate file");
        fs::write(folder.join(format!("{name}.key")), &self.key).expect("a key file");
    }
}
