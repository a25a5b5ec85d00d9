//! Files of older formats become the newest when they are opened, whole or not at all.

use crate::faults::{Disk, Syncs};
use crate::{Format, RedbStore, Row, Snapshot, Step, Store, StoreError, Tables, Write};

/// 1 → 2: every value is marked; 2 → 3: rows move to another table.
const THIRD: Format = Format {
    newest: 3,
    steps: &[
        Step {
            from: 2,
            changes: moved,
        },
        Step {
            from: 1,
            changes: marked,
        },
    ],
};

fn put(table: &'static str, (key, value): Row) -> Write {
    Write::Put { table, key, value }
}

fn marked(tables: &dyn Tables) -> Result<Vec<Write>, StoreError> {
    let mut writes = Vec::new();
    for (key, mut value) in tables.rows("old")? {
        if value.starts_with(b"bad") {
            return Err(StoreError::Damaged("a row is bad".to_owned()));
        }
        value.push(b'!');
        writes.push(put("old", (key, value)));
    }
    Ok(writes)
}

fn moved(tables: &dyn Tables) -> Result<Vec<Write>, StoreError> {
    let mut writes = Vec::new();
    for (key, value) in tables.rows("old")? {
        let table = "old";
        writes.push(Write::Delete {
            table,
            key: key.clone(),
        });
        writes.push(put("new", (key, value)));
    }
    Ok(writes)
}

/// A file of the first format with these values.
fn first(values: &[&str]) -> Disk {
    let disk = Disk::new();
    let store = RedbStore::with_backend(disk.clone()).unwrap();
    let rows = values.iter().enumerate();
    let rows = rows.map(|(at, value)| (vec![u8::try_from(at).unwrap()], value.as_bytes().to_vec()));
    store
        .commit(rows.map(|row| put("old", row)).collect())
        .unwrap();
    drop(store);
    Disk::with_image(disk.image())
}

fn values(store: &RedbStore, table: &'static str) -> Vec<String> {
    let rows = store.scan(table, b"").unwrap();
    rows.into_iter()
        .map(|(_, value)| String::from_utf8(value).unwrap())
        .collect()
}

#[test]
fn an_older_file_is_migrated_when_it_is_opened_and_only_once() {
    let disk = first(&["one", "two"]);
    for _ in 0..2 {
        let store = RedbStore::with_backend_and_format(disk.clone(), &THIRD).unwrap();
        assert_eq!(values(&store, "new"), ["one!", "two!"]);
        assert!(values(&store, "old").is_empty());
    }
    // Whoever knows less leaves it alone.
    assert!(matches!(
        RedbStore::with_backend(disk),
        Err(StoreError::Newer { found: 3, known: 1 })
    ));
}

#[test]
fn a_snapshot_shows_the_migrated_file_and_changes_nothing() {
    let disk = first(&["one", "two"]);
    let before = disk.image();
    let snapshot = Snapshot::with_backend(disk.clone(), &THIRD).unwrap();
    assert_eq!(snapshot.format(), 1);
    assert_eq!(snapshot.tables().unwrap(), ["new", "old"]);
    assert_eq!(snapshot.rows("new").unwrap().len(), 2);
    assert!(snapshot.rows("old").unwrap().is_empty());
    drop(snapshot);
    assert!(disk.image() == before);
}

#[test]
fn what_cannot_be_migrated_is_named_and_left_alone() {
    let disk = first(&["one", "bad"]);
    let before = disk.image();
    let error = RedbStore::with_backend_and_format(disk.clone(), &THIRD).unwrap_err();
    assert!(
        matches!(&error, StoreError::Damaged(what) if what == "a row is bad"),
        "{error}"
    );
    const ONLY_LATE: Format = Format {
        newest: 3,
        steps: &[Step {
            from: 2,
            changes: moved,
        }],
    };
    let error = RedbStore::with_backend_and_format(disk.clone(), &ONLY_LATE).unwrap_err();
    assert!(matches!(error, StoreError::Older { found: 1 }), "{error}");
    assert!(disk.image() == before);
}

#[test]
fn a_snapshot_of_something_else_says_so() {
    let image = |bytes: &[u8]| Snapshot::with_backend(Disk::with_image(bytes.to_vec()), &THIRD);
    for bytes in [&b""[..], b"PNG", &[0; 5000]] {
        assert!(matches!(image(bytes), Err(StoreError::NotAStore(_))));
    }
}

/// Each step is one transaction: at every crash point the next start finds a file it can read, and all rows.
#[test]
fn a_crash_at_every_point_of_a_migration_loses_nothing() {
    let disk = first(&["one", "two", "three"]);
    drop(RedbStore::with_backend_and_format(disk.clone(), &THIRD).unwrap());
    let mut found = std::collections::BTreeSet::new();
    disk.crashes(0..6, Syncs::Honoured, |crash| {
        let place = format!("point {}, seed {}", crash.point, crash.seed);
        let disk = Disk::with_image(crash.image);
        found.insert(
            Snapshot::with_backend(disk.clone(), &THIRD)
                .expect(&place)
                .format(),
        );
        let store = RedbStore::with_backend_and_format(disk, &THIRD).expect(&place);
        assert_eq!(values(&store, "new"), ["one!", "two!", "three!"], "{place}");
        assert!(values(&store, "old").is_empty(), "{place}");
    });
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        [1, 2, 3],
        "crashes on both sides of each step"
    );
}
