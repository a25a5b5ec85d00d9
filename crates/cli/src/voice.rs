//! The two ways in which `pub` and `sub` connect: with a kit, or signed with AWS credentials.

use thingwire_device::{Connector, Failure};
use thingwire_host::{KitConnector, Transport, TransportError};

use crate::signed::Signer;

/// Opens connections in the one way or the other.
#[derive(Debug)]
pub(crate) enum Voice {
    /// As the principal of a certificate.
    Kit(Box<KitConnector>),
    /// As the principal of an access key.
    Signed(Signer),
}

impl Connector for Voice {
    type Error = TransportError;
    type Transport<'a> = Transport;

    async fn connect(&mut self) -> Result<Transport, Failure> {
        match self {
            Self::Kit(connector) => connector.connect().await,
            Self::Signed(signer) => signer.connect().await,
        }
    }

    fn explain(error: &TransportError) -> Failure {
        KitConnector::explain(error)
    }

    async fn close(transport: Self::Transport<'_>) {
        transport.shutdown().await;
    }
}
