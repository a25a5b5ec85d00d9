//! `thingwire policy attach` and `detach`: what a certificate, or every thing of a group, may do.

use clap::Args;
use serde::Serialize;

use crate::attachments::principals;
use crate::exit::{Exit, Failure};
use crate::target::Target;
use crate::{Context, api, names, output};

/// To what; one of the four.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct To {
    /// All certificates of this thing
    #[arg(long, value_name = "NAME", value_parser = names::thing)]
    thing: Option<String>,
    /// The certificate with this id
    #[arg(long, value_name = "ID")]
    certificate: Option<String>,
    /// This thing group, and with it every thing in it and below it
    #[arg(long, value_name = "NAME", value_parser = names::thing_group)]
    thing_group: Option<String>,
    /// The ARN of a certificate or a thing group
    #[arg(long, value_name = "ARN")]
    target: Option<String>,
}

/// Arguments of `thingwire policy attach`.
#[derive(Args, Debug)]
#[command(
    override_usage = "thingwire policy attach [OPTIONS] <NAME> <--thing|--certificate|--thing-group|--target>",
    after_help = "\
Examples:
  thingwire policy attach lamps --thing esp32-kitchen
  thingwire policy attach lamps --thing-group hall
  thingwire policy attach lamps --certificate 8c1f…"
)]
pub(super) struct Attach {
    /// The policy's name
    #[arg(value_parser = names::policy)]
    name: String,
    #[command(flatten)]
    to: To,
}

/// Arguments of `thingwire policy detach`.
#[derive(Args, Debug)]
#[command(
    override_usage = "thingwire policy detach [OPTIONS] <NAME> <--thing|--certificate|--thing-group|--target>",
    after_help = "\
Examples:
  thingwire policy detach lamps --thing esp32-kitchen
  thingwire policy detach lamps --certificate 8c1f…"
)]
pub(super) struct Detach {
    /// The policy's name
    #[arg(value_parser = names::policy)]
    name: String,
    #[command(flatten)]
    from: To,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Done {
    policy_name: String,
    targets: Vec<String>,
}

impl To {
    /// The ARNs that are meant.
    async fn arns(&self, cloud: &Target) -> Result<Vec<String>, Failure> {
        if let Some(arn) = &self.target {
            return Ok(vec![arn.clone()]);
        }
        if let Some(group) = &self.thing_group {
            let answer = cloud
                .iot
                .describe_thing_group()
                .thing_group_name(group)
                .send()
                .await
                .map_err(|error| cloud.advise(api::failed("DescribeThingGroup")(error)))?;
            return Ok(answer.thing_group_arn.into_iter().collect());
        }
        if let Some(thing) = &self.thing {
            let found = principals(cloud, thing).await?;
            if found.is_empty() {
                return Err(Failure::new(
                    Exit::Api,
                    format!("no certificate is attached to thing `{thing}`"),
                ));
            }
            return Ok(found);
        }
        let id = self.certificate.as_deref().unwrap_or_default();
        let answer = cloud
            .iot
            .describe_certificate()
            .certificate_id(id)
            .send()
            .await
            .map_err(|error| cloud.advise(api::failed("DescribeCertificate")(error)))?;
        let arn = answer
            .certificate_description
            .and_then(|found| found.certificate_arn);
        Ok(arn.into_iter().collect())
    }
}

impl Attach {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let cloud = context.target.connect().await?;
        let targets = self.to.arns(&cloud).await?;
        for arn in &targets {
            cloud.attach_policy(&self.name, arn).await?;
            output::done(format_args!("policy `{}` attached to {arn}", self.name));
        }
        finish(context, self.name, targets)
    }
}

impl Detach {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let cloud = context.target.connect().await?;
        let targets = self.from.arns(&cloud).await?;
        for arn in &targets {
            cloud
                .iot
                .detach_policy()
                .policy_name(&self.name)
                .target(arn)
                .send()
                .await
                .map_err(api::failed("DetachPolicy"))?;
            output::done(format_args!("policy `{}` detached from {arn}", self.name));
        }
        finish(context, self.name, targets)
    }
}

fn finish(context: &Context, policy_name: String, targets: Vec<String>) -> Result<(), Failure> {
    if context.json {
        output::json(&Done {
            policy_name,
            targets,
        })
    } else {
        Ok(())
    }
}
