//! What goes wrong around the store is named, and what was durable is still there.

use std::io::ErrorKind;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::faults::Disk;
use crate::{Format, RedbStore, Row, Store, StoreError, Write};

fn put(key: &str, value: &[u8]) -> Write {
    Write::Put {
        table: "things",
        key: key.into(),
        value: value.to_vec(),
    }
}

fn keys(store: &RedbStore) -> Vec<String> {
    store
        .scan("things", b"")
        .unwrap()
        .into_iter()
        .map(|(key, _)| String::from_utf8(key).unwrap())
        .collect()
}

fn on(disk: &Disk) -> RedbStore {
    RedbStore::with_backend_and_retry(disk.clone(), Duration::ZERO).unwrap()
}

#[test]
fn rows_come_back_by_prefix_and_in_order() {
    let store = on(&Disk::new());
    store
        .commit(vec![
            put("b/2", b"two"),
            put("a/1", b"one"),
            put("b/1", b""),
            put("c", b"x"),
        ])
        .unwrap();
    let rows: Vec<Row> = vec![
        (b"b/1".to_vec(), b"".to_vec()),
        (b"b/2".to_vec(), b"two".to_vec()),
    ];
    assert_eq!(store.scan("things", b"b/").unwrap(), rows);
    assert_eq!(store.scan("never written", b"").unwrap(), vec![]);
}

#[test]
fn dropping_the_store_finishes_what_was_submitted() {
    let disk = Disk::new();
    let store = on(&disk);
    let (sender, receiver) = channel();
    for number in 0..50 {
        let sender = sender.clone();
        store.submit(
            vec![put(&format!("{number:02}"), b"")],
            Box::new(move |result| sender.send(result).unwrap()),
        );
    }
    drop((store, sender));
    assert_eq!(receiver.iter().filter(Result::is_ok).count(), 50);
    assert_eq!(keys(&on(&disk)).len(), 50);
}

#[test]
fn the_last_owner_may_be_a_callback() {
    let store = std::sync::Arc::new(on(&Disk::new()));
    let (sender, receiver) = channel();
    let owner = std::sync::Arc::clone(&store);
    store.submit(
        vec![put("a", b"")],
        Box::new(move |result| {
            drop(owner);
            sender.send(result).unwrap();
        }),
    );
    drop(store);
    receiver.recv().unwrap().unwrap();
}

#[test]
fn a_callback_that_panics_takes_nobody_with_it() {
    let store = on(&Disk::new());
    store.submit(vec![put("a", b"")], Box::new(|_| panic!("on purpose")));
    store.commit(vec![put("b", b"")]).unwrap();
    assert_eq!(keys(&store), ["a", "b"]);
}

/// Group commit must not make strangers pay for each other.
#[test]
fn a_batch_that_cannot_be_stored_fails_alone() {
    let disk = Disk::new();
    drop(on(&disk));
    let database = redb::Builder::new()
        .create_with_backend(disk.clone())
        .unwrap();
    let transaction = database.begin_write().unwrap();
    transaction
        .open_table(redb::TableDefinition::<u64, u64>::new("of another type"))
        .unwrap();
    transaction.commit().unwrap();
    drop(database);

    let store = on(&disk);
    let (release, wait) = channel::<()>();
    let (sender, receiver) = channel();
    // Holds the writer, so that the three become one group.
    store.submit(Vec::new(), Box::new(move |_| wait.recv().unwrap()));
    for (name, table) in [
        ("first", "things"),
        ("second", "of another type"),
        ("third", "things"),
    ] {
        let sender = sender.clone();
        let write = Write::Put {
            table,
            key: name.into(),
            value: Vec::new(),
        };
        store.submit(
            vec![write],
            Box::new(move |result| sender.send((name, result.is_ok())).unwrap()),
        );
    }
    release.send(()).unwrap();
    drop((store, sender));
    assert_eq!(
        receiver.iter().collect::<Vec<_>>(),
        [("first", true), ("second", false), ("third", true)]
    );
    assert_eq!(keys(&on(&disk)), ["first", "third"]);
}

#[test]
fn while_the_disk_takes_no_writes_they_are_refused_and_reading_goes_on() {
    let disk = Disk::new();
    let store = on(&disk);
    store.commit(vec![put("before", b"1")]).unwrap();

    disk.fail_writes(Some(ErrorKind::Other));
    for _ in 0..3 {
        let error = store
            .commit(vec![put("during", b"2"), put("before", b"changed")])
            .unwrap_err();
        assert!(matches!(error, StoreError::Io(_)), "{error}");
        assert_eq!(
            store.scan("things", b"").unwrap(),
            vec![(b"before".to_vec(), b"1".to_vec())]
        );
    }

    disk.fail_writes(None);
    store.commit(vec![put("after", b"3")]).unwrap();
    assert_eq!(keys(&store), ["after", "before"]);
    drop(store);
    assert_eq!(keys(&on(&disk)), ["after", "before"]);
}

