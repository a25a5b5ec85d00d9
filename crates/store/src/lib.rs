//! Durable key-value tables for the local cloud.
//!
//! Everything that must survive a crash goes through [`Store`]: a batch of [`Write`]s is applied
//! whole or not at all, in the order the batches were handed over, and is on disk when
//! its callback says so. Nothing in the signatures is redb's, so that another store
//! (one that lives on several machines) is a second implementation and not a rewrite.
//!
//! [`RedbStore`] is the implementation for one machine: one file, one writer thread, group commit. A file has a
//! [`Format`], and older ones are migrated when they are opened. [`Snapshot`] reads a file without changing it.
//! With the feature `faults` the module `faults` offers a disk for tests that forgets what was not
//! synced, fails and fills up.

mod below;
mod engine;
mod errors;
#[cfg(any(test, feature = "faults"))]
pub mod faults;
mod file;
mod format;
mod overlay;
mod resync;
mod snapshot;
mod writer;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod failure_tests;
#[cfg(test)]
mod migration_tests;

use std::sync::Arc;

pub use file::RedbStore;
pub use format::{Format, Step, Tables};
pub use snapshot::Snapshot;

/// A table, named by its owner. Keys sort as bytes.
pub type Table = &'static str;

/// One change. A batch of them is atomic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Insert or replace.
    Put {
        /// Which table.
        table: Table,
        /// Its key.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// Remove; a key that is not there is not an error.
    Delete {
        /// Which table.
        table: Table,
        /// Its key.
        key: Vec<u8>,
    },
}

/// Why a batch is not on disk, or a table cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the file open.
    #[error("the data file is in use by another process")]
    InUse,
    /// The file was written by a newer version of the format.
    #[error("the data file has format {found}, this program knows up to {known}")]
    Newer {
        /// Format number in the file.
        found: u32,
        /// Newest format number this program knows.
        known: u32,
    },
    /// The file was written by a version so old that no step leads from it.
    #[error("the data file has format {found}, which is too old for this program")]
    Older {
        /// Format number in the file.
        found: u32,
    },
    /// The file is damaged.
    #[error("the data file is damaged: {0}")]
    Damaged(String),
    /// The file is something else.
    #[error("this is not a data file of thingwire: {0}")]
    NotAStore(String),
    /// The disk refused: full, read-only, or an I/O error.
    #[error("the disk refused: {0}")]
    Io(Arc<std::io::Error>),
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

/// Called once, from the store's own thread, when a batch is durable or has failed.
pub type Done = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// One row: key and value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Durable tables. Batches become durable in the order of their submission.
pub trait Store: Send + Sync + 'static {
    /// Hands over a batch without waiting for the disk. `done` runs when it is durable (group commit:
    /// batches that arrive while one commit runs share the next one). An empty batch is a barrier: it is
    /// done when everything before it is.
    ///
    /// A batch that fails leaves no trace; batches after it are tried on their own. (Should the process die
    /// between the failure and the disk's recovery, a batch that was reported as failed may turn out to be there,
    /// whole; one that was reported as durable is always there.)
    fn submit(&self, batch: Vec<Write>, done: Done);

    /// All rows of a table whose key starts with `prefix`, in key order. Sees what is durable, not what is under way.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    fn scan(&self, table: Table, prefix: &[u8]) -> Result<Vec<Row>, StoreError>;

    /// Hands over a batch and blocks until it is durable. Not from inside a [`Done`]: it would wait for itself.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of the batch was kept then.
    fn commit(&self, batch: Vec<Write>) -> Result<(), StoreError> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        self.submit(batch, Box::new(move |result| drop(sender.send(result))));
        receiver.recv().unwrap_or_else(|_| {
            Err(StoreError::Io(Arc::new(std::io::Error::other(
                "the store has stopped",
            ))))
        })
    }
}
