//! What people need around AWS IoT policies. Text in, findings out; no file, no clock, no network.
//!
//! * [`Policy`] is a document with the place of each of its parts.
//! * [`expectations`] reads "device `a` may publish `b`" and runs it; [`vectors`] does so with decision vectors;
//!   [`junit`] writes either for a build server.
//! * [`explain`] says which statement decided, what each variable became, and what would have to change;
//!   [`picture`] draws it.
//! * [`lint`] finds what is allowed in a document but is a mistake; [`sarif`] writes it for code scanners.
//! * [`generate`] makes the least policy from the record of a run; [`diff`] tells two policies apart by what
//!   they decide.
//!
//! Every decision is made by [`thingwire_policy`], the engine of the broker (`C-58`); what this crate works out
//! itself ([`glob`], [`explore`]) only proposes questions to ask it. Rule ids (`C-26`, …) are those of the
//! behavioural specification aws-iot-core.md.

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

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod diff;
pub mod expectations;
pub mod explain;
pub mod explore;
pub mod generate;
pub mod glob;
pub mod junit;
pub mod lint;
mod one_line;
pub mod picture;
mod place;
mod policy;
pub mod resource;
pub mod sarif;
pub mod vectors;

pub use place::{Edit, apply, value_at};
pub use policy::{ConditionPart, Part, Policy, StatementPart};
