//! What every chip shares: the device library's network and TLS, its clock, and what Mbed TLS needs of a C library.
//!
//! - [`TlsConnector`] opens mutual-TLS connections with a kit image, over embassy-net and Mbed TLS, and says in plain
//!   words why one failed;
//! - [`ChipPlatform`] gives the device library embassy's time and random numbers;
//! - [`sntp`] sets the clock by the time servers of the kit, and keeps it right;
//! - [`wall_clock`] gives Mbed TLS the date, without which no certificate is accepted;
//! - `libc` (a feature) gives Mbed TLS memory and a few functions on strings, and counts the memory.
//!
//! A board brings what is its own: a network driver, a time driver, randomness, a global allocator (only TLS uses it),
//! and where the kit image lies.
#![no_std]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unreachable,
    clippy::unwrap_used
)]

#[cfg(feature = "libc")]
extern crate alloc;

mod connector;
mod explain;
#[cfg(feature = "libc")]
pub mod libc;
mod platform;
mod rsa;
pub mod sntp;
mod transport;
pub mod wall_clock;
mod watched;

pub use connector::{SocketBuffers, TlsConnector};
pub use platform::ChipPlatform;
pub use transport::{Transport, TransportError};

pub use mbedtls_rs::{Tls, TlsVersion};
