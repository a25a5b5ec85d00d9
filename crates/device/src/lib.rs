//! An MQTT device that stays connected: `no_std`, no allocator, async, 3.1.1 or 5 by a value.
//!
//! The library decides when to connect, what to say, what to repeat and when to give up on a
//! connection (never on connecting). It leaves three things to the program around it:
//!
//! - the network and TLS: a [`Connector`] opens a transport that is `embedded-io-async`'s `Read` and `Write`;
//! - time and randomness: a [`Platform`];
//! - memory: [`Buffers`], lent by the caller.
//!
//! ```text
//! application ── Client::publish, subscribe, next ──▶ Session ──▶ bytes ──▶ Client::run ──▶ Transport
//! ```
//!
//! Without the feature `v5`, which is a default, MQTT 5 is left out and with it about 8 KB of flash: [`Version::V5`] is then a [`ConfigError`], a message
//! with properties is refused at the call, and [`Client::subscribe_with`], [`Client::disconnect_with`], [`Config::topic_alias_memory`] and
//! [`Config::server_aliases`] are not there.
//!
//! One future, [`Client::run`], owns the transport. Everybody else holds `&Client` and may be dropped
//! at any await: see each function. Both run side by side, for example with [`future::select`]:
//!
//! ```no_run
//! # use thingwire_device::*;
//! # async fn example<C: Connector, P: Platform>(mut connector: C, platform: P) -> Result<(), ConfigError> {
//! let mut memory = Memory::<1024, 2048, 512, 1024>::new();
//! let subscriptions = [SubscribeFilter::new("esp32/sub", QoS::AtLeastOnce)];
//! let config = Config::new(Version::V311, "esp32-demo").subscriptions(&subscriptions);
//! let client = Client::new(config, memory.lend())?;
//!
//! let application = async {
//!     let _ = client.publish("esp32/pub", "hello", QoS::AtLeastOnce).await;
//! };
//! future::select(client.run(&mut connector, &platform, |event| { let _ = event; }), application).await;
//! # Ok(())
//! # }
//! ```
#![no_std]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

mod backoff;
mod client;
mod config;
mod connector;
mod driver;
mod event;
pub mod future;
mod inbox;
#[cfg(feature = "json")]
pub mod json;
mod limits;
mod operation;
mod platform;
pub mod queue;
mod receive;
mod refusal;
mod router;
mod statistics;
pub mod supervise;
mod wakers;

pub use backoff::Backoff;
pub use client::Client;
pub use config::{Buffers, Config, ConfigError, Memory};
pub use connector::{Connector, Failure, FailureKind};
pub use driver::AlreadyRunning;
pub use event::{Asked, Event, Why};
pub use inbox::{Overflow, Received};
pub use limits::{LimitError, Limits};
pub use operation::{PublishError, SubscribeError};
pub use platform::Platform;
pub use receive::InboxError;
pub use router::{Route, Router};
pub use statistics::{Reason, Statistics};

pub use thingwire_mqtt::client::{Message, Millis, Negotiated, Outgoing};
pub use thingwire_mqtt::{
    EncodeError, PacketType, Properties, Property, QoS, ReasonCode, RetainHandling,
    SubscribeFilter, Version, Will,
};

/// The recipes of the cookbook, compiled.
#[cfg(all(doctest, feature = "json", feature = "flash", feature = "v5"))]
#[doc = include_str!("../../../docs/cookbook.md")]
struct Cookbook;
