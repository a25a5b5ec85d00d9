//! Certificates made for one test, a kit on disk, and a TLS server on a port the system chose.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use thingwire_host::Kit;
use thingwire_kit::{Existing, KitFiles, Manifest, PrivateKeyPem};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A certificate authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) der: CertificateDer<'static>,
    pem: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            der: certificate.der().clone(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate for a server with this name, valid in these years.
    pub(crate) fn server(&self, name: &str, years: (i32, i32)) -> Identity {
        self.issue(
            CertificateParams::new([name.to_owned()]).unwrap(),
            name,
            years,
        )
    }

    pub(crate) fn device(&self) -> Identity {
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params, "esp32-demo", (2020, 2049))
    }

    fn issue(&self, mut params: CertificateParams, name: &str, years: (i32, i32)) -> Identity {
        let key = KeyPair::generate().unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            der: certificate.der().clone(),
            pem: certificate.pem(),
            key,
        }
    }
}

pub(crate) struct Identity {
    der: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

/// A kit whose roots are `other` and `root`, in this order.
pub(crate) fn kit(port: u16, roots: &[&Authority], device: &Identity) -> Kit {
    let dir = tempfile::tempdir().unwrap();
    let mut manifest = Manifest::new("localhost", port, "esp32-demo", "us-east-1", "123456789012");
    manifest.alpn_port = Some(port);
    KitFiles {
        manifest,
        root_ca_pem: roots.iter().map(|root| root.pem.as_str()).collect(),
        certificate_pem: device.pem.clone(),
        private_key_pem: PrivateKeyPem::new(device.key.serialize_pem()),
    }
    .write(dir.path(), Existing::Keep)
    .unwrap();
    Kit::load(dir.path()).unwrap()
}

/// A TLS server for one connection after the other.
pub(crate) struct Server {
    listener: TcpListener,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { listener, port }
    }

    pub(crate) async fn accept_tcp(&self) -> TcpStream {
        self.listener.accept().await.unwrap().0
    }

    pub(crate) async fn accept(
        &self,
        config: ServerConfig,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        TlsAcceptor::from(Arc::new(config))
            .accept(self.accept_tcp().await)
            .await
    }
}

/// A server that shows `identity` and takes devices of `clients`.
pub(crate) fn server_config(
    identity: &Identity,
    clients: &Authority,
    versions: &[&'static SupportedProtocolVersion],
) -> ServerConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(clients.der.clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![identity.der.clone()],
            PrivateKeyDer::try_from(identity.key.serialize_der()).unwrap(),
        )
        .unwrap()
}
