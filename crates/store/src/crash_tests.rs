//! What is said to be durable survives a power failure at every single point of a workload.

use std::collections::BTreeMap;
use std::sync::mpsc::{channel, sync_channel};

use crate::faults::{Crash, Disk, Syncs};
use crate::{RedbStore, Store, Table, Write};

const TABLES: [Table; 3] = ["queue", "retained", "things"];

type Model = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

fn put(table: Table, key: &str, value: impl Into<Vec<u8>>) -> Write {
    Write::Put {
        table,
        key: key.as_bytes().to_vec(),
        value: value.into(),
    }
}

fn delete(table: Table, key: &str) -> Write {
    Write::Delete {
        table,
        key: key.as_bytes().to_vec(),
    }
}

/// Batches of every kind: one row, many rows, several tables, large values, replaced and deleted ones.
fn workload() -> Vec<Vec<Write>> {
    (0..60u32)
        .map(|number| match number % 6 {
            0 => vec![put(
                "things",
                &format!("thing-{number}"),
                format!("{{\"n\":{number}}}"),
            )],
            1 => (0..12)
                .map(|row| put("queue", &format!("{number:04}-{row}"), vec![row; 300]))
                .collect(),
            2 => vec![
                put(
                    "retained",
                    "the/same/topic",
                    vec![number.to_le_bytes()[0]; 40],
                ),
                put("things", "latest", number.to_string()),
                delete("queue", &format!("{:04}-3", number - 1)),
            ],
            3 => vec![put("retained", &format!("large/{number}"), vec![7; 9000])],
            4 => vec![
                delete("retained", &format!("large/{}", number - 1)),
                put("things", "latest", "moved"),
            ],
            _ => (0..12)
                .map(|row| delete("queue", &format!("{:04}-{row}", number - 4)))
                .collect(),
        })
        .collect()
}

/// A state that a crash may leave: how many batches are in it, and what the tables hold.
type State = (usize, Model);

fn apply(model: &mut Model, batch: &[Write]) {
    for write in batch {
        match write {
            Write::Put { table, key, value } => {
                drop(model.insert((table, key.clone()), value.clone()));
            }
            Write::Delete { table, key } => drop(model.remove(&(*table, key.clone()))),
        }
    }
}

/// What the tables hold after the first 0, 1, 2, … batches.
fn states(batches: &[Vec<Write>]) -> Vec<State> {
    let mut model = Model::new();
    let mut states = vec![(0, model.clone())];
    for (number, batch) in batches.iter().enumerate() {
        apply(&mut model, batch);
        states.push((number + 1, model.clone()));
    }
    states
}

fn contents(store: &RedbStore) -> Model {
    let mut model = Model::new();
    for table in TABLES {
        for (key, value) in store.scan(table, b"").unwrap() {
            model.insert((table, key), value);
        }
    }
    model
}

/// Runs the workload, with groups of one to five batches, and marks each acknowledgement on the disk.
fn record(batches: &[Vec<Write>]) -> Disk {
    let disk = Disk::new();
    let store = RedbStore::with_backend(disk.clone()).unwrap();
    let mut left = (0u64..).zip(batches);
    for size in (1..=5).cycle() {
        let group: Vec<_> = left.by_ref().take(size).collect();
        if group.is_empty() {
            break;
        }
        // The writer is held in a callback while the group is handed over, so that it becomes one commit.
        let (entered, wait_entered) = channel();
        let (release, wait_release) = sync_channel::<()>(1);
        store.submit(
            Vec::new(),
            Box::new(move |result| {
                result.unwrap();
                entered.send(()).unwrap();
                wait_release.recv().unwrap();
            }),
        );
        wait_entered.recv().unwrap();
        for (number, batch) in group {
            let disk = disk.clone();
            store.submit(
                batch.clone(),
                Box::new(move |result| {
                    result.unwrap();
                    disk.mark(number);
                }),
            );
        }
        release.send(()).unwrap();
        store.commit(Vec::new()).unwrap();
    }
    drop(store);
    disk
}

/// Whether it is a state after some whole number of batches, in order, with at least those that were acknowledged.
fn fits(states: &[State], acknowledged: usize, found: &Model) -> bool {
    states
        .iter()
        .any(|(batches, model)| *batches >= acknowledged && model == found)
}

