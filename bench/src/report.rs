//! Figures of every round, and the table of their medians.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::time::Duration;

use serde_json::json;

use crate::broker::Peer;
use crate::scenario::Scenario;

/// Those that `--peers all` adds.
const OTHERS: [Peer; 3] = [Peer::Rumqttd, Peer::Rmqtt, Peer::Ministack];

/// Which way a scenario's figure should go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    /// Connects or deliveries a second.
    More,
    /// Memory or delay.
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
        Self::plain(count as f64 / seconds)
            .losing(lost)
            .with_use(count, seconds, broker, generator)
    }

    /// So many KiB or milliseconds.
    pub(crate) const fn plain(value: f64) -> Self {
        Self {
            value,
            broker_us: None,
            broker_cores: None,
            generator_cores: None,
            lost: 0,
        }
    }

    /// The processor time that so many connects or deliveries took.
    pub(crate) fn with_use(
        self,
        count: u64,
        seconds: f64,
        broker: Duration,
        generator: Duration,
    ) -> Self {
        Self {
            broker_us: (count > 0).then(|| broker.as_secs_f64() * 1e6 / count as f64),
            broker_cores: Some(broker.as_secs_f64() / seconds),
            generator_cores: Some(generator.as_secs_f64() / seconds),
            ..self
        }
    }

    /// So many did not arrive.
    pub(crate) const fn losing(self, lost: u64) -> Self {
        Self { lost, ..self }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}", self.value)?;
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
    pub(crate) fn add(&mut self, scenario: &Scenario, peer: Peer, version: &str, all: &[Figures]) {
        self.versions
            .entry(peer)
            .or_insert_with(|| version.to_owned());
        for (name, figures) in scenario.names.iter().zip(all) {
            let at = self.rows.iter().position(|row| row.name == *name);
            let at = at.unwrap_or_else(|| {
                self.rows.push(Row {
                    name,
                    better: scenario.better,
                    figures: BTreeMap::new(),
                });
                self.rows.len() - 1
            });
            if let Some(row) = self.rows.get_mut(at) {
                row.figures.entry(peer).or_default().push(*figures);
            }
        }
    }

    /// The tables of medians; a ratio above 1 means that Thingwire is ahead.
    pub(crate) fn markdown(&self) -> String {
        let versions: Vec<String> = self
            .versions
            .iter()
            .filter(|(peer, _)| !matches!(peer, Peer::Null | Peer::MosquittoSaving))
            .map(|(peer, version)| format!("{peer} {version}"))
            .collect();
        let rounds = match self.rounds {
            1 => format!("one round of {} s", self.seconds),
            many => format!(
                "medians of {many} rounds of {} s that alternate between the brokers",
                self.seconds
            ),
        };
        let mut text = format!(
            "{}; mutual TLS with P-256, payloads of {} bytes, {rounds}, a fresh broker each; one generator for all, on \
             the same {} virtual cores.\n\n",
            versions.join(", "),
            crate::flow::PAYLOAD,
            std::thread::available_parallelism().map_or(1, usize::from),
        );
        let has = |peer| self.versions.contains_key(&peer);
        if OTHERS.into_iter().any(has) {
            self.many(&mut text);
        } else {
            self.pair(&mut text);
            if has(Peer::MosquittoSaving) {
                self.kept(&mut text);
            }
            if has(Peer::Null) {
                self.generator(&mut text);
            }
        }
        text
    }

    /// mosquitto and ours.
    fn pair(&self, text: &mut String) {
        text.push_str(
            "| | mosquitto | Thingwire | ratio | CPU µs each: mosquitto | Thingwire | ratio | generator cores |\n\
             |---|---:|---:|---:|---:|---:|---:|---:|\n",
        );
        for row in &self.rows {
            let cpu = |peer| row.median(peer, |figures| figures.broker_us);
            let generator = |peer| row.median(peer, |figures| figures.generator_cores);
            let _ = writeln!(
                text,
                "| {}{} | {} | {} | {} | {} | {} | {} | {} / {} |",
                row.name,
                row.losses(&[Peer::Mosquitto, Peer::Thingwire]),
                number(row.value(Peer::Mosquitto)),
                number(row.value(Peer::Thingwire)),
                row.ahead_of(row.value(Peer::Mosquitto)),
                number(cpu(Peer::Mosquitto)),
                number(cpu(Peer::Thingwire)),
                ratio(cpu(Peer::Mosquitto), cpu(Peer::Thingwire)),
                cores(generator(Peer::Mosquitto)),
                cores(generator(Peer::Thingwire)),
            );
        }
    }

    /// What is acknowledged when it is on disk.
    fn kept(&self, text: &mut String) {
        text.push_str(
            "\n| kept | mosquitto, saving every half hour | mosquitto, saving each change | Thingwire, synced | ahead of \
             the first | of the second |\n|---|---:|---:|---:|---:|---:|\n",
        );
        for row in self.rows_of(Peer::MosquittoSaving) {
            let (seldom, each) = (row.value(Peer::Mosquitto), row.value(Peer::MosquittoSaving));
            let _ = writeln!(
                text,
                "| {}{} | {} | {} | {} | {} | {} |",
                row.name,
                row.losses(&[Peer::MosquittoSaving]),
                number(seldom),
                number(each),
                number(row.value(Peer::Thingwire)),
                row.ahead_of(seldom),
                row.ahead_of(each),
            );
        }
    }

    /// What the generator reaches with a peer that is no broker.
    fn generator(&self, text: &mut String) {
        text.push_str(
            "\n| the generator against the null peer | reached | of the faster broker | CPU µs each: null peer | \
             Thingwire | generator cores |\n|---|---:|---:|---:|---:|---:|\n",
        );
        for row in self.rows_of(Peer::Null) {
            let best = row.best(&[Peer::Mosquitto, Peer::Thingwire]);
            let reached = row.value(Peer::Null);
            let ahead = match row.better {
                Better::More => ratio(reached, best),
                Better::Less => ratio(best, reached),
            };
            let cpu = |peer| row.median(peer, |figures| figures.broker_us);
            let _ = writeln!(
                text,
                "| {} | {} | {ahead} | {} | {} | {} |",
                row.name,
                number(reached),
                number(cpu(Peer::Null)),
                number(cpu(Peer::Thingwire)),
                cores(row.median(Peer::Null, |figures| figures.generator_cores)),
            );
        }
    }

    /// Ours and everybody else.
    fn many(&self, text: &mut String) {
        let peers: Vec<Peer> = [Peer::Mosquitto]
            .into_iter()
            .chain(OTHERS)
            .filter(|peer| self.versions.contains_key(peer))
            .collect();
        let heads: Vec<String> = peers.iter().map(ToString::to_string).collect();
        let _ = writeln!(
            text,
            "| | {} | Thingwire | ahead of the best | of MiniStack | CPU µs each: least of the others | Thingwire |\n\
             |---|{}---:|---:|---:|---:|---:|",
            heads.join(" | "),
            "---:|".repeat(peers.len())
        );
        for row in self.rows_of(Peer::Thingwire) {
            let cpu = |peer: &Peer| row.median(*peer, |figures| figures.broker_us);
            let least = peers.iter().filter_map(cpu).min_by(f64::total_cmp);
            let values: Vec<String> = peers.iter().map(|peer| number(row.value(*peer))).collect();
            let _ = writeln!(
                text,
                "| {}{} | {} | {} | {} | {} | {} | {} |",
                row.name,
                row.losses(&peers),
                values.join(" | "),
                number(row.value(Peer::Thingwire)),
                row.ahead_of(row.best(&peers)),
                row.ahead_of(row.value(Peer::Ministack)),
                number(least),
                number(cpu(&Peer::Thingwire)),
            );
        }
    }

    fn rows_of(&self, peer: Peer) -> impl Iterator<Item = &Row> {
        let rows = self.rows.iter();
        rows.filter(move |row| row.figures.contains_key(&peer))
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

    fn value(&self, peer: Peer) -> Option<f64> {
        self.median(peer, |figures| Some(figures.value))
    }

    /// The best of these.
    fn best(&self, peers: &[Peer]) -> Option<f64> {
        let values = peers.iter().filter_map(|peer| self.value(*peer));
        match self.better {
            Better::More => values.max_by(f64::total_cmp),
            Better::Less => values.min_by(f64::total_cmp),
        }
    }

    /// How far Thingwire is ahead of this figure.
    fn ahead_of(&self, theirs: Option<f64>) -> String {
        match self.better {
            Better::More => ratio(self.value(Peer::Thingwire), theirs),
            Better::Less => ratio(theirs, self.value(Peer::Thingwire)),
        }
    }

    /// Who lost how many messages, for the row's name.
    fn losses(&self, peers: &[Peer]) -> String {
        let lost = |peer: &Peer| -> u64 {
            let rounds = self.figures.get(peer).into_iter().flatten();
            rounds.map(|figures| figures.lost).sum()
        };
        let lost: Vec<String> = peers
            .iter()
            .map(|peer| (peer, lost(peer)))
            .filter(|(_, lost)| *lost > 0)
            .map(|(peer, lost)| format!(" ({peer} lost {lost})"))
            .collect();
        lost.concat()
    }
}

/// The middle value; of an even number of values the mean of the two in the middle.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
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
        Some(value) if value >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
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
                let all = vec![Figures::plain(value); scenario.names.len()];
                report.add(scenario, peer, "1", &all);
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

    #[test]
    fn ahead_of_the_best_is_ahead_of_every_peer_that_ran() {
        let mut report = Report::new(1, 1.0);
        let connects = &crate::scenario::all()[0];
        let values = [
            (Peer::Mosquitto, 20.0),
            (Peer::Rmqtt, 50.0),
            (Peer::Rumqttd, 10.0),
            (Peer::Thingwire, 100.0),
        ];
        for (peer, value) in values {
            report.add(connects, peer, "1", &[Figures::plain(value)]);
        }
        let table = report.markdown();
        assert!(
            table.contains("| | mosquitto | rumqttd | RMQTT | Thingwire | ahead of the best |"),
            "{table}"
        );
        assert!(
            table.contains("| connects/s | 20.0 | 10.0 | 50.0 | 100 | **2.00** |"),
            "{table}"
        );
    }
}
