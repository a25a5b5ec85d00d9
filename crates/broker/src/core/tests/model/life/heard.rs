//! What every client got in a step, beside what the model says that it must and may get.

use std::collections::BTreeMap;

use super::super::super::*;
use super::super::NAMES;
use super::super::reference::{Due, Entry, Model};
use super::{Life, Sabotage};

/// A PUBLISH that came.
#[derive(Clone, Debug)]
struct Got {
    topic: String,
    number: u32,
    retained: bool,
    id: Option<u16>,
    /// Subscription identifiers, sorted.
    identifiers: Vec<u32>,
}

impl Life {
    pub(super) fn compare(&mut self) -> Result<(), String> {
        self.compare_with(None)
    }

    /// What everybody got beside what they must get. `connack`: who expects one, and whether its session was there.
    pub(super) fn compare_with(
        &mut self,
        mut connack: Option<(usize, bool)>,
    ) -> Result<(), String> {
        let mut arrived: BTreeMap<usize, Vec<Got>> = BTreeMap::new();
        for (who, name) in NAMES.iter().enumerate() {
            let Some(device) = self.devices[who].clone() else {
                continue;
            };
            for whole in self.world.got(&device) {
                let line = whole.clone();
                let line = codes(std::slice::from_ref(&line)).remove(0);
                let words: Vec<_> = line.split(' ').collect();
                match words[0] {
                    "CONNACK" => {
                        let (expected, present) = connack.take().ok_or("an unexpected CONNACK")?;
                        let was_there = words.get(2) == Some(&"present");
                        if (expected, present, words[1]) != (who, was_there, "00") {
                            return Err(format!("{name} got {line}, present: {present}"));
                        }
                    }
                    "PUBLISH" => arrived.entry(who).or_default().push(got(&words, &whole)),
                    "PUBACK" if self.puback == Some(who) && words[2] == "00" => {
                        self.puback = None;
                    }
                    "SUBACK" | "UNSUBACK" | "PINGRESP" => {}
                    _ => return Err(format!("{name} got {line}")),
                }
            }
        }
        if let Some((who, _)) = connack {
            return Err(format!("{} got no CONNACK", NAMES[who]));
        }
        if let Some(who) = self.puback.take() {
            return Err(format!("{} got no PUBACK", NAMES[who]));
        }
        self.meddle(&mut arrived);
        for (who, got) in &arrived {
            self.to_acknowledge[*who].extend(got.iter().filter_map(|one| one.id));
        }
        let due = std::mem::take(&mut self.model.due);
        self.judge(due, arrived)
    }

    fn judge(
        &mut self,
        mut due: Due,
        mut arrived: BTreeMap<usize, Vec<Got>>,
    ) -> Result<(), String> {
        for (who, name) in NAMES.iter().enumerate() {
            let expected = std::mem::take(&mut due.own[who]);
            let got = arrived.entry(who).or_default();
            let mut from = 0;
            // What must come is found first, in its order: what may come can look the same.
            let (may, must): (Vec<_>, Vec<_>) =
                expected.into_iter().partition(|entry| entry.optional);
            for entry in must {
                let start = if due.unordered || entry.loose {
                    0
                } else {
                    from
                };
                // What came before it belongs to groups, or is too much.
                match got.iter().skip(start).position(|one| is(one, &entry)) {
                    Some(at) => {
                        got.remove(start + at);
                        if !entry.loose {
                            from = start + at;
                        } else if at < from {
                            from -= 1;
                        }
                    }
                    None => {
                        return Err(format!("{name} misses {entry:?}; got {got:?}"));
                    }
                }
            }
            for entry in may {
                let at = got.iter().position(|one| is(one, &entry));
                self.model.resolve(who, Model::order(&entry), at.is_some());
                if let Some(at) = at {
                    got.remove(at);
                }
            }
        }
        for (number, members) in due.once {
            let taker = members.into_iter().find_map(|who| {
                let got = arrived.get_mut(&who)?;
                let at = got
                    .iter()
                    .position(|one| one.number == number && one.id.is_none())?;
                got.remove(at);
                Some(who)
            });
            taker.ok_or_else(|| format!("nobody of the group got {number} (QoS 0)"))?;
        }
        let mut left = Vec::new();
        for (entry, members) in self.model.offered() {
            let taker = members.into_iter().find(|who| {
                let Some(got) = arrived.get_mut(who) else {
                    return false;
                };
                let at = got.iter().position(|one| is(one, &entry));
                at.map(|at| got.remove(at)).is_some()
            });
            match taker {
                Some(who) => self.model.taken(who, entry),
                None => left.push(entry),
            }
        }
        for entry in left {
            if self.model.waits(&entry) || entry.optional {
                continue;
            }
            return Err(format!("nobody of the group got {entry:?}"));
        }
        match arrived.into_iter().find(|(_, got)| !got.is_empty()) {
            Some((who, got)) => Err(format!("{} got {got:?} beyond what it must", NAMES[who])),
            None => Ok(()),
        }
    }

    /// Does what a broken broker would do.
    fn meddle(&self, arrived: &mut BTreeMap<usize, Vec<Got>>) {
        for got in arrived.values_mut() {
            match self.sabotage {
                Sabotage::SwapsTwoMessages if got.len() == 2 => got.swap(0, 1),
                Sabotage::DeliversTwice if self.next.is_multiple_of(10) => {
                    got.extend(got.first().cloned())
                }
                Sabotage::SwallowsAMessage if self.next.is_multiple_of(10) => drop(got.pop()),
                _ => {}
            }
        }
    }
}

fn is(got: &Got, entry: &Entry) -> bool {
    got.topic == entry.topic
        && got.number == entry.number
        && got.retained == entry.retained
        && got.id.is_some() == (entry.qos == Q1)
        && got.identifiers == entry.identifiers
}

/// `PUBLISH #1 retained dup topic payload`.
fn got(words: &[&str], whole: &str) -> Got {
    let identifiers = whole.split("SubscriptionIdentifier(").skip(1);
    let number = |text: &str| {
        text.split(')')
            .next()
            .and_then(|number| number.parse().ok())
    };
    let mut identifiers: Vec<u32> = identifiers.filter_map(number).collect();
    identifiers.sort_unstable();
    let mut words = words.iter().skip(1).peekable();
    let id = words
        .next_if(|word| word.starts_with('#'))
        .map(|word| word[1..].parse().expect("an identifier"));
    let retained = words.next_if(|word| **word == "retained").is_some();
    words.next_if(|word| **word == "dup");
    Got {
        topic: (*words.next().expect("a topic")).to_owned(),
        number: words.next().and_then(|word| word.parse().ok()).unwrap_or(0),
        retained,
        id,
        identifiers,
    }
}
