//! The broker's rows as values: for whoever examines, copies or restores a data file while no broker runs.
//!
//! [`Record::read`] and [`Record::row`] are exact: what is read and written again is the same row. [`problems`] says what does
//! not fit together. A broker that starts is more forgiving: it removes what belongs to nothing.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use thingwire_mqtt::{QoS, Version, topic};
use thingwire_store::{Row, Table};

use super::message::Message;
use super::record::{
    Damaged, decode_queued, decode_retained, decode_session, decode_shared, decode_subscription,
    encode_message, encode_queued, encode_subscription, put_session, queued_key, session_key,
    shared_key, subscription_key,
};
pub use super::record::{QUEUED, RETAINED, SESSIONS, SHARED, SUBSCRIPTIONS};
use super::routes::Options;
use super::session::Kept;
use super::shared::inner;
use crate::Millis;

/// The broker's tables, in the order in which their rows need each other.
pub const TABLES: [Table; 5] = [SESSIONS, SUBSCRIPTIONS, QUEUED, SHARED, RETAINED];

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
                message,
            } => {
                let value = encode_queued(Kept {
                    message: &message.message(),
                    qos: *qos,
                    retained: *retained,
                    ids: identifiers,
                });
                (QUEUED, (queued_key(*session, *sequence), value))
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
                message: StoredMessage::new(stored.message),
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
        Record::Shared { .. } => SHARED,
        Record::Retained { .. } => RETAINED,
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
        Record::Queued { message, .. }
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

/// What does not fit together, each with the place of its record in the list.
#[must_use]
pub fn problems(records: &[Record]) -> Vec<(usize, String)> {
    let mut numbers = HashSet::new();
    let mut clients: HashMap<&str, u64> = HashMap::new();
    let mut groups = HashSet::new();
    let mut found = Vec::new();
    for (place, record) in records.iter().enumerate() {
        match record {
            Record::Session {
                number, client_id, ..
            } => {
                numbers.insert(*number);
                if let Some(other) = clients.insert(client_id, *number) {
                    found.push((
                        place,
                        format!("client `{client_id}` has session {other} as well"),
                    ));
                }
            }
            Record::Subscription { filter, .. } if inner(filter).is_some() => {
                groups.insert(filter.as_str());
            }
            _ => {}
        }
    }
    for (place, record) in records.iter().enumerate() {
        match record {
            Record::Subscription { session, .. } | Record::Queued { session, .. }
                if !numbers.contains(session) =>
            {
                found.push((place, format!("there is no session {session}")));
            }
            Record::Shared { filter, .. } if !groups.contains(filter.as_str()) => {
                found.push((place, format!("no session is subscribed to `{filter}`")));
            }
            _ => {}
        }
    }
    found.sort_unstable_by_key(|(place, _)| *place);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: &str) -> StoredMessage {
        StoredMessage {
            topic: topic.to_owned(),
            payload: Bytes::from_static(b"x"),
            qos: QoS::AtLeastOnce,
            properties: vec![1, 1],
            expires: Some(Millis(5)),
        }
    }

    fn records() -> Vec<Record> {
        let qos = QoS::AtLeastOnce;
        let subscription = |filter: &str, identifier| Record::Subscription {
            session: 3,
            filter: filter.to_owned(),
            qos,
            no_local: identifier > 0,
            retain_as_published: false,
            identifier,
        };
        vec![
            Record::Session {
                number: 3,
                client_id: "lamp".to_owned(),
                version: Version::V5,
                expiry: 60,
                disconnected: None,
            },
            subscription("a/+", 7),
            subscription("$share/g/a", 0),
            Record::Queued {
                session: 3,
                sequence: 9,
                qos,
                retained: true,
                identifiers: vec![7, 268_435_455],
                message: message("a/b"),
            },
            Record::Shared {
                filter: "$share/g/a".to_owned(),
                number: 0,
                message: message("a"),
            },
            Record::Retained {
                message: message("a"),
            },
        ]
    }

    #[test]
    fn what_is_written_is_read_and_everything_fits() {
        for record in records() {
            let (table, row) = record.row();
            assert_eq!(Record::read(table, &row).as_ref(), Ok(&record));
        }
        assert_eq!(problems(&records()), []);
    }

    #[test]
    fn no_cut_or_changed_byte_panics_and_what_is_read_is_written_again() {
        for record in records() {
            let (table, (key, value)) = record.row();
            for at in 0..value.len() {
                let cut = (key.clone(), value[..at].to_vec());
                if let Ok(read) = Record::read(table, &cut) {
                    assert_eq!(read.row(), (table, cut));
                }
                for flip in [1, 0x80, 0xff] {
                    let mut value = value.clone();
                    value[at] ^= flip;
                    let row = (key.clone(), value);
                    if let Ok(read) = Record::read(table, &row) {
                        assert_eq!(read.row(), (table, row));
                    }
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let mut records = records();
        let Some(Record::Session { number, .. }) = records.first_mut() else {
            panic!("a session");
        };
        *number = 4;
        records.push(Record::Session {
            number: 5,
            client_id: "lamp".to_owned(),
            version: Version::V311,
            expiry: 60,
            disconnected: Some(Millis(1)),
        });
        records.remove(2);
        let found: Vec<_> = problems(&records).into_iter().collect();
        assert_eq!(
            found,
            [
                (1, "there is no session 3".to_owned()),
                (2, "there is no session 3".to_owned()),
                (3, "no session is subscribed to `$share/g/a`".to_owned()),
                (5, "client `lamp` has session 4 as well".to_owned()),
            ]
        );
    }

    #[test]
    fn what_could_never_have_been_stored_is_refused() {
        let mut wrong = records();
        for record in &mut wrong {
            match record {
                Record::Session { expiry, .. } => *expiry = 0,
                Record::Subscription { filter, .. } | Record::Shared { filter, .. } => {
                    "#/a".clone_into(filter);
                }
                Record::Queued { message, .. } => "a/+".clone_into(&mut message.topic),
                Record::Retained { message } => message.payload = Bytes::new(),
            }
            let (table, row) = record.row();
            assert!(Record::read(table, &row).is_err(), "{record:?}");
        }
    }
}
