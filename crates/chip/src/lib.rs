//! What boards need and no board is needed for.
//!
//! - [`KitImage`]: a connection kit as one block of bytes, for a flash partition or a machine's memory;
//! - [`sntp`]: the packets that ask for the time, and what an answer is worth;
//! - [`wifi`]: which network to join next, when, and what to say about it; the networks set on the board;
//! - [`console`] and [`improv`]: what a person, or a browser, says on the serial line;
//! - [`PartitionEntry`]: where a partition lies in flash;
//! - [`Calendar`]: a date from a count of seconds, as certificates want it;
//! - [`AlertWatch`]: which TLS alert went by, for a TLS library that does not tell.
//!
//! All of it is plain computation without an allocator, so that it is tested on a computer; drivers, network and TLS
//! are in `firmware/`. Nothing here can panic, whatever the bytes.
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

mod alert;
mod calendar;
mod checksum;
pub mod console;
pub mod improv;
mod kit_image;
mod kit_image_error;
mod partition;
pub mod sntp;
pub mod wifi;

pub use alert::{Alert, AlertWatch};
pub use calendar::Calendar;
pub use kit_image::{
    Few, KitImage, Limit, MqttVersion, Secret, TimeServer, TlsVersions, WifiNetwork,
};
pub use kit_image_error::{ImageError, ImageWriteError};
pub use partition::PartitionEntry;
