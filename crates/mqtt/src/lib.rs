//! MQTT 3.1.1 and MQTT 5 for both ends of a connection.
//!
//! This crate is the only place in Thingwire that knows the bytes of MQTT. It decides how a packet
//! is written and read ([`Packet`]), what a topic name and a topic filter are ([`topic`]), and how
//! a client's session behaves ([`client`]). It is sans-I/O: it owns no socket, reads no clock and
//! allocates nothing. Decoding borrows from the received frame; encoding writes into a slice that
//! the caller lends.
//!
//! Nothing here can panic on input from the network: decoding answers [`DecodeError`].
#![no_std]
// Whatever a peer sends must not stop us; an exception needs `#[expect(…, reason = "…")]`.
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

#[cfg(test)]
extern crate std;

#[macro_use]
mod fault;

pub mod client;
mod decode;
mod encode;
mod error;
mod filters;
mod frame;
mod packet;
mod property;
pub mod topic;
mod types;
mod wire;
mod words;

pub use error::{DecodeError, EncodeError};
pub use fault::Fault;
pub use filters::{
    SubscribeFilter, SubscribeFilterIter, SubscribeFilters, UnsubscribeFilterIter,
    UnsubscribeFilters,
};
pub use frame::{Frame, FrameHeader, split};
pub use packet::{
    Ack, Auth, ConnAck, Connect, Disconnect, Packet, PacketType, Publish, SubAck, Subscribe,
    Unsubscribe, Will,
};
pub use property::{Properties, Property, PropertyIter};
pub use types::{PacketId, QoS, ReasonCode, RetainHandling, Version};
