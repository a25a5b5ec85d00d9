//! What tools may know about a running broker.

use std::sync::Arc;

use thingwire_mqtt::{QoS, Version};

use super::Core;
use crate::{Client, Millis};

/// Counts since the start, and sizes now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Connections now, including those before their CONNECT.
    pub connections: usize,
    /// Sessions now, connected or not.
    pub sessions: usize,
    /// Subscriptions now.
    pub subscriptions: usize,
    /// Groups of shared subscriptions now.
    pub groups: usize,
    /// Retained messages now.
    pub retained: usize,
    /// Bytes of their topics, payloads and properties.
    pub retained_bytes: usize,
    /// CONNECTs that were accepted.
    pub connects: u64,
    /// CONNECTs that were refused.
    pub refused_connects: u64,
    /// PUBLISH packets, and messages over HTTPS, that arrived.
    pub received: u64,
    /// Of those, the ones with QoS 1.
    pub received_at_least_once: u64,
    /// Of those, what was refused.
    pub refused_publishes: u64,
    /// PUBLISH packets that were put into outboxes.
    pub delivered: u64,
    /// Of those, the ones that are acknowledged: QoS 1, and QoS 2 where the behaviour has it.
    pub delivered_at_least_once: u64,
    /// Deliveries that iot:Receive forbade.
    pub denied_deliveries: u64,
    /// QoS 1 messages that had to wait in a session.
    pub queued: u64,
    /// Deliveries that were dropped: slow readers, full queues, expiry, too large for the client.
    pub dropped: u64,
    /// Batches the store did not take.
    pub failed_batches: u64,
    /// Bytes that were read from connections, after TLS. Counted by the edge, so the core alone knows none.
    pub bytes_read: u64,
    /// Bytes that were written to connections, before TLS.
    pub bytes_written: u64,
}

impl Statistics {
    /// A message of a client arrived.
    pub(super) const fn count_received(&mut self, qos: QoS) {
        self.received = self.received.saturating_add(1);
        if matches!(qos, QoS::AtLeastOnce) {
            self.received_at_least_once = self.received_at_least_once.saturating_add(1);
        }
    }

    /// A message was handed to a connection with this QoS.
    pub(super) fn count_delivery(&mut self, qos: QoS) {
        self.delivered = self.delivered.saturating_add(1);
        if qos != QoS::AtMostOnce {
            self.delivered_at_least_once = self.delivered_at_least_once.saturating_add(1);
        }
    }
}

/// One connection.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// Who.
    pub client: Client,
    /// 3.1.1 or 5.
    pub version: Version,
    /// When it was opened, on the monotonic clock.
    pub opened: Millis,
    /// The keep-alive in force (`B-15`), in seconds; 0 is off.
    pub keep_alive: u64,
    /// Seconds its session outlives it.
    pub session_expiry: u32,
    /// Its filters, sorted.
    pub subscriptions: Vec<Arc<str>>,
    /// Messages in flight to it.
    pub in_flight: usize,
    /// Messages that wait in its session.
    pub queued: usize,
}

impl Core {
    /// Counts and sizes.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        Statistics {
            connections: self.connections.len(),
            sessions: self.sessions.len(),
            subscriptions: self.routes.len().saturating_add(self.shared.members()),
            groups: self.shared.len(),
            retained: self.retained.len(),
            retained_bytes: self.retained.bytes(),
            ..self.statistics
        }
    }

    /// The connections whose CONNECT was accepted, by client id.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        let mut list: Vec<_> = self
            .connections
            .iter()
            .filter_map(|(_, connection)| {
                let connected = connection.connected.as_deref()?;
                let session = self.sessions.get(connected.session)?;
                let mut subscriptions: Vec<_> = session.subscriptions.keys().cloned().collect();
                subscriptions.sort_unstable();
                Some(ConnectionInfo {
                    client: connected.client.clone(),
                    version: connected.version,
                    opened: connection.opened,
                    keep_alive: connected.silence / 1500,
                    session_expiry: session.expiry,
                    subscriptions,
                    in_flight: session.in_flight.len(),
                    queued: session.queue.len(),
                })
            })
            .collect();
        list.sort_unstable_by(|a, b| a.client.client_id.cmp(&b.client.client_id));
        list
    }
}
