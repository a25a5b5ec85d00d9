//! Finds the statements that can match a request, without looking at the others.
//!
//! For each action and effect there is a trie of the literal texts before the first wildcards. A lookup walks down along
//! the requested resource and stops at the first character that nobody wrote, so statements about other
//! resources cost nothing: not by their number, and hardly by what they have in common with the request. What was walked
//! need not be compared again: an entry's pattern goes on behind its literal text.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use crate::action::Action;
use crate::document::Effect;

/// The index of one policy set.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Which [`slot`]s have a root. The roots are the first nodes, in the order of their slots.
    roots: u64,
    nodes: Box<[Node]>,
    /// The first byte of each node's label, so that children are found by looking at bytes that lie side by side.
    firsts: Box<[u8]>,
    labels: Box<[u8]>,
    entries: Box<[Entry]>,
}

/// A place in a trie: the literal text that leads to it is the labels from the root down, its own included.
#[derive(Debug, Default)]
struct Node {
    /// The node above; a root's is itself.
    parent: u32,
    label: Part,
    /// Entries whose literal text ends here.
    entries: Part,
    /// Nodes that lie side by side, in the order of their first bytes.
    children: Part,
}

/// A part of one of the index's slices.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    start: u32,
    end: u32,
}

/// One way in which one statement can match.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) statement: u32,
    pub(crate) target: Target,
}

/// What an entry compares the resource with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// What is behind the literal text, with a resource's pattern from an offset on.
    Resource(u32, u32),
    /// The whole resource, with all of the statement's `NotResource`.
    NotResource,
    /// Nothing: it matches every resource.
    Everything,
}

/// An entry to be put into the index.
#[derive(Clone, Debug)]
pub(crate) struct Found<'p> {
    pub(crate) action: Action,
    pub(crate) effect: Effect,
    /// The text with which a resource must begin.
    pub(crate) literal: &'p [u8],
    pub(crate) entry: Entry,
}

/// The number of an action and effect; [`Index::roots`] has a bit for each.
fn slot(action: Action, effect: Effect) -> u32 {
    (action as u32) << 1 | u32::from(effect == Effect::Deny)
}

const _: () = assert!(Action::ALL.len() * 2 <= 64, "a slot is a bit of a u64");

/// A place in what a policy set holds, as it is kept. Documents have 2048 characters, so it is far from the limit.
pub(crate) fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Part {
    fn new(start: usize, end: usize) -> Self {
        Self {
            start: small(start),
            end: small(end),
        }
    }

    fn of<T>(self, slice: &[T]) -> &[T] {
        let range = usize::try_from(self.start)
            .ok()
            .zip(usize::try_from(self.end).ok());
        range
            .and_then(|(start, end)| slice.get(start..end))
            .unwrap_or_default()
    }

    fn len(self) -> usize {
        usize::try_from(self.end.saturating_sub(self.start)).unwrap_or_default()
    }
}

impl Index {
    pub(crate) fn build(mut found: Vec<Found<'_>>) -> Self {
        found.sort_by(|a, b| {
            (slot(a.action, a.effect), a.literal, a.entry.statement).cmp(&(
                slot(b.action, b.effect),
                b.literal,
                b.entry.statement,
            ))
        });
        let mut trie = Trie::default();
        let mut roots = 0;
        let mut start = 0;
        for same in found.chunk_by(|a, b| slot(a.action, a.effect) == slot(b.action, b.effect)) {
            let end = start_after(start, same);
            if let Some(first) = same.first() {
                roots |= 1 << slot(first.action, first.effect);
                trie.reserve(trie.nodes.len(), start..end, 0);
            }
            start = end;
        }
        trie.grow(&found);
        Self {
            roots,
            nodes: trie.nodes.into_boxed_slice(),
            firsts: trie.firsts.into_boxed_slice(),
            labels: trie.labels.into_boxed_slice(),
            entries: found.into_iter().map(|found| found.entry).collect(),
        }
    }

