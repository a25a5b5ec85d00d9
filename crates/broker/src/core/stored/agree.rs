//! Whether the records of a data file fit together.

use std::collections::{HashMap, HashSet};

use super::{Content, Record};
use crate::core::shared::inner;

/// What does not fit together, each with the place of its record in the list.
#[must_use]
pub fn problems(records: &[Record]) -> Vec<(usize, String)> {
    let mut numbers = HashSet::new();
    let mut clients: HashMap<&str, u64> = HashMap::new();
    let mut groups = HashSet::new();
    let (mut bodies, mut wanted) = (HashSet::new(), HashSet::new());
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
            Record::Body { id, .. } => drop(bodies.insert(*id)),
            Record::Queued {
                content: Content::Body(id),
                ..
            } => drop(wanted.insert(*id)),
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
            Record::Queued {
                content: Content::Body(id),
                ..
            } if !bodies.contains(id) => {
                found.push((place, format!("there is no body {id}")));
            }
            Record::Body { id, .. } if !wanted.contains(id) => {
                found.push((place, "no message has this body".to_owned()));
            }
            // One whose session is gone went when that ended `[MQTT-3.1.2-8]`.
            Record::Will {
                client_id,
                due: Some(_),
                ..
            } if !clients.contains_key(client_id.as_str()) => {
                found.push((
                    place,
                    format!("the Will of `{client_id}` waits, and it has no session"),
                ));
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
