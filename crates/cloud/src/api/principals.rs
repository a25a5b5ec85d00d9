//! Operations that attach certificates to things and show what is attached. The principal travels in a header (`G-17`).

use serde_json::{Value, json};

use super::ApiState;
use super::answer::ApiError;
use super::call::{Call, not_one_of};
use super::things::with_token;
use crate::registry::{AttachmentType, Page};

const HEADER: &str = "x-amzn-principal";

pub(super) fn attach_thing_principal(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let kind = attachment_type(call)?.unwrap_or(AttachmentType::NonExclusiveThing);
    let principal = call.header(HEADER, "principal")?;
    state
        .registry
        .attach_thing_principal(call.label("thingName"), principal, kind)?;
    Ok(json!({}))
}

pub(super) fn detach_thing_principal(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let principal = call.header(HEADER, "principal")?;
    state
        .registry
        .detach_thing_principal(call.label("thingName"), principal)?;
    Ok(json!({}))
}

pub(super) fn list_thing_principals(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let page = thing_principals(state, call, None)?;
    let principals: Vec<&String> = page.items.iter().map(|(arn, _)| arn).collect();
    Ok(with_token(
        "nextToken",
        page.next,
        json!({ "principals": principals }),
    ))
}

pub(super) fn list_thing_principals_v2(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let page = thing_principals(state, call, attachment_type(call)?)?;
    let objects: Vec<Value> = page
        .items
        .iter()
        .map(|(arn, kind)| json!({ "principal": arn, "thingPrincipalType": kind.name() }))
        .collect();
    Ok(with_token(
        "nextToken",
        page.next,
        json!({ "thingPrincipalObjects": objects }),
    ))
}

pub(super) fn list_principal_things(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let principal = call.header(HEADER, "principal")?;
    let page = state
        .registry
        .principal_things(principal, None, &call.page_by_token()?)?;
    let things: Vec<&String> = page.items.iter().map(|(name, _)| name).collect();
    Ok(with_token(
        "nextToken",
        page.next,
        json!({ "things": things }),
    ))
}

pub(super) fn list_principal_things_v2(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let principal = call.header(HEADER, "principal")?;
    let page = state.registry.principal_things(
        principal,
        attachment_type(call)?,
        &call.page_by_token()?,
    )?;
    let objects: Vec<Value> = page
        .items
        .iter()
        .map(|(name, kind)| json!({ "thingName": name, "thingPrincipalType": kind.name() }))
        .collect();
    Ok(with_token(
        "nextToken",
        page.next,
        json!({ "principalThingObjects": objects }),
    ))
}

/// The ARNs of a thing's principals.
fn thing_principals(
    state: &ApiState,
    call: &Call,
    kind: Option<AttachmentType>,
) -> Result<Page<(String, AttachmentType)>, ApiError> {
    let page =
        state
            .registry
            .thing_principals(call.label("thingName"), kind, &call.page_by_token()?)?;
    let place = state.registry.place();
    let items = page
        .items
        .into_iter()
        .map(|(id, kind)| (place.certificate_arn(&id), kind))
        .collect();
    Ok(Page {
        items,
        next: page.next,
    })
}

fn attachment_type(call: &Call) -> Result<Option<AttachmentType>, ApiError> {
    const MEMBER: &str = "thingPrincipalType";
    match call.query(MEMBER) {
        None => Ok(None),
        Some("EXCLUSIVE_THING") => Ok(Some(AttachmentType::ExclusiveThing)),
        Some("NON_EXCLUSIVE_THING") => Ok(Some(AttachmentType::NonExclusiveThing)),
        Some(other) => Err(not_one_of(
            MEMBER,
            other,
            "[EXCLUSIVE_THING, NON_EXCLUSIVE_THING]",
        )),
    }
}
