//! Things: create, describe, list, update, delete (`G-8` to `G-11`).

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use thingwire_contract::limit::ATTRIBUTES_WITHOUT_TYPE;

use super::{Edit, Page, PageRequest, Registry, RegistryError, Thing, names, new_uuid};

/// What an update does to the attributes.
#[derive(Clone, Debug, Default)]
pub struct AttributeChange {
    /// Names and values.
    pub attributes: BTreeMap<String, String>,
    /// Whether the others stay; if so an empty value removes.
    pub merge: bool,
}

impl AttributeChange {
    /// Does it.
    pub(super) fn apply(self, attributes: &mut BTreeMap<String, String>) {
        if !self.merge {
            *attributes = self.attributes;
            return;
        }
        for (attribute, value) in self.attributes {
            if value.is_empty() {
                attributes.remove(&attribute);
            } else {
                attributes.insert(attribute, value);
            }
        }
    }
}

/// Which things a list shows.
#[derive(Clone, Debug, Default)]
pub struct ThingFilter {
    /// Only things with this attribute.
    pub attribute_name: Option<String>,
    /// Only things in which that attribute (or any, if none is named) has this value.
    pub attribute_value: Option<String>,
    /// Whether the value need only begin so.
    pub prefix: bool,
}

impl ThingFilter {
    fn shows(&self, thing: &Thing) -> bool {
        let fits = |value: &String| match self.attribute_value.as_deref() {
            None => true,
            Some(wanted) if self.prefix => value.starts_with(wanted),
            Some(wanted) => value == wanted,
        };
        match self.attribute_name.as_deref() {
            Some(name) => thing.attributes.get(name).is_some_and(fits),
            None => self.attribute_value.is_none() || thing.attributes.values().any(fits),
        }
    }
}

impl Registry {
    /// Makes a thing. The same name with the same attributes is the thing that is already there (`G-8`).
    ///
    /// # Errors
    /// Invalid names or attributes (`G-9`), `AlreadyExists` with other attributes, Store.
    pub fn create_thing(
        &self,
        name: &str,
        attributes: BTreeMap<String, String>,
    ) -> Result<Arc<Thing>, RegistryError> {
        names::thing_name(name)?;
        check_attributes(&attributes)?;
        self.change(|state| {
            if let Some(thing) = state.things.get(name) {
                return if thing.attributes == attributes {
                    Ok((Vec::new(), Arc::clone(thing)))
                } else {
                    Err(RegistryError::AlreadyExists {
                        message: format!(
                            "Thing {name} already exists in account with different attributes"
                        ),
                        id: thing.id.clone(),
                        arn: self.place.thing_arn(name),
                    })
                };
            }
            let thing = Thing {
                name: name.to_owned(),
                id: new_uuid(),
                version: 1,
                attributes,
            };
            Ok((vec![Edit::PutThing(thing.clone())], Arc::new(thing)))
        })
    }

    /// The thing of that name.
    ///
    /// # Errors
    /// Invalid name, `NotFound`.
    pub fn thing(&self, name: &str) -> Result<Arc<Thing>, RegistryError> {
        names::thing_name(name)?;
        self.read().thing(name).cloned()
    }

    /// Things in the order of their names.
    ///
    /// # Errors
    /// Invalid token.
    pub fn things(
        &self,
        filter: &ThingFilter,
        page: &PageRequest,
    ) -> Result<Page<Arc<Thing>>, RegistryError> {
        const LIST: &str = "things";
        let after = page.after(LIST)?;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.read();
        let things = state
            .things
            .range((start, Bound::Unbounded))
            .filter(|(_, thing)| filter.shows(thing))
            .map(|(name, thing)| (name.clone(), Arc::clone(thing)));
        Ok(page.take(LIST, things))
    }

    /// Changes a thing's attributes; its version grows by one.
    ///
    /// # Errors
    /// Invalid attributes, `NotFound`, `VersionConflict` (`G-10`), Store.
    pub fn update_thing(
        &self,
        name: &str,
        change: Option<AttributeChange>,
        expected_version: Option<u64>,
    ) -> Result<(), RegistryError> {
        names::thing_name(name)?;
        self.change(|state| {
            let mut thing = Thing::clone(state.thing(name)?);
            expect_version(&thing, expected_version)?;
            if let Some(change) = change {
                change.apply(&mut thing.attributes);
                check_attributes(&thing.attributes)?;
            }
            thing.version = thing.version.saturating_add(1);
            Ok((vec![Edit::PutThing(thing)], ()))
        })
    }

    /// Deletes a thing that no principal is attached to, and takes it out of its groups; one that is not there is no
    /// error (`G-11`).
    ///
    /// # Errors
    /// Invalid name, or principals are attached; `VersionConflict` (`G-10`); Store.
    pub fn delete_thing(
        &self,
        name: &str,
        expected_version: Option<u64>,
    ) -> Result<(), RegistryError> {
        names::thing_name(name)?;
        self.change(|state| {
            let Some(thing) = state.things.get(name) else {
                return Ok((Vec::new(), ()));
            };
            expect_version(thing, expected_version)?;
            if state.principals_of.contains_key(name) {
                return Err(RegistryError::Invalid(format!(
                    "Cannot delete. Thing {name} is still attached to one or more principals"
                )));
            }
            let mut edits = state.leave_all_groups(name);
            edits.push(Edit::DeleteThing(name.to_owned()));
            Ok((edits, ()))
        })
    }
}

fn check_attributes(attributes: &BTreeMap<String, String>) -> Result<(), RegistryError> {
    for (name, value) in attributes {
        names::attribute(name, value)?;
    }
    if attributes.len() > ATTRIBUTES_WITHOUT_TYPE {
        return Err(RegistryError::Invalid(format!(
            "A thing without a thing type can have at most {ATTRIBUTES_WITHOUT_TYPE} attributes; {} were given",
            attributes.len()
        )));
    }
    Ok(())
}

fn expect_version(thing: &Thing, expected: Option<u64>) -> Result<(), RegistryError> {
    match expected {
        Some(expected) if expected != thing.version => {
            Err(RegistryError::VersionConflict(format!(
                "The version for thing {} does not match the expected version.",
                thing.name
            )))
        }
        _ => Ok(()),
    }
}
