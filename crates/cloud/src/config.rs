//! What a person may choose when starting the local cloud.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use thingwire_contract::limit::WEBSOCKET_LIFE_SECONDS;

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

/// AWS's security policies for TLS (`A-17`), under their names after `IoTSecurityPolicy_`. rustls has no TLS below 1.2, so the two
/// that allow it offer 1.2 alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsPolicy {
    /// TLS 1.2 and 1.3; AWS's default.
    #[default]
    Tls13_1_2_2022_10,
    /// TLS 1.3 only.
    Tls13_1_3_2022_10,
    /// TLS 1.2 only.
    Tls12_1_2_2022_10,
    /// TLS 1.0 to 1.2 on AWS.
    Tls12_1_0_2016_01,
    /// TLS 1.0 to 1.2 on AWS.
    Tls12_1_0_2015_01,
    /// TLS 1.2 and 1.3; GovCloud's default.
    Tls13_1_2_2022_01,
}

impl TlsPolicy {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Tls13_1_2_2022_10,
        Self::Tls13_1_3_2022_10,
        Self::Tls12_1_2_2022_10,
        Self::Tls12_1_0_2016_01,
        Self::Tls12_1_0_2015_01,
        Self::Tls13_1_2_2022_01,
    ];

    /// AWS's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tls13_1_2_2022_10 => "IoTSecurityPolicy_TLS13_1_2_2022_10",
            Self::Tls13_1_3_2022_10 => "IoTSecurityPolicy_TLS13_1_3_2022_10",
            Self::Tls12_1_2_2022_10 => "IoTSecurityPolicy_TLS12_1_2_2022_10",
            Self::Tls12_1_0_2016_01 => "IoTSecurityPolicy_TLS12_1_0_2016_01",
            Self::Tls12_1_0_2015_01 => "IoTSecurityPolicy_TLS12_1_0_2015_01",
            Self::Tls13_1_2_2022_01 => "IoTSecurityPolicy_TLS13_1_2_2022_01",
        }
    }
}

/// How far the clocks of signer and server may be apart, as on AWS.
pub const SIGNATURE_SKEW: Duration = Duration::from_secs(300);

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
    /// What AWS has on 443 (`A-6`): MQTT over mutual TLS with ALPN `x-amzn-mqtt-ca`, HTTPS over mutual TLS with `x-amzn-http-ca`, and
    /// without either, signed: MQTT over WebSocket and HTTPS. 0 takes a free port.
    pub alpn_port: u16,
    /// HTTPS and MQTT over WebSocket with a client certificate (`A-6`); 0 takes a free port.
    pub https_port: u16,
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
    /// Bytes of topics, payloads and properties that retained messages may take together (`B-65`).
    pub retained_bytes: usize,
    /// Which TLS versions the ports for devices take (`A-17`).
    pub tls_policy: TlsPolicy,
    /// More access keys that may sign requests, in the form of AWS's shared credentials file.
    pub access_keys_file: Option<PathBuf>,
    /// How far the clocks of signer and server may be apart.
    pub signature_skew: Duration,
    /// How long a connection lives that was opened with a signature (`A-10`).
    pub websocket_life: Duration,
    /// Where to write, once everything listens, what listens where.
    pub ready_file: Option<PathBuf>,
    /// Where to append what clients did and what was decided, one line of JSON for each distinct event. Usually nowhere.
    pub record_file: Option<PathBuf>,
}

impl Config {
    /// What [`retained_bytes`](Self::retained_bytes) usually is: 1 GiB, because they are all in memory.
    pub const RETAINED_BYTES: usize = 1024 * 1024 * 1024;

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
            https_port: 8443,
            api_port: 4566,
            sntp_port: 4123,
            plaintext_port: None,
            cert_refusal: CertRefusal::default(),
            strict_sni: false,
            behaviour: Behaviour::default(),
            quotas: None,
            retained_bytes: Self::RETAINED_BYTES,
            tls_policy: TlsPolicy::default(),
            access_keys_file: None,
            signature_skew: SIGNATURE_SKEW,
            websocket_life: Duration::from_secs(u64::from(WEBSOCKET_LIFE_SECONDS)),
            ready_file: None,
            record_file: None,
        }
    }

    /// The same with a free port for everything that listens.
    #[must_use]
    pub fn with_free_ports(mut self) -> Self {
        (self.mqtt_port, self.alpn_port, self.https_port) = (0, 0, 0);
        (self.api_port, self.sntp_port) = (0, 0);
        self.plaintext_port = self.plaintext_port.map(|_| 0);
        self
    }
}
