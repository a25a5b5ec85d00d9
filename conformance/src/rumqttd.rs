//! rumqttd as the broker on the other side: mutual TLS in the version asked for, and plain 3.1.1 for tools.
//!
//! It is a program of `conformance/rumqtt`, a package of its own, which `cargo xtask test` builds.
//! What 0.20 cannot do, and is therefore not asked of it: two versions on one port; a DISCONNECT to the device that is taken over
//! (MQTT 5, 0x8E); a session expiry (sessions live as long as the process, and not longer).

use std::fs;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::{Authority, Program, foreign, free_port, wait_until};

/// Ports, files and process of one rumqttd.
#[derive(Debug)]
pub struct Rumqttd {
    program: Program,
    _folder: TempDir,
    authority: Authority,
    /// Mutual TLS.
    pub tls_port: u16,
    /// Plain TCP, 3.1.1.
    pub port: u16,
}

impl Rumqttd {
    /// Starts one whose TLS listener speaks MQTT 5, or else 3.1.1; answers `None` after saying that it is not
    /// there.
    ///
    /// # Panics
    /// When it is there and does not start.
    #[must_use]
    pub fn start(v5: bool) -> Option<Self> {
        let executable = foreign::rumqtt("rumqttd")?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let authority = Authority::new("conformance root");
        fs::write(folder.path().join("ca.crt"), authority.pem()).expect("a root file");
        authority.server().write(folder.path(), "server");
        let (tls_port, port) = (free_port(), free_port());
        let text = configuration(&folder.path().display().to_string(), tls_port, port, v5);
        let file = folder.path().join("rumqttd.toml");
        fs::write(&file, text).expect("a configuration file");
        let mut program = Program::start("rumqttd", Command::new(executable).arg(&file));
        let listens = wait_until(Duration::from_secs(20), || {
            program.ended().is_some()
                || [port, tls_port]
                    .iter()
                    .all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok())
        });
        assert!(
            listens && program.ended().is_none(),
            "rumqttd did not start:\n{}",
            program.log()
        );
        Some(Self {
            program,
            _folder: folder,
            authority,
            tls_port,
            port,
        })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.program.id()
    }

    /// The authority that signed its certificate and that it trusts for clients.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }
}

fn configuration(folder: &str, tls_port: u16, port: u16, v5: bool) -> String {
    let section = if v5 { "v5.1" } else { "v4.2" };
    format!(
        r#"id = 0
[router]
id = 0
max_connections = 2000
max_outgoing_packet_count = 200
max_segment_size = 1048576
max_segment_count = 10
[v4.1]
name = "plain"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v4.1.connections]
connection_timeout_ms = 60000
max_payload_size = 20480
max_inflight_count = 100
dynamic_filters = true
[{section}]
name = "tls"
listen = "127.0.0.1:{tls_port}"
next_connection_delay_ms = 1
[{section}.tls]
capath = "{folder}/ca.crt"
certpath = "{folder}/server.crt"
keypath = "{folder}/server.key"
[{section}.connections]
connection_timeout_ms = 60000
max_payload_size = 20480
max_inflight_count = 100
dynamic_filters = true
"#
    )
}
