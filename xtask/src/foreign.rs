//! The foreign programs that judge us: clients from PyPI and npm, brokers and clients from Debian, a broker and a client
//! from crates.io.
//!
//! What is missing is installed where that harms nothing (`target/foreign`, `target/foreign-node`), or with apt when we may;
//! otherwise a line names the package, and in CI that is a failure.

use std::fs;
use std::path::PathBuf;

use crate::run::{Failed, cargo, in_ci, on_path, output, program, root, run, target};

/// Debian packages by a program that shows they are there.
const DEBIAN: &[(&str, &str)] = &[
    ("mosquitto", "mosquitto"),
    ("mosquitto_pub", "mosquitto-clients"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("qemu-system-riscv32", "qemu-system-misc"),
    // Mbed TLS for the firmware.
    ("clang", "clang libclang-dev"),
    ("cmake", "cmake"),
    ("ninja", "ninja-build"),
];

/// Where Debian keeps daemons; not always on a person's path.
const SBIN: &str = "/usr/sbin";

/// What the tests need to find the foreign programs.
pub(crate) struct Foreign {
    /// `bin` of the virtual environment, when it could be made.
    pub(crate) bin: Option<PathBuf>,
    /// The folder that holds `node_modules`, when it could be made.
    pub(crate) node: Option<PathBuf>,
    /// The folder of the broker rumqttd and of the program around rumqttc, when they could be built.
    pub(crate) rumqtt: Option<PathBuf>,
}

/// Makes everything the conformance tests call ready.
///
/// `conformance`: they are among the tests that will run. Only then are packages from npm installed and rumqttd built, which
/// takes a minute or two.
pub(crate) fn prepare(conformance: bool) -> Result<Foreign, Failed> {
    debian_packages()?;
    let bin = or_without(python_clients(), "Python clients")?;
    let (node, rumqtt) = match conformance {
        true => (
            or_without(node_clients(), "clients from npm")?,
            or_without(rumqtt(), "rumqttd and rumqttc")?,
        ),
        false => (None, None),
    };
    Ok(Foreign { bin, node, rumqtt })
}

/// In CI nothing may be missing; elsewhere a line says which tests will be skipped.
fn or_without(found: Result<PathBuf, Failed>, what: &str) -> Result<Option<PathBuf>, Failed> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(failed) if in_ci() => Err(failed),
        Err(failed) => {
            eprintln!("xtask: {failed}; tests with {what} will be skipped");
            Ok(None)
        }
    }
}

/// rumqttd and rumqttc from `conformance/rumqtt`, a package with a lock file of its own. They stay in `target/rumqtt`.
fn rumqtt() -> Result<PathBuf, Failed> {
    let built = target().join("rumqtt");
    run(cargo()
        .current_dir(root().join("conformance/rumqtt"))
        .env("CARGO_TARGET_DIR", &built)
        .args(["build", "--quiet", "--locked"]))?;
    Ok(built.join("debug"))
}

/// The folder `target/foreign-node`, holding exactly the packages of `conformance/node/package-lock.json`.
fn node_clients() -> Result<PathBuf, Failed> {
    let (wanted, folder) = (
        root().join("conformance/node"),
        root().join("target/foreign-node"),
    );
    let failed = |what: &str, error| Failed::new(format!("`{what}`: {error}"));
    let lock = fs::read_to_string(wanted.join("package-lock.json"))
        .map_err(|error| failed("conformance/node/package-lock.json", error))?;
    let stamp = folder.join("installed.json");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(folder);
    }
    if !on_path("npm") {
        return Err(Failed::new(
            "npm is needed (Debian: packages nodejs and npm)",
        ));
    }
    fs::create_dir_all(&folder).map_err(|error| failed("target/foreign-node", error))?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(wanted.join(name), folder.join(name)).map_err(|error| failed(name, error))?;
    }
    let mut npm = program(if cfg!(windows) { "npm.cmd" } else { "npm" });
    // No package's script is run: aws-crt brings its library for every system, and its script would only look.
    run(npm.current_dir(&folder).args([
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--silent",
    ]))?;
    fs::write(&stamp, lock).map_err(|error| failed("target/foreign-node", error))?;
    Ok(folder)
}

/// Only the benchmark asks for it; the version stands in its tables.
const MINISTACK: &[&str] = &["ministack==1.5.33", "cryptography"];

