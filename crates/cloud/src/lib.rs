//! A local AWS IoT Core in one process: mutual-TLS MQTT listeners, a registry of things, certificates and
//! policies, and the control-plane REST API, over one data folder.
//!
//! [`Cloud::start`] puts the parts together. Devices come in through [`tls`] and the gate behind it to the broker, which
//! asks [`authorize`] about every action; people's tools come in through [`api`], which changes the [`registry`].
//! Everything that must survive goes through one [`thingwire_store::Store`].

mod access_keys;
pub mod account;
pub mod api;
pub mod authorize;
mod chain;
pub mod config;
mod data_plane;
pub mod error;
pub mod files;
mod gate;
mod health;
mod http;
mod laggards;
mod listen;
mod observe;
pub mod operator;
pub mod pki;
mod presence;
pub mod ready;
mod record;
pub mod refusals;
pub mod registry;
mod sigv4;
mod sntp;
mod start;
pub mod storage;
pub mod tls;
mod turns;
pub mod websocket;

pub use config::{CertRefusal, Config};
pub use error::StartError;
pub use ready::Ready;
pub use start::{Cloud, Running};
pub use thingwire_broker::{Behaviour, QuotaError, Quotas};
