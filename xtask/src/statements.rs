//! A part of `cargo xtask rules`: which normative statements of the MQTT standards have a test of the broker.
//!
//! Both standards number their statements alike, so a citation says of which one it is: by the folder `v311` or `v5` of the
//! broker's table of statements (`crates/broker/tests/statements`), elsewhere by the word before it, `v5 [MQTT-3.3.2-5]`.
//! What needs no test has its reason in `docs/mqtt-statements.txt`, which this reads; a statement with neither is an error, and so
//! are a reason for what is tested and a citation of what does not exist.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::run::{Failed, root};

const LIST: &str = "docs/mqtt-statements.txt";
/// What this writes.
pub(crate) const PAGE: &str = "docs/mqtt-statements.md";
const TABLE: &str = "crates/broker/tests/statements";
/// Where single tests may cite.
const TESTS: &[&str] = &[
    "crates/broker/src",
    "crates/cloud/src",
    "crates/cloud/tests",
];
const VERSIONS: [(&str, &str); 2] = [("v311", "MQTT 3.1.1"), ("v5", "MQTT 5")];

/// Version and number, such as (`v5`, `3.3.2-5`), and for each its tests: the file, and what the test says of itself.
type Citations = BTreeMap<(&'static str, String), Vec<(String, String)>>;

/// The page as it should be.
pub(crate) fn page() -> Result<String, Failed> {
    let read = |error| Failed::new(format!("the tests cannot be read: {error}"));
    let mut found = Citations::new();
    for (version, _) in VERSIONS {
        walk(&root().join(TABLE).join(version), &mut |path, text| {
            note(path, text, &[version], &mut found);
        })
        .map_err(read)?;
    }
    for folder in TESTS {
        walk(&root().join(folder), &mut |path, text| {
            note(path, text, &[], &mut found);
        })
        .map_err(read)?;
    }
    let list = fs::read_to_string(root().join(LIST))
        .map_err(|error| Failed::new(format!("`{LIST}` cannot be read: {error}")))?;
    write(&list, found).map_err(Failed::new)
}

fn walk(folder: &Path, see: &mut impl FnMut(&Path, &str)) -> std::io::Result<()> {
    let mut entries = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            walk(&path, see)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            see(
                path.strip_prefix(root()).unwrap_or(&path),
                &fs::read_to_string(&path)?,
            );
        }
    }
    Ok(())
}

