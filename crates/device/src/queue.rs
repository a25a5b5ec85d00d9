//! Messages that wait for a connection, in memory or in flash, and leave at a rate that AWS allows.
//!
//! The session buffer holds what is under way. [`OfflineQueue`] stands before it: it is as large as the storage it is
//! lent, decides what gives way when it is full ([`Keep`]), forgets what is too old, and with flash survives a power
//! cut. Messages leave with QoS 1 or 2, one at a time in the order they came, and a message leaves the
//! storage only after its acknowledgement; so every one is delivered at least once, or its loss is reported or counted.

mod drain;
#[cfg(feature = "flash")]
mod flash;
mod record;
mod storage;

use core::cell::{Cell, RefCell, RefMut};
use core::fmt;
use core::future::poll_fn;
use core::task::Poll;

use thingwire_contract::limit;
use thingwire_mqtt::client::Ticket;

use crate::wakers::Wakers;
use crate::{Client, EncodeError, LimitError, Millis, Outgoing, QoS, ReasonCode};

pub use drain::{Lost, LostWhy};
#[cfg(feature = "flash")]
pub use flash::FlashQueue;
pub use storage::{QueueStorage, RamQueue, Visit};

use record::Record;

/// What gives way when the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It must arrive: droppable messages give way; without any, [`QueueError::Full`].
    MustArrive,
    /// Only the newest value of its topic counts: it replaces the one that waits. Otherwise as `MustArrive`.
    LatestValue,
    /// Droppable: the oldest droppable messages give way to it, or it to the others.
    DropOldest,
    /// Droppable: it gives way itself.
    DropNewest,
}

/// How a queue behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueOptions {
    /// Older messages are not sent any more, in milliseconds of the clock that [`OfflineQueue::put`] is given.
    pub max_age: Option<u64>,
    /// Messages a second at most, from 1 to [`Limits::publishes_per_second`](crate::Limits). AWS discards what comes faster
    /// than 100 a second, both directions together (`B-45`).
    pub per_second: u32,
}

impl Default for QueueOptions {
    /// No age limit; ten a second, as AWS sends stored messages (`B-28`), which leaves room for live traffic.
    fn default() -> Self {
        Self {
            max_age: None,
            per_second: limit::STORED_MESSAGES_PER_SECOND,
        }
    }
}

/// What happened to messages of a queue since it was opened, and how many wait. `Display` writes one line of JSON, as that of
/// [`Statistics`](crate::Statistics) does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStatistics {
    /// Gauge: messages that wait.
    pub depth: u32,
    /// Messages accepted.
    pub queued: u32,
    /// Messages that were acknowledged.
    pub delivered: u32,
    /// Messages replaced by a newer value of their topic.
    pub replaced: u32,
    /// Droppable messages that gave way because the queue was full.
    pub dropped: u32,
    /// Messages that became too old.
    pub expired: u32,
    /// Messages that the server refused or that can never be sent.
    pub refused: u32,
}

impl fmt::Display for QueueStatistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{{\"depth\":{},\"queued\":{},\"delivered\":{},\"replaced\":{},\"dropped\":{},\"expired\":{},\"refused\":{}}}",
            self.depth,
            self.queued,
            self.delivered,
            self.replaced,
            self.dropped,
            self.expired,
            self.refused
        )
    }
}

/// A message was not taken into the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueError<E> {
    /// Configuration: a limit of the broker.
    Limit(LimitError),
    /// Configuration: the buffer lent to the queue is too short for it.
    BufferTooSmall {
        /// Bytes it takes.
        needed: usize,
        /// Bytes the buffer has.
        len: usize,
    },
    /// Configuration: a quality of service or properties that this client cannot send.
    Encode(EncodeError),
    /// Resource: the queue is full of messages that may not give way. Wait, then try again.
    Full,
    /// The storage failed.
    Storage(E),
}

impl<E: fmt::Debug> fmt::Display for QueueError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(error) => error.fmt(f),
            Self::BufferTooSmall { needed, len } => {
                write!(
                    f,
                    "the message needs {needed} bytes of the queue's buffer, which has {len}"
                )
            }
            Self::Encode(error) => error.fmt(f),
            Self::Full => f.write_str("the queue is full of messages that may not give way"),
            Self::Storage(error) => write!(f, "the queue's storage failed: {error:?}"),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for QueueError<E> {}

/// A queue in front of a client: see the [module](self).
///
/// What goes through it keeps its order. Publish to a topic either through it or directly, not both.
pub struct OfflineQueue<'c, 'b, S: QueueStorage> {
    client: &'c Client<'b>,
    inner: RefCell<Inner<'c, S>>,
    options: QueueOptions,
    /// Who waits for the storage or for messages.
    waiting: RefCell<Wakers>,
    next_sequence: Cell<u32>,
    flight: Cell<Flight>,
    next_at: Cell<Millis>,
    statistics: Cell<QueueStatistics>,
}

