//! The broker's rows as values: for whoever examines, copies or restores a data file while no broker runs.
//!
//! [`Record::read`] and [`Record::row`] are exact: what is read and written again is the same row. [`problems`] says what does
//! not fit together. A broker that starts is more forgiving: it removes what belongs to nothing.

mod agree;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use thingwire_mqtt::{QoS, Version, topic};
use thingwire_store::{Row, Table};

use super::message::Message;
use super::record::{
    self, Damaged, decode_body, decode_queued, decode_retained, decode_session, decode_shared,
    decode_subscription, decode_will, encode_message, encode_queued, encode_subscription,
    encode_will, put_session, queued_key, session_key, shared_key, subscription_key,
};
pub use agree::problems;

pub use super::record::{BODIES, QUEUED, RETAINED, SESSIONS, SHARED, SUBSCRIPTIONS, WILLS};
use super::routes::Options;
use super::session::Kept;
use super::shared::inner;
use super::wills::Will;
use crate::Millis;

/// The broker's tables, in the order in which their rows need each other.
pub const TABLES: [Table; 7] = [
    SESSIONS,
    SUBSCRIPTIONS,
    BODIES,
    QUEUED,
    SHARED,
    RETAINED,
    WILLS,
];

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A persistent session.
    Session {
        /// Its name in the other tables.
        number: u64,
        /// Whose it is.
        client_id: String,
        /// Of its latest connection.
        version: Version,
        /// Seconds it outlives its connection.
        expiry: u32,
        /// When its connection ended (wall clock); none: it had one.
        disconnected: Option<Millis>,
    },
    /// A subscription of a session.
    Subscription {
        /// The session.
        session: u64,
        /// As subscribed, with `$share/<name>/` if it has that.
        filter: String,
        /// Granted.
        qos: QoS,
        /// `B-38`.
        no_local: bool,
        /// `B-38`.
        retain_as_published: bool,
        /// `B-36`; 0 is none.
        identifier: u32,
    },
    /// A message that a session has not acknowledged.
    Queued {
        /// The session.
        session: u64,
        /// Its place among the session's messages.
        sequence: u64,
        /// With which it is delivered.
        qos: QoS,
        /// It comes because of a new subscription.
        retained: bool,
        /// Subscription identifiers.
        identifiers: Vec<u32>,
        /// The message, or where it stands.
        content: Content,
    },
    /// A message that waits in several sessions.
    Body {
        /// Its name in their rows.
        id: u64,
        /// The message.
        message: StoredMessage,
    },
    /// A message that a group of a shared subscription has not acknowledged.
    Shared {
        /// The group: its filter with `$share/<name>/`.
        filter: String,
        /// Its place among the group's messages.
        number: u64,
        /// The message.
        message: StoredMessage,
    },
    /// The retained message of its topic.
    Retained {
        /// The message.
        message: StoredMessage,
    },
    /// The Will of a client, which is or was connected.
    Will {
        /// Whose it is.
        client_id: String,
        /// It will be retained.
        retain: bool,
        /// Will Delay Interval in seconds.
        delay: u32,
        /// When that is over (wall clock); none: its connection stands.
        due: Option<Millis>,
        /// What will be published; its expiry is not set yet.
        message: StoredMessage,
    },
}

/// What a message that waits says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// It stands in its row.
    Message(StoredMessage),
    /// It is a [`Record::Body`] with this id.
    Body(u64),
}

/// A message as it was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: Bytes,
    /// As published.
    pub qos: QoS,
    /// The property bytes of its PUBLISH.
    pub properties: Vec<u8>,
    /// When it must no longer be delivered (wall clock).
    pub expires: Option<Millis>,
}

impl StoredMessage {
    fn new(message: Message) -> Self {
        Self {
            topic: message.topic.as_ref().to_owned(),
            payload: message.payload,
            qos: message.qos,
            properties: message.properties.into(),
            expires: message.expires,
        }
    }

    fn message(&self) -> Message {
        Message {
            topic: self.topic.as_str().into(),
            payload: self.payload.clone(),
            qos: self.qos,
            properties: self.properties.clone().into(),
            expires: self.expires,
        }
    }
}

impl Record {
    /// Reads a row of one of [`TABLES`].
    ///
    /// # Errors
    /// What is wrong with it; of another table, that it is none of ours.
    pub fn read(table: &str, (key, value): &Row) -> Result<Self, &'static str> {
        read(table, key, value).map_err(|Damaged(what)| what)
    }

    /// Its table and row.
    #[must_use]
    pub fn row(&self) -> (Table, Row) {
        match self {
            Self::Session {
                number,
                client_id,
                version,
                expiry,
                disconnected,
            } => {
                let value = put_session(*version, *expiry, *disconnected, client_id);
                (SESSIONS, (session_key(*number), value))
            }
            Self::Subscription {
                session,
                filter,
                qos,
                no_local,
                retain_as_published,
                identifier,
            } => {
                let options = Options {
                    no_local: *no_local,
                    retain_as_published: *retain_as_published,
                    id: *identifier,
                };
                let key = subscription_key(*session, filter);
                (SUBSCRIPTIONS, (key, encode_subscription(*qos, options)))
            }
            Self::Queued {
                session,
                sequence,
                qos,
                retained,
                identifiers,
                content,
            } => {
                let (message, body) = match content {
                    Content::Message(message) => (message.message(), None),
                    // A row with a body has nothing of its message.
                    Content::Body(id) => (Message::nothing(), Some(*id)),
                };
                let kept = Kept {
                    message: &message.into(),
                    qos: *qos,
                    retained: *retained,
                    ids: identifiers,
                };
                let value = encode_queued(kept, body);
                (QUEUED, (queued_key(*session, *sequence), value))
            }
            Self::Body { id, message } => {
                let value = encode_message(&message.message());
                (BODIES, (session_key(*id), value))
            }
            Self::Shared {
                filter,
                number,
                message,
            } => {
                let value = encode_message(&message.message());
                (SHARED, (shared_key(filter, *number), value))
            }
            Self::Retained { message } => {
                let key = message.topic.as_bytes().to_vec();
                (RETAINED, (key, encode_message(&message.message())))
            }
            Self::Will {
                client_id,
                retain,
                delay,
                due,
                message,
            } => {
                let value = encode_will(&Will {
                    message: message.message(),
                    retain: *retain,
                    delay: *delay,
                    due: *due,
                });
                (WILLS, (client_id.as_bytes().to_vec(), value))
            }
        }
    }
}

