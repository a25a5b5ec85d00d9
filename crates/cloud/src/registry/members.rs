//! Which things are in which groups (`G-19`): a thing is in at most ten, and never in two of one hierarchy.
//!
//! What a thing's groups are decides about its clients (`C-8`), so each change here counts at once for those connected.

use std::collections::BTreeSet;

use thingwire_contract::limit::THING_GROUPS_PER_THING;

use super::state::State;
use super::{Edit, Page, PageRequest, Registry, RegistryError, names};

impl Registry {
    /// Brings a thing into groups and takes it out of others, all or nothing; the latter first. A group that it is in
    /// already, or not in, is no error.
    ///
    /// # Errors
    /// Invalid names; `NotFound` for the thing or a group; Invalid when it would be in too many groups, or in two of one
    /// hierarchy; Store.
    pub fn update_thing_groups_for_thing(
        &self,
        thing: &str,
        add: &[&str],
        remove: &[&str],
    ) -> Result<(), RegistryError> {
        names::thing_name(thing)?;
        for group in add.iter().chain(remove) {
            names::thing_group_name(group)?;
        }
        self.change(|state| {
            state.thing(thing)?;
            for group in add.iter().chain(remove) {
                state.group(group)?;
            }
            let was = state.own_groups(thing);
            let mut groups: BTreeSet<&str> = was.clone();
            groups.retain(|group| !remove.contains(group));
            for group in add {
                if !groups.contains(group) {
                    room_in(state, thing, group, &groups)?;
                    groups.insert(group);
                }
            }
            let left = was.difference(&groups).map(|group| Edit::RemoveMember {
                group: (*group).to_owned(),
                thing: thing.to_owned(),
            });
            let entered = groups.difference(&was).map(|group| Edit::AddMember {
                group: (*group).to_owned(),
                thing: thing.to_owned(),
            });
            Ok((left.chain(entered).collect(), ()))
        })
    }

    /// Names of the things in a group, in their order; with those in the groups below it, if `recursive`.
    ///
    /// # Errors
    /// Invalid name or token, `NotFound`.
    pub fn things_in_thing_group(
        &self,
        group: &str,
        recursive: bool,
        page: &PageRequest,
    ) -> Result<Page<String>, RegistryError> {
        names::thing_group_name(group)?;
        let list = format!("things of group {group}");
        let after = page.after(&list)?;
        let state = self.read();
        state.group(group)?;
        let groups = if recursive {
            state.with_descendants(group)
        } else {
            BTreeSet::from([group])
        };
        let things: BTreeSet<&String> = groups
            .into_iter()
            .filter_map(|group| state.members.rights(group))
            .flatten()
            .collect();
        Ok(page.take(&list, names_after(things, after.as_deref())))
    }

    /// Names of the groups of a thing and of their ancestors, in their order.
    ///
    /// # Errors
    /// Invalid name or token, `NotFound`.
    pub fn thing_groups_for_thing(
        &self,
        thing: &str,
        page: &PageRequest,
    ) -> Result<Page<String>, RegistryError> {
        names::thing_name(thing)?;
        let list = format!("groups of thing {thing}");
        let after = page.after(&list)?;
        let state = self.read();
        state.thing(thing)?;
        let groups = state.groups_of_thing(thing);
        Ok(page.take(&list, names_after(groups, after.as_deref())))
    }
}

impl State {
    /// The groups that a thing is in itself.
    fn own_groups(&self, thing: &str) -> BTreeSet<&str> {
        let groups = self.members.lefts(thing).into_iter().flatten();
        groups.map(String::as_str).collect()
    }

    /// What takes a thing out of all its groups.
    pub(super) fn leave_all_groups(&self, thing: &str) -> Vec<Edit> {
        let groups = self.own_groups(thing).into_iter();
        groups
            .map(|group| Edit::RemoveMember {
                group: group.to_owned(),
                thing: thing.to_owned(),
            })
            .collect()
    }

    fn root(&self, group: &str) -> Option<&str> {
        self.lineage(group).last().map(|root| root.name.as_str())
    }
}

/// Whether a thing that is in `groups` may come into `group`, too.
fn room_in(
    state: &State,
    thing: &str,
    group: &str,
    groups: &BTreeSet<&str>,
) -> Result<(), RegistryError> {
    if groups.len() >= THING_GROUPS_PER_THING {
        return Err(RegistryError::Invalid(format!(
            "Thing {thing} cannot be added to thing group {group}: a thing can be in at most {THING_GROUPS_PER_THING} groups"
        )));
    }
    let root = state.root(group);
    if let Some(other) = groups.iter().find(|other| state.root(other) == root) {
        return Err(RegistryError::Invalid(format!(
            "Thing {thing} cannot be added to thing group {group}: it is in group {other} of the same hierarchy"
        )));
    }
    Ok(())
}

fn names_after<'n>(
    names: impl IntoIterator<Item = impl AsRef<str> + 'n>,
    after: Option<&str>,
) -> impl Iterator<Item = (String, String)> {
    names.into_iter().filter_map(move |name| {
        let name = name.as_ref();
        let shown = after.is_none_or(|after| name > after);
        shown.then(|| (name.to_owned(), name.to_owned()))
    })
}
