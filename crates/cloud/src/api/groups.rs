//! Operations on thing groups and on which things are in them (`G-19`).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::ApiState;
use super::answer::ApiError;
use super::call::{Call, wrong_type};
use super::things::{attribute_change, with_token};
use crate::registry::{GroupChange, GroupFilter, Page, Timestamp};

pub(super) fn create_thing_group(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let group = state.registry.create_thing_group(
        call.label("thingGroupName"),
        call.text("parentGroupName")?,
        change(call)?.unwrap_or_default(),
        tags(call)?,
        Timestamp::now(),
    )?;
    Ok(json!({
        "thingGroupName": group.name,
        "thingGroupArn": state.registry.place().thing_group_arn(&group.name),
        "thingGroupId": group.id,
    }))
}

pub(super) fn describe_thing_group(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let (group, ancestors) = state.registry.thing_group(call.label("thingGroupName"))?;
    let place = state.registry.place();
    let mut properties = json!({});
    if let Some(description) = &group.description {
        properties["thingGroupDescription"] = json!(description);
    }
    if !group.attributes.is_empty() {
        properties["attributePayload"] = json!({ "attributes": group.attributes });
    }
    let mut metadata = json!({ "creationDate": group.created.seconds() });
    if let Some(parent) = &group.parent {
        metadata["parentGroupName"] = json!(parent);
        metadata["rootToParentThingGroups"] = name_and_arn(state, &ancestors);
    }
    Ok(json!({
        "thingGroupName": group.name,
        "thingGroupId": group.id,
        "thingGroupArn": place.thing_group_arn(&group.name),
        "version": group.version,
        "thingGroupProperties": properties,
        "thingGroupMetadata": metadata,
    }))
}

pub(super) fn update_thing_group(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let change = change(call)?.ok_or_else(|| ApiError::missing("thingGroupProperties"))?;
    let version = state.registry.update_thing_group(
        call.label("thingGroupName"),
        change,
        call.integer("expectedVersion")?,
    )?;
    Ok(json!({ "version": version }))
}

pub(super) fn delete_thing_group(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let expected = call.number("expectedVersion")?;
    state
        .registry
        .delete_thing_group(call.label("thingGroupName"), expected)?;
    Ok(json!({}))
}

pub(super) fn list_thing_groups(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let filter = GroupFilter {
        parent: call.query("parentGroup").map(str::to_owned),
        prefix: call.query("namePrefixFilter").map(str::to_owned),
        // Unlike other flags, it is true if it is not there: so does moto, which was compared with AWS (unsure).
        recursive: call.query("recursive").is_none() || call.flag("recursive")?,
    };
    let page = state
        .registry
        .thing_groups(&filter, &call.page_by_token()?)?;
    Ok(group_list(state, page))
}

pub(super) fn add_thing_to_thing_group(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    // There are no dynamic groups to override, so `overrideDynamicGroups` asks for nothing.
    let (group, thing) = (group(state, call)?, thing(state, call)?);
    state
        .registry
        .update_thing_groups_for_thing(thing, &[group], &[])?;
    Ok(json!({}))
}

pub(super) fn remove_thing_from_thing_group(
    state: &ApiState,
    call: &Call,
) -> Result<Value, ApiError> {
    let (group, thing) = (group(state, call)?, thing(state, call)?);
    state
        .registry
        .update_thing_groups_for_thing(thing, &[], &[group])?;
    Ok(json!({}))
}

pub(super) fn update_thing_groups_for_thing(
    state: &ApiState,
    call: &Call,
) -> Result<Value, ApiError> {
    state.registry.update_thing_groups_for_thing(
        call.required_text("thingName")?,
        &call.texts("thingGroupsToAdd")?,
        &call.texts("thingGroupsToRemove")?,
    )?;
    Ok(json!({}))
}

pub(super) fn list_things_in_thing_group(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let page = state.registry.things_in_thing_group(
        call.label("thingGroupName"),
        call.flag("recursive")?,
        &call.page_by_token()?,
    )?;
    let things = json!({ "things": page.items });
    Ok(with_token("nextToken", page.next, things))
}

pub(super) fn list_thing_groups_for_thing(
    state: &ApiState,
    call: &Call,
) -> Result<Value, ApiError> {
    let page = state
        .registry
        .thing_groups_for_thing(call.label("thingName"), &call.page_by_token()?)?;
    Ok(group_list(state, page))
}

