//! Which patterns can match together: every combination that some resource brings about, each with a resource.
//!
//! All patterns run side by side as one automaton; a walk over its states, shortest texts first, meets every
//! combination of patterns that match. So two policies can be compared completely, without guessing topics. Only
//! texts that can be resources are walked: a topic without `+` and `#`, a filter with those in their places.
//!
//! The walk ends at a number of states; [`Exploration::complete`] says whether it came to its own end. If it did not,
//! [`samples`] still gives each pattern its say.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::glob::{Glob, Token};
use crate::resource::Kind;

/// Longest topic and topic filter, in bytes; also the longest text that is walked.
const BYTES: usize = 256;

/// What a walk found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exploration {
    /// Each combination once.
    pub found: Vec<Found>,
    /// Whether there are no others.
    pub complete: bool,
}

/// A resource, and which of the patterns match it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The resource: the last part of its ARN.
    pub resource: String,
    /// Indexes of the patterns.
    pub matching: BTreeSet<usize>,
}

/// Walks. The patterns are those of whole ARNs with their variables replaced; `arn_prefix` is the beginning of the
/// cloud's own; at most `states` states are visited.
#[must_use]
pub fn explore(patterns: &[Glob], arn_prefix: &str, kind: Kind, states: usize) -> Exploration {
    let automaton = Automaton::new(patterns);
    let mut start = automaton.start();
    for character in arn_prefix.chars().chain(kind.prefix().chars()) {
        start = automaton.step(&start, character);
    }
    let fresh = automaton.fresh();
    let mut nodes: Vec<Node> = Vec::from([Node {
        state: start.clone(),
        shape: Shape::LevelStart,
        parent: None,
        length: 0,
    }]);
    let mut seen = BTreeSet::from([(start, Shape::LevelStart)]);
    let mut found: BTreeMap<BTreeSet<usize>, usize> = BTreeMap::new();
    let mut queue = VecDeque::from([0_usize]);
    let mut complete = true;
    while let Some(at) = queue.pop_front() {
        let Some((state, shape, length)) = nodes
            .get(at)
            .map(|node| (node.state.clone(), node.shape, node.length))
        else {
            break;
        };
        if length > 0 {
            let matching = automaton.accepted(&state);
            // An example that ends with `/` is a resource, but not one that people would choose.
            let is_better = found.get(&matching).is_none_or(|known| {
                nodes.get(*known).is_some_and(|node| node.ends_with_slash())
                    && shape != Shape::LevelStart
            });
            if is_better {
                found.insert(matching, at);
            }
        }
        if length >= BYTES {
            complete = false;
            continue;
        }
        let mut wanted = automaton.characters(&state);
        if kind == Kind::TopicFilter {
            wanted.extend(['+', '#', '/']);
        }
        // The one that stands for all others first: it makes the plainest examples.
        for character in core::iter::once(fresh).chain(wanted) {
            let Some(next_shape) = shape.after(character, kind) else {
                continue;
            };
            let next = automaton.step(&state, character);
            if !seen.insert((next.clone(), next_shape)) {
                continue;
            }
            if nodes.len() >= states {
                complete = false;
                continue;
            }
            queue.push_back(nodes.len());
            nodes.push(Node {
                state: next,
                shape: next_shape,
                parent: Some((at, character)),
                length: length.saturating_add(character.len_utf8()),
            });
        }
    }
    let found = found
        .into_iter()
        .map(|(matching, at)| Found {
            resource: text(&nodes, at, kind),
            matching,
        })
        .collect();
    Exploration { found, complete }
}

/// Resources that match one pattern each, with nothing and with one character for every `*`; for walks that have no end.
#[must_use]
pub fn samples(patterns: &[Glob], arn_prefix: &str, kind: Kind) -> Vec<String> {
    let start = alloc::format!("{arn_prefix}{}", kind.prefix());
    let mut found = Vec::new();
    for pattern in patterns {
        for any in ["", "x"] {
            let mut text = String::new();
            for token in &pattern.tokens {
                match token {
                    Token::Char(character) => text.push(*character),
                    Token::One => text.push('x'),
                    Token::Any => text.push_str(any),
                    Token::Variable(_) => {}
                }
            }
            // A pattern may begin with a `*` that stands for the beginning of every ARN.
            let rest = text.strip_prefix(&start).unwrap_or(&text);
            let resource = alloc::format!("{}{rest}", kind.prefix());
            let is_match = pattern.matches(&alloc::format!("{arn_prefix}{resource}"));
            if is_match && !rest.is_empty() && rest.len() <= BYTES && !found.contains(&resource) {
                found.push(resource);
            }
        }
    }
    found
}

