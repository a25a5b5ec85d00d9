//! `docs/pains.md` names a test for each promise; here is checked that these tests exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::run::{Failed, root};

const PAGE: &str = "docs/pains.md";

/// Where tests are.
const SOURCES: &[&str] = &["crates", "conformance", "simulation"];

/// Fails with the names of tests that the page cites and nobody wrote.
pub(crate) fn check() -> Result<(), Failed> {
    let page = fs::read_to_string(root().join(PAGE))
        .map_err(|error| Failed::new(format!("`{PAGE}` cannot be read: {error}")))?;
    let mut functions = BTreeSet::new();
    for folder in SOURCES {
        walk(&root().join(folder), &mut functions)
            .map_err(|error| Failed::new(format!("`{folder}` cannot be read: {error}")))?;
    }
    let missing: Vec<&str> = cited(&page)
        .into_iter()
        .filter(|name| !functions.contains(*name))
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Failed::new(format!(
            "`{PAGE}` names tests that do not exist: {}",
            missing.join(", ")
        )))
    }
}

/// The names in back-ticks in the last column.
fn cited(page: &str) -> Vec<&str> {
    page.lines()
        .filter_map(|line| line.trim_end().strip_suffix('|')?.rsplit_once('|'))
        .flat_map(|(_, column)| column.split('`').skip(1).step_by(2))
        .collect()
}

fn walk(folder: &Path, functions: &mut BTreeSet<String>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if !path.ends_with("target") {
                walk(&path, functions)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path)?;
            functions.extend(defined(&text).map(str::to_owned));
        }
    }
    Ok(())
}

/// The names of a file's functions.
fn defined(text: &str) -> impl Iterator<Item = &str> {
    text.split("fn ").skip(1).filter_map(|rest| {
        let end = rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))?;
        rest.get(..end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_the_last_column_only() {
        let page = "text `no`\n| pain | `no` | shown by `a_test`, `another` |\n|---|---|---|\n";
        assert_eq!(cited(page), ["a_test", "another"]);
        let found: Vec<&str> = defined("#[test]\nfn a_test() {}\nasync fn b(x: u8)").collect();
        assert_eq!(found, ["a_test", "b"]);
    }
}
