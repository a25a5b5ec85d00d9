//! Places in a text, and small changes at them.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use thingwire_policy::json::{Node, Value};

/// One change: these bytes of the text become this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Bytes of the text, on character boundaries.
    pub range: Range<usize>,
    /// What comes in their place.
    pub replacement: String,
}

/// The text with these changes, and how many were made; the rest is the same byte for byte.
///
/// A change that overlaps one before it is left out: it was meant for a text that is no longer there.
#[must_use]
pub fn apply(text: &str, edits: impl IntoIterator<Item = Edit>) -> (String, usize) {
    let mut edits: Vec<Edit> = edits.into_iter().collect();
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let mut changed = String::with_capacity(text.len());
    let mut done = 0_usize;
    let mut from = 0_usize;
    for edit in edits {
        let (Some(before), Some(_)) = (
            text.get(from..edit.range.start),
            text.get(edit.range.clone()),
        ) else {
            continue;
        };
        changed.push_str(before);
        changed.push_str(&edit.replacement);
        from = edit.range.end;
        done = done.saturating_add(1);
    }
    changed.push_str(text.get(from..).unwrap_or_default());
    (changed, done)
}

/// The value of this member.
#[must_use]
pub fn value_at<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    match &node.value {
        Value::Object(members) => members
            .iter()
            .find(|member| member.name == name)
            .map(|member| &member.node),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_touch_nothing_else() {
        let edit = |range, text: &str| Edit {
            range,
            replacement: text.into(),
        };
        let text = "aä bb  cc";
        assert_eq!(
            apply(text, [edit(8..10, "C"), edit(4..6, "BBB")]),
            ("aä BBB  C".into(), 2)
        );
        assert_eq!(
            apply(text, [edit(4..6, "x"), edit(5..7, "y")]),
            ("aä x  cc".into(), 1),
            "overlapping"
        );
        assert_eq!(
            apply(text, [edit(2..3, "x")]),
            (text.into(), 0),
            "inside a character"
        );
        assert_eq!(apply(text, [edit(50..60, "x")]), (text.into(), 0));
    }
}
