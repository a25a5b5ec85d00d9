//! `cargo xtask rules`: which rules of the specification are cited in code, and which have no test.
//!
//! A rule counts as cited where its id stands in a source file (`B-52`, a range such as `B-52 to B-56`, or in
//! the name of a test: `b52_…`). A test is a file under `tests/`, a file named `tests.rs`, anything in
//! `conformance/`, or what follows `#[cfg(test)]` in a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::run::{Failed, root};
use crate::statements;

/// A rule's section letter and number; sorts as people count.
type Rule = (char, u32);

const SOURCES: &[&str] = &["crates", "conformance", "bench"];

/// The page with the rules that no test cites.
const PAGE: &str = "docs/rules-without-a-test.md";

/// Writes [`PAGE`] and that of the MQTT statements, and prints the counts; with `--check` it compares instead of writing.
pub(crate) fn list(arguments: &[String]) -> Result<(), Failed> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => {
            page_then(write)?;
            write_to(statements::PAGE, &statements::page()?)
        }
        ["--check"] => check(),
        _ => Err(Failed::new(
            "`cargo xtask rules` takes `--check` or nothing",
        )),
    }
}

/// Fails when a page does not say what the sources say.
pub(crate) fn check() -> Result<(), Failed> {
    page_then(compare)?;
    compare_with(statements::PAGE, &statements::page()?)
}

fn write(page: &str) -> Result<(), Failed> {
    write_to(PAGE, page)
}

fn compare(page: &str) -> Result<(), Failed> {
    compare_with(PAGE, page)
}

fn write_to(path: &str, page: &str) -> Result<(), Failed> {
    fs::write(root().join(path), page)
        .map_err(|error| Failed::new(format!("`{path}` cannot be written: {error}")))
}

fn compare_with(path: &str, page: &str) -> Result<(), Failed> {
    // Windows may have checked it out with other line ends.
    let committed = fs::read_to_string(root().join(path)).unwrap_or_default();
    if committed.lines().eq(page.lines()) {
        Ok(())
    } else {
        Err(Failed::new(format!(
            "`{path}` is out of date: run `cargo xtask rules` and commit it"
        )))
    }
}

fn page_then(then: fn(&str) -> Result<(), Failed>) -> Result<(), Failed> {
    let text = fs::read_to_string(root().join("docs/rules.txt"))
        .map_err(|error| Failed::new(format!("`docs/rules.txt` cannot be read: {error}")))?;
    let sections = sections(&text);
    let (mut code, mut tests) = (BTreeSet::new(), BTreeSet::new());
    for folder in SOURCES {
        walk(&root().join(folder), &mut code, &mut tests)
            .map_err(|error| Failed::new(format!("`{folder}` cannot be read: {error}")))?;
    }
    then(&page(&sections, &code, &tests))?;
    let known: BTreeSet<Rule> = sections
        .iter()
        .flat_map(|(_, rules)| rules.iter().copied())
        .collect();
    let count = |cited: &BTreeSet<Rule>| cited.intersection(&known).count();
    println!(
        "{} rules; cited in code {}, in tests {}",
        known.len(),
        count(&code),
        count(&tests)
    );
    for unknown in code.union(&tests).filter(|rule| !known.contains(rule)) {
        println!("cited but not a rule: {}-{}", unknown.0, unknown.1);
    }
    Ok(())
}

/// The sections of `docs/rules.txt` in order, each with its rules.
fn sections(text: &str) -> Vec<(String, Vec<Rule>)> {
    let mut sections: Vec<(String, Vec<Rule>)> = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("# ") {
            sections.push((title.to_owned(), Vec::new()));
        } else if let (Some(rule), Some((_, rules))) = (rule(line), sections.last_mut()) {
            rules.push(rule);
        }
    }
    sections.retain(|(_, rules)| !rules.is_empty());
    sections
}

fn page(sections: &[(String, Vec<Rule>)], code: &BTreeSet<Rule>, tests: &BTreeSet<Rule>) -> String {
    let mut page = String::from(
        "# Rules without a test\n\nWritten by `cargo xtask rules`; do not edit. A rule stands here when no test cites it; \
         *in code* says that code does.\n",
    );
    let mut chapters: BTreeMap<char, (usize, usize)> = BTreeMap::new();
    for rule in sections.iter().flat_map(|(_, rules)| rules) {
        let counts = chapters.entry(rule.0).or_default();
        counts.0 += 1;
        counts.1 += usize::from(tests.contains(rule));
    }
    page.push_str("\n| chapter | rules | with a test |\n|---|---:|---:|\n");
    for (chapter, (all, tested)) in chapters {
        let _ = writeln!(page, "| {chapter} | {all} | {tested} |");
    }
    for (title, rules) in sections {
        let missing: Vec<&Rule> = rules.iter().filter(|rule| !tests.contains(rule)).collect();
        if missing.is_empty() {
            continue;
        }
        let _ = writeln!(page, "\n## {title}\n");
        for rule in missing {
            let _ = writeln!(
                page,
                "- {}-{}{}",
                rule.0,
                rule.1,
                if code.contains(rule) { ", in code" } else { "" }
            );
        }
    }
    page
}

