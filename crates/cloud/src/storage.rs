//! What a data folder holds, seen from outside: which tables there are and in which format, whether everything in
//! it can be read and agrees ([`check`]), and the same as lines of text ([`export`], [`import`]).
//!
//! Only for folders that no cloud has open. Nothing here changes a data file that is there: migrations are tried in memory,
//! and an import makes a new file. docs/durability.md describes the text.

mod broker_text;
mod check;
mod text;
mod transfer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use thingwire_broker::core::{first_to_second, stored};
use thingwire_store::{Format, Row, Step, Table, Tables as _};
pub use thingwire_store::{Snapshot, StoreError};

pub use check::{Problem, Report, check};
pub use transfer::{Exported, ImportError, Progress, export, import};

use crate::registry::rows;

/// The format of data files. A new table, or rows that are written in another way, make the next number, with a step that
/// leads there: an older program would lose what it does not know.
pub const FORMAT: Format = Format {
    newest: Format::NEWEST,
    steps: &[
        Step {
            from: 1,
            changes: first_to_second,
        },
        // The third has two tables more, which begin empty, and rows that refer to one of them.
        Step {
            from: 2,
            changes: |_| Ok(Vec::new()),
        },
    ],
};

/// The data file inside a data folder.
pub const DATA_FILE: &str = "thingwire.redb";

/// Holds the account and the operator, with their private keys.
pub(crate) const ACCOUNT: Table = "account";
/// Holds nothing that matters.
pub(crate) const PROBE: Table = "probe";

/// One row and its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) table: Table,
    pub(crate) row: Row,
}

/// Every table that matters, in the order in which their rows need each other.
fn tables() -> impl Iterator<Item = Table> {
    std::iter::once(ACCOUNT)
        .chain(rows::TABLES)
        .chain(stored::TABLES)
}

/// Whether the cloud of this version writes this table.
pub(crate) fn is_known(table: &str) -> bool {
    table == PROBE || tables().any(|known| known == table)
}

/// Where the data file of this folder is.
#[must_use]
pub fn data_file(folder: &Path) -> PathBuf {
    folder.join(DATA_FILE)
}

/// The data file of a folder, read as a whole and in today's format.
///
/// # Errors
/// [`StoreError`]; when there is none, `NotAStore`.
pub fn open(folder: &Path) -> Result<Snapshot, StoreError> {
    let path = data_file(folder);
    Snapshot::open(&path, &FORMAT).map_err(|error| match error {
        StoreError::Io(error) if error.kind() == std::io::ErrorKind::NotFound => {
            StoreError::NotAStore(format!("there is no `{}`", path.display()))
        }
        error => error,
    })
}

/// All rows that matter.
fn entries(snapshot: &Snapshot) -> Result<Vec<Entry>, StoreError> {
    let mut entries = Vec::new();
    for table in tables() {
        let rows = snapshot.rows(table)?.into_iter();
        entries.extend(rows.map(|row| Entry { table, row }));
    }
    Ok(entries)
}
