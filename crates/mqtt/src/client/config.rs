//! What a client asks for in CONNECT, and what the CONNACK made of it.

use crate::{Properties, QoS, Version, Will};

/// Seconds that AWS takes for a keep-alive of 0, and for a longer one (`B-15`).
const KEEP_ALIVE_WHEN_ZERO: u16 = 1200;

/// What CONNECT says. It stays the same for the life of a [`Session`](super::Session).
#[derive(Clone, Copy, PartialEq)]
pub struct ConnectOptions<'a> {
    /// MQTT 3.1.1 or 5.
    pub version: Version,
    /// Client identifier, at most 128 bytes (`B-11`).
    pub client_id: &'a str,
    /// Clean Session in 3.1.1, Clean Start in 5: ask the server to forget what it knows.
    pub clean_start: bool,
    /// Seconds; see `B-15` for what AWS makes of 0 and of values outside 30 to 1200. The session asks every 20 minutes at
    /// least.
    pub keep_alive: u16,
    /// MQTT 5: how many seconds the server keeps the session after the connection ended (`B-24`).
    pub session_expiry: u32,
    /// MQTT 5: how many QoS 1 messages the server may send without having their PUBACKs; not sent when it
    /// is 65,535, which is what MQTT takes for granted. Must not be 0.
    pub receive_maximum: u16,
    /// MQTT 5: how many topic aliases the server may use; not sent when it is 0. What the memory lent to
    /// [`TopicAliases`](super::TopicAliases) holds, and only with [`Session::receive_with`](super::Session::receive_with).
    pub topic_alias_maximum: u16,
    /// MQTT 5: what else CONNECT says: user properties, Request Response Information, Request Problem Information, an
    /// authentication method (AUTH itself is not supported, nor is it by AWS, `B-2`). Must be empty in 3.1.1.
    pub properties: Properties<'a>,
    /// The message the server publishes when the connection ends badly.
    pub will: Option<Will<'a>>,
    /// User name.
    pub user_name: Option<&'a str>,
    /// Password; never shown by `Debug`.
    pub password: Option<&'a [u8]>,
}

impl<'a> ConnectOptions<'a> {
    /// A persistent session with a keep-alive of a minute, kept for an hour as AWS does by default.
    #[must_use]
    pub const fn new(version: Version, client_id: &'a str) -> Self {
        Self {
            version,
            client_id,
            clean_start: false,
            keep_alive: 60,
            session_expiry: 3600,
            receive_maximum: u16::MAX,
            topic_alias_maximum: 0,
            properties: Properties::EMPTY,
            will: None,
            user_name: None,
            password: None,
        }
    }
}

impl core::fmt::Debug for ConnectOptions<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("version", &self.version)
            .field("client_id", &self.client_id)
            .field("clean_start", &self.clean_start)
            .field("keep_alive", &self.keep_alive)
            .finish_non_exhaustive()
    }
}

/// What holds on this connection, after the CONNACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// The server kept the session: subscriptions and unacknowledged messages live on.
    pub session_present: bool,
    /// Seconds between packets at most; the server's value wins.
    pub keep_alive: u16,
    /// How many QoS 1 PUBLISHes may be unacknowledged at a time.
    pub receive_maximum: u16,
    /// Longest packet the server accepts, in bytes.
    pub maximum_packet_size: u32,
    /// Highest quality of service the server accepts.
    pub maximum_qos: QoS,
    /// Whether the server keeps retained messages.
    pub retain_available: bool,
    /// How many topic aliases the server accepts.
    pub topic_alias_maximum: u16,
    /// Whether filters may have wildcards.
    pub wildcard_subscriptions: bool,
    /// Whether a SUBSCRIBE may have an identifier; at AWS it may not (`B-22`).
    pub subscription_identifiers: bool,
    /// Whether there are shared subscriptions.
    pub shared_subscriptions: bool,
    /// MQTT 5: seconds the server keeps the session, when it says so.
    pub session_expiry: Option<u32>,
}

/// What a keep-alive of so many seconds means (`B-15`): in 3.1.1 AWS takes 1200 for what is longer and cannot say so. A
/// client that asks more often than it must does no harm at other servers. What is shorter than 30 is 30 there, which
/// needs nothing of us.
const fn keep_alive_of(seconds: u16) -> u16 {
    match seconds {
        1..KEEP_ALIVE_WHEN_ZERO => seconds,
        _ => KEEP_ALIVE_WHEN_ZERO,
    }
}

impl Negotiated {
    /// What MQTT takes for granted when the CONNACK says nothing (3.2.2.3).
    pub(super) fn new(options: &ConnectOptions<'_>, session_present: bool) -> Self {
        Self {
            session_present,
            keep_alive: keep_alive_of(options.keep_alive),
            receive_maximum: match options.version.is_v5() {
                // AWS lets 100 be unacknowledged on one connection, in 3.1.1 too (B-47).
                false => 100,
                true => u16::MAX,
            },
            maximum_packet_size: 268_435_460,
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            topic_alias_maximum: 0,
            wildcard_subscriptions: true,
            subscription_identifiers: true,
            shared_subscriptions: true,
            session_expiry: None,
        }
    }

    /// What the CONNACK says, by the identifiers of table 2-4.
    pub(super) fn read(&mut self, properties: Properties<'_>) {
        for property in properties.raw() {
            let number = property.number();
            let short = number as u16;
            match property.identifier {
                0x11 => self.session_expiry = Some(number),
                0x13 => self.keep_alive = keep_alive_of(short),
                0x21 => self.receive_maximum = short,
                0x22 => self.topic_alias_maximum = short,
                0x24 => {
                    self.maximum_qos = match number {
                        0 => QoS::AtMostOnce,
                        _ => QoS::AtLeastOnce,
                    };
                }
                0x25 => self.retain_available = number != 0,
                0x27 => self.maximum_packet_size = number,
                0x28 => self.wildcard_subscriptions = number != 0,
                0x29 => self.subscription_identifiers = number != 0,
                0x2A => self.shared_subscriptions = number != 0,
                _ => {}
            }
        }
    }
}
