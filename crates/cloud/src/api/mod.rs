//! The control-plane REST API: what `aws iot …` and every AWS SDK speak (section G).
//!
//! [`OPERATIONS`] is the table of `G.4` as far as it is served. A request is matched against it, read ([`call`]), handed to one
//! function that makes one call of the registry, and answered ([`answer`]). Whatever the credentials, any signature
//! is accepted for now and none is required (`G-2`): the listener lets only this computer in.

mod answer;
mod authorization;
mod call;
mod certificates;
mod endpoint;
mod groups;
mod ours;
mod policies;
mod principals;
#[cfg(test)]
mod tests;
mod things;
mod versions;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::HeaderValue;
use axum::response::Response;
use serde_json::Value;

use crate::authorize::Authorizer;
use crate::health::Operation;
use crate::pki::Pki;
use crate::ready::Ready;
use crate::refusals::Refusals;
use crate::registry::Registry;
use answer::ApiError;
use call::{Call, Labels};

/// What the API works with.
#[derive(Clone, Debug)]
pub struct ApiState {
    /// Things, thing groups, certificates, policies.
    pub registry: Arc<Registry>,
    /// Decides, for TestAuthorization as for the broker (`C-58`).
    pub authorizer: Arc<Authorizer>,
    /// Issues and reads certificates.
    pub pki: Arc<Pki>,
    /// The latest refusals, for whoever wonders why.
    pub refusals: Arc<Refusals>,
    /// The host name that DescribeEndpoint answers (`A-2`).
    pub endpoint: String,
    /// Where everything listens, for tools that know the control plane only.
    pub ready: Option<Ready>,
}

/// Serves one operation. It may block on the disk, or on making a key.
type Serve = fn(&ApiState, &Call) -> Result<Value, ApiError>;

/// Name, method, path and function of every operation served.
const OPERATIONS: &[(&str, &str, &str, Serve)] = &[
    (
        "DescribeEndpoint",
        "GET",
        "/endpoint",
        endpoint::describe_endpoint,
    ),
    // Things
    (
        "CreateThing",
        "POST",
        "/things/{thingName}",
        things::create_thing,
    ),
    (
        "DescribeThing",
        "GET",
        "/things/{thingName}",
        things::describe_thing,
    ),
    (
        "UpdateThing",
        "PATCH",
        "/things/{thingName}",
        things::update_thing,
    ),
    (
        "DeleteThing",
        "DELETE",
        "/things/{thingName}",
        things::delete_thing,
    ),
    ("ListThings", "GET", "/things", things::list_things),
    (
        "AttachThingPrincipal",
        "PUT",
        "/things/{thingName}/principals",
        principals::attach_thing_principal,
    ),
    (
        "DetachThingPrincipal",
        "DELETE",
        "/things/{thingName}/principals",
        principals::detach_thing_principal,
    ),
    (
        "ListThingPrincipals",
        "GET",
        "/things/{thingName}/principals",
        principals::list_thing_principals,
    ),
    (
        "ListThingPrincipalsV2",
        "GET",
        "/things/{thingName}/principals-v2",
        principals::list_thing_principals_v2,
    ),
    (
        "ListPrincipalThings",
        "GET",
        "/principals/things",
        principals::list_principal_things,
    ),
    (
        "ListPrincipalThingsV2",
        "GET",
        "/principals/things-v2",
        principals::list_principal_things_v2,
    ),
    // Thing groups
    (
        "CreateThingGroup",
        "POST",
        "/thing-groups/{thingGroupName}",
        groups::create_thing_group,
    ),
    (
        "DescribeThingGroup",
        "GET",
        "/thing-groups/{thingGroupName}",
        groups::describe_thing_group,
    ),
    (
        "UpdateThingGroup",
        "PATCH",
        "/thing-groups/{thingGroupName}",
        groups::update_thing_group,
    ),
    (
        "DeleteThingGroup",
        "DELETE",
        "/thing-groups/{thingGroupName}",
        groups::delete_thing_group,
    ),
    (
        "ListThingGroups",
        "GET",
        "/thing-groups",
        groups::list_thing_groups,
    ),
    (
        "AddThingToThingGroup",
        "PUT",
        "/thing-groups/addThingToThingGroup",
        groups::add_thing_to_thing_group,
    ),
    (
        "RemoveThingFromThingGroup",
        "PUT",
        "/thing-groups/removeThingFromThingGroup",
        groups::remove_thing_from_thing_group,
    ),
    (
        "UpdateThingGroupsForThing",
        "PUT",
        "/thing-groups/updateThingGroupsForThing",
        groups::update_thing_groups_for_thing,
    ),
    (
        "ListThingsInThingGroup",
        "GET",
        "/thing-groups/{thingGroupName}/things",
        groups::list_things_in_thing_group,
    ),
    (
        "ListThingGroupsForThing",
        "GET",
        "/things/{thingName}/thing-groups",
        groups::list_thing_groups_for_thing,
    ),
    (
        "ListTagsForResource",
        "GET",
        "/tags",
        groups::list_tags_for_resource,
    ),
    // Certificates
    (
        "CreateKeysAndCertificate",
        "POST",
        "/keys-and-certificate",
        certificates::create_keys_and_certificate,
    ),
    (
        "CreateCertificateFromCsr",
        "POST",
        "/certificates",
        certificates::create_certificate_from_csr,
    ),
    (
        "RegisterCertificateWithoutCA",
        "POST",
        "/certificate/register-no-ca",
        certificates::register_certificate_without_ca,
    ),
    (
        "DescribeCertificate",
        "GET",
        "/certificates/{certificateId}",
        certificates::describe_certificate,
    ),
    (
        "UpdateCertificate",
        "PUT",
        "/certificates/{certificateId}",
        certificates::update_certificate,
    ),
    (
        "DeleteCertificate",
        "DELETE",
        "/certificates/{certificateId}",
        certificates::delete_certificate,
    ),
    (
        "ListCertificates",
        "GET",
        "/certificates",
        certificates::list_certificates,
    ),
    // Policies
    (
        "CreatePolicy",
        "POST",
        "/policies/{policyName}",
        policies::create_policy,
    ),
    (
        "GetPolicy",
        "GET",
        "/policies/{policyName}",
        policies::get_policy,
    ),
    ("ListPolicies", "GET", "/policies", policies::list_policies),
    (
        "DeletePolicy",
        "DELETE",
        "/policies/{policyName}",
        policies::delete_policy,
    ),
    (
        "AttachPolicy",
        "PUT",
        "/target-policies/{policyName}",
        policies::attach_policy,
    ),
    (
        "DetachPolicy",
        "POST",
        "/target-policies/{policyName}",
        policies::detach_policy,
    ),
    (
        "ListAttachedPolicies",
        "POST",
        "/attached-policies/{target}",
        policies::list_attached_policies,
    ),
    (
        "ListTargetsForPolicy",
        "POST",
        "/policy-targets/{policyName}",
        policies::list_targets_for_policy,
    ),
    (
        "CreatePolicyVersion",
        "POST",
        "/policies/{policyName}/version",
        versions::create_policy_version,
    ),
    (
        "ListPolicyVersions",
        "GET",
        "/policies/{policyName}/version",
        versions::list_policy_versions,
    ),
    (
        "GetPolicyVersion",
        "GET",
        "/policies/{policyName}/version/{policyVersionId}",
        versions::get_policy_version,
    ),
    (
        "SetDefaultPolicyVersion",
        "PATCH",
        "/policies/{policyName}/version/{policyVersionId}",
        versions::set_default_policy_version,
    ),
    (
        "DeletePolicyVersion",
        "DELETE",
        "/policies/{policyName}/version/{policyVersionId}",
        versions::delete_policy_version,
    ),
    (
        "TestAuthorization",
        "POST",
        "/test-authorization",
        authorization::test_authorization,
    ),
    (
        "GetEffectivePolicies",
        "POST",
        "/effective-policies",
        authorization::get_effective_policies,
    ),
    // The same under their old names, deprecated but still in the AWS CLI (`G-16`, `G-17`)
    (
        "AttachPrincipalPolicy",
        "PUT",
        "/principal-policies/{policyName}",
        policies::attach_principal_policy,
    ),
    (
        "DetachPrincipalPolicy",
        "DELETE",
        "/principal-policies/{policyName}",
        policies::detach_principal_policy,
    ),
    (
        "ListPrincipalPolicies",
        "GET",
        "/principal-policies",
        policies::list_principal_policies,
    ),
    (
        "ListPolicyPrincipals",
        "GET",
        "/policy-principals",
        policies::list_policy_principals,
    ),
    // What AWS does not have; the command line uses it.
    ("Health", "GET", "/_thingwire/health", ours::health),
    ("Refusals", "GET", "/_thingwire/refusals", ours::refusals),
];

