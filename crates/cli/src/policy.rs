//! `thingwire policy`: policies in a cloud, and tools for them that need none.

mod attach;
mod cloud;
mod connection;
mod create;
mod diff;
mod explain;
mod files;
mod generate;
mod lint;
mod show;
mod test;

use clap::{Args, Subcommand};

use crate::exit::Failure;
use crate::{Context, output};

/// The policy of the sketch, word for word: connect as the thing, listen on `esp32/sub`, publish on `esp32/pub`.
pub(crate) const EXAMPLE: &str = include_str!("policy_example.json");

/// Arguments of `thingwire policy`.
#[derive(Args, Debug)]
pub(crate) struct Policy {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Print a policy to begin with, for `thing create --policy`
    #[command(after_help = "\
Examples:
  thingwire policy example > policy.json
  thingwire thing create esp32-kitchen --policy policy.json --kit kitchen

It lets a device connect with its thing's name as client id, subscribe to esp32/sub and publish
to esp32/pub. `thing create` replaces REGION and ACCOUNT_ID by the cloud's own.")]
    Example,
    /// Create a policy in the cloud
    Create(create::Create),
    /// List the cloud's policies
    List(show::List),
    /// Show a policy's document
    Show(show::Show),
    /// Attach a policy to a certificate or a thing group
    Attach(attach::Attach),
    /// Detach a policy from a certificate or a thing group
    Detach(attach::Detach),
    /// Run expectations of policies like unit tests
    Test(test::Test),
    /// Why something is allowed or denied
    Explain(Box<explain::Explain>),
    /// Find mistakes in policy documents
    Lint(lint::Lint),
    /// Make the least policy from the record of a run
    Generate(generate::Generate),
    /// What another version of a policy allows or denies
    Diff(Box<diff::Diff>),
}

impl Policy {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.verb {
            Verb::Example => output::bytes(EXAMPLE.as_bytes(), false),
            Verb::Create(create) => create.run(context).await,
            Verb::List(list) => list.run(context).await,
            Verb::Show(show) => show.run(context).await,
            Verb::Attach(attach) => attach.run(context).await,
            Verb::Detach(detach) => detach.run(context).await,
            Verb::Test(test) => test.run(context).await,
            Verb::Explain(explain) => explain.run(context).await,
            Verb::Lint(lint) => lint.run(context),
            Verb::Generate(generate) => generate.run(context),
            Verb::Diff(diff) => diff.run(context),
        }
    }
}
