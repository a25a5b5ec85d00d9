//! Why the cloud did not start; each text says what to do.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use thingwire_kit::KitError;
use thingwire_store::StoreError;

pub use crate::access_keys::KeyListError;
use crate::account::AccountError;
use crate::registry::RegistryError;

/// Why the cloud did not start. Nothing listens then; what the data folder held is as it was.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another program has the port.
    #[error("{address} is in use by another program; choose another with {flag}")]
    PortInUse {
        /// The flag that chooses the port.
        flag: &'static str,
        /// Where.
        address: SocketAddr,
    },
    /// The system keeps the port for others, as Unix does below 1024.
    #[error("this user may not listen on {address}; choose a port above 1023 with {flag}")]
    PortForbidden {
        /// The flag that chooses the port.
        flag: &'static str,
        /// Where.
        address: SocketAddr,
    },
    /// This machine has no such address.
    #[error("this machine has no address {address}; change --bind")]
    Bind {
        /// The address.
        address: IpAddr,
    },
    /// Listening failed for another reason.
    #[error("cannot listen on {address} ({flag}): {error}")]
    Listen {
        /// The flag that chooses the port.
        flag: &'static str,
        /// Where.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// The data folder, or a file in it, cannot be made or written.
    #[error("cannot write `{}`: {error}; make it writable, or choose another --data-dir", path.display())]
    DataDir {
        /// What could not be written.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file for the record of what clients do cannot be made or written.
    #[error("cannot write the record `{}`: {error}; choose another --record", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A list of access keys cannot be used.
    #[error("the access keys in `{}` cannot be used: {error}", path.display())]
    AccessKeys {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: KeyListError,
    },
    /// Another running cloud has the data folder.
    #[error("data folder `{}` is in use by another running cloud; stop it, or choose another --data-dir", .0.display())]
    InUse(PathBuf),
    /// A newer version of this program wrote the data folder.
    #[error(
        "data folder `{}` has format {found}, this program knows up to {known}; use the newer thingwire, or \
         choose another --data-dir",
        path.display()
    )]
    Newer {
        /// The data folder.
        path: PathBuf,
        /// Format number in the folder.
        found: u32,
        /// Newest one known.
        known: u32,
    },
    /// The data file cannot be understood. It was not changed.
    #[error(
        "data folder `{}` is damaged: {what}; restore a copy, or choose another --data-dir", path.display()
    )]
    Damaged {
        /// The data folder.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The data file is something else. It was not changed.
    #[error(
        "`{}` holds a file that is not a data file of thingwire: {what}; restore a copy, or choose another --data-dir", path.display()
    )]
    NotOurs {
        /// The data folder.
        path: PathBuf,
        /// How that was seen.
        what: String,
    },
    /// The account does not fit what was asked for, or could not be made.
    #[error(transparent)]
    Account(AccountError),
    /// The server's certificates or keys cannot be used.
    #[error("the server's certificates cannot be used: {0}")]
    Tls(rustls::Error),
    /// The operator could not be set up.
    #[error("the operator could not be set up: {0}")]
    Operator(RegistryError),
    /// The operator's kit could not be written.
    #[error("the operator's kit could not be written: {0}")]
    Kit(KitError),
    /// A part of the start panicked; this is a defect.
    #[error("the start failed unexpectedly: {0}; please report this")]
    Unexpected(String),
}

impl StartError {
    /// What a failure of the store in this data folder means.
    pub(crate) fn store(folder: &Path, error: StoreError) -> Self {
        let path = folder.to_owned();
        match error {
            StoreError::InUse => Self::InUse(path),
            StoreError::Newer { found, known } => Self::Newer { path, found, known },
            StoreError::Older { found } => Self::Damaged {
                path,
                what: format!("its format {found} is too old for this program"),
            },
            StoreError::Damaged(what) => Self::Damaged { path, what },
            StoreError::NotAStore(what) => Self::NotOurs { path, what },
            StoreError::Io(error) => Self::DataDir {
                path,
                error: io::Error::new(error.kind(), error.to_string()),
            },
        }
    }

    /// What a failure of the account in this data folder means.
    pub(crate) fn account(folder: &Path, error: AccountError) -> Self {
        match error {
            AccountError::Store(error) => Self::store(folder, error),
            error => Self::Account(error),
        }
    }
}
