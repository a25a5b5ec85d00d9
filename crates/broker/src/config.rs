//! What whoever starts a broker decides: behaviour, reserved topics, and how much memory may be used.

use std::time::Duration;

use crate::{Behaviour, Choices, Quotas};

/// Which `$` topics clients may use (`B-35`, `B-44`, `B-82`). The broker knows none; the default allows none.
#[derive(Clone, Copy, Debug)]
pub struct Reserved {
    /// Whether a client may publish to this topic, which begins with `$`.
    pub publish: fn(&str) -> bool,
    /// Whether a client may subscribe to this filter, which begins with `$`.
    pub subscribe: fn(&str) -> bool,
    /// The part of a topic that counts for length and depth (`B-41`: Basic Ingest's prefix does not).
    pub counted: fn(&str) -> &str,
}

impl Default for Reserved {
    fn default() -> Self {
        fn never(_: &str) -> bool {
            false
        }
        fn whole(topic: &str) -> &str {
            topic
        }
        Self {
            publish: never,
            subscribe: never,
            counted: whole,
        }
    }
}

/// Bounds of memory. Beyond them the newest is dropped, counted and logged.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Bytes that wait for one connection's socket (as much again may be under way in its task). Beyond it QoS 0
    /// is dropped and QoS 1 stays in the session.
    pub outbox_bytes: usize,
    /// QoS 1 messages that wait in one session.
    pub queued_messages: usize,
    /// Payload bytes that wait in one session.
    pub queued_bytes: usize,
    /// QoS 1 messages that wait in one group of a shared subscription (`B-71`).
    pub shared_messages: usize,
    /// Payload bytes that wait in one group.
    pub shared_bytes: usize,
    /// Retained messages of the broker (`B-65`).
    pub retained_messages: usize,
    /// Bytes of their topics, payloads and properties.
    pub retained_bytes: usize,
    /// Topics whose routes are remembered between publishes.
    pub remembered_topics: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            outbox_bytes: 1024 * 1024,
            queued_messages: 10_000,
            queued_bytes: 16 * 1024 * 1024,
            shared_messages: 500_000,
            shared_bytes: 64 * 1024 * 1024,
            retained_messages: 500_000,
            retained_bytes: 1024 * 1024 * 1024,
            remembered_topics: 65_536,
        }
    }
}

/// The settings of a broker. `Config::default()` is AWS IoT Core's behaviour without reserved topics.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// AWS's or the standard's.
    pub behaviour: Behaviour,
    /// What the reference leaves open.
    pub choices: Choices,
    /// Which `$` topics exist.
    pub reserved: Reserved,
    /// Bounds of memory.
    pub memory: Memory,
    /// AWS's rates and account numbers; `None`: off.
    pub quotas: Option<Quotas>,
    /// `B-24`: seconds a session outlives its connection: exactly in MQTT 3.1.1, at most in MQTT 5.
    pub session_expiry: u32,
    /// How long a connection may take to send its whole CONNECT.
    pub connect_timeout: Duration,
    /// How long the last bytes of a closing connection may take.
    pub close_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            behaviour: Behaviour::Aws,
            choices: Choices::default(),
            reserved: Reserved::default(),
            memory: Memory::default(),
            quotas: None,
            session_expiry: 3600,
            connect_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
        }
    }
}