/// The brokers of `bench broker --peers all`: variables for the generator that say where they are. What cannot be had is said, and left out.
pub(crate) fn peers() -> Result<Vec<(&'static str, PathBuf)>, Failed> {
    let found = [
        (
            "THINGWIRE_RUMQTT",
            or_without(optimised_rumqttd(), "rumqttd")?,
        ),
        ("THINGWIRE_RMQTT", or_without(rmqtt(), "RMQTT")?),
        ("THINGWIRE_MINISTACK", or_without(ministack(), "MiniStack")?),
    ];
    Ok(found
        .into_iter()
        .filter_map(|(name, path)| Some((name, path?)))
        .collect())
}

/// The same package as the tests', built for speed.
fn optimised_rumqttd() -> Result<PathBuf, Failed> {
    let built = target().join("rumqtt");
    run(cargo()
        .current_dir(root().join("conformance/rumqtt"))
        .env("CARGO_TARGET_DIR", &built)
        .args([
            "build",
            "--quiet",
            "--locked",
            "--release",
            "--bin",
            "rumqttd",
        ]))?;
    Ok(built.join("release"))
}

/// RMQTT as a program, from `bench/rmqtt`, another package with a lock file of its own. It stays in `target/rmqtt`.
fn rmqtt() -> Result<PathBuf, Failed> {
    let built = target().join("rmqtt");
    // Some 250 crates, so cargo shows how far it is.
    run(cargo()
        .current_dir(root().join("bench/rmqtt"))
        .env("CARGO_TARGET_DIR", &built)
        .args(["build", "--locked", "--release"]))?;
    Ok(built.join(format!(
        "release/thingwire-bench-rmqtt{}",
        std::env::consts::EXE_SUFFIX
    )))
}

/// The Python of a virtual environment with MiniStack in it.
fn ministack() -> Result<PathBuf, Failed> {
    let folder = target().join("peers/ministack");
    let python = folder.join("bin/python");
    let is_there = || output(program(&python).args(["-c", "import ministack, cryptography"]));
    if is_there().is_none() {
        run(program("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder))?;
        run(program(&python)
            .args(["-m", "pip", "install", "--quiet"])
            .args(MINISTACK))?;
    }
    Ok(python)
}

/// The virtual environment `target/foreign`, holding exactly the pinned packages.
pub(crate) fn python_clients() -> Result<PathBuf, Failed> {
    let wanted = root().join("conformance/requirements.txt");
    let text = fs::read_to_string(&wanted).map_err(|error| {
        Failed::new(format!(
            "`conformance/requirements.txt` cannot be read: {error}"
        ))
    })?;
    let folder = root().join("target/foreign");
    let bin = folder.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let stamp = folder.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == text) {
        return Ok(bin);
    }
    let python = if cfg!(windows) { "python" } else { "python3" };
    if !has_venv(python) {
        return Err(Failed::new(
            "python3 with venv is needed (Debian: packages python3 and python3-venv)",
        ));
    }
    run(program(python).args(["-m", "venv", "--clear"]).arg(&folder))?;
    run(program(bin.join("pip"))
        .args(["install", "--quiet", "--requirement"])
        .arg(&wanted))?;
    fs::write(&stamp, text)
        .map_err(|error| Failed::new(format!("`target/foreign` cannot be written: {error}")))?;
    Ok(bin)
}

/// Whether this Python can make virtual environments. Debian's cannot without a package that has no program of its own.
fn has_venv(python: &str) -> bool {
    output(program(python).args(["-c", "import ensurepip, venv"])).is_some()
}

pub(crate) fn debian_packages() -> Result<(), Failed> {
    let there = |name: &str| on_path(name) || PathBuf::from(SBIN).join(name).is_file();
    let mut missing: Vec<&str> = DEBIAN
        .iter()
        .filter(|(name, _)| !there(name))
        .flat_map(|(_, packages)| packages.split(' '))
        .collect();
    if !has_venv(if cfg!(windows) { "python" } else { "python3" }) {
        missing.extend(["python3", "python3-venv"]);
    }
    if missing.is_empty() {
        return Ok(());
    }
    let root_user = output(program("id").arg("-u")).as_deref() == Some("0");
    if root_user && on_path("apt-get") {
        let install = || {
            run(program("apt-get")
                .env("DEBIAN_FRONTEND", "noninteractive")
                .args(["install", "-y", "-q", "--no-install-recommends"])
                .args(&missing))
        };
        if install().is_ok()
            || (run(program("apt-get").args(["update", "-q"])).is_ok() && install().is_ok())
        {
            return Ok(());
        }
    }
    let names = missing.join(" ");
    let text = format!("missing: {names} (Debian and Ubuntu: `sudo apt-get install {names}`)");
    if in_ci() {
        return Err(Failed::new(text));
    }
    eprintln!("xtask: {text}; tests that need them will be skipped");
    Ok(())
}
