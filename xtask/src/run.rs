//! Runs other programs, shows what it runs, and says which one failed.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A step did not succeed; the text says which and, when known, what to do.
#[derive(Debug)]
pub(crate) struct Failed(String);

impl Failed {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The root of the work tree that cargo runs us for: a program built in one clone may be found fresh in another.
pub(crate) fn root() -> PathBuf {
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    xtask.parent().map(Path::to_path_buf).unwrap_or(xtask)
}

/// Where cargo puts what it builds: `CARGO_TARGET_DIR`, or `target`.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// A program, started in the root of the work tree.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root());
    command
}

/// Runs a command to its end, with its output shown.
pub(crate) fn run(command: &mut Command) -> Result<(), Failed> {
    let line = shown(command);
    eprintln!("+ {line}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failed::new(format!("`{line}` failed ({status})"))),
        Err(error) => Err(Failed::new(format!(
            "`{line}` could not be started: {error}"
        ))),
    }
}

/// Runs a command quietly and answers what it printed, or `None` when it failed or is not there.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command
        .stderr(Stdio::null())
        .stdin(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether a program is on the path.
pub(crate) fn on_path(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
}

/// In CI nothing may be skipped quietly.
pub(crate) fn in_ci() -> bool {
    ["THINGWIRE_CI", "CI"].iter().any(|name| {
        std::env::var(name).is_ok_and(|value| !value.is_empty() && value != "0" && value != "false")
    })
}

/// The command as a person would type it: program and arguments, paths relative to the root.
pub(crate) fn shown(command: &Command) -> String {
    let root = root();
    let word = |word: &OsStr| {
        let path = Path::new(word);
        path.strip_prefix(&root)
            .unwrap_or(path)
            .display()
            .to_string()
    };
    let program = Path::new(command.get_program());
    let program = match program.file_name() {
        Some(name) if program.ends_with("cargo") => name.to_string_lossy().into_owned(),
        _ => word(command.get_program()),
    };
    std::iter::once(program)
        .chain(command.get_args().map(word))
        .collect::<Vec<_>>()
        .join(" ")
}
