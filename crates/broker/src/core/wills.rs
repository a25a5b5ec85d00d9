//! Wills (`B-58` to `B-61`): from CONNECT to their publication, and what of them is on disk.
//!
//! A client has at most one Will: that of its connection, or, when that ended badly, one that waits for its delay (`B-60`).
//! It was authorised at CONNECT, and what policies say later does not stop it (`B-58`).
//!
//! CONNACK promises it, so its row is written before. The row goes with the batch that has the messages it became, and
//! a DISCONNECT that discards it has its batch made at once. A crash of the broker is the loss of all connections:
//! [`Core::restore_will`] lets every Will that is still there take its course. One that was published within the last second
//! before the crash, or published or discarded since the disk began to refuse, may still be there and be published again.

use std::sync::Arc;

use bytes::Bytes;
use thingwire_mqtt::{Properties, Property};

use super::Core;
use super::durable::{Change, session_end};
use super::message::{Message, Publication, expiry, wire_bytes};
use super::slab::Key;
use super::timers::Timer;
use crate::{Millis, Now};

/// A Will that was accepted with CONNECT (`B-58`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Will {
    /// Its expiry counts from its publication and is not set before.
    pub(crate) message: Message,
    pub(crate) retain: bool,
    /// Will Delay Interval in seconds.
    pub(crate) delay: u32,
    /// When the delay is over (wall clock, because it outlives a restart); none while its connection stands.
    pub(crate) due: Option<Millis>,
}

/// A Will that waits for its delay, and until when on the monotonic clock.
pub(crate) type WaitingWill = (Box<Will>, Millis);

impl Will {
    pub(crate) fn of(will: &thingwire_mqtt::Will<'_>) -> Self {
        Self {
            message: Message {
                topic: will.topic.into(),
                payload: Bytes::copy_from_slice(will.payload),
                qos: will.qos,
                properties: wire_bytes(will.properties).into(),
                expires: None,
            },
            retain: will.retain,
            delay: will
                .properties
                .find(|property| match property {
                    Property::WillDelayInterval(seconds) => Some(seconds),
                    _ => None,
                })
                .unwrap_or(0),
            due: None,
        }
    }
}

impl Core {
    /// The Will of a connection that ended badly: now, or after its delay (`B-60`).
    pub(super) fn part_with_will(&mut self, now: Now, session: Key, mut will: Box<Will>) {
        let delay = if self.rules.will_delay { will.delay } else { 0 };
        match self.sessions.get_mut(session) {
            Some(waiting) if delay > 0 && waiting.is_persistent() => {
                let due = will.due.unwrap_or(now.unix.plus_seconds(delay.into()));
                will.due = Some(due);
                let at = session_end(now, due);
                waiting.will = Some((will, at));
                self.timers.set(at, Timer::WillDelay(session));
            }
            _ => self.wills.push_back((session, will)),
        }
    }

    /// Sends a Will whose delay is over and whose client did not come back.
    pub(super) fn check_will_delay(&mut self, now: Now, key: Key) {
        if let Some(session) = self.sessions.get_mut(key)
            && session
                .will
                .as_ref()
                .is_some_and(|(_, at)| *at <= now.monotonic)
            && let Some((will, _)) = session.will.take()
        {
            let client_id = Arc::clone(&session.client_id);
            self.journal.push(Change::Will { client_id });
            self.wills.push_back((key, will));
        }
    }

    /// Publishes a Will of a session's client, which is its publisher `[MQTT-3.8.3-3]`. It goes out when the call ends (`B-59`), and its expiry counts from then.
    pub(super) fn publish_will(&mut self, now: Now, session: Key, mut will: Will) {
        will.message.expires = expiry(
            Properties::Wire(&will.message.properties),
            now.unix,
            self.rules.message_expiry_max,
        );
        let topic = self.topics.intern(&will.message.topic);
        let publication = Publication {
            retain: will.retain,
            from: session,
            ..will.message.publication()
        };
        let from = self.journal.pending();
        self.dispatch(now, &publication, topic, will.retain);
        // CONNACK promised it.
        self.journal.keep_since(from);
    }

    /// A Will that was on disk when the process died: its client's connection is lost now, or was before.
    pub(super) fn restore_will(&mut self, now: Now, client_id: Arc<str>, mut will: Will) {
        // A clock that was set back must not make it wait longer than was asked for.
        let latest = now.unix.plus_seconds(will.delay.into());
        will.due = will.due.map(|due| due.min(latest));
        let session = self.by_client.get(&client_id).copied();
        // Either it goes, or its delay began.
        self.journal.push(Change::Will { client_id });
        self.part_with_will(now, session.unwrap_or(Key::NOWHERE), Box::new(will));
    }

    /// A CONNECT that came to it was never accepted: it waits on.
    pub(super) fn give_back_will(&mut self, key: Key, will: WaitingWill) {
        let (will, at) = will;
        let Some(session) = self.sessions.get_mut(key) else {
            self.wills.push_back((key, will));
            return;
        };
        let client_id = Arc::clone(&session.client_id);
        session.will = Some((will, at));
        self.journal.push(Change::Will { client_id });
        self.timers.set(at, Timer::WillDelay(key));
    }

    /// The Will of a client that may still be published.
    pub(super) fn will(&self, client_id: &str) -> Option<&Will> {
        let session = self.sessions.get(*self.by_client.get(client_id)?)?;
        let connected = session.connection.and_then(|connection| {
            let connection = self.connections.get(connection)?;
            connection.connected.as_ref()?.will.as_deref()
        });
        connected.or(session.will.as_ref().map(|(will, _)| &**will))
    }
}
