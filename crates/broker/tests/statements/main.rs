//! One test for each normative statement of MQTT 3.1.1 and MQTT 5 that a server must obey, in both behaviours.
//!
//! A statement is one line of a table: its id, what it asks, and a trace (see [`trace`]). The folders `v311` and `v5` say
//! of which standard an id is, because both use the same numbers for different statements; `cargo xtask rules` writes
//! from them the list in `docs/mqtt-statements.md`, where those that are not here have their reason.
//! The broker is the real one, edge included, over a pipe in memory and in simulated time.

mod bytes;
mod limits;
mod render;
mod trace;
mod v311;
mod v5;
