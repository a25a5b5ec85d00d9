//! `thingwire policy diff`: what another version of a policy allows or denies.

use std::path::PathBuf;

use clap::Args;
use thingwire_policy_tools::diff::{Became, Diff as Difference, diff, views};

use super::connection::ConnectionArgs;
use super::files::{self, OwnCloud};
use crate::exit::{Exit, Failure};
use crate::{Context, output};

/// Arguments of `thingwire policy diff`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire policy diff old.json new.json
  thingwire policy diff old.json new.json --client lamp --thing lamp --attribute room=kitchen
  git show HEAD:policy.json | thingwire policy diff - policy.json

Both are asked for every combination of their patterns, for a device that is attached to its
thing, for one that is not, and for one with each value that a condition names.
Exit code: 0 no difference, 1 some.")]
pub(super) struct Diff {
    /// The policy before; `-` is stdin
    old: PathBuf,
    /// The policy now
    new: PathBuf,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    own: OwnCloud,
}

impl Diff {
    pub(super) fn run(mut self, context: &Context) -> Result<(), Failure> {
        if self.connection.client.is_none() && self.connection.kit.is_none() {
            self.connection.client = Some("thing1".to_owned());
            self.connection
                .thing
                .get_or_insert_with(|| "thing1".to_owned());
        }
        let connection = self.connection.described(&self.own)?;
        let read = |path| files::policy(path, &connection.region, &connection.account);
        let (mut old, mut new) = (read(&self.old)?, read(&self.new)?);
        // Two files of the same name in two folders are still the same policy.
        if old.name == "-" {
            old.name.clone_from(&new.name);
        } else if new.name == "-" {
            new.name.clone_from(&old.name);
        }
        let views = views(&connection, [&old, &new]);
        let found = diff(&[old], &[new], &views);
        if context.json {
            output::json(&found)?;
        } else {
            print(&found)?;
        }
        for statement in &found.not_compared {
            output::warn(format_args!(
                "not compared: the conditions of {statement} hold for none of the connections tried; describe one with --attribute, --source-ip and so on"
            ));
        }
        if !found.complete {
            output::warn(
                "these policies have so many wildcards that not every resource was looked at",
            );
        }
        match found.changes.len() {
            0 => {
                output::done(if found.complete {
                    "no difference"
                } else {
                    "no difference found"
                });
                Ok(())
            }
            1 => Err(Failure::new(Exit::Failed, "1 difference")),
            many => Err(Failure::new(Exit::Failed, format!("{many} differences"))),
        }
    }
}

fn print(found: &Difference) -> Result<(), Failure> {
    for change in &found.changes {
        let (mark, word, style) = match change.became {
            Became::Allowed => ("+", "allowed now", output::GOOD),
            Became::Denied => ("-", "denied now", output::BAD),
        };
        output::data(format_args!(
            "{style}{mark} {word}{style:#} {} on {}\n    for {}\n    by {}\n    {}before: {}{:#}\n    {}now:    {}{:#}",
            change.action,
            change.example,
            change.connections.join("; "),
            change.statements.join(", "),
            output::FAINT,
            change.old,
            output::FAINT,
            output::FAINT,
            change.new,
            output::FAINT,
        ))?;
    }
    Ok(())
}
