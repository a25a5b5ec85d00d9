//! Notes the date of the build, before which no right clock can be.

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

/// Builders' clocks are not all right to the minute.
const SLACK: u64 = 24 * 3600;

fn main() {
    // https://reproducible-builds.org/specs/source-date-epoch/
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo::rerun-if-changed=build.rs");
    let given = env::var("SOURCE_DATE_EPOCH")
        .ok()
        .and_then(|date| date.parse().ok());
    let now = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |now| now.as_secs())
    };
    let date: u64 = given.unwrap_or_else(now);
    println!(
        "cargo::rustc-env=THINGWIRE_FLOOR={}",
        date.saturating_sub(SLACK)
    );
}
