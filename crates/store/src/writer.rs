//! The one thread that writes: it takes what is waiting, commits it as one group, and tells everyone.
//!
//! A group that fails is tried again batch by batch, so that a batch that cannot be stored fails alone. When the disk
//! is at fault, the database is reopened first; while that does not help, batches are refused at once
//! and the disk is tried again from time to time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::engine::{Engine, Failure};
use crate::{Done, StoreError, Write};

/// Batches in one group at most: bounds how long the first of them waits.
const GROUP: usize = 1024;
/// Bytes in one group at most: bounds the memory of a transaction.
const GROUP_BYTES: usize = 4 * 1024 * 1024;
/// Batches of one failed group that may fail one by one before the rest is refused without trying: each
/// failure of the disk costs reopening the file.
const PATIENCE: usize = 2;

/// A batch and who waits for it.
pub(crate) struct Job {
    pub(crate) batch: Vec<Write>,
    pub(crate) done: Done,
}

/// Works until all senders are gone and everything they sent is done.
pub(crate) fn run(engine: &Engine, jobs: &Receiver<Job>, retry: Duration) {
    let mut disk = Disk {
        engine,
        retry,
        refused: None,
    };
    while let Ok(first) = jobs.recv() {
        let mut bytes = size(&first.batch);
        let mut group = vec![first];
        while group.len() < GROUP && bytes < GROUP_BYTES {
            let Ok(job) = jobs.try_recv() else { break };
            bytes = bytes.saturating_add(size(&job.batch));
            group.push(job);
        }
        disk.write(group);
    }
}

fn size(batch: &[Write]) -> usize {
    batch
        .iter()
        .map(|write| match write {
            Write::Put { key, value, .. } => key.len().saturating_add(value.len()),
            Write::Delete { key, .. } => key.len(),
        })
        .fold(0, usize::saturating_add)
}

fn finish(job: Job, result: Result<(), StoreError>) {
    // A callback that panics must not take the other batches' durability with it.
    if catch_unwind(AssertUnwindSafe(|| (job.done)(result))).is_err() {
        tracing::error!("a callback of the store panicked");
    }
}

/// The engine and since when it refuses.
struct Disk<'a> {
    engine: &'a Engine,
    retry: Duration,
    refused: Option<(Instant, StoreError)>,
}

impl Disk<'_> {
    fn write(&mut self, group: Vec<Job>) {
        if let Err(error) = self.ready() {
            for job in group {
                finish(job, Err(error.clone()));
            }
            return;
        }
        match self.commit(&group) {
            Ok(()) => group.into_iter().for_each(|job| finish(job, Ok(()))),
            Err(Failure::Batch(error)) if group.len() == 1 => {
                group
                    .into_iter()
                    .for_each(|job| finish(job, Err(error.clone())));
            }
            Err(_) => self.one_by_one(group),
        }
    }

    fn one_by_one(&mut self, group: Vec<Job>) {
        let mut failures = 0usize;
        for job in group {
            let result = match &self.refused {
                Some((_, error)) => Err(error.clone()),
                None => self
                    .commit(std::slice::from_ref(&job))
                    .map_err(|failure| match failure {
                        Failure::Batch(error) => error,
                        Failure::Disk(error) => {
                            failures = failures.saturating_add(1);
                            if failures >= PATIENCE && self.refused.is_none() {
                                self.refuse(error.clone());
                            }
                            error
                        }
                    }),
            };
            finish(job, result);
        }
    }

    /// Commits; after a failure of the disk the database has been reopened if that was possible.
    fn commit(&mut self, group: &[Job]) -> Result<(), Failure> {
        if group.iter().all(|job| job.batch.is_empty()) {
            return Ok(());
        }
        let times = self.engine.times();
        let result = self.engine.commit(group.iter().flat_map(|job| &job.batch));
        if let Err(Failure::Disk(error)) = &result {
            tracing::error!(%error, "the store could not write");
            if !self.engine.recover(times) {
                self.refuse(error.clone());
            }
        }
        result
    }

    fn refuse(&mut self, error: StoreError) {
        self.refused = Some((Instant::now(), error));
    }

    /// Whether it is worth trying: always, except shortly after the disk refused.
    fn ready(&mut self) -> Result<(), StoreError> {
        let Some((since, error)) = &self.refused else {
            return Ok(());
        };
        if since.elapsed() < self.retry {
            return Err(error.clone());
        }
        let error = error.clone();
        if self.engine.recover(self.engine.times()) {
            tracing::info!("the store can write again");
            self.refused = None;
            return Ok(());
        }
        self.refuse(error.clone());
        Err(error)
    }
}

/// Starts the thread.
pub(crate) fn start(
    engine: Arc<Engine>,
    jobs: Receiver<Job>,
    retry: Duration,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new()
        .name("store".to_owned())
        .spawn(move || run(&engine, &jobs, retry))
}
