//! AWS IoT policies: documents and a request in, a decision with reasons out.
//!
//! ```
//! use thingwire_policy::{Action, Context, Document, Outcome, PolicySet, Request, Thing};
//!
//! let document = Document::parse(r#"{
//!     "Version": "2012-10-17",
//!     "Statement": [{
//!         "Effect": "Allow",
//!         "Action": "iot:Connect",
//!         "Resource": "arn:aws:iot:us-east-1:123456789012:client/${iot:Connection.Thing.ThingName}"
//!     }]
//! }"#)?;
//! let mut context = Context::new("us-east-1", "123456789012");
//! context.client_id = Some("lamp".into());
//! context.things.push(Thing::attached("lamp"));
//!
//! let policies = PolicySet::compile([("lamps", &document)], &context);
//! let decision = policies.decide(Action::Connect, "client/lamp", &Request::default());
//! assert_eq!(decision.outcome, Outcome::Allowed);
//!
//! let why = policies.explain(Action::Connect, "client/desk", &Request::default());
//! assert!(why.to_string().contains("no statement of the attached policies [`lamps`] allows it"));
//! # Ok::<(), thingwire_policy::PolicyError>(())
//! ```
//!
//! * [`Document::parse`] reads one policy document and names the place of what is wrong with it.
//! * [`PolicySet::compile`] takes the documents that apply to a connection and what is known of it
//!   ([`Context`]); variables and conditions are worked out here, once.
//! * [`PolicySet::decide`] answers one request, without allocating; [`PolicySet::explain`] says why.
//!
//! Which documents apply (`C-8`: certificate, thing groups and their ancestors) is the caller's knowledge.
//! The crate is `no_std` and does no I/O; it reads no clock; no input makes it panic. Where AWS's behaviour
//! is not known for sure, [`Settings`] has the choice and the likeliest answer is the default. Rule ids
//! (`C-26`, …) are those of the behavioural specification aws-iot-core.md.

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

mod action;
mod clause;
mod compile;
mod condition;
mod context;
mod decide;
mod document;
mod error;
mod explain;
mod holder;
mod index;
pub mod json;
mod key;
mod pattern;
mod placeholder;
mod read;
mod scalar;
mod settings;
mod template;
mod warning;

pub use action::Action;
pub use compile::PolicySet;
pub use context::{Context, Thing};
pub use decide::{Decision, Outcome, Request, StatementId};
pub use document::{Document, Effect, Statement};
pub use error::{PolicyError, Position, Problem};
pub use explain::{Explanation, Missing, Nearest, Obstacle, StatementName};
pub use holder::CertificateHolder;
pub use key::CERTIFICATE_ATTRIBUTES;
pub use placeholder::{Placeholder, placeholders, replace_placeholders};
pub use settings::{Settings, SharedSubscription, UnresolvedDeny};
pub use template::arn_fields;
pub use warning::Warning;
