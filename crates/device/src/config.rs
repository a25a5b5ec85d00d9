//! What a client is told before it starts, and the memory it is lent.

use core::fmt;

use thingwire_mqtt::EncodeError;
use thingwire_mqtt::client::ConnectOptions;

use crate::{Backoff, LimitError, Limits, Overflow, SubscribeFilter, Version, Will};

/// What a [`Client`](crate::Client) is to do. Start with [`Config::new`].
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    /// What CONNECT says.
    pub connect: ConnectOptions<'a>,
    /// Subscriptions that hold from the first connection on.
    pub subscriptions: &'a [SubscribeFilter<'a>],
    /// When to try again.
    pub backoff: Backoff,
    /// How long opening a connection may take, TLS included, in milliseconds.
    pub connect_limit: u32,
    /// Which QoS 0 message gives way when the inbox is full.
    pub overflow: Overflow,
    /// What the broker takes, checked at each call.
    pub limits: Limits,
    /// MQTT 5 (feature `v5`): bytes of the session buffer, at most half of it, that remember which topics were given an alias.
    #[cfg(feature = "v5")]
    pub topic_alias_memory: usize,
    /// MQTT 5 (feature `v5`): how many topics the server may give an alias; 0 for none. See [`server_aliases`](Self::server_aliases).
    #[cfg(feature = "v5")]
    pub server_aliases: u16,
    /// Bytes of the longest of these topics (feature `v5`).
    #[cfg(feature = "v5")]
    pub server_alias_topic: u16,
}

impl<'a> Config<'a> {
    /// A persistent session with a keep-alive of 60 s, no subscriptions, and the default backoff.
    ///
    /// 15 s for opening a connection leave room for name, TCP and an RSA handshake on the slowest chip
    /// over a bad radio link.
    #[must_use]
    pub const fn new(version: Version, client_id: &'a str) -> Self {
        Self {
            connect: ConnectOptions::new(version, client_id),
            subscriptions: &[],
            backoff: Backoff::DEFAULT,
            connect_limit: 15_000,
            overflow: Overflow::DropNewest,
            limits: Limits::AWS,
            #[cfg(feature = "v5")]
            topic_alias_memory: 0,
            #[cfg(feature = "v5")]
            server_aliases: 0,
            #[cfg(feature = "v5")]
            server_alias_topic: 0,
        }
    }

    /// MQTT 5: bytes of the session buffer (at most half of it) for topic aliases, two more than each topic is long. From its
    /// second message on a connection on, a topic then costs three bytes. AWS takes 8 of them (`B-73`).
    #[cfg(feature = "v5")]
    #[must_use]
    pub const fn topic_alias_memory(mut self, bytes: usize) -> Self {
        self.topic_alias_memory = bytes;
        self
    }

    /// MQTT 5: the server may give an alias to `count` topics of up to `topic_bytes` bytes each, and send two bytes instead of such a
    /// topic. Each takes two bytes more than its topic of the session buffer; as many are announced as half of it holds. A server that uses
    /// an alias for a longer topic ends the connection, so let it be long enough for all that is subscribed to. AWS sets none.
    ///
    /// ```
    /// use thingwire_device::{Config, Limits, Version};
    ///
    /// let config = Config::new(Version::V5, "lamp").limits(Limits::MQTT).server_aliases(4, 40);
    /// # let _ = config;
    /// ```
    #[cfg(feature = "v5")]
    #[must_use]
    pub const fn server_aliases(mut self, count: u16, topic_bytes: u16) -> Self {
        self.server_aliases = count;
        self.server_alias_topic = topic_bytes;
        self
    }

    /// Subscriptions that hold from the first connection on. They are made again whenever the server
    /// lost the session, and not when it still has it.
    #[must_use]
    pub const fn subscriptions(mut self, filters: &'a [SubscribeFilter<'a>]) -> Self {
        self.subscriptions = filters;
        self
    }

    /// Seconds of the keep-alive. AWS takes 30 to 1200 (`B-15`).
    #[must_use]
    pub const fn keep_alive(mut self, seconds: u16) -> Self {
        self.connect.keep_alive = seconds;
        self
    }

    /// Whether the server is to forget the session at each connection (Clean Session, Clean Start).
    #[must_use]
    pub const fn clean_start(mut self, clean: bool) -> Self {
        self.connect.clean_start = clean;
        self
    }

    /// The user name in CONNECT. AWS ignores it for devices with a certificate, apart from
    /// [`SDK_METRICS`](Self::SDK_METRICS).
    #[must_use]
    pub const fn user_name(mut self, name: &'a str) -> Self {
        self.connect.user_name = Some(name);
        self
    }

    /// The user name by which AWS's own SDKs tell AWS their name and version, for its statistics.
    /// It is never sent unless you ask for it: `config.user_name(Config::SDK_METRICS)`. AWS needs nothing of it, and
    /// other brokers may take it for a credential.
    pub const SDK_METRICS: &'static str =
        concat!("?SDK=Thingwire&Version=", env!("CARGO_PKG_VERSION"));

    /// Which QoS 0 message gives way when the inbox is full.
    #[must_use]
    pub const fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// What the broker takes, checked at each call: AWS's limits unless another broker's are given.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The message the server publishes when the connection ends badly.
    #[must_use]
    pub const fn will(mut self, will: Will<'a>) -> Self {
        self.connect.will = Some(will);
        self
    }
}

