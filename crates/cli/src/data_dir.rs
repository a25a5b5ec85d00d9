//! Where the local cloud keeps its data, and how a running one is found.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use thingwire_cloud::ready::READY_FILE;

use crate::exit::{Exit, Failure};

/// The platform's data folder, for when `--data-dir` is not given.
///
/// # Errors
/// If the system does not say where a home folder is.
pub(crate) fn default_dir() -> Result<PathBuf, Failure> {
    directories::ProjectDirs::from("", "", "thingwire")
        .map(|dirs| dirs.data_local_dir().to_owned())
        .ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                "this system does not say where data folders are",
            )
            .advise("give one with --data-dir")
        })
}

/// Where a running local cloud listens (see `--ready-file`).
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Ready {
    /// Host name of the MQTT endpoint.
    pub(crate) endpoint: String,
    /// Port of MQTT over mutual TLS.
    pub(crate) mqtt_port: u16,
    /// Port of MQTT with ALPN.
    pub(crate) alpn_port: Option<u16>,
    /// Port of SNTP; older clouds have none.
    #[serde(default)]
    pub(crate) sntp_port: Option<u16>,
    /// The control plane.
    pub(crate) api_url: String,
    /// PEM file with both roots.
    pub(crate) ca_file: PathBuf,
    /// The operator's kit.
    pub(crate) operator_kit: PathBuf,
    /// Region.
    pub(crate) region: String,
    /// Account.
    pub(crate) account_id: String,
}

impl Ready {
    /// Reads what the cloud on this data folder wrote when it started, if there is one.
    ///
    /// # Errors
    /// If the file is there and cannot be understood.
    pub(crate) fn of(data_dir: &Path) -> Result<Option<Self>, Failure> {
        let path = data_dir.join(READY_FILE);
        match std::fs::read(&path) {
            Ok(content) => serde_json::from_slice(&content).map(Some).map_err(|error| {
                Failure::new(
                    Exit::Failed,
                    format!("`{}` cannot be understood: {error}", path.display()),
                )
                .advise("restart `thingwire up`, which writes it anew")
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::new(
                Exit::Failed,
                format!("cannot read `{}`: {error}", path.display()),
            )
            .advise("is it another user's data folder? give yours with --data-dir")),
        }
    }
}
