//! What must be on disk, and the batches that bring it there.
//!
//! A [`Change`] only names what changed. When a batch is made, each row is derived ([`super::derive`]) from the state as it is
//! then: what exists is written, what is gone is deleted. So a batch that failed is repaired by deriving the same
//! rows again with the next one, each once, and nothing has to be undone on disk.
//!
//! Changes that no answer waits for (deletions after a PUBACK, a session's disconnection) ride along with
//! the next batch, or go after [`LAZY`] on their own. While the disk refuses, nothing else makes them go sooner.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use thingwire_mqtt::PacketId;
use thingwire_store::Write;

use super::Core;
use super::bodies::Bodies;
use super::slab::Key;
use super::timers::Timer;
use crate::{Millis, Now};

/// How long changes wait that no answer waits for, and how soon after a failure they are tried again.
const LAZY: u64 = 1000;

/// Changes that are not kept waiting, however lazy they are.
const LAZY_MAX: usize = 1000;

/// One row that may differ from the disk.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Session {
        session: Key,
        number: u64,
    },
    Subscription {
        session: Key,
        number: u64,
        filter: Arc<str>,
    },
    Queued {
        session: Key,
        number: u64,
        sequence: u64,
        /// Its publisher waits for this row; otherwise it has its answer, or the row goes.
        new: bool,
    },
    Retained {
        topic: Arc<str>,
    },
    /// The Will of a client; see [`super::wills`].
    Will {
        client_id: Arc<str>,
    },
    /// A message that waits in several sessions; see [`super::bodies`].
    Body {
        id: u64,
    },
    /// A message of a group; see [`super::shared`]. Its row is that of whatever group has the filter.
    Shared {
        group: Key,
        filter: Arc<str>,
        number: u64,
    },
    /// [`Change::Queued`] or [`Change::Shared`] of a message whose success nobody waits for, because it was promised before (a Will)
    /// or by nobody: it stays when its batch fails, and is tried again.
    Stays(Box<Change>),
}

/// What names a row, for one that several changes name.
#[derive(PartialEq, Eq, Hash)]
enum RowName {
    Session(u64),
    Subscription(u64, Arc<str>),
    Queued(u64, u64),
    Retained(Arc<str>),
    Will(Arc<str>),
    Body(u64),
    Shared(Arc<str>, u64),
}

impl Change {
    /// Without the wrapping.
    pub(crate) fn row(&self) -> &Self {
        match self {
            Self::Stays(change) => change,
            change => change,
        }
    }

    fn name(&self) -> RowName {
        match self {
            Self::Session { number, .. } => RowName::Session(*number),
            Self::Subscription { number, filter, .. } => {
                RowName::Subscription(*number, Arc::clone(filter))
            }
            Self::Queued {
                number, sequence, ..
            } => RowName::Queued(*number, *sequence),
            Self::Retained { topic } => RowName::Retained(Arc::clone(topic)),
            Self::Will { client_id } => RowName::Will(Arc::clone(client_id)),
            Self::Body { id } => RowName::Body(*id),
            Self::Shared { filter, number, .. } => RowName::Shared(Arc::clone(filter), *number),
            Self::Stays(change) => change.name(),
        }
    }
}

/// A batch to be handed to the store; report what became of it with [`Core::stored`].
#[derive(Debug)]
pub struct Batch {
    /// Its name.
    pub number: u64,
    /// Its rows.
    pub writes: Vec<Write>,
}

struct UnderWay {
    number: u64,
    changes: Vec<Change>,
    waiters: Vec<Key>,
    receipts: Vec<Receipt>,
}

/// A message with QoS 2 whose PUBREC waits for a batch: known to the session, and not to be answered by another connection as if it
/// were on disk.
struct Receipt {
    connection: Key,
    session: Key,
    packet_id: PacketId,
}

/// Changes on their way to the store.
pub(crate) struct Journal {
    /// Without a store nothing is durable and nothing waits.
    pub(crate) enabled: bool,
    changes: Vec<Change>,
    waiters: Vec<Key>,
    receipts: Vec<Receipt>,
    under_way: VecDeque<UnderWay>,
    next: u64,
    timer_set: bool,
    /// A batch failed, and neither has one reached the disk since nor has [`LAZY`] passed.
    refused: bool,
    discarded: Discarded,
    pub(super) bodies: Bodies,
}

/// Stored sessions that ended and whose rows may still be on disk. A CONNECT that finds no session must not be
/// answered before they are gone, or a crash could bring them back.
#[derive(Default)]
struct Discarded {
    /// With the first batch that deletes it.
    by_number: HashMap<u64, (Arc<str>, u64)>,
    by_client: HashMap<Arc<str>, Vec<u64>>,
}

