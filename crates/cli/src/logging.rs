//! The log on stderr. `RUST_LOG` decides; without it each kind of command has a level of its own.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// `up` tells what happens.
pub(crate) const SERVER: &str = "warn,thingwire=info,thingwire_cloud=info,thingwire_broker=info";
/// A command warns.
pub(crate) const COMMAND: &str = "warn";
/// The demo tells of refusals itself.
pub(crate) const QUIET: &str = "error";

/// Starts logging, at this level unless `RUST_LOG` says otherwise.
pub(crate) fn start(usual: &str) {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.trim().is_empty() => filter,
        _ => usual.to_owned(),
    };
    let filter = EnvFilter::try_new(&filter).unwrap_or_else(|error| {
        crate::output::warn(format_args!(
            "RUST_LOG is `{filter}`, which cannot be understood: {error}"
        ));
        EnvFilter::new(usual)
    });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .init();
}
