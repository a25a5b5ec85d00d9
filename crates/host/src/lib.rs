//! The device library on a computer: tokio sockets, rustls, the system's clock and randomness.
//!
//! [`KitConnector`] opens mutual-TLS connections with a connection kit, as AWS IoT Core wants them, and says in
//! plain words why one failed. [`TcpConnector`] opens plain ones, for brokers in tests.
//! [`HostPlatform`] supplies time and randomness. What is said over the connection is decided in
//! `thingwire-device`; nothing here knows MQTT.
//!
//! All of it belongs to one thread: run the client and the application in one `block_on`.

mod anonymous;
mod certificate;
mod explain;
mod kit_connector;
mod platform;
mod summary;
mod tcp;
mod tls;
mod transport;

pub use anonymous::open_tls;
pub use certificate::CertificateSummary;
pub use kit_connector::KitConnector;
pub use platform::HostPlatform;
pub use summary::{TlsSummary, TlsWatch};
pub use tcp::TcpConnector;
pub use transport::{Transport, TransportError};

pub use thingwire_device as device;
pub use thingwire_kit::Kit;