/// What a crash did wrong, if anything.
fn judge(crash: Crash, states: &[State]) -> Result<(), String> {
    let Crash {
        point,
        seed,
        image,
        marks,
    } = crash;
    let place = format!("after point {point}, seed {seed}");
    if !marks.iter().copied().eq(0..marks.len() as u64) {
        return Err(format!("{place}: acknowledged out of order: {marks:?}"));
    }
    let store = RedbStore::with_backend(Disk::with_image(image))
        .map_err(|error| format!("{place}: {error}"))?;
    let found = contents(&store);
    if fits(states, marks.len(), &found) {
        Ok(())
    } else {
        Err(format!(
            "{place}: {} batches were acknowledged, and are not all there",
            marks.len()
        ))
    }
}

fn complaints(
    disk: &Disk,
    states: &[State],
    seeds: std::ops::Range<u64>,
    syncs: Syncs,
) -> (usize, Vec<String>) {
    let mut crashes = 0;
    let mut complaints = Vec::new();
    disk.crashes(seeds, syncs, |crash| {
        crashes += 1;
        complaints.extend(judge(crash, states).err());
    });
    (crashes, complaints)
}

#[test]
fn every_acknowledged_batch_survives_a_crash_at_every_point() {
    let batches = workload();
    let states = states(&batches);
    let disk = record(&batches);
    let (crashes, complaints) = complaints(&disk, &states, 0..8, Syncs::Honoured);
    assert!(crashes > 8 * 250, "only {crashes} crashes were tried");
    assert!(
        complaints.is_empty(),
        "{} of {crashes}: {:#?}",
        complaints.len(),
        &complaints[..complaints.len().min(5)]
    );
}

/// The test above would be worth nothing if it could not fail: a disk that ignores syncs is what
/// a program looks like from which the syncs were removed.
#[test]
fn without_syncs_the_same_harness_reports_loss() {
    let batches = workload();
    let states = states(&batches);
    let disk = record(&batches);
    let (crashes, complaints) = complaints(&disk, &states, 0..1, Syncs::Ignored);
    let lost = complaints
        .iter()
        .filter(|complaint| complaint.contains("are not all there"))
        .count();
    assert!(
        lost > crashes / 2,
        "only {lost} of {crashes} crashes lost something"
    );
}

/// The repair after a crash may itself be interrupted.
#[test]
fn a_crash_while_recovering_from_a_crash_loses_nothing() {
    let batches = workload();
    let states = states(&batches);
    let disk = record(&batches);
    let points = disk.points();
    let mut first = Vec::new();
    disk.crashes(5..6, Syncs::Honoured, |crash| {
        if crash.point == points / 3 || crash.point == points / 2 || crash.point == points - 9 {
            first.push(crash);
        }
    });
    assert!(first.len() >= 3);
    for crash in first {
        let acknowledged = crash.marks.len();
        let disk = Disk::with_image(crash.image);
        drop(RedbStore::with_backend(disk.clone()).unwrap());
        disk.crashes(0..4, Syncs::Honoured, |again| {
            let place = format!("point {}, seed {}", again.point, again.seed);
            let store = RedbStore::with_backend(Disk::with_image(again.image)).expect(&place);
            assert!(fits(&states, acknowledged, &contents(&store)), "{place}");
        });
    }
}

/// After a failed sync the operating system shows what is not on disk. What is acknowledged after the disk recovered
/// must not rest on that.
#[test]
fn nothing_that_is_acknowledged_after_a_failed_sync_rests_on_what_it_lost() {
    let disk = Disk::new();
    let store = RedbStore::with_backend_and_retry(disk.clone(), std::time::Duration::ZERO).unwrap();
    let mut model = Model::new();
    let mut states = vec![(0, model.clone())];
    for (number, batch) in workload().into_iter().take(24).enumerate() {
        let acknowledged = states.last().unwrap().0;
        if number % 5 == 3 {
            disk.fail_syncs(Some(std::io::ErrorKind::Other));
            store.commit(batch.clone()).unwrap_err();
            disk.fail_syncs(None);
            // When the process dies before it is taken back, it may be there, whole.
            let mut with = model.clone();
            apply(&mut with, &batch);
            states.push((acknowledged, with));
            continue;
        }
        let marker = disk.clone();
        store.submit(
            batch.clone(),
            Box::new(move |result| {
                result.unwrap();
                marker.mark(acknowledged as u64);
            }),
        );
        store.commit(Vec::new()).unwrap();
        apply(&mut model, &batch);
        states.push((acknowledged + 1, model.clone()));
    }
    drop(store);
    let (crashes, complaints) = complaints(&disk, &states, 0..4, Syncs::Honoured);
    assert!(
        complaints.is_empty(),
        "{} of {crashes}: {:#?}",
        complaints.len(),
        &complaints[..complaints.len().min(5)]
    );
}
