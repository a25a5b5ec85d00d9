//! Counters and gauges of a client, for printing and publishing.

use core::fmt;

use thingwire_mqtt::client::Counters;

/// Kinds of ends of attempts and connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The connection kit cannot be used.
    Configuration,
    /// No network.
    Network,
    /// The endpoint's name does not resolve.
    Dns,
    /// Nobody accepts connections.
    Tcp,
    /// We do not trust the server.
    ServerCertificate,
    /// The server does not take our certificate.
    ClientCertificate,
    /// TLS failed otherwise.
    Tls,
    /// An open connection broke.
    Broken,
    /// Somebody took too long: to open, to read, to answer.
    Timeout,
    /// The server closed the connection, with nothing unanswered.
    Closed,
    /// The server closed the connection instead of answering (`B-52` to `B-54`).
    ProbablyDenied,
    /// CONNACK with a refusal.
    Refused,
    /// The server sent DISCONNECT (MQTT 5).
    ServerDisconnect,
    /// The server broke the protocol.
    Protocol,
    /// We reconnected to get what did not fit into the inbox.
    Refetch,
}

impl Reason {
    /// All of them, in the order of [`Statistics::ended`].
    pub const ALL: [(Self, &'static str); 15] = [
        (Self::Configuration, "configuration"),
        (Self::Network, "network"),
        (Self::Dns, "dns"),
        (Self::Tcp, "tcp"),
        (Self::ServerCertificate, "server_certificate"),
        (Self::ClientCertificate, "client_certificate"),
        (Self::Tls, "tls"),
        (Self::Broken, "broken"),
        (Self::Timeout, "timeout"),
        (Self::Closed, "closed"),
        (Self::ProbablyDenied, "probably_denied"),
        (Self::Refused, "refused"),
        (Self::ServerDisconnect, "server_disconnect"),
        (Self::Protocol, "protocol"),
        (Self::Refetch, "refetch"),
    ];
}

/// What happened since the client was made, and how things stand.
///
/// Counters only ever grow, and stop at their maximum. `Display` writes one line of JSON, ready to publish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Connections that were begun.
    pub attempts: u32,
    /// CONNACKs with success.
    pub connects: u32,
    /// How often attempts and connections ended, for each [`Reason`].
    pub ended: [u16; Reason::ALL.len()],
    /// Messages received.
    pub messages: u32,
    /// Messages that did not fit into the inbox when they came.
    pub inbox_full: u32,
    /// QoS 0 messages that gave way because the inbox was full; they are lost.
    pub inbox_dropped: u32,
    /// Messages that [`Client::serve`](crate::Client::serve) had no route for.
    pub unrouted: u32,
    /// Topics set aside because the server closes on QoS 0 messages to them.
    pub topics_set_aside: u32,
    /// What the session counted.
    pub session: Counters,
    /// Gauge: messages in the inbox, the one in hand included.
    pub inbox_messages: usize,
    /// Gauge: bytes of the inbox in use.
    pub inbox_bytes: usize,
    /// Gauge: bytes of the session buffer that are free.
    pub session_free: usize,
    /// Gauge: milliseconds from the last PUBLISH with QoS 1 to its PUBACK.
    pub round_trip: Option<u64>,
}

impl Statistics {
    /// How often an attempt or a connection ended like this.
    #[must_use]
    pub fn count(&self, reason: Reason) -> u16 {
        self.ended.get(reason as usize).copied().unwrap_or_default()
    }
}

/// What the client itself counts; the rest of [`Statistics`] is known elsewhere.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) attempts: u32,
    pub(crate) connects: u32,
    pub(crate) ended: [u16; Reason::ALL.len()],
    pub(crate) messages: u32,
    pub(crate) inbox_full: u32,
    pub(crate) unrouted: u32,
    pub(crate) topics_set_aside: u32,
}

impl Tally {
    pub(crate) fn note(&mut self, reason: Reason) {
        if let Some(count) = self.ended.get_mut(reason as usize) {
            *count = count.saturating_add(1);
        }
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{{\"attempts\":{},\"connects\":{},\"messages\":{},\"inbox_full\":{},\"inbox_dropped\":{},\
             \"unrouted\":{},\"topics_set_aside\":{}",
            self.attempts,
            self.connects,
            self.messages,
            self.inbox_full,
            self.inbox_dropped,
            self.unrouted,
            self.topics_set_aside
        )?;
        let session = &self.session;
        write!(
            f,
            ",\"retransmitted\":{},\"resumed\":{},\"dropped_qos0\":{},\"undeliverable\":{},\"set_aside\":{}\
             ,\"skipped\":{}",
            session.retransmitted,
            session.resumed,
            session.dropped_qos0,
            session.undeliverable,
            session.set_aside,
            session.skipped
        )?;
        write!(
            f,
            ",\"inbox_messages\":{},\"inbox_bytes\":{},\"session_free\":{}",
            self.inbox_messages, self.inbox_bytes, self.session_free
        )?;
        if let Some(milliseconds) = self.round_trip {
            write!(f, ",\"round_trip_ms\":{milliseconds}")?;
        }
        f.write_str(",\"ended\":{")?;
        let mut comma = "";
        for (reason, name) in Reason::ALL {
            let count = self.count(reason);
            if count > 0 {
                write!(f, "{comma}\"{name}\":{count}")?;
                comma = ",";
            }
        }
        f.write_str("}}")
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::string::ToString as _;

    #[test]
    fn the_reasons_stand_in_their_own_order() {
        for (place, (reason, _)) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, place);
        }
    }

    #[test]
    fn statistics_are_a_line_of_json() {
        let mut statistics = Statistics {
            attempts: 3,
            round_trip: Some(42),
            ..Statistics::default()
        };
        let mut tally = Tally::default();
        tally.note(Reason::Dns);
        tally.note(Reason::Refetch);
        statistics.ended = tally.ended;
        assert_eq!(
            statistics.to_string(),
            "{\"attempts\":3,\"connects\":0,\"messages\":0,\"inbox_full\":0,\"inbox_dropped\":0,\"unrouted\":0,\
             \"topics_set_aside\":0,\"retransmitted\":0,\"resumed\":0,\"dropped_qos0\":0,\"undeliverable\":0,\
             \"set_aside\":0,\"skipped\":0,\"inbox_messages\":0,\"inbox_bytes\":0,\"session_free\":0,\
             \"round_trip_ms\":42,\"ended\":{\"dns\":1,\"refetch\":1}}"
        );
    }
}
