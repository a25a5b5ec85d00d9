//! Lifecycle events (`D-1` to `D-10`): who connected, disconnected, subscribed, unsubscribed or was refused.
//!
//! [`Presence`] turns what the broker tells into the messages that AWS publishes; it is asked inside the broker's core, so
//! it only writes them down. [`publish`] takes them from there to the broker, as a service of the cloud: no policy is
//! asked about the publishing, every policy about receiving (`D-8`).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use thingwire_broker::{Broker, Client, DisconnectReason, Event, QoS};
use tokio::sync::{mpsc, watch};

use crate::listen::stopped;

/// `D-6`: how long a client may be away before its version numbers begin again, in milliseconds.
const FORGET_AFTER: u64 = 3_600_000;

/// Clients that are known before those that are long gone are looked for.
const SWEEP_FROM: usize = 1024;

/// An event on its way to its subscribers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
}

/// Names the exclusive thing of a client (`D-2`).
pub(crate) type ThingOf = Box<dyn Fn(&Client) -> Option<String> + Send + Sync>;
/// Makes the identifier of a connection, 32 hexadecimal digits.
pub(crate) type NewIdentifier = Box<dyn Fn() -> String + Send + Sync>;

/// What is remembered of each client, and where its events go.
pub(crate) struct Presence {
    known: Mutex<Known>,
    thing_of: ThingOf,
    new_identifier: NewIdentifier,
    /// How long a persistent session outlives its connection, in milliseconds.
    session_life: u64,
}

struct Known {
    clients: HashMap<String, Entry>,
    sweep_at: usize,
}

/// The last connection of one client.
struct Entry {
    version: u64,
    session_identifier: String,
    thing_name: Option<String>,
    /// When its version numbers begin again; `None` while it is connected.
    forget_at: Option<u64>,
}

/// The document of every event, in AWS's order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    thing_name: Option<&'a str>,
    /// Milliseconds since 1970.
    timestamp: u64,
    event_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect_failure_reason: Option<&'a str>,
    session_identifier: &'a str,
    principal_identifier: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_initiated_disconnect: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnect_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topics: Option<&'a [&'a str]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_number: Option<u64>,
}

impl Presence {
    /// `session_expiry`: seconds a session outlives its connection.
    pub(crate) fn new(
        thing_of: ThingOf,
        new_identifier: NewIdentifier,
        session_expiry: u32,
    ) -> Self {
        let known = Known {
            clients: HashMap::new(),
            sweep_at: SWEEP_FROM,
        };
        Self {
            known: Mutex::new(known),
            thing_of,
            new_identifier,
            session_life: u64::from(session_expiry).saturating_mul(1000),
        }
    }

    /// The message for an event, if there is one; `unix` in milliseconds.
    pub(crate) fn note(&self, unix: u64, event: &Event<'_>) -> Option<Message> {
        match *event {
            Event::Connected { client, .. } => self.connected(unix, client),
            Event::Disconnected { client, reason, .. } => self.disconnected(unix, client, reason),
            Event::ConnectFailed { client } => self.connect_failed(unix, client),
            Event::Subscribed { client, filters } => {
                self.subscriptions(unix, client, "subscribed", filters)
            }
            Event::Unsubscribed { client, filters } => {
                self.subscriptions(unix, client, "unsubscribed", filters)
            }
            Event::Refused { .. } | Event::Violated { .. } => None,
        }
    }

    fn connected(&self, unix: u64, client: &Client) -> Option<Message> {
        let thing_name = (self.thing_of)(client);
        let session_identifier = (self.new_identifier)();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.clients.len() >= known.sweep_at {
            known
                .clients
                .retain(|_, entry| entry.forget_at.is_none_or(|at| unix < at));
            known.sweep_at = known.clients.len().saturating_mul(2).max(SWEEP_FROM);
        }
        let version = known
            .clients
            .get(&*client.client_id)
            .filter(|entry| entry.forget_at.is_none_or(|at| unix < at))
            .map_or(0, |entry| entry.version.saturating_add(1));
        let entry = Entry {
            version,
            session_identifier,
            thing_name,
            forget_at: None,
        };
        let message = message(
            client,
            "presence/connected",
            &Document {
                ip_address: Some(client.address.ip().to_string()),
                version_number: Some(version),
                ..document(unix, client, "connected", &entry)
            },
        );
        known.clients.insert(client.client_id.to_string(), entry);
        message
    }

    fn disconnected(
        &self,
        unix: u64,
        client: &Client,
        reason: DisconnectReason,
    ) -> Option<Message> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = known.clients.get_mut(&*client.client_id)?;
        let life = if client.persistent {
            self.session_life
        } else {
            FORGET_AFTER
        };
        entry.forget_at = Some(unix.saturating_add(life));
        message(
            client,
            "presence/disconnected",
            &Document {
                client_initiated_disconnect: Some(
                    reason == DisconnectReason::ClientInitiatedDisconnect,
                ),
                disconnect_reason: Some(reason.name()),
                version_number: Some(entry.version),
                ..document(unix, client, "disconnected", entry)
            },
        )
    }

    /// `D-4`. The connection never was, so it has an identifier of its own and changes nothing.
    fn connect_failed(&self, unix: u64, client: &Client) -> Option<Message> {
        let entry = Entry {
            version: 0,
            session_identifier: (self.new_identifier)(),
            thing_name: (self.thing_of)(client),
            forget_at: None,
        };
        message(
            client,
            "presence/connect_failed",
            &Document {
                connect_failure_reason: Some("AUTHORIZATION_FAILED"),
                ip_address: Some(client.address.ip().to_string()),
                ..document(unix, client, "connect_failed", &entry)
            },
        )
    }

    /// `D-5`.
    fn subscriptions(
        &self,
        unix: u64,
        client: &Client,
        event_type: &str,
        filters: &[&str],
    ) -> Option<Message> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = known.clients.get(&*client.client_id)?;
        message(
            client,
            &format!("subscriptions/{event_type}"),
            &Document {
                topics: Some(filters),
                ..document(unix, client, event_type, entry)
            },
        )
    }
}

fn document<'a>(
    unix: u64,
    client: &'a Client,
    event_type: &'a str,
    entry: &'a Entry,
) -> Document<'a> {
    Document {
        client_id: &client.client_id,
        thing_name: entry.thing_name.as_deref(),
        timestamp: unix,
        event_type,
        connect_failure_reason: None,
        session_identifier: &entry.session_identifier,
        principal_identifier: &client.principal,
        ip_address: None,
        client_initiated_disconnect: None,
        disconnect_reason: None,
        topics: None,
        version_number: None,
    }
}

/// `D-1`, `B-11`: none for client ids that would be wildcards in the topic.
fn message(client: &Client, kind: &str, document: &Document<'_>) -> Option<Message> {
    let id = &*client.client_id;
    if id.contains(['#', '+']) {
        return None;
    }
    match serde_json::to_vec(document) {
        Ok(payload) => Some(Message {
            topic: format!("$aws/events/{kind}/{id}"),
            payload,
        }),
        Err(error) => {
            tracing::error!(%error, "a lifecycle event could not be written");
            None
        }
    }
}

/// Publishes what comes through the channel, with QoS 1 and not retained (`D-8`), until `stop`. If it is dropped, events are lost.
pub(crate) async fn publish(
    broker: Broker,
    mut messages: mpsc::UnboundedReceiver<Message>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            message = messages.recv() => match message {
                Some(Message { topic, payload }) => broker.publish(&topic, &payload, QoS::AtLeastOnce, false),
                None => return,
            },
        }
    }
}

impl std::fmt::Debug for Presence {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Presence").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