struct Inner<'c, S> {
    storage: S,
    buffer: &'c mut [u8],
}

/// The message that has left the queue for the session, by its sequence number. It stays known until it is out
/// of the storage, so that dropping [`OfflineQueue::drain`] at any moment neither loses nor doubles it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flight {
    None,
    Sent(u32, Ticket),
    /// `None`: acknowledged. Otherwise why it is lost.
    Ended(u32, Option<LostWhy>),
}

impl<'c, 'b, S: QueueStorage> OfflineQueue<'c, 'b, S> {
    /// Opens the queue; what a storage in flash still holds is sent first.
    ///
    /// `buffer` must hold the longest message: topic, payload and 15 bytes; with QoS 2 or properties 3 more, and the properties. Waits
    /// for the storage; may be dropped.
    ///
    /// # Errors
    /// The storage's own.
    pub async fn open(
        client: &'c Client<'b>,
        mut storage: S,
        buffer: &'c mut [u8],
        options: QueueOptions,
    ) -> Result<Self, S::Error> {
        let mut depth = 0_u32;
        let mut next_sequence = 0_u32;
        storage
            .visit(buffer, &mut |bytes| {
                depth = depth.saturating_add(1);
                if let Some(record) = Record::read(bytes) {
                    next_sequence = record.sequence.wrapping_add(1);
                }
                Visit::Next
            })
            .await?;
        Ok(Self {
            client,
            inner: RefCell::new(Inner { storage, buffer }),
            options,
            waiting: RefCell::new(Wakers::default()),
            next_sequence: Cell::new(next_sequence),
            flight: Cell::new(Flight::None),
            next_at: Cell::new(Millis(0)),
            statistics: Cell::new(QueueStatistics {
                depth,
                ..QueueStatistics::default()
            }),
        })
    }

    /// Puts a message behind the others. It is sent with its properties, and with QoS 1 at least: with QoS 0 nobody would know whether it may
    /// leave the queue. QoS 2 is exactly once as long as the client and this queue live; a restart, or a queue that is opened again, may
    /// double what was under way.
    ///
    /// A Message Expiry Interval counts from when the server gets the message; [`QueueOptions::max_age`] is for the time before.
    /// Messages with properties or QoS 2 are stored in a form that versions of this library before it had them do not read.
    ///
    /// `now` is stored with it for the age limit. With flash it must come from a clock that goes on over
    /// restarts. Answers false if the message itself gave way.
    ///
    /// Waits for the storage. Dropping it: the message is in the queue or not, never half.
    ///
    /// # Errors
    /// [`QueueError`]; the message is not in the queue then.
    pub async fn put(
        &self,
        message: Outgoing<'_>,
        keep: Keep,
        now: Millis,
    ) -> Result<bool, QueueError<S::Error>> {
        self.client
            .limits
            .check_publish(&message)
            .map_err(QueueError::Limit)?;
        if !thingwire_mqtt::topic::is_valid_name(message.topic) {
            return Err(QueueError::Limit(LimitError::TopicGrammar));
        }
        if message.qos > self.client.limits.maximum_qos
            || (message.qos == QoS::ExactlyOnce && !cfg!(feature = "qos2"))
        {
            return Err(QueueError::Encode(EncodeError::NotAllowed(
                "a quality of service that the broker or this build does not have",
            )));
        }
        if message.has_foreign_properties() {
            return Err(QueueError::Encode(EncodeError::NotAllowed(
                "a property that clients do not send",
            )));
        }
        let version = self.client.state().session.version();
        let properties_len = message.properties.encode(version, &mut []);
        if properties_len.map_err(QueueError::Encode)? > usize::from(u16::MAX) {
            return Err(QueueError::Encode(EncodeError::FieldTooLong("properties")));
        }
        let mut inner = self.lock().await;
        let sequence = self.next_sequence.get();
        let record = Record {
            keep,
            retain: message.retain,
            qos: message.qos.max(QoS::AtLeastOnce),
            sequence,
            at: now,
            topic: message.topic,
            properties: message.properties,
            payload: message.payload,
        };
        let needed = record.len();
        let len = inner.get().buffer.len();
        if needed > len {
            return Err(QueueError::BufferTooSmall { needed, len });
        }
        let queued = inner.push(self, &record).await?;
        if !queued {
            if matches!(keep, Keep::MustArrive | Keep::LatestValue) {
                return Err(QueueError::Full);
            }
            self.count(|statistics| &mut statistics.dropped);
            return Ok(false);
        }
        self.next_sequence.set(sequence.wrapping_add(1));
        self.count(|statistics| &mut statistics.queued);
        self.count(|statistics| &mut statistics.depth);
        if keep == Keep::LatestValue {
            // The old value goes after the new one is safe.
            while inner.remove_older(self, &record).await? {}
        }
        Ok(true)
    }

    /// What happened so far.
    #[must_use]
    pub fn statistics(&self) -> QueueStatistics {
        self.statistics.get()
    }

