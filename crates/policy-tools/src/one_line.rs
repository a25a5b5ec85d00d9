//! Text of others on one line of ours: in errors, and in pictures for terminals.

use alloc::string::String;

/// Text of others, with what would break the line or colour the terminal made visible.
pub(crate) fn one_line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}
