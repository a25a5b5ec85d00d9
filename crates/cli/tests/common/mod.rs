//! Runs the built program as a person would: a cloud in a temporary folder, commands against it.
#![allow(dead_code, reason = "each test binary uses its own part of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

/// The sketch's policy, word for word.
pub(crate) const POLICY: &str = include_str!("../../src/policy_example.json");

/// Nothing in these tests takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The program, with an environment that holds nothing of the developer's.
pub(crate) fn thingwire() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thingwire"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("THINGWIRE_")
            || text.starts_with("AWS_")
            || text == "RUST_LOG"
            || text == "CARGO"
        {
            command.env_remove(&name);
        }
    }
    command
}

/// What a finished command left.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Finished {
    /// Checks the exit code and that each of these stands on stderr.
    #[track_caller]
    pub(crate) fn expect(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is missing: {self:#?}");
        }
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// A `thingwire up` in a folder of its own.
pub(crate) struct Cloud {
    child: Child,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) ready: Value,
    log: mpsc::Receiver<String>,
}

impl Cloud {
    /// Starts one on free ports.
    pub(crate) fn start() -> Self {
        Self::start_with(&[], &[])
    }

    /// With more flags and a different environment.
    pub(crate) fn start_with(flags: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), flags, environment)
    }

    /// In a folder that may have been used before.
    pub(crate) fn start_in(
        folder: tempfile::TempDir,
        flags: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let ready_file = folder.path().join("ready");
        let _ = std::fs::remove_file(&ready_file);
        let mut command = thingwire();
        command
            .args(["up", "--data-dir"])
            .arg(folder.path().join("data"));
        if !flags.contains(&"--mqtt-port") {
            command.arg("--free-ports");
        }
        command.arg("--ready-file").arg(&ready_file).args(flags);
        command
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = lines_of(child.stderr.take().unwrap());
        let begun = Instant::now();
        let ready = loop {
            // It is moved into place whole, so what is there can be read.
            if let Ok(content) = std::fs::read(&ready_file) {
                break serde_json::from_slice(&content).unwrap();
            }
            if let Some(status) = child.try_wait().unwrap() {
                let log: Vec<_> = log.iter().collect();
                panic!("`up` ended with {status}: {}", log.join("\n"));
            }
            assert!(begun.elapsed() < PATIENCE, "`up` is not ready");
            std::thread::sleep(Duration::from_millis(10));
        };
        Self {
            child,
            folder,
            ready,
            log,
        }
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command against this cloud, from inside its folder.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = thingwire();
        command
            .args(args)
            .arg("--data-dir")
            .arg(self.data_dir())
            .current_dir(self.folder.path());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Finished {
        self.command(args).output().unwrap().into()
    }

    /// Runs a command to its end with this on stdin.
    pub(crate) fn run_with_stdin(&self, args: &[&str], stdin: &[u8]) -> Finished {
        let mut command = self.command(args);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // The child may be gone before it has read everything.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        child.wait_with_output().unwrap().into()
    }

    /// A thing with the sketch's policy and a kit in the folder of the same name.
    pub(crate) fn create_device(&self, name: &str) -> PathBuf {
        let policy = self.path("policy.json");
        std::fs::write(&policy, POLICY).unwrap();
        self.run(&[
            "thing",
            "create",
            name,
            "--policy",
            "policy.json",
            "--kit",
            name,
        ])
        .expect(0, &[]);
        self.path(name)
    }

    /// Starts `sub` and returns when its subscription is granted.
    pub(crate) fn subscribe(&self, args: &[&str]) -> Listener {
        let mut command = self.command(&["sub"]);
        command.args(args).env("RUST_LOG", "thingwire=info");
        Listener::start(command, "subscribed")
    }

    /// Stops it as Ctrl-C does, and answers the exit code and the log so far.
    #[cfg(unix)]
    pub(crate) fn stop(mut self) -> (Option<i32>, String, tempfile::TempDir) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .unwrap()
                .success()
        );
        let status = wait_for(&mut self.child);
        let log = self.log.iter().collect::<Vec<_>>().join("\n");
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        (status, log, folder)
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that goes on printing.
pub(crate) struct Listener {
    child: Child,
    lines: mpsc::Receiver<String>,
    talk: mpsc::Receiver<String>,
}

impl Listener {
    /// Starts it and waits until this stands on its stderr.
    pub(crate) fn start(mut command: Command, until: &str) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let talk = lines_of(child.stderr.take().unwrap());
        let mut listener = Self { child, lines, talk };
        let mut seen = Vec::new();
        loop {
            match listener.talk.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(until) => return listener,
                Ok(line) => seen.push(line),
                Err(_) => {
                    let _ = listener.child.kill();
                    panic!("`{until}` never came: {seen:#?}");
                }
            }
        }
    }

    /// Waits until this stands on its stderr.
    #[track_caller]
    pub(crate) fn says(&self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if self.talk.recv_timeout(left).expect(words).contains(words) {
                return;
            }
        }
    }

    /// The next line of data.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line of data")
    }

    /// Waits for its own end and answers exit code and what it talked since the start.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let code = wait_for(&mut self.child);
        (code, self.talk.iter().collect::<Vec<_>>().join("\n"))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_for(child: &mut Child) -> Option<i32> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        assert!(begun.elapsed() < PATIENCE, "it does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn lines_of(pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(pipe);
        let mut line = Vec::new();
        while lines
            .read_until(b'\n', &mut line)
            .is_ok_and(|count| count > 0)
        {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if sender.send(text).is_err() {
                return;
            }
            line.clear();
        }
    });
    receiver
}

/// Whether a program is installed here.
pub(crate) fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// The file's content.
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
