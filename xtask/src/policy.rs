//! `cargo xtask policy`: the policy engine beside cedar-policy, the same answers and then their instructions.
//!
//! Cedar takes minutes to compile, so this is no part of `ci`: the naive twin judges every change there, and this is run by hand
//! when the engine changes, and its figures go into docs/benchmarks.md.

use crate::run::{Failed, cargo, root, run, target};

/// Compares 20,000 generated decisions, then measures; fails when an answer differs or a target is missed.
pub(crate) fn all() -> Result<(), Failed> {
    for step in ["agree", "measure"] {
        run(cargo()
            .args(["run", "--release", "--quiet", "--manifest-path"])
            .arg(root().join("bench/policy/Cargo.toml"))
            .arg("--target-dir")
            .arg(target().join("bench-policy"))
            .args(["--", step]))?;
    }
    Ok(())
}
