//! What policies would decide, and which there are: TestAuthorization and GetEffectivePolicies (`C-55` to `C-57`).

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use thingwire_policy::Action;

use super::ApiState;
use super::answer::ApiError;
use super::call::{Call, not_one_of, wrong_type};
use crate::authorize::{Trial, Verdict};

/// Most `authInfos` of one request (`C-55`).
const MOST_QUESTIONS: usize = 10;

pub(super) fn test_authorization(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    call.refuse("cognitoIdentityPoolId")?;
    let questions = call
        .list("authInfos")?
        .ok_or_else(|| ApiError::missing("authInfos"))?;
    if questions.is_empty() || questions.len() > MOST_QUESTIONS {
        let rule = format!("Member must have length between 1 and {MOST_QUESTIONS}, inclusive");
        return Err(ApiError::constraint(
            "authInfos",
            &questions.len().to_string(),
            &rule,
        ));
    }
    let principal = call.required_text("principal")?;
    let certificate = state
        .registry
        .place()
        .certificate_id("principal", principal)?;
    // An empty one is how some tools leave a query member out.
    let client_id = call.query("clientId").filter(|id| !id.is_empty());
    let trial = state.authorizer.trial(
        certificate,
        client_id,
        &call.texts("policyNamesToAdd")?,
        &call.texts("policyNamesToSkip")?,
    )?;
    let results = questions
        .iter()
        .map(|question| result(state, &trial, question))
        .collect::<Result<Vec<Value>, ApiError>>()?;
    Ok(json!({ "authResults": results }))
}

fn result(state: &ApiState, trial: &Trial, question: &Value) -> Result<Value, ApiError> {
    let Some(members) = question.as_object() else {
        return Err(wrong_type("authInfos", "a list of objects"));
    };
    let action = action(members)?;
    let verdict = trial.ask(action, &resources(members)?);
    Ok(answer(state, question, &verdict))
}

fn action(members: &Map<String, Value>) -> Result<Action, ApiError> {
    const MEMBER: &str = "authInfos.member.actionType";
    match members.get("actionType").and_then(Value::as_str) {
        Some("CONNECT") => Ok(Action::Connect),
        Some("PUBLISH") => Ok(Action::Publish),
        Some("SUBSCRIBE") => Ok(Action::Subscribe),
        Some("RECEIVE") => Ok(Action::Receive),
        Some(other) => Err(not_one_of(
            MEMBER,
            other,
            "[PUBLISH, SUBSCRIBE, RECEIVE, CONNECT]",
        )),
        None => Err(ApiError::missing(MEMBER)),
    }
}

fn resources(members: &Map<String, Value>) -> Result<Vec<&str>, ApiError> {
    const MEMBER: &str = "authInfos.member.resources";
    let resources = match members.get("resources") {
        None | Some(Value::Null) => return Err(ApiError::missing(MEMBER)),
        Some(Value::Array(resources)) => resources,
        Some(_) => return Err(wrong_type(MEMBER, "a list of ARNs")),
    };
    if resources.is_empty() {
        let rule = "Member must have length greater than or equal to 1";
        return Err(ApiError::constraint(MEMBER, "[]", rule));
    }
    resources
        .iter()
        .map(|resource| match resource.as_str() {
            Some(arn) if arn.starts_with("arn:") => Ok(arn),
            Some(other) => Err(ApiError::constraint(
                MEMBER,
                other,
                "Member must be an ARN such as arn:aws:iot:<region>:<account>:topic/<topic>",
            )),
            None => Err(wrong_type(MEMBER, "a list of ARNs")),
        })
        .collect()
}

fn answer(state: &ApiState, question: &Value, verdict: &Verdict) -> Value {
    let place = state.registry.place();
    let policies = |names: &BTreeSet<String>| {
        let list: Vec<Value> = names
            .iter()
            .map(|name| json!({ "policyName": name, "policyArn": place.policy_arn(name) }))
            .collect();
        json!({ "policies": list })
    };
    let mut answer = json!({
        "authInfo": question,
        "authDecision": verdict.outcome.name(),
        "allowed": policies(&verdict.allowed_by),
        "denied": {
            "implicitDeny": policies(&verdict.silent),
            "explicitDeny": policies(&verdict.denied_by),
        },
        "missingContextValues": verdict.missing,
    });
    // Only what the model has is repeated.
    if let Some(Value::Object(question)) = answer.get_mut("authInfo") {
        question.retain(|name, _| name == "actionType" || name == "resources");
    }
    answer
}

/// The policies of the principal, of the thing's groups, or of both (`C-57`).
pub(super) fn get_effective_policies(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    call.refuse("cognitoIdentityPoolId")?;
    let thing = call.query("thingName").filter(|name| !name.is_empty());
    let principal = match call.text("principal")? {
        Some(arn) => Some(state.registry.place().policy_target("principal", arn)?),
        None if thing.is_none() => return Err(ApiError::missing("principal")),
        None => None,
    };
    let policies: Vec<Value> = state
        .registry
        .effective_policies(principal.as_ref(), thing)?
        .iter()
        .map(|policy| {
            json!({
                "policyName": policy.name,
                "policyArn": state.registry.place().policy_arn(&policy.name),
                "policyDocument": policy.document(),
            })
        })
        .collect();
    Ok(json!({ "effectivePolicies": policies }))
}
