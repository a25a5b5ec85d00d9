//! Many connections at once in one broker: what they weigh, and how quickly messages pass while most of them are silent.
//!
//! The clients are in processes of their own, because each process may have no more open files than the broker.

use std::cell::Cell;
use std::fmt::Write as _;
use std::process::Command;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use thingwire_conformance::Program;
use thingwire_mqtt::{Packet, Properties, Publish, QoS};
use tokio::io::AsyncWriteExt as _;
use tokio::task::{LocalSet, spawn_local};

use crate::Outcome;
use crate::access::Access;
use crate::broker::{Broker, Peer};
use crate::connecting::many;
use crate::connection::{Connection, bytes};
use crate::flow::PAYLOAD;
use crate::probe::Probe;
use crate::process;

/// Processes that hold the connections.
const HOLDERS: usize = 3;
/// Each active client sends one message in this time, to itself.
const BEAT: Duration = Duration::from_secs(1);
/// Connecting may take this long.
const CONNECTING: Duration = Duration::from_secs(120);
/// For handshakes' memory to be given back.
const SETTLE: Duration = Duration::from_secs(3);
/// Messages a second of the bystander whose delays are shown.
const RATE: u32 = 200;

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// Connections.
    #[arg(long, default_value_t = 15_000)]
    connections: usize,
    /// How many of them send and receive a message a second.
    #[arg(long, default_value_t = 2000)]
    active: usize,
    /// How long that is watched.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
}

/// Runs it against both brokers.
pub(crate) fn run(settings: &Settings) -> Outcome<String> {
    let mut rows = String::new();
    for peer in [Peer::Mosquitto, Peer::Thingwire] {
        let broker = peer.start(false)?;
        let row = one(settings, &broker)?;
        eprintln!("{peer}: {row}");
        let _ = writeln!(rows, "| {peer} {} | {row} |", broker.version);
    }
    Ok(format!(
        "{} connections from {HOLDERS} processes; then {} of them each send one message of {PAYLOAD} bytes a second to themselves, \
         and a bystander {RATE} a second, for {} s.\n\n\
         | | connected in s | KiB per connection | cores while all are silent | cores | deliveries/s | bystander p50 ms | p99 ms |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|\n{rows}",
        settings.connections, settings.active, settings.seconds,
    ))
}

fn one(settings: &Settings, broker: &Broker) -> Outcome<String> {
    let before = process::resident_kib(broker.id)?;
    let began = Instant::now();
    let mut holders = Vec::new();
    for holder in 0..HOLDERS {
        // The remainder goes to the first ones.
        let share = |of: usize| of / HOLDERS + usize::from(holder < of % HOLDERS);
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["hold", &holder.to_string(), &broker.access.port.to_string()])
            .arg(&broker.access.folder)
            .args([share(settings.connections), share(settings.active)].map(|n| n.to_string()));
        holders.push(Program::start("holder", &mut command));
    }
    for holder in &mut holders {
        holder.wait_for_line("ready", CONNECTING);
    }
    let connected = began.elapsed();
    thread::sleep(SETTLE);
    let weight = process::resident_kib(broker.id)?.saturating_sub(before);
    let quiet = process::cpu(broker.id)?;
    thread::sleep(SETTLE);
    let quiet = (process::cpu(broker.id)? - quiet).as_secs_f64() / SETTLE.as_secs_f64();

    for holder in &holders {
        // The signal to begin.
        let sent = Command::new("kill")
            .args(["-s", "USR1", &holder.id().to_string()])
            .status()?;
        if !sent.success() {
            return Err("a holder could not be told to begin".into());
        }
    }
    thread::sleep(2 * BEAT);
    let count = |holders: &[Program]| -> u64 {
        let last = |holder: &Program| crate::attack::progress(&holder.log()).1;
        holders.iter().map(last).sum()
    };
    let probe = Probe::open(&broker.access, 1)?;
    let (used, first, began) = (process::cpu(broker.id)?, count(&holders), Instant::now());
    let delays = probe.run(RATE, Duration::from_secs_f64(settings.seconds))?;
    let seconds = began.elapsed().as_secs_f64();
    let busy = (process::cpu(broker.id)? - used).as_secs_f64() / seconds;
    let deliveries = (count(&holders) - first) as f64 / seconds;
    for holder in &mut holders {
        if let Some(status) = holder.ended() {
            return Err(format!("a holder ended ({status}): {}", holder.log()).into());
        }
    }
    let delay = |part| delays.quantile(part).unwrap_or(f64::NAN);
    Ok(format!(
        "{:.1} | {:.1} | {quiet:.3} | {busy:.2} | {deliveries:.0} | {:.2} | {:.2}",
        connected.as_secs_f64(),
        weight as f64 / settings.connections as f64,
        delay(0.5),
        delay(0.99),
    ))
}

/// One holder: connects, waits for the signal, then lets some of its connections send.
pub(crate) fn hold(
    holder: usize,
    access: &Access,
    connections: usize,
    active: usize,
) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut begin =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::user_defined1())?;
        let _silent = many(
            access,
            &format!("silent-{holder}"),
            connections - active,
            true,
        )
        .await?;
        let mut ready = Vec::new();
        for mut connection in many(access, &format!("active-{holder}"), active, true).await? {
            let topic = topic(&connection);
            connection.subscribe(&topic, QoS::AtMostOnce).await?;
            ready.push(connection);
        }
        println!("ready");
        begin.recv().await;
        let done = Rc::new(Cell::new(0));
        for (number, connection) in ready.into_iter().enumerate() {
            // Spread over the time of a beat.
            let first = BEAT.mul_f64(number as f64 / active as f64);
            spawn_local(beat(connection, first, Rc::clone(&done)));
        }
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            println!("done {}", done.get());
        }
    })
}

/// A topic of this client's own.
fn topic(connection: &Connection) -> String {
    format!("bench/{}/beat", connection.client_id)
}

async fn beat(connection: Connection, first: Duration, done: Rc<Cell<u64>>) {
    let topic = topic(&connection);
    let Connection {
        mut reader,
        mut writer,
        ..
    } = connection;
    let publish = bytes(&Packet::Publish(Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: &topic,
        packet_id: None,
        properties: Properties::EMPTY,
        payload: &[0; PAYLOAD],
    }));
    let Ok(publish) = publish else { return };
    spawn_local(async move { while reader.read(|_| done.set(done.get() + 1)).await.is_ok() {} });
    tokio::time::sleep(first).await;
    loop {
        if writer.write_all(&publish).await.is_err() || writer.flush().await.is_err() {
            eprintln!("a connection broke");
            std::process::exit(1);
        }
        tokio::time::sleep(BEAT).await;
    }
}
