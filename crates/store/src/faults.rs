//! A disk for tests. It remembers what was written in which order and what was synced, so that it can show every
//! state that a power failure could have left; and it fails and fills up when it is told to.
//!
//! A killed process cannot show a missing sync: the operating system still writes everything. [`Disk::crashes`] can,
//! because it loses what was not synced.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

/// What happened on the disk, in order.
#[derive(Clone, Debug)]
enum Event {
    Write {
        offset: u64,
        bytes: Vec<u8>,
    },
    SetLength(u64),
    Sync,
    /// The operating system reported an error, and forgets what was to be written.
    FailedSync,
    Mark(u64),
}

/// Whether the disk honours a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syncs {
    /// What was written before a sync survives.
    Honoured,
    /// As if the program never synced: anything written may be lost.
    Ignored,
}

/// A state in which a power failure may leave the disk.
#[derive(Clone, Debug)]
pub struct Crash {
    /// After how many writes, length changes and syncs.
    pub point: usize,
    /// Which of the unsynced writes are lost: 0 all, 1 none, 2 the last is torn, others at random.
    pub seed: u64,
    /// What is on the disk.
    pub image: Vec<u8>,
    /// The marks made before, in order.
    pub marks: Vec<u64>,
}

#[derive(Debug, Default)]
struct State {
    start: Vec<u8>,
    now: Vec<u8>,
    events: Vec<Event>,
    writes_fail: Option<io::ErrorKind>,
    writes_left: Option<u64>,
    reads_fail: Option<io::ErrorKind>,
    syncs_fail: Option<io::ErrorKind>,
    capacity: Option<u64>,
}

/// The disk. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<Mutex<State>>);

