//! `thingwire thing-group show`: a group, what is above it, its policies with the inherited ones, its things.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use crate::attachments::policies;
use crate::exit::Failure;
use crate::target::Target;
use crate::{Context, api, names, output};

/// Arguments of `thingwire thing-group show`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire thing-group show hall
  thingwire thing-group show hall --json")]
pub(super) struct Show {
    /// The group's name
    #[arg(value_parser = names::thing_group)]
    name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    thing_group_name: String,
    thing_group_arn: String,
    thing_group_id: String,
    version: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    attributes: BTreeMap<String, String>,
    /// From the root down to the parent.
    ancestors: Vec<String>,
    policies: Vec<String>,
    /// Those of its ancestors that it has not itself.
    inherited_policies: Vec<String>,
    /// With those in the groups below.
    things: Vec<String>,
}

impl Show {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let cloud = context.target.connect().await?;
        let group = cloud
            .iot
            .describe_thing_group()
            .thing_group_name(&self.name)
            .send()
            .await
            .map_err(|error| cloud.advise(api::failed("DescribeThingGroup")(error)))?;
        let arn = group.thing_group_arn().unwrap_or_default().to_owned();
        let own = policies(&cloud, &arn, false).await?;
        let mut inherited = policies(&cloud, &arn, true).await?;
        inherited.retain(|policy| !own.contains(policy));
        let properties = group.thing_group_properties();
        let attributes = properties
            .and_then(|properties| properties.attribute_payload())
            .and_then(|payload| payload.attributes())
            .cloned()
            .unwrap_or_default();
        let ancestors = group
            .thing_group_metadata()
            .map(|metadata| metadata.root_to_parent_thing_groups())
            .unwrap_or_default()
            .iter()
            .filter_map(|group| group.group_name().map(str::to_owned))
            .collect();
        let shown = Shown {
            thing_group_id: group.thing_group_id().unwrap_or_default().to_owned(),
            version: group.version(),
            description: properties
                .and_then(|properties| properties.thing_group_description())
                .map(str::to_owned),
            attributes: attributes.into_iter().collect(),
            ancestors,
            policies: own,
            inherited_policies: inherited,
            things: things(&cloud, &self.name).await?,
            thing_group_name: self.name,
            thing_group_arn: arn,
        };
        if context.json {
            output::json(&shown)
        } else {
            print(&shown)
        }
    }
}

fn print(shown: &Shown) -> Result<(), Failure> {
    let row = |name: &str, value: &str| output::data(format_args!("{name:<12} {value}"));
    row("thing group", &shown.thing_group_name)?;
    row("arn", &shown.thing_group_arn)?;
    row("id", &shown.thing_group_id)?;
    row("version", &shown.version.to_string())?;
    if let Some(description) = &shown.description {
        row("description", description)?;
    }
    for (name, value) in &shown.attributes {
        row("attribute", &format!("{name} = {value}"))?;
    }
    if !shown.ancestors.is_empty() {
        row("below", &shown.ancestors.join(" / "))?;
    }
    for policy in &shown.policies {
        row("policy", policy)?;
    }
    for policy in &shown.inherited_policies {
        row("policy", &format!("{policy} (of a group above)"))?;
    }
    if shown.policies.is_empty() && shown.inherited_policies.is_empty() {
        row("policy", "none: this group changes nothing for its things")?;
    }
    match shown.things.as_slice() {
        [] => row("things", "none"),
        names => names.iter().try_for_each(|name| row("thing", name)),
    }
}

/// The things of a group and of the groups below it.
async fn things(cloud: &Target, name: &str) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    let mut token = None;
    loop {
        let page = cloud
            .iot
            .list_things_in_thing_group()
            .thing_group_name(name)
            .recursive(true)
            .set_next_token(token)
            .send()
            .await
            .map_err(api::failed("ListThingsInThingGroup"))?;
        found.extend_from_slice(page.things());
        match page.next_token {
            Some(next) if !next.is_empty() => token = Some(next),
            _ => return Ok(found),
        }
    }
}
