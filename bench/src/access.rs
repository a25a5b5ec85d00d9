//! What a client of the generator needs to reach a broker: a port, and a folder with root, certificate and key.
//!
//! The folder has the names of a connection kit's files, so that processes of their own can be pointed at it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use thingwire_conformance::{Authority, Identity};

use crate::Outcome;

const ROOT: &str = "root-CA.pem";
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "private.key";

/// How to reach one broker.
pub(crate) struct Access {
    /// Port of mutual TLS on 127.0.0.1.
    pub(crate) port: u16,
    /// TLS with a client certificate it accepts; no resumption, as AWS has none.
    pub(crate) tls: Arc<ClientConfig>,
    /// Name in its certificate.
    pub(crate) name: ServerName<'static>,
    /// Where the files are.
    pub(crate) folder: PathBuf,
}

impl Access {
    /// Reads the files.
    pub(crate) fn load(folder: &Path, port: u16) -> Outcome<Self> {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(folder.join(ROOT))? {
            roots.add(root?)?;
        }
        let mut tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(
                CertificateDer::pem_file_iter(folder.join(CERTIFICATE))?
                    .collect::<Result<_, _>>()?,
                PrivateKeyDer::from_pem_file(folder.join(KEY))?,
            )?;
        tls.resumption = Resumption::disabled();
        Ok(Self {
            port,
            tls: Arc::new(tls),
            name: ServerName::try_from("localhost")?,
            folder: folder.to_owned(),
        })
    }
}

/// Writes what [`Access::load`] reads. The folder must be private: a key is among it.
pub(crate) fn write(folder: &Path, root: &Authority, of: &Identity) -> Outcome<()> {
    fs::write(folder.join(ROOT), root.pem())?;
    fs::write(folder.join(CERTIFICATE), &of.certificate)?;
    fs::write(folder.join(KEY), &of.key)?;
    Ok(())
}

/// The server's side of the same folder: its certificate, and clients must show one of the same root.
pub(crate) fn server(folder: &Path) -> Outcome<ServerConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(folder.join(ROOT))? {
        roots.add(root?)?;
    }
    let clients =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()?;
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients)
        .with_single_cert(
            CertificateDer::pem_file_iter(folder.join(CERTIFICATE))?.collect::<Result<_, _>>()?,
            PrivateKeyDer::from_pem_file(folder.join(KEY))?,
        )?;
    tls.send_tls13_tickets = 0;
    Ok(tls)
}
