//! `thingwire policy create`: a document becomes a policy of the cloud.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use thingwire_policy_tools::lint::{LintSettings, Severity, lint};

use super::{cloud, files};
use crate::exit::{Exit, Failure};
use crate::{Context, api, names, output};

/// Arguments of `thingwire policy create`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire policy create lamps policy.json
  thingwire policy create lamps policy.json --json
  thingwire --cloud aws policy create lamps policy.json --account 111122223333

REGION and ACCOUNT_ID in the file are replaced by the cloud's own.")]
pub(super) struct Create {
    /// The policy's name
    #[arg(value_parser = names::policy)]
    name: String,
    /// The file with its document; `-` is stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The account that ACCOUNT_ID stands for [default: the local cloud's own]
    #[arg(long, value_name = "ID", value_parser = names::account)]
    account: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    policy_name: String,
    policy_arn: String,
    policy_version_id: String,
}

impl Create {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let text = files::text("policy", &self.file)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let target = context.target.connect().await?;
        let of_local = target
            .local
            .as_ref()
            .and_then(|local| local.ready.as_ref())
            .map(|ready| ready.account_id.clone());
        let has_account = thingwire_policy::placeholders(text)
            .iter()
            .any(|found| found.is_account);
        let account = match self.account.clone().or(of_local) {
            Some(account) => account,
            None if has_account => {
                return Err(
                    Failure::new(Exit::Usage, "which account does ACCOUNT_ID stand for?")
                        .advise("--account ID"),
                );
            }
            None => String::new(),
        };
        let document = cloud::for_cloud(text, &target.region, &account);
        let settings = LintSettings {
            region: Some(target.region.clone()),
            account: (!account.is_empty()).then_some(account),
        };
        for finding in lint(&document, &settings) {
            let line = format!(
                "{}:{}:{}: {} {}",
                self.file.display(),
                finding.position.line,
                finding.position.column,
                finding.rule.id,
                finding.message
            );
            // The cloud refuses a document that is none, in its own words.
            if finding.rule.severity >= Severity::Warning {
                output::warn(line);
            }
        }
        let answer = target
            .iot
            .create_policy()
            .policy_name(&self.name)
            .policy_document(&document)
            .send()
            .await
            .map_err(|error| target.advise(api::failed("CreatePolicy")(error)))?;
        output::done(format_args!("policy `{}`", self.name));
        if context.json {
            return output::json(&Created {
                policy_name: self.name,
                policy_arn: answer.policy_arn.unwrap_or_default(),
                policy_version_id: answer.policy_version_id.unwrap_or_default(),
            });
        }
        Ok(())
    }
}
