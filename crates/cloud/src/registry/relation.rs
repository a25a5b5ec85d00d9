//! A relation between two kinds of names, found from both sides.
//!
//! Both directions are kept in one value, so that they cannot disagree; a side without partners is not kept.

use std::borrow::Borrow;
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

/// Pairs of a left and a right name.
#[derive(Debug)]
pub(super) struct Relation<L, R> {
    rights: HashMap<L, BTreeSet<R>>,
    lefts: HashMap<R, BTreeSet<L>>,
}

impl<L, R> Default for Relation<L, R> {
    fn default() -> Self {
        Self {
            rights: HashMap::new(),
            lefts: HashMap::new(),
        }
    }
}

impl<L: Clone + Eq + Hash + Ord, R: Clone + Eq + Hash + Ord> Relation<L, R> {
    /// Adds a pair.
    pub(super) fn insert(&mut self, left: L, right: R) {
        self.rights
            .entry(left.clone())
            .or_default()
            .insert(right.clone());
        self.lefts.entry(right).or_default().insert(left);
    }

    /// Takes a pair out.
    pub(super) fn remove(&mut self, left: &L, right: &R) {
        take(&mut self.rights, left, right);
        take(&mut self.lefts, right, left);
    }

    /// What stands on the right of this, if anything does.
    pub(super) fn rights<Q>(&self, left: &Q) -> Option<&BTreeSet<R>>
    where
        L: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.rights.get(left)
    }

    /// What stands on the left of this, if anything does.
    pub(super) fn lefts<Q>(&self, right: &Q) -> Option<&BTreeSet<L>>
    where
        R: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.lefts.get(right)
    }

    /// Whether the pair is there.
    pub(super) fn contains(&self, left: &L, right: &R) -> bool {
        self.rights
            .get(left)
            .is_some_and(|rights| rights.contains(right))
    }
}

fn take<A: Eq + Hash, B: Ord>(side: &mut HashMap<A, BTreeSet<B>>, one: &A, other: &B) {
    if let Some(others) = side.get_mut(one) {
        others.remove(other);
        if others.is_empty() {
            side.remove(one);
        }
    }
}
