//! Figures of every round, and the table of their medians.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::time::Duration;

use serde_json::json;

use crate::broker::Peer;
use crate::scenario::Scenario;

/// Which way a scenario's figure should go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    /// Connects or deliveries a second.
    More,
    /// Memory.
    Less,
}

/// What one round measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// In the unit of the scenario's name.
    pub(crate) value: f64,
    /// The broker's processor time for one connect or delivery, in µs.
    pub(crate) broker_us: Option<f64>,
    /// Cores the broker kept busy.
    pub(crate) broker_cores: Option<f64>,
    /// Cores the generator kept busy.
    pub(crate) generator_cores: Option<f64>,
    /// Messages that did not arrive.
    pub(crate) lost: u64,
}

impl Figures {
    /// So many connects or deliveries in so many seconds.
    pub(crate) fn throughput(
        count: u64,
        seconds: f64,
        broker: Duration,
        generator: Duration,
        lost: u64,
    ) -> Self {
        Self {
            value: count as f64 / seconds,
            broker_us: (count > 0).then(|| broker.as_secs_f64() * 1e6 / count as f64),
            broker_cores: Some(broker.as_secs_f64() / seconds),
            generator_cores: Some(generator.as_secs_f64() / seconds),
            lost,
        }
    }

    /// So many KiB.
    pub(crate) fn memory(kib: f64) -> Self {
        Self {
            value: kib,
            broker_us: None,
            broker_cores: None,
            generator_cores: None,
            lost: 0,
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1}", self.value)?;
        if let (Some(us), Some(broker), Some(generator)) =
            (self.broker_us, self.broker_cores, self.generator_cores)
        {
            write!(
                f,
                ", {us:.1} µs each, broker {broker:.2} cores, generator {generator:.2} cores"
            )?;
        }
        if self.lost > 0 {
            write!(f, ", {} LOST", self.lost)?;
        }
        Ok(())
    }
}

/// All rounds of all scenarios.
pub(crate) struct Report {
    rounds: usize,
    seconds: f64,
    versions: BTreeMap<Peer, String>,
    rows: Vec<Row>,
}

struct Row {
    name: &'static str,
    better: Better,
    figures: BTreeMap<Peer, Vec<Figures>>,
}

impl Report {
    pub(crate) fn new(rounds: usize, seconds: f64) -> Self {
        Self {
            rounds,
            seconds,
            versions: BTreeMap::new(),
            rows: Vec::new(),
        }
    }

    /// Adds one round.
    pub(crate) fn add(&mut self, scenario: &Scenario, peer: Peer, version: &str, figures: Figures) {
        self.versions
            .entry(peer)
            .or_insert_with(|| version.to_owned());
        if self.rows.last().is_none_or(|row| row.name != scenario.name) {
            self.rows.push(Row {
                name: scenario.name,
                better: scenario.better,
                figures: BTreeMap::new(),
            });
        }
        if let Some(row) = self.rows.last_mut() {
            row.figures.entry(peer).or_default().push(figures);
        }
    }

