//! [`RedbStore`]: the store in one file.
//!
//! Opening examines the whole file without changing it, and says what is wrong if it cannot be used.
//! Dropping the store finishes everything that was submitted.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use redb::StorageBackend;
use redb::backends::FileBackend;

use crate::engine::Engine;
use crate::format::Format;
use crate::resync::Resync;
use crate::writer::{self, Job};
use crate::{Done, Row, Store, StoreError, Table, Write};

/// How long batches are refused without trying after the disk refused.
const RETRY: Duration = Duration::from_secs(1);

/// Durable tables in one redb file. See [`Store`] for what it promises.
pub struct RedbStore {
    engine: Arc<Engine>,
    /// `None` only while dropping.
    jobs: Option<Sender<Job>>,
    writer: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for RedbStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RedbStore").finish_non_exhaustive()
    }
}

impl RedbStore {
    /// Opens the file, or makes it, readable by its owner only: it holds private keys. A file of an older format is
    /// migrated.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process has it open; [`StoreError::Newer`], [`StoreError::Older`],
    /// [`StoreError::NotAStore`] and [`StoreError::Damaged`] with the file unchanged; [`StoreError::Io`] when the file
    /// system refuses.
    pub fn open(path: impl AsRef<Path>, format: &Format) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        #[cfg(unix)]
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        // The name of a new file must survive a crash as well as its content.
        sync_folder(path)?;
        Self::start(FileBackend::new(file)?, RETRY, format)
    }

    /// Opens the store on a storage of the caller's, in the first format.
    ///
    /// # Errors
    /// As [`RedbStore::open`].
    pub fn with_backend(backend: impl StorageBackend) -> Result<Self, StoreError> {
        Self::with_backend_and_retry(backend, RETRY)
    }

    /// The same, with another time between attempts after the disk refused.
    ///
    /// # Errors
    /// As [`RedbStore::open`].
    pub fn with_backend_and_retry(
        backend: impl StorageBackend,
        retry: Duration,
    ) -> Result<Self, StoreError> {
        Self::start(backend, retry, &Format::FIRST)
    }

    /// Opens the store on a storage of the caller's.
    ///
    /// # Errors
    /// As [`RedbStore::open`].
    pub fn with_backend_and_format(
        backend: impl StorageBackend,
        format: &Format,
    ) -> Result<Self, StoreError> {
        Self::start(backend, RETRY, format)
    }

    fn start(
        backend: impl StorageBackend,
        retry: Duration,
        format: &Format,
    ) -> Result<Self, StoreError> {
        let engine = Arc::new(Engine::open(Resync::new(backend), format)?);
        let (sender, receiver) = channel();
        let writer = writer::start(Arc::clone(&engine), receiver, retry)?;
        Ok(Self {
            engine,
            jobs: Some(sender),
            writer: Some(writer),
        })
    }
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

impl Store for RedbStore {
    fn submit(&self, batch: Vec<Write>, done: Done) {
        let job = Job { batch, done };
        let refused = match &self.jobs {
            Some(jobs) => jobs.send(job).err().map(|unsent| unsent.0),
            None => Some(job),
        };
        if let Some(job) = refused {
            (job.done)(Err(io::Error::other("the store has stopped").into()));
        }
    }

    fn scan(&self, table: Table, prefix: &[u8]) -> Result<Vec<Row>, StoreError> {
        self.engine.scan(table, prefix)
    }
}

impl Drop for RedbStore {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            // The last owner may be a callback, which runs on the writer itself; it ends on its own then.
            if writer.thread().id() != std::thread::current().id() && writer.join().is_err() {
                tracing::error!("the store's thread panicked");
            }
        }
    }
}
