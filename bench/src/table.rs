//! The run that makes the broker tables: every scenario, every round, every peer in turn.

use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::runtime::Runtime;

use crate::Outcome;
use crate::broker::Peer;
use crate::report::{Figures, Report};
use crate::scenario::{self, Scenario};

/// No scenario takes longer; a broker that lets us wait has failed it.
const LIMIT: Duration = Duration::from_secs(30);

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// How often each broker runs each scenario; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds that each throughput scenario is measured, after a warm-up.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Only scenarios with a row whose name holds this text.
    #[arg(long, default_value = "")]
    only: String,
    /// Only this broker.
    #[arg(long, value_enum)]
    peer: Option<Peer>,
    /// Beside whom.
    #[arg(long, value_enum, default_value_t = Peers::Mosquitto)]
    peers: Peers,
}

/// Groups of brokers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Peers {
    /// mosquitto, and the null peer for the generator's own speed.
    Mosquitto,
    /// mosquitto, rumqttd, RMQTT and MiniStack, where nothing is kept on disk.
    All,
}

impl Settings {
    fn peers(&self) -> Vec<Peer> {
        match (self.peer, self.peers) {
            (Some(peer), _) => vec![peer],
            (None, Peers::Mosquitto) => vec![
                Peer::Mosquitto,
                Peer::MosquittoSaving,
                Peer::Thingwire,
                Peer::Null,
            ],
            (None, Peers::All) => vec![
                Peer::Mosquitto,
                Peer::Rumqttd,
                Peer::Rmqtt,
                Peer::Ministack,
                Peer::Thingwire,
            ],
        }
    }
}

/// Runs everything; answers the tables and every round's figures.
pub(crate) fn run(settings: &Settings) -> Outcome<(String, String)> {
    // One thread: the brokers need the cores, and its CPU is easy to tell.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut report = Report::new(settings.rounds, settings.seconds);
    let peers = settings.peers();
    let all = scenario::all();
    let wanted = all.iter().filter(|scenario| {
        let beside_all = settings.peers == Peers::All;
        let mut names = scenario.names.iter();
        names.any(|name| name.contains(&settings.only)) && !(beside_all && scenario.durable())
    });
    let wanted: Vec<_> = wanted.collect();
    if wanted.is_empty() {
        return Err(format!("no scenario's name holds `{}`", settings.only).into());
    }
    for scenario in wanted {
        for round in 1..=settings.rounds {
            let suits = |peer: &&Peer| {
                // The generator's own speed is context; once is enough.
                scenario.suits(**peer) && (round == 1 || **peer != Peer::Null)
            };
            for peer in peers.iter().filter(suits) {
                let length = Duration::from_secs_f64(settings.seconds);
                let name = scenario.names[0];
                match once(&runtime, scenario, *peer, length) {
                    Ok((version, figures)) => {
                        for (name, figures) in scenario.names.iter().zip(&figures) {
                            eprintln!("{name} {round}/{} {peer}: {figures}", settings.rounds);
                        }
                        report.add(scenario, *peer, &version, &figures);
                    }
                    // Its cell stays empty.
                    Err(error) => eprintln!("{name} {round} {peer}: FAILED: {error}"),
                }
            }
        }
    }
    Ok((report.markdown(), report.json()))
}

fn once(
    runtime: &Runtime,
    scenario: &Scenario,
    peer: Peer,
    length: Duration,
) -> Outcome<(String, Vec<Figures>)> {
    let broker = peer.start(scenario.durable())?;
    let local = tokio::task::LocalSet::new();
    let figures = local.block_on(runtime, async {
        tokio::time::timeout(LIMIT, scenario.run(&broker, length)).await
    });
    Ok((broker.version, figures??))
}