    /// The table of medians; a ratio above 1 means that Thingwire is ahead.
    pub(crate) fn markdown(&self) -> String {
        let versions: Vec<String> = self
            .versions
            .iter()
            .map(|(peer, version)| format!("{peer} {version}"))
            .collect();
        let mut text = format!(
            "{}; mutual TLS with P-256, payloads of {} bytes, medians of {} rounds of {} s that alternate between the \
             brokers, a fresh broker each; one generator for both, on the same 2 virtual cores.\n\n\
             | | mosquitto | Thingwire | ratio | CPU µs each: mosquitto | Thingwire | ratio | generator cores |\n\
             |---|---:|---:|---:|---:|---:|---:|---:|\n",
            versions.join(", "),
            crate::flow::PAYLOAD,
            self.rounds,
            self.seconds,
        );
        for row in &self.rows {
            let value = |peer| row.median(peer, |figures| Some(figures.value));
            let cpu = |peer| row.median(peer, |figures| figures.broker_us);
            let generator = |peer| row.median(peer, |figures| figures.generator_cores);
            let (ours, theirs) = (value(Peer::Thingwire), value(Peer::Mosquitto));
            let ahead = match row.better {
                Better::More => ratio(ours, theirs),
                Better::Less => ratio(theirs, ours),
            };
            let lost: u64 = row
                .figures
                .values()
                .flatten()
                .map(|figures| figures.lost)
                .sum();
            let note = if lost > 0 {
                format!(" ({lost} lost)")
            } else {
                String::new()
            };
            let _ = writeln!(
                text,
                "| {}{note} | {} | {} | {ahead} | {} | {} | {} | {} / {} |",
                row.name,
                number(theirs),
                number(ours),
                number(cpu(Peer::Mosquitto)),
                number(cpu(Peer::Thingwire)),
                ratio(cpu(Peer::Mosquitto), cpu(Peer::Thingwire)),
                cores(generator(Peer::Mosquitto)),
                cores(generator(Peer::Thingwire)),
            );
        }
        text
    }

    /// Every round's figures.
    pub(crate) fn json(&self) -> String {
        let figures = |figures: &Figures| {
            json!({
                "value": figures.value, "broker_us": figures.broker_us, "broker_cores": figures.broker_cores,
                "generator_cores": figures.generator_cores, "lost": figures.lost,
            })
        };
        let rows: Vec<_> = self
            .rows
            .iter()
            .map(|row| {
                let peers: BTreeMap<String, Vec<_>> = row
                    .figures
                    .iter()
                    .map(|(peer, rounds)| (peer.to_string(), rounds.iter().map(figures).collect()))
                    .collect();
                json!({ "scenario": row.name, "rounds": peers })
            })
            .collect();
        let versions: BTreeMap<String, &String> = self
            .versions
            .iter()
            .map(|(peer, version)| (peer.to_string(), version))
            .collect();
        format!(
            "{:#}\n",
            json!({ "versions": versions, "seconds": self.seconds, "scenarios": rows })
        )
    }
}

impl Row {
    fn median(&self, peer: Peer, of: impl Fn(&Figures) -> Option<f64>) -> Option<f64> {
        let mut values: Vec<f64> = self.figures.get(&peer)?.iter().filter_map(of).collect();
        median(&mut values)
    }
}

/// The middle value; of an even number of values the mean of the two in the middle.
fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values.get(middle).copied()
    } else {
        Some((values.get(middle.checked_sub(1)?)? + values.get(middle)?) / 2.0)
    }
}

fn ratio(above: Option<f64>, below: Option<f64>) -> String {
    match (above, below) {
        (Some(above), Some(below)) if below > 0.0 => format!("**{:.2}**", above / below),
        _ => "–".to_owned(),
    }
}

/// Three figures are more than these measurements can tell.
fn number(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if value >= 10_000.0 => format!("{:.0} k", value / 1000.0),
        Some(value) if value >= 100.0 => format!("{value:.0}"),
        Some(value) => format!("{value:.1}"),
    }
}

fn cores(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&mut []), None);
    }

    #[test]
    fn a_ratio_above_one_means_that_we_are_ahead_in_speed_and_in_memory() {
        let mut report = Report::new(1, 1.0);
        for scenario in crate::scenario::all().iter().take(2) {
            for (peer, value) in [(Peer::Mosquitto, 20.0), (Peer::Thingwire, 10.0)] {
                report.add(scenario, peer, "1", Figures::memory(value));
            }
        }
        let table = report.markdown();
        assert!(
            table.contains("| connects/s | 20.0 | 10.0 | **0.50** |"),
            "{table}"
        );
        assert!(
            table.contains("KiB per idle connection | 20.0 | 10.0 | **2.00** |"),
            "{table}"
        );
    }
}
