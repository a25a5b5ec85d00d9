//! A storage backend that can be synced again after a sync failed, and opened again after a database on it was closed.
//!
//! When a sync fails, the operating system may forget what was to be written and still show it to readers: the next sync
//! succeeds and the data is not on disk. So everything since the last successful sync is kept, and written once more before the
//! next attempt. What is kept is one transaction at most.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use redb::StorageBackend;

use crate::below::to_the_file_below;

/// One backend, several openings after each other. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Resync {
    below: Arc<dyn StorageBackend>,
    unsynced: Arc<Mutex<Unsynced>>,
}

#[derive(Debug, Default)]
struct Unsynced {
    changes: Vec<Change>,
    failed: bool,
}

#[derive(Debug)]
enum Change {
    Write(u64, Vec<u8>),
    SetLength(u64),
}

impl Resync {
    pub(crate) fn new(below: impl StorageBackend) -> Self {
        Self {
            below: Arc::new(below),
            unsynced: Arc::default(),
        }
    }

    /// Brings to disk what a failed sync left in doubt.
    pub(crate) fn settle(&self) -> io::Result<()> {
        let mut unsynced = self.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
        if unsynced.failed {
            self.sync(&mut unsynced)?;
        }
        Ok(())
    }

    fn sync(&self, unsynced: &mut Unsynced) -> io::Result<()> {
        if unsynced.failed {
            for change in &unsynced.changes {
                match change {
                    Change::Write(offset, bytes) => self.below.write(*offset, bytes)?,
                    Change::SetLength(length) => self.below.set_len(*length)?,
                }
            }
        }
        unsynced.failed = true;
        self.below.sync_data()?;
        *unsynced = Unsynced::default();
        Ok(())
    }

    fn note(&self, change: Change) {
        self.unsynced
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .changes
            .push(change);
    }
}

impl StorageBackend for Resync {
    fn len(&self) -> io::Result<u64> {
        self.below.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.below.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.below.set_len(len)?;
        self.note(Change::SetLength(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync(&mut self.unsynced.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.below.write(offset, data)?;
        self.note(Change::Write(offset, data.to_vec()));
        Ok(())
    }

    to_the_file_below!(close, locks);
}
