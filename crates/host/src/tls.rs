//! The TLS that AWS IoT Core speaks, and nothing else.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs, aws_lc_rs::cipher_suite};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use thingwire_device::{Failure, FailureKind};
use thingwire_kit::Kit;

/// ALPN that tells MQTT with a client certificate apart on a shared port (`A-6`).
pub(crate) const ALPN_MQTT: &[u8] = b"x-amzn-mqtt-ca";

/// rustls with AWS's cipher suites (`A-18`), as far as rustls has them: it has neither CBC nor RSA key exchange. There
/// is no ChaCha20 for TLS 1.2 at AWS, so it is not offered.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        ],
        ..aws_lc_rs::default_provider()
    })
}

/// TLS with this kit: its roots and no others prove the server, its certificate and key prove us.
pub(crate) fn client_config(kit: &Kit, alpn: bool) -> Result<ClientConfig, Failure> {
    let unusable = |error: rustls::Error| match error {
        rustls::Error::InconsistentKeys(_) => Failure::new(
            FailureKind::Configuration,
            "the private key does not belong to the certificate",
        ),
        error => Failure::with(FailureKind::Configuration, format_args!("{error}")),
    };
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_root_certificates(roots(&kit.roots)?)
        .with_client_auth_cert(kit.certificate.clone(), kit.private_key.to_der())
        .map_err(unusable)?;
    // AWS resumes no sessions; asking for it would only cost bytes.
    config.resumption = Resumption::disabled();
    if alpn {
        config.alpn_protocols = vec![ALPN_MQTT.to_vec()];
    }
    Ok(config)
}

/// The only certificates that may vouch for a server.
pub(crate) fn roots(certificates: &[CertificateDer<'static>]) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    for root in certificates {
        roots.add(root.clone()).map_err(|error| {
            Failure::with(
                FailureKind::Configuration,
                format_args!("a root certificate: {error}"),
            )
        })?;
    }
    Ok(roots)
}