    /// The entries of an action and effect whose literal text begins `text`, each with the text behind it.
    ///
    /// The longest literal texts come first: who wrote more of it down is likelier to have meant this resource.
    pub(crate) fn candidates<'i>(
        &'i self,
        action: Action,
        effect: Effect,
        text: &'i [u8],
    ) -> impl Iterator<Item = (&'i Entry, &'i [u8])> {
        let mut place = self.deepest(action, effect, text);
        let mut here: core::slice::Iter<'i, Entry> = [].iter();
        let mut rest: &[u8] = &[];
        core::iter::from_fn(move || {
            loop {
                if let Some(entry) = here.next() {
                    return Some((entry, rest));
                }
                let (at, node, end) = place.take()?;
                here = node.entries.of(&self.entries).iter();
                rest = text.get(end..)?;
                place = (node.parent != at)
                    .then(|| self.node(node.parent))
                    .flatten()
                    .map(|above| (node.parent, above, end.saturating_sub(node.label.len())));
            }
        })
    }

    /// The node farthest down whose literal text begins `text`: its number, itself, and the length of its text.
    fn deepest(&self, action: Action, effect: Effect, text: &[u8]) -> Option<(u32, &Node, usize)> {
        let bit = 1_u64 << slot(action, effect);
        if self.roots & bit == 0 {
            return None;
        }
        let mut found = None;
        let mut next = Some((self.roots & bit.wrapping_sub(1)).count_ones());
        let mut rest = text;
        while let Some(at) = next {
            let node = self.node(at)?;
            let Some(behind) = rest.strip_prefix(node.label.of(&self.labels)) else {
                break;
            };
            rest = behind;
            found = Some((at, node, text.len().saturating_sub(rest.len())));
            next = rest.first().and_then(|first| self.child(node, *first));
        }
        found
    }

    fn node(&self, at: u32) -> Option<&Node> {
        self.nodes.get(usize::try_from(at).ok()?)
    }

    fn child(&self, node: &Node, first: u8) -> Option<u32> {
        let firsts = node.children.of(&self.firsts);
        let child = firsts.binary_search(&first).ok()?;
        node.children.start.checked_add(small(child))
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.nodes)
            .saturating_add(size_of_val(&*self.firsts))
            .saturating_add(size_of_val(&*self.labels))
            .saturating_add(size_of_val(&*self.entries))
    }
}

