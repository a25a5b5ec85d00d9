//! [`Snapshot`]: what a data file holds, read without changing a byte of it.
//!
//! For examining and copying a file that no program has open. An older file is shown as it will be once it is migrated; that
//! happens in memory.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::path::Path;

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

use crate::engine::Still;
use crate::format::{Format, TABLE, Tables};
use crate::resync::Resync;
use crate::{Row, StoreError};

/// A whole data file at one moment. Until it is dropped no other program can open the file.
pub struct Snapshot {
    still: Still,
    found: u32,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Snapshot")
            .field("found", &self.found)
            .finish_non_exhaustive()
    }
}

impl Snapshot {
    /// Reads and checks the whole file.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when a program has it open, [`StoreError::NotAStore`] when it is something else,
    /// [`StoreError::Newer`], [`StoreError::Older`], [`StoreError::Damaged`] and [`StoreError::Io`].
    pub fn open(path: impl AsRef<Path>, format: &Format) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other(format!("`{}` is not a file", path.display())).into());
        }
        let below = FileBackend::new(file)?;
        Self::with_backend(ReadOnly { below }, format)
    }

    /// The same on a storage of the caller's.
    ///
    /// # Errors
    /// As [`Snapshot::open`].
    pub fn with_backend(backend: impl StorageBackend, format: &Format) -> Result<Self, StoreError> {
        let backend = Resync::new(backend);
        if backend.len()? == 0 {
            return Err(StoreError::NotAStore("it is empty".to_owned()));
        }
        let (still, found) = Still::migrated(&backend, format)?;
        let Some(found) = found else {
            return Err(StoreError::NotAStore("nothing was ever written".to_owned()));
        };
        Ok(Self { still, found })
    }

    /// The number of the format that the file on disk has.
    #[must_use]
    pub const fn format(&self) -> u32 {
        self.found
    }

    /// The names of its tables, sorted, without that of the store itself.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub fn tables(&self) -> Result<Vec<String>, StoreError> {
        let mut names = self.still.tables()?;
        names.retain(|name| name != TABLE);
        names.sort_unstable();
        Ok(names)
    }
}

impl Tables for Snapshot {
    fn rows(&self, table: &str) -> Result<Vec<Row>, StoreError> {
        self.still.rows(table)
    }
}

/// A file that may not be written. Its lock is shared: readers do not disturb each other, and a writer keeps them out.
#[derive(Debug)]
struct ReadOnly {
    below: FileBackend,
}

impl StorageBackend for ReadOnly {
    fn len(&self) -> io::Result<u64> {
        self.below.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.below.read(offset, out)
    }

    fn set_len(&self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, _offset: u64, _data: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn close(&self) -> io::Result<()> {
        self.below.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.below.try_lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.below.unlock_range(start, end)
    }
}
