//! The brokers under measurement: started fresh, with what a client needs to reach them.

use std::fmt;
use std::process::Command;
use std::time::Duration;

use clap::ValueEnum;
use tempfile::TempDir;
use thingwire_conformance::{
    Authority, Autosave, Cloud, Mosquitto, MosquittoSettings, Program, Rumqttd, finish,
};

use crate::Outcome;
use crate::access::{self, Access};
use crate::foreign;

/// Each client may publish to its own topics and nowhere else, by a variable as in the policies of devices; all
/// may read what the others say.
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[
{"Effect":"Allow","Action":"iot:Connect","Resource":"arn:aws:iot:REGION:ACCOUNT_ID:client/bench-*"},
{"Effect":"Allow","Action":["iot:Publish","iot:RetainPublish"],"Resource":"arn:aws:iot:REGION:ACCOUNT_ID:topic/bench/${iot:ClientId}/*"},
{"Effect":"Allow","Action":"iot:Receive","Resource":"arn:aws:iot:REGION:ACCOUNT_ID:topic/bench/*"},
{"Effect":"Allow","Action":"iot:Subscribe","Resource":"arn:aws:iot:REGION:ACCOUNT_ID:topicfilter/bench/*"}]}"#;

/// Which broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Peer {
    /// Debian's mosquitto; where something must be kept, with `persistence true` and the rest of it by default.
    Mosquitto,
    /// The same, its file saved after each change.
    MosquittoSaving,
    /// `thingwire up`, policies enforced.
    Thingwire,
    /// Ours without everything that makes a broker, to see what the generator can do.
    Null,
    /// rumqttd of crates.io.
    Rumqttd,
    /// RMQTT of crates.io, as a program of `bench/rmqtt`.
    Rmqtt,
    /// MiniStack of PyPI.
    Ministack,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mosquitto => "mosquitto",
            Self::MosquittoSaving => "mosquitto saving each change",
            Self::Thingwire => "Thingwire",
            Self::Null => "null peer",
            Self::Rumqttd => "rumqttd",
            Self::Rmqtt => "RMQTT",
            Self::Ministack => "MiniStack",
        })
    }
}

/// A running broker.
pub(crate) struct Broker {
    /// Process id.
    pub(crate) id: u32,
    /// Version, as the program says it.
    pub(crate) version: String,
    /// How to reach it.
    pub(crate) access: Access,
    pub(crate) _process: Process,
}

/// Keeps the process alive, and the files it needs.
#[expect(dead_code, reason = "held for their Drop")]
pub(crate) enum Process {
    Mosquitto(Box<Mosquitto>, TempDir),
    Thingwire(Box<Cloud>),
    Rumqttd(Box<Rumqttd>, TempDir),
    Program(Box<Program>, TempDir),
}

impl Peer {
    /// Starts this broker. Thingwire always keeps what it acknowledged; mosquitto only when `durable`.
    pub(crate) fn start(self, durable: bool) -> Outcome<Broker> {
        match self {
            Self::Mosquitto => mosquitto(MosquittoSettings {
                persistence: durable.then_some(Autosave::Default),
                ..MosquittoSettings::default()
            }),
            Self::MosquittoSaving => mosquitto(MosquittoSettings {
                persistence: durable.then_some(Autosave::EachChange),
                ..MosquittoSettings::default()
            }),
            Self::Thingwire => thingwire(Cloud::start()),
            Self::Null => null(),
            Self::Rumqttd => foreign::rumqttd(),
            Self::Rmqtt => foreign::rmqtt(),
            Self::Ministack => foreign::ministack(),
        }
    }

    /// The same with the limits that mosquitto is installed with.
    pub(crate) fn start_with_limits(self) -> Outcome<Broker> {
        match self {
            Self::Mosquitto => mosquitto(MosquittoSettings {
                limits: true,
                ..MosquittoSettings::default()
            }),
            other => other.start(true),
        }
    }
}

fn mosquitto(settings: MosquittoSettings) -> Outcome<Broker> {
    let mosquitto = Mosquitto::start(settings).ok_or("mosquitto is not installed")?;
    let folder = tempfile::tempdir()?;
    let authority = mosquitto.authority();
    access::write(folder.path(), authority, &authority.client("bench"))?;
    Ok(Broker {
        id: mosquitto.id(),
        version: mosquitto.version(),
        access: Access::load(folder.path(), mosquitto.tls_port)?,
        _process: Process::Mosquitto(Box::new(mosquitto), folder),
    })
}

/// A local cloud that runs already, and a thing in it for all connections.
pub(crate) fn thingwire(mut cloud: Cloud) -> Outcome<Broker> {
    let kit = cloud.thing("bench", POLICY);
    let said = finish(cloud.command().arg("--version"), Duration::from_secs(10)).success();
    let version = said.split_whitespace().last().unwrap_or("unknown");
    Ok(Broker {
        id: cloud.program().id(),
        version: version.to_owned(),
        access: Access::load(&kit, cloud.ready.mqtt_port)?,
        _process: Process::Thingwire(Box::new(cloud)),
    })
}

fn null() -> Outcome<Broker> {
    let server = tempfile::tempdir()?;
    let authority = Authority::new("bench root");
    access::write(server.path(), &authority, &authority.server())?;
    let mut command = Command::new(std::env::current_exe()?);
    let mut program = Program::start("null peer", command.arg("null").arg(server.path()));
    program.wait_for_line("port ", Duration::from_secs(10));
    let port = program.log().trim_start_matches("port ").trim().parse()?;
    Broker::of(
        program,
        env!("CARGO_PKG_VERSION").to_owned(),
        &authority,
        port,
    )
}

impl Broker {
    /// A program that listens already and trusts certificates of this authority.
    pub(crate) fn of(
        program: Program,
        version: String,
        authority: &Authority,
        port: u16,
    ) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        access::write(folder.path(), authority, &authority.client("bench"))?;
        Ok(Self {
            id: program.id(),
            version,
            access: Access::load(folder.path(), port)?,
            _process: Process::Program(Box::new(program), folder),
        })
    }
}
