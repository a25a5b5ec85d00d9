//! `kit.json`: what a kit says about itself.
//!
//! ```json
//! {
//!   "version": 1,
//!   "endpoint": "localhost",
//!   "mqtt_port": 8883,
//!   "alpn_port": 4443,
//!   "client_id": "esp32-demo",
//!   "thing_name": "esp32-demo",
//!   "region": "us-east-1",
//!   "account_id": "123456789012",
//!   "time_servers": ["localhost:4123", "time.aws.com"],
//!   "root_ca": "root-CA.pem",
//!   "certificate": "certificate.pem",
//!   "private_key": "private.key"
//! }
//! ```
//!
//! `time_servers` are for devices without a clock, the first choice first; without them some that everybody may ask.
//! `alpn_port` (where `x-amzn-mqtt-ca` is spoken, `A-6`) and `thing_name` may be null or absent. File names are names
//! inside the kit's folder. Members a reader does not know are ignored; `version` grows only when an
//! old reader would misunderstand, and a reader refuses versions above its own.

use serde::{Deserialize, Serialize};

use crate::{Finding, Problem, TimeServer};

/// The name of the file inside the kit's folder.
pub const MANIFEST_FILE: &str = "kit.json";

/// The newest version this crate reads, and the one it writes.
pub const MANIFEST_VERSION: u64 = 1;

/// The content of `kit.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format version, [`MANIFEST_VERSION`].
    pub version: u64,
    /// Host name of the MQTT endpoint (`A-2`); also the server name (SNI) and what the server's certificate must say.
    pub endpoint: String,
    /// Port of MQTT over mutual TLS, 8883 on AWS.
    pub mqtt_port: u16,
    /// Port of MQTT over mutual TLS with ALPN `x-amzn-mqtt-ca`, 443 on AWS.
    #[serde(default)]
    pub alpn_port: Option<u16>,
    /// MQTT client identifier.
    pub client_id: String,
    /// The thing this device is, if it is one.
    #[serde(default)]
    pub thing_name: Option<String>,
    /// AWS region.
    pub region: String,
    /// AWS account, 12 digits.
    pub account_id: String,
    /// Whom a device without a clock asks for the time, the first choice first.
    #[serde(default = "TimeServer::public")]
    pub time_servers: Vec<TimeServer>,
    /// File with the root certificates.
    #[serde(default = "root_ca_file")]
    pub root_ca: String,
    /// File with the device's certificate.
    #[serde(default = "certificate_file")]
    pub certificate: String,
    /// File with the device's private key.
    #[serde(default = "private_key_file")]
    pub private_key: String,
}

fn root_ca_file() -> String {
    "root-CA.pem".into()
}

fn certificate_file() -> String {
    "certificate.pem".into()
}

fn private_key_file() -> String {
    "private.key".into()
}

impl Manifest {
    /// A manifest with the usual file names; `alpn_port` and `thing_name` are yours to set.
    #[must_use]
    pub fn new(
        endpoint: &str,
        mqtt_port: u16,
        client_id: &str,
        region: &str,
        account_id: &str,
    ) -> Self {
        Self {
            version: MANIFEST_VERSION,
            endpoint: endpoint.to_owned(),
            mqtt_port,
            alpn_port: None,
            client_id: client_id.to_owned(),
            thing_name: None,
            region: region.to_owned(),
            account_id: account_id.to_owned(),
            time_servers: TimeServer::public(),
            root_ca: root_ca_file(),
            certificate: certificate_file(),
            private_key: private_key_file(),
        }
    }

    /// Reads the bytes of `kit.json`. The version is looked at first, so that a newer kit is called newer and not broken.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Finding> {
        #[derive(Deserialize)]
        struct Version {
            version: u64,
        }
        let invalid = |error: serde_json::Error| {
            Finding::new(MANIFEST_FILE, Problem::ManifestInvalid(error.to_string()))
        };
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let Version { version } = serde_json::from_slice(bytes).map_err(invalid)?;
        if version > MANIFEST_VERSION {
            return Err(Finding::new(MANIFEST_FILE, Problem::ManifestNewer(version)));
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(invalid)?;
        match manifest.wrong_value() {
            Some((member, why)) => Err(Finding::new(
                MANIFEST_FILE,
                Problem::ManifestValue { member, why },
            )),
            None => Ok(manifest),
        }
    }

