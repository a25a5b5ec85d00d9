//! A local AWS IoT Core in one process: mutual-TLS MQTT listeners, a registry of things, certificates and
//! policies, and the control-plane REST API, over one data folder.

pub mod account;
pub mod api;
pub mod authorize;
pub mod config;
mod observe;
pub mod pki;
pub mod refusals;
pub mod registry;
pub mod tls;
