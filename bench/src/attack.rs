//! The attackers of the hostility run: each is a process of its own that harasses one broker until it is ended.
//!
//! It prints `ready` once its attack is under way and afterwards, now and then, how much it has done. All of them hold a
//! certificate that the broker accepts (what a stolen device can do), but for those that never get as far as
//! showing one.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use rustls::ClientConnection;
use thingwire_mqtt::{Packet, PacketId, Properties, Publish, QoS};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{MissedTickBehavior, interval};

use crate::Outcome;
use crate::access::Access;
use crate::connection::{Connection, bytes};

/// Subscribers that do not read, and bytes of each message they are sent.
const SLOW: usize = 50;
const LARGE: usize = 10 * 1024;
/// Connections that are held without a word, or in the middle of their handshake.
const HELD: usize = 1000;
/// Of the latter, how many a second are replaced by new ones.
const RENEWED: u32 = 100;
/// CONNECTs at a time.
const AT_ONCE: usize = 32;
/// Clients with overlapping subscriptions, and filters of each.
const OVERLAPPING: usize = 50;
const FILTERS: usize = 32;
/// Topics of the retained storm.
const RETAINED: usize = 50_000;
/// PUBLISH of one publisher without their PUBACK.
const IN_FLIGHT: usize = 64;
/// How often a publisher of fixed speed sends, and what it has done is printed.
const TICK: Duration = Duration::from_millis(10);
const TELL: Duration = Duration::from_millis(200);

/// What is done to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Attack {
    /// Nothing: for comparison.
    Nothing,
    /// Subscribers that stop reading, while 500 messages of 10 KiB a second are for them.
    SlowReaders,
    /// Connections of which not a byte is heard.
    HalfOpen,
    /// ClientHello, and then silence; new ones all the time.
    UnfinishedHandshakes,
    /// Connect, CONNECT, DISCONNECT, from 32 sides as fast as they can.
    ConnectFlood,
    /// 1,600 filters that match the same topic, and 200 messages a second for it.
    OverlappingSubscriptions,
    /// 50,000 retained topics of 1 KiB, written round and round as fast as they are acknowledged.
    RetainedStorm,
    /// A persistent session that never sends PUBACK, and 2,000 QoS 1 messages of 1 KiB a second for it.
    NeverAcknowledges,
}

impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "none",
            Self::SlowReaders => "50 subscribers that do not read, 500 messages of 10 KiB a second",
            Self::HalfOpen => "1,000 connections that say nothing",
            Self::UnfinishedHandshakes => {
                "1,000 handshakes that stop after ClientHello, 100 new ones a second"
            }
            Self::ConnectFlood => "connects from 32 sides, as fast as they can",
            Self::OverlappingSubscriptions => {
                "50 clients with 32 overlapping filters each, 200 messages a second"
            }
            Self::RetainedStorm => {
                "retained messages of 1 KiB to 50,000 topics, as fast as acknowledged"
            }
            Self::NeverAcknowledges => "no PUBACK, 2,000 QoS 1 messages of 1 KiB a second",
        })
    }
}

/// Attacks until the process is ended.
pub(crate) fn run(attack: Attack, access: Access) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let done = Rc::new(Cell::new(0));
    LocalSet::new().block_on(&runtime, async {
        spawn_local(tell(Rc::clone(&done)));
        match attack {
            Attack::Nothing => hold().await,
            Attack::SlowReaders => slow_readers(access, done).await,
            Attack::HalfOpen => half_open(&access, &done).await,
            Attack::UnfinishedHandshakes => unfinished(&access, &done).await,
            Attack::ConnectFlood => flood(access, done).await,
            Attack::OverlappingSubscriptions => overlapping(&access, &done).await,
            Attack::RetainedStorm => storm(&access, &done).await,
            Attack::NeverAcknowledges => never(access, done).await,
        }
    })
}

/// Says that the attack is under way, and waits for the end.
async fn hold() -> Outcome<()> {
    println!("ready");
    pending().await
}

async fn tell(done: Rc<Cell<u64>>) {
    let mut told = 0;
    loop {
        tokio::time::sleep(TELL).await;
        if done.get() != told {
            told = done.get();
            println!("done {told}");
        }
    }
}

async fn slow_readers(access: Access, done: Rc<Cell<u64>>) -> Outcome<()> {
    let mut readers = Vec::new();
    for number in 0..SLOW {
        let mut reader = Connection::open(&access, &format!("bench-slow-{number}"), true).await?;
        reader
            .subscribe("bench/bench-attack/slow", QoS::AtMostOnce)
            .await?;
        readers.push(reader);
    }
    println!("ready");
    steadily(&access, "slow", QoS::AtMostOnce, (LARGE, 5), &done).await
}

async fn half_open(access: &Access, done: &Cell<u64>) -> Outcome<()> {
    let mut held = Vec::new();
    for _ in 0..HELD {
        held.push(TcpStream::connect(("127.0.0.1", access.port)).await?);
        done.set(done.get() + 1);
    }
    hold().await
}