impl Disk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A disk that holds `image`.
    #[must_use]
    pub fn with_image(image: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(State {
            start: image.clone(),
            now: image,
            ..State::default()
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a moment in the order of events: say, that a batch was acknowledged.
    pub fn mark(&self, mark: u64) {
        self.state().events.push(Event::Mark(mark));
    }

    /// Makes writes and length changes fail from now on, or work again.
    pub fn fail_writes(&self, kind: Option<io::ErrorKind>) {
        let mut state = self.state();
        state.writes_fail = kind;
        state.writes_left = None;
    }

    /// Lets `count` more writes and length changes through, then fails.
    pub fn fail_writes_after(&self, count: u64, kind: io::ErrorKind) {
        let mut state = self.state();
        state.writes_fail = Some(kind);
        state.writes_left = Some(count);
    }

    /// Makes syncs fail from now on, or work again. What was to be synced never reaches the disk, and readers see it all the
    /// same, as Linux does it.
    pub fn fail_syncs(&self, kind: Option<io::ErrorKind>) {
        self.state().syncs_fail = kind;
    }

    /// Makes reads fail from now on, or work again.
    pub fn fail_reads(&self, kind: Option<io::ErrorKind>) {
        self.state().reads_fail = kind;
    }

    /// The disk grows no longer than this many bytes.
    pub fn limit(&self, capacity: Option<u64>) {
        self.state().capacity = capacity;
    }

    /// What the disk holds when nothing is lost.
    #[must_use]
    pub fn image(&self) -> Vec<u8> {
        self.state().now.clone()
    }

    /// Writes, length changes and syncs so far.
    #[must_use]
    pub fn points(&self) -> usize {
        self.state()
            .events
            .iter()
            .filter(|event| !matches!(event, Event::Mark(_) | Event::FailedSync))
            .count()
    }

    /// Calls `visit` with what a power failure could have left after every single write, length change and sync, once
    /// for each seed.
    pub fn crashes(&self, seeds: std::ops::Range<u64>, syncs: Syncs, mut visit: impl FnMut(Crash)) {
        let state = self.state();
        let mut durable = state.start.clone();
        let mut pending: Vec<&Event> = Vec::new();
        let mut marks = Vec::new();
        let mut point = 0usize;
        for event in &state.events {
            match event {
                Event::Mark(mark) => marks.push(*mark),
                Event::Sync => {
                    point = point.saturating_add(1);
                    if syncs == Syncs::Honoured {
                        pending
                            .drain(..)
                            .for_each(|event| play(event, None, &mut durable));
                    }
                }
                Event::FailedSync => pending.clear(),
                Event::Write { .. } | Event::SetLength(_) => {
                    point = point.saturating_add(1);
                    pending.push(event);
                }
            }
            for seed in seeds.clone() {
                visit(Crash {
                    point,
                    seed,
                    image: after_loss(&durable, &pending, point, seed),
                    marks: marks.clone(),
                });
            }
        }
    }
}

/// The durable bytes with some of the pending writes on top.
fn after_loss(durable: &[u8], pending: &[&Event], point: usize, seed: u64) -> Vec<u8> {
    let mut image = durable.to_vec();
    let mut random = Random(seed ^ (point as u64).rotate_left(32));
    for (place, event) in pending.iter().enumerate() {
        let length = match event {
            Event::Write { bytes, .. } => bytes.len(),
            _ => 0,
        };
        let last = place.saturating_add(1) == pending.len();
        match seed {
            0 => {}
            1 => play(event, None, &mut image),
            2 if !last => play(event, None, &mut image),
            2 => play(event, Some(random.below(length)), &mut image),
            _ => match random.below(4) {
                0 => play(event, Some(random.below(length)), &mut image),
                1 => {}
                _ if seed.is_multiple_of(2) && random.below(2) == 0 => {}
                _ => play(event, None, &mut image),
            },
        }
    }
    image
}

/// Applies one event, or only the first `torn` bytes of it.
fn play(event: &Event, torn: Option<usize>, image: &mut Vec<u8>) {
    match event {
        Event::Write { offset, bytes } => {
            let bytes = bytes.get(..torn.unwrap_or(bytes.len())).unwrap_or(bytes);
            let start = usize::try_from(*offset).unwrap_or(usize::MAX);
            let Some(end) = start.checked_add(bytes.len()) else {
                return;
            };
            if image.len() < end {
                image.resize(end, 0);
            }
            if let Some(place) = image.get_mut(start..end) {
                place.copy_from_slice(bytes);
            }
        }
        Event::SetLength(length) if torn.is_none() => {
            image.resize(usize::try_from(*length).unwrap_or(0), 0)
        }
        Event::SetLength(_) | Event::Sync | Event::FailedSync | Event::Mark(_) => {}
    }
}

/// SplitMix64: small, seeded, the same everywhere.
struct Random(u64);

impl Random {
    /// A number below `bound`, or 0.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let below = mixed.checked_rem(bound as u64).unwrap_or(0);
        usize::try_from(below).unwrap_or(0)
    }
}

impl State {
    fn may_write(&mut self) -> io::Result<()> {
        let Some(kind) = self.writes_fail else {
            return Ok(());
        };
        match self.writes_left.as_mut().filter(|left| **left > 0) {
            Some(left) => {
                *left = left.saturating_sub(1);
                Ok(())
            }
            None => Err(kind.into()),
        }
    }

    fn may_hold(&self, length: u64) -> io::Result<()> {
        match self.capacity {
            Some(capacity) if length > capacity && length > self.now.len() as u64 => {
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        if let Some(kind) = state.reads_fail {
            return Err(kind.into());
        }
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let bytes = state
            .now
            .get(start..)
            .and_then(|rest| rest.get(..out.len()));
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state();
        state.may_write()?;
        state.may_hold(len)?;
        let event = Event::SetLength(len);
        play(&event, None, &mut state.now);
        state.events.push(event);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        if let Some(kind) = state.syncs_fail {
            state.events.push(Event::FailedSync);
            return Err(kind.into());
        }
        state.events.push(Event::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        state.may_write()?;
        state.may_hold(offset.saturating_add(data.len() as u64))?;
        let event = Event::Write {
            offset,
            bytes: data.to_vec(),
        };
        play(&event, None, &mut state.now);
        state.events.push(event);
        Ok(())
    }
}
