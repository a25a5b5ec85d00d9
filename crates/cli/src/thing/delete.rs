//! `thingwire thing delete`: the thing, and with `--force` the certificates that only it has.

use clap::Args;

use super::show::certificate_id;
use crate::attachments::{policies, principals};
use crate::exit::{Exit, Failure};
use crate::target::Target;
use crate::{Context, api, names, output};

/// Arguments of `thingwire thing delete`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire thing delete shed
  thingwire thing delete esp32-kitchen --force

With --force its device cannot connect any more: its certificates are deleted, too.")]
pub(crate) struct Delete {
    /// The thing's name
    #[arg(value_parser = names::thing)]
    name: String,
    /// Detach its certificates first, and delete those that no other thing uses
    #[arg(long)]
    force: bool,
}

impl Delete {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let cloud = context.target.connect().await?;
        let name = self.name.as_str();
        // DeleteThing of a missing thing succeeds (G-11); a person who mistyped wants to know.
        cloud
            .iot
            .describe_thing()
            .thing_name(name)
            .send()
            .await
            .map_err(|error| cloud.advise(api::failed("DescribeThing")(error)))?;
        let attached = principals(&cloud, name).await?;
        if !attached.is_empty() && !self.force {
            return Err(Failure::new(
                Exit::Api,
                format!("`{name}` has {} certificate(s) attached", attached.len()),
            )
            .advise("detach and delete them with it: --force"));
        }
        for arn in &attached {
            cloud
                .iot
                .detach_thing_principal()
                .thing_name(name)
                .principal(arn)
                .send()
                .await
                .map_err(api::failed("DetachThingPrincipal"))?;
            if let Some(id) = certificate_id(arn) {
                delete_unless_used(&cloud, arn, id).await?;
            }
        }
        cloud
            .iot
            .delete_thing()
            .thing_name(name)
            .send()
            .await
            .map_err(api::failed("DeleteThing"))?;
        output::done(format_args!("thing `{name}` deleted"));
        Ok(())
    }
}

async fn delete_unless_used(cloud: &Target, arn: &str, id: &str) -> Result<(), Failure> {
    let others = cloud
        .iot
        .list_principal_things()
        .principal(arn)
        .send()
        .await
        .map_err(api::failed("ListPrincipalThings"))?;
    if let [other, ..] = others.things() {
        output::talk(format_args!("  certificate {id} stays: `{other}` uses it"));
        return Ok(());
    }
    for policy in policies(cloud, arn, false).await? {
        cloud
            .iot
            .detach_policy()
            .policy_name(&policy)
            .target(arn)
            .send()
            .await
            .map_err(api::failed("DetachPolicy"))?;
    }
    cloud.deactivate(id).await?;
    cloud
        .iot
        .delete_certificate()
        .certificate_id(id)
        .send()
        .await
        .map_err(api::failed("DeleteCertificate"))?;
    output::done(format_args!("certificate {id} deleted"));
    Ok(())
}