impl Journal {
    pub(crate) fn new(enabled: bool) -> Self {
        Self {
            enabled,
            changes: Vec::new(),
            waiters: Vec::new(),
            receipts: Vec::new(),
            under_way: VecDeque::new(),
            next: 1,
            timer_set: false,
            refused: false,
            discarded: Discarded::default(),
            bodies: Bodies::default(),
        }
    }

    pub(crate) fn push(&mut self, change: Change) {
        if self.enabled {
            self.changes.push(change);
        }
    }

    /// How many changes wait for a batch, for [`Journal::keep_since`].
    pub(super) const fn pending(&self) -> usize {
        self.changes.len()
    }

    /// The messages that came since `from` changes waited stay when their batch fails: no answer says that it did.
    pub(super) fn keep_since(&mut self, from: usize) {
        for change in self.changes.iter_mut().skip(from) {
            if matches!(
                change,
                Change::Queued { new: true, .. } | Change::Shared { .. }
            ) {
                *change = Change::Stays(Box::new(change.clone()));
            }
        }
    }

    /// Whether a batch is on its way.
    pub(super) fn is_under_way(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// The number of the batch that the changes so far will be in.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// The same; a connection waits for it.
    pub(crate) fn wait(&mut self, connection: Key) -> u64 {
        if self.waiters.last() != Some(&connection) {
            self.waiters.push(connection);
        }
        self.next
    }

    /// The session knows this message from now on; when the batch that is made next fails, it must not any more, whatever has
    /// become of the connection.
    pub(crate) fn receive(&mut self, connection: Key, session: Key, packet_id: PacketId) {
        self.receipts.push(Receipt {
            connection,
            session,
            packet_id,
        });
    }

    /// Whether this message came over an earlier connection and may still turn out not to be on disk.
    pub(crate) fn may_fail(&self, connection: Key, session: Key, packet_id: PacketId) -> bool {
        let under_way = self.under_way.iter().flat_map(|batch| &batch.receipts);
        under_way.chain(&self.receipts).any(|receipt| {
            receipt.session == session
                && receipt.packet_id == packet_id
                && receipt.connection != connection
        })
    }

    /// Whether some batch that is not on disk yet has this message, whichever connection it came over.
    pub(crate) fn is_pending(&self, session: Key, packet_id: PacketId) -> bool {
        let under_way = self.under_way.iter().flat_map(|batch| &batch.receipts);
        under_way
            .chain(&self.receipts)
            .any(|receipt| receipt.session == session && receipt.packet_id == packet_id)
    }

    /// A persistent session ended.
    pub(crate) fn discard_session(&mut self, session: Key, number: u64, client_id: &Arc<str>) {
        if !self.enabled {
            return;
        }
        self.push(Change::Session { session, number });
        let entry = (Arc::clone(client_id), self.next);
        self.discarded.by_number.insert(number, entry);
        let numbers = self.discarded.by_client.entry(Arc::clone(client_id));
        numbers.or_default().push(number);
    }

    /// Has the next batch delete what an ended session of this client id may have left on disk. Answers whether there
    /// is anything.
    pub(crate) fn discard_again(&mut self, client_id: &str) -> bool {
        let Some(numbers) = self.discarded.by_client.get(client_id) else {
            return false;
        };
        for number in numbers.clone() {
            let session = Key::NOWHERE;
            self.push(Change::Session { session, number });
        }
        true
    }

    /// Batch `batch` is on disk and has the deletion of this session in it, if it is not older than that.
    fn note_discarded(&mut self, number: u64, batch: u64) {
        let of = self.discarded.by_number.get(&number);
        if of.is_none_or(|(_, first)| batch < *first) {
            return;
        }
        let Some((client_id, _)) = self.discarded.by_number.remove(&number) else {
            return;
        };
        if let Some(numbers) = self.discarded.by_client.get_mut(&client_id) {
            numbers.retain(|other| *other != number);
            if numbers.is_empty() {
                self.discarded.by_client.remove(&client_id);
            }
        }
    }

    /// Whether everything is on disk.
    pub(crate) fn is_settled(&self) -> bool {
        self.changes.is_empty() && self.bodies.is_settled() && self.under_way.is_empty()
    }
}

impl Core {
    /// The batch of this call, if anything waits for it, or if `all` changes are to go.
    pub(super) fn make_batch(&mut self, now: Now, all: bool) -> Option<Batch> {
        let journal = &mut self.journal;
        // An answer that waits leaves with a batch, though it has no rows.
        if journal.changes.is_empty() && journal.bodies.is_settled() && journal.waiters.is_empty() {
            return None;
        }
        // A disk that refuses would have them back at once, and again.
        let many = journal.changes.len() >= LAZY_MAX && !journal.refused;
        if !all && !many && journal.waiters.is_empty() {
            if !journal.timer_set {
                journal.timer_set = true;
                self.timers.set(now.monotonic.plus(LAZY), Timer::Store);
            }
            return None;
        }
        let mut changes = std::mem::take(&mut journal.changes);
        let waiters = std::mem::take(&mut journal.waiters);
        let receipts = std::mem::take(&mut journal.receipts);
        let number = journal.next;
        journal.next = number.saturating_add(1);
        let writes = self.derive(&mut changes);
        self.journal.under_way.push_back(UnderWay {
            number,
            changes,
            waiters,
            receipts,
        });
        Some(Batch { number, writes })
    }

