//! Operations on the versions of a policy (`C-4`).

use serde_json::{Value, json};

use super::ApiState;
use super::answer::ApiError;
use super::call::Call;
use crate::registry::Timestamp;

pub(super) fn create_policy_version(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let name = call.label("policyName");
    let document = call.required_text("policyDocument")?;
    let as_default = call.flag("setAsDefault")?;
    let id = state
        .registry
        .create_policy_version(name, document, as_default, Timestamp::now())?;
    Ok(json!({
        "policyArn": state.registry.place().policy_arn(name),
        "policyDocument": document,
        "policyVersionId": id.to_string(),
        "isDefaultVersion": as_default,
    }))
}

pub(super) fn list_policy_versions(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let policy = state.registry.policy(call.label("policyName"))?;
    let versions: Vec<Value> = policy
        .versions
        .iter()
        .map(|(id, version)| {
            json!({
                "versionId": id.to_string(),
                "isDefaultVersion": *id == policy.default_version,
                "createDate": version.created.seconds(),
            })
        })
        .collect();
    Ok(json!({ "policyVersions": versions }))
}

pub(super) fn get_policy_version(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let policy = state.registry.policy(call.label("policyName"))?;
    let id = version_id(call)?;
    let version = policy.version(id)?;
    Ok(json!({
        "policyArn": state.registry.place().policy_arn(&policy.name),
        "policyName": policy.name,
        "policyDocument": version.document,
        "policyVersionId": id.to_string(),
        "isDefaultVersion": id == policy.default_version,
        "creationDate": version.created.seconds(),
        "lastModifiedDate": version.created.seconds(),
        "generationId": policy.generation_id,
    }))
}

pub(super) fn set_default_policy_version(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    state.registry.set_default_policy_version(
        call.label("policyName"),
        version_id(call)?,
        Timestamp::now(),
    )?;
    Ok(json!({}))
}

pub(super) fn delete_policy_version(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    state.registry.delete_policy_version(
        call.label("policyName"),
        version_id(call)?,
        Timestamp::now(),
    )?;
    Ok(json!({}))
}

fn version_id(call: &Call) -> Result<u32, ApiError> {
    const MEMBER: &str = "policyVersionId";
    let text = call.label(MEMBER);
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        let rule = "Member must satisfy regular expression pattern: [0-9]+";
        return Err(ApiError::constraint(MEMBER, text, rule));
    }
    // Digits that are no u32 name a version that cannot be there.
    text.parse()
        .map_err(|_| ApiError::not_found(format!("The policy version {text} was not found")))
}