async fn unfinished(access: &Access, done: &Cell<u64>) -> Outcome<()> {
    let mut held = VecDeque::new();
    let mut told = false;
    let mut tick = interval(Duration::from_secs(1) / RENEWED);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        if held.len() >= HELD {
            if !std::mem::replace(&mut told, true) {
                println!("ready");
            }
            tick.tick().await;
            held.pop_front();
        }
        let mut tls = ClientConnection::new(Arc::clone(&access.tls), access.name.clone())?;
        let mut hello = Vec::new();
        tls.write_tls(&mut hello)?;
        let mut stream = TcpStream::connect(("127.0.0.1", access.port)).await?;
        stream.write_all(&hello).await?;
        held.push_back(stream);
        done.set(done.get() + 1);
    }
}

async fn flood(access: Access, done: Rc<Cell<u64>>) -> Outcome<()> {
    let access = Rc::new(access);
    for side in 0..AT_ONCE {
        let (access, done) = (Rc::clone(&access), Rc::clone(&done));
        spawn_local(async move {
            let name = format!("bench-flood-{side}");
            loop {
                // Being refused is part of it.
                if let Ok(connection) = Connection::open(&access, &name, true).await {
                    let _ = connection.close().await;
                }
                done.set(done.get() + 1);
            }
        });
    }
    hold().await
}

async fn overlapping(access: &Access, done: &Rc<Cell<u64>>) -> Outcome<()> {
    for number in 0..OVERLAPPING {
        let name = format!("bench-overlap-{number}");
        let mut connection = Connection::open(access, &name, true).await?;
        for filter in 0..FILTERS {
            let level = |bit: u32, level: &'static str| {
                if filter >> bit & 1 == 1 { "+" } else { level }
            };
            let filter = format!(
                "bench/+/{}/{}/{}/{}/{}",
                level(0, "overlap"),
                level(1, "b"),
                level(2, "c"),
                level(3, "d"),
                level(4, "e")
            );
            connection.subscribe(&filter, QoS::AtMostOnce).await?;
        }
        spawn_local(async move { while connection.reader.read(|_| ()).await.is_ok() {} });
    }
    println!("ready");
    steadily(access, "overlap/b/c/d/e", QoS::AtMostOnce, (128, 2), done).await
}

async fn storm(access: &Access, done: &Cell<u64>) -> Outcome<()> {
    let Connection {
        mut reader,
        mut writer,
        ..
    } = Connection::open(access, "bench-attack", true).await?;
    println!("ready");
    let (mut id, mut sent) = (PacketId::FIRST, 0_u64);
    loop {
        while sent - done.get() < IN_FLIGHT as u64 {
            let topic = format!("bench/bench-attack/retained/{}", sent % RETAINED as u64);
            let packet = publish(&topic, QoS::AtLeastOnce, true, Some(id), &[0; 1024])?;
            writer.write_all(&packet).await?;
            id = id.next();
            sent += 1;
        }
        writer.flush().await?;
        reader
            .read(|packet| {
                done.set(done.get() + u64::from(matches!(packet, Packet::PubAck(_))));
            })
            .await?;
    }
}

async fn never(access: Access, done: Rc<Cell<u64>>) -> Outcome<()> {
    let mut victim = Connection::open(&access, "bench-never", false).await?;
    victim
        .subscribe("bench/bench-attack/never", QoS::AtLeastOnce)
        .await?;
    spawn_local(async move { while victim.reader.read(|_| ()).await.is_ok() {} });
    println!("ready");
    steadily(&access, "never", QoS::AtLeastOnce, (1024, 20), &done).await
}

/// Publishes so many messages of so many bytes every [`TICK`], whatever comes back.
async fn steadily(
    access: &Access,
    topic: &str,
    qos: QoS,
    (len, burst): (usize, usize),
    done: &Rc<Cell<u64>>,
) -> Outcome<()> {
    let Connection {
        mut reader,
        mut writer,
        ..
    } = Connection::open(access, "bench-attack", true).await?;
    spawn_local(async move { while reader.read(|_| ()).await.is_ok() {} });
    let topic = format!("bench/bench-attack/{topic}");
    let payload = vec![0; len];
    let mut id = PacketId::FIRST;
    let mut tick = interval(TICK);
    loop {
        tick.tick().await;
        let mut packets = Vec::new();
        for _ in 0..burst {
            let packet_id = (qos != QoS::AtMostOnce).then_some(id);
            packets.extend(publish(&topic, qos, false, packet_id, &payload)?);
            id = id.next();
        }
        writer.write_all(&packets).await?;
        writer.flush().await?;
        done.set(done.get() + burst as u64);
    }
}

fn publish(
    topic: &str,
    qos: QoS,
    retain: bool,
    packet_id: Option<PacketId>,
    payload: &[u8],
) -> Outcome<Vec<u8>> {
    bytes(&Packet::Publish(Publish {
        dup: false,
        qos,
        retain,
        topic,
        packet_id,
        properties: Properties::EMPTY,
        payload,
    }))
}

/// What an attacker has printed: whether it is ready, and how much it has done.
pub(crate) fn progress(log: &str) -> (bool, u64) {
    let mut lines = log.lines();
    let ready = lines.clone().any(|line| line == "ready");
    let done = lines.rfind(|line| line.starts_with("done "));
    let done = done.and_then(|line| line.trim_start_matches("done ").parse().ok());
    (ready, done.unwrap_or(0))
}
