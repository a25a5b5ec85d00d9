//! Thing groups: create, describe, list, update, delete (`G-19`). [`super::members`] knows which things are in them.
//!
//! Groups are static; a group's parent is named at its creation and stays. What the model of an operation has no
//! exception for, such as a limit, is an invalid request.

use std::collections::BTreeMap;
use std::sync::Arc;

use thingwire_contract::limit::{
    TAGS, THING_GROUP_ATTRIBUTES, THING_GROUP_CHILDREN, THING_GROUP_DEPTH,
};

use super::state::State;
use super::{
    AttributeChange, Edit, Page, PageRequest, PolicyTarget, Registry, RegistryError, ThingGroup,
    Timestamp, names, new_uuid,
};

/// What an update does to a group.
#[derive(Clone, Debug, Default)]
pub struct GroupChange {
    /// The new description; none leaves it.
    pub description: Option<String>,
    /// What happens to the attributes; none leaves them.
    pub attributes: Option<AttributeChange>,
}

/// Which groups a list shows.
#[derive(Clone, Debug, Default)]
pub struct GroupFilter {
    /// Only groups below this one; none begins at the roots, which it shows too.
    pub parent: Option<String>,
    /// Only groups whose names begin so.
    pub prefix: Option<String>,
    /// Whether groups further down are shown as well.
    pub recursive: bool,
}

