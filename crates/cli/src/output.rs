//! What goes where: data to stdout, talk to stderr, colour only where a person looks.

use std::io::Write;
use std::time::{Duration, Instant};

use clap::builder::styling::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::exit::{Exit, Failure};

/// Green: it worked.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Red: it did not.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Yellow: look here.
pub(crate) const LOOK: Style = AnsiColor::Yellow.on_default();
/// Headings and names.
pub(crate) const STRONG: Style = Style::new().bold();
/// Side remarks.
pub(crate) const FAINT: Style = Style::new().dimmed();

/// One line of data on stdout.
///
/// # Errors
/// If nobody reads any more.
pub(crate) fn data(text: impl std::fmt::Display) -> Result<(), Failure> {
    bytes(format!("{text}\n").as_bytes(), true)
}

/// Bytes as they are on stdout; `styled` text loses its colours when stdout is not a terminal.
///
/// # Errors
/// If nobody reads any more, or the disk behind a redirection is full.
pub(crate) fn bytes(content: &[u8], styled: bool) -> Result<(), Failure> {
    let result = if styled {
        let mut stdout = anstream::stdout().lock();
        stdout.write_all(content).and_then(|()| stdout.flush())
    } else {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(content).and_then(|()| stdout.flush())
    };
    result.map_err(|error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => Failure::nobody_reads(),
        _ => Failure::new(Exit::Failed, format!("cannot write to stdout: {error}")),
    })
}

/// A document for scripts on stdout.
///
/// # Errors
/// As [`data`].
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot write JSON: {error}")))?;
    data(text)
}

/// One line for a person on stderr. If nobody reads it, that is no reason to stop.
pub(crate) fn talk(text: impl std::fmt::Display) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// A step that worked, on stderr.
pub(crate) fn done(text: impl std::fmt::Display) {
    talk(format_args!("{GOOD}✓{GOOD:#} {text}"));
}

/// Something to look at, on stderr.
pub(crate) fn warn(text: impl std::fmt::Display) {
    talk(format_args!("{LOOK}!{LOOK:#} {text}"));
}

/// The failure that ends the program, on stderr.
pub(crate) fn error(message: &str, advice: &str) {
    talk(format_args!("{BAD}error{BAD:#}: {message}{advice}"));
}

/// Something that turns on stderr while we wait, if stderr is a terminal; gone when dropped.
pub(crate) struct Waiting(ProgressBar);

impl Waiting {
    /// Starts turning.
    pub(crate) fn start(text: impl Into<String>) -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        bar.set_message(text.into());
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A bar on stderr for work that is counted, if stderr is a terminal and it takes longer than a second; gone when dropped.
pub(crate) struct Progress {
    begun: Instant,
    text: &'static str,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Nothing is shown yet.
    pub(crate) fn new(text: &'static str) -> Self {
        Self {
            begun: Instant::now(),
            text,
            bar: None,
        }
    }

    /// How far it is; `all` is 0 while nobody knows.
    pub(crate) fn at(&mut self, done: usize, all: usize) {
        if self.bar.is_none() && self.begun.elapsed() < Duration::from_secs(1) {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::new(0);
            let form = if all == 0 {
                "{spinner} {msg} {pos}"
            } else {
                "{msg} {wide_bar} {pos}/{len}"
            };
            if let Ok(style) = ProgressStyle::with_template(form) {
                bar.set_style(style);
            }
            bar.set_message(self.text);
            bar
        });
        let count = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        bar.set_length(count(all));
        bar.set_position(count(done));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
