//! `thingwire thing-group`: groups of things, whose policies are those of every thing in them (`C-8`).

mod create;
mod delete;
mod list;
mod members;
mod show;

use clap::{Args, Subcommand};

use crate::Context;
use crate::exit::Failure;

/// Arguments of `thingwire thing-group`.
#[derive(Args, Debug)]
pub(crate) struct ThingGroup {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Create a thing group, below another one if you like
    Create(create::Create),
    /// List thing groups
    List(list::List),
    /// Show a thing group with its ancestors, its policies and its things
    Show(show::Show),
    /// Delete a thing group; its things stay
    Delete(delete::Delete),
    /// Add things to a thing group
    Add(members::Add),
    /// Remove things from a thing group
    Remove(members::Remove),
}

impl ThingGroup {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.verb {
            Verb::Create(create) => create.run(context).await,
            Verb::List(list) => list.run(context).await,
            Verb::Show(show) => show.run(context).await,
            Verb::Delete(delete) => delete.run(context).await,
            Verb::Add(add) => add.run(context).await,
            Verb::Remove(remove) => remove.run(context).await,
        }
    }
}
