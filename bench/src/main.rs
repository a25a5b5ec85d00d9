//! Measures the local cloud beside mosquitto, over mutual TLS, with one generator for both.
//!
//! Every figure is the median of several rounds; rounds alternate between the brokers, each with a fresh
//! process, so that a machine that slows down slows both. The generator's own CPU is shown, because it
//! shares the cores. Absolute figures move with the machine: read the ratios.
//!
//! It is a program and not a test: nothing here passes or fails by a figure.

mod broker;
mod connection;
mod flow;
mod process;
mod report;
mod scenario;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use broker::Peer;
use clap::Parser;
use report::Report;

/// What goes wrong here is said and ends the program.
type Outcome<T> = Result<T, Box<dyn Error>>;

/// Measures Thingwire beside mosquitto.
#[derive(Debug, Parser)]
#[command(name = "thingwire-bench")]
struct Arguments {
    /// How often each broker runs each scenario; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds that each throughput scenario is measured, after a warm-up.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Only scenarios whose name holds this text.
    #[arg(long, default_value = "")]
    only: String,
    /// Only this broker.
    #[arg(long, value_enum)]
    peer: Option<Peer>,
    /// Write the table to this file as well.
    #[arg(long)]
    markdown: Option<PathBuf>,
    /// Write every round's figures to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    let peers: Vec<Peer> = match arguments.peer {
        Some(peer) => vec![peer],
        None => vec![Peer::Mosquitto, Peer::Thingwire],
    };
    // One thread: the brokers need the cores, and its CPU is easy to tell.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut report = Report::new(arguments.rounds, arguments.seconds);
    for scenario in scenario::all()
        .into_iter()
        .filter(|scenario| scenario.name.contains(&arguments.only))
    {
        for round in 1..=arguments.rounds {
            for peer in &peers {
                let broker = peer.start(scenario.durable())?;
                let length = Duration::from_secs_f64(arguments.seconds);
                let local = tokio::task::LocalSet::new();
                let figures = local.block_on(&runtime, scenario.run(&broker, length))?;
                eprintln!(
                    "{} {round}/{} {peer}: {figures}",
                    scenario.name, arguments.rounds
                );
                report.add(&scenario, *peer, &broker.version, figures);
            }
        }
    }
    println!("{}", report.markdown());
    if let Some(file) = &arguments.markdown {
        std::fs::write(file, report.markdown())?;
    }
    if let Some(file) = &arguments.json {
        std::fs::write(file, report.json())?;
    }
    Ok(())
}
