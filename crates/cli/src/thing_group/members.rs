//! `thingwire thing-group add` and `remove`: which things are in a group.

use clap::Args;
use serde::Serialize;

use crate::exit::Failure;
use crate::{Context, api, names, output};

/// A group and things.
#[derive(Args, Debug)]
struct Members {
    /// The group's name
    #[arg(value_parser = names::thing_group)]
    group: String,
    /// Names of things
    #[arg(required = true, value_name = "THING", value_parser = names::thing)]
    things: Vec<String>,
}

/// Arguments of `thingwire thing-group add`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire thing-group add hall esp32-kitchen esp32-cellar

A thing is in ten groups at most, and never in two of one hierarchy.")]
pub(super) struct Add {
    #[command(flatten)]
    members: Members,
}

/// Arguments of `thingwire thing-group remove`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire thing-group remove hall esp32-kitchen")]
pub(super) struct Remove {
    #[command(flatten)]
    members: Members,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Done {
    thing_group_name: String,
    things: Vec<String>,
}

impl Add {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let cloud = context.target.connect().await?;
        let Members { group, things } = self.members;
        for thing in &things {
            cloud
                .iot
                .add_thing_to_thing_group()
                .thing_group_name(&group)
                .thing_name(thing)
                .send()
                .await
                .map_err(|error| cloud.advise(api::failed("AddThingToThingGroup")(error)))?;
            output::done(format_args!("thing `{thing}` is in group `{group}`"));
        }
        finish(context, group, things)
    }
}

impl Remove {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let cloud = context.target.connect().await?;
        let Members { group, things } = self.members;
        for thing in &things {
            cloud
                .iot
                .remove_thing_from_thing_group()
                .thing_group_name(&group)
                .thing_name(thing)
                .send()
                .await
                .map_err(|error| cloud.advise(api::failed("RemoveThingFromThingGroup")(error)))?;
            output::done(format_args!("thing `{thing}` is not in group `{group}`"));
        }
        finish(context, group, things)
    }
}

fn finish(context: &Context, group: String, things: Vec<String>) -> Result<(), Failure> {
    if !context.json {
        return Ok(());
    }
    output::json(&Done {
        thing_group_name: group,
        things,
    })
}
