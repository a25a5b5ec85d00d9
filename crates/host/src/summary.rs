//! What TLS did: who proved what to whom, with which certificate.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConnection, ProtocolVersion, RootCertStore};
use thingwire_kit::Kit;

use crate::CertificateSummary;
use crate::tls::provider;

/// One finished handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSummary {
    /// `TLS 1.2` or `TLS 1.3`.
    pub version: String,
    /// The cipher suite by its IANA name.
    pub cipher_suite: String,
    /// The group in which the keys were agreed, such as `X25519`.
    pub key_exchange: String,
    /// The protocol that ALPN settled on, if it was used.
    pub alpn: Option<String>,
    /// The name that the server had to prove, which was also its SNI.
    pub server_name: String,
    /// The server's certificate.
    pub server: CertificateSummary,
    /// Subject of the kit's root that proved it.
    pub root: String,
    /// Our certificate, with which we proved who we are.
    pub device: CertificateSummary,
}

impl TlsSummary {
    pub(crate) fn new(kit: &Kit, name: &ServerName<'_>, connection: &ClientConnection) -> Self {
        let chain = connection.peer_certificates().unwrap_or_default();
        Self {
            version: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => "TLS 1.2".into(),
                Some(ProtocolVersion::TLSv1_3) => "TLS 1.3".into(),
                other => format!("{other:?}"),
            },
            cipher_suite: connection
                .negotiated_cipher_suite()
                .map_or_else(String::new, |suite| {
                    // rustls writes TLS13_… where IANA has TLS_….
                    format!("{:?}", suite.suite()).replace("TLS13_", "TLS_")
                }),
            key_exchange: connection
                .negotiated_key_exchange_group()
                .map_or_else(String::new, |group| format!("{:?}", group.name())),
            alpn: connection
                .alpn_protocol()
                .map(|protocol| String::from_utf8_lossy(protocol).into_owned()),
            server_name: kit.endpoint.clone(),
            server: chain
                .first()
                .map(|leaf| CertificateSummary::of(leaf))
                .unwrap_or_default(),
            root: proving_root(kit, name, chain).unwrap_or_default(),
            device: kit
                .certificate
                .first()
                .map(|leaf| CertificateSummary::of(leaf))
                .unwrap_or_default(),
        }
    }
}

/// The root that proves the chain when it is the only one known. rustls does not tell which one it used.
fn proving_root(kit: &Kit, name: &ServerName<'_>, chain: &[CertificateDer<'_>]) -> Option<String> {
    let (leaf, intermediates) = chain.split_first()?;
    kit.roots.iter().find_map(|root| {
        let mut only = RootCertStore::empty();
        only.add(root.clone()).ok()?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(only), provider())
            .build()
            .ok()?;
        verifier
            .verify_server_cert(leaf, intermediates, name, &[], UnixTime::now())
            .ok()?;
        Some(CertificateSummary::of(root).subject)
    })
}

/// Shows the newest handshake of a connector, also while a client has borrowed that connector.
#[derive(Clone, Debug, Default)]
pub struct TlsWatch(Arc<Mutex<Option<TlsSummary>>>);

impl TlsWatch {
    /// The newest finished handshake; `None` before the first.
    #[must_use]
    pub fn latest(&self) -> Option<TlsSummary> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set(&self, summary: TlsSummary) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(summary);
    }
}
