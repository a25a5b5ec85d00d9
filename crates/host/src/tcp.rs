//! Plain TCP: for brokers in tests, and the first step of TLS.

use std::io;

use thingwire_device::{Connector, Failure, FailureKind};
use tokio::net::{TcpStream, lookup_host};

use crate::explain;
use crate::{Transport, TransportError};

/// Opens connections without TLS. AWS has none (`A-8`); local test brokers have.
#[derive(Clone, Debug)]
pub struct TcpConnector {
    host: String,
    port: u16,
}

impl TcpConnector {
    /// Connects to this host name or address and port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
        }
    }
}

impl Connector for TcpConnector {
    type Error = TransportError;
    type Transport<'a> = Transport;

    /// Waits for the resolver and for the server. Dropping it closes what was opened.
    async fn connect(&mut self) -> Result<Transport, Failure> {
        open(&self.host, self.port).await.map(Transport::tcp)
    }

    fn explain(error: &TransportError) -> Failure {
        explain::io(error.io())
    }

    async fn close(transport: Self::Transport<'_>) {
        transport.shutdown().await;
    }
}

/// Resolves the name and takes the first address that answers: `localhost` may be two, of which a
/// server often listens on one.
pub(crate) async fn open(host: &str, port: u16) -> Result<TcpStream, Failure> {
    let addresses = lookup_host((host, port))
        .await
        .map_err(|error| Failure::with(FailureKind::Dns, format_args!("`{host}`: {error}")))?;
    let mut last: Option<io::Error> = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Small packets must not wait for each other; without it things only get slower.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(match last {
        Some(error) => Failure::with(FailureKind::Tcp, format_args!("`{host}:{port}`: {error}")),
        None => Failure::with(FailureKind::Dns, format_args!("`{host}` has no address")),
    })
}