/// Notes the citations of a file; `versions` are what it is about, or else the words before each citation say it.
fn note(path: &Path, text: &str, versions: &[&'static str], found: &mut Citations) {
    let file = path.to_string_lossy().replace('\\', "/");
    for line in text.lines() {
        let words = words(line);
        let mut before = "";
        for (index, part) in line.split("[MQTT-").enumerate() {
            let Some((number, after)) = part.split_once(']').filter(|_| index > 0) else {
                before = part;
                continue;
            };
            let said: Vec<_> = before
                .split_whitespace()
                .rev()
                .take_while(|word| VERSIONS.iter().any(|(name, _)| name == word))
                .collect();
            for (version, _) in VERSIONS {
                if versions.contains(&version) || (versions.is_empty() && said.contains(&version)) {
                    let tests = found.entry((version, number.to_owned())).or_default();
                    tests.push((file.clone(), words.clone()));
                }
            }
            before = after;
        }
    }
}

/// What a line says besides the numbers: of a row its first text, of a comment all.
fn words(line: &str) -> String {
    let text = match line.trim_start().strip_prefix("(\"") {
        Some(row) => row.split('"').next().unwrap_or_default(),
        None => line,
    };
    let parts = text
        .split("[MQTT-")
        .enumerate()
        .map(|(index, part)| match index {
            0 => "",
            _ => part.split_once(']').map_or("", |(_, after)| after),
        });
    let words: Vec<_> = parts
        .map(|part| part.trim_matches([' ', ',', ';', ':', '`']))
        .map(|part| part.trim_end_matches("v5").trim_end_matches([' ', ',']))
        .filter(|part| !part.is_empty())
        .collect();
    words.join(", ")
}

/// The page, or what is wrong with the list.
fn write(list: &str, mut found: Citations) -> Result<String, String> {
    let mut page = String::from(
        "# The statements of the MQTT standards\n\nWritten by `cargo xtask rules`; do not edit. Each normative statement of MQTT 3.1.1 and \
         MQTT 5 with the tests that show what our broker does, or with the reason why it has none. Most are rows of the tables \
         in `crates/broker/tests/statements`, and each row runs in both behaviours, with bytes that come at once and one by one. \
         `docs/mqtt-statements.txt` has the numbers and the reasons.\n",
    );
    let mut version = None;
    let mut wrong = Vec::new();
    let mut rows = String::new();
    let mut counts = (0, 0);
    for line in list.lines().chain(["# end"]) {
        if let Some(title) = line.strip_prefix("# ") {
            if let Some((_, name)) = version {
                let (tested, all) = std::mem::take(&mut counts);
                let _ = write!(
                    page,
                    "\n## {name}\n\n{all} statements, {tested} with a test.\n\n| statement | what is tested, or why nothing is | where |\n|---|---|---|\n{}",
                    std::mem::take(&mut rows)
                );
            }
            version = VERSIONS.into_iter().find(|(_, name)| *name == title);
            continue;
        }
        let (Some((version, name)), Some(number)) = (
            version,
            line.split(' ').next().filter(|number| !number.is_empty()),
        ) else {
            continue;
        };
        let reason = line[number.len()..].trim();
        counts.1 += 1;
        let tests = found.remove(&(version, number.to_owned()));
        match (tests, reason) {
            (None, "") => wrong.push(format!(
                "{name} [MQTT-{number}] has neither a test nor a reason"
            )),
            (None, reason) => {
                let _ = writeln!(rows, "| {number} | *{reason}* | |");
            }
            (Some(tests), "") => {
                counts.0 += 1;
                let mut words: Vec<_> = tests
                    .iter()
                    .map(|(_, words)| words.as_str())
                    .filter(|words| !words.is_empty())
                    .collect();
                words.dedup();
                let mut files: Vec<_> = tests.iter().map(|(file, _)| file.as_str()).collect();
                files.sort_unstable();
                files.dedup();
                let files: Vec<_> = files
                    .iter()
                    .map(|file| {
                        format!(
                            "`{}`",
                            file.strip_prefix(TABLE).map_or(*file, |short| &short[1..])
                        )
                    })
                    .collect();
                let _ = writeln!(
                    rows,
                    "| {number} | {} | {} |",
                    words.join("; ").replace('|', "\\|"),
                    files.join(", ")
                );
            }
            (Some(_), _) => wrong.push(format!(
                "{name} [MQTT-{number}] has a reason and a test: strike the reason"
            )),
        }
    }
    wrong.extend(
        found
            .keys()
            .map(|(version, number)| format!("{version} has no statement [MQTT-{number}]")),
    );
    if wrong.is_empty() {
        Ok(page)
    } else {
        Err(wrong.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(versions: &[&'static str], text: &str) -> Citations {
        let mut found = Citations::new();
        note(Path::new("f.rs"), text, versions, &mut found);
        found
    }

    #[test]
    fn a_citation_is_of_the_version_that_folder_or_words_say() {
        let found = noted(
            &["v5"],
            "(\"[MQTT-1.2.3-4] flags; [MQTT-1.2.3-5] and more\", \"a+\")",
        );
        let both = [("f.rs".into(), "flags, and more".into())];
        assert_eq!(found[&("v5", "1.2.3-4".into())], both);
        assert_eq!(found[&("v5", "1.2.3-5".into())], both);
        let found = noted(&[], "/// v311 v5 [MQTT-6.0.0-2]: words\n/// [MQTT-6.0.0-3]");
        assert_eq!(
            found
                .keys()
                .map(|(version, _)| *version)
                .collect::<Vec<_>>(),
            ["v311", "v5"]
        );
    }

    #[test]
    fn what_is_missing_wrong_or_too_much_is_said() {
        let list = "# MQTT 5\n1.2.3-4\n1.2.3-5 a client does it\n";
        let good = write(list, noted(&["v5"], "[MQTT-1.2.3-4] flags")).unwrap();
        assert!(good.contains("2 statements, 1 with a test"), "{good}");
        assert!(
            good.contains("| 1.2.3-4 | flags | `f.rs` |\n| 1.2.3-5 | *a client does it* | |"),
            "{good}"
        );
        for (text, said) in [
            ("", "neither a test nor a reason"),
            ("[MQTT-1.2.3-4] x\n[MQTT-1.2.3-5] y", "strike the reason"),
            (
                "[MQTT-1.2.3-4] x\n[MQTT-9.9.9-9] y",
                "v5 has no statement [MQTT-9.9.9-9]",
            ),
        ] {
            let wrong = write(list, noted(&["v5"], text)).unwrap_err();
            assert!(wrong.contains(said), "{wrong}");
        }
    }
}
