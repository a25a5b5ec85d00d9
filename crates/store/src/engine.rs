//! The database under the store: how it is opened, changed, read, and recovered.
//!
//! redb stops for good after an I/O error. The engine closes and reopens it then. While the disk takes no writes
//! it opens the same file under an [`Overlay`], so that reading goes on. After a commit that
//! failed it is not known whether it took effect; the engine knows what each key held before and puts that back.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};

use redb::{
    Builder, Database, DatabaseError, Durability, ReadableDatabase, StorageBackend,
    TableDefinition, TableError, TableHandle, WriteTransaction,
};

use crate::format::{self, Format, Tables};
use crate::overlay::Overlay;
use crate::resync::Resync;
use crate::{Row, StoreError, Table, Write};

/// Memory for redb's page cache, in bytes. The registry and idle sessions of a local cloud fit.
const CACHE: usize = 64 * 1024 * 1024;
/// First bytes of every redb file.
const MAGIC: &[u8; 9] = b"redb\x1A\x0A\xA9\x0D\x0A";
/// Length of redb's file header, rounded up to a page: all that creating a file writes besides zeros.
const HEADER: u64 = 4096;

const fn definition(table: &str) -> TableDefinition<'_, &'static [u8], &'static [u8]> {
    TableDefinition::new(table)
}

/// What a key held before a change.
#[derive(Debug)]
struct Before {
    table: Table,
    key: Vec<u8>,
    value: Option<Vec<u8>>,
}

/// Why a group of batches was not committed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something in the group cannot be stored; the database is well.
    Batch(StoreError),
    /// The database can no longer be written; [`Engine::recover`] may help.
    Disk(StoreError),
}

/// The open database.
enum View {
    /// Reads and writes.
    Whole(Database),
    /// The disk takes no writes; this reads what it holds.
    Reading(Database, StoreError),
    /// The disk cannot be read either.
    Closed(StoreError),
}

/// The view and how often it was opened.
struct Opened {
    view: View,
    times: u64,
}

/// One database file, through failures.
pub(crate) struct Engine {
    backend: Resync,
    opened: RwLock<Opened>,
    /// What to put back once the disk takes writes, oldest first.
    undo: Mutex<Vec<Before>>,
}

impl Engine {
    /// Opens the file, or makes it when it is empty, and migrates it when its format is an older one. A file that cannot be
    /// used is not changed.
    pub(crate) fn open(backend: Resync, format: &Format) -> Result<Self, StoreError> {
        if never_finished(&backend)? {
            backend.set_len(0)?;
        }
        if backend.len()? > 0 {
            Still::migrated(&backend, format)?;
        }
        let database = open_whole(&backend)?;
        match read_format(&database)? {
            Some(found) => migrate(&database, found, format)?,
            None => apply_all(&database, &[format::row(format.newest)])?,
        }
        let opened = RwLock::new(Opened {
            view: View::Whole(database),
            times: 0,
        });
        Ok(Self {
            backend,
            opened,
            undo: Mutex::default(),
        })
    }

    fn opened(&self) -> RwLockReadGuard<'_, Opened> {
        self.opened.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commits the changes as one, on disk when this returns.
    pub(crate) fn commit<'a>(
        &self,
        writes: impl IntoIterator<Item = &'a Write>,
    ) -> Result<(), Failure> {
        let opened = self.opened();
        let database = match &opened.view {
            View::Whole(database) => database,
            View::Reading(_, error) | View::Closed(error) => {
                return Err(Failure::Disk(error.clone()));
            }
        };
        let mut before = Vec::new();
        let result = apply(database, writes, &mut before);
        if matches!(result, Err(Failure::Disk(_))) {
            // Noted before the lock is given up, so that nobody can reopen without it.
            self.undo
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .append(&mut before);
        }
        result
    }

    /// Rows whose key starts with `prefix`, from the last commit.
    pub(crate) fn scan(&self, table: Table, prefix: &[u8]) -> Result<Vec<Row>, StoreError> {
        let times = self.times();
        match self.scan_once(table, prefix) {
            // An earlier error, perhaps of a write, may be all that is wrong.
            Err(StoreError::Io(_)) => {
                self.recover(times);
                self.scan_once(table, prefix)
            }
            result => result,
        }
    }

    fn scan_once(&self, table: Table, prefix: &[u8]) -> Result<Vec<Row>, StoreError> {
        match &self.opened().view {
            View::Whole(database) | View::Reading(database, _) => rows(database, table, prefix),
            View::Closed(error) => Err(error.clone()),
        }
    }

    /// How often the file was opened again; to be handed to [`Engine::recover`].
    pub(crate) fn times(&self) -> u64 {
        self.opened().times
    }

    /// Closes and reopens the database, unless someone has since `times` was read. Whether it can be written then.
    pub(crate) fn recover(&self, times: u64) -> bool {
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        if opened.times == times {
            opened.times = times.wrapping_add(1);
            // The old database must be gone, and its lock with it, before the file is opened again.
            opened.view = View::Closed(io::Error::other("the data file is being reopened").into());
            let mut undo = self.undo.lock().unwrap_or_else(PoisonError::into_inner);
            opened.view = match reopen_whole(&self.backend, &undo) {
                Ok(database) => {
                    undo.clear();
                    View::Whole(database)
                }
                Err(error) => match reopen_reading(&self.backend, &undo) {
                    Ok(database) => View::Reading(database, error),
                    Err(_) => View::Closed(error),
                },
            };
        }
        matches!(opened.view, View::Whole(_))
    }
}

