//! `thingwire thing create`: thing, policy, certificate, attachments and kit in one command.
//!
//! Everything that can be wrong on this side (name, policy file, kit folder) is looked at before the first
//! call, so that a mistake leaves nothing half-made in the cloud.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use thingwire_kit::Existing;

use crate::exit::Failure;
use crate::policy_source::PolicySource;
use crate::{Context, names, output, provision};

/// Arguments of `thingwire thing create`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire thing create esp32-kitchen --policy policy.json --kit kitchen
  thingwire thing create esp32-cellar --policy policy --kit cellar     (a policy that exists)
  thingwire thing create shed                                          (only the thing)
  thingwire --cloud aws thing create esp32-kitchen --policy policy.json --kit kitchen-aws

REGION and ACCOUNT_ID in the policy file are replaced by the cloud's own.
The device's key (P-256) is made on this computer and stands in the kit only.")]
pub(crate) struct Create {
    /// The thing's name; with the usual policy also the device's client id
    #[arg(value_parser = names::thing)]
    name: String,
    /// A policy document, or the name of a policy that exists; attached to the certificate
    #[arg(long, value_name = "FILE|NAME", requires = "kit")]
    policy: Option<String>,
    /// Name for the policy [default: the file's name without its ending]
    #[arg(long, value_name = "NAME", requires = "policy", value_parser = names::policy)]
    policy_name: Option<String>,
    /// Make a key and a certificate, and write the connection kit into this folder
    #[arg(long, value_name = "DIR")]
    kit: Option<PathBuf>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    thing_name: String,
    thing_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kit: Option<PathBuf>,
}

impl Create {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let policy = match &self.policy {
            Some(argument) => Some(PolicySource::read(argument, self.policy_name.as_deref())?),
            None => None,
        };
        if let Some(dir) = &self.kit {
            thingwire_kit::prepare(dir)?;
        }
        let cloud = context.target.connect().await?;
        if self.kit.is_some() {
            // Without ports and roots there can be no kit; better now than after five calls.
            cloud.mqtt_ports()?;
        }
        let endpoint = cloud.endpoint().await?;
        let name = self.name.as_str();

        let thing = cloud.create_thing(name).await?;
        output::done(format_args!("thing `{name}`"));
        let mut created = Created {
            thing_name: name.to_owned(),
            thing_arn: thing.arn,
            certificate_id: None,
            certificate_arn: None,
            policy_name: None,
            endpoint: None,
            kit: None,
        };

        if let Some(source) = &policy {
            let in_place = source.ensure(&cloud, &thing.account).await?;
            let how = if in_place.created {
                "created"
            } else {
                "was there already"
            };
            output::done(format_args!("policy `{}` ({how})", in_place.name));
            created.policy_name = Some(in_place.name);
        }

        if let Some(dir) = self.kit {
            let request = provision::request(name)?;
            let certificate = cloud.issue(&request.csr).await?;
            // From here on the key must not be lost: the kit is written before anything else can fail.
            cloud
                .kit(&endpoint, name, &thing.account, &certificate, request.key)?
                .write(&dir, Existing::Keep)
                .map_err(|error| {
                    Failure::from(error).advise(format!(
                        "certificate {} was issued and has no key now; delete it",
                        certificate.id
                    ))
                })?;
            output::done(format_args!(
                "certificate {} (its key was made here)",
                certificate.id
            ));
            if let Some(policy) = &created.policy_name {
                cloud.attach_policy(policy, &certificate.arn).await?;
                output::done(format_args!(
                    "policy `{policy}` attached to the certificate"
                ));
            } else {
                output::warn(
                    "no policy is attached, so this certificate may do nothing: give one with --policy",
                );
            }
            cloud.attach_thing(name, &certificate.arn).await?;
            output::done(format_args!("certificate attached to `{name}`"));
            output::done(format_args!("connection kit `{}`", dir.display()));
            output::talk(format_args!(
                "  next: thingwire device run --kit {}",
                dir.display()
            ));
            created.certificate_id = Some(certificate.id);
            created.certificate_arn = Some(certificate.arn);
            created.endpoint = Some(endpoint);
            created.kit = Some(dir);
        }
        if context.json {
            output::json(&created)
        } else {
            Ok(())
        }
    }
}
