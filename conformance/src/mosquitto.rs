//! mosquitto as the broker on the other side: mutual TLS and, for tools, plain TCP, both on loopback.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::{Authority, Program, finish, foreign, free_port, wait_until};

/// Ports, files and process of one mosquitto.
#[derive(Debug)]
pub struct Mosquitto {
    program: Program,
    folder: TempDir,
    executable: PathBuf,
    authority: Authority,
    /// Mutual TLS.
    pub tls_port: u16,
    /// Plain TCP.
    pub port: u16,
}

/// What differs from one use to the next.
#[derive(Clone, Copy, Debug, Default)]
pub struct MosquittoSettings {
    /// Keep sessions and retained messages in a file (acknowledged before that, and not synced).
    pub persistence: Option<Autosave>,
    /// Its limits as installed: 20 messages under way and 1,000 queued for each client. Otherwise none.
    pub limits: bool,
}

/// When mosquitto writes its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Autosave {
    /// As installed: every half hour, and when it stops.
    Default,
    /// After each change.
    EachChange,
}

impl Mosquitto {
    /// Starts one, or answers `None` after saying that it is not installed.
    ///
    /// # Panics
    /// When it is installed and does not start.
    #[must_use]
    pub fn start(settings: MosquittoSettings) -> Option<Self> {
        let executable = foreign::on_path("mosquitto", "mosquitto")?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let authority = Authority::new("conformance root");
        fs::write(folder.path().join("ca.crt"), authority.pem()).expect("a root file");
        authority.server().write(folder.path(), "server");
        let (tls_port, port) = (free_port(), free_port());
        let text = configuration(folder.path(), tls_port, port, settings);
        fs::write(folder.path().join("mosquitto.conf"), text).expect("a configuration file");
        let program = run(&executable, folder.path(), port);
        Some(Self {
            program,
            folder,
            executable,
            authority,
            tls_port,
            port,
        })
    }

    /// Its version, such as `2.0.11`.
    #[must_use]
    pub fn version(&self) -> String {
        let help = Command::new(&self.executable).arg("-h").output();
        let help = help
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .unwrap_or_default();
        help.split_whitespace()
            .nth(2)
            .unwrap_or("unknown")
            .to_owned()
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.program.id()
    }

    /// The running program; it prints errors and warnings.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// The authority that signed its certificate and that it trusts for clients.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Stops it and keeps its files and ports; [`start_again`](Self::start_again) brings it back.
    pub fn stop(&mut self) {
        self.program.kill();
    }

    /// Starts it on the same ports with the same files.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&mut self) {
        self.program = run(&self.executable, self.folder.path(), self.port);
    }
}

fn run(executable: &Path, folder: &Path, port: u16) -> Program {
    let mut program = Program::start(
        "mosquitto",
        Command::new(executable)
            .arg("-c")
            .arg(folder.join("mosquitto.conf")),
    );
    let listens = wait_until(Duration::from_secs(20), || {
        program.ended().is_some() || TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    assert!(
        listens && program.ended().is_none(),
        "mosquitto did not start:\n{}",
        program.log()
    );
    program
}

/// mosquitto's file. TCP_NODELAY, because otherwise every TLS 1.3 connection waits 44 ms for a delayed
/// acknowledgement; no limits on messages under way or queued, because version 2.0.11 stalls a slow QoS 1
/// subscriber at its default limit.
fn configuration(folder: &Path, tls_port: u16, port: u16, settings: MosquittoSettings) -> String {
    let folder = folder.display();
    let mut text = format!(
        "per_listener_settings false\nallow_anonymous true\nuser root\nlog_dest stderr\nlog_type error\n\
         log_type warning\nset_tcp_nodelay true\n{}\
         listener {port} 127.0.0.1\n\
         listener {tls_port} 127.0.0.1\ncafile {folder}/ca.crt\ncertfile {folder}/server.crt\n\
         keyfile {folder}/server.key\nrequire_certificate true\n",
        if settings.limits {
            ""
        } else {
            "max_inflight_messages 0\nmax_queued_messages 0\n"
        }
    );
    if let Some(autosave) = settings.persistence {
        let _ = write!(
            text,
            "persistence true\npersistence_location {folder}/\n{}",
            match autosave {
                Autosave::Default => "",
                Autosave::EachChange => "autosave_on_changes true\nautosave_interval 1\n",
            }
        );
    }
    text
}

/// A message to a broker without TLS with `mosquitto_pub`, on `esp32/sub`. Whether it was taken is not asked: brokers come and go.
pub fn publish_plain(port: u16, qos: u8, message: &str, limit: Duration) {
    let (port, qos) = (port.to_string(), qos.to_string());
    let mut command = Command::new("mosquitto_pub");
    command.args(["-p", &port, "-q", &qos, "-t", "esp32/sub", "-m", message]);
    let _ = finish(&mut command, limit).success();
}

/// `mosquitto_sub` without TLS, subscribed to `esp32/pub`; it ends after `count` messages.
#[must_use]
pub fn subscribe_plain(port: u16, qos: u8, count: u8, limit: Duration) -> Program {
    let mut command = Command::new("stdbuf");
    command.args(["-oL", "mosquitto_sub", "-p", &port.to_string()]);
    command.args(["-d", "-v", "-q", &qos.to_string()]);
    command.args(["-C", &count.to_string(), "-t", "esp32/pub"]);
    let mut program = Program::start("mosquitto_sub", &mut command);
    program.wait_for_line("Subscribed", limit);
    program
}
