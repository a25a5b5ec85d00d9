//! The device against a scripted server, over an in-memory transport, in simulated time.
// What only tests of MQTT 5 use.
#![cfg_attr(not(feature = "v5"), allow(unused_imports))]

mod bad_input;
mod cancellation;
mod delivery;
mod flash;
mod inbox;
mod lifecycle;
#[cfg(feature = "v5")]
mod options;
mod phases;
#[cfg(feature = "v5")]
mod properties;
mod queue;
mod refusals;
mod wire;
mod world;
