//! An MQTT broker: a pure core and a tokio edge.
//!
//! The core ([`core`]) decides: sessions, subscriptions, routing, retained messages, wills, keep-alive. It is
//! called with the time and what one read of one connection brought, and leaves what is to be sent in
//! the outboxes of the connections concerned. It reads no clock, opens no socket and knows nothing of AWS: whether
//! something is allowed it asks an [`Authorize`], what must survive it hands to a [`thingwire_store::Store`],
//! what happened it tells an [`Observer`].
//! The edge ([`edge`]) moves bytes between any tokio stream and the core; [`Broker`] is the handle that ties them
//! together.

// What a peer sends must not be able to stop the broker.
#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::string_slice
    )
)]

mod authorize;
pub mod behaviour;
mod broker;
mod config;
pub mod core;
pub mod edge;
mod observe;
mod peer;
mod quotas;
#[cfg(test)]
mod testing;
mod time;

pub use authorize::{Action, AllowAll, Authorize, Client, Decision, Permissions};
pub use behaviour::{Behaviour, Choices, Rules};
pub use broker::Broker;
pub use config::{Config, Memory, Reserved};
pub use core::{ConnectionInfo, Statistics};
pub use observe::{DisconnectReason, Event, Observer, Silent};
pub use peer::Peer;
pub use quotas::{QuotaError, Quotas, Unit};
pub use thingwire_mqtt::QoS;
pub use time::{Millis, Now};
