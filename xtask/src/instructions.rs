//! `cargo xtask instructions`: how many instructions an MQTT engine needs for a message, counted by callgrind.
//!
//! `bench/engine` holds ours, minimq and rumqttc, state machine and codec only. Each does the same twice with different
//! counts, and the difference is the cost of the messages alone. Instructions, unlike time, do not depend on
//! what else the machine does.

use std::fs;

use crate::bench::between;
use crate::run::{Failed, cargo, output, program, root, run, target};

/// The table of the last run stands between these lines.
const MARKS: (&str, &str) = (
    "<!-- begin: written by cargo xtask instructions -->",
    "<!-- end: written by cargo xtask instructions -->",
);

/// What `bench/engine` calls them, and what the table does.
const ENGINES: [(&str, &str); 4] = [
    ("thingwire3", "thingwire-mqtt, MQTT 3.1.1"),
    ("thingwire5", "thingwire-mqtt, MQTT 5"),
    ("minimq", "minimq 0.13.5, MQTT 5"),
    ("rumqttc", "rumqttc 0.25.1, MQTT 3.1.1"),
];

/// Messages of the shorter and of the longer run.
const COUNTS: (u64, u64) = (1_000, 3_000);

/// Builds, counts, writes the table.
pub(crate) fn measure() -> Result<(), Failed> {
    let folder = root().join("bench/engine");
    run(cargo()
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", target())
        // Pieces of a crate that are built one by one are not inlined into each other.
        .env("CARGO_INCREMENTAL", "0")
        .args(["build", "--quiet", "--release"]))?;
    let mut table = String::from(
        "| engine | instructions per publish | per received publish |\n|---|---:|---:|\n",
    );
    for (engine, name) in ENGINES {
        let publish = each(engine, "publish")?;
        let receive = each(engine, "receive")?;
        table.push_str(&format!("| {name} | {publish} | {receive} |\n"));
    }
    print!("{table}");
    let document = root().join("docs/benchmarks.md");
    let failed = |error: std::io::Error| Failed::new(format!("`docs/benchmarks.md`: {error}"));
    let old = fs::read_to_string(&document).map_err(failed)?;
    fs::write(&document, between(&old, MARKS, &table)?).map_err(failed)
}

/// Instructions for one message.
fn each(engine: &str, what: &str) -> Result<u64, Failed> {
    let (few, many) = COUNTS;
    let more = all(engine, what, many)?.saturating_sub(all(engine, what, few)?);
    Ok(more / many.saturating_sub(few).max(1))
}

/// Instructions of a whole run. callgrind leaves them in its file, behind the word `totals:`.
fn all(engine: &str, what: &str, count: u64) -> Result<u64, Failed> {
    let file = target().join("callgrind.out");
    let ran = output(
        program("valgrind")
            .arg("--tool=callgrind")
            .arg(format!("--callgrind-out-file={}", file.display()))
            .arg(target().join("release/engine"))
            .args([engine, what, &count.to_string()]),
    );
    ran.and_then(|_| fs::read_to_string(&file).ok())
        .and_then(|report| totals(&report))
        .ok_or_else(|| {
            Failed::new(format!(
                "callgrind did not count `{engine} {what}` (Debian: package valgrind)"
            ))
        })
}

fn totals(report: &str) -> Option<u64> {
    let line = report
        .lines()
        .find_map(|line| line.strip_prefix("totals:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_from_callgrinds_file() {
        assert_eq!(
            totals("events: Ir\nfn=(1)\n1 2\ntotals: 2718612\n"),
            Some(2_718_612)
        );
        assert_eq!(totals("events: Ir\n"), None);
    }
}