    fn wrong_value(&self) -> Option<(&'static str, &'static str)> {
        if self.version == 0 {
            return Some(("version", "must be at least 1"));
        }
        let texts = [("endpoint", &self.endpoint), ("client_id", &self.client_id)];
        if let Some((member, _)) = texts.iter().find(|(_, text)| text.trim().is_empty()) {
            return Some((member, "must not be empty"));
        }
        // People paste the endpoint as a URL; the resolver's answer to that helps nobody.
        if self.endpoint.contains("://") || self.endpoint.contains('/') {
            return Some(("endpoint", "must be a host name, not a URL"));
        }
        if self.mqtt_port == 0 {
            return Some(("mqtt_port", "must not be 0"));
        }
        if self.alpn_port == Some(0) {
            return Some(("alpn_port", "must not be 0"));
        }
        let files = [
            ("root_ca", &self.root_ca),
            ("certificate", &self.certificate),
            ("private_key", &self.private_key),
        ];
        // A kit comes from somebody else: it shall not be able to name files outside of its own folder.
        let outside = |name: &str| {
            name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\', ':', '\0'])
        };
        files
            .iter()
            .find(|(_, name)| outside(name))
            .map(|(member, _)| (*member, "must be a file name inside the kit's folder"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Manifest, Problem> {
        Manifest::parse(text.as_bytes()).map_err(|finding| finding.problem)
    }

    const SMALLEST: &str = r#"{"version":1,"endpoint":"localhost","mqtt_port":8883,"client_id":"a",
        "region":"us-east-1","account_id":"123456789012"}"#;

    #[test]
    fn what_is_written_is_read_back() {
        let mut manifest = Manifest::new("localhost", 8883, "a", "us-east-1", "123456789012");
        assert_eq!(parse(SMALLEST), Ok(manifest.clone()));
        manifest.alpn_port = Some(4443);
        manifest.thing_name = Some("a".into());
        assert_eq!(
            parse(&serde_json::to_string(&manifest).unwrap()),
            Ok(manifest)
        );
    }

    #[test]
    fn a_newer_version_is_called_newer_even_when_its_members_differ() {
        assert_eq!(
            parse(r#"{"version": 2, "hosts": []}"#),
            Err(Problem::ManifestNewer(2))
        );
    }

    #[test]
    fn time_servers_are_named_or_public() {
        let with = |servers: &str| {
            let member = format!("{{\"time_servers\":{servers},\"version\"");
            parse(&SMALLEST.replace("{\"version\"", &member))
        };
        assert_eq!(parse(SMALLEST).unwrap().time_servers, TimeServer::public());
        assert_eq!(with("[]").unwrap().time_servers, []);
        let named = with("[\"localhost:4123\"]").unwrap().time_servers;
        assert_eq!(named, ["localhost:4123".parse().unwrap()]);
        match with("[\"ntp://localhost\"]") {
            Err(Problem::ManifestInvalid(text)) => {
                assert!(text.contains("no time server"), "{text}")
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn unknown_members_and_a_byte_order_mark_are_ignored() {
        assert!(parse(&SMALLEST.replace("{\"version\"", "{\"colour\":1,\"version\"")).is_ok());
        assert!(parse(&format!("\u{feff}{SMALLEST}")).is_ok());
    }

    #[test]
    fn values_that_cannot_be_right_are_named() {
        for (from, to, member) in [
            ("\"localhost\"", "\"mqtts://localhost\"", "endpoint"),
            ("\"localhost\"", "\" \"", "endpoint"),
            ("8883", "0", "mqtt_port"),
            (
                "\"client_id\":\"a\"",
                "\"client_id\":\"a\",\"private_key\":\"../id_rsa\"",
                "private_key",
            ),
            (
                "\"client_id\":\"a\"",
                "\"client_id\":\"a\",\"root_ca\":\"/etc/passwd\"",
                "root_ca",
            ),
        ] {
            match parse(&SMALLEST.replace(from, to)) {
                Err(Problem::ManifestValue { member: named, .. }) => assert_eq!(named, member),
                other => panic!("{to}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_not_json_is_placed() {
        match parse("{\"version\": 1,\n oops}") {
            Err(Problem::ManifestInvalid(text)) => assert!(text.contains("line 2"), "{text}"),
            other => panic!("{other:?}"),
        }
    }
}
