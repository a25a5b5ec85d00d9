//! The builds for the chips, one crate at a time.
//!
//! A workspace-wide build hides leaks, because a sibling switches `std` on. `thingwire-mqtt` and
//! `thingwire-device` are built with `core` only (there is no alloc crate that could be used) and linked into
//! a program without a global allocator; `thingwire-contract` and `thingwire-policy` may have `alloc`.
//! `thingwire-mqtt`, `thingwire-device` and `thingwire-chip` are also compiled to Xtensa code, the processor of the classic ESP32.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Failed, in_ci, output, program, root, run, target};

pub(crate) const RISCV: &str = "riscv32imc-unknown-none-elf";

/// What the ESP32-C6 runs.
pub(crate) const RISCV_C6: &str = "riscv32imac-unknown-none-elf";

/// Crates of the device side and the parts of the standard library they may have.
const CRATES: &[(&str, &str)] = &[
    ("thingwire-mqtt", "core"),
    ("thingwire-device", "core"),
    ("thingwire-chip", "core"),
    ("thingwire-contract", "core,alloc"),
    ("thingwire-policy", "core,alloc"),
];

/// What the classic ESP32 (Xtensa) runs.
const XTENSA_CRATES: &[&str] = &["thingwire-mqtt", "thingwire-device", "thingwire-chip"];

/// The built-in `xtensa-esp32-none-elf` with the data layout LLVM expects and floating point in software.
const XTENSA_TARGET: &str = "conformance/no-alloc/xtensa-esp32.json";

/// Builds everything for the chips.
pub(crate) fn all() -> Result<(), Failed> {
    let Some(toolchain) = Toolchain::find() else {
        let text = "the no_std builds need the sources of the standard library and lld \
                    (Debian: packages rustc-web, cargo-web, rust-web-src and lld; rustup: component rust-src)";
        if in_ci() {
            return Err(Failed::new(text));
        }
        eprintln!("xtask: skipped: {text}");
        return Ok(());
    };
    for (name, parts) in CRATES {
        run(toolchain
            .build(&root(), parts)
            .args(["--target", RISCV, "--package", name]))?;
    }
    // As boards have it: without MQTT 5.
    run(toolchain.build(&root(), "core").args([
        "--target",
        RISCV,
        "--package",
        "thingwire-device",
        "--no-default-features",
    ]))?;
    link_without_allocator(&toolchain)?;
    xtensa(&toolchain)
}

/// A linked program proves what a compiled library cannot: nothing needs an allocator.
fn link_without_allocator(toolchain: &Toolchain) -> Result<(), Failed> {
    run(toolchain
        .build(&root().join("conformance/no-alloc"), "core")
        .args(["--release", "--target", RISCV]))
}

/// Compiles to Xtensa code; nothing here can link it.
fn xtensa(toolchain: &Toolchain) -> Result<(), Failed> {
    if !toolchain.knows_xtensa() {
        let text =
            "the Xtensa builds need a rustc whose LLVM knows Xtensa (Debian: package rustc-web)";
        if in_ci() {
            return Err(Failed::new(text));
        }
        eprintln!("xtask: skipped: {text}");
        return Ok(());
    }
    let target = root().join(XTENSA_TARGET);
    for name in XTENSA_CRATES {
        let mut build = toolchain.build(&root(), "core");
        // As firmware builds them. At levels 2 and 3 (the workspace's own for tests) LLVM 22 runs out of
        // registers for Xtensa.
        for optimised in XTENSA_CRATES {
            build
                .arg("--config")
                .arg(format!("profile.dev.package.{optimised}.opt-level=\"s\""));
        }
        run(build
            .args(["-Zjson-target-spec", "--package", name, "--target"])
            .arg(&target))?;
    }
    Ok(())
}

/// A cargo and a rustc that have the sources of the standard library beside them.
pub(crate) struct Toolchain {
    cargo: PathBuf,
    rustc: PathBuf,
}

impl Toolchain {
    pub(crate) fn find() -> Option<Self> {
        let ours = (
            std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from),
            PathBuf::from("rustc"),
        );
        let debian = (
            PathBuf::from("/usr/bin/cargo"),
            PathBuf::from("/usr/bin/rustc"),
        );
        [debian, ours]
            .into_iter()
            .map(|(cargo, rustc)| Self { cargo, rustc })
            .find(Self::has_sources)
    }

    fn has_sources(&self) -> bool {
        output(program(&self.rustc).args(["--print", "sysroot"])).is_some_and(|sysroot| {
            Path::new(&sysroot)
                .join("lib/rustlib/src/rust/library/core")
                .is_dir()
        })
    }

    /// `cargo build` in a folder, with only these parts of the standard library.
    pub(crate) fn build(&self, folder: &Path, parts: &str) -> Command {
        self.command(&self.cargo, "build", folder, parts)
    }

    /// `cargo clippy` in a folder, with the clippy that belongs to this compiler; `None` without one.
    pub(crate) fn clippy(&self, folder: &Path, parts: &str) -> Option<Command> {
        // Beside this cargo, and called by its path: cargo would take the first of its name.
        let clippy = self.cargo.with_file_name("cargo-clippy");
        output(program(&clippy).arg("--version"))?;
        Some(self.command(&clippy, "clippy", folder, parts))
    }

    fn command(&self, cargo: &Path, what: &str, folder: &Path, parts: &str) -> Command {
        let mut command = Command::new(cargo);
        command
            .current_dir(folder)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO", &self.cargo)
            .env("RUSTC", &self.rustc)
            .env_remove("RUSTUP_TOOLCHAIN")
            .env("CARGO_TARGET_DIR", target().join("no-std"))
            .args([what, "--quiet"])
            .arg(format!("-Zbuild-std={parts}"));
        command
    }

    /// rustc lists Xtensa targets even when its LLVM cannot compile for them; then it names no processor.
    fn knows_xtensa(&self) -> bool {
        output(program(&self.rustc).args([
            "--print",
            "target-cpus",
            "--target",
            "xtensa-esp32-none-elf",
        ]))
        .is_some_and(|cpus| cpus.contains("esp32"))
    }
}
