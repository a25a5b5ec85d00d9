//! `thingwire kit`: looks at a connection kit without connecting; images are made in [`crate::kit_image`].

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;
use thingwire_kit::Severity;

use crate::exit::{Exit, Failure};
use crate::{Context, kit_image, output};

/// Arguments of `thingwire kit`.
#[derive(Args, Debug)]
pub(crate) struct Kit {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Check a kit's files: is everything there, does it fit together, is it valid today?
    Check(Check),
    /// Make an image of a kit for a board's flash
    Image(Box<kit_image::Image>),
    /// Show what is in an image, without its secrets
    Inspect(kit_image::Inspect),
}

/// Arguments of `thingwire kit check`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire kit check kitchen
  thingwire kit check kitchen --json

It connects to nothing; the kit's own test.sh does. Exit code 6: the kit cannot be used as it is.")]
struct Check {
    /// The kit's folder
    dir: PathBuf,
}

#[derive(Serialize)]
struct Report {
    dir: PathBuf,
    usable: bool,
    findings: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    severity: Severity,
    code: &'static str,
    file: String,
    message: String,
    advice: String,
}

impl Kit {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        match self.verb {
            Verb::Check(check) => check.run(context),
            Verb::Image(image) => image.run(context),
            Verb::Inspect(inspect) => inspect.run(context),
        }
    }
}

impl Check {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { dir } = self;
        let findings: Vec<Line> = thingwire_kit::check(&dir)
            .into_iter()
            .map(|finding| Line {
                severity: finding.problem.severity(),
                code: finding.problem.code(),
                message: finding.to_string(),
                advice: finding.advice(),
                file: finding.file,
            })
            .collect();
        let serious = findings
            .iter()
            .filter(|line| line.severity > Severity::Warning)
            .count();
        for line in &findings {
            let text = format!("{}\n  {}", line.message, line.advice);
            if line.severity == Severity::Warning {
                output::warn(text);
            } else {
                output::talk(format_args!("{0}✗{0:#} {text}", output::BAD));
            }
        }
        if serious == 0
            && let Ok(kit) = thingwire_kit::Kit::load(&dir)
        {
            output::done(format_args!(
                "kit `{}`: client id `{}` for `{}` port {}",
                dir.display(),
                kit.client_id,
                kit.endpoint,
                kit.mqtt_port
            ));
        }
        if context.json {
            output::json(&Report {
                dir: dir.clone(),
                usable: serious == 0,
                findings,
            })?;
        }
        if serious == 0 {
            return Ok(());
        }
        let problems = if serious == 1 {
            "1 problem"
        } else {
            &format!("{serious} problems")
        };
        Err(Failure::new(
            Exit::Kit,
            format!("kit `{}` has {problems}", dir.display()),
        ))
    }
}
