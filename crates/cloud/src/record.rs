//! `--record FILE`: what clients did, so that tools can make the least policy that allows exactly that.
//!
//! One line of JSON for each distinct event, appended when it is decided for the first time in a run:
//! `{"clientId":"lamp","certificateId":"ab…","thingName":"lamp","action":"iot:Publish","resource":"topic/a","decision":"allow"}`.
//! `thingName` is the thing of the connection (`C-41`) or null; `certificateId` is `plaintext` on the listener without
//! TLS. Payloads are never looked at. A file that can no longer be written ends the recording, not the cloud.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use thingwire_broker::{Action, Authorize, Client, Decision, Permissions};

use crate::authorize::{Authorizer, policy_question};

/// Distinct events that are remembered; beyond that a line can come again. A hundred bytes each or so.
const REMEMBERED: usize = 100_000;

/// One event, as it stands in the file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    client_id: &'a str,
    certificate_id: &'a str,
    thing_name: Option<&'a str>,
    action: &'static str,
    resource: &'a str,
    decision: &'static str,
}

/// The file and what is in it already.
struct Record {
    written: HashSet<String>,
    /// None once writing failed.
    file: Option<File>,
}

impl Record {
    fn note(&mut self, event: &Event<'_>) {
        let Some(file) = &mut self.file else {
            return;
        };
        let line = match serde_json::to_string(event) {
            Ok(line) => line + "\n",
            Err(error) => {
                tracing::error!(%error, "an event cannot be written as JSON");
                return;
            }
        };
        if self.written.contains(&line) {
            return;
        }
        // One call for the whole line, so that whoever reads along sees whole lines.
        if let Err(error) = file.write_all(line.as_bytes()) {
            tracing::error!(%error, "the record cannot be written any more; recording ends here");
            self.file = None;
            return;
        }
        if self.written.len() >= REMEMBERED {
            self.written.clear();
        }
        self.written.insert(line);
    }
}

/// Decides as the authorizer does, and records it.
pub(crate) struct Recording {
    authorizer: Arc<Authorizer>,
    record: Arc<Mutex<Record>>,
}

impl Recording {
    /// Appends to this file, which is made if it is not there.
    pub(crate) fn open(path: &Path, authorizer: Arc<Authorizer>) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let record = Record {
            written: HashSet::new(),
            file: Some(file),
        };
        Ok(Self {
            authorizer,
            record: Arc::new(Mutex::new(record)),
        })
    }
}

impl Authorize for Recording {
    fn generation(&self) -> u64 {
        self.authorizer.generation()
    }

    fn permissions(&self, client: &Client) -> Arc<dyn Permissions> {
        Arc::new(Recorded {
            permissions: self.authorizer.permissions(client),
            client_id: Arc::clone(&client.client_id),
            certificate_id: Arc::clone(&client.principal),
            thing_name: self.authorizer.thing_name(client),
            record: Arc::clone(&self.record),
        })
    }
}

struct Recorded {
    permissions: Arc<dyn Permissions>,
    client_id: Arc<str>,
    certificate_id: Arc<str>,
    thing_name: Option<String>,
    record: Arc<Mutex<Record>>,
}

impl Permissions for Recorded {
    fn decide(&self, action: Action, resource: &str) -> Decision {
        let decision = self.permissions.decide(action, resource);
        let (asked, resource) = policy_question(action, resource);
        let event = Event {
            client_id: &self.client_id,
            certificate_id: &self.certificate_id,
            thing_name: self.thing_name.as_deref(),
            action: asked.name(),
            resource: &resource,
            decision: match decision {
                Decision::Allow => "allow",
                Decision::Deny(_) => "deny",
            },
        };
        self.record
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .note(&event);
        decision
    }
}

#[cfg(test)]
mod tests;
