//! The format of a whole data file: its number, and how files with older numbers become it.
//!
//! The number says what the tables hold; it belongs to whoever owns them, who hands a [`Format`] over when the file is
//! opened. A file with a newer number is refused and not changed. One with an older number goes through the steps, each of
//! them one transaction, so that a crash leaves it before or after a step and never in between. All
//! steps are tried in memory first: a file that a step cannot read is not changed either.

use crate::{Row, StoreError, Table, Write};

/// What a program writes, and what it can still read.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// The number it writes.
    pub newest: u32,
    /// From older numbers to this one, in any order; a number without a step is too old.
    pub steps: &'static [Step],
}

/// How a file of one number becomes a file of the next.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The number before it.
    pub from: u32,
    /// The rows that change. Reads the file as it is before the step; what it cannot read is
    /// [`StoreError::Damaged`].
    pub changes: fn(&dyn Tables) -> Result<Vec<Write>, StoreError>,
}

/// A file that is read while it is migrated or examined.
pub trait Tables {
    /// All rows of a table, in key order; none when there is no such table.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    fn rows(&self, table: &str) -> Result<Vec<Row>, StoreError>;
}

impl Format {
    /// The number that this tree's data files have. Their owner has the steps to it; here it stands for everybody who opens one.
    pub const NEWEST: u32 = 3;

    /// The only one: no older files exist.
    pub const FIRST: Self = Self {
        newest: 1,
        steps: &[],
    };

    /// The step that a file with this number needs; none when it needs none.
    pub(crate) fn step(&self, found: u32) -> Result<Option<&Step>, StoreError> {
        if found > self.newest {
            return Err(StoreError::Newer {
                found,
                known: self.newest,
            });
        }
        if found == self.newest {
            return Ok(None);
        }
        let step = self.steps.iter().find(|step| step.from == found);
        step.map(Some).ok_or(StoreError::Older { found })
    }
}

/// Row of [`TABLE`] that holds the number, little-endian.
pub(crate) const KEY: &[u8] = b"format";
/// Table of the store itself.
pub(crate) const TABLE: Table = "_store";

/// The row with this number.
pub(crate) fn row(number: u32) -> Write {
    Write::Put {
        table: TABLE,
        key: KEY.to_vec(),
        value: number.to_le_bytes().to_vec(),
    }
}
