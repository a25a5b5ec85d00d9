//! A whole data file as text, and a new data file from such a text.
//!
//! Both are whole or not at all. An import is written beside its place and moved there when everything is on disk.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use thingwire_store::{RedbStore, Snapshot, Store as _, StoreError, Write};

use super::check::disagreements;
use super::text::{End, Header, entry, line};
use super::{ACCOUNT, Entry, FORMAT, data_file, entries};
use crate::{account, operator};

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Lines between the first and the last.
    pub records: usize,
    /// Whether the account's private keys stayed behind.
    pub without_keys: bool,
}

/// How far it is: done and all, in lines.
pub type Progress<'a> = dyn FnMut(usize, usize) + 'a;

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A line cannot be taken.
    #[error("line {line}: {what}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// There is data already.
    #[error("`{0}` is there already; choose a folder without data")]
    Exists(PathBuf),
    /// The text cannot be read.
    #[error("the text cannot be read: {0}")]
    Read(io::Error),
    /// The data file cannot be written.
    #[error("cannot write `{path}`: {error}")]
    Write {
        /// What could not be written.
        path: String,
        /// What the system says.
        error: StoreError,
    },
}

/// How many lines pass between two reports of progress.
const REPORT: usize = 512;

/// Writes the text. Without `private_keys` the account keeps its id and endpoint and loses its keys: whoever starts a
/// cloud on the imported data gets new roots.
///
/// # Errors
/// What the writer says, and `InvalidData` naming a record that cannot be read: check the file then.
pub fn export(
    snapshot: &Snapshot,
    private_keys: bool,
    out: &mut dyn io::Write,
    progress: &mut Progress<'_>,
) -> io::Result<Exported> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let json = |value: serde_json::Result<String>| value.map_err(io::Error::other);
    let entries = entries(snapshot).map_err(|error| invalid(error.to_string()))?;
    writeln!(
        out,
        "{}",
        json(serde_json::to_string(&Header::new(private_keys)))?
    )?;
    let (mut records, mut without_keys) = (0usize, false);
    for (done, entry) in entries.iter().enumerate() {
        if done.is_multiple_of(REPORT) {
            progress(done, entries.len());
        }
        let mut public = None;
        if entry.table == ACCOUNT && !private_keys {
            without_keys = true;
            // The operator is made anew with the account's keys.
            if entry.row.0 == operator::KEY {
                continue;
            }
            let value = account::without_keys(&entry.row.1).map_err(invalid)?;
            public = Some(Entry {
                table: ACCOUNT,
                row: (entry.row.0.clone(), value),
            });
        }
        let line = line(public.as_ref().unwrap_or(entry))
            .map_err(|what| invalid(format!("table {}: {what}", entry.table)))?;
        writeln!(out, "{line}")?;
        records = records.saturating_add(1);
    }
    writeln!(out, "{}", json(serde_json::to_string(&End { records }))?)?;
    out.flush()?;
    Ok(Exported {
        records,
        without_keys,
    })
}

/// Makes the data file of a folder from a text; answers how many records it has. The folder may be there, its data file
/// may not. When this fails, everything is as it was.
///
/// # Errors
/// [`ImportError`].
pub fn import(
    folder: &Path,
    text: impl BufRead,
    progress: &mut Progress<'_>,
) -> Result<usize, ImportError> {
    let path = data_file(folder);
    let failed = |at: &Path, error: StoreError| ImportError::Write {
        path: at.display().to_string(),
        error,
    };
    if path.symlink_metadata().is_ok() {
        return Err(ImportError::Exists(path));
    }
    let entries = read(text, progress)?;
    crate::start::make_folder(folder).map_err(|error| failed(folder, error.into()))?;
    let beside = beside(folder).map_err(|error| failed(folder, error.into()))?;
    let written = write(&beside, &entries)
        .and_then(|()| Ok(place(&beside, &path)?))
        .and_then(|()| Ok(sync_folder(folder)?));
    let _ = fs::remove_file(&beside);
    match written {
        Ok(()) => Ok(entries.len()),
        Err(StoreError::Io(error)) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(ImportError::Exists(path))
        }
        Err(error) => Err(failed(&path, error)),
    }
}

/// A name that no other import has, not even one that was killed: in containers process ids come again, and the rows of two texts
/// would be mixed.
fn beside(folder: &Path) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(folder.join(format!(".import.{:016x}.new", u64::from_ne_bytes(random))))
}

/// Unlike a rename a link does not replace what another import or a first start has made since; not every file
/// system has links.
fn place(beside: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(beside, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => fs::rename(beside, path),
        result => result,
    }
}

fn write(path: &Path, entries: &[Entry]) -> Result<(), StoreError> {
    let store = RedbStore::open(path, &FORMAT)?;
    let rows = entries.iter().map(|entry| Write::Put {
        table: entry.table,
        key: entry.row.0.clone(),
        value: entry.row.1.clone(),
    });
    store.commit(rows.collect())
}

/// All rows, if every line is right and they agree.
fn read(text: impl BufRead, progress: &mut Progress<'_>) -> Result<Vec<Entry>, ImportError> {
    let wrong = |line: usize, what: String| ImportError::Line { line, what };
    let mut entries: Vec<Entry> = Vec::new();
    let mut seen = HashMap::new();
    let mut private_keys = false;
    let mut end = None;
    let mut number = 0usize;
    for line in text.lines() {
        number = number.saturating_add(1);
        let line = line.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => wrong(number, "it is not UTF-8".to_owned()),
            _ => ImportError::Read(error),
        })?;
        if number.is_multiple_of(REPORT) {
            progress(number, 0);
        }
        if end.is_some() {
            return Err(wrong(
                number,
                "there is more after the last line".to_owned(),
            ));
        }
        if number == 1 {
            private_keys = Header::read(&line)
                .map_err(|what| wrong(number, what))?
                .private_keys;
            continue;
        }
        if let Ok(End { records }) = serde_json::from_str(&line) {
            if records != entries.len() {
                let what = format!("{records} records were written, {} are here", entries.len());
                return Err(wrong(number, what));
            }
            end = Some(records);
            continue;
        }
        let entry = entry(&line).map_err(|what| wrong(number, what))?;
        if entry.table == ACCOUNT && !private_keys && account::has_keys(&entry.row.1) {
            let what = "the first line says that there are no private keys, and here are some";
            return Err(wrong(number, what.to_owned()));
        }
        let name = (entry.table, entry.row.0.clone());
        if let Some(before) = seen.insert(name, number) {
            return Err(wrong(number, format!("line {before} is about the same")));
        }
        entries.push(entry);
    }
    if end.is_none() {
        let what = "the last line is missing: the text was cut short".to_owned();
        return Err(wrong(number.saturating_add(1), what));
    }
    match disagreements(&entries).into_iter().next() {
        // Entries begin on the second line and none is left out.
        Some((place, what)) => Err(wrong(place.saturating_add(2), what)),
        None => Ok(entries),
    }
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}