/// Whether creating the file was interrupted, so that there is nothing in it: zeros, and a header not yet signed.
fn never_finished(backend: &Resync) -> Result<bool, StoreError> {
    let length = backend.len()?;
    if length == 0 {
        return Ok(false);
    }
    let mut start = vec![0; usize::try_from(length.min(MAGIC.len() as u64)).unwrap_or(0)];
    backend.read(0, &mut start)?;
    let signed = start
        .iter()
        .zip(MAGIC)
        .take_while(|(have, want)| have == want)
        .count();
    if signed == MAGIC.len()
        || start
            .get(signed..)
            .is_some_and(|rest| rest.iter().any(|byte| *byte != 0))
    {
        return Ok(false);
    }
    let mut piece = vec![0; 64 * 1024];
    let mut at = HEADER;
    while at < length {
        let take = usize::try_from(length.saturating_sub(at))
            .unwrap_or(usize::MAX)
            .min(piece.len());
        let out = piece.get_mut(..take).unwrap_or_default();
        backend.read(at, out)?;
        if out.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        at = at.saturating_add(take as u64);
    }
    Ok(true)
}

/// A database that is only looked at: what is written into it stays in memory.
pub(crate) struct Still(Database);

impl Still {
    /// Reads the whole file and checks it, with all repairs and migrations going to memory only. Answers the number
    /// of the format in the file as well, if nothing but its creation was interrupted.
    pub(crate) fn migrated(
        backend: &Resync,
        format: &Format,
    ) -> Result<(Self, Option<u32>), StoreError> {
        if !signed(backend)? {
            return Err(StoreError::NotAStore("it does not begin as one".to_owned()));
        }
        let overlay = Overlay::new(backend.clone())?;
        let database = guarded(|| {
            Builder::new()
                .set_cache_size(CACHE)
                .set_check_integrity_on_open(true)
                .create_with_backend(overlay)
        })?;
        let found = read_format(&database)?;
        match found {
            Some(found) => migrate(&database, found, format)?,
            None if has_tables(&database)? => {
                return Err(StoreError::NotAStore(
                    "it belongs to another program".to_owned(),
                ));
            }
            None => {}
        }
        Ok((Self(database), found))
    }

    /// The names of its tables.
    pub(crate) fn tables(&self) -> Result<Vec<String>, StoreError> {
        let transaction = self.0.begin_read()?;
        let tables = transaction.list_tables()?;
        Ok(tables.map(|table| table.name().to_owned()).collect())
    }
}

impl Tables for Still {
    fn rows(&self, table: &str) -> Result<Vec<Row>, StoreError> {
        rows(&self.0, table, b"")
    }
}

/// A database between two steps.
struct Unmigrated<'a>(&'a Database);

impl Tables for Unmigrated<'_> {
    fn rows(&self, table: &str) -> Result<Vec<Row>, StoreError> {
        rows(self.0, table, b"")
    }
}

/// One step after the other, each a transaction with its new number.
fn migrate(database: &Database, mut found: u32, format: &Format) -> Result<(), StoreError> {
    while let Some(step) = format.step(found)? {
        let mut writes = (step.changes)(&Unmigrated(database))?;
        let next = found.saturating_add(1);
        writes.push(format::row(next));
        apply_all(database, &writes)?;
        tracing::info!(from = found, to = next, "the data file was migrated");
        found = next;
    }
    Ok(())
}

fn apply_all(database: &Database, writes: &[Write]) -> Result<(), StoreError> {
    apply(database, writes, &mut Vec::new()).map_err(|failure| match failure {
        Failure::Batch(error) | Failure::Disk(error) => error,
    })
}

/// Whether it begins as redb's files do.
fn signed(backend: &Resync) -> Result<bool, StoreError> {
    let mut start = [0; MAGIC.len()];
    if backend.len()? < start.len() as u64 {
        return Ok(false);
    }
    backend.read(0, &mut start)?;
    Ok(start == *MAGIC)
}

fn open_whole(backend: &Resync) -> Result<Database, StoreError> {
    guarded(|| {
        Builder::new()
            .set_cache_size(CACHE)
            .create_with_backend(backend.clone())
    })
}

fn reopen_whole(backend: &Resync, undo: &[Before]) -> Result<Database, StoreError> {
    backend.settle()?;
    let database = open_whole(backend)?;
    put_back(&database, undo)?;
    Ok(database)
}

fn reopen_reading(backend: &Resync, undo: &[Before]) -> Result<Database, StoreError> {
    let overlay = Overlay::new(backend.clone())?;
    let database = guarded(|| {
        Builder::new()
            .set_cache_size(CACHE)
            .create_with_backend(overlay)
    })?;
    put_back(&database, undo)?;
    Ok(database)
}

