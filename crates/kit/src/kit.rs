//! A kit in memory, ready for a TLS client.

use std::path::Path;

use rustls::pki_types::CertificateDer;

use crate::{KitError, PrivateKey, TimeServer, check};

/// A connection kit that was read and whose parts fit together.
#[derive(Clone, Debug)]
pub struct Kit {
    /// Host name of the MQTT endpoint; also the server name (SNI).
    pub endpoint: String,
    /// Port of MQTT over mutual TLS.
    pub mqtt_port: u16,
    /// Port of MQTT over mutual TLS with ALPN `x-amzn-mqtt-ca` (`A-6`).
    pub alpn_port: Option<u16>,
    /// MQTT client identifier.
    pub client_id: String,
    /// The thing this device is, if it is one.
    pub thing_name: Option<String>,
    /// AWS region.
    pub region: String,
    /// AWS account, 12 digits.
    pub account_id: String,
    /// Whom a device without a clock asks for the time, the first choice first.
    pub time_servers: Vec<TimeServer>,
    /// The roots that may prove the server; at least one.
    pub roots: Vec<CertificateDer<'static>>,
    /// The device's certificate chain, leaf first; at least one.
    pub certificate: Vec<CertificateDer<'static>>,
    /// The device's private key.
    pub private_key: PrivateKey,
}

impl Kit {
    /// Reads the kit in this folder.
    ///
    /// An expired certificate or a key file that others may read does not stop it: the cloud judges the one,
    /// [`crate::check`] names both.
    ///
    /// # Errors
    /// [`KitError::Unusable`] names the first thing that makes the kit unreadable.
    pub fn load(dir: impl AsRef<Path>) -> Result<Self, KitError> {
        let dir = dir.as_ref();
        check::read(dir).kit.map_err(|finding| KitError::Unusable {
            dir: dir.to_owned(),
            finding,
        })
    }
}
