//! The ready file: what listens where, for scripts and for our own command line.
//!
//! Written once everything listens, whole or not at all, to `ready.json` in the data folder and where `--ready-file` says.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

/// Its name inside the data folder.
pub const READY_FILE: &str = "ready.json";

/// Where everything is. Members that are null belong to services which are not there yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ready {
    /// Host name of the endpoint, as DescribeEndpoint answers it.
    pub endpoint: String,
    /// MQTT over mutual TLS.
    pub mqtt_port: u16,
    /// What AWS has on 443: MQTT over mutual TLS with ALPN `x-amzn-mqtt-ca`, MQTT over WebSocket and HTTPS with signatures.
    pub alpn_port: u16,
    /// SNTP, UDP.
    pub sntp_port: u16,
    /// HTTPS, and MQTT over WebSocket, with certificates.
    pub https_port: Option<u16>,
    /// The control plane.
    pub api_url: String,
    /// The web console.
    pub console_url: Option<String>,
    /// PEM file with both roots.
    pub ca_file: PathBuf,
    /// Folder of the operator's kit.
    pub operator_kit: PathBuf,
    /// The operator's access key, in the form of AWS's shared credentials file.
    pub credentials_file: PathBuf,
    /// Region.
    pub region: String,
    /// Account, 12 digits.
    pub account_id: String,
}

impl Ready {
    /// Writes it to this file.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        text.push(b'\n');
        write_whole(path, &text)
    }
}

/// Writes beside the file and moves it into place: who waits for the file never sees half of it.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = File::create(&beside)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&beside, path));
    written.inspect_err(|_| drop(fs::remove_file(&beside)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_exactly_the_members_that_scripts_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ready");
        let ready = Ready {
            endpoint: "localhost".to_owned(),
            mqtt_port: 8883,
            alpn_port: 4443,
            sntp_port: 4123,
            https_port: None,
            api_url: "http://localhost:4566".to_owned(),
            console_url: None,
            ca_file: "/data/root-CA.pem".into(),
            operator_kit: "/data/operator-kit".into(),
            credentials_file: "/data/operator-credentials".into(),
            region: "us-east-1".to_owned(),
            account_id: "123456789012".to_owned(),
        };
        fs::write(&path, "of an earlier start").unwrap();
        ready.write(&path).unwrap();
        let read: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(
            read,
            serde_json::json!({
                "endpoint": "localhost", "mqtt_port": 8883, "alpn_port": 4443, "sntp_port": 4123, "https_port": null,
                "api_url": "http://localhost:4566", "console_url": null, "ca_file": "/data/root-CA.pem",
                "operator_kit": "/data/operator-kit", "credentials_file": "/data/operator-credentials", "region": "us-east-1", "account_id": "123456789012",
            })
        );
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }
}