    pub(super) fn handle_store_timer(&mut self) {
        self.journal.timer_set = false;
        self.journal.refused = false;
        self.flush_all = true;
    }

    /// A batch is on disk (`stored`) or has failed; nothing of it was kept then.
    pub fn stored(&mut self, now: Now, number: u64, stored: bool) {
        self.begin(now);
        let Some(at) = self
            .journal
            .under_way
            .iter()
            .position(|batch| batch.number == number)
        else {
            return;
        };
        let Some(batch) = self.journal.under_way.remove(at) else {
            return;
        };
        if stored {
            self.journal.refused = false;
            for change in &batch.changes {
                self.note_stored(number, change);
            }
        } else {
            self.statistics.failed_batches = self.statistics.failed_batches.saturating_add(1);
            self.repair(now, batch.changes);
            for receipt in batch.receipts {
                self.forget_received(receipt.session, receipt.packet_id);
            }
        }
        for key in batch.waiters {
            self.release(now, key, number, stored);
        }
    }

    fn note_stored(&mut self, number: u64, change: &Change) {
        match change {
            Change::Session {
                session,
                number: of,
            } => match self.sessions.get_mut(*session) {
                Some(session) if session.is_persistent() => session.stored = true,
                Some(session) => {
                    session.stored = false;
                    self.journal.note_discarded(*of, number);
                }
                None => self.journal.note_discarded(*of, number),
            },
            Change::Subscription {
                session, filter, ..
            } => {
                if let Some(session) = self.sessions.get_mut(*session)
                    && let Some(subscription) = session.subscriptions.get_mut(filter)
                    && subscription.pending == Some(number)
                {
                    subscription.pending = None;
                }
            }
            Change::Body { id } => self.journal.bodies.note_stored(*id),
            Change::Queued { .. }
            | Change::Retained { .. }
            | Change::Shared { .. }
            | Change::Will { .. }
            | Change::Stays(_) => {}
        }
    }

    /// Nothing of a batch is on disk. What its answers would have promised is taken back where it can be, and
    /// all its rows are derived again with the next batch, each once however often it changed.
    fn repair(&mut self, now: Now, changes: Vec<Change>) {
        for change in &changes {
            match change {
                Change::Queued {
                    session,
                    sequence,
                    new: true,
                    ..
                } => {
                    if let Some(session) = self.sessions.get_mut(*session) {
                        session.discard(*sequence);
                    }
                }
                Change::Shared { group, number, .. } => self.discard_shared(*group, *number),
                Change::Body { id } => self.journal.bodies.touch(*id),
                _ => {}
            }
        }
        // Of a row the last change is enough. Those that have not failed yet are left as they are: each may have to be taken back.
        let mut named: HashSet<_> = self.journal.changes.iter().map(Change::name).collect();
        let mut again: Vec<_> = changes
            .into_iter()
            .rev()
            .filter(|change| !matches!(change, Change::Body { .. }) && named.insert(change.name()))
            .collect();
        again.reverse();
        again.append(&mut self.journal.changes);
        self.journal.changes = again;
        self.journal.refused = true;
        if !self.journal.timer_set {
            self.journal.timer_set = true;
            self.timers.set(now.monotonic.plus(LAZY), Timer::Store);
        }
    }

    /// Has all changes go with the batch of this call.
    pub fn flush(&mut self, now: Now) {
        self.begin(now);
        self.flush_all = true;
    }

    /// Whether everything that happened is on disk.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.journal.is_settled()
    }
}

/// When a session without connection ends, or a Will has waited, on the monotonic clock.
pub(super) fn session_end(now: Now, ends: Millis) -> Millis {
    now.monotonic.plus(ends.since(now.unix))
}
