//! How the program ends: the exit codes, and the failure that carries one.
//!
//! The codes are a promise to scripts. Usage errors are clap's and end with 2 before anything is done.

use std::fmt::Write;
use std::process::ExitCode;

/// Exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Something else failed; the text says what.
    Failed = 1,
    /// A flag, a name or a file given on the command line cannot be right.
    Usage = 2,
    /// The cloud denied an action, or refused the certificate.
    Denied = 3,
    /// No answer from the cloud: name, network, or nothing listens there.
    Unreachable = 4,
    /// Another `thingwire up` uses the data folder.
    DataFolderInUse = 5,
    /// The connection kit cannot be used.
    Kit = 6,
    /// The control plane answered with an error.
    Api = 7,
    /// The local cloud could not start: port in use, folder not writable, newer or damaged data.
    Start = 8,
    /// No board, no program to write one, or it could not be written.
    Board = 9,
    /// The data of a data folder is damaged.
    Damaged = 10,
    /// There is no data, or none that this version can read.
    NotAStore = 11,
    /// `sub -W` or `flash --wait` ended before what was waited for came; the code is mosquitto_sub's.
    TimedOut = 27,
}

/// Why a command did not do what it was asked to, and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    reason: Option<String>,
    advice: Vec<String>,
}

impl Failure {
    /// One lower-case line; user input in `back-ticks`.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            reason: None,
            advice: Vec::new(),
        }
    }

    /// The reader of our output went away (`| head`): nothing to say, and nobody to say it to.
    pub(crate) const fn nobody_reads() -> Self {
        Self {
            exit: Exit::Failed,
            message: String::new(),
            reason: None,
            advice: Vec::new(),
        }
    }

    /// Says why, in the words of whoever knows.
    #[must_use]
    pub(crate) fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Adds a line that says what to do.
    #[must_use]
    pub(crate) fn advise(mut self, line: impl Into<String>) -> Self {
        self.advice.push(line.into());
        self
    }

    /// The code it will end with.
    pub(crate) const fn exit(&self) -> Exit {
        self.exit
    }

    /// Why, if somebody knew.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The message without reason and advice.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Prints the failure on stderr and answers the code to end with.
    pub(crate) fn report(&self) -> ExitCode {
        if !self.message.is_empty() {
            let mut text = String::new();
            for line in self.reason.iter().chain(&self.advice) {
                let _ = write!(text, "\n  {line}");
            }
            crate::output::error(&self.message, &text);
        }
        ExitCode::from(self.exit as u8)
    }
}

impl From<thingwire_kit::KitError> for Failure {
    fn from(error: thingwire_kit::KitError) -> Self {
        Self::new(Exit::Kit, error.to_string()).advise(error.advice())
    }
}
