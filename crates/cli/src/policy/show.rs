//! `thingwire policy list` and `show`.

use clap::Args;
use serde::Serialize;

use crate::exit::Failure;
use crate::{Context, api, names, output};

/// Arguments of `thingwire policy list`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire policy list
  thingwire policy list --json | jq -r '.[].policyArn'")]
pub(super) struct List {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    policy_name: String,
    policy_arn: String,
}

impl List {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let cloud = context.target.connect().await?;
        let mut rows = Vec::new();
        let mut marker = None;
        loop {
            let page = cloud
                .iot
                .list_policies()
                .page_size(250)
                .set_marker(marker)
                .send()
                .await
                .map_err(|error| cloud.advise(api::failed("ListPolicies")(error)))?;
            rows.extend(page.policies().iter().map(|policy| Row {
                policy_name: policy.policy_name().unwrap_or_default().to_owned(),
                policy_arn: policy.policy_arn().unwrap_or_default().to_owned(),
            }));
            match page.next_marker {
                Some(next) if !next.is_empty() => marker = Some(next),
                _ => break,
            }
        }
        if context.json {
            return output::json(&rows);
        }
        if rows.is_empty() {
            output::talk("no policies yet; make one: thingwire policy create NAME FILE");
        }
        rows.iter()
            .try_for_each(|row| output::data(&row.policy_name))
    }
}

/// Arguments of `thingwire policy show`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire policy show lamps
  thingwire policy show lamps > lamps.json
  thingwire policy show lamps --json | jq .targets

The document is on stdout as the cloud has it; with --json also what it is attached to.")]
pub(super) struct Show {
    /// The policy's name
    #[arg(value_parser = names::policy)]
    name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    policy_name: String,
    policy_arn: String,
    default_version_id: String,
    document: serde_json::Value,
    targets: Vec<String>,
}

impl Show {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let cloud = context.target.connect().await?;
        let policy = cloud
            .iot
            .get_policy()
            .policy_name(&self.name)
            .send()
            .await
            .map_err(|error| {
                cloud
                    .advise(api::failed("GetPolicy")(error))
                    .advise("`thingwire policy list` shows what there is")
            })?;
        let document = policy.policy_document.unwrap_or_default();
        if !context.json {
            let end = if document.ends_with('\n') { "" } else { "\n" };
            return output::bytes(format!("{document}{end}").as_bytes(), false);
        }
        let mut targets = Vec::new();
        let mut marker = None;
        loop {
            let page = cloud
                .iot
                .list_targets_for_policy()
                .policy_name(&self.name)
                .set_marker(marker)
                .send()
                .await
                .map_err(api::failed("ListTargetsForPolicy"))?;
            targets.extend_from_slice(page.targets());
            match page.next_marker {
                Some(next) if !next.is_empty() => marker = Some(next),
                _ => break,
            }
        }
        output::json(&Shown {
            policy_name: self.name,
            policy_arn: policy.policy_arn.unwrap_or_default(),
            default_version_id: policy.default_version_id.unwrap_or_default(),
            document: serde_json::from_str(&document)
                .unwrap_or(serde_json::Value::String(document)),
            targets,
        })
    }
}
