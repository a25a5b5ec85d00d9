//! What is attached to what in a cloud, all pages of it.

use crate::api;
use crate::exit::Failure;
use crate::target::Target;

/// All principals of a thing.
pub(crate) async fn principals(cloud: &Target, thing: &str) -> Result<Vec<String>, Failure> {
    let mut principals = Vec::new();
    let mut token = None;
    loop {
        let page = cloud
            .iot
            .list_thing_principals()
            .thing_name(thing)
            .set_next_token(token)
            .send()
            .await
            .map_err(|error| cloud.advise(api::failed("ListThingPrincipals")(error)))?;
        principals.extend_from_slice(page.principals());
        match page.next_token {
            Some(next) if !next.is_empty() => token = Some(next),
            _ => return Ok(principals),
        }
    }
}

/// The names of all policies attached to a certificate or a thing group; with `recursive`, those of the group's ancestors too.
pub(crate) async fn policies(
    cloud: &Target,
    arn: &str,
    recursive: bool,
) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    let mut marker = None;
    loop {
        let page = cloud
            .iot
            .list_attached_policies()
            .target(arn)
            .recursive(recursive)
            .set_marker(marker)
            .send()
            .await
            .map_err(api::failed("ListAttachedPolicies"))?;
        names.extend(
            page.policies()
                .iter()
                .filter_map(|policy| policy.policy_name.clone()),
        );
        match page.next_marker {
            Some(next) if !next.is_empty() => marker = Some(next),
            _ => return Ok(names),
        }
    }
}
