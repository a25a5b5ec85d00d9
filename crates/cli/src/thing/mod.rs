//! `thingwire thing`: what is in the registry, and everything a new device needs in one command.

mod create;
mod delete;
mod list;
mod show;

use clap::{Args, Subcommand};

use crate::Context;
use crate::exit::Failure;

/// Arguments of `thingwire thing`.
#[derive(Args, Debug)]
pub(crate) struct Thing {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Create a thing; with --kit also its key, certificate and connection kit
    Create(create::Create),
    /// List all things
    List(list::List),
    /// Show one thing with its certificates and their policies
    Show(show::Show),
    /// Delete a thing
    Delete(delete::Delete),
}

impl Thing {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.verb {
            Verb::Create(create) => create.run(context).await,
            Verb::List(list) => list.run(context).await,
            Verb::Show(show) => show.run(context).await,
            Verb::Delete(delete) => delete.run(context).await,
        }
    }
}
