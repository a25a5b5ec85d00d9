//! The client's session: what outlives a connection, and what happens on one.
//!
//! A [`Session`] is a state machine without I/O. It decides which bytes a device sends and what the
//! bytes it received mean; it leaves sockets, TLS, waiting and reconnecting to its driver
//! (`thingwire-device`). It reads no clock: every call that needs the time takes `now`.
//!
//! The driver's order of calls, for each connection:
//!
//! 1. [`Session::start`] when the transport is open;
//! 2. [`Session::poll_transmit`] until it answers 0, writing what it gave each time;
//! 3. bytes that arrive go into a [`FrameReader`]; each frame into [`Session::receive`], each
//!    over-long packet into [`Session::skipped`];
//! 4. [`Session::handle_timeout`] at [`Session::poll_timeout`];
//! 5. after 3 and 4, and after each call of the application, 2 again;
//! 6. [`Session::connection_lost`] when the transport is gone, whoever closed it.
//!
//! Memory: the caller lends one arena, in which everything that must survive a connection lives as
//! encoded packets: QoS 1 PUBLISHes until their PUBACK, SUBSCRIBEs for as long as they are wanted.
//! What does not fit is refused at the call ([`PublishError::NoRoom`]).

mod acks;
#[cfg(feature = "v5")]
mod aliases;
mod arena;
mod config;
mod error;
#[cfg(feature = "qos2")]
mod exactly_once;
#[cfg(feature = "fault-injection")]
mod fault;
mod gauges;
mod inbound;
mod link;
mod operations;
mod outbound;
mod reader;
mod record;
mod resume;
mod session;
mod silence;
mod stored;
#[cfg(test)]
mod tests;
mod time;

#[cfg(feature = "v5")]
pub use aliases::TopicAliases;
pub use config::{ConnectOptions, Negotiated};
pub use error::{PublishError, SessionError, SubscribeError};
#[cfg(feature = "fault-injection")]
pub use fault::Fault;
pub use inbound::{Event, Message};
pub use operations::{Outgoing, Ticket};
pub use reader::{FrameReader, Incoming, Skipped};
pub use session::{Counters, Session};
pub use silence::Unheard;
pub use time::Millis;
