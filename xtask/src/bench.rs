//! `cargo xtask bench`: builds what is measured in release, measures, writes the tables into `docs/benchmarks.md`.

use std::fs;

use crate::foreign;
use crate::run::{Failed, cargo, program, root, run, target};

/// The tables of the last run stand between these lines; what people wrote around them stays.
const BEGIN: &str = "<!-- begin: written by cargo xtask bench -->";
const END: &str = "<!-- end: written by cargo xtask bench -->";

/// Runs the benchmark; `arguments` go to it.
pub(crate) fn measure(arguments: &[String]) -> Result<(), Failed> {
    foreign::debian_packages()?;
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
    let old = if document.exists() {
        read(&document)?
    } else {
        format!("# Benchmarks\n\n{BEGIN}\n{END}\n")
    };
    let new = between(&old, (BEGIN, END), &read(&table)?)?;
    fs::write(&document, new)
        .map_err(|error| Failed::new(format!("`docs/benchmarks.md` cannot be written: {error}")))
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
        let old = format!("# Title\n\n{BEGIN}\nold\n{END}\n\nwords\n");
        let new = between(&old, (BEGIN, END), "| new |\n").unwrap();
        assert_eq!(
            new,
            format!("# Title\n\n{BEGIN}\n\n| new |\n\n{END}\n\nwords\n")
        );
        assert!(between("no marks", (BEGIN, END), "| new |").is_err());
    }
}
