//! The builds for the chips, one crate at a time.
//!
//! A workspace-wide build hides leaks, because a sibling switches `std` on. `thingwire-mqtt` and
//! `thingwire-device` are built with `core` only (there is no alloc crate that could be used) and linked into
//! a program without a global allocator; `thingwire-contract` and `thingwire-policy` may have `alloc`.
//! The first two are also compiled to Xtensa code, the processor of the classic ESP32.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Failed, in_ci, output, program, root, run, target};

const RISCV: &str = "riscv32imc-unknown-none-elf";

/// Crates of the device side and the parts of the standard library they may have.
const CRATES: &[(&str, &str)] = &[
    ("thingwire-mqtt", "core"),
    ("thingwire-device", "core"),
    ("thingwire-contract", "core,alloc"),
    ("thingwire-policy", "core,alloc"),
];

/// What the classic ESP32 (Xtensa) runs.
const XTENSA_CRATES: &[&str] = &["thingwire-mqtt", "thingwire-device"];

/// The data layout LLVM expects for Xtensa; the one built into rustc is refused by its own LLVM.
const XTENSA_DATA_LAYOUT: &str = "e-m:e-p:32:32-i8:8:32-i16:16:32-i64:64-n32";

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
    let Some(specification) = toolchain.xtensa_target()? else {
        eprintln!("xtask: skipped: this rustc has no Xtensa target (Debian: package rustc-web)");
        return if in_ci() {
            Err(Failed::new("rustc without Xtensa in CI"))
        } else {
            Ok(())
        };
    };
    for name in XTENSA_CRATES {
        let mut build = toolchain.build(&root(), "core");
        run(build
            .args(["-Zjson-target-spec", "--package", name, "--target"])
            .arg(&specification))?;
    }
    Ok(())
}

/// A cargo and a rustc that have the sources of the standard library beside them.
struct Toolchain {
    cargo: PathBuf,
    rustc: PathBuf,
}

impl Toolchain {
    fn find() -> Option<Self> {
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
    fn build(&self, folder: &Path, parts: &str) -> Command {
        let mut command = Command::new(&self.cargo);
        command
            .current_dir(folder)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTC", &self.rustc)
            .env_remove("RUSTUP_TOOLCHAIN")
            .env("CARGO_TARGET_DIR", target().join("no-std"))
            .args(["build", "--quiet"])
            .arg(format!("-Zbuild-std={parts}"));
        command
    }

    /// The built-in Xtensa target with two changes: LLVM's data layout, floating point in software.
    fn xtensa_target(&self) -> Result<Option<PathBuf>, Failed> {
        let wanted = [
            "-Zunstable-options",
            "--print",
            "target-spec-json",
            "--target",
            "xtensa-esp32-none-elf",
        ];
        let Some(text) = output(
            program(&self.rustc)
                .env("RUSTC_BOOTSTRAP", "1")
                .args(wanted),
        ) else {
            return Ok(None);
        };
        let mut target_specification: serde_json::Value = serde_json::from_str(&text)
            .map_err(|error| Failed::new(format!("rustc's target is not JSON: {error}")))?;
        if let Some(fields) = target_specification.as_object_mut() {
            fields.insert("data-layout".into(), XTENSA_DATA_LAYOUT.into());
            fields.insert("features".into(), "-fp".into());
        }
        let file = target().join("no-std/xtensa-esp32.json");
        file.parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(&file, target_specification.to_string()))
            .map_err(|error| {
                Failed::new(format!("`{}` cannot be written: {error}", file.display()))
            })?;
        Ok(Some(file))
    }
}
