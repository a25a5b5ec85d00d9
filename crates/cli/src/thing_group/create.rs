//! `thingwire thing-group create`: a group, its parent, its policies.

use aws_sdk_iot::types::ThingGroupProperties;
use clap::Args;
use serde::Serialize;

use crate::exit::Failure;
use crate::{Context, api, names, output};

/// Arguments of `thingwire thing-group create`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire thing-group create site
  thingwire thing-group create hall --parent site --policy lamps
  thingwire thing-group add hall esp32-kitchen

A group's parent cannot be changed later. A group has two policies at most.")]
pub(super) struct Create {
    /// The group's name
    #[arg(value_parser = names::thing_group)]
    name: String,
    /// The group above it
    #[arg(long, value_name = "NAME", value_parser = names::thing_group)]
    parent: Option<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// A policy that exists, to attach to it; can be given twice
    #[arg(long, value_name = "NAME", value_parser = names::policy)]
    policy: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    thing_group_name: String,
    thing_group_arn: String,
    policies: Vec<String>,
}

impl Create {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let cloud = context.target.connect().await?;
        for policy in &self.policy {
            // Before the group is made: a mistyped name must leave nothing behind.
            cloud
                .iot
                .get_policy()
                .policy_name(policy)
                .send()
                .await
                .map_err(|error| cloud.advise(api::failed("GetPolicy")(error)))?;
        }
        let properties = self.description.map(|text| {
            ThingGroupProperties::builder()
                .thing_group_description(text)
                .build()
        });
        let group = cloud
            .iot
            .create_thing_group()
            .thing_group_name(&self.name)
            .set_parent_group_name(self.parent)
            .set_thing_group_properties(properties)
            .send()
            .await
            .map_err(|error| cloud.advise(api::failed("CreateThingGroup")(error)))?;
        let arn = group.thing_group_arn().unwrap_or_default().to_owned();
        output::done(format_args!("thing group `{}`", self.name));
        for policy in &self.policy {
            cloud.attach_policy(policy, &arn).await?;
            output::done(format_args!("policy `{policy}` attached to the group"));
        }
        if !context.json {
            return Ok(());
        }
        output::json(&Created {
            thing_group_name: self.name,
            thing_group_arn: arn,
            policies: self.policy,
        })
    }
}
