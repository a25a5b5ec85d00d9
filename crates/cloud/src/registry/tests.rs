//! What the registry promises beyond what the API shows: order of durability and visibility, damaged rows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use thingwire_store::faults::{Disk, Syncs};
use thingwire_store::{Done, RedbStore, Row, Store, StoreError, Table, Write};

use super::{Place, Registry, RegistryError};

fn place() -> Place {
    Place {
        region: "us-east-1".to_owned(),
        account_id: "123456789012".to_owned(),
    }
}

/// A store that keeps its batches back until the test lets them go.
#[derive(Default)]
struct Held(Mutex<Vec<Done>>);

impl Store for Held {
    fn submit(&self, _batch: Vec<Write>, done: Done) {
        self.0.lock().expect("batches").push(done);
    }

    fn scan(&self, _table: Table, _prefix: &[u8]) -> Result<Vec<Row>, StoreError> {
        Ok(Vec::new())
    }
}

impl Held {
    /// Waits for the batch that a change under way hands over.
    fn next(&self) -> Done {
        loop {
            if let Some(done) = self.0.lock().expect("batches").pop() {
                return done;
            }
            std::thread::yield_now();
        }
    }
}

/// A change is visible when its batch is on disk and not before; one that failed never.
#[test]
fn durable_then_visible_then_answered() {
    let held = Arc::new(Held::default());
    let registry =
        Registry::open(Arc::clone(&held) as Arc<dyn Store>, place()).expect("an empty registry");
    for (disk, visible) in [
        (Err(StoreError::Damaged("no".to_owned())), false),
        (Ok(()), true),
    ] {
        std::thread::scope(|scope| {
            let change = scope.spawn(|| registry.create_thing("a", BTreeMap::new()));
            let done = held.next();
            assert!(
                registry.thing("a").is_err(),
                "visible before it was durable"
            );
            done(disk);
            assert_eq!(change.join().expect("no panic").is_ok(), visible);
        });
        assert_eq!(registry.thing("a").is_ok(), visible);
    }
}

/// Rows of a newer program, or no rows of ours at all, stop the start with the place named.
#[test]
fn rows_that_cannot_be_read() {
    for (table, key, value, expected) in [
        ("registry.things", "a", r#"{"format":2}"#, "format 2"),
        (
            "registry.things",
            "a",
            r#"{"format":1,"name":"a"}"#,
            "row `a`",
        ),
        ("registry.policies", "p", "null", "registry.policies"),
        (
            "registry.policy-attachments",
            "p",
            r#"{"format":1}"#,
            "pair",
        ),
        (
            "registry.thing-principals",
            "a/b",
            r#"{"format":1}"#,
            "type",
        ),
    ] {
        let store = RedbStore::with_backend(Disk::new()).expect("a store");
        store
            .commit(vec![Write::Put {
                table,
                key: key.as_bytes().to_vec(),
                value: value.as_bytes().to_vec(),
            }])
            .expect("a row");
        let error =
            Registry::open(Arc::new(store), place()).expect_err("a row that cannot be read");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

/// A stored policy that the engine no longer reads denies; it is not left out, for it may hold a Deny.
#[test]
fn a_stored_policy_that_is_not_understood_stays_an_error() {
    let store = RedbStore::with_backend(Disk::new()).expect("a store");
    let policy = r#"{"format":1,"name":"p","versions":{"1":{"document":"nonsense","created":0}},
        "default_version":1,"next_version":2,"created":0,"modified":0,"generation_id":"g","sequence":0}"#;
    let rows = [
        ("registry.policies", "p", policy),
        ("registry.policy-attachments", "c/p", r#"{"format":1}"#),
    ];
    let batch = rows.map(|(table, key, value)| Write::Put {
        table,
        key: key.as_bytes().to_vec(),
        value: value.as_bytes().to_vec(),
    });
    store.commit(batch.to_vec()).expect("rows");
    let registry = Registry::open(Arc::new(store), place()).expect("a registry");
    let standing = registry.standing("c", "client");
    assert!(matches!(&standing.policies[..], [(name, Err(_))] if name == "p"));
}

/// The power fails at any moment: what was answered with success is there, and the registry can always be opened.
#[test]
fn every_crash_leaves_what_was_answered() {
    const STEPS: u64 = 8;
    let disk = Disk::new();
    let store = RedbStore::with_backend(disk.clone()).expect("a store");
    let registry = Registry::open(Arc::new(store), place()).expect("a registry");
    disk.mark(0);
    for number in 1..=STEPS {
        registry
            .create_thing(&format!("t{number}"), BTreeMap::new())
            .expect("a thing");
        disk.mark(number);
    }
    let mut crashes = 0;
    disk.crashes(0..3, Syncs::Honoured, |crash| {
        let Some(answered) = crash.marks.last() else {
            return;
        };
        let place_of_crash = format!("point {} seed {}", crash.point, crash.seed);
        let store = RedbStore::with_backend(Disk::with_image(crash.image)).expect(&place_of_crash);
        let registry = Registry::open(Arc::new(store), place()).expect(&place_of_crash);
        for number in 1..=*answered {
            assert!(
                registry.thing(&format!("t{number}")).is_ok(),
                "{place_of_crash}: t{number}"
            );
        }
        crashes += 1;
    });
    assert!(
        crashes > 3 * STEPS,
        "{crashes} crashes are too few to show anything"
    );
}

/// Many writers at once: each name is won once.
#[test]
fn changes_take_turns() {
    let store = RedbStore::with_backend(Disk::new()).expect("a store");
    let registry = Registry::open(Arc::new(store), place()).expect("a registry");
    let attributes = |number: u32| BTreeMap::from([("n".to_owned(), number.to_string())]);
    let won: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let registry = &registry;
                scope.spawn(
                    move || match registry.create_thing("a", attributes(number)) {
                        Ok(_) => 1,
                        Err(RegistryError::AlreadyExists { .. }) => 0,
                        Err(error) => panic!("{error}"),
                    },
                )
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .sum()
    });
    assert_eq!(won, 1);
}
