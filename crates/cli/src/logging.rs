//! The log on stderr. `RUST_LOG` decides; without it each kind of command has a level of its own.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// `up` tells what happens.
pub(crate) const SERVER: &str = "warn,thingwire=info,thingwire_cloud=info,thingwire_broker=info";
/// A command warns.
pub(crate) const COMMAND: &str = "warn";
/// The demo tells of refusals itself.
pub(crate) const QUIET: &str = "error";

/// The form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON document a line, for programs
    Json,
}

/// Starts logging, at this level unless `RUST_LOG` says otherwise.
pub(crate) fn start(usual: &str, format: LogFormat) {
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
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => {
            let terminal = std::io::stderr().is_terminal();
            log.with_ansi(terminal && std::env::var_os("NO_COLOR").is_none())
                .init();
        }
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}
