//! What a device and the cloud must agree on: ARNs, names and their patterns, limits, reserved topics,
//! error names.
//!
//! `no_std`, no allocator, no clock: everything here is a value or a check of a borrowed string. Nothing
//! panics, whatever text comes in. Rule ids (`B-11`, `G-9`, …) are those of the behavioural specification
//! aws-iot-core.md.

#![no_std]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unwrap_used
    )
)]

#[cfg(test)]
extern crate std;

pub mod arn;
pub mod error;
pub mod limit;
pub mod name;
pub mod reserved;

pub use arn::{Arn, Kind, Partition};
pub use error::ErrorName;
