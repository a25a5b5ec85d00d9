//! How the demo tells its story: chapters, and steps that are ticked only after they were observed.

use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, Instant};

use crate::exit::{Exit, Failure};
use crate::output::{self, FAINT, GOOD, STRONG, Waiting};

/// No step of the demo may take longer than this.
const PATIENCE: Duration = Duration::from_secs(20);

/// The teller.
pub(super) struct Story {
    begun: Instant,
    steps: u32,
}

impl Story {
    pub(super) fn begin() -> Self {
        Self {
            begun: Instant::now(),
            steps: 0,
        }
    }

    /// A chapter's heading.
    pub(super) fn chapter(&self, title: &str, about: &str) -> Result<(), Failure> {
        output::data(format_args!(
            "\n{STRONG}{title}{STRONG:#}  {FAINT}{about}{FAINT:#}"
        ))
    }

    /// A step that was observed.
    pub(super) fn ticked(&mut self, what: impl Display) -> Result<(), Failure> {
        self.steps = self.steps.saturating_add(1);
        output::data(format_args!("{GOOD}✓{GOOD:#} {what}"))
    }

    /// A step that was observed, with what one would type to do the same.
    pub(super) fn ticked_as(
        &mut self,
        what: impl Display,
        command: impl Display,
    ) -> Result<(), Failure> {
        self.ticked(format_args!("{what}   {FAINT}{command}{FAINT:#}"))
    }

    /// Something worth knowing about the step above.
    pub(super) fn note(&self, text: impl Display) -> Result<(), Failure> {
        output::data(format_args!("  {text}"))
    }

    /// Waits for something that must happen, and says what did not if it does not.
    pub(super) async fn wait<T>(
        &self,
        what: &str,
        event: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        let _waiting = Waiting::start(what);
        tokio::time::timeout(PATIENCE, event).await.map_err(|_| {
            Failure::new(
                Exit::Failed,
                format!(
                    "this did not happen within {} s: {what}",
                    PATIENCE.as_secs()
                ),
            )
            .advise("run it again with RUST_LOG=debug and look at the last lines")
        })
    }

    /// Seconds since the beginning, for people.
    pub(super) fn seconds(&self) -> String {
        format!("{:.1} s", self.begun.elapsed().as_secs_f64())
    }

    /// How many steps were ticked.
    pub(super) const fn steps(&self) -> u32 {
        self.steps
    }
}