fn read(table: &str, key: &[u8], value: &[u8]) -> Result<Record, Damaged> {
    let record = match table {
        SESSIONS => {
            let stored = decode_session(key, value)?;
            Record::Session {
                number: stored.number,
                client_id: stored.client_id.as_ref().to_owned(),
                version: stored.version,
                expiry: stored.expiry,
                disconnected: stored.disconnected,
            }
        }
        SUBSCRIPTIONS => {
            let (session, filter, qos, options) = decode_subscription(key, value)?;
            Record::Subscription {
                session,
                filter: filter.as_ref().to_owned(),
                qos,
                no_local: options.no_local,
                retain_as_published: options.retain_as_published,
                identifier: options.id,
            }
        }
        QUEUED => {
            let stored = decode_queued(key, value)?;
            Record::Queued {
                session: stored.number,
                sequence: stored.sequence,
                qos: stored.qos,
                retained: stored.retained,
                identifiers: stored.ids,
                content: match stored.content {
                    record::Content::Message(message) => {
                        Content::Message(StoredMessage::new(message))
                    }
                    record::Content::Body(id) => Content::Body(id),
                },
            }
        }
        BODIES => {
            let (id, message) = decode_body(key, value)?;
            Record::Body {
                id,
                message: StoredMessage::new(message),
            }
        }
        SHARED => {
            let (filter, number, message) = decode_shared(key, value)?;
            Record::Shared {
                filter: filter.as_ref().to_owned(),
                number,
                message: StoredMessage::new(message),
            }
        }
        RETAINED => {
            let message = decode_retained(value)?;
            if key != message.topic.as_bytes() {
                return Err(Damaged("the topic is not that of the key"));
            }
            Record::Retained {
                message: StoredMessage::new(message),
            }
        }
        WILLS => {
            let (client_id, will) = decode_will(key, value)?;
            Record::Will {
                client_id: client_id.as_ref().to_owned(),
                retain: will.retain,
                delay: will.delay,
                due: will.due,
                message: StoredMessage::new(will.message),
            }
        }
        _ => return Err(Damaged("not a table of the broker")),
    };
    valid(&record)?;
    // Nothing may be in a row that would be lost on the way.
    if record.row() != (table_of(&record), (key.to_vec(), value.to_vec())) {
        return Err(Damaged("it is not written as this program writes it"));
    }
    Ok(record)
}

const fn table_of(record: &Record) -> Table {
    match record {
        Record::Session { .. } => SESSIONS,
        Record::Subscription { .. } => SUBSCRIPTIONS,
        Record::Queued { .. } => QUEUED,
        Record::Body { .. } => BODIES,
        Record::Shared { .. } => SHARED,
        Record::Retained { .. } => RETAINED,
        Record::Will { .. } => WILLS,
    }
}

/// What could never have been stored.
fn valid(record: &Record) -> Result<(), Damaged> {
    let message = match record {
        Record::Session { expiry: 0, .. } => {
            return Err(Damaged(
                "a session that ends with its connection is not kept",
            ));
        }
        Record::Session { .. } => None,
        Record::Subscription { filter, .. } if !topic::is_valid_filter(filter) => {
            return Err(Damaged("the filter is not a topic filter"));
        }
        Record::Subscription { .. } => None,
        Record::Shared { filter, .. } if inner(filter).is_none() => {
            return Err(Damaged("the filter is not that of a shared subscription"));
        }
        Record::Retained { message } if message.payload.is_empty() => {
            return Err(Damaged("a retained message without payload is none"));
        }
        Record::Will { client_id, .. } if client_id.is_empty() => {
            return Err(Damaged("a Will without a client identifier is nobody's"));
        }
        Record::Will { message, .. } if message.expires.is_some() => {
            return Err(Damaged("a Will expires after its publication, not before"));
        }
        Record::Queued {
            content: Content::Body(_),
            ..
        } => None,
        Record::Queued {
            content: Content::Message(message),
            ..
        }
        | Record::Body { message, .. }
        | Record::Will { message, .. }
        | Record::Shared { message, .. }
        | Record::Retained { message } => Some(message),
    };
    match message {
        Some(message) if !topic::is_valid_name(&message.topic) => {
            Err(Damaged("the topic is not a topic name"))
        }
        _ => Ok(()),
    }
}
