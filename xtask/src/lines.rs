//! The table of `docs/first-board.md` that leads from a line on the serial line to its cure, held against the sources that
//! print such lines: what stands in the table is printed somewhere, and what can be printed of a failure stands in the table.
//!
//! A sentence is found by its pieces: a text of the sources is cut where something is filled in, a line of the table at `…` and
//! brackets. One of the pieces must be a part of the other. What is printed and is no failure is listed here.

use std::fs;

use crate::run::root;

const TABLE: &str = "docs/first-board.md";

/// Where the sentences stand, and from which words on: what is before is not printed by a board.
const SOURCES: &[(&str, &str)] = &[
    ("crates/chip/src/kit_image_error.rs", ""),
    ("crates/chip/src/sntp.rs", ""),
    ("crates/chip/src/wifi/trouble.rs", ""),
    (
        "crates/device/src/connector.rs",
        "impl fmt::Display for Failure",
    ),
    ("crates/device/src/event.rs", "impl fmt::Display for Why"),
    (
        "crates/mqtt/src/client/error.rs",
        "impl core::fmt::Display for SessionError",
    ),
    ("firmware/common/src/connector.rs", ""),
    ("firmware/common/src/explain.rs", ""),
    ("firmware/common/src/sntp.rs", ""),
    ("firmware/esp/src/connection.rs", ""),
    ("firmware/esp/src/flash.rs", ""),
    ("firmware/esp/src/kit.rs", ""),
    ("firmware/esp/src/last_words.rs", ""),
    ("firmware/esp/src/lib.rs", "#![no_std]"),
    ("firmware/esp/src/queue.rs", ""),
    ("firmware/esp/src/radio.rs", ""),
    ("firmware/esp/src/settings.rs", ""),
    ("firmware/esp/src/storage.rs", ""),
    ("firmware/esp/src/watchdog.rs", ""),
];

/// Where a source's sentences for boards end.
const ENDS: &[&str] = &[
    "#[cfg(test)]",
    // What the application is told, and shows as it likes.
    "/// A PUBLISH was not accepted",
    "pub enum PublishError",
];

/// Printed, and no failure; or part of a line whose beginning is in the table.
const NO_FAILURE: &[&str] = &[
    "thingwire {version} on {CHIP}; last reset: {}",
    "power on",
    "restart by the program",
    "restart over USB",
    "deep sleep",
    "Wi-Fi `{}`: joining",
    "address {}, signal {strength} dBm",
    "`{ssid}`, {kind}, channel {}, {strength} dBm",
    "set here",
    "from the kit",
    "the time is {date}, from {}, right to {uncertainty} ms",
    "connected, session kept: {}",
    "{waiting} messages of earlier runs wait in the queue",
    // Names of what is filled in elsewhere.
    "root certificates",
    "private key",
    // Words for a panic, which its row covers; and for what cannot happen to a program that was tested.
    "the radio does not work any more",
    "joined again and again, and no address comes",
    "it was started twice",
    "rnpanic: ",
    "the radio",
    "the memory for the image is too small",
    "the kit needs {len} bytes, an image has at most {max}",
];

/// Pieces shorter than this say nothing.
const SHORTEST: usize = 8;

/// The texts in quotation marks of a Rust source, without those of its comments.
fn texts(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = source.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '/' if rest.peek() == Some(&'/') => {
                let _ = rest.by_ref().find(|next| *next == '\n');
            }
            // A character, not a lifetime.
            '\'' => {
                let mut ahead = rest.clone();
                let first = ahead.next();
                let second = ahead.next();
                if first == Some('\\') {
                    let _ = rest.by_ref().skip(2).find(|next| *next == '\'');
                } else if second == Some('\'') {
                    rest = ahead;
                }
            }
            '"' => {
                let mut text = String::new();
                while let Some(character) = rest.next().filter(|next| *next != '"') {
                    if character != '\\' {
                        text.push(character);
                        continue;
                    }
                    match rest.next() {
                        Some('\n') => while rest.next_if(|next| next.is_whitespace()).is_some() {},
                        Some(escaped) => text.push(escaped),
                        None => {}
                    }
                }
                found.push(text);
            }
            _ => {}
        }
    }
    found
}

/// What stays of a text of the sources around what is filled in.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut inside = 0;
    let mut piece = String::new();
    for character in text.chars().chain(['{']) {
        match character {
            '{' => {
                pieces.push(std::mem::take(&mut piece));
                inside += 1;
            }
            '}' => inside -= 1,
            other if inside == 0 => piece.push(other),
            _ => {}
        }
    }
    pieces
}

