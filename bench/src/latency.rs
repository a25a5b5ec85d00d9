//! The delay of a message at a modest rate, measured often enough to say which of two brokers has the longer tail.
//!
//! A p99 is made by the few messages that met something else: a timer of the machine, another process, a core that had to be woken. One
//! round says little. So there are many short ones, a fresh broker each, the brokers in turn; and the middle of the rounds' p99 stands beside
//! the quarter of rounds below and above, and beside how often we were ahead of the round next to ours. The null peer shows what the
//! generator and the machine bring into it. All this twice: threads where the system puts them, and the broker on one core and the
//! generator on the other, which takes the choice of cores out of it.

use std::fmt::Write as _;
use std::time::Duration;

use clap::Args;

use crate::Outcome;
use crate::broker::Peer;
use crate::process;
use crate::report::Figures;
use crate::scenario;

/// In the order in which they take turns.
const PEERS: [Peer; 3] = [Peer::Mosquitto, Peer::Thingwire, Peer::Null];

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// How often each broker is measured, in each place.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Seconds of a round.
    #[arg(long, default_value_t = 1.5)]
    seconds: f64,
}

/// Where the threads are.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Where the system puts them.
    Anywhere,
    /// The broker on the first core, the generator on the second.
    OneCoreEach,
}

/// The rounds of one peer: p50, p99, and the broker's time for a message.
#[derive(Default)]
struct Rounds {
    p50: Vec<f64>,
    p99: Vec<f64>,
    cpu: Vec<f64>,
}

/// Runs everything; answers the table.
pub(crate) fn run(settings: &Settings) -> Outcome<String> {
    let mut text = format!(
        "{} rounds of {} s in each place, a fresh broker each; 2,000 messages a second, QoS 0, 128 bytes; ms. \
         *Half of the rounds* lie between the two figures.\n\n\
         | threads | broker | p50 | p99 | half of the rounds' p99 | ratio of p99 | rounds ahead | CPU µs each |\n\
         |---|---|---:|---:|---:|---:|---:|---:|\n",
        settings.rounds, settings.seconds
    );
    for place in [Place::Anywhere, Place::OneCoreEach] {
        let mut all: [Rounds; PEERS.len()] = Default::default();
        for round in 1..=settings.rounds {
            for (peer, rounds) in PEERS.into_iter().zip(&mut all) {
                let figures = once(place, peer, Duration::from_secs_f64(settings.seconds))?;
                if let [p50, p99] = &figures[..] {
                    eprintln!(
                        "{place:?} {round}/{} {peer}: p50 {p50}, p99 {p99}",
                        settings.rounds
                    );
                    rounds.p50.push(p50.value);
                    rounds.p99.push(p99.value);
                    rounds.cpu.extend(p99.broker_us);
                }
            }
        }
        rows(&mut text, place, &mut all);
    }
    Ok(text)
}

fn once(place: Place, peer: Peer, length: Duration) -> Outcome<Vec<Figures>> {
    let pin = |core| match place {
        Place::Anywhere => Ok(()),
        Place::OneCoreEach => process::pin(core),
    };
    pin(process::BROKER)?;
    let broker = peer.start(false)?;
    pin(process::GENERATORS)?;
    scenario::latency(&broker, length)
}

fn rows(text: &mut String, place: Place, all: &mut [Rounds; PEERS.len()]) {
    let place = match place {
        Place::Anywhere => "anywhere",
        Place::OneCoreEach => "a core each",
    };
    let [mosquitto, thingwire, _] = &*all;
    let pairs = mosquitto.p99.iter().zip(&thingwire.p99);
    let ahead = pairs.filter(|(theirs, ours)| ours <= theirs).count();
    let total = thingwire.p99.len();
    let mut theirs = None;
    for (peer, rounds) in PEERS.into_iter().zip(all) {
        for figures in [&mut rounds.p50, &mut rounds.p99, &mut rounds.cpu] {
            figures.sort_by(f64::total_cmp);
        }
        let p99 = part(&rounds.p99, 0.5);
        let (ratio, ahead) = match (peer, theirs) {
            (Peer::Thingwire, Some(theirs)) => (
                format!("**{:.2}**", theirs / p99),
                format!("{ahead} of {total}"),
            ),
            _ => ("–".to_owned(), "–".to_owned()),
        };
        theirs = theirs.or(Some(p99));
        let _ = writeln!(
            text,
            "| {place} | {peer} | {:.3} | {p99:.3} | {:.3} – {:.3} | {ratio} | {ahead} | {:.1} |",
            part(&rounds.p50, 0.5),
            part(&rounds.p99, 0.25),
            part(&rounds.p99, 0.75),
            part(&rounds.cpu, 0.5),
        );
    }
}

/// The figure below which this part of them lies.
fn part(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1) as f64;
    sorted
        .get((last * part).round() as usize)
        .copied()
        .unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_ahead_is_told_by_round_and_by_the_middle() {
        let rounds = |p99: &[f64]| Rounds {
            p50: vec![0.05; p99.len()],
            p99: p99.to_vec(),
            cpu: vec![30.0; p99.len()],
        };
        let mut all = [
            rounds(&[0.2, 0.3, 0.9, 0.1, 0.2]),
            rounds(&[0.1, 0.4, 0.1, 0.1, 0.1]),
            rounds(&[0.1; 5]),
        ];
        let mut text = String::new();
        rows(&mut text, Place::OneCoreEach, &mut all);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[..2],
            [
                "| a core each | mosquitto | 0.050 | 0.200 | 0.200 – 0.300 | – | – | 30.0 |",
                "| a core each | Thingwire | 0.050 | 0.100 | 0.100 – 0.100 | **2.00** | 4 of 5 | 30.0 |",
            ]
        );
    }
}