impl Registry {
    /// Makes a group, below a parent if one is named. The same name with the same parent, description and attributes is the
    /// group that is already there (`G-19`).
    ///
    /// # Errors
    /// Invalid names, description, attributes or tags; `NotFound` for the parent; Invalid when the hierarchy would be too
    /// deep or the parent has too many children; `AlreadyExists` with other properties; Store.
    pub fn create_thing_group(
        &self,
        name: &str,
        parent: Option<&str>,
        change: GroupChange,
        tags: BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<Arc<ThingGroup>, RegistryError> {
        names::thing_group_name(name)?;
        check_tags(&tags)?;
        let mut group = ThingGroup {
            name: name.to_owned(),
            id: new_uuid(),
            parent: parent.map(str::to_owned),
            version: 1,
            description: None,
            attributes: BTreeMap::new(),
            tags,
            created: now,
        };
        apply(&mut group, change)?;
        self.change(|state| {
            if let Some(known) = state.groups.get(name) {
                let same = known.parent == group.parent
                    && known.description == group.description
                    && known.attributes == group.attributes;
                return if same {
                    Ok((Vec::new(), Arc::clone(known)))
                } else {
                    Err(RegistryError::AlreadyExists {
                        message: format!(
                            "Thing Group {name} already exists in current account with different properties"
                        ),
                        id: known.id.clone(),
                        arn: self.place.thing_group_arn(name),
                    })
                };
            }
            if let Some(parent) = parent {
                room_below(state, parent)?;
            }
            Ok((vec![Edit::PutGroup(group.clone())], Arc::new(group)))
        })
    }

    /// The group of that name, and its ancestors from the root down to its parent.
    ///
    /// # Errors
    /// Invalid name, `NotFound`.
    pub fn thing_group(&self, name: &str) -> Result<(Arc<ThingGroup>, Vec<String>), RegistryError> {
        names::thing_group_name(name)?;
        let state = self.read();
        let group = Arc::clone(state.group(name)?);
        let lineage = state.lineage(name).skip(1);
        let mut ancestors: Vec<String> = lineage.map(|group| group.name.clone()).collect();
        ancestors.reverse();
        Ok((group, ancestors))
    }

    /// Changes a group and gives its new version.
    ///
    /// # Errors
    /// Invalid description or attributes, `NotFound`, `VersionConflict` (`G-10`), Store.
    pub fn update_thing_group(
        &self,
        name: &str,
        change: GroupChange,
        expected_version: Option<u64>,
    ) -> Result<u64, RegistryError> {
        names::thing_group_name(name)?;
        self.change(|state| {
            let mut group = ThingGroup::clone(state.group(name)?);
            expect_version(&group, expected_version)?;
            apply(&mut group, change)?;
            group.version = group.version.saturating_add(1);
            let version = group.version;
            Ok((vec![Edit::PutGroup(group)], version))
        })
    }

    /// Deletes a group. Its things leave it and its policies come off it; one that is not there is no error.
    ///
    /// # Errors
    /// Invalid name, or there are groups below it (`G-19`); `VersionConflict` (`G-10`); Store.
    pub fn delete_thing_group(
        &self,
        name: &str,
        expected_version: Option<u64>,
    ) -> Result<(), RegistryError> {
        names::thing_group_name(name)?;
        self.change(|state| {
            let Some(group) = state.groups.get(name) else {
                return Ok((Vec::new(), ()));
            };
            expect_version(group, expected_version)?;
            if state.child_groups.rights(name).is_some() {
                return Err(RegistryError::Invalid(format!(
                    "Cannot delete thing group : {name} when there are still child groups attached to it"
                )));
            }
            let target = PolicyTarget::ThingGroup(name.to_owned());
            let policies = state.attached_policies.rights(&target).into_iter().flatten();
            let mut edits: Vec<Edit> = policies
                .map(|policy| Edit::DetachPolicy {
                    target: target.clone(),
                    policy: policy.clone(),
                })
                .collect();
            let members = state.members.rights(name).into_iter().flatten();
            edits.extend(members.map(|thing| Edit::RemoveMember {
                group: name.to_owned(),
                thing: thing.clone(),
            }));
            edits.push(Edit::DeleteGroup(name.to_owned()));
            Ok((edits, ()))
        })
    }

    /// Names of groups in their order.
    ///
    /// # Errors
    /// Invalid name or token, `NotFound` for the parent.
    pub fn thing_groups(
        &self,
        filter: &GroupFilter,
        page: &PageRequest,
    ) -> Result<Page<String>, RegistryError> {
        let list = format!("thing groups below {:?}", filter.parent);
        let after = page.after(&list)?;
        let state = self.read();
        let parent = filter.parent.as_deref();
        if let Some(parent) = parent {
            names::thing_group_name(parent)?;
            state.group(parent)?;
        }
        let shows = |group: &ThingGroup| match (parent, filter.recursive) {
            (None, true) => true,
            (None, false) => group.parent.is_none(),
            (Some(parent), false) => group.parent.as_deref() == Some(parent),
            (Some(parent), true) => {
                let mut above = state.lineage(&group.name).skip(1);
                above.any(|ancestor| ancestor.name == parent)
            }
        };
        let rows = state
            .groups
            .values()
            .filter(|group| after.as_ref().is_none_or(|after| group.name > *after))
            .filter(|group| {
                let prefix = filter.prefix.as_deref().unwrap_or_default();
                group.name.starts_with(prefix) && shows(group)
            })
            .map(|group| (group.name.clone(), group.name.clone()));
        Ok(page.take(&list, rows))
    }
}

/// Whether one more group may stand below this one (section H.2).
fn room_below(state: &State, parent: &str) -> Result<(), RegistryError> {
    state.group(parent)?;
    if state.lineage(parent).count() >= THING_GROUP_DEPTH {
        return Err(RegistryError::Invalid(format!(
            "Cannot create a thing group below {parent}: a hierarchy can have at most {THING_GROUP_DEPTH} levels"
        )));
    }
    let children = state.child_groups.rights(parent).map_or(0, |all| all.len());
    if children >= THING_GROUP_CHILDREN {
        return Err(RegistryError::Invalid(format!(
            "Cannot create a thing group below {parent}: a group can have at most {THING_GROUP_CHILDREN} child groups"
        )));
    }
    Ok(())
}

fn apply(group: &mut ThingGroup, change: GroupChange) -> Result<(), RegistryError> {
    if let Some(description) = change.description {
        names::description(&description)?;
        group.description = Some(description);
    }
    if let Some(change) = change.attributes {
        change.apply(&mut group.attributes);
    }
    for (name, value) in &group.attributes {
        names::attribute(name, value)?;
    }
    if group.attributes.len() > THING_GROUP_ATTRIBUTES {
        return Err(RegistryError::Invalid(format!(
            "A thing group can have at most {THING_GROUP_ATTRIBUTES} attributes; {} were given",
            group.attributes.len()
        )));
    }
    Ok(())
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), RegistryError> {
    for (key, value) in tags {
        names::tag(key, value)?;
    }
    if tags.len() > TAGS {
        return Err(RegistryError::Invalid(format!(
            "A resource can have at most {TAGS} tags; {} were given",
            tags.len()
        )));
    }
    Ok(())
}

fn expect_version(group: &ThingGroup, expected: Option<u64>) -> Result<(), RegistryError> {
    match expected {
        Some(expected) if expected != group.version => {
            Err(RegistryError::VersionConflict(format!(
                "The version for thing group {} does not match the expected version.",
                group.name
            )))
        }
        _ => Ok(()),
    }
}
