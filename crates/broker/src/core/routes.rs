//! Who wants which topic: filters without wildcards in a hash table, filters with wildcards in a tree of levels.
//!
//! Finding the subscribers of a topic costs one hash look-up and a walk through the wildcard branches that
//! match; it does not grow with the number of subscriptions. Nothing recurses, so depth cannot hurt.

use std::collections::HashMap;
use std::sync::Arc;

use thingwire_mqtt::QoS;

use super::slab::Key;

/// One session that asked for a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subscriber {
    pub(crate) session: Key,
    pub(crate) qos: QoS,
    pub(crate) options: Options,
}

/// What MQTT 5 lets a subscription ask for beyond its QoS (`B-36`, `B-38`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    /// 0: none.
    pub(crate) id: u32,
}

#[derive(Default)]
struct Node {
    children: HashMap<Box<str>, u32>,
    plus: Option<u32>,
    /// Subscribers of the filter that ends here.
    here: Vec<Subscriber>,
    /// Subscribers of the filter that goes on with `#`.
    hash: Vec<Subscriber>,
}

impl Node {
    fn is_empty(&self) -> bool {
        self.children.is_empty()
            && self.plus.is_none()
            && self.here.is_empty()
            && self.hash.is_empty()
    }
}

const ROOT: u32 = 0;

/// All subscriptions.
pub(crate) struct Routes {
    exact: HashMap<Arc<str>, Vec<Subscriber>>,
    nodes: Vec<Node>,
    free: Vec<u32>,
    hash_matches_parent: bool,
    len: usize,
    /// Some subscription has, or had, options.
    has_options: bool,
}

/// Whether a filter has a wildcard, and so lives in the tree.
pub(crate) fn has_wildcard(filter: &str) -> bool {
    filter.bytes().any(|byte| byte == b'+' || byte == b'#')
}

