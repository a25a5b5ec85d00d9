//! The log on stderr. `RUST_LOG` decides; without it each kind of command has a level of its own.

mod background;

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

pub(crate) use background::Last;

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

/// Starts logging, at this level unless `RUST_LOG` says otherwise. A server's log is written in the background; hold the answer until
/// the end.
pub(crate) fn start(usual: &'static str, format: LogFormat) -> Option<Last> {
    // Without a thread every line is written by who says it.
    let background = (usual == SERVER)
        .then(|| background::start(std::io::stderr()))
        .and_then(Result::ok);
    let (lines, last) = background.unzip();
    let writer = move || -> Box<dyn Write> {
        match &lines {
            Some(lines) => Box::new(lines.clone()),
            None => Box::new(std::io::stderr()),
        }
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
    let log = tracing_subscriber::fmt().with_env_filter(filter);
    match format {
        LogFormat::Text => {
            let terminal = std::io::stderr().is_terminal();
            log.with_ansi(terminal && std::env::var_os("NO_COLOR").is_none())
                .with_writer(move || OneLine(writer()))
                .init();
        }
        LogFormat::Json => log.json().flatten_event(true).with_writer(writer).init(),
    }
    last
}

/// Writes each event, which comes as a whole, as one line: what a stranger sent (a client id, a topic) must not look like another.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(&one_line(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// With all ends of lines but the last one escaped.
fn one_line(event: &[u8]) -> Vec<u8> {
    let (text, end) = match event {
        [text @ .., b'\n'] => (text, &b"\n"[..]),
        text => (text, &b""[..]),
    };
    let mut line = Vec::with_capacity(event.len());
    for byte in text {
        match byte {
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            byte => line.push(*byte),
        }
    }
    line.extend_from_slice(end);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_a_stranger_sent() {
        let layer = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let writer = {
            let layer = std::sync::Arc::clone(&layer);
            move || OneLine(Shared(std::sync::Arc::clone(&layer)))
        };
        let log = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(writer)
            .finish();
        let client_id = "lamp\r\n2026-01-01T00:00:00Z  WARN forged";
        tracing::subscriber::with_default(log, || {
            tracing::warn!(%client_id, "refused `{client_id}`");
            tracing::warn!("another");
        });
        let text = String::from_utf8(layer.lock().unwrap().clone()).unwrap();
        let lines: Vec<_> = text.split_inclusive('\n').collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert_eq!(lines[0].matches("lamp\\r\\n2026").count(), 2, "{text}");
        assert!(lines[1].ends_with("another\n"), "{text}");
    }

    struct Shared(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
