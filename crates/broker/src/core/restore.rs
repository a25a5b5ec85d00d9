//! Brings back what the store kept: sessions, subscriptions, messages that were not acknowledged, retained messages.
//!
//! Expired things are not brought back but deleted. A session that was connected when the broker stopped counts as
//! disconnected from now on, and the Wills of connections that were open are published when the call ends, or after their delay.

use std::collections::HashMap;
use std::sync::Arc;

use thingwire_store::StoreError;

use super::Core;
use super::durable::Change;
use super::record::{
    BODIES, Content, Damaged, QUEUED, RETAINED, SESSIONS, SHARED, SUBSCRIPTIONS, WILLS,
    decode_body, decode_queued, decode_retained, decode_session, decode_shared,
    decode_subscription, decode_will,
};
use super::session::{Queued, Session, Subscription};
use super::slab::Key;
use crate::Now;

/// The rows of the broker's tables, each in key order.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Of [`SESSIONS`].
    pub sessions: Vec<thingwire_store::Row>,
    /// Of [`SUBSCRIPTIONS`].
    pub subscriptions: Vec<thingwire_store::Row>,
    /// Of [`QUEUED`].
    pub queued: Vec<thingwire_store::Row>,
    /// Of [`RETAINED`].
    pub retained: Vec<thingwire_store::Row>,
    /// Of [`SHARED`].
    pub shared: Vec<thingwire_store::Row>,
    /// Of [`WILLS`].
    pub wills: Vec<thingwire_store::Row>,
    /// Of [`BODIES`].
    pub bodies: Vec<thingwire_store::Row>,
}

impl Rows {
    /// Reads them.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn scan(store: &dyn thingwire_store::Store) -> Result<Self, StoreError> {
        Ok(Self {
            sessions: store.scan(SESSIONS, &[])?,
            subscriptions: store.scan(SUBSCRIPTIONS, &[])?,
            queued: store.scan(QUEUED, &[])?,
            retained: store.scan(RETAINED, &[])?,
            shared: store.scan(SHARED, &[])?,
            wills: store.scan(WILLS, &[])?,
            bodies: store.scan(BODIES, &[])?,
        })
    }
}

impl Core {
    /// Fills a fresh core. Call it before the first connection.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when a row is not what this program writes.
    pub fn restore(&mut self, now: Now, rows: &Rows) -> Result<(), StoreError> {
        self.begin(now);
        let mut numbers = HashMap::new();
        for (key, value) in &rows.sessions {
            let stored = decode_session(key, value).map_err(damaged(SESSIONS))?;
            self.next_session = self.next_session.max(stored.number.saturating_add(1));
            let mut session =
                Session::new(Arc::clone(&stored.client_id), stored.version, stored.number);
            session.expiry = stored.expiry;
            session.disconnected = stored.disconnected.unwrap_or(now.unix);
            session.stored = true;
            if self.rules.redelivers {
                session.skip_packet_ids(now.unix.0 / 1000);
            }
            let number = session.number;
            let client_id = Arc::clone(&session.client_id);
            let session = self.sessions.insert(session);
            numbers.insert(number, session);
            // Two sessions of one client id are never stored together; should they be, the newer wins.
            if let Some(older) = self.by_client.insert(client_id, session) {
                self.end_session(older);
            }
            if stored.disconnected.is_none() {
                self.journal.push(Change::Session { session, number });
            }
            self.watch_expiry(now, session);
        }
        for (key, value) in &rows.subscriptions {
            let (number, filter, qos, options) =
                decode_subscription(key, value).map_err(damaged(SUBSCRIPTIONS))?;
            self.next_session = self.next_session.max(number.saturating_add(1));
            let session_key = numbers.get(&number).copied();
            let Some((session_key, session)) = session_key
                .and_then(|key| self.sessions.get_mut(key).map(|session| (key, session)))
            else {
                // A row whose session is gone is derived again, and so deleted.
                let session = Key::NOWHERE;
                self.journal.push(Change::Subscription {
                    session,
                    number,
                    filter,
                });
                continue;
            };
            let subscription = Subscription {
                qos,
                options,
                pending: None,
            };
            session
                .subscriptions
                .insert(Arc::clone(&filter), subscription);
            if super::shared::inner(&filter).is_some() {
                self.join_group(session_key, &filter, qos, options);
            } else {
                self.routes.insert(&filter, session_key, qos, options);
            }
        }
        for (key, value) in &rows.shared {
            let (filter, number, message) = decode_shared(key, value).map_err(damaged(SHARED))?;
            if message.is_expired(now.unix) || !self.restore_shared(&filter, number, message) {
                self.journal.push(Change::Shared {
                    group: Key::NOWHERE,
                    filter,
                    number,
                });
            }
        }
        for (key, value) in &rows.bodies {
            let (id, message) = decode_body(key, value).map_err(damaged(BODIES))?;
            self.journal.bodies.restore(id, message);
        }
        for (key, value) in &rows.queued {
            let stored = decode_queued(key, value).map_err(damaged(QUEUED))?;
            self.next_session = self.next_session.max(stored.number.saturating_add(1));
            let (number, sequence) = (stored.number, stored.sequence);
            let found = numbers
                .get(&number)
                .and_then(|key| self.sessions.get_mut(*key))
                .and_then(|session| {
                    let message = match stored.content {
                        Content::Message(message) => Arc::new(message),
                        Content::Body(id) => {
                            let bodies = &mut self.journal.bodies;
                            bodies.restore_place((number, sequence), id)?
                        }
                    };
                    Some((session, message))
                });
            let Some((session, message)) = found else {
                self.journal.push(Change::Queued {
                    session: Key::NOWHERE,
                    number,
                    sequence,
                    new: false,
                });
                continue;
            };
            session.restore(Queued {
                sequence,
                message,
                qos: stored.qos,
                retained: stored.retained,
                ids: (!stored.ids.is_empty()).then(|| stored.ids.into()),
                resume: None,
                tried: false,
            });
        }
        self.journal.bodies.sweep();
        for (_, value) in &rows.retained {
            let message = decode_retained(value).map_err(damaged(RETAINED))?;
            if message.is_expired(now.unix) {
                self.journal.push(Change::Retained {
                    topic: message.topic,
                });
            } else {
                self.retained.insert(message);
            }
        }
        for (key, value) in &rows.wills {
            let (client_id, will) = decode_will(key, value).map_err(damaged(WILLS))?;
            self.restore_will(now, client_id, will);
        }
        Ok(())
    }
}

fn damaged(table: &'static str) -> impl Fn(Damaged) -> StoreError {
    move |Damaged(what)| StoreError::Damaged(format!("{what} in table `{table}`"))
}