/// What stays of a line of the table around what differs from board to board.
fn told(line: &str) -> Vec<String> {
    let line = line.replace("HOST", "…").replace("version 2", "version …");
    let cut = |character: char| matches!(character, '…' | '(' | ')');
    let pieces = line.split(cut);
    // What stands around a name: "`…`: ".
    let piece = |piece: &str| piece.trim_matches(['`', ':', ' ']).to_owned();
    pieces.map(piece).collect()
}

fn meet(told: &[String], printed: &[String]) -> bool {
    let long = |piece: &&String| piece.trim().len() >= SHORTEST;
    told.iter().filter(long).any(|told| {
        let told = told.trim();
        printed.iter().filter(long).any(|printed| {
            let printed = printed.trim();
            printed.contains(told) || told.contains(printed)
        })
    })
}

/// The sentences that a board can print.
fn printed() -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    for (file, from) in SOURCES {
        let source = fs::read_to_string(root().join(file)).expect(file);
        let at = source
            .find(from)
            .unwrap_or_else(|| panic!("`{file}` has no `{from}`"));
        let source = &source[at..];
        let end = ENDS.iter().filter_map(|end| source.find(end)).min();
        for text in texts(&source[..end.unwrap_or(source.len())]) {
            let is_sentence = text.contains(' ')
                && pieces(&text)
                    .iter()
                    .any(|piece| piece.trim().len() >= SHORTEST);
            if is_sentence {
                all.push((*file, text));
            }
        }
    }
    all
}

/// The lines of the table's first column.
fn table() -> Vec<String> {
    let page = fs::read_to_string(root().join(TABLE)).expect(TABLE);
    let (_, table) = page
        .split_once("| the line | cause | cure |")
        .expect("the table");
    let mut lines = Vec::new();
    for row in table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
    {
        let cell = row.split(" | ").next().unwrap_or_default();
        let cell = cell.trim_start_matches("| ");
        // Texts in one or in two back-ticks.
        let mut rest = cell;
        while let Some(at) = rest.find('`') {
            let mark = if rest[at..].starts_with("``") {
                "``"
            } else {
                "`"
            };
            let inside = &rest[at + mark.len()..];
            let end = inside.find(mark).expect("a closing back-tick");
            lines.push(inside[..end].trim().to_owned());
            rest = &inside[end + mark.len()..];
        }
    }
    lines
}

#[test]
fn what_stands_in_the_table_is_printed_somewhere() {
    let printed: Vec<Vec<String>> = printed().iter().map(|(_, text)| pieces(text)).collect();
    let mut missing = Vec::new();
    let table = table();
    assert!(table.len() > 30, "{}", table.len());
    for line in &table {
        for piece in told(line) {
            let piece = [piece];
            if piece[0].trim().len() >= SHORTEST && !printed.iter().any(|text| meet(&piece, text)) {
                missing.push(format!("`{}` of `{line}`", piece[0].trim()));
            }
        }
    }
    assert!(missing.is_empty(), "no source prints {missing:#?}");
}

#[test]
fn every_failure_that_a_board_can_print_stands_in_the_table() {
    let table: Vec<Vec<String>> = table().iter().map(|line| told(line)).collect();
    let mut missing = Vec::new();
    for (file, text) in printed() {
        let known = NO_FAILURE.contains(&text.as_str());
        if !known && !table.iter().any(|line| meet(line, &pieces(&text))) {
            missing.push(format!("{file}: `{text}`"));
        }
    }
    assert!(missing.is_empty(), "`{TABLE}` has no row for {missing:#?}");
}

#[test]
fn what_is_listed_as_no_failure_is_printed() {
    let printed = printed();
    let is_printed = |text: &&&str| printed.iter().any(|(_, printed)| printed == **text);
    let unknown: Vec<_> = NO_FAILURE.iter().filter(|text| !is_printed(text)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn texts_are_found_in_a_source() {
    let source = "let a = \"one two\"; // \"not this\"\n let b = '\"'; f(\"three \\\n      four\", '\\'', \"a {b} c\");";
    assert_eq!(texts(source), ["one two", "three four", "a {b} c"]);
    assert_eq!(pieces("a {b} c"), ["a ", " c"]);
}
