//! Why a kit could not be read or written.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::Finding;

/// Reading or writing a kit failed. The text is one line; [`Finding::advice`] says what to do.
#[derive(Debug)]
pub enum KitError {
    /// The folder is there but something in it cannot be used. Your turn: mend the named file.
    Unusable {
        /// The kit's folder.
        dir: PathBuf,
        /// The first thing that is in the way.
        finding: Finding,
    },
    /// There is a kit in the folder already; writing would destroy its private key, of which there is no copy.
    Exists {
        /// The kit's folder.
        dir: PathBuf,
    },
    /// The operating system refused to write. Your turn: permissions or room.
    Write {
        /// The file or folder concerned.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl KitError {
    /// What to do about it, in one line.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Unusable { finding, .. } => finding.advice(),
            Self::Exists { .. } => {
                "choose another folder, or delete this one if its key is no longer needed".into()
            }
            Self::Write { .. } => "choose a folder you may write to, on a disk with room".into(),
        }
    }
}

impl fmt::Display for KitError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable { dir, finding } => {
                write!(formatter, "kit `{}`: {finding}", dir.display())
            }
            Self::Exists { dir } => {
                write!(
                    formatter,
                    "`{}` already holds a kit with a private key",
                    dir.display()
                )
            }
            Self::Write { path, source } => {
                write!(formatter, "cannot write `{}`: {source}", path.display())
            }
        }
    }
}

impl std::error::Error for KitError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Write { source, .. } => Some(source),
            Self::Unusable { .. } | Self::Exists { .. } => None,
        }
    }
}
