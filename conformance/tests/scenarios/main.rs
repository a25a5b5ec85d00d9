//! The scenarios: foreign clients against our cloud, our device against a foreign broker, and everybody
//! against bad luck. Each test starts what it needs on free ports and removes it.

mod aws_cli;
mod bad_bytes;
mod clients;
mod crash;
mod denials;
mod device_abroad;
mod events;
mod kits;
mod operator;
#[cfg(target_os = "linux")]
mod refusing_disk;
mod resume;
mod sdks;
mod wire;

use std::time::Duration;

/// The policy of the seed, with its placeholders.
const SEED_POLICY: &str = include_str!("seed-policy.json");

/// Any single step of a foreign program; generous, because two cores run many tests at once.
const STEP: Duration = Duration::from_secs(60);