    /// Waits until nobody else uses the storage. Flash takes its time, so this is held over awaits.
    async fn lock(&self) -> Lock<'_, 'c, S> {
        poll_fn(|cx| match self.inner.try_borrow_mut() {
            Ok(inner) => Poll::Ready(Lock {
                inner,
                waiting: &self.waiting,
            }),
            Err(_) => {
                self.waiting.borrow_mut().register(cx.waker());
                Poll::Pending
            }
        })
        .await
    }

    fn count(&self, which: impl FnOnce(&mut QueueStatistics) -> &mut u32) {
        let mut statistics = self.statistics.get();
        let counter = which(&mut statistics);
        *counter = counter.saturating_add(1);
        self.statistics.set(statistics);
    }

    fn removed(&self) {
        let mut statistics = self.statistics.get();
        statistics.depth = statistics.depth.saturating_sub(1);
        self.statistics.set(statistics);
    }

    fn emptied(&self) {
        self.statistics.set(QueueStatistics {
            depth: 0,
            ..self.statistics.get()
        });
    }

    /// Whether the message is on its way: it may not give way any more.
    fn is_in_flight(&self, sequence: u32) -> bool {
        match self.flight.get() {
            Flight::None => false,
            Flight::Sent(flying, _) | Flight::Ended(flying, _) => flying == sequence,
        }
    }
}

impl<S: QueueStorage> Drop for OfflineQueue<'_, '_, S> {
    fn drop(&mut self) {
        if let Flight::Sent(_, ticket) = self.flight.get() {
            self.client.state().session.forget(ticket);
        }
    }
}

/// The storage, for one user at a time.
struct Lock<'q, 'c, S> {
    inner: RefMut<'q, Inner<'c, S>>,
    waiting: &'q RefCell<Wakers>,
}

impl<S> Drop for Lock<'_, '_, S> {
    fn drop(&mut self) {
        // Whoever is woken looks when it is polled, and that is after this.
        self.waiting.borrow_mut().wake_all();
    }
}

impl<'c, S: QueueStorage> Lock<'_, 'c, S> {
    fn get(&mut self) -> &mut Inner<'c, S> {
        &mut self.inner
    }

    /// Stores the record, droppable ones giving way if they must; false if there is no room for it.
    async fn push(
        &mut self,
        queue: &OfflineQueue<'_, '_, S>,
        record: &Record<'_>,
    ) -> Result<bool, QueueError<S::Error>> {
        loop {
            let inner = self.get();
            let len = record.write(inner.buffer);
            let bytes = inner.buffer.get(..len).unwrap_or_default();
            if inner
                .storage
                .push(bytes)
                .await
                .map_err(QueueError::Storage)?
            {
                return Ok(true);
            }
            if record.keep == Keep::DropNewest {
                return Ok(false);
            }
            let dropped = self
                .remove_first(|held| {
                    matches!(held.keep, Keep::DropOldest | Keep::DropNewest)
                        && !queue.is_in_flight(held.sequence)
                })
                .await
                .map_err(QueueError::Storage)?;
            if dropped {
                queue.count(|statistics| &mut statistics.dropped);
                queue.removed();
            } else if record.keep != Keep::LatestValue || !self.remove_older(queue, record).await? {
                return Ok(false);
            }
        }
    }

    /// Removes an older value of the record's topic; answers whether there was one.
    async fn remove_older(
        &mut self,
        queue: &OfflineQueue<'_, '_, S>,
        newest: &Record<'_>,
    ) -> Result<bool, QueueError<S::Error>> {
        let removed = self
            .remove_first(|held| {
                held.keep == Keep::LatestValue
                    && held.topic == newest.topic
                    && held.sequence != newest.sequence
                    && !queue.is_in_flight(held.sequence)
            })
            .await
            .map_err(QueueError::Storage)?;
        if removed {
            queue.count(|statistics| &mut statistics.replaced);
            queue.removed();
        }
        Ok(removed)
    }

    /// Removes the oldest record of this kind; answers whether there was one.
    async fn remove_first(
        &mut self,
        mut wanted: impl FnMut(&Record<'_>) -> bool,
    ) -> Result<bool, S::Error> {
        let inner = self.get();
        let mut found = false;
        inner
            .storage
            .visit(inner.buffer, &mut |bytes| {
                found = Record::read(bytes).is_some_and(|record| wanted(&record));
                if found { Visit::Remove } else { Visit::Next }
            })
            .await?;
        Ok(found)
    }
}

/// The message of a record as the session takes it.
fn outgoing<'r>(record: &Record<'r>) -> Outgoing<'r> {
    Outgoing {
        retain: record.retain,
        properties: record.properties,
        ..Outgoing::new(record.topic, record.payload, record.qos)
    }
}

/// Whether the server will take the message later (`B-45`).
fn is_only_too_fast(reason: ReasonCode) -> bool {
    reason == ReasonCode::QUOTA_EXCEEDED
}
