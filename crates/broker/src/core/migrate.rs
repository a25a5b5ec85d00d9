//! How the broker's rows of older data files become those of today.
//!
//! The file's number belongs to whoever opens it, for there are other tables in it; here is what each step means for ours.

use thingwire_store::{StoreError, Tables, Write};

use super::record::{QUEUED, QUEUED_FORMAT};

/// The second format: messages that wait keep the subscription identifiers they will be sent with (`B-36`). Those of an
/// older file have none.
///
/// # Errors
/// [`StoreError::Damaged`] when a row is not one of the first format.
pub fn first_to_second(tables: &dyn Tables) -> Result<Vec<Write>, StoreError> {
    let rows = tables.rows(QUEUED)?;
    let migrated = rows.into_iter().map(|(key, value)| match value.as_slice() {
        [1, qos, retained, message @ ..] => Ok(Write::Put {
            table: QUEUED,
            key,
            value: [&[QUEUED_FORMAT, *qos, *retained, 0, 0], message].concat(),
        }),
        _ => Err(StoreError::Damaged(format!(
            "a row of table `{QUEUED}` has not the format of its file"
        ))),
    });
    migrated.collect()
}
