//! Measures the local cloud beside other brokers, over mutual TLS, with one generator for all.
//!
//! Every figure is the median of several rounds; rounds alternate between the brokers, each with a fresh
//! process, so that a machine that slows down slows all. The generator's own CPU is shown, because it
//! shares the cores. Absolute figures move with the machine: read the ratios.
//!
//! It is a program and not a test: nothing here passes or fails by a figure.

mod access;
mod attack;
mod broker;
mod connecting;
mod connection;
mod cost;
mod flow;
mod foreign;
mod growth;
mod hostility;
mod idle;
mod keeping;
mod latency;
mod null;
mod probe;
mod process;
mod report;
mod scenario;
mod table;

use std::error::Error;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// What goes wrong here is said and ends the program.
type Outcome<T> = Result<T, Box<dyn Error>>;

/// Measures Thingwire beside other brokers.
#[derive(Debug, Parser)]
#[command(name = "thingwire-bench")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Write the tables to this file as well.
    #[arg(long, global = true)]
    markdown: Option<PathBuf>,
    /// Write every round's figures to this file.
    #[arg(long, global = true)]
    json: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Connects, memory, latency and throughput.
    Broker(table::Settings),
    /// The delay of a message at a modest rate, many rounds.
    Latency(latency::Settings),
    /// What attacks cost others.
    Hostility(hostility::Settings),
    /// Many connections in one broker.
    Idle(idle::Settings),
    /// How costs grow with tables.
    Growth(growth::Settings),
    /// System calls, allocations and TLS of a delivery.
    Cost(cost::Settings),
    /// Holds connections, as a process of its own.
    #[command(hide = true)]
    Hold {
        /// Which.
        holder: usize,
        /// The broker's port.
        port: u16,
        /// Root, certificate and key.
        folder: PathBuf,
        /// How many.
        connections: usize,
        /// How many of them send.
        active: usize,
    },
    /// An attacker, as a process of its own.
    #[command(hide = true)]
    Attack {
        /// Which.
        attack: attack::Attack,
        /// The broker's port.
        port: u16,
        /// Root, certificate and key.
        folder: PathBuf,
    },
    /// The null peer, as a process of its own.
    #[command(hide = true)]
    Null {
        /// Its root, certificate and key.
        folder: PathBuf,
    },
}

fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    let (tables, json) = match &arguments.command {
        Command::Broker(settings) => table::run(settings)?,
        Command::Latency(settings) => (latency::run(settings)?, String::new()),
        Command::Hostility(settings) => (hostility::run(settings)?, String::new()),
        Command::Idle(settings) => (idle::run(settings)?, String::new()),
        Command::Growth(settings) => (growth::run(settings)?, String::new()),
        Command::Cost(settings) => (cost::run(settings)?, String::new()),
        Command::Hold {
            holder,
            port,
            folder,
            connections,
            active,
        } => {
            let access = access::Access::load(folder, *port)?;
            return idle::hold(*holder, &access, *connections, *active);
        }
        Command::Attack {
            attack,
            port,
            folder,
        } => return attack::run(*attack, access::Access::load(folder, *port)?),
        Command::Null { folder } => return null::run(folder),
    };
    println!("{tables}");
    if let Some(file) = &arguments.markdown {
        std::fs::write(file, tables)?;
    }
    // Only the brokers' table has rounds.
    if let Some(file) = arguments.json.as_ref().filter(|_| !json.is_empty()) {
        std::fs::write(file, json)?;
    }
    Ok(())
}
