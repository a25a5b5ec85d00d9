//! Where waiting messages are kept: what a queue asks of it, and the one in memory.

use core::convert::Infallible;
use core::fmt;

/// What a look at a record leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visit {
    /// Show the next one.
    Next,
    /// That was enough.
    Stop,
    /// Remove it, and that was enough.
    Remove,
}

/// Keeps records in the order they came.
#[allow(
    async_fn_in_trait,
    reason = "one executor polls everything; nothing needs `Send`"
)]
pub trait QueueStorage {
    /// What it can fail with.
    type Error: fmt::Debug;

    /// Adds a record behind the last one; false if there is no room now.
    ///
    /// Dropping it, or losing power in it: the record is there or not, and the others are untouched.
    ///
    /// # Errors
    /// The storage failed.
    async fn push(&mut self, record: &[u8]) -> Result<bool, Self::Error>;

    /// Shows the records one after the other, oldest first, until `look` has enough. `buffer` has room for any record that
    /// was pushed; one that does not fit may end it with an error, and is no damage.
    ///
    /// Dropping it, or losing power in it: the record to be removed is there or not, and the others are untouched.
    ///
    /// # Errors
    /// The storage failed.
    async fn visit(
        &mut self,
        buffer: &mut [u8],
        look: &mut dyn FnMut(&[u8]) -> Visit,
    ) -> Result<(), Self::Error>;
}

/// Before each record: its length.
const HEADER: usize = 4;

/// A queue in a lent buffer. It never waits, and loses everything with the power.
pub struct RamQueue<'b> {
    buf: &'b mut [u8],
    used: usize,
}

impl<'b> RamQueue<'b> {
    /// An empty queue. Each message takes its topic, its payload and 19 bytes; with QoS 2 or properties 3 more, and the properties.
    pub fn new(buf: &'b mut [u8]) -> Self {
        Self { buf, used: 0 }
    }

    /// Where the record at `at` begins and ends, without its length.
    fn record(&self, at: usize) -> Option<(usize, usize)> {
        let header = self.buf.get(..self.used)?.get(at..)?.first_chunk()?;
        let from = at.saturating_add(HEADER);
        Some((
            from,
            from.saturating_add(u32::from_le_bytes(*header) as usize),
        ))
    }
}

impl QueueStorage for RamQueue<'_> {
    type Error = Infallible;

    async fn push(&mut self, record: &[u8]) -> Result<bool, Infallible> {
        let Ok(len) = u32::try_from(record.len()) else {
            return Ok(false);
        };
        let from = self.used.saturating_add(HEADER);
        let end = from.saturating_add(record.len());
        if end > self.buf.len() {
            return Ok(false);
        }
        if let Some(place) = self.buf.get_mut(self.used..from) {
            place.copy_from_slice(&len.to_le_bytes());
        }
        if let Some(place) = self.buf.get_mut(from..end) {
            place.copy_from_slice(record);
        }
        self.used = end;
        Ok(true)
    }

    async fn visit(
        &mut self,
        _buffer: &mut [u8],
        look: &mut dyn FnMut(&[u8]) -> Visit,
    ) -> Result<(), Infallible> {
        let mut at = 0;
        while let Some((from, end)) = self.record(at) {
            match look(self.buf.get(from..end).unwrap_or_default()) {
                Visit::Next => at = end,
                Visit::Stop => break,
                Visit::Remove => {
                    if end <= self.used {
                        self.buf.copy_within(end..self.used, at);
                        self.used = self.used.saturating_sub(end.saturating_sub(at));
                    }
                    break;
                }
            }
        }
        Ok(())
    }
}
