//! Whether everything in a data file can be read and agrees with the rest.

use std::collections::BTreeMap;

use serde::Serialize;
use thingwire_broker::core::stored::{self, Record};
use thingwire_store::{Snapshot, StoreError, Tables as _};

use super::{ACCOUNT, Entry, FORMAT, entries, is_known};
use crate::registry::verify;
use crate::{account, operator};

/// What was looked at and what is wrong.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Number of the format that the file has.
    pub format: u32,
    /// The newest one, which the next start makes of it.
    pub newest_format: u32,
    /// How many rows each table has.
    pub tables: BTreeMap<String, usize>,
    /// What is wrong; empty when all is well.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The table.
    pub table: String,
    /// Which row, as far as it can be said.
    pub row: String,
    /// What is wrong with it.
    pub problem: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            table,
            row,
            problem,
        } = self;
        write!(formatter, "{table}, {row}: {problem}")
    }
}

/// Looks at everything. Nothing of what it says holds private keys.
///
/// # Errors
/// [`StoreError`] when the file cannot be read.
pub fn check(snapshot: &Snapshot) -> Result<Report, StoreError> {
    let mut tables = BTreeMap::new();
    let mut problems = Vec::new();
    for table in snapshot.tables()? {
        if !is_known(&table) {
            problems.push(Problem {
                table: table.clone(),
                row: "all".to_owned(),
                problem: "there is no such table in this format".to_owned(),
            });
        }
        let rows = snapshot.rows(&table)?.len();
        tables.insert(table, rows);
    }
    let entries = entries(snapshot)?;
    for (place, problem) in disagreements(&entries) {
        if let Some(entry) = entries.get(place) {
            problems.push(Problem {
                table: entry.table.to_owned(),
                row: name(entry),
                problem,
            });
        }
    }
    Ok(Report {
        format: snapshot.format(),
        newest_format: FORMAT.newest,
        tables,
        problems,
    })
}

/// What is wrong with these rows, each with its place in the list, in that order.
pub(super) fn disagreements(entries: &[Entry]) -> Vec<(usize, String)> {
    let mut found = verify::problems(entries);
    let (mut places, mut records) = (Vec::new(), Vec::new());
    for (place, entry) in entries.iter().enumerate() {
        let (key, value) = &entry.row;
        if entry.table == ACCOUNT {
            let verdict = match key.as_slice() {
                account::KEY => account::verify(value),
                operator::KEY => operator::verify(value),
                _ => Err("there is no such row in this format".to_owned()),
            };
            found.extend(verdict.err().map(|what| (place, what)));
        } else if stored::TABLES.contains(&entry.table) {
            match Record::read(entry.table, &entry.row) {
                Ok(record) => {
                    places.push(place);
                    records.push(record);
                }
                Err(what) => found.push((place, what.to_owned())),
            }
        }
    }
    for (at, what) in stored::problems(&records) {
        found.extend(places.get(at).map(|place| (*place, what)));
    }
    found.sort();
    found
}

/// How people call a row.
fn name(entry: &Entry) -> String {
    let key = &entry.row.0;
    let number = |from: usize| {
        let bytes = key.get(from..from.saturating_add(8))?;
        Some(u64::from_be_bytes(bytes.try_into().ok()?))
    };
    let text = |bytes: Option<&[u8]>| {
        let text = std::str::from_utf8(bytes?).ok()?;
        (!text.contains(char::is_control)).then(|| format!("`{text}`"))
    };
    let spoken = match entry.table {
        stored::SESSIONS => number(0).map(|session| format!("session {session}")),
        stored::SUBSCRIPTIONS => number(0)
            .zip(text(key.get(8..)))
            .map(|(session, filter)| format!("session {session}, {filter}")),
        stored::QUEUED => number(0)
            .zip(number(8))
            .map(|(session, sequence)| format!("session {session}, message {sequence}")),
        stored::BODIES => number(0).map(|body| format!("body {body}")),
        stored::SHARED => key.len().checked_sub(9).and_then(|end| {
            let number = number(end.saturating_add(1))?;
            Some(format!("{}, message {number}", text(key.get(..end))?))
        }),
        _ => text(Some(key)),
    };
    spoken.unwrap_or_else(|| format!("key {}", crate::pki::hex(key)))
}
