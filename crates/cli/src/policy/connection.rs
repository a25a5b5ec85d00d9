//! The connection that a question is about: from flags, from a kit, from the cloud's registry.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use thingwire_cloud::authorize::Names;
use thingwire_kit::Kit;
use thingwire_policy::{Context, Thing};
use thingwire_policy_tools::expectations::certificate_attribute;

use super::files::OwnCloud;
use crate::exit::{Exit, Failure};
use crate::{names, output};

/// Flags that describe a connection.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "The connection")]
pub(super) struct ConnectionArgs {
    /// The client id [default: the kit's]
    #[arg(long, value_name = "ID", value_parser = names::client)]
    pub(super) client: Option<String>,
    /// The device's connection kit: client id, thing, certificate, region, account
    #[arg(long, value_name = "DIR")]
    pub(super) kit: Option<PathBuf>,
    /// The thing that the certificate is attached to [default: the one named like the client id]
    #[arg(long, value_name = "NAME", value_parser = names::thing)]
    pub(super) thing: Option<String>,
    /// The certificate is attached to no thing
    #[arg(long, conflicts_with_all = ["exclusive", "attribute", "thing_type"])]
    pub(super) unattached: bool,
    /// The certificate is attached to the thing exclusively
    #[arg(long)]
    pub(super) exclusive: bool,
    /// An attribute of the thing; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(super) attribute: Vec<(String, String)>,
    /// The thing's type
    #[arg(long, value_name = "NAME")]
    pub(super) thing_type: Option<String>,
    /// The certificate's id
    #[arg(long, value_name = "ID")]
    pub(super) certificate_id: Option<String>,
    /// An attribute of the certificate's subject, such as CommonName=lamp; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = holder)]
    pub(super) subject: Vec<(String, String)>,
    /// An attribute of the certificate's issuer; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = holder)]
    pub(super) issuer: Vec<(String, String)>,
    /// The client's address
    #[arg(long, value_name = "IP")]
    pub(super) source_ip: Option<IpAddr>,
    /// The domain that the client connects to
    #[arg(long, value_name = "NAME")]
    pub(super) domain: Option<String>,
    /// The client asks for a persistent session
    #[arg(long)]
    pub(super) persistent: bool,
    /// The topic of the client's Will
    #[arg(long, value_name = "TOPIC")]
    pub(super) will: Option<String>,
    /// The request comes over HTTPS, where thing variables have no value
    #[arg(long)]
    pub(super) https: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

fn holder(text: &str) -> Result<(String, String), String> {
    let (name, value) = pair(text)?;
    match certificate_attribute(&name) {
        Some(known) => Ok((known.to_owned(), value)),
        None => Err(format!(
            "policies know no certificate attribute `{name}`; one is `CommonName`"
        )),
    }
}

impl ConnectionArgs {
    /// The kit, if one is named.
    pub(super) fn kit(&self) -> Result<Option<Kit>, Failure> {
        let Some(dir) = &self.kit else {
            return Ok(None);
        };
        Ok(Some(Kit::load(dir)?))
    }

    /// The connection as flags and kit describe it; what is assumed is said.
    ///
    /// # Errors
    /// If the kit cannot be read, or neither says a client id.
    pub(super) fn described(&self, own: &OwnCloud) -> Result<Context, Failure> {
        let kit = self.kit()?;
        let of_kit = |value: fn(&Kit) -> &String| kit.as_ref().map(|kit| value(kit).as_str());
        let (region, account) = own.or(of_kit(|kit| &kit.region), of_kit(|kit| &kit.account_id));
        let mut context = Context::new(&region, &account);
        let client = self
            .client
            .clone()
            .or_else(|| kit.as_ref().map(|kit| kit.client_id.clone()))
            .ok_or_else(|| {
                Failure::new(
                    Exit::Usage,
                    "whose connection? neither a client id nor a kit is given",
                )
                .advise("--client ID or --kit DIR")
            })?;
        let of_kit = kit.as_ref().and_then(|kit| kit.thing_name.clone());
        let thing = self.thing.clone().or(of_kit);
        if !self.unattached && thing.is_none() {
            output::talk(format_args!(
                "  assumed: the certificate is attached to thing `{client}` (else say --thing NAME or --unattached)"
            ));
        }
        let name = thing.unwrap_or_else(|| client.clone());
        context.client_id = Some(client);
        // An unattached thing still exists; then the reason says so.
        context.things.push(Thing {
            attached: !self.unattached,
            exclusive: self.exclusive,
            type_name: self.thing_type.clone(),
            attributes: self.attribute.clone(),
            ..Thing::attached(&name)
        });
        if let Some(leaf) = kit.as_ref().and_then(|kit| kit.certificate.first()) {
            context.certificate_id = Some(thingwire_cloud::pki::certificate_id(leaf));
            if let Some(dir) = &self.kit
                && let Ok(pem) = std::fs::read_to_string(dir.join("certificate.pem"))
            {
                certificate(&mut context, &pem);
            }
        }
        self.details(&mut context);
        Ok(context)
    }

    /// What flags say of the certificate and the request, whoever said the rest.
    pub(super) fn details(&self, context: &mut Context) {
        if let Some(id) = &self.certificate_id {
            context.certificate_id = Some(id.clone());
        }
        for (name, value) in &self.subject {
            context.subject.add(name, value);
        }
        for (name, value) in &self.issuer {
            context.issuer.add(name, value);
        }
        context.source_ip = self.source_ip;
        context.domain_name.clone_from(&self.domain);
        context.persistent = self.persistent;
        context.last_will_topic.clone_from(&self.will);
        context.mqtt = !self.https;
    }
}

/// Fills in what a certificate says of itself.
pub(super) fn certificate(context: &mut Context, pem: &str) {
    let names = Names::read(pem);
    context.subject = names.subject;
    context.issuer = names.issuer;
    context.certificate_serial_number = names.serial_number;
}
