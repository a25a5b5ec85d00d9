//! `cargo xtask firmware`: the program for the emulated chip, in `firmware/`, a workspace of its own; those for the boards
//! are in [`boards`].
//!
//! It is linked for riscv32imc with the standard library from source, and Mbed TLS is compiled from C. What is
//! missing is named; only in CI it is a failure.

use std::path::PathBuf;
use std::process::Command;

use crate::boards;
use crate::foreign;
use crate::no_std::{RISCV, RISCV_C6, Toolchain};
use crate::run::{Failed, cargo, in_ci, on_path, root, run, target};

/// What makes the linker shorten calls; it says which linker that needs.
const RELAX: &str = ".cargo/relax.toml";

/// What compiles Mbed TLS.
const TOOLS: &[&str] = &["clang", "cmake", "ninja"];

/// The parts of the standard library that it has.
const LIBRARY: &str = "core,alloc";

/// What clippy looks at: nothing of a board is compiled without a chip.
const EMULATED: &[&str] = &[
    "--package",
    "thingwire-firmware",
    "--package",
    "thingwire-qemu",
];
const BOARDS: &[&str] = &[
    "--package",
    "thingwire-esp",
    "--package",
    "thingwire-examples",
    "--features",
    "esp32c3,stages",
];

/// `cargo xtask firmware` with its arguments.
pub(crate) fn all(arguments: &[String]) -> Result<(), Failed> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => build()
            .and_then(|_| boards::check())
            .and_then(|()| clippy()),
        ["--clippy"] => clippy(),
        ["--emulated"] => build().map(drop),
        ["--boards"] => boards::check(),
        ["--size"] => boards::measure(false),
        ["--size", "--write"] => boards::measure(true),
        _ => Err(Failed::new(
            "`cargo xtask firmware` takes nothing, `--clippy`, `--emulated`, `--boards`, `--size` or `--size --write`",
        )),
    }
}

/// Builds the firmware and answers the program for the emulated chip; `None` after saying what is missing.
pub(crate) fn build() -> Result<Option<PathBuf>, Failed> {
    let Some(toolchain) = toolchain()? else {
        return Ok(None);
    };
    run(command(&toolchain).args(["--release", "--locked"]))?;
    let program = format!("no-std/{RISCV}/release/thingwire-qemu");
    Ok(Some(target().join(program)))
}

/// `cargo build` in the firmware's workspace, whose linker shortens calls where it can.
pub(crate) fn command(toolchain: &Toolchain) -> Command {
    let mut command = toolchain.build(&root().join("firmware"), LIBRARY);
    configure(&mut command);
    command
}

/// The linker that shortens calls, where it is; and no path of this machine's work trees and registries in what is built: a panic
/// names its source from there on, and a size does not depend on the folder. Paths of the standard library are the compiler's.
fn configure(command: &mut Command) {
    if relaxes() {
        command.args(["--config", RELAX]);
    }
    let mut flags: Vec<String> = places()
        .into_iter()
        .map(|place| format!("{:?}", format!("--remap-path-prefix={}=", place.display())))
        .collect();
    // The same place gets the same flags, or everything would be built again.
    flags.sort();
    for target in [RISCV, RISCV_C6] {
        let flags = flags.join(", ");
        command.args(["--config", &format!("target.{target}.rustflags=[{flags}]")]);
    }
}

/// The folders in which sources lie: ours, and those of the registries.
fn places() -> Vec<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let registries = home
        .and_then(|home| std::fs::read_dir(home.join("registry/src")).ok())
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    registries.chain([root()]).collect()
}

/// Whether the linker of [`RELAX`] is there. Without it programs are 5 % larger and otherwise the same.
pub(crate) fn relaxes() -> bool {
    on_path("rust-lld")
}

/// The compiler for chips; `None` after saying what is missing.
pub(crate) fn toolchain() -> Result<Option<Toolchain>, Failed> {
    foreign::debian_packages()?;
    let missing = missing();
    let (Some(toolchain), None) = (Toolchain::find(), &missing) else {
        let text = format!(
            "the firmware needs {} (Debian: packages rustc-web, cargo-web, rust-web-src, lld-22, clang, libclang-dev, \
             cmake and ninja-build)",
            missing.unwrap_or("the sources of the standard library")
        );
        if in_ci() {
            return Err(Failed::new(text));
        }
        eprintln!("xtask: skipped: {text}; tests with the emulated chip will be skipped");
        return Ok(None);
    };
    Ok(Some(toolchain))
}

/// Lints the workspace of the firmware with the clippy that belongs to its compiler: the emulated chip, and the boards' crates for
/// the ESP32-C3. Release, so that what the build made of Mbed TLS is used again.
pub(crate) fn clippy() -> Result<(), Failed> {
    let Some(toolchain) = toolchain()? else {
        return Ok(());
    };
    let folder = root().join("firmware");
    for what in [EMULATED, BOARDS] {
        let Some(mut command) = toolchain.clippy(&folder, LIBRARY) else {
            let text = "linting the firmware needs the clippy of its compiler (Debian: package rust-web-clippy)";
            if in_ci() {
                return Err(Failed::new(text));
            }
            eprintln!("xtask: skipped: {text}");
            return Ok(());
        };
        configure(&mut command);
        run(command
            .args(["--release", "--locked", "--keep-going"])
            .args(what)
            .args(["--", "-D", "warnings"]))?;
    }
    Ok(())
}

/// The form of its sources, and that it builds.
pub(crate) fn check() -> Result<(), Failed> {
    run(cargo()
        .current_dir(root().join("firmware"))
        .args(["fmt", "--all", "--check"]))?;
    build().map(drop)
}

fn missing() -> Option<&'static str> {
    TOOLS.iter().copied().find(|program| !on_path(program))
}
