//! Finds the statements that can match a request, without looking at the others.
//!
//! Entries are grouped by action and effect; within a group they are sorted by the literal text before their
//! first wildcard. Those whose literal text begins the requested resource are then a chain: the greatest entry
//! that is not greater than the resource, the entry whose text is the longest proper beginning of that one, and
//! so on. So a lookup costs a binary search and one step for each entry that might match.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::action::Action;
use crate::compile::{CompiledAction, Resource};
use crate::document::Effect;

/// The index of one policy set.
#[derive(Debug, Default)]
pub(crate) struct Index {
    groups: Box<[Group]>,
    entries: Box<[Entry]>,
}

#[derive(Debug)]
struct Group {
    of: CompiledAction,
    start: usize,
    end: usize,
}

/// One way in which one statement can match.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) statement: u32,
    target: Target,
    /// Bytes of literal text at the beginning of the pattern.
    literal: u32,
    /// The entry whose literal text begins this one's; [`NONE`] if there is none.
    parent: u32,
}

/// What an entry compares the resource with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// A resource's pattern from an offset on.
    Resource(u32, u32),
    /// All of the statement's `NotResource`.
    NotResource,
    /// Nothing: it matches every resource.
    Everything,
}

const NONE: u32 = u32::MAX;

fn small(number: usize) -> u32 {
    // A document has 2048 characters, so none of these numbers comes near the limit.
    u32::try_from(number).unwrap_or(NONE)
}

impl Entry {
    pub(crate) fn whole(statement: usize) -> Self {
        Self {
            statement: small(statement),
            target: Target::NotResource,
            literal: 0,
            parent: NONE,
        }
    }

    pub(crate) fn everything(statement: usize) -> Self {
        Self {
            statement: small(statement),
            target: Target::Everything,
            literal: 0,
            parent: NONE,
        }
    }

    pub(crate) fn resource(statement: usize, resource: usize, offset: u32, literal: usize) -> Self {
        Self {
            statement: small(statement),
            target: Target::Resource(small(resource), offset),
            literal: small(literal),
            parent: NONE,
        }
    }

    pub(crate) const fn target(&self) -> Target {
        self.target
    }

    /// The literal text at the beginning of its pattern.
    fn literal<'r>(&self, resources: &'r [Resource]) -> &'r [u8] {
        let Target::Resource(resource, offset) = self.target else {
            return &[];
        };
        let resource = usize::try_from(resource)
            .ok()
            .and_then(|resource| resources.get(resource));
        let length = usize::try_from(self.literal).unwrap_or(0);
        resource
            .and_then(|resource| resource.rest(offset).get(..length))
            .unwrap_or_default()
    }
}

impl Index {
    pub(crate) fn build(mut found: Vec<(CompiledAction, Entry)>, resources: &[Resource]) -> Self {
        found.sort_by(|(one, a), (other, b)| {
            (one, a.literal(resources), a.statement).cmp(&(
                other,
                b.literal(resources),
                b.statement,
            ))
        });
        let mut groups: Vec<Group> = Vec::new();
        let mut entries: Vec<Entry> = Vec::with_capacity(found.len());
        // The entries whose literal text begins that of the current one, shortest first.
        let mut chain: Vec<(usize, &[u8])> = Vec::new();
        for (of, mut entry) in found {
            let at = entries.len();
            match groups.last_mut() {
                Some(group) if group.of == of => group.end = at.saturating_add(1),
                _ => {
                    groups.push(Group {
                        of,
                        start: at,
                        end: at.saturating_add(1),
                    });
                    chain.clear();
                }
            }
            let literal = entry.literal(resources);
            while chain
                .last()
                .is_some_and(|(_, beginning)| !literal.starts_with(beginning))
            {
                chain.pop();
            }
            entry.parent = chain.last().map_or(NONE, |(parent, _)| small(*parent));
            chain.push((at, literal));
            entries.push(entry);
        }
        Self {
            groups: groups.into_boxed_slice(),
            entries: entries.into_boxed_slice(),
        }
    }

    /// The entries of an action and effect whose literal text begins `text`; each with the length of that text.
    pub(crate) fn candidates<'i>(
        &'i self,
        action: Action,
        effect: Effect,
        text: &'i [u8],
        resources: &'i [Resource],
    ) -> impl Iterator<Item = &'i Entry> {
        let group = self
            .groups
            .binary_search_by(|group| group.of.cmp(&(action, effect)))
            .ok()
            .and_then(|group| self.groups.get(group));
        let range = group.map_or(0..0, |group| group.start..group.end);
        let start = range.start;
        let group = self.entries.get(range).unwrap_or_default();
        let behind = group.partition_point(|entry| entry.literal(resources) <= text);
        let mut next = behind
            .checked_sub(1)
            .and_then(|last| start.checked_add(last));
        core::iter::from_fn(move || {
            loop {
                let entry = self.entries.get(next?)?;
                next = usize::try_from(entry.parent)
                    .ok()
                    .filter(|_| entry.parent != NONE);
                if text.starts_with(entry.literal(resources)) {
                    return Some(entry);
                }
            }
        })
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.groups).saturating_add(size_of_val(&*self.entries))
    }
}
