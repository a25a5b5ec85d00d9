//! `cargo xtask bench`: builds what is measured in release, measures, writes the tables into `docs/benchmarks.md`.

use std::fs;

use crate::foreign;
use crate::run::{Failed, cargo, program, root, run, target};

/// What can be measured, and the name under which its tables stand in the document. The first is the default.
const KINDS: &[(&str, &str)] = &[
    ("broker", "cargo xtask bench"),
    ("latency", "cargo xtask bench latency"),
    ("hostility", "cargo xtask bench hostility"),
    ("idle", "cargo xtask bench idle"),
    ("growth", "cargo xtask bench growth"),
    ("cost", "cargo xtask bench cost"),
];

/// The tables of `bench broker --peers all` are others than those of the daily run.
const ALL_PEERS: &str = "cargo xtask bench broker --peers all";

/// Runs the benchmark that the first argument names (none is `broker`); the others go to it.
pub(crate) fn measure(arguments: &[String]) -> Result<(), Failed> {
    let (kind, title, arguments) = choose(arguments)?;
    foreign::debian_packages()?;
    let all = title == ALL_PEERS;
    let peers = if all { foreign::peers()? } else { Vec::new() };
    run(cargo().args([
        "build",
        "--release",
        "--package",
        "thingwire",
        "--package",
        "thingwire-bench",
    ]))?;
    let release = target().join("release");
    let table = target().join("bench.md");
    run(program(release.join("thingwire-bench"))
        .env("THINGWIRE_BIN", release.join("thingwire"))
        .envs(peers)
        .arg(kind)
        .arg("--markdown")
        .arg(&table)
        .arg("--json")
        .arg(target().join("bench.json"))
        .args(arguments))?;
    let read = |path: &std::path::Path| {
        fs::read_to_string(path)
            .map_err(|error| Failed::new(format!("`{}` cannot be read: {error}", path.display())))
    };
    let document = root().join("docs/benchmarks.md");
    let begin = format!("<!-- begin: written by {title} -->");
    let end = format!("<!-- end: written by {title} -->");
    let new = between(&read(&document)?, (&begin, &end), &read(&table)?)?;
    fs::write(&document, new)
        .map_err(|error| Failed::new(format!("`docs/benchmarks.md` cannot be written: {error}")))
}

/// Which benchmark, the title of its tables, and its arguments.
fn choose(arguments: &[String]) -> Result<(&'static str, &'static str, &[String]), Failed> {
    let (kind, title, rest) = match arguments.split_first() {
        Some((first, rest)) if !first.starts_with('-') => {
            let known = KINDS.iter().find(|(kind, _)| kind == first);
            let (kind, title) = known.ok_or_else(|| {
                let kinds: Vec<_> = KINDS.iter().map(|(kind, _)| *kind).collect();
                Failed::new(format!(
                    "no benchmark `{first}`; there are {}",
                    kinds.join(", ")
                ))
            })?;
            (*kind, *title, rest)
        }
        _ => ("broker", "cargo xtask bench", arguments),
    };
    let all = rest.windows(2).any(|pair| pair == ["--peers", "all"])
        || rest.iter().any(|argument| argument == "--peers=all");
    Ok((
        kind,
        if kind == "broker" && all {
            ALL_PEERS
        } else {
            title
        },
        rest,
    ))
}

/// The document with what stands between the two marks replaced.
pub(crate) fn between(
    document: &str,
    (begin, end): (&str, &str),
    table: &str,
) -> Result<String, Failed> {
    let marks = || {
        Failed::new(format!(
            "`docs/benchmarks.md` must hold the lines `{begin}` and `{end}`"
        ))
    };
    let (before, rest) = document.split_once(begin).ok_or_else(marks)?;
    let (_, after) = rest.split_once(end).ok_or_else(marks)?;
    Ok(format!(
        "{before}{begin}\n\n{}\n\n{end}{after}",
        table.trim()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_table_replaces_the_old_one_and_nothing_else() {
        let marks = ("<!-- begin -->", "<!-- end -->");
        let new = between(
            "# Title\n\n<!-- begin -->\nold\n<!-- end -->\n\nwords\n",
            marks,
            "| new |\n",
        )
        .unwrap();
        assert_eq!(
            new,
            "# Title\n\n<!-- begin -->\n\n| new |\n\n<!-- end -->\n\nwords\n"
        );
        assert!(between("no marks", marks, "| new |").is_err());
    }

    #[test]
    fn without_a_name_it_is_the_broker_and_all_peers_have_tables_of_their_own() {
        let chosen = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            choose(&words).map(|(kind, title, rest)| (kind, title, rest.len()))
        };
        let usual = ("broker", "cargo xtask bench");
        assert_eq!(chosen("--rounds 3").unwrap(), (usual.0, usual.1, 2));
        assert_eq!(chosen("broker").unwrap(), (usual.0, usual.1, 0));
        assert_eq!(
            chosen("broker --peers all --rounds 1").unwrap(),
            ("broker", ALL_PEERS, 4)
        );
        assert_eq!(chosen("growth").unwrap().0, "growth");
        assert!(chosen("everything").is_err());
    }
}
