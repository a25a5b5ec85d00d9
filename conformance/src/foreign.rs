//! Finds the foreign programs that `cargo xtask test` has installed.
//!
//! On a person's machine a test whose foreign program is missing says so and ends; in CI it fails.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Ready;

/// The Python of `target/foreign`, with the clients of `requirements.txt`; `None` after saying that it is missing.
#[must_use]
pub fn python() -> Option<PathBuf> {
    installed(if cfg!(windows) {
        "python.exe"
    } else {
        "python"
    })
}

/// A script of `conformance/python`, ready to be given arguments.
#[must_use]
pub fn script(name: &str) -> Option<Command> {
    let mut command = Command::new(python()?);
    command.arg("-u").arg(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("python")
            .join(name),
    );
    Some(command)
}

/// The AWS CLI as a person would set it up for the local cloud: any credentials, the endpoint in the environment.
#[must_use]
pub fn aws(ready: &Ready) -> Option<Command> {
    // Started through Python, because an entry script's first line holds the path it was installed under.
    let bin = python()?;
    let mut command = Command::new(&bin);
    command
        .arg(bin.with_file_name("aws"))
        .env("AWS_ACCESS_KEY_ID", "any")
        .env("AWS_SECRET_ACCESS_KEY", "any")
        .env("AWS_DEFAULT_REGION", &ready.region)
        .env("AWS_ENDPOINT_URL_IOT", &ready.api_url)
        .env("AWS_CONFIG_FILE", "no-such-file")
        .env("AWS_SHARED_CREDENTIALS_FILE", "no-such-file")
        .env("AWS_MAX_ATTEMPTS", "1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .args(["--output", "json"]);
    Some(command)
}

/// A script of `conformance/node`, ready to be given orders; `None` after saying that node or its packages are missing.
#[must_use]
pub fn node(name: &str) -> Option<Command> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let packages = std::env::var_os("THINGWIRE_FOREIGN_NODE")
        .map_or_else(|| here.join("../target/foreign-node"), PathBuf::from);
    if !packages.join("node_modules").is_dir() {
        missing("the clients from npm are not in target/foreign-node");
        return None;
    }
    let mut command = Command::new(on_path("node", "nodejs")?);
    command
        .arg(here.join("node").join(name))
        .env("THINGWIRE_FOREIGN_NODE", packages);
    Some(command)
}

/// A program of `conformance/rumqtt`, `rumqttd` or `rumqttc`; `None` after saying that it is missing.
#[must_use]
pub fn rumqtt(name: &str) -> Option<PathBuf> {
    let built = || {
        let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
            PathBuf::from,
        );
        folder.join("rumqtt/debug")
    };
    let file = std::env::var_os("THINGWIRE_RUMQTT")
        .map_or_else(built, PathBuf::from)
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    if file.is_file() {
        return Some(file);
    }
    missing(&format!("{name} has not been built"));
    None
}

/// A program from Debian, by name; `None` after saying that it is missing.
#[must_use]
pub fn on_path(name: &str, package: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    if found.is_none() {
        missing(&format!("`{name}` is missing (Debian: package {package})"));
    }
    found
}

/// Says that a test cannot run here.
///
/// # Panics
/// In CI, where a skipped test is a failure.
pub fn missing(what: &str) {
    let ci = ["THINGWIRE_CI", "CI"].iter().any(|name| {
        std::env::var(name).is_ok_and(|value| !value.is_empty() && value != "0" && value != "false")
    });
    assert!(!ci, "a foreign test may not be skipped in CI: {what}");
    eprintln!("SKIPPED: {what}; `cargo xtask test` installs it or says how");
}

fn installed(name: &str) -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::var_os("THINGWIRE_FOREIGN").map_or_else(
        || {
            here.join("../target/foreign")
                .join(if cfg!(windows) { "Scripts" } else { "bin" })
        },
        PathBuf::from,
    );
    let file = folder.join(name);
    if file.is_file() {
        return Some(file);
    }
    missing("the Python clients are not in target/foreign");
    None
}
