//! What a person may choose when starting the local cloud.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use thingwire_broker::{Behaviour, Quotas};

/// The name that DescribeEndpoint answers unless told otherwise: people's clients must be able to resolve it.
pub const DEFAULT_ENDPOINT: &str = "localhost";
/// Region of an account made without a choice.
pub const DEFAULT_REGION: &str = "us-east-1";
/// Id of an account made without a choice.
pub const DEFAULT_ACCOUNT: &str = "123456789012";

/// How a certificate that may not connect is refused. Both have been seen on AWS (`A-30`); never is there a CONNACK.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CertRefusal {
    /// The handshake fails with the TLS alert `certificate_unknown`. (In TLS 1.3 the client sees its handshake finish first.)
    #[default]
    Alert,
    /// The handshake succeeds, then the connection is closed.
    AfterHandshake,
}

/// The settings of a local cloud. [`Config::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct Config {
    /// The one folder that holds everything.
    pub data_dir: PathBuf,
    /// AWS region. None: that of the folder's account, [`DEFAULT_REGION`] for a new one.
    pub region: Option<String>,
    /// Account id, 12 digits. None: that of the folder's account, [`DEFAULT_ACCOUNT`] for a new one.
    pub account_id: Option<String>,
    /// Host name that DescribeEndpoint answers (`A-2`) and kits contain.
    pub endpoint: String,
    /// More names and addresses under which devices reach this machine; the server certificates will hold them.
    pub hosts: Vec<String>,
    /// Where devices may connect. The API listens on loopback whatever this says.
    pub bind: IpAddr,
    /// MQTT over mutual TLS; 0 takes a free port.
    pub mqtt_port: u16,
    /// MQTT over mutual TLS with ALPN `x-amzn-mqtt-ca` (`A-6`); 0 takes a free port.
    pub alpn_port: u16,
    /// The control plane, HTTP and HTTPS; 0 takes a free port.
    pub api_port: u16,
    /// SNTP over UDP, for devices without a clock; 0 takes a free port.
    pub sntp_port: u16,
    /// MQTT without TLS and without policies, on loopback only, for tools and test suites (`A-8`). Usually off.
    pub plaintext_port: Option<u16>,
    /// How a certificate that may not connect is refused.
    pub cert_refusal: CertRefusal,
    /// Whether a missing or unknown server name (SNI) is refused (`A-16`).
    pub strict_sni: bool,
    /// How the broker behaves where AWS IoT Core and the MQTT standard part.
    pub behaviour: Behaviour,
    /// AWS's rates and account numbers. Usually off.
    pub quotas: Option<Quotas>,
    /// Where to write, once everything listens, what listens where.
    pub ready_file: Option<PathBuf>,
    /// Where to append what clients did and what was decided, one line of JSON for each distinct event. Usually nowhere.
    pub record_file: Option<PathBuf>,
}

impl Config {
    /// The defaults over this folder.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            region: None,
            account_id: None,
            endpoint: DEFAULT_ENDPOINT.to_owned(),
            hosts: Vec::new(),
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            mqtt_port: 8883,
            alpn_port: 4443,
            api_port: 4566,
            sntp_port: 4123,
            plaintext_port: None,
            cert_refusal: CertRefusal::default(),
            strict_sni: false,
            behaviour: Behaviour::default(),
            quotas: None,
            ready_file: None,
            record_file: None,
        }
    }

    /// The same with a free port for everything that listens.
    #[must_use]
    pub fn with_free_ports(mut self) -> Self {
        (self.mqtt_port, self.alpn_port) = (0, 0);
        (self.api_port, self.sntp_port) = (0, 0);
        self.plaintext_port = self.plaintext_port.map(|_| 0);
        self
    }
}