/// redb cannot say whether a commit whose sync failed took effect; the store makes sure it did not.
#[test]
fn a_failed_batch_leaves_no_trace_wherever_in_the_commit_the_disk_fails() {
    let mut failed = 0;
    for writes in 0..40 {
        let disk = Disk::new();
        let store = on(&disk);
        store
            .commit(vec![put("before", b"1"), put("other", b"x")])
            .unwrap();
        disk.fail_writes_after(writes, ErrorKind::Other);
        let result = store.commit(vec![
            put("during", &[9; 20_000]),
            put("before", b"changed"),
            Write::Delete {
                table: "things",
                key: b"other".to_vec(),
            },
        ]);
        disk.fail_writes(None);
        if result.is_err() {
            failed += 1;
            assert_eq!(keys(&store), ["before", "other"], "after {writes} writes");
        } else {
            assert_eq!(keys(&store), ["before", "during"], "after {writes} writes");
        }
        store.commit(vec![put("then", b"")]).unwrap();
        let expected = keys(&store);
        drop(store);
        assert_eq!(
            keys(&on(&disk)),
            expected,
            "after {writes} writes and a restart"
        );
    }
    assert!(failed > 2 && failed < 40, "{failed} of 40");

    let disk = Disk::new();
    let store = on(&disk);
    store.commit(vec![put("before", b"1")]).unwrap();
    disk.fail_syncs(Some(ErrorKind::Other));
    store.commit(vec![put("during", b"2")]).unwrap_err();
    assert_eq!(keys(&store), ["before"]);
    disk.fail_syncs(None);
    store.commit(vec![put("then", b"")]).unwrap();
    assert_eq!(keys(&store), ["before", "then"]);
}

#[test]
fn a_full_disk_refuses_and_takes_writes_again_when_there_is_room() {
    let disk = Disk::new();
    let store = on(&disk);
    store.commit(vec![put("before", b"1")]).unwrap();
    disk.limit(Some(disk.image().len() as u64));

    let mut stored = 1;
    let error = loop {
        match store.commit(vec![put(&format!("big-{stored:04}"), &[1; 60_000])]) {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 1000, "the disk never became full");
    };
    assert!(
        matches!(&error, StoreError::Io(error) if error.kind() == ErrorKind::StorageFull),
        "{error}"
    );
    assert_eq!(
        keys(&store).len(),
        stored,
        "what was stored before can be read"
    );

    disk.limit(None);
    store.commit(vec![put("zz", b"room again")]).unwrap();
    assert_eq!(keys(&store).len(), stored + 1);
}

#[test]
fn a_read_error_is_reported_and_passes() {
    let disk = Disk::new();
    drop(on(&disk).commit(vec![put("before", &[1; 50_000])]));
    let store = on(&disk);
    disk.fail_reads(Some(ErrorKind::Other));
    assert!(matches!(
        store.commit(vec![put("x", b"")]),
        Ok(()) | Err(StoreError::Io(_))
    ));
    disk.fail_reads(None);
    store.commit(vec![put("after", b"")]).unwrap();
    assert!(keys(&store).contains(&"before".to_owned()));
}

#[test]
fn the_file_is_private_and_one_process_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let store = RedbStore::open(&path, &Format::FIRST).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    store.commit(vec![put("a", b"")]).unwrap();
    assert!(matches!(
        RedbStore::open(&path, &Format::FIRST),
        Err(StoreError::InUse)
    ));
    store.commit(vec![put("b", b"")]).unwrap();
    drop(store);
    assert_eq!(
        keys(&RedbStore::open(&path, &Format::FIRST).unwrap()),
        ["a", "b"]
    );
}

#[test]
fn a_file_of_a_newer_version_is_named_and_left_alone() {
    let disk = Disk::new();
    let newer = Format::FIRST.newest + 1;
    let store = on(&disk);
    let format = Write::Put {
        table: "_store",
        key: b"format".to_vec(),
        value: newer.to_le_bytes().to_vec(),
    };
    store.commit(vec![format]).unwrap();
    drop(store);
    let before = disk.image();
    let error = RedbStore::with_backend(disk.clone()).unwrap_err();
    assert!(
        matches!(error, StoreError::Newer { found, .. } if found == newer),
        "{error}"
    );
    assert!(disk.image() == before);
}

#[test]
fn a_damaged_file_is_named_and_left_alone() {
    let disk = Disk::new();
    let store = on(&disk);
    for number in 0..40 {
        store
            .commit(vec![put(&format!("{number}"), &[1; 2000])])
            .unwrap();
    }
    drop(store);
    let good = disk.image();
    let mut damaged = 0;
    let mut images = vec![
        b"this is a letter to my aunt".to_vec(),
        good[..good.len() / 2].to_vec(),
        vec![0xff; 8192],
    ];
    // One page after the other is overwritten; pages that nothing refers to may be.
    for page in 0..good.len() / 4096 {
        let mut image = good.clone();
        image[page * 4096 + 8..page * 4096 + 200].fill(0x5a);
        images.push(image);
    }
    for image in images {
        let disk = Disk::with_image(image.clone());
        match RedbStore::with_backend(disk.clone()) {
            Err(StoreError::Damaged(_) | StoreError::NotAStore(_)) => {
                damaged += 1;
                assert!(disk.image() == image, "a damaged file was changed");
            }
            Err(other) => panic!("{other}"),
            Ok(store) => assert_eq!(keys(&store).len(), 40, "accepted, but not whole"),
        }
    }
    assert!(
        damaged > 20,
        "only {damaged} of the damaged files were noticed"
    );
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let disk = Disk::new();
    let database = redb::Builder::new()
        .create_with_backend(disk.clone())
        .unwrap();
    let transaction = database.begin_write().unwrap();
    transaction
        .open_table(redb::TableDefinition::<u64, u64>::new("theirs"))
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    let before = disk.image();
    assert!(matches!(
        RedbStore::with_backend(disk.clone()),
        Err(StoreError::NotAStore(_))
    ));
    assert!(disk.image() == before);
}