/// One state of the walk and the way to it.
struct Node {
    state: State,
    shape: Shape,
    parent: Option<(usize, char)>,
    length: usize,
}

impl Node {
    fn ends_with_slash(&self) -> bool {
        matches!(self.parent, Some((_, '/')))
    }
}

fn text(nodes: &[Node], mut at: usize, kind: Kind) -> String {
    let mut reversed = Vec::new();
    while let Some((parent, character)) = nodes.get(at).and_then(|node| node.parent) {
        reversed.push(character);
        at = parent;
    }
    let mut text = String::from(kind.prefix());
    text.extend(reversed.into_iter().rev());
    text
}

/// Where a text stands that has to be a topic or a topic filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    LevelStart,
    InLevel,
    AfterPlus,
    AfterHash,
}

impl Shape {
    /// The shape after one more character; `None` if no resource goes on like that.
    const fn after(self, character: char, kind: Kind) -> Option<Self> {
        let wildcards = matches!(kind, Kind::TopicFilter);
        let forbidden = matches!(kind, Kind::Topic);
        match (self, character) {
            (_, '\0') => None,
            (_, '+' | '#') if forbidden => None,
            (Self::LevelStart, '+') if wildcards => Some(Self::AfterPlus),
            (Self::LevelStart, '#') if wildcards => Some(Self::AfterHash),
            (_, '+' | '#') if wildcards => None,
            (Self::AfterHash, _) => None,
            (_, '/') => Some(Self::LevelStart),
            (Self::AfterPlus, _) => None,
            _ => Some(Self::InLevel),
        }
    }
}

/// Positions in all patterns, one bit each.
type State = Vec<u64>;

struct Automaton<'p> {
    /// All tokens behind each other; `None` is the end of a pattern.
    tokens: Vec<Option<&'p Token>>,
    /// Where each pattern begins.
    starts: Vec<usize>,
    /// Where each pattern ends.
    ends: Vec<usize>,
}

impl<'p> Automaton<'p> {
    fn new(patterns: &'p [Glob]) -> Self {
        let mut tokens = Vec::new();
        let mut starts = Vec::new();
        let mut ends = Vec::new();
        for pattern in patterns {
            starts.push(tokens.len());
            tokens.extend(pattern.tokens.iter().map(Some));
            ends.push(tokens.len());
            tokens.push(None);
        }
        Self {
            tokens,
            starts,
            ends,
        }
    }

    fn empty(&self) -> State {
        vec![0; self.tokens.len().div_ceil(64)]
    }

    fn start(&self) -> State {
        let mut state = self.empty();
        for at in &self.starts {
            self.enter(&mut state, *at);
        }
        state
    }

    /// Adds a position, and those behind every `*` from there on.
    fn enter(&self, state: &mut State, mut at: usize) {
        loop {
            set(state, at);
            if self.tokens.get(at) != Some(&Some(&Token::Any)) {
                return;
            }
            at = at.saturating_add(1);
        }
    }

    fn step(&self, state: &State, character: char) -> State {
        let mut next = self.empty();
        for at in positions(state) {
            match self.tokens.get(at) {
                Some(Some(Token::Any)) => self.enter(&mut next, at),
                Some(Some(Token::One)) => self.enter(&mut next, at.saturating_add(1)),
                Some(Some(Token::Char(wanted))) if *wanted == character => {
                    self.enter(&mut next, at.saturating_add(1));
                }
                _ => {}
            }
        }
        next
    }

    fn accepted(&self, state: &State) -> BTreeSet<usize> {
        self.ends
            .iter()
            .enumerate()
            .filter(|(_, end)| is_set(state, **end))
            .map(|(pattern, _)| pattern)
            .collect()
    }

    /// The characters that some pattern asks for here.
    fn characters(&self, state: &State) -> BTreeSet<char> {
        positions(state)
            .filter_map(|at| match self.tokens.get(at) {
                Some(Some(Token::Char(character))) => Some(*character),
                _ => None,
            })
            .collect()
    }

    /// A character that no pattern asks for: it stands for all others.
    fn fresh(&self) -> char {
        let used: BTreeSet<char> = self
            .tokens
            .iter()
            .filter_map(|token| match token {
                Some(Token::Char(character)) => Some(*character),
                _ => None,
            })
            .collect();
        "xyzqwvkjuabcdefghilmnoprst0123456789XYZ"
            .chars()
            .chain('\u{3b1}'..='\u{3c9}')
            .chain('\u{4e00}'..='\u{9fff}')
            .find(|character| !used.contains(character))
            .unwrap_or('\u{10fffd}')
    }
}

