//! `thingwire policy`: a document to begin with.

use clap::{Args, Subcommand};

use crate::exit::Failure;
use crate::output;

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
}

impl Policy {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let Verb::Example = self.verb;
        output::bytes(EXAMPLE.as_bytes(), false)
    }
}
