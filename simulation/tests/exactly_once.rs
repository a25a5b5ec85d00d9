//! Quality of service 2 (feature `qos2`) through bad weather: nothing is lost, nothing arrives twice, in both directions. And an engine that
//! is broken is noticed.

use thingwire_mqtt::client::Fault;
use thingwire_simulation::life::Report;
use thingwire_simulation::{Plan, judge};

/// Hours of each life.
const HOURS: u64 = 10;

fn live(seed: u64, fault: Option<Fault>) -> Result<Report, String> {
    judge(&Plan {
        fault,
        ..Plan::exactly_once(seed, HOURS)
    })
}

/// How many of 40 lives end badly with this fault, and what was said of them.
fn noticed(fault: Fault) -> Vec<String> {
    (0..40)
        .filter_map(|seed| live(seed, Some(fault)).err())
        .filter_map(|told| told.lines().next().map(str::to_owned))
        .collect()
}

#[test]
fn in_2000_hours_nothing_is_lost_and_nothing_arrives_twice() {
    let (mut accepted, mut received, mut connects) = (0, 0, 0);
    for seed in 0..200 {
        match live(seed, None) {
            Ok(report) => {
                assert_eq!(report.totals.repeated, 0);
                accepted += report.totals.accepted;
                received += report.totals.received;
                connects += report.connects;
            }
            Err(told) => panic!("{told}"),
        }
    }
    println!("{accepted} up, {received} down, {connects} connections");
    assert!(accepted > 10_000 && received > 10_000 && connects > 2_000);
}

#[test]
fn an_engine_that_forgets_what_it_received_hands_messages_over_twice_mqtt_4_3_3_10() {
    let told = noticed(Fault::ReceivedForgotten);
    assert!(told.len() > 20, "{told:#?}");
    assert!(
        told.iter()
            .all(|line| line.contains("twice (MQTT-4.3.3-10)")),
        "{told:#?}"
    );
}

#[test]
fn an_engine_that_resends_nothing_on_resume_is_seen() {
    let told = noticed(Fault::NoResendOnResume);
    assert!(told.len() > 20, "{told:#?}");
}

#[test]
fn an_engine_that_reuses_a_packet_identifier_is_seen_mqtt_2_2_1_3() {
    let told = noticed(Fault::PacketIdReused);
    assert!(told.len() > 20, "{told:#?}");
}