/// Tags of a thing group. Other resources have none here: their operations refuse them.
pub(super) fn list_tags_for_resource(state: &ApiState, call: &Call) -> Result<Value, ApiError> {
    let arn = call
        .query("resourceArn")
        .ok_or_else(|| ApiError::missing("resourceArn"))?;
    let registry = &state.registry;
    let name = registry.place().thing_group_name("resourceArn", arn)?;
    let (group, _) = registry.thing_group(name)?;
    let tags: Vec<Value> = group
        .tags
        .iter()
        .map(|(key, value)| json!({ "Key": key, "Value": value }))
        .collect();
    Ok(json!({ "tags": tags }))
}

fn group_list(state: &ApiState, page: Page<String>) -> Value {
    let groups = json!({ "thingGroups": name_and_arn(state, &page.items) });
    with_token("nextToken", page.next, groups)
}

fn name_and_arn(state: &ApiState, names: &[String]) -> Value {
    let place = state.registry.place();
    let groups = names
        .iter()
        .map(|name| json!({ "groupName": name, "groupArn": place.thing_group_arn(name) }));
    groups.collect()
}

/// What `thingGroupProperties` asks for; none if it is not there.
fn change(call: &Call) -> Result<Option<GroupChange>, ApiError> {
    const MEMBER: &str = "thingGroupProperties";
    let Some(properties) = call.object(MEMBER)? else {
        return Ok(None);
    };
    let description = match properties.get("thingGroupDescription") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(_) => {
            let member = format!("{MEMBER}.thingGroupDescription");
            return Err(wrong_type(&member, "a string"));
        }
    };
    let attributes = match properties.get("attributePayload") {
        None | Some(Value::Null) => None,
        Some(Value::Object(payload)) => attribute_change(payload)?,
        Some(_) => {
            return Err(wrong_type(
                &format!("{MEMBER}.attributePayload"),
                "an object",
            ));
        }
    };
    Ok(Some(GroupChange {
        description,
        attributes,
    }))
}

fn tags(call: &Call) -> Result<BTreeMap<String, String>, ApiError> {
    let text = |tag: &Map<String, Value>, member: &str| match tag.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(wrong_type(&format!("tags.member.{member}"), "a string")),
    };
    let mut tags = BTreeMap::new();
    for tag in call.list("tags")?.unwrap_or_default() {
        let Value::Object(tag) = tag else {
            return Err(wrong_type("tags", "a list of objects"));
        };
        let key = text(tag, "Key")?.ok_or_else(|| ApiError::missing("tags.member.Key"))?;
        let value = text(tag, "Value")?.unwrap_or_default();
        if tags.insert(key.clone(), value).is_some() {
            return Err(ApiError::invalid(format!(
                "The tag key `{key}` is given twice"
            )));
        }
    }
    Ok(tags)
}

/// The group that a request names, by name, by ARN or by both.
fn group<'c>(state: &ApiState, call: &'c Call) -> Result<&'c str, ApiError> {
    let by_arn = match call.text("thingGroupArn")? {
        Some(arn) => {
            let place = state.registry.place();
            Some(place.thing_group_name("thingGroupArn", arn)?)
        }
        None => None,
    };
    one_of(call, "thingGroupName", "thingGroupArn", by_arn)
}

/// The thing that a request names, by name, by ARN or by both.
fn thing<'c>(state: &ApiState, call: &'c Call) -> Result<&'c str, ApiError> {
    let by_arn = match call.text("thingArn")? {
        Some(arn) => Some(state.registry.place().thing_name("thingArn", arn)?),
        None => None,
    };
    one_of(call, "thingName", "thingArn", by_arn)
}

fn one_of<'c>(
    call: &'c Call,
    name_member: &str,
    arn_member: &str,
    by_arn: Option<&'c str>,
) -> Result<&'c str, ApiError> {
    match (call.text(name_member)?, by_arn) {
        (Some(name), Some(by_arn)) if name != by_arn => Err(ApiError::invalid(format!(
            "{arn_member} does not match specified {name_member} in request"
        ))),
        (Some(name), _) => Ok(name),
        (None, Some(by_arn)) => Ok(by_arn),
        (None, None) => Err(ApiError::invalid(format!(
            "Both {arn_member} and {name_member} are empty. Need to specify at least one of them"
        ))),
    }
}
