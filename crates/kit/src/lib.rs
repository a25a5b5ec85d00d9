//! The connection kit: what a device needs to reach its cloud, in one folder.
//!
//! ```text
//! kit.json          endpoint, ports, client id, thing name, region, account, names of the other files
//! root-CA.pem       the roots that may prove the server (both of them: RSA and P-256)
//! certificate.pem   the device's certificate (its chain, leaf first)
//! private.key       the device's private key, readable by its owner only
//! README.md         what is what, and what to type
//! test.sh           a test that needs nothing of ours: mosquitto, or else openssl
//! ```
//!
//! This crate decides what a kit looks like ([`Manifest`]), writes it ([`KitFiles`]), reads it
//! ([`Kit::load`]) and says what is wrong with it ([`check`]). It connects to nothing.
//! A private key appears in no `Debug` output and no error; its file is never readable by others,
//! not even while it is being written.

mod armour;
mod check;
mod error;
mod finding;
mod key;
mod kit;
mod manifest;
mod pem;
mod self_test;
mod time_server;
mod write;

pub use armour::KeyKind;
pub use check::{check, check_at};
pub use error::KitError;
pub use finding::{Finding, Problem, Severity};
pub use key::{PrivateKey, PrivateKeyPem};
pub use kit::Kit;
pub use manifest::{MANIFEST_FILE, MANIFEST_VERSION, Manifest};
pub use time_server::{NotATimeServer, TimeServer};
pub use write::{Existing, KitFiles, prepare};