fn set(state: &mut State, at: usize) {
    if let Some(word) = state.get_mut(at.div_euclid(64)) {
        *word |= 1_u64.rotate_left(u32::try_from(at.rem_euclid(64)).unwrap_or(0));
    }
}

fn is_set(state: &State, at: usize) -> bool {
    state.get(at.div_euclid(64)).is_some_and(|word| {
        word & 1_u64.rotate_left(u32::try_from(at.rem_euclid(64)).unwrap_or(0)) != 0
    })
}

fn positions(state: &State) -> impl Iterator<Item = usize> {
    state.iter().enumerate().flat_map(|(index, word)| {
        let mut left = *word;
        core::iter::from_fn(move || {
            let bit = usize::try_from(left.trailing_zeros()).ok()?;
            if left == 0 {
                return None;
            }
            left &= left.wrapping_sub(1);
            index.checked_mul(64)?.checked_add(bit)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = "arn:aws:iot:us-east-1:123456789012:";

    fn walk(patterns: &[&str], kind: Kind) -> Vec<(Vec<usize>, String)> {
        let globs: Vec<Glob> = patterns
            .iter()
            .map(|pattern| {
                Glob::parse(&if pattern.starts_with("arn:") || *pattern == "*" {
                    (*pattern).into()
                } else {
                    alloc::format!("{PREFIX}{pattern}")
                })
            })
            .collect();
        let exploration = explore(&globs, PREFIX, kind, 1_000);
        assert!(exploration.complete);
        exploration
            .found
            .into_iter()
            .map(|found| (found.matching.into_iter().collect(), found.resource))
            .collect()
    }

    #[test]
    fn every_combination_has_an_example() {
        assert_eq!(
            walk(&["topic/a*", "topic/*b"], Kind::Topic),
            [
                (Vec::new(), "topic/x".into()),
                (Vec::from([0]), "topic/a".into()),
                (Vec::from([0, 1]), "topic/ab".into()),
                (Vec::from([1]), "topic/b".into()),
            ]
        );
    }

    #[test]
    fn patterns_of_elsewhere_match_nothing_and_stars_span_the_prefix() {
        // C-31, C-50
        assert_eq!(
            walk(
                &[
                    "*",
                    "arn:aws:iot:REGION:ACCOUNT_ID:topic/a",
                    "arn:aws:iot:*:*:topic/a"
                ],
                Kind::Topic
            ),
            [
                (Vec::from([0]), "topic/x".into()),
                (Vec::from([0, 2]), "topic/a".into()),
            ]
        );
    }

    #[test]
    fn examples_are_topics_and_filters() {
        // C-27: a `+` or `#` in a topic pattern matches no topic; in a filter it stands alone in its level.
        assert_eq!(
            walk(&["topic/a/+/b"], Kind::Topic),
            [(Vec::new(), "topic/x".into())]
        );
        assert_eq!(
            walk(&["topicfilter/a/+"], Kind::TopicFilter),
            [
                (Vec::new(), "topicfilter/x".into()),
                (Vec::from([0]), "topicfilter/a/+".into()),
            ]
        );
        assert_eq!(
            walk(&["topicfilter/a+"], Kind::TopicFilter),
            [(Vec::new(), "topicfilter/x".into())]
        );
    }

    #[test]
    fn an_example_does_not_end_with_a_slash_if_it_need_not() {
        assert_eq!(
            walk(&["topic/esp32/*"], Kind::Topic)[1],
            (Vec::from([0]), "topic/esp32/x".into())
        );
    }

    #[test]
    fn samples_match_what_they_are_of() {
        let globs = [
            "*",
            "arn:aws:iot:us-east-1:123456789012:topic/a*?",
            "*q*w",
            "arn:aws:iot:REGION:ACCOUNT_ID:topic/a",
        ]
        .map(Glob::parse);
        assert_eq!(
            samples(&globs, PREFIX, Kind::Topic),
            ["topic/x", "topic/ax", "topic/axx", "topic/qw", "topic/xqxw"]
        );
    }

    #[test]
    fn a_walk_that_has_no_end_says_so() {
        let globs: Vec<Glob> = "ABCDEFGHIJKLMNOP"
            .chars()
            .map(|character| Glob::parse(&alloc::format!("*{character}*")))
            .collect();
        assert!(!explore(&globs, PREFIX, Kind::Client, 1_000).complete);
    }
}
