//! Each bit of a session flipped once, in both directions: the device never panics, never hangs, and lives on. What the flip
//! changed is counted by packet and compared with the table in docs/device-wire-faults.md.
//!
//! `THINGWIRE_BLESS=1 cargo test -p thingwire-simulation --test every_flip` writes the table anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use thingwire_device::Version;
use thingwire_mqtt::{Packet, split};
use thingwire_simulation::Diary;
use thingwire_simulation::ledger::Told;
use thingwire_simulation::network::LinkPlan;
use thingwire_simulation::plan::Part;
use thingwire_simulation::story::{Outcome, tell};

/// What a flipped bit came to; the first that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Effect {
    Changed,
    Deaf,
    Lost,
    Reported,
    Reconnected,
    Repeated,
    Nothing,
}

impl Effect {
    const ALL: [Self; 7] = [
        Self::Changed,
        Self::Deaf,
        Self::Reported,
        Self::Lost,
        Self::Reconnected,
        Self::Repeated,
        Self::Nothing,
    ];

    fn of(whole: &Outcome, flipped: &Outcome) -> Self {
        let strange = |then: &[(String, Vec<u8>)], now: &[(String, Vec<u8>)]| {
            now.iter().any(|message| !then.contains(message))
        };
        let missing = |then: &[(String, Vec<u8>)], now: &[(String, Vec<u8>)]| {
            then.iter().any(|message| !now.contains(message))
        };
        // The last words, after half an hour: what the device says must always come through.
        assert!(matches!(
            flipped.published.last(),
            Some((Told::Delivered, 1..))
        ));
        let last = whole.received.len() - 1;
        let told_lost = flipped
            .published
            .iter()
            .any(|(told, _)| matches!(told, Told::Lost(_)));
        if strange(&whole.passed_on, &flipped.passed_on)
            || strange(&whole.received, &flipped.received)
        {
            Self::Changed
        } else if missing(&whole.received[last..], &flipped.received) {
            Self::Deaf
        } else if told_lost {
            Self::Reported
        } else if missing(&whole.passed_on, &flipped.passed_on)
            || missing(&whole.received, &flipped.received)
        {
            Self::Lost
        } else if flipped.connects > whole.connects {
            Self::Reconnected
        } else if flipped.passed_on.len() > whole.passed_on.len()
            || flipped.received.len() > whole.received.len()
            || flipped.bytes != whole.bytes
        {
            Self::Repeated
        } else {
            Self::Nothing
        }
    }
}

/// Flips of one kind of packet by effect.
type Counts = BTreeMap<(bool, String), BTreeMap<Effect, u32>>;

/// The packets on the wire: for each byte the name of its packet.
fn names(version: Version, mut bytes: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    while let Ok(Some((frame, len))) = split(bytes, usize::MAX) {
        let packet = Packet::decode(version, &frame).expect("undamaged");
        let mut name = format!("{:?}", packet.packet_type()).to_uppercase();
        if let Packet::Publish(publish) = packet {
            let _ = write!(name, " QoS {}", publish.qos.bits());
        }
        names.extend(std::iter::repeat_n(name, len));
        bytes = &bytes[len..];
    }
    names
}

fn flip_everything(version: Version) -> Counts {
    let whole = tell(version, Part::Model, LinkPlan::default(), &Diary::default()).expect("whole");
    let mut counts = Counts::new();
    for (up, bytes) in [(true, &whole.spoken.0), (false, &whole.spoken.1)] {
        for (at, name) in names(version, bytes).into_iter().enumerate() {
            for bit in 0..8 {
                let flip = Some((at as u64, 1 << bit));
                let plan = LinkPlan {
                    flip_up: flip.filter(|_| up),
                    flip_down: flip.filter(|_| !up),
                    ..LinkPlan::default()
                };
                let flipped =
                    tell(version, Part::Model, plan, &Diary::default()).unwrap_or_else(|what| {
                        let diary = Diary::open();
                        let _ = tell(version, Part::Model, plan, &diary);
                        panic!(
                            "{version:?} {name} {plan:?}: {what}\n{}",
                            diary.last_lines()
                        )
                    });
                let effect = Effect::of(&whole, &flipped);
                *counts
                    .entry((!up, name.clone()))
                    .or_default()
                    .entry(effect)
                    .or_default() += 1;
            }
        }
    }
    counts
}

fn table() -> String {
    let mut table = String::from(
        "| version | packet | bits | message changed | subscription lost | loss reported | message lost | reconnected | repeated | nothing |\n\
         |---|---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for (version, text) in [(Version::V311, "3.1.1"), (Version::V5, "5")] {
        for ((down, name), effects) in flip_everything(version) {
            let arrow = if down {
                "to the device"
            } else {
                "from the device"
            };
            let bits: u32 = effects.values().sum();
            let _ = write!(table, "| {text} | {name} {arrow} | {bits} |");
            for effect in Effect::ALL {
                let _ = write!(
                    table,
                    " {} |",
                    effects.get(&effect).copied().unwrap_or_default()
                );
            }
            table.push('\n');
        }
    }
    table
}

#[test]
fn every_flipped_bit_is_survived_and_does_what_the_page_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/device-wire-faults.md");
    let text = std::fs::read_to_string(&page).expect("the page");
    let (before, rest) = text.split_once("<!-- flips -->\n").expect("a mark");
    let (written, after) = rest.split_once("<!-- /flips -->").expect("a mark");
    let counted = table();
    for row in counted.lines().skip(2) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        // Only where the subscription itself, or the word that it still exists, was damaged.
        let may = ["SUBSCRIBE", "SUBACK", "CONNACK"]
            .iter()
            .any(|name| cells[2].starts_with(name));
        assert!(may || cells[5] == "0", "{row}");
    }
    if std::env::var_os("THINGWIRE_BLESS").is_some() {
        let new = format!("{before}<!-- flips -->\n{counted}<!-- /flips -->{after}");
        std::fs::write(&page, new).expect("writable");
        return;
    }
    assert_eq!(written, counted, "see the head of this file");
}