/// The API as a router of axum.
pub fn router(state: ApiState) -> Router {
    Router::new()
        .fallback(answer_request)
        .layer(DefaultBodyLimit::max(call::MAX_BODY))
        .with_state(state)
}

/// Answers every request, with an `x-amzn-RequestId` in any case (`G-5`). Waits for the body and for the registry; if it is dropped, a
/// change that has begun is still finished.
async fn answer_request(State(state): State<ApiState>, request: Request) -> Response {
    let id = uuid::Uuid::new_v4().to_string();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let mut operation = None;
    let result = serve(state, request, &mut operation).await;
    match &result {
        Ok(_) => tracing::debug!(%id, operation, "answered"),
        Err(error) => tracing::debug!(%id, %method, path, operation, %error, "refused"),
    }
    let mut response = answer::response(result);
    if let Some(name) = operation {
        response.extensions_mut().insert(Operation(name));
    }
    if let Ok(value) = HeaderValue::try_from(id) {
        response.headers_mut().insert("x-amzn-requestid", value);
    }
    response
}

async fn serve(
    state: ApiState,
    request: Request,
    operation: &mut Option<&'static str>,
) -> Result<Value, ApiError> {
    let (head, body) = call::receive(request).await?;
    let method = head.method.as_str();
    let path = head.uri.path();
    let found = OPERATIONS
        .iter()
        .find_map(|(name, served, template, serve)| {
            let labels = (*served == method).then(|| Labels::read(template, path))??;
            Some((*name, labels, *serve))
        });
    let Some((name, labels, serve)) = found else {
        return Err(ApiError::unknown_operation(method, path));
    };
    *operation = Some(name);
    let call = Call::read(labels?, &head, &body)?;
    let body = tokio::task::spawn_blocking(move || serve(&state, &call))
        .await
        .map_err(|error| {
            tracing::error!(operation = name, %error, "an operation ended without an answer");
            ApiError::internal()
        })??;
    Ok(body)
}
