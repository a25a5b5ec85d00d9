//! A store that knows how it is doing: how many batches, how long they took, and whether it takes any at all.
//!
//! It stands between everybody and the store itself, so that broker and registry are seen alike.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use thingwire_store::{Done, Row, Store, StoreError, Table, Write};

use crate::storage::{PROBE, is_known};

/// Bounds of the histogram, in microseconds: from a fast disk's sync to one that makes people wait.
const BOUNDS: [u64; 10] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000,
];
/// What was seen this recently is true enough: a probe writes at most this often.
const FRESH: Duration = Duration::from_secs(1);
/// The one row that a probe writes. Nobody reads it.
const TABLE: Table = PROBE;
const KEY: &[u8] = b"probe";

/// A store, measured.
pub(crate) struct Metered {
    inner: Arc<dyn Store>,
    figures: Arc<Figures>,
}

impl std::fmt::Debug for Metered {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Metered")
            .field("figures", &self.figures)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Figures {
    stored: AtomicU64,
    failed: AtomicU64,
    micros: AtomicU64,
    buckets: [AtomicU64; BOUNDS.len()],
    /// How the latest write went, and when that was known.
    latest: Mutex<Option<(Instant, Result<(), StoreError>)>>,
}

/// The figures of a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Measured {
    /// Batches that are on disk.
    pub(crate) stored: u64,
    /// Batches that the store did not take.
    pub(crate) failed: u64,
    /// Seconds all of them took together, from handing over to the callback.
    pub(crate) seconds: f64,
    /// For each bound in seconds, how many batches took at most that.
    pub(crate) buckets: Vec<(f64, u64)>,
}

impl Metered {
    /// Measures this store.
    pub(crate) fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            figures: Arc::default(),
        }
    }

    /// The figures until now.
    pub(crate) fn measured(&self) -> Measured {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let seconds = |micros: u64| Duration::from_micros(micros).as_secs_f64();
        let mut below: u64 = 0;
        let buckets = BOUNDS
            .iter()
            .zip(&self.figures.buckets)
            .map(|(bound, count)| {
                below = below.saturating_add(read(count));
                (seconds(*bound), below)
            })
            .collect();
        Measured {
            stored: read(&self.figures.stored),
            failed: read(&self.figures.failed),
            seconds: seconds(read(&self.figures.micros)),
            buckets,
        }
    }

    /// Whether it takes writes: by the latest one, or by one that is made for the question. Blocks on the disk then.
    ///
    /// # Errors
    /// Why it takes none.
    pub(crate) fn takes_writes(&self) -> Result<(), StoreError> {
        let latest = self.figures.latest().clone();
        if let Some((when, outcome)) = latest
            && when.elapsed() < FRESH
        {
            return outcome;
        }
        self.commit(vec![Write::Put {
            table: TABLE,
            key: KEY.to_vec(),
            value: Vec::new(),
        }])
    }
}

impl Figures {
    fn latest(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Result<(), StoreError>)>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, begun: Instant, outcome: &Result<(), StoreError>) {
        let count = |count: &AtomicU64, by: u64| {
            count.fetch_add(by, Ordering::Relaxed);
        };
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        count(&self.micros, micros);
        if let Some((_, bucket)) = BOUNDS
            .iter()
            .zip(&self.buckets)
            .find(|(bound, _)| micros <= **bound)
        {
            count(bucket, 1);
        }
        count(
            if outcome.is_ok() {
                &self.stored
            } else {
                &self.failed
            },
            1,
        );
        *self.latest() = Some((Instant::now(), outcome.clone()));
    }
}

impl Store for Metered {
    fn submit(&self, batch: Vec<Write>, done: Done) {
        // What the format does not name would be neither checked nor exported.
        debug_assert!(
            batch.iter().all(|write| {
                let (Write::Put { table, .. } | Write::Delete { table, .. }) = write;
                is_known(table)
            }),
            "a table that crate::storage does not know; give it a place there and the format a new number"
        );
        // A barrier writes nothing, so it says nothing about writing.
        if batch.is_empty() {
            return self.inner.submit(batch, done);
        }
        let (figures, begun) = (Arc::clone(&self.figures), Instant::now());
        let measured = move |outcome: Result<(), StoreError>| {
            figures.note(begun, &outcome);
            done(outcome);
        };
        self.inner.submit(batch, Box::new(measured));
    }

    fn scan(&self, table: Table, prefix: &[u8]) -> Result<Vec<Row>, StoreError> {
        self.inner.scan(table, prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use thingwire_store::RedbStore;
    use thingwire_store::faults::Disk;

    fn put(store: &Metered, value: &[u8]) -> Result<(), StoreError> {
        store.commit(vec![Write::Put {
            table: PROBE,
            key: b"k".to_vec(),
            value: value.to_vec(),
        }])
    }

    #[test]
    fn batches_are_counted_and_a_disk_that_refuses_is_noticed_and_forgiven() {
        let disk = Disk::new();
        let store = RedbStore::with_backend_and_retry(disk.clone(), Duration::ZERO).unwrap();
        let store = Metered::new(Arc::new(store));
        store.takes_writes().expect("nothing was written yet");
        put(&store, b"1").unwrap();
        let measured = store.measured();
        assert_eq!((measured.stored, measured.failed), (2, 0));
        assert!(measured.seconds > 0.0);
        assert_eq!(measured.buckets.len(), BOUNDS.len());

        disk.fail_writes(Some(std::io::ErrorKind::StorageFull));
        // Larger than what the file has room for without growing.
        put(&store, &vec![0; 4 << 20]).unwrap_err();
        assert_eq!(store.measured().failed, 1);
        store.takes_writes().unwrap_err();
        *store.figures.latest() = None;
        store.takes_writes().expect_err("by a write of its own");

        disk.fail_writes(None);
        put(&store, b"2").unwrap();
        store.takes_writes().unwrap();
        assert_eq!(store.scan(PROBE, b"k").unwrap()[0].1, b"2");
    }
}
