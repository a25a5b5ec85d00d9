//! `thingwire up` as a person starts it, in a folder of its own and on free ports.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;
use tempfile::TempDir;

use crate::{Program, finish, wait_until};

/// A first start makes two RSA keys; on a busy machine with an unoptimised build that takes a while.
const START: Duration = Duration::from_secs(120);

/// The ready file of `thingwire up`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// Name that devices connect to.
    pub endpoint: String,
    /// MQTT over mutual TLS.
    pub mqtt_port: u16,
    /// The same with ALPN `x-amzn-mqtt-ca`.
    pub alpn_port: u16,
    /// SNTP, UDP.
    pub sntp_port: u16,
    /// HTTPS, and MQTT over WebSocket, with certificates.
    pub https_port: Option<u16>,
    /// The control plane.
    pub api_url: String,
    /// The console; not there yet.
    pub console_url: Option<String>,
    /// Both roots.
    pub ca_file: PathBuf,
    /// Kit of the operator.
    pub operator_kit: PathBuf,
    /// The operator's access key, as AWS's tools read it.
    pub credentials_file: PathBuf,
    /// Region.
    pub region: String,
    /// Account, 12 digits.
    pub account_id: String,
}

/// A running local cloud; its data folder is removed with it.
#[derive(Debug)]
pub struct Cloud {
    program: Program,
    folder: TempDir,
    flags: Vec<String>,
    /// A program that starts it, with its arguments.
    under: Vec<String>,
    /// What its ready file says.
    pub ready: Ready,
}

impl Cloud {
    /// Starts one in a fresh folder.
    ///
    /// # Panics
    /// When it does not become ready; the message holds what it printed.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with more flags for `thingwire up`.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn start_with(flags: &[&str]) -> Self {
        Self::start_under(&[], flags)
    }

    /// Starts one through another program, which is given the command line at its end, such as `nice -n 5`.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn start_under(under: &[&str], flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let (under, flags): (Vec<String>, Vec<String>) = (owned(under), owned(flags));
        let (program, ready) = up(folder.path(), &under, &flags);
        Self {
            program,
            folder,
            flags,
            under,
            ready,
        }
    }

    /// Kills it (`kill -9`) and starts it again on the same data folder. Its ports are new ones.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn crash_and_restart(&mut self) {
        self.kill();
        self.start_again();
    }

    /// Kills it the way `kill -9` does.
    pub fn kill(&mut self) {
        self.program.kill();
    }

    /// Starts it again on the same data folder.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn start_again(&mut self) {
        (self.program, self.ready) = up(self.folder.path(), &self.under, &self.flags);
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.program.id()
    }

    /// The running program.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// Its data folder.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder for the test's own files, removed with the cloud.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        self.folder.path()
    }

    /// The command line, pointed at this cloud.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(thingwire());
        command
            .env("THINGWIRE_CLOUD", "local")
            .env("THINGWIRE_API_URL", &self.ready.api_url);
        command
    }

    /// Makes a thing with a certificate and this policy, and answers the folder of its kit.
    ///
    /// # Panics
    /// When the command line does not do it.
    #[must_use]
    pub fn thing(&self, name: &str, policy: &str) -> PathBuf {
        let file = self.folder.path().join(format!("{name}-policy.json"));
        std::fs::write(&file, policy).expect("a policy file");
        let kit = self.folder.path().join(format!("{name}-kit"));
        let mut create = self.command();
        create
            .args(["thing", "create", name, "--policy"])
            .arg(&file)
            .arg("--kit")
            .arg(&kit);
        let _ = finish(&mut create, Duration::from_secs(60)).success();
        kit
    }
}

/// The program under test: `THINGWIRE_BIN`, or what a build left in the target folder.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn thingwire() -> PathBuf {
    if let Some(path) = std::env::var_os("THINGWIRE_BIN") {
        return PathBuf::from(path);
    }
    let name = format!("thingwire{}", std::env::consts::EXE_SUFFIX);
    let test = std::env::current_exe().expect("a path of its own");
    // target/debug/deps/test-… → target/debug/thingwire
    let beside = test
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(&name))
        .find(|file| file.is_file());
    beside.expect(
        "the program `thingwire` is not built; `cargo xtask test` builds it, or set THINGWIRE_BIN",
    )
}

fn up(folder: &Path, under: &[String], flags: &[String]) -> (Program, Ready) {
    let file = folder.join("ready.json");
    drop(std::fs::remove_file(&file));
    let mut command = match under {
        [] => Command::new(thingwire()),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(thingwire());
            command
        }
    };
    command
        .args(["up", "--free-ports"])
        .arg("--data-dir")
        .arg(folder.join("data"))
        .arg("--ready-file")
        .arg(&file)
        .args(flags);
    let mut program = Program::start("thingwire up", &mut command);
    let ready = wait_until(START, || file.is_file() || program.ended().is_some());
    assert!(
        ready && file.is_file(),
        "`thingwire up` did not become ready; it printed:\n{}",
        program.log()
    );
    let text = std::fs::read_to_string(&file).expect("the ready file");
    let ready =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("ready file: {error}\n{text}"));
    (program, ready)
}
