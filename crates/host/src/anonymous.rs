//! TLS in which only the server proves itself, for protocols that prove the client in another way.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use thingwire_device::{Failure, FailureKind};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use crate::{explain, tcp, tls};

/// Opens TLS to this host and port; one of the roots, PEM, must vouch for the server.
///
/// Waits for the resolver, the server, and the TLS handshake. Dropping it closes what was opened.
///
/// # Errors
/// [`Failure`] says at which step it failed.
pub async fn open_tls(
    host: &str,
    port: u16,
    roots_pem: &str,
) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug + use<>, Failure> {
    let unusable = |what: &str| Failure::new(FailureKind::Configuration, what);
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| unusable("the endpoint is not a host name"))?;
    let roots = CertificateDer::pem_slice_iter(roots_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| unusable("the roots are not PEM"))?;
    let config = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::with(FailureKind::Configuration, format_args!("{error}")))?
        .with_root_certificates(tls::roots(&roots)?)
        .with_no_client_auth();
    let stream = tcp::open(host, port).await?;
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| explain::handshake(&error))
}
