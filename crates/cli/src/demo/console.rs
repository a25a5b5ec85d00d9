//! The demo's second chapter: what the sketch's reader clicks in the AWS IoT console, as API calls.
//!
//! Six calls make something, four look whether it is there. Each is an ordinary call of `aws-sdk-iot` over a socket.

use std::path::Path;

use thingwire_kit::Existing;
use thingwire_policy::{Document, replace_placeholders};

use super::THING;
use super::story::Story;
use crate::exit::{Exit, Failure};
use crate::provision::{self, Certificate};
use crate::target::Target;
use crate::{api, policy};

const POLICY_NAME: &str = "esp32-policy";

/// What is in the cloud afterwards.
pub(super) struct Provisioned {
    pub(super) certificate: Certificate,
}

pub(super) async fn click_through(
    story: &mut Story,
    cloud: &Target,
    kit_dir: &Path,
) -> Result<Provisioned, Failure> {
    story.chapter(
        "2  What you would click in the console",
        "ten API calls; each also works with the AWS CLI",
    )?;
    let local = cloud
        .local
        .as_ref()
        .map(|local| local.ready())
        .transpose()?;
    let account = local.map_or("", |ready| &ready.account_id);

    let endpoint = cloud.endpoint().await?;
    story.ticked_as(
        format_args!("endpoint `{endpoint}`"),
        "aws iot describe-endpoint --endpoint-type iot:Data-ATS",
    )?;

    let (document, replaced) = replace_placeholders(policy::EXAMPLE, &cloud.region, account);
    Document::parse(&document).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    cloud
        .iot
        .create_policy()
        .policy_name(POLICY_NAME)
        .policy_document(&document)
        .send()
        .await
        .map_err(api::failed("CreatePolicy"))?;
    story.ticked_as(
        format_args!(
            "policy `{POLICY_NAME}` (REGION and ACCOUNT_ID replaced in {replaced} places)"
        ),
        format_args!(
            "aws iot create-policy --policy-name {POLICY_NAME} --policy-document file://policy.json"
        ),
    )?;

    let thing = cloud.create_thing(THING).await?;
    story.ticked_as(
        format_args!("thing `{THING}`"),
        format_args!("aws iot create-thing --thing-name {THING}"),
    )?;

    let request = provision::request(THING)?;
    let certificate = cloud.issue(&request.csr).await?;
    let short = short(&certificate.id);
    story.ticked_as(
        format_args!("certificate {short}, ACTIVE; its P-256 key was made here and only the request travelled"),
        "aws iot create-certificate-from-csr --set-as-active --certificate-signing-request file://device.csr",
    )?;

    cloud.attach_policy(POLICY_NAME, &certificate.arn).await?;
    story.ticked_as(
        "policy attached to the certificate: what it may do",
        format_args!(
            "aws iot attach-policy --policy-name {POLICY_NAME} --target {}",
            shown(&certificate.arn)
        ),
    )?;
    cloud.attach_thing(THING, &certificate.arn).await?;
    story.ticked_as(
        "certificate attached to the thing: who it is",
        format_args!(
            "aws iot attach-thing-principal --thing-name {THING} --principal {}",
            shown(&certificate.arn)
        ),
    )?;

    look(story, cloud, &certificate).await?;

    cloud
        .kit(&endpoint, THING, &thing.account, &certificate, request.key)?
        .write(kit_dir, Existing::Keep)?;
    let findings = thingwire_kit::check(kit_dir);
    if let Some(finding) = findings.first() {
        return Err(Failure::new(Exit::Kit, finding.to_string()).advise(finding.advice()));
    }
    story.ticked(format_args!(
        "connection kit written and checked: two roots, certificate, private key ({}), endpoint, client id, test.sh",
        if cfg!(unix) { "mode 0600" } else { "for your user only" },
    ))?;
    Ok(Provisioned { certificate })
}

/// The four calls that only look.
async fn look(story: &mut Story, cloud: &Target, certificate: &Certificate) -> Result<(), Failure> {
    let found = cloud
        .iot
        .describe_thing()
        .thing_name(THING)
        .send()
        .await
        .map_err(api::failed("DescribeThing"))?;
    let version = found.version();
    seen(
        found.thing_name() == Some(THING),
        "DescribeThing does not show the thing",
    )?;
    story.ticked_as(
        format_args!("the thing is there, version {version}"),
        format_args!("aws iot describe-thing --thing-name {THING}"),
    )?;

    let found = cloud
        .iot
        .describe_certificate()
        .certificate_id(&certificate.id)
        .send()
        .await
        .map_err(api::failed("DescribeCertificate"))?;
    let status = found
        .certificate_description()
        .and_then(|found| found.status())
        .map(|status| status.as_str());
    seen(
        status == Some("ACTIVE"),
        "DescribeCertificate does not show the certificate as ACTIVE",
    )?;
    story.ticked_as(
        "the certificate is ACTIVE",
        format_args!(
            "aws iot describe-certificate --certificate-id {}…",
            short(&certificate.id)
        ),
    )?;

    let found = cloud
        .iot
        .list_thing_principals()
        .thing_name(THING)
        .send()
        .await
        .map_err(api::failed("ListThingPrincipals"))?;
    seen(
        found.principals().contains(&certificate.arn),
        "ListThingPrincipals does not show the certificate",
    )?;
    story.ticked_as(
        "the thing has this certificate",
        format_args!("aws iot list-thing-principals --thing-name {THING}"),
    )?;

    let found = cloud
        .iot
        .list_attached_policies()
        .target(&certificate.arn)
        .send()
        .await
        .map_err(api::failed("ListAttachedPolicies"))?;
    let attached = found
        .policies()
        .iter()
        .any(|policy| policy.policy_name() == Some(POLICY_NAME));
    seen(attached, "ListAttachedPolicies does not show the policy")?;
    story.ticked_as(
        "the certificate has this policy",
        format_args!(
            "aws iot list-attached-policies --target {}",
            shown(&certificate.arn)
        ),
    )
}

fn seen(there: bool, otherwise: &str) -> Result<(), Failure> {
    if there {
        Ok(())
    } else {
        Err(Failure::new(Exit::Failed, otherwise))
    }
}

/// The first characters of a certificate id: enough to recognise it.
pub(super) fn short(id: &str) -> String {
    id.chars().take(8).collect()
}

/// An ARN with most of the certificate id left out.
fn shown(arn: &str) -> String {
    match arn.split_once(":cert/") {
        Some((before, id)) => format!("{before}:cert/{}…", short(id)),
        None => arn.to_owned(),
    }
}