fn walk(
    folder: &Path,
    code: &mut BTreeSet<Rule>,
    tests: &mut BTreeSet<Rule>,
) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if !path.ends_with("target") {
                walk(&path, code, tests)?;
            }
        } else if path
            .extension()
            .is_some_and(|extension| extension == "rs" || extension == "py")
        {
            let text = fs::read_to_string(&path)?;
            let place = path.strip_prefix(root()).unwrap_or(&path);
            let is_test = place.starts_with("conformance")
                || place.components().any(|part| part.as_os_str() == "tests")
                || place.file_stem().is_some_and(|stem| stem == "tests");
            let (production, test) = if is_test {
                ("", text.as_str())
            } else {
                split(&text)
            };
            code.extend(cited(production));
            tests.extend(cited(test));
        }
    }
    Ok(())
}

/// A file's production part and its tests, which stand last.
fn split(text: &str) -> (&str, &str) {
    text.split_once("#[cfg(test)]\nmod ").unwrap_or((text, ""))
}

/// All rules that a text cites.
fn cited(text: &str) -> BTreeSet<Rule> {
    let mut found = BTreeSet::new();
    let words: Vec<&str> = text
        .split(|c: char| !(c.is_ascii_alphanumeric() || "-_–".contains(c)))
        .collect();
    let mut last: Option<Rule> = None;
    for (index, word) in words.iter().enumerate() {
        if let Some((first, end)) = word.split_once('–') {
            // B-52–B-56 or B-52–56
            if let Some(first) = rule(first) {
                let end = rule(end)
                    .map(|rule| rule.1)
                    .or_else(|| end.parse().ok())
                    .unwrap_or(first.1);
                found.extend((first.1..=end.min(first.1 + 99)).map(|number| (first.0, number)));
            }
        } else if let Some(this) = rule(word) {
            found.insert(this);
            let before = last.filter(|_| index > 0 && words.get(index - 1) == Some(&"to"));
            if let Some((letter, number)) = before
                && letter == this.0
                && this.1.saturating_sub(number) < 100
            {
                found.extend((number..this.1).map(|number| (letter, number)));
            }
            last = Some(this);
        } else if index > 0 && words.get(index - 1) == Some(&"fn") {
            found.extend(in_name(word));
        }
    }
    found
}

/// Rules in a function's name: `b52_to_b56_…`, `denied_publish_b_53`.
fn in_name(name: &str) -> Vec<Rule> {
    let parts: Vec<&str> = name.split('_').collect();
    let mut found = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let mut characters = part.chars();
        let Some(letter) = characters
            .next()
            .filter(|letter| ('a'..='h').contains(letter))
        else {
            continue;
        };
        let digits = match characters.as_str() {
            "" => parts.get(index + 1).copied().unwrap_or_default(),
            digits => digits,
        };
        if let Some(number) = number(digits) {
            found.push((letter.to_ascii_uppercase(), number));
        }
    }
    found
}

/// `B-52` as a rule.
fn rule(word: &str) -> Option<Rule> {
    let (letter, digits) = word.split_once('-')?;
    let mut letters = letter.chars();
    let letter = letters
        .next()
        .filter(|letter| ('A'..='H').contains(letter))?;
    if letters.next().is_some() {
        return None;
    }
    Some((letter, number(digits)?))
}

/// One to three digits and nothing else.
fn number(digits: &str) -> Option<u32> {
    let fits = (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if fits { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<String> {
        cited(text)
            .into_iter()
            .map(|(letter, number)| format!("{letter}-{number}"))
            .collect()
    }

    #[test]
    fn ids_ranges_and_names_count_and_look_alikes_do_not() {
        assert_eq!(rules("obeys `B-52` and (A-30)."), ["A-30", "B-52"]);
        assert_eq!(rules("(B-52 to B-54)"), ["B-52", "B-53", "B-54"]);
        assert_eq!(
            rules("B-52–B-54, C-1–2"),
            ["B-52", "B-53", "B-54", "C-1", "C-2"]
        );
        assert_eq!(rules("fn b52_denied_and_c_41()"), ["B-52", "C-41"]);
        assert!(
            rules("P-256 RSA-2048 AES-128 MQTT-4.3.2 B-5x b64_encode as_f64 A- utf-8").is_empty()
        );
    }

    #[test]
    fn tests_at_the_end_of_a_file_are_told_from_its_code() {
        let (code, tests) = split("//! B-1\nfn a() {}\n#[cfg(test)]\nmod tests { /* B-2 */ }");
        assert_eq!(
            (rules(code), rules(tests)),
            (vec!["B-1".to_owned()], vec!["B-2".to_owned()])
        );
    }

    #[test]
    fn the_page_names_what_no_test_cites() {
        let sections = sections("# about\n\n# A.1 One\nA-1\nA-2\n\n# A.2 Two\nA-3\n");
        let page = page(
            &sections,
            &BTreeSet::from([('A', 2)]),
            &BTreeSet::from([('A', 1), ('A', 3)]),
        );
        assert!(page.contains("| A | 3 | 2 |"));
        assert!(page.ends_with("## A.1 One\n\n- A-2, in code\n"));
    }
}
