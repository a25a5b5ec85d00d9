//! How the demo tells its story: chapters, and steps that are ticked only after they were observed. For people line by
//! line as they happen, for scripts as one JSON document at the end.

use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::exit::{Exit, Failure};
use crate::output::{self, FAINT, GOOD, STRONG, Waiting};

/// No step of the demo may take longer than this.
const PATIENCE: Duration = Duration::from_secs(20);

/// The teller.
pub(super) struct Story {
    begun: Instant,
    steps: u32,
    /// The document, if one is asked for.
    json: Option<Vec<Chapter>>,
}

#[derive(Serialize)]
struct Chapter {
    title: String,
    about: String,
    steps: Vec<Step>,
}

#[derive(Serialize)]
struct Step {
    observed: String,
    /// What one would type to do the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    notes: Vec<String>,
}

impl Story {
    pub(super) fn begin(json: bool) -> Self {
        Self {
            begun: Instant::now(),
            steps: 0,
            json: json.then(Vec::new),
        }
    }

    /// Something for people only, before and after the story.
    pub(super) fn say(&self, text: impl Display) -> Result<(), Failure> {
        match self.json {
            Some(_) => Ok(()),
            None => output::data(text),
        }
    }

    /// A chapter's heading.
    pub(super) fn chapter(&mut self, title: &str, about: &str) -> Result<(), Failure> {
        if let Some(chapters) = &mut self.json {
            chapters.push(Chapter {
                title: title.to_owned(),
                about: about.to_owned(),
                steps: Vec::new(),
            });
        }
        self.say(format_args!(
            "\n{STRONG}{title}{STRONG:#}  {FAINT}{about}{FAINT:#}"
        ))
    }

    /// A step that was observed.
    pub(super) fn ticked(&mut self, what: impl Display) -> Result<(), Failure> {
        self.steps = self.steps.saturating_add(1);
        self.keep(&what, None);
        self.say(format_args!("{GOOD}✓{GOOD:#} {what}"))
    }

    /// A step that was observed, with what one would type to do the same.
    pub(super) fn ticked_as(
        &mut self,
        what: impl Display,
        command: impl Display,
    ) -> Result<(), Failure> {
        self.steps = self.steps.saturating_add(1);
        self.keep(&what, Some(&command));
        self.say(format_args!(
            "{GOOD}✓{GOOD:#} {what}   {FAINT}{command}{FAINT:#}"
        ))
    }

    /// Something worth knowing about the step above.
    pub(super) fn note(&mut self, text: impl Display) -> Result<(), Failure> {
        let chapter = self.json.as_mut().and_then(|chapters| chapters.last_mut());
        if let Some(step) = chapter.and_then(|chapter| chapter.steps.last_mut()) {
            step.notes.push(plain(&text));
        }
        self.say(format_args!("  {text}"))
    }

    fn keep(&mut self, what: &dyn Display, command: Option<&dyn Display>) {
        if let Some(chapter) = self.json.as_mut().and_then(|chapters| chapters.last_mut()) {
            chapter.steps.push(Step {
                observed: plain(what),
                command: command.map(plain),
                notes: Vec::new(),
            });
        }
    }

    /// The end: the document for scripts, if one was asked for.
    pub(super) fn end(&self) -> Result<(), Failure> {
        #[derive(Serialize)]
        struct Whole<'a> {
            steps: u32,
            seconds: f64,
            chapters: &'a [Chapter],
        }
        match &self.json {
            Some(chapters) => output::json(&Whole {
                steps: self.steps,
                seconds: self.begun.elapsed().as_secs_f64(),
                chapters,
            }),
            None => Ok(()),
        }
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

/// Without colours.
fn plain(text: &dyn Display) -> String {
    anstream::adapter::strip_str(&text.to_string()).to_string()
}
