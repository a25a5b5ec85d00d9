//! One stored copy of a message that waits in many sessions.
//!
//! A message that one call gives to several persistent sessions, and that is long enough ([`SHARED_FROM`]), is a row of its own, and the
//! rows of the sessions refer to it; any other message stands in the row of its session. Which row refers to what is known here, so
//! the batch that deletes the last reference deletes the body. Both come and go in one transaction: on disk no body is without
//! references. A reference without a body can only be one whose own deletion failed, and a start removes it.

use std::collections::HashMap;
use std::sync::Arc;

use thingwire_store::Write;

use super::message::Message;
use super::record::{self, Row};

/// Bytes of topic, properties and payload from which on a message is stored once. Below, the references would cost what they save.
const SHARED_FROM: usize = 64;

/// Names a row of [`record::QUEUED`]: session number and sequence number.
type Place = (u64, u64);

struct Body {
    message: Arc<Message>,
    /// How many rows refer to it.
    rows: usize,
    /// A batch that has it is on disk.
    stored: bool,
}

/// All bodies, as they are when everything under way is on disk.
#[derive(Default)]
pub(crate) struct Bodies {
    next: u64,
    by_id: HashMap<u64, Body>,
    places: HashMap<Place, u64>,
    /// Those whose row may differ from the disk.
    touched: Vec<u64>,
    /// The one that was made last in the batch that is being made.
    newest: Option<u64>,
}

impl Bodies {
    /// The body that a row refers to, if it is not to hold the message itself. `more`: whether the row after it is of the same
    /// message; asked only when it matters.
    pub(super) fn refer(
        &mut self,
        place: Place,
        message: &Arc<Message>,
        more: impl FnOnce() -> bool,
    ) -> Option<u64> {
        if let Some(id) = self.places.get(&place).copied() {
            if self.by_id.get(&id).is_some_and(|body| !body.stored) {
                // The batch that had it may have failed.
                self.touched.push(id);
            }
            return Some(id);
        }
        let newest = self.newest.filter(|newest| {
            let body = self.by_id.get(newest);
            body.is_some_and(|body| Arc::ptr_eq(&body.message, message))
        });
        let id = match newest {
            Some(id) => id,
            None if weight(message) >= SHARED_FROM && more() => {
                let id = self.next;
                self.next = id.saturating_add(1);
                self.newest = Some(id);
                self.touched.push(id);
                self.add(id, Arc::clone(message), false);
                id
            }
            None => return None,
        };
        self.count(place, id);
        Some(id)
    }

    /// A row is no more.
    pub(super) fn release(&mut self, place: Place) {
        if self.places.is_empty() {
            return;
        }
        let Some(id) = self.places.remove(&place) else {
            return;
        };
        if let Some(body) = self.by_id.get_mut(&id) {
            body.rows = body.rows.saturating_sub(1);
            if body.rows == 0 {
                self.by_id.remove(&id);
                self.touched.push(id);
            }
        }
    }

    /// The rows of bodies that go with the batch that is made, and their ids.
    pub(super) fn finish(&mut self) -> Vec<(u64, Write)> {
        self.newest = None;
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        let row = |id| {
            let body: Option<&Body> = self.by_id.get(&id);
            let row = Row {
                table: record::BODIES,
                key: record::session_key(id),
                value: body.map(|body| record::encode_message(&body.message)),
            };
            (id, row.into_write())
        };
        touched.into_iter().map(row).collect()
    }

    /// A batch with this body is on disk.
    pub(super) fn note_stored(&mut self, id: u64) {
        if let Some(body) = self.by_id.get_mut(&id) {
            body.stored = true;
        }
    }

    /// Has the next batch write it, or delete it when it is none.
    pub(super) fn touch(&mut self, id: u64) {
        self.touched.push(id);
    }

    /// Whether nothing is to be written.
    pub(super) const fn is_settled(&self) -> bool {
        self.touched.is_empty()
    }

    /// From the disk, before the rows that refer to it.
    pub(super) fn restore(&mut self, id: u64, message: Message) {
        self.next = self.next.max(id.saturating_add(1));
        self.add(id, Arc::new(message), true);
    }

    /// A row from the disk that refers to a body; none when there is no such body.
    pub(super) fn restore_place(&mut self, place: Place, id: u64) -> Option<Arc<Message>> {
        self.next = self.next.max(id.saturating_add(1));
        let message = Arc::clone(&self.by_id.get(&id)?.message);
        self.count(place, id);
        Some(message)
    }

    /// After all rows: what nothing refers to goes.
    pub(super) fn sweep(&mut self) {
        let Self { by_id, touched, .. } = self;
        by_id.retain(|id, body| {
            if body.rows == 0 {
                touched.push(*id);
            }
            body.rows > 0
        });
    }

    fn add(&mut self, id: u64, message: Arc<Message>, stored: bool) {
        let rows = 0;
        let body = Body {
            message,
            rows,
            stored,
        };
        self.by_id.insert(id, body);
    }

    fn count(&mut self, place: Place, id: u64) {
        self.places.insert(place, id);
        if let Some(body) = self.by_id.get_mut(&id) {
            body.rows = body.rows.saturating_add(1);
        }
    }
}

fn weight(message: &Message) -> usize {
    message
        .topic
        .len()
        .saturating_add(message.properties.len())
        .saturating_add(message.payload.len())
}
