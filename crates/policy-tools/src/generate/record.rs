//! The record of a run: one JSON object a line, as `thingwire up --record FILE` writes it.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};
use thingwire_policy::Action;

/// One thing that a device did or tried.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// Its client identifier.
    pub client_id: String,
    /// Its certificate.
    pub certificate_id: Option<String>,
    /// The thing of the connection (`C-41`), if there was one.
    pub thing_name: Option<String>,
    /// The action.
    pub action: Action,
    /// The resource: the last part of its ARN.
    pub resource: String,
    /// Whether it was allowed then.
    pub allowed: bool,
}

/// A line of a record that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// Which, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl core::error::Error for RecordError {}

/// As it stands on a line. More members may come with later versions.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    client_id: String,
    certificate_id: Option<String>,
    thing_name: Option<String>,
    action: String,
    resource: String,
    decision: String,
}

/// Reads a record; events that happened several times come once, in a fixed order.
///
/// # Errors
/// [`RecordError`] for the first line that is no event. A last line without its end is one that was being written
/// when the file was copied; it is left out if it is no event.
pub fn read(text: &str) -> Result<Vec<Event>, RecordError> {
    let mut events = Vec::new();
    let complete = text.ends_with('\n');
    let count = text.lines().count();
    for (line, number) in text.lines().zip(1_usize..) {
        if line.trim().is_empty() {
            continue;
        }
        match event(line) {
            Ok(event) => events.push(event),
            Err(_) if number == count && !complete => {}
            Err(message) => {
                return Err(RecordError {
                    line: number,
                    message,
                });
            }
        }
    }
    events.sort();
    events.dedup();
    Ok(events)
}

fn event(line: &str) -> Result<Event, String> {
    let line: Line = serde_json::from_str(line)
        .map_err(|error| format!("no event of a record: {}", without_place(&error)))?;
    let Some(action) = Action::from_name(&line.action) else {
        return Err(format!("`{}` is no action", line.action));
    };
    let allowed = match line.decision.as_str() {
        "allow" => true,
        "deny" => false,
        other => return Err(format!("decision `{other}` is neither `allow` nor `deny`")),
    };
    Ok(Event {
        client_id: line.client_id,
        certificate_id: line.certificate_id,
        thing_name: line.thing_name,
        action,
        resource: line.resource,
        allowed,
    })
}

/// serde_json counts lines in the one line that it saw; ours is the right number.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).into()
}
