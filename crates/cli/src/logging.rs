//! The log on stderr. `RUST_LOG` decides; without it `up` tells what happens and everything else only warns.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging; `server` for the command that is one.
pub(crate) fn start(server: bool) {
    let usual = if server {
        "warn,thingwire=info,thingwire_cloud=info,thingwire_broker=info"
    } else {
        "warn"
    };
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
