//! The simulation notices a broken engine. Without these three it could be a very long way of testing nothing.

use thingwire_mqtt::client::Fault;
use thingwire_simulation::{Plan, judge};

/// Lives until it is noticed, at most.
const LIVES: u64 = 40;

/// Hours of each.
const HOURS: u64 = 10;

/// How many of the lives end badly with this fault, and what was said of them.
fn noticed(fault: Fault) -> Vec<String> {
    (0..LIVES)
        .filter_map(|seed| {
            let plan = Plan {
                fault: Some(fault),
                ..Plan::new(seed, HOURS)
            };
            judge(&plan).err()
        })
        .filter_map(|told| told.lines().next().map(str::to_owned))
        .collect()
}

#[test]
fn an_engine_that_resends_nothing_on_resume_loses_messages() {
    let told = noticed(Fault::NoResendOnResume);
    assert!(told.len() as u64 > LIVES / 2, "{told:#?}");
    let lost = ["never came back", "never became idle", "neither delivered"];
    assert!(
        told.iter()
            .any(|line| lost.iter().any(|text| line.contains(text))),
        "{told:#?}"
    );
}

#[test]
fn an_engine_that_forgets_dup_is_seen_mqtt_3_3_1_1() {
    let told = noticed(Fault::DupLost);
    assert!(told.len() as u64 > LIVES / 2, "{told:#?}");
    assert!(
        told.iter()
            .all(|line| line.contains("without DUP (MQTT-3.3.1-1)")),
        "{told:#?}"
    );
}

#[test]
fn an_engine_that_reuses_a_packet_identifier_is_seen_mqtt_2_2_1_3() {
    let told = noticed(Fault::PacketIdReused);
    assert!(told.len() as u64 > LIVES / 2, "{told:#?}");
    assert!(
        told.iter().any(|line| line.contains("MQTT-2.2.1-3")),
        "{told:#?}"
    );
}

#[test]
fn the_same_lives_with_a_sound_engine_end_well() {
    for seed in 0..LIVES {
        if let Err(told) = judge(&Plan::new(seed, HOURS)) {
            panic!("{told}");
        }
    }
}

#[test]
fn a_seed_decides_everything() {
    for seed in 0..20 {
        let first = judge(&Plan::new(seed, HOURS));
        let second = judge(&Plan::new(seed, HOURS));
        assert_eq!(
            first.map(|report| report.totals),
            second.map(|report| report.totals)
        );
    }
}