/// Memory lent to a [`Client`](crate::Client). [`Memory`] owns all four.
#[derive(Debug)]
pub struct Buffers<'a> {
    /// Frames are received here. A longer message is skipped and reported, never truncated.
    pub receive: &'a mut [u8],
    /// The session: subscriptions, and messages until they are acknowledged. Each takes 16 bytes
    /// besides its packet.
    pub session: &'a mut [u8],
    /// What one write to the transport carries at most; CONNECT must fit. Larger packets pass
    /// through in pieces, small ones share it.
    pub write: &'a mut [u8],
    /// Messages until [`Client::next`](crate::Client::next) is done with them; each takes 9 bytes besides
    /// topic and payload, and 4 besides properties. May be empty: then they are given to the event callback only.
    ///
    /// MQTT 5 servers are told to have only as many QoS 1 messages under way as surely fit (inbox over receive
    /// buffer), so make it a few times the receive buffer.
    pub inbox: &'a mut [u8],
}

/// Buffers of fixed sizes, in one place that can be a `static` or a local variable.
#[derive(Debug)]
pub struct Memory<
    const RECEIVE: usize,
    const SESSION: usize,
    const WRITE: usize,
    const INBOX: usize,
> {
    receive: [u8; RECEIVE],
    session: [u8; SESSION],
    write: [u8; WRITE],
    inbox: [u8; INBOX],
}

impl<const RECEIVE: usize, const SESSION: usize, const WRITE: usize, const INBOX: usize>
    Memory<RECEIVE, SESSION, WRITE, INBOX>
{
    /// Zeroed buffers.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            receive: [0; RECEIVE],
            session: [0; SESSION],
            write: [0; WRITE],
            inbox: [0; INBOX],
        }
    }

    /// Lends them.
    pub const fn lend(&mut self) -> Buffers<'_> {
        Buffers {
            receive: &mut self.receive,
            session: &mut self.session,
            write: &mut self.write,
            inbox: &mut self.inbox,
        }
    }
}

impl<const RECEIVE: usize, const SESSION: usize, const WRITE: usize, const INBOX: usize> Default
    for Memory<RECEIVE, SESSION, WRITE, INBOX>
{
    fn default() -> Self {
        Self::new()
    }
}

/// The client cannot start like this. Your turn, before anything was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// A limit of the broker.
    Limit(LimitError),
    /// The write buffer does not hold CONNECT.
    WriteBuffer {
        /// Bytes it must have.
        needed: usize,
        /// Bytes it has.
        len: usize,
    },
    /// The receive buffer has fewer bytes than the shortest answers need.
    ReceiveBuffer {
        /// Bytes it must have.
        needed: usize,
        /// Bytes it has.
        len: usize,
    },
    /// The subscriptions do not fit into the session buffer.
    SessionBuffer {
        /// Bytes of it that are still missing for the next of them.
        needed: usize,
    },
    /// An empty client id needs a clean start in 3.1.1 `[MQTT-3.1.3-7]`.
    EmptyClientId,
    /// A subscription's filter is not a topic filter, or asks for QoS 2.
    Subscription {
        /// Its place in [`Config::subscriptions`], from 0.
        index: usize,
    },
    /// CONNECT cannot be expressed in this version; or MQTT 5 was chosen in a build without the feature `v5`.
    Connect(EncodeError),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(error) => error.fmt(f),
            Self::WriteBuffer { needed, len } => {
                write!(
                    f,
                    "the write buffer has {len} bytes, at least {needed} are needed"
                )
            }
            Self::ReceiveBuffer { needed, len } => {
                write!(
                    f,
                    "the receive buffer has {len} bytes, at least {needed} are needed"
                )
            }
            Self::SessionBuffer { needed } => {
                write!(
                    f,
                    "the subscriptions need {needed} more bytes of the session buffer"
                )
            }
            Self::EmptyClientId => {
                f.write_str("an empty client id needs a clean start in MQTT 3.1.1")
            }
            Self::Subscription { index } => {
                write!(
                    f,
                    "subscription {index} is not a topic filter with quality of service 0 or 1"
                )
            }
            Self::Connect(error) => write!(f, "CONNECT cannot be written: {error}"),
        }
    }
}

impl core::error::Error for ConfigError {}
