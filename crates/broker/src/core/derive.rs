//! The rows of what changed, from the state as it is when a batch is made.

use thingwire_store::Write;

use super::Core;
use super::durable::Change;
use super::record::{self, Row};

impl Core {
    /// What the row that may differ must be now.
    pub(super) fn derive(&self, change: &Change) -> Write {
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
                ..
            } => {
                let key = record::queued_key(*number, *sequence);
                let value = self
                    .sessions
                    .get(*session)
                    .filter(|session| session.is_persistent())
                    .and_then(|session| session.message(*sequence));
                let value = value.map(record::encode_queued);
                Row {
                    table: record::QUEUED,
                    key,
                    value,
                }
            }
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
    fn into_write(self) -> Write {
        let Self { table, key, value } = self;
        match value {
            Some(value) => Write::Put { table, key, value },
            None => Write::Delete { table, key },
        }
    }
}
