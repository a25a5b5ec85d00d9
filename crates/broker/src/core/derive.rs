//! The rows of what changed, from the state as it is when a batch is made.

use std::sync::Arc;

use thingwire_store::Write;

use super::Core;
use super::bodies::Bodies;
use super::durable::Change;
use super::message::Message;
use super::record::{self, Row};
use super::session::Kept;
use super::slab::Key;

impl Core {
    /// What the rows that may differ must be now. The bodies that come and go with them join the changes.
    pub(super) fn derive(&mut self, changes: &mut Vec<Change>) -> Vec<Write> {
        let mut bodies = std::mem::take(&mut self.journal.bodies);
        let mut writes = Vec::with_capacity(changes.len());
        let mut rest = &changes[..];
        while let [change, after @ ..] = rest {
            writes.push(self.derive_one(change.row(), after.first(), &mut bodies));
            rest = after;
        }
        for (id, write) in bodies.finish() {
            writes.push(write);
            changes.push(Change::Body { id });
        }
        self.journal.bodies = bodies;
        writes
    }

    /// The message of a row that a publisher waits for.
    fn new_message(&self, change: &Change) -> Option<&Arc<Message>> {
        match change.row() {
            Change::Queued {
                session,
                sequence,
                new: true,
                ..
            } => Some(self.kept(*session, *sequence)?.message),
            _ => None,
        }
    }

    fn kept(&self, session: Key, sequence: u64) -> Option<Kept<'_>> {
        let session = self.sessions.get(session)?;
        session.is_persistent().then(|| session.message(sequence))?
    }

    fn derive_one(&self, change: &Change, after: Option<&Change>, bodies: &mut Bodies) -> Write {
        let row = match change {
            Change::Session { session, number } => {
                let key = record::session_key(*number);
                let value = self
                    .sessions
                    .get(*session)
                    .filter(|session| session.is_persistent());
                Row {
                    table: record::SESSIONS,
                    key,
                    value: value.map(record::encode_session),
                }
            }
            Change::Subscription {
                session,
                number,
                filter,
            } => {
                let key = record::subscription_key(*number, filter);
                let value = self
                    .sessions
                    .get(*session)
                    .filter(|session| session.is_persistent())
                    .and_then(|session| session.subscriptions.get(filter));
                let value = value.map(|one| record::encode_subscription(one.qos, one.options));
                Row {
                    table: record::SUBSCRIPTIONS,
                    key,
                    value,
                }
            }
            Change::Queued {
                session,
                number,
                sequence,
                new,
            } => {
                let place = (*number, *sequence);
                let value = match self.kept(*session, *sequence) {
                    Some(kept) => {
                        let more = || {
                            *new && after
                                .and_then(|after| self.new_message(after))
                                .is_some_and(|next| Arc::ptr_eq(next, kept.message))
                        };
                        let body = bodies.refer(place, kept.message, more);
                        Some(record::encode_queued(kept, body))
                    }
                    None => {
                        bodies.release(place);
                        None
                    }
                };
                Row {
                    table: record::QUEUED,
                    key: record::queued_key(*number, *sequence),
                    value,
                }
            }
            Change::Stays(change) => return self.derive_one(change, after, bodies),
            // Those of bodies are derived after all others.
            Change::Body { id } => Row {
                table: record::BODIES,
                key: record::session_key(*id),
                value: None,
            },
            Change::Shared { filter, number, .. } => {
                // By its filter, as the row: the group may have ended and begun again.
                let held = self
                    .shared
                    .find(filter)
                    .and_then(|key| self.shared.get(key))
                    .and_then(|group| group.message(*number));
                Row {
                    table: record::SHARED,
                    key: record::shared_key(filter, *number),
                    value: held.map(record::encode_message),
                }
            }
            Change::Will { client_id } => Row {
                table: record::WILLS,
                key: client_id.as_bytes().to_vec(),
                value: self.will(client_id).map(record::encode_will),
            },
            Change::Retained { topic } => {
                let value = self
                    .retained
                    .get(topic)
                    .map(|message| record::encode_message(message));
                Row {
                    table: record::RETAINED,
                    key: topic.as_bytes().to_vec(),
                    value,
                }
            }
        };
        row.into_write()
    }
}

impl Row {
    pub(super) fn into_write(self) -> Write {
        let Self { table, key, value } = self;
        match value {
            Some(value) => Write::Put { table, key, value },
            None => Write::Delete { table, key },
        }
    }
}