fn start_after(start: usize, entries: &[Found<'_>]) -> usize {
    start.saturating_add(entries.len())
}

/// The tries while they are built.
#[derive(Default)]
struct Trie {
    nodes: Vec<Node>,
    firsts: Vec<u8>,
    labels: Vec<u8>,
    /// For each node that was reserved: its entries and those below it, and the length of the text above it.
    open: Vec<(Range<usize>, usize)>,
}

impl Trie {
    /// Makes room for a node.
    fn reserve(&mut self, parent: usize, entries: Range<usize>, depth: usize) {
        self.nodes.push(Node {
            parent: small(parent),
            ..Node::default()
        });
        self.firsts.push(0);
        self.open.push((entries, depth));
    }

    /// Fills all nodes, in the order in which they were reserved.
    fn grow(&mut self, found: &[Found<'_>]) {
        let mut at = 0;
        while let Some((range, depth)) = self.open.get(at).cloned() {
            let own = found.get(range.clone()).unwrap_or_default();
            let (Some(first), Some(last)) = (own.first(), own.last()) else {
                return;
            };
            // They are sorted: what the first and the last have in common, all have.
            let label = common(first.literal, last.literal)
                .get(depth..)
                .unwrap_or_default();
            let depth = depth.saturating_add(label.len());
            let ending = own.partition_point(|found| found.literal.len() <= depth);
            let middle = range.start.saturating_add(ending);
            let start = self.nodes.len();
            let mut from = middle;
            let further = own.get(ending..).unwrap_or_default();
            for child in further.chunk_by(|a, b| a.literal.get(depth) == b.literal.get(depth)) {
                let to = start_after(from, child);
                self.reserve(at, from..to, depth);
                from = to;
            }
            let text = self.labels.len();
            self.labels.extend_from_slice(label);
            let children = Part::new(start, self.nodes.len());
            if let (Some(node), Some(byte)) = (self.nodes.get_mut(at), self.firsts.get_mut(at)) {
                node.label = Part::new(text, self.labels.len());
                node.entries = Part::new(range.start, middle);
                node.children = children;
                *byte = label.first().copied().unwrap_or_default();
            }
            at = at.saturating_add(1);
        }
    }
}

/// The beginning that two texts share.
fn common<'t>(one: &'t [u8], other: &[u8]) -> &'t [u8] {
    let same = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    one.get(..same).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::string::String;

    use super::*;

    fn index(literals: &[(Effect, &'static str)]) -> Index {
        let found = literals
            .iter()
            .zip(0..)
            .map(|((effect, literal), number)| Found {
                action: Action::Publish,
                effect: *effect,
                literal: literal.as_bytes(),
                entry: Entry {
                    statement: number,
                    target: Target::Everything,
                },
            });
        Index::build(found.collect())
    }

    /// The numbers of the entries found, each with the text behind it.
    fn found(index: &Index, effect: Effect, text: &str) -> Vec<(u32, String)> {
        index
            .candidates(Action::Publish, effect, text.as_bytes())
            .map(|(entry, rest)| (entry.statement, String::from_utf8_lossy(rest).into()))
            .collect()
    }

    #[test]
    fn the_longest_text_first_and_what_is_behind_it() {
        let index = index(&[
            (Effect::Allow, "topic/a/b"),
            (Effect::Allow, ""),
            (Effect::Allow, "topic/a"),
            (Effect::Deny, "topic/a/"),
            (Effect::Allow, "topic/ä"),
            (Effect::Allow, "topic/a"),
            (Effect::Allow, "client/"),
        ]);
        let at = |number: u32, rest: &str| (number, String::from(rest));
        assert_eq!(
            found(&index, Effect::Allow, "topic/a/b/c"),
            [
                at(0, "/c"),
                at(2, "/b/c"),
                at(5, "/b/c"),
                at(1, "topic/a/b/c")
            ]
        );
        assert_eq!(
            found(&index, Effect::Allow, "topic/a"),
            [at(2, ""), at(5, ""), at(1, "topic/a")]
        );
        assert_eq!(
            found(&index, Effect::Allow, "topic/ä"),
            [at(4, ""), at(1, "topic/ä")]
        );
        // The trie has a place for `topic/`, at which nothing ends.
        assert_eq!(found(&index, Effect::Allow, "topic/"), [at(1, "topic/")]);
        assert_eq!(found(&index, Effect::Allow, ""), [at(1, "")]);
        assert_eq!(found(&index, Effect::Deny, "topic/a/b"), [at(3, "b")]);
        assert_eq!(found(&index, Effect::Deny, "topic/a"), []);
        let other = index.candidates(Action::Receive, Effect::Allow, b"topic/a");
        assert_eq!(other.count(), 0);
        // At least the texts themselves.
        assert!(index.heap_bytes() >= "topic/ab".len());
        assert_eq!(Index::build(Vec::new()).heap_bytes(), 0);
    }

    #[test]
    fn it_finds_what_a_search_through_all_finds() {
        // Every text of up to five of these, as literal text and as resource.
        let mut texts = Vec::from([String::new()]);
        for length in 0..5_u32 {
            let longer = texts
                .iter()
                .filter(|text| text.chars().count() == length as usize)
                .flat_map(|text| ['a', 'b', 'ü'].map(|c| std::format!("{text}{c}")))
                .collect::<Vec<_>>();
            texts.extend(longer);
        }
        for step in [1, 2, 3, 7, 50] {
            let literals: Vec<&String> = texts.iter().step_by(step).collect();
            let entries = literals.iter().zip(0..).map(|(literal, number)| Found {
                action: Action::Connect,
                effect: Effect::Deny,
                literal: literal.as_bytes(),
                entry: Entry {
                    statement: number,
                    target: Target::NotResource,
                },
            });
            let index = Index::build(entries.collect());
            for text in &texts {
                let mut expected: Vec<(usize, &str)> = literals
                    .iter()
                    .enumerate()
                    .filter_map(|(number, literal)| Some((number, text.strip_prefix(*literal)?)))
                    .collect();
                expected.sort_by_key(|(_, rest)| rest.len());
                let found: Vec<(usize, &str)> = index
                    .candidates(Action::Connect, Effect::Deny, text.as_bytes())
                    .map(|(entry, rest)| {
                        let rest = core::str::from_utf8(rest).expect("between characters");
                        (entry.statement as usize, rest)
                    })
                    .collect();
                assert_eq!(found, expected, "{text} of every {step}th");
            }
        }
    }
}
