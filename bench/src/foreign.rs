//! The brokers that `--peers all` adds. Where one is not installed, its cells stay empty and a line says why.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use thingwire_conformance::{Authority, Program, Rumqttd, finish, free_port, wait_until};

use crate::Outcome;
use crate::access::{self, Access};
use crate::broker::{Broker, Process};

/// Versions, as `conformance/rumqtt`, `bench/rmqtt` and `cargo xtask bench` pin them.
const RUMQTTD: &str = "0.20.0";
const RMQTT: &str = "0.24.0";
const MINISTACK: &str = "1.5.33";
/// Python's start takes a while.
const START: Duration = Duration::from_secs(60);

/// rumqttd with one TLS listener for 3.1.1.
pub(crate) fn rumqttd() -> Outcome<Broker> {
    let rumqttd = Rumqttd::start(false).ok_or("rumqttd is not built")?;
    let folder = tempfile::tempdir()?;
    let authority = rumqttd.authority();
    access::write(folder.path(), authority, &authority.client("bench"))?;
    Ok(Broker {
        id: rumqttd.id(),
        version: RUMQTTD.to_owned(),
        access: Access::load(folder.path(), rumqttd.tls_port)?,
        _process: Process::Rumqttd(Box::new(rumqttd), folder),
    })
}

/// RMQTT, the library of rmqttd, with one TLS listener and no limits on what waits (`bench/rmqtt`).
pub(crate) fn rmqtt() -> Outcome<Broker> {
    let executable = std::env::var_os("THINGWIRE_RMQTT")
        .map(PathBuf::from)
        .ok_or("RMQTT is not built; `cargo xtask bench broker --peers all` builds it")?;
    let folder = tempfile::tempdir()?;
    let authority = Authority::new("bench root");
    fs::write(folder.path().join("ca.crt"), authority.pem())?;
    authority.server().write(folder.path(), "server");
    let port = free_port();
    let mut program = Program::start(
        "RMQTT",
        Command::new(executable)
            .arg(port.to_string())
            .arg(folder.path()),
    );
    let ready = wait_until(START, || {
        program.ended().is_some() || program.log().contains("ready")
    });
    if !ready || program.ended().is_some() {
        return Err(format!("RMQTT did not start:\n{}", program.log()).into());
    }
    Broker::of(program, RMQTT.to_owned(), &authority, port)
}

/// MiniStack with `AUTH=true` and a policy as ours. Its keys are RSA, which it makes itself.
pub(crate) fn ministack() -> Outcome<Broker> {
    let python = std::env::var_os("THINGWIRE_MINISTACK")
        .map(PathBuf::from)
        .ok_or("MiniStack is not installed; `cargo xtask bench broker --peers all` installs it")?;
    let folder = tempfile::tempdir()?;
    let (api, mqtt) = (free_port(), free_port());
    let mut program = Program::start(
        "MiniStack",
        Command::new(&python)
            .args(["-m", "ministack"])
            .current_dir(folder.path())
            .env("AUTH", "true")
            .env("GATEWAY_PORT", api.to_string())
            .env("IOT_MTLS_PORT", mqtt.to_string()),
    );
    let listens = wait_until(START, || {
        let mut ports = [api, mqtt].into_iter();
        program.ended().is_some()
            || ports.all(|port| TcpStream::connect(("127.0.0.1", port)).is_ok())
    });
    if !listens || program.ended().is_some() {
        return Err(format!("MiniStack did not start:\n{}", program.log()).into());
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("ministack.py");
    let mut setup = Command::new(&python);
    setup.arg(script).arg(api.to_string()).arg(folder.path());
    let _ = finish(&mut setup, START).success();
    Ok(Broker {
        id: program.id(),
        version: MINISTACK.to_owned(),
        access: Access::load(folder.path(), mqtt)?,
        _process: Process::Program(Box::new(program), folder),
    })
}
