//! A trace: steps with `;` between them, for clients that are named by a letter.
//!
//! - `a+`: connects with client id `a` and a clean session; `a++`: with a session of an hour; both past CONNACK;
//! - `a> 82: 0001 00 't' 01`: sends bytes (see [`crate::bytes`]), over a new stream if there is none;
//! - `a< SUBACK #1 01`: exactly these packets come within a second (see [`crate::render`]); `closed` is the end of the stream;
//! - `a-`: the network breaks; `wait 60`: so many seconds pass;
//! - every trace runs again with bytes that come one by one;
//! - `aws| …` and `mqtt| …`: a step of one behaviour only.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use thingwire_broker::{AllowAll, Behaviour, Broker, Config, Peer, Silent, edge};
use thingwire_mqtt::Version;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::{sleep, timeout};

use crate::bytes::bytes;
use crate::render::{fits, render};

/// A statement's id and what it asks, and the trace that shows it.
pub(crate) type Row<'a> = (&'a str, &'a str);

/// Runs every row in both behaviours, each with a broker of its own, and reports all that do not fit.
pub(crate) fn check(version: Version, rows: &[Row<'_>]) {
    let mut wrong = Vec::new();
    for (statement, trace) in rows {
        let has_id = statement.starts_with("[MQTT-") || statement.starts_with("B-");
        assert!(has_id, "`{statement}`: its id first");
        for behaviour in [Behaviour::Aws, Behaviour::Mqtt] {
            for pace in [Pace::Whole, Pace::Bytes] {
                if let Err(why) = run(behaviour, version, pace, trace) {
                    wrong.push(format!("{statement}\n    {behaviour:?}, {pace:?}: {why}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// How bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// All that a step sends at once.
    Whole,
    /// Each byte alone, and read alone; of long packets the first 1000, and the rest in pieces that end anywhere.
    Bytes,
}

fn run(behaviour: Behaviour, version: Version, pace: Pace, trace: &str) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut world = World::new(behaviour, version, pace);
        for step in trace.split(';') {
            let step = step.trim();
            let (only, step) = step
                .split_once("| ")
                .filter(|(only, _)| ["aws", "mqtt"].contains(only))
                .unwrap_or(("", step));
            if only.is_empty() || (only == "aws") == (behaviour == Behaviour::Aws) {
                world
                    .step(step)
                    .await
                    .map_err(|why| format!("`{step}`: {why}"))?;
            }
        }
        Ok(())
    })
}

struct World {
    broker: Broker,
    version: Version,
    pace: Pace,
    streams: BTreeMap<char, DuplexStream>,
}

impl World {
    fn new(behaviour: Behaviour, version: Version, pace: Pace) -> Self {
        let config = Config {
            behaviour,
            ..Config::default()
        };
        let broker = Broker::start(config, None, Arc::new(AllowAll), Arc::new(Silent));
        Self {
            broker: broker.expect("there is no store that could fail"),
            version,
            pace,
            streams: BTreeMap::new(),
        }
    }

    /// Waits for what the step says. Simulated time passes only where it does.
    async fn step(&mut self, step: &str) -> Result<(), String> {
        if let Some(seconds) = step.strip_prefix("wait ") {
            let seconds = seconds.parse().expect("`wait` and a number");
            sleep(Duration::from_secs(seconds)).await;
            return Ok(());
        }
        let (name, what) = step.split_at(1);
        let name = name.chars().next().expect("a letter");
        match what.split_at(what.len().min(1)) {
            ("+", kept) => {
                self.send(name, &connect(self.version, name, kept == "+"))
                    .await?;
                let got = self.receive(name).await;
                if fits("CONNACK 00", &got) {
                    Ok(())
                } else {
                    Err(got.join(", "))
                }
            }
            ("-", _) => {
                self.streams.remove(&name);
                sleep(Duration::from_secs(1)).await;
                Ok(())
            }
            (">", text) => self.send(name, &bytes(text)).await,
            ("<", expected) => {
                let got = self.receive(name).await;
                if fits(expected.trim(), &got) {
                    Ok(())
                } else {
                    Err(format!("but got `{}`", got.join(", ")))
                }
            }
            _ => panic!("`{step}` is no step"),
        }
    }

    async fn send(&mut self, name: char, bytes: &[u8]) -> Result<(), String> {
        if !self.streams.contains_key(&name) {
            let (near, far) = duplex(1 << 20);
            let broker = self.broker.clone();
            let peer = Peer {
                principal: name.to_string().into(),
                address: SocketAddr::from(([127, 0, 0, 1], 50_000)),
                server_name: None,
            };
            tokio::spawn(async move { edge::serve(&broker, far, peer).await });
            self.streams.insert(name, near);
        }
        let stream = self.streams.get_mut(&name).expect("it was just opened");
        // The broker may have said why and closed before the last byte.
        let _ = match self.pace {
            Pace::Whole => stream.write_all(bytes).await,
            Pace::Bytes => slowly(stream, bytes).await,
        };
        Ok(())
    }

    /// What comes within a second, and a last line `closed` if the stream ended, which is then forgotten.
    async fn receive(&mut self, name: char) -> Vec<String> {
        let Some(stream) = self.streams.get_mut(&name) else {
            return vec!["there is no stream".to_owned()];
        };
        let mut received = Vec::new();
        let ended = timeout(Duration::from_secs(1), stream.read_to_end(&mut received)).await;
        let mut lines = render(self.version, &received);
        if ended.is_ok() {
            lines.push("closed".to_owned());
            self.streams.remove(&name);
        }
        lines
    }
}

async fn slowly(stream: &mut DuplexStream, bytes: &[u8]) -> std::io::Result<()> {
    let (first, rest) = bytes.split_at(bytes.len().min(1000));
    for piece in first.chunks(1).chain(rest.chunks(4093)) {
        stream.write_all(piece).await?;
        // The only other task reads it now.
        tokio::task::yield_now().await;
    }
    Ok(())
}

fn connect(version: Version, name: char, kept: bool) -> Vec<u8> {
    bytes(&match (version, kept) {
        (Version::V311, false) => format!("10: 'MQTT' 04 02 003C '{name}'"),
        (Version::V311, true) => format!("10: 'MQTT' 04 00 003C '{name}'"),
        (Version::V5, false) => format!("10: 'MQTT' 05 02 003C [] '{name}'"),
        (Version::V5, true) => format!("10: 'MQTT' 05 00 003C [11 00000E10] '{name}'"),
    })
}
