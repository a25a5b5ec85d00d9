//! What an attack costs everybody else: the delay of a bystander's messages, and the broker's memory.
//!
//! The broker has the first core, generators the second: what an attacker computes does not slow the broker down. Bystander and attacker
//! share their core, the attacker with the lower priority. mosquitto has its limits as installed, because limits are what is asked about.

use std::fmt::Write as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum as _};
use thingwire_conformance::Program;

use crate::Outcome;
use crate::attack::{Attack, progress};
use crate::broker::{Broker, Peer};
use crate::probe::Probe;
use crate::process;
use crate::report::median;

/// Messages a second of the bystander.
const RATE: u32 = 500;
/// How long an attack may need to be under way.
const READY: Duration = Duration::from_secs(30);
/// How long the broker gets to recover.
const RECOVER: Duration = Duration::from_secs(2);
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// How long each attack is watched in a round.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// How often, the brokers in turn; the middle of the rounds' delays counts, and the highest memory.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only this attack.
    #[arg(long, value_enum)]
    only: Option<Attack>,
}

/// One broker under one attack.
struct Seen {
    /// Of the bystander, in ms; none when nothing arrived.
    p50: Option<f64>,
    p99: Option<f64>,
    lost: u64,
    /// KiB before, at the peak, and after the attack has ended.
    memory: [u64; 3],
    /// What the attacker got done in a second, in its own unit.
    done: f64,
}

/// Runs every attack against both brokers.
pub(crate) fn run(settings: &Settings) -> Outcome<String> {
    let length = Duration::from_secs_f64(settings.seconds);
    let mut rows = String::new();
    let mut versions = Vec::new();
    for attack in Attack::value_variants() {
        if settings.only.is_some_and(|only| only != *attack) {
            continue;
        }
        let mut all = [Vec::new(), Vec::new()];
        for _ in 0..settings.rounds {
            for (peer, rounds) in [Peer::Mosquitto, Peer::Thingwire].into_iter().zip(&mut all) {
                process::pin(process::BROKER)?;
                let broker = peer.start_with_limits();
                process::pin(process::GENERATORS)?;
                let broker = broker?;
                let seen = under(*attack, &broker, length)?;
                eprintln!("{attack}, {peer}: {}", seen.line());
                let version = format!("{peer} {}", broker.version);
                if !versions.contains(&version) {
                    versions.push(version);
                }
                rounds.push(seen);
            }
        }
        let row = all
            .into_iter()
            .map(|rounds| Seen::merge(&rounds).ok_or("no rounds"))
            .collect::<Result<Vec<_>, _>>()?;
        if let [theirs, ours] = &row[..] {
            let _ = writeln!(
                rows,
                "| {attack} | {} | {} |",
                cells(theirs, ours),
                memory(theirs, ours)
            );
        }
    }
    Ok(format!(
        "{}; a bystander's {RATE} messages a second, QoS 0, 128 bytes; medians of {} rounds of {} s that alternate between the \
         brokers; broker and generators on different cores; memory of the broker before, at most, and {} s after the attack.\n\n\
         | attack | p50 ms: mosquitto | Thingwire | p99 ms: mosquitto | Thingwire | ratio of p99 | done a second: mosquitto | Thingwire | \
         MiB before → most → after: mosquitto | Thingwire |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n{rows}",
        versions.join(", "),
        settings.rounds,
        settings.seconds,
        RECOVER.as_secs(),
    ))
}

fn under(attack: Attack, broker: &Broker, length: Duration) -> Outcome<Seen> {
    let probe = Probe::open(&broker.access, 1)?;
    let before = process::resident_kib(broker.id)?;
    let peak = Arc::new(AtomicU64::new(before));
    let watched = Arc::new(AtomicBool::new(true));
    let watching = thread::spawn({
        let (id, peak, watched) = (broker.id, Arc::clone(&peak), Arc::clone(&watched));
        move || {
            while watched.load(Ordering::Relaxed) {
                peak.fetch_max(process::resident_kib(id).unwrap_or(0), Ordering::Relaxed);
                thread::sleep(LOOK);
            }
        }
    });
    let name = attack
        .to_possible_value()
        .ok_or("an attack without a name")?;
    let mut attacker = Program::start(
        "attacker",
        Command::new("nice")
            .args(["-n", "10"])
            .arg(std::env::current_exe()?)
            .args(["attack", name.get_name(), &broker.access.port.to_string()])
            .arg(&broker.access.folder),
    );
    attacker.wait_for_line("ready", READY);
    let (begun, (_, first)) = (Instant::now(), progress(&attacker.log()));
    let delays = probe.run(RATE, length)?;
    let (seconds, (_, last)) = (begun.elapsed().as_secs_f64(), progress(&attacker.log()));
    if let Some(status) = attacker.ended() {
        return Err(format!("the attacker ended ({status}): {}", attacker.log()).into());
    }
    attacker.kill();
    thread::sleep(RECOVER);
    watched.store(false, Ordering::Relaxed);
    watching.join().map_err(|_| "the watching thread failed")?;
    Ok(Seen {
        p50: delays.quantile(0.5),
        p99: delays.quantile(0.99),
        lost: delays.lost,
        memory: [
            before,
            peak.load(Ordering::Relaxed),
            process::resident_kib(broker.id)?,
        ],
        done: last.saturating_sub(first) as f64 / seconds,
    })
}

impl Seen {
    /// The middle of the rounds' delays, what was lost in all, the highest memory.
    fn merge(rounds: &[Self]) -> Option<Self> {
        let memory = rounds.iter().max_by_key(|seen| seen.memory[1])?.memory;
        let middle = |of: &dyn Fn(&Self) -> Option<f64>| {
            let mut all: Vec<f64> = rounds.iter().filter_map(of).collect();
            median(&mut all)
        };
        Some(Self {
            p50: middle(&|seen| seen.p50),
            p99: middle(&|seen| seen.p99),
            lost: rounds.iter().map(|seen| seen.lost).sum(),
            memory,
            done: middle(&|seen| Some(seen.done))?,
        })
    }

    /// A delay, for a reader.
    fn ms(&self, delay: Option<f64>) -> String {
        let lost = match self.lost {
            0 => String::new(),
            lost => format!(" ({lost} lost)"),
        };
        delay.map_or_else(|| "–".to_owned(), |ms| format!("{ms:.2}{lost}"))
    }

    fn line(&self) -> String {
        let [before, most, after] = self.memory.map(|kib| kib as f64 / 1024.0);
        format!(
            "p50 {} ms, p99 {} ms, memory {before:.1} → {most:.1} → {after:.1} MiB, {:.0} done a second",
            self.ms(self.p50),
            self.ms(self.p99),
            self.done
        )
    }
}

fn cells(theirs: &Seen, ours: &Seen) -> String {
    let ratio = match (theirs.p99, ours.p99) {
        (Some(theirs), Some(ours)) if ours > 0.0 => format!("**{:.2}**", theirs / ours),
        _ => "–".to_owned(),
    };
    format!(
        "{} | {} | {} | {} | {ratio} | {:.0} | {:.0}",
        theirs.ms(theirs.p50),
        ours.ms(ours.p50),
        theirs.ms(theirs.p99),
        ours.ms(ours.p99),
        theirs.done,
        ours.done
    )
}

fn memory(theirs: &Seen, ours: &Seen) -> String {
    let [theirs, ours] = [theirs, ours].map(|seen| {
        seen.memory
            .map(|kib| format!("{:.0}", kib as f64 / 1024.0))
            .join(" → ")
    });
    format!("{theirs} | {ours}")
}
