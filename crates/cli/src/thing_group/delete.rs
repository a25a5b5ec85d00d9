//! `thingwire thing-group delete`: the group, and what its things lose with it.

use clap::Args;

use crate::exit::Failure;
use crate::{Context, api, names, output};

/// Arguments of `thingwire thing-group delete`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire thing-group delete hall

Its things stay, and lose what its policies allowed. Groups below it must be deleted first.")]
pub(super) struct Delete {
    /// The group's name
    #[arg(value_parser = names::thing_group)]
    name: String,
}

impl Delete {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let cloud = context.target.connect().await?;
        // DeleteThingGroup of a missing group succeeds (G-19); a person who mistyped wants to know.
        cloud
            .iot
            .describe_thing_group()
            .thing_group_name(&self.name)
            .send()
            .await
            .map_err(|error| cloud.advise(api::failed("DescribeThingGroup")(error)))?;
        cloud
            .iot
            .delete_thing_group()
            .thing_group_name(&self.name)
            .send()
            .await
            .map_err(api::failed("DeleteThingGroup"))?;
        output::done(format_args!("thing group `{}` deleted", self.name));
        Ok(())
    }
}
