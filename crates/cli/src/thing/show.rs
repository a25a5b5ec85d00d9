//! `thingwire thing show`: a thing, its certificates, and the policies of those.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use crate::attachments::{policies, principals};
use crate::exit::Failure;
use crate::{Context, api, names, output};

/// Arguments of `thingwire thing show`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire thing show esp32-kitchen
  thingwire thing show esp32-kitchen --json")]
pub(crate) struct Show {
    /// The thing's name
    #[arg(value_parser = names::thing)]
    name: String,
}

/// A thing with everything that decides what its device may do.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    thing_name: String,
    thing_arn: String,
    thing_id: String,
    version: i64,
    attributes: BTreeMap<String, String>,
    principals: Vec<Principal>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Principal {
    arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    policies: Vec<String>,
}

/// The certificate id of a certificate's ARN; other principals (Cognito) have none.
pub(super) fn certificate_id(arn: &str) -> Option<&str> {
    arn.split_once(":cert/").map(|(_, id)| id)
}

impl Show {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let cloud = context.target.connect().await?;
        let thing = cloud
            .iot
            .describe_thing()
            .thing_name(&self.name)
            .send()
            .await
            .map_err(|error| cloud.advise(api::failed("DescribeThing")(error)))?;
        let mut shown = Shown {
            thing_name: self.name.clone(),
            thing_arn: thing.thing_arn().unwrap_or_default().to_owned(),
            thing_id: thing.thing_id().unwrap_or_default().to_owned(),
            version: thing.version(),
            attributes: thing
                .attributes()
                .cloned()
                .unwrap_or_default()
                .into_iter()
                .collect(),
            principals: Vec::new(),
        };
        for arn in principals(&cloud, &self.name).await? {
            let (mut status, mut names) = (None, Vec::new());
            if let Some(id) = certificate_id(&arn) {
                let answer = cloud
                    .iot
                    .describe_certificate()
                    .certificate_id(id)
                    .send()
                    .await
                    .map_err(api::failed("DescribeCertificate"))?;
                status = answer
                    .certificate_description()
                    .and_then(|certificate| certificate.status())
                    .map(|status| status.as_str().to_owned());
                names = policies(&cloud, &arn, false).await?;
            }
            shown.principals.push(Principal {
                arn,
                status,
                policies: names,
            });
        }
        if context.json {
            output::json(&shown)
        } else {
            print(&shown)
        }
    }
}

fn print(shown: &Shown) -> Result<(), Failure> {
    let row = |name: &str, value: &str| output::data(format_args!("{name:<12} {value}"));
    row("thing", &shown.thing_name)?;
    row("arn", &shown.thing_arn)?;
    row("id", &shown.thing_id)?;
    row("version", &shown.version.to_string())?;
    for (name, value) in &shown.attributes {
        row("attribute", &format!("{name} = {value}"))?;
    }
    if shown.principals.is_empty() {
        row("certificate", "none: no device can connect as this thing")?;
    }
    for principal in &shown.principals {
        let status = principal.status.as_deref().unwrap_or("not a certificate");
        let id = certificate_id(&principal.arn).unwrap_or(&principal.arn);
        row("certificate", &format!("{id} {status}"))?;
        match principal.policies.as_slice() {
            [] => row(
                "  policy",
                "none of its own; those of its thing groups hold",
            )?,
            names => row("  policy", &names.join(", "))?,
        }
    }
    Ok(())
}
