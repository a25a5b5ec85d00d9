//! `thingwire thing-group list`: one name a line, or names and ARNs with `--json`.

use clap::Args;
use serde::Serialize;

use crate::exit::Failure;
use crate::{Context, api, names, output};

/// Arguments of `thingwire thing-group list`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire thing-group list
  thingwire thing-group list --parent site           (all groups below it)
  thingwire thing-group list --thing esp32-kitchen   (its groups and their ancestors)")]
pub(super) struct List {
    /// Only groups below this one
    #[arg(long, value_name = "NAME", value_parser = names::thing_group)]
    parent: Option<String>,
    /// Only groups whose names begin so
    #[arg(long, value_name = "TEXT", value_parser = names::thing_group)]
    prefix: Option<String>,
    /// Only the groups of this thing, with their ancestors
    #[arg(long, value_name = "NAME", value_parser = names::thing, conflicts_with_all = ["parent", "prefix"])]
    thing: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    thing_group_name: String,
    thing_group_arn: String,
}

impl List {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let cloud = context.target.connect().await?;
        let mut rows = Vec::new();
        let mut token = None;
        loop {
            let (groups, next) = match &self.thing {
                Some(thing) => {
                    let page = cloud
                        .iot
                        .list_thing_groups_for_thing()
                        .thing_name(thing)
                        .set_next_token(token)
                        .send()
                        .await
                        .map_err(|error| {
                            cloud.advise(api::failed("ListThingGroupsForThing")(error))
                        })?;
                    (page.thing_groups, page.next_token)
                }
                None => {
                    let page = cloud
                        .iot
                        .list_thing_groups()
                        .set_parent_group(self.parent.clone())
                        .set_name_prefix_filter(self.prefix.clone())
                        .recursive(true)
                        .set_next_token(token)
                        .send()
                        .await
                        .map_err(|error| cloud.advise(api::failed("ListThingGroups")(error)))?;
                    (page.thing_groups, page.next_token)
                }
            };
            rows.extend(groups.unwrap_or_default().into_iter().map(|group| Row {
                thing_group_name: group.group_name.unwrap_or_default(),
                thing_group_arn: group.group_arn.unwrap_or_default(),
            }));
            match next {
                Some(next) if !next.is_empty() => token = Some(next),
                _ => break,
            }
        }
        if context.json {
            return output::json(&rows);
        }
        if rows.is_empty() {
            output::talk("no such thing groups; make one: thingwire thing-group create NAME");
        }
        rows.iter()
            .try_for_each(|row| output::data(&row.thing_group_name))
    }
}