/// redb checks what it reads, but says of itself that a file changed by others may make it panic.
fn guarded(open: impl FnOnce() -> Result<Database, DatabaseError>) -> Result<Database, StoreError> {
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(result) => Ok(result?),
        Err(_) => Err(StoreError::Damaged(
            "its structure makes no sense".to_owned(),
        )),
    }
}

/// Makes every key hold again what it held before a commit of unknown outcome.
fn put_back(database: &Database, undo: &[Before]) -> Result<(), StoreError> {
    let mut changed = Vec::new();
    for before in undo.iter().rev() {
        changed.push(match &before.value {
            Some(value) => Write::Put {
                table: before.table,
                key: before.key.clone(),
                value: value.clone(),
            },
            None => Write::Delete {
                table: before.table,
                key: before.key.clone(),
            },
        });
    }
    // On a full disk nothing could be put back, and nothing needs to be when the commit had no effect.
    if visible(database, undo)? {
        apply_all(database, &changed)?;
    }
    Ok(())
}

/// Whether any key holds something else than before the first of the changes.
fn visible(database: &Database, undo: &[Before]) -> Result<bool, StoreError> {
    let mut seen = std::collections::HashSet::new();
    for before in undo {
        if seen.insert((before.table, &before.key))
            && get(database, before.table, &before.key)? != before.value
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// One durable transaction with all the changes; notes what the keys held before.
fn apply<'a>(
    database: &Database,
    writes: impl IntoIterator<Item = &'a Write>,
    before: &mut Vec<Before>,
) -> Result<(), Failure> {
    let mut transaction = database.begin_write().map_err(|error| disk(error.into()))?;
    transaction
        .set_durability(Durability::Immediate)
        .map_err(|error| disk(redb::Error::from(error).into()))?;
    if let Err(error) = change(&transaction, writes, before) {
        return match transaction.abort() {
            // Nothing is wrong with the file: the others may go on without it.
            Ok(()) if too_large(&error) => Err(Failure::Batch(error)),
            _ => Err(Failure::Disk(error)),
        };
    }
    transaction.commit().map_err(|error| disk(error.into()))
}

fn change<'a>(
    transaction: &WriteTransaction,
    writes: impl IntoIterator<Item = &'a Write>,
    before: &mut Vec<Before>,
) -> Result<(), StoreError> {
    // A group touches a handful of tables; opening one is what costs.
    let mut open: Vec<redb::Table<'_, &'static [u8], &'static [u8]>> = Vec::new();
    for write in writes {
        let (Write::Put { table, .. } | Write::Delete { table, .. }) = write;
        let place = match open.iter().position(|opened| opened.name() == *table) {
            Some(place) => place,
            None => {
                open.push(transaction.open_table(definition(table))?);
                open.len().saturating_sub(1)
            }
        };
        let Some(opened) = open.get_mut(place) else {
            continue;
        };
        let (key, old) = match write {
            Write::Put { key, value, .. } => {
                (key, opened.insert(key.as_slice(), value.as_slice())?)
            }
            Write::Delete { key, .. } => (key, opened.remove(key.as_slice())?),
        };
        let value = old.map(|guard| guard.value().to_vec());
        before.push(Before {
            table,
            key: key.clone(),
            value,
        });
    }
    Ok(())
}

fn rows(database: &Database, table: &str, prefix: &[u8]) -> Result<Vec<Row>, StoreError> {
    let transaction = database.begin_read()?;
    let table = match transaction.open_table(definition(table)) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut rows = Vec::new();
    for row in table.range(prefix..)? {
        let (key, value) = row?;
        if !key.value().starts_with(prefix) {
            break;
        }
        rows.push((key.value().to_vec(), value.value().to_vec()));
    }
    Ok(rows)
}

fn get(database: &Database, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let transaction = database.begin_read()?;
    match transaction.open_table(definition(table)) {
        Ok(table) => Ok(table.get(key)?.map(|value| value.value().to_vec())),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn read_format(database: &Database) -> Result<Option<u32>, StoreError> {
    let Some(value) = get(database, format::TABLE, format::KEY)? else {
        return Ok(None);
    };
    match value.try_into() {
        Ok(number) => Ok(Some(u32::from_le_bytes(number))),
        Err(_) => Err(StoreError::Damaged(
            "the format number is not one".to_owned(),
        )),
    }
}

fn has_tables(database: &Database) -> Result<bool, StoreError> {
    let transaction = database.begin_read()?;
    let tables = transaction.list_tables()?.next().is_some();
    let multimaps = transaction.list_multimap_tables()?.next().is_some();
    Ok(tables || multimaps)
}

fn disk(error: StoreError) -> Failure {
    Failure::Disk(error)
}

/// A value that redb takes on no disk.
fn too_large(error: &StoreError) -> bool {
    matches!(error, StoreError::Io(error) if error.kind() == io::ErrorKind::InvalidInput)
}
