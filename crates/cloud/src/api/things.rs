//! Operations on things.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::ApiState;
use super::answer::ApiError;
use super::call::{Call, wrong_type};
use crate::registry::{AttributeChange, Thing, ThingFilter};

pub(super) fn create_thing(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    refuse_types(call)?;
    let attributes = attribute_payload(call)?.unwrap_or_default().attributes;
    let thing = state
        .registry
        .create_thing(call.label("thingName"), attributes)?;
    Ok(json!({
        "thingName": thing.name,
        "thingArn": state.registry.place().thing_arn(&thing.name),
        "thingId": thing.id,
    }))
}

pub(super) fn describe_thing(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let thing = state.registry.thing(call.label("thingName"))?;
    Ok(json!({
        "defaultClientId": thing.name,
        "thingName": thing.name,
        "thingId": thing.id,
        "thingArn": state.registry.place().thing_arn(&thing.name),
        "attributes": thing.attributes,
        "version": thing.version,
    }))
}

pub(super) fn update_thing(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    refuse_types(call)?;
    // Without thing types there is none to remove, so `removeThingType` asks for nothing.
    let change = attribute_payload(call)?;
    let expected = call.integer("expectedVersion")?;
    state
        .registry
        .update_thing(call.label("thingName"), change, expected)?;
    Ok(json!({}))
}

pub(super) fn delete_thing(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let expected = call.number("expectedVersion")?;
    state
        .registry
        .delete_thing(call.label("thingName"), expected)?;
    Ok(json!({}))
}

pub(super) fn list_things(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    if call.query("thingTypeName").is_some() {
        // No thing has a type.
        return Ok(json!({ "things": [] }));
    }
    let filter = ThingFilter {
        attribute_name: call.query("attributeName").map(str::to_owned),
        attribute_value: call.query("attributeValue").map(str::to_owned),
        prefix: call.flag("usePrefixAttributeValue")?,
    };
    let page = state.registry.things(&filter, &call.page_by_token()?)?;
    let summary = |thing: &Thing| {
        json!({
            "thingName": thing.name,
            "thingArn": state.registry.place().thing_arn(&thing.name),
            "attributes": thing.attributes,
            "version": thing.version,
        })
    };
    let things: Vec<Value> = page.items.iter().map(|thing| summary(thing)).collect();
    Ok(with_token(
        "nextToken",
        page.next,
        json!({ "things": things }),
    ))
}

/// Adds the token of the next page, if there is one.
pub(super) fn with_token(member: &str, token: Option<String>, mut body: Value) -> Value {
    if let (Some(members), Some(token)) = (body.as_object_mut(), token) {
        members.insert(member.to_owned(), token.into());
    }
    body
}

/// Thing types and billing groups do not exist here yet, so whoever names one names what is not there.
fn refuse_types(call: &Call) -> Result<(), ApiError> {
    if let Some(name) = call.text("thingTypeName")? {
        return Err(ApiError::not_found(format!(
            "Thing type {name} not found; the local cloud has no thing types yet"
        )));
    }
    if let Some(name) = call.text("billingGroupName")? {
        return Err(ApiError::not_found(format!(
            "Billing group {name} not found; the local cloud has no billing groups"
        )));
    }
    Ok(())
}

fn attribute_payload(call: &Call) -> Result<Option<AttributeChange>, ApiError> {
    match call.object("attributePayload")? {
        None => Ok(None),
        Some(payload) => attribute_change(payload),
    }
}

/// What an `attributePayload` asks for, of a thing or of a group.
pub(super) fn attribute_change(
    payload: &Map<String, Value>,
) -> Result<Option<AttributeChange>, ApiError> {
    let merge = match payload.get("merge") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(merge)) => *merge,
        Some(_) => return Err(wrong_type("attributePayload.merge", "true or false")),
    };
    let attributes = match payload.get("attributes") {
        // A payload without attributes changes none, whatever `merge` says.
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(members)) => attributes(members)?,
        Some(_) => return Err(wrong_type("attributePayload.attributes", "an object")),
    };
    Ok(Some(AttributeChange { attributes, merge }))
}

fn attributes(members: &Map<String, Value>) -> Result<BTreeMap<String, String>, ApiError> {
    members
        .iter()
        .map(|(name, value)| match value {
            Value::String(text) => Ok((name.clone(), text.clone())),
            _ => Err(wrong_type(
                &format!("attributePayload.attributes.{name}"),
                "a string",
            )),
        })
        .collect()
}
