//! `thingwire thing list`: one name a line, or everything with `--json`.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use crate::exit::Failure;
use crate::{Context, api, output};

/// Arguments of `thingwire thing list`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire thing list
  thingwire thing list --json | jq -r '.[].thingArn'")]
pub(crate) struct List {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    thing_name: String,
    thing_arn: String,
    attributes: BTreeMap<String, String>,
    version: i64,
}

impl List {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let cloud = context.target.connect().await?;
        let mut rows = Vec::new();
        let mut token = None;
        loop {
            let page = cloud
                .iot
                .list_things()
                .max_results(250)
                .set_next_token(token)
                .send()
                .await
                .map_err(|error| cloud.advise(api::failed("ListThings")(error)))?;
            rows.extend(page.things().iter().map(|thing| {
                Row {
                    thing_name: thing.thing_name().unwrap_or_default().to_owned(),
                    thing_arn: thing.thing_arn().unwrap_or_default().to_owned(),
                    attributes: thing
                        .attributes()
                        .cloned()
                        .unwrap_or_default()
                        .into_iter()
                        .collect(),
                    version: thing.version(),
                }
            }));
            match page.next_token {
                Some(next) if !next.is_empty() => token = Some(next),
                _ => break,
            }
        }
        if context.json {
            return output::json(&rows);
        }
        if rows.is_empty() {
            output::talk(
                "no things yet; make one: thingwire thing create NAME --policy FILE --kit DIR",
            );
        }
        rows.iter()
            .try_for_each(|row| output::data(&row.thing_name))
    }
}
