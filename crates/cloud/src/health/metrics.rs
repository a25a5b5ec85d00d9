//! What is counted about this cloud, and how it is told to Prometheus.
//!
//! Most of it is counted where it happens: by the broker, the refusals, the store. Here are the counts that have no other
//! home: handshakes and calls of the API. No label holds what a client chose, so the number of series is bounded.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use thingwire_broker::Statistics;

use super::metered::Measured;
use super::text::{Kind, Page};
use crate::refusals::Reason;

/// Handshakes on the ports for devices, and calls of the API, since the start.
#[derive(Debug)]
pub(crate) struct Counts {
    started: SystemTime,
    /// By outcome: `OK`, or why not.
    handshakes: Mutex<BTreeMap<&'static str, u64>>,
    /// By operation and status.
    calls: Mutex<BTreeMap<(&'static str, u16), u64>>,
}

/// The outcome of a handshake that went well.
const OK: &str = "OK";

impl Default for Counts {
    fn default() -> Self {
        Self {
            started: SystemTime::now(),
            // Present from the start, so that a rate can be made of it.
            handshakes: Mutex::new(BTreeMap::from([(OK, 0)])),
            calls: Mutex::default(),
        }
    }
}

impl Counts {
    /// A client and this server have agreed on keys.
    pub(crate) fn handshake_done(&self) {
        self.handshake_failed(OK);
    }

    /// They have not; `why` is a name of ours or AWS's.
    pub(crate) fn handshake_failed(&self, why: &'static str) {
        increment(&self.handshakes, why);
    }

    /// The API has answered.
    pub(crate) fn called(&self, operation: &'static str, status: u16) {
        increment(&self.calls, (operation, status));
    }
}

fn increment<K: Ord>(counts: &Mutex<BTreeMap<K, u64>>, key: K) {
    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    let count = counts.entry(key).or_default();
    *count = count.saturating_add(1);
}

/// What the page is made of.
pub(super) struct Sources<'a> {
    pub(super) counts: &'a Counts,
    pub(super) broker: Statistics,
    pub(super) store: Measured,
    pub(super) refusals: Vec<(Reason, u64)>,
    pub(super) file_limit: Option<u64>,
}

/// The page, in the text format.
pub(super) fn page(sources: &Sources<'_>) -> String {
    let mut page = Page::default();
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    page.family(
        "thingwire_build_info",
        Kind::Gauge,
        "The running program.",
        [(&version[..], 1)],
    );
    let started = sources.counts.started.duration_since(UNIX_EPOCH);
    page.single(
        "thingwire_start_time_seconds",
        Kind::Gauge,
        "When the cloud started, in seconds since the Unix epoch.",
        started.unwrap_or_default().as_secs_f64(),
    );
    if let Some(limit) = sources.file_limit {
        page.single(
            "thingwire_open_files_limit",
            Kind::Gauge,
            "How many files may be open; each connection is one.",
            limit,
        );
    }
    broker(&mut page, &sources.broker);
    refusals(&mut page, &sources.refusals);
    store(&mut page, &sources.store);
    counts(&mut page, sources.counts);
    page.into_text()
}

fn broker(page: &mut Page, broker: &Statistics) {
    for (name, help, value) in [
        (
            "connections",
            "Connections now, including those before their CONNECT.",
            broker.connections,
        ),
        (
            "sessions",
            "Sessions now, connected or not.",
            broker.sessions,
        ),
        ("subscriptions", "Subscriptions now.", broker.subscriptions),
        (
            "retained_messages",
            "Retained messages now.",
            broker.retained,
        ),
        (
            "retained_bytes",
            "Bytes of their topics, payloads and properties.",
            broker.retained_bytes,
        ),
    ] {
        page.single(&format!("thingwire_{name}"), Kind::Gauge, help, value);
    }
    let by_qos = |all: u64, qos_1: u64| {
        [
            (&[("qos", "0")][..], all.saturating_sub(qos_1)),
            (&[("qos", "1")], qos_1),
        ]
    };
    page.family(
        "thingwire_messages_received_total",
        Kind::Counter,
        "PUBLISH packets, and messages over HTTPS, that arrived, also those that were refused.",
        by_qos(broker.received, broker.received_at_least_once),
    );
    page.family(
        "thingwire_messages_sent_total",
        Kind::Counter,
        "PUBLISH packets that were given to connections.",
        by_qos(broker.delivered, broker.delivered_at_least_once),
    );
    for (name, help, value) in [
        ("connects", "CONNECTs that were accepted.", broker.connects),
        (
            "connects_refused",
            "CONNECTs that were refused.",
            broker.refused_connects,
        ),
        (
            "publishes_refused",
            "PUBLISH packets, and messages over HTTPS, that were refused.",
            broker.refused_publishes,
        ),
        (
            "deliveries_denied",
            "Deliveries that iot:Receive forbade.",
            broker.denied_deliveries,
        ),
        (
            "messages_queued",
            "QoS 1 messages that had to wait in a session.",
            broker.queued,
        ),
        (
            "messages_dropped",
            "Deliveries dropped: slow readers, full queues, expiry, too large.",
            broker.dropped,
        ),
        (
            "bytes_received",
            "Bytes of MQTT that arrived, without TLS.",
            broker.bytes_read,
        ),
        (
            "bytes_sent",
            "Bytes of MQTT that were sent, without TLS.",
            broker.bytes_written,
        ),
    ] {
        page.single(
            &format!("thingwire_{name}_total"),
            Kind::Counter,
            help,
            value,
        );
    }
}

fn refusals(page: &mut Page, refusals: &[(Reason, u64)]) {
    let labels: Vec<_> = refusals
        .iter()
        .map(|(reason, count)| ([("reason", reason.name())], count))
        .collect();
    page.family(
        "thingwire_refusals_total",
        Kind::Counter,
        "Refusals by AWS's reason name (A-29).",
        labels.iter().map(|(labels, count)| (&labels[..], count)),
    );
}

fn store(page: &mut Page, store: &Measured) {
    page.family(
        "thingwire_store_batches_total",
        Kind::Counter,
        "Batches that were handed to the store, by what became of them.",
        [
            (&[("outcome", "stored")][..], store.stored),
            (&[("outcome", "failed")], store.failed),
        ],
    );
    page.histogram(
        "thingwire_store_batch_seconds",
        "How long a batch took to be on disk.",
        &store.buckets,
        store.stored.saturating_add(store.failed),
        store.seconds,
    );
}

fn counts(page: &mut Page, counts: &Counts) {
    let handshakes = counts
        .handshakes
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let labels: Vec<_> = handshakes
        .iter()
        .map(|(outcome, count)| ([("outcome", *outcome)], count))
        .collect();
    page.family(
        "thingwire_tls_handshakes_total",
        Kind::Counter,
        "TLS handshakes on the ports for devices, by outcome.",
        labels.iter().map(|(labels, count)| (&labels[..], count)),
    );
    let calls = counts
        .calls
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let calls: Vec<_> = calls
        .iter()
        .map(|((operation, status), count)| (*operation, status.to_string(), count))
        .collect();
    let labels: Vec<_> = calls
        .iter()
        .map(|(operation, status, count)| {
            (
                [("operation", *operation), ("status", status.as_str())],
                count,
            )
        })
        .collect();
    page.family(
        "thingwire_api_calls_total",
        Kind::Counter,
        "Calls of the API, by operation and HTTP status.",
        labels.iter().map(|(labels, count)| (&labels[..], count)),
    );
}
