//! Operations on policies and what they are attached to. Verbs and paths have traps (`G-18`).

use serde_json::{Value, json};

use super::ApiState;
use super::answer::ApiError;
use super::call::Call;
use super::things::with_token;
use crate::registry::{Page, PolicyTarget, Timestamp};

/// The header of a principal in the operations with the old names (`G-17`).
const PRINCIPAL: &str = "x-amzn-iot-principal";

pub(super) fn create_policy(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    call.refuse("tags")?;
    let name = call.label("policyName");
    let document = call.required_text("policyDocument")?;
    let policy = state
        .registry
        .create_policy(name, document, Timestamp::now())?;
    Ok(json!({
        "policyName": policy.name,
        "policyArn": state.registry.place().policy_arn(&policy.name),
        "policyDocument": policy.document(),
        "policyVersionId": policy.default_version.to_string(),
    }))
}

pub(super) fn get_policy(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let policy = state.registry.policy(call.label("policyName"))?;
    Ok(json!({
        "policyName": policy.name,
        "policyArn": state.registry.place().policy_arn(&policy.name),
        "policyDocument": policy.document(),
        "defaultVersionId": policy.default_version.to_string(),
        "creationDate": policy.created.seconds(),
        "lastModifiedDate": policy.modified.seconds(),
        "generationId": policy.generation_id,
    }))
}

pub(super) fn list_policies(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let ascending = call.flag("isAscendingOrder")?;
    let page = state
        .registry
        .policies(ascending, &call.page_by_marker()?)?;
    Ok(policy_list(state, page))
}

pub(super) fn delete_policy(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    state.registry.delete_policy(call.label("policyName"))?;
    Ok(json!({}))
}

pub(super) fn attach_policy(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let target = call.required_text("target")?;
    state
        .registry
        .attach_policy(call.label("policyName"), target)?;
    Ok(json!({}))
}

pub(super) fn detach_policy(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let target = call.required_text("target")?;
    state
        .registry
        .detach_policy(call.label("policyName"), target)?;
    Ok(json!({}))
}

pub(super) fn list_attached_policies(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    // `recursive` adds the policies of a group's ancestors; a certificate has none.
    let recursive = call.flag("recursive")?;
    let page = state.registry.attached_policies(
        call.label("target"),
        recursive,
        &call.page_by_marker()?,
    )?;
    Ok(policy_list(state, page))
}

pub(super) fn list_targets_for_policy(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let page = state
        .registry
        .policy_targets(call.label("policyName"), &call.page_by_marker()?)?;
    Ok(target_list(state, page, "targets"))
}

pub(super) fn attach_principal_policy(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let principal = principal(state, call)?;
    state
        .registry
        .attach_policy(call.label("policyName"), principal)?;
    Ok(json!({}))
}

pub(super) fn detach_principal_policy(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let principal = principal(state, call)?;
    state
        .registry
        .detach_policy(call.label("policyName"), principal)?;
    Ok(json!({}))
}

pub(super) fn list_principal_policies(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let principal = principal(state, call)?;
    let page = state
        .registry
        .attached_policies(principal, false, &call.page_by_marker()?)?;
    Ok(policy_list(state, page))
}

pub(super) fn list_policy_principals(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let policy = call.header("x-amzn-iot-policy", "policyName")?;
    let page = state
        .registry
        .policy_principals(policy, &call.page_by_marker()?)?;
    Ok(target_list(state, page, "principals"))
}

/// The principal of an operation with an old name. A thing group is none.
fn principal<'c>(state: &ApiState, call: &'c Call) -> Result<&'c str, ApiError> {
    let principal = call.header(PRINCIPAL, "principal")?;
    let place = state.registry.place();
    place.certificate_id("principal", principal)?;
    Ok(principal)
}

fn target_list(state: &ApiState, page: Page<PolicyTarget>, member: &str) -> Value {
    let place = state.registry.place();
    let arns: Vec<String> = page
        .items
        .iter()
        .map(|target| place.target_arn(target))
        .collect();
    with_token("nextMarker", page.next, json!({ member: arns }))
}

fn policy_list(state: &ApiState, page: Page<String>) -> Value {
    let place = state.registry.place();
    let policies: Vec<Value> = page
        .items
        .iter()
        .map(|name| json!({ "policyName": name, "policyArn": place.policy_arn(name) }))
        .collect();
    with_token("nextMarker", page.next, json!({ "policies": policies }))
}
