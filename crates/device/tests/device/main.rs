//! The device against a scripted server, over an in-memory transport, in simulated time.

mod bad_input;
mod cancellation;
mod delivery;
mod flash;
mod inbox;
mod lifecycle;
mod options;
mod phases;
mod properties;
mod queue;
mod refusals;
mod wire;
mod world;