impl Routes {
    /// `hash_matches_parent`: see `B-10`.
    pub(crate) fn new(hash_matches_parent: bool) -> Self {
        Self {
            exact: HashMap::new(),
            nodes: vec![Node::default()],
            free: Vec::new(),
            hash_matches_parent,
            len: 0,
            has_options: false,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Whether not even a node is left.
    #[cfg(test)]
    pub(crate) fn is_bare(&self) -> bool {
        self.exact.is_empty() && self.nodes.first().is_some_and(Node::is_empty)
    }

    /// Adds or replaces the subscription of a session. The filter must be valid.
    pub(crate) fn insert(&mut self, filter: &Arc<str>, session: Key, qos: QoS, options: Options) {
        self.has_options |= options != Options::default();
        let list = if has_wildcard(filter) {
            self.place(filter)
        } else {
            Some(self.exact.entry(Arc::clone(filter)).or_default())
        };
        let Some(list) = list else { return };
        let subscriber = Subscriber {
            session,
            qos,
            options,
        };
        match list.binary_search_by_key(&session, |other| other.session) {
            Ok(at) => list
                .iter_mut()
                .skip(at)
                .take(1)
                .for_each(|old| *old = subscriber),
            Err(at) => {
                list.insert(at, subscriber);
                self.len = self.len.saturating_add(1);
            }
        }
    }

    /// Removes the subscription of a session, if it is there.
    pub(crate) fn remove(&mut self, filter: &str, session: Key) {
        let removed = if has_wildcard(filter) {
            self.remove_wild(filter, session)
        } else if let Some(list) = self.exact.get_mut(filter) {
            let removed = take_out(list, session);
            if list.is_empty() {
                self.exact.remove(filter);
            }
            removed
        } else {
            false
        };
        if removed {
            self.len = self.len.saturating_sub(1);
        }
    }

    /// Appends the subscribers of a topic to `found`, once each, with the highest QoS (`B-50`), in key order.
    pub(crate) fn collect(&self, topic: &str, found: &mut Vec<Subscriber>) {
        let start = found.len();
        if self.collect_all(topic, found) > 1 {
            let mut all = found.split_off(start);
            all.sort_unstable_by_key(|one| (one.session, std::cmp::Reverse(one.qos)));
            all.dedup_by_key(|one| one.session);
            found.append(&mut all);
        }
    }

    /// Whether [`collect`](Self::collect) would lose options.
    pub(crate) const fn has_options(&self) -> bool {
        self.has_options
    }

    /// Appends every matching subscription, in no order; answers from how many filters.
    pub(crate) fn collect_all(&self, topic: &str, found: &mut Vec<Subscriber>) -> usize {
        let mut sources: usize = 0;
        let mut take = |list: &[Subscriber]| {
            if !list.is_empty() {
                sources = sources.saturating_add(1);
                found.extend_from_slice(list);
            }
        };
        if let Some(list) = self.exact.get(topic) {
            take(list);
        }
        if self.nodes.first().is_some_and(|root| !root.is_empty()) {
            self.walk(topic, &mut take);
        }
        sources
    }

    fn walk(&self, topic: &str, take: &mut impl FnMut(&[Subscriber])) {
        // A topic that begins with `$` is not for a filter that begins with a wildcard (`B-34`).
        let reserved = topic.starts_with('$');
        let mut stack: Vec<(u32, Option<&str>)> = vec![(ROOT, Some(topic))];
        while let Some((index, rest)) = stack.pop() {
            let Some(node) = self.nodes.get(index as usize) else {
                continue;
            };
            let hidden = reserved && index == ROOT;
            let Some(rest) = rest else {
                take(&node.here);
                if self.hash_matches_parent {
                    take(&node.hash);
                }
                continue;
            };
            if !hidden {
                take(&node.hash);
            }
            let (level, after) = first_level(rest);
            if let Some(child) = node.children.get(level) {
                stack.push((*child, after));
            }
            if let Some(plus) = node.plus
                && !hidden
            {
                stack.push((plus, after));
            }
        }
    }

    /// The list in which a wildcard filter's subscribers stand; makes its nodes.
    fn place(&mut self, filter: &str) -> Option<&mut Vec<Subscriber>> {
        let mut at = ROOT;
        let mut rest = Some(filter);
        while let Some(text) = rest {
            let (level, after) = first_level(text);
            if level == "#" {
                return self.nodes.get_mut(at as usize).map(|node| &mut node.hash);
            }
            let known = self.step(at, level);
            at = match known {
                Some(next) => next,
                None => {
                    let next = self.new_node();
                    let node = self.nodes.get_mut(at as usize)?;
                    if level == "+" {
                        node.plus = Some(next);
                    } else {
                        node.children.insert(level.into(), next);
                    }
                    next
                }
            };
            rest = after;
        }
        self.nodes.get_mut(at as usize).map(|node| &mut node.here)
    }

    fn remove_wild(&mut self, filter: &str, session: Key) -> bool {
        let mut path: Vec<(u32, &str)> = Vec::new();
        let mut at = ROOT;
        let mut rest = Some(filter);
        let mut hash = false;
        while let Some(text) = rest {
            let (level, after) = first_level(text);
            if level == "#" {
                hash = true;
                break;
            }
            let Some(next) = self.step(at, level) else {
                return false;
            };
            path.push((at, level));
            at = next;
            rest = after;
        }
        let Some(node) = self.nodes.get_mut(at as usize) else {
            return false;
        };
        let removed = take_out(if hash { &mut node.hash } else { &mut node.here }, session);
        while let Some((parent, level)) = path.pop() {
            if !self.nodes.get(at as usize).is_some_and(Node::is_empty) {
                break;
            }
            let Some(node) = self.nodes.get_mut(parent as usize) else {
                break;
            };
            if level == "+" {
                node.plus = None;
            } else {
                node.children.remove(level);
            }
            self.free.push(at);
            at = parent;
        }
        removed
    }

    fn step(&self, at: u32, level: &str) -> Option<u32> {
        let node = self.nodes.get(at as usize)?;
        if level == "+" {
            node.plus
        } else {
            node.children.get(level).copied()
        }
    }

    fn new_node(&mut self) -> u32 {
        if let Some(index) = self.free.pop() {
            if let Some(node) = self.nodes.get_mut(index as usize) {
                *node = Node::default();
            }
            return index;
        }
        let index = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        self.nodes.push(Node::default());
        index
    }
}

fn first_level(text: &str) -> (&str, Option<&str>) {
    match text.split_once('/') {
        Some((level, after)) => (level, Some(after)),
        None => (text, None),
    }
}

fn take_out(list: &mut Vec<Subscriber>, session: Key) -> bool {
    match list.binary_search_by_key(&session, |other| other.session) {
        Ok(at) => {
            list.remove(at);
            true
        }
        Err(_) => false,
    }
}
