//! Mutual TLS with a connection kit.

use std::fmt;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use thingwire_device::{Connector, Failure, FailureKind};
use thingwire_kit::Kit;
use tokio_rustls::TlsConnector;

use crate::summary::{TlsSummary, TlsWatch};
use crate::{Transport, TransportError, explain, tcp, tls};

/// Opens the connections that a kit describes: TLS 1.3 or 1.2 with AWS's cipher suites, the kit's
/// roots, its certificate and key, and the endpoint as server name (`A-12`).
#[derive(Clone)]
pub struct KitConnector {
    kit: Kit,
    port: u16,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
    watch: TlsWatch,
}

impl KitConnector {
    /// Connects to the kit's MQTT port, 8883 at AWS (`A-6`).
    ///
    /// # Errors
    /// [`FailureKind::Configuration`]: TLS cannot use the kit.
    pub fn new(kit: &Kit) -> Result<Self, Failure> {
        Self::with(kit, kit.mqtt_port, false)
    }

    /// Connects to the kit's port for MQTT with ALPN `x-amzn-mqtt-ca`, 443 at AWS (`A-6`): the way out
    /// of networks that let nothing else through.
    ///
    /// # Errors
    /// [`FailureKind::Configuration`]: TLS cannot use the kit, or the kit names no such port.
    pub fn with_alpn(kit: &Kit) -> Result<Self, Failure> {
        let port = kit.alpn_port.ok_or_else(|| {
            Failure::new(
                FailureKind::Configuration,
                "the kit names no port for MQTT with ALPN",
            )
        })?;
        Self::with(kit, port, true)
    }

    /// A handle that shows what TLS did at the newest connection.
    #[must_use]
    pub fn tls_summary(&self) -> TlsWatch {
        self.watch.clone()
    }

    fn with(kit: &Kit, port: u16, alpn: bool) -> Result<Self, Failure> {
        let name = ServerName::try_from(kit.endpoint.clone()).map_err(|_| {
            Failure::with(
                FailureKind::Configuration,
                format_args!("the endpoint `{}` is not a host name", kit.endpoint),
            )
        })?;
        Ok(Self {
            kit: kit.clone(),
            port,
            name,
            config: Arc::new(tls::client_config(kit, alpn)?),
            watch: TlsWatch::default(),
        })
    }
}

impl fmt::Debug for KitConnector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KitConnector")
            .field("endpoint", &self.kit.endpoint)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Connector for KitConnector {
    type Error = TransportError;
    type Transport<'a> = Transport;

    /// Waits for the resolver, the server, and the TLS handshake. Dropping it closes what was opened.
    async fn connect(&mut self) -> Result<Transport, Failure> {
        let stream = tcp::open(&self.kit.endpoint, self.port).await?;
        let tls = TlsConnector::from(self.config.clone())
            .connect(self.name.clone(), stream)
            .await
            .map_err(|error| explain::handshake(&error))?;
        self.watch
            .set(TlsSummary::new(&self.kit, &self.name, tls.get_ref().1));
        Ok(Transport::tls(tls))
    }

    fn explain(error: &TransportError) -> Failure {
        explain::io(error.io())
    }

    async fn close(transport: Self::Transport<'_>) {
        transport.shutdown().await;
    }
}
