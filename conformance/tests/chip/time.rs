//! A chip whose clock is set by time servers, and by nothing else.

use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use thingwire_chip::sntp;
use thingwire_conformance::{Chip, ChipSettings, Cloud, wait_until};

use crate::{SEED_POLICY, STEP, seed};

/// Asks these ports in order; its machine's own clock is wrong and must not matter.
fn asks(time_servers: [Option<u16>; 2]) -> ChipSettings {
    ChipSettings {
        time_servers,
        date: Some("2020-01-01T00:00:00"),
        ..ChipSettings::default()
    }
}

/// A time server that always makes the same of a question, if anything.
fn server(answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> u16 {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a free port");
    let port = socket.local_addr().expect("an address").port();
    thread::spawn(move || {
        let mut question = [0; 100];
        while let Ok((len, from)) = socket.recv_from(&mut question) {
            if let Some(answer) = answer(&question[..len]) {
                drop(socket.send_to(&answer, from));
            }
        }
    });
    port
}

/// 2019-01-01.
const LONG_AGO: Duration = Duration::from_secs(1_546_300_800);

fn honest_about(now: Duration) -> impl Fn(&[u8]) -> Option<Vec<u8>> + Send {
    move |question| Some(sntp::respond(question, now, Duration::ZERO)?.to_vec())
}

#[test]
fn a_chip_sets_its_clock_by_the_cloud_and_connects() {
    let (cloud, kit) = seed();
    let Some(mut chip) = Chip::boot(&kit, asks([Some(cloud.ready.sntp_port), None])) else {
        return;
    };
    let serial = chip.program();
    serial.wait_for_line("the time is 20", STEP);
    serial.wait_for_line("connected, session kept: false", STEP);
    assert!(!serial.log().contains("no time from"), "{}", serial.log());
}

/// As with a first board: `up --endpoint ADDRESS`, a kit from `thing create`, an image of it without any flag.
#[test]
fn a_kit_for_an_address_works_as_it_is() {
    let cloud = Cloud::start_with(&["--endpoint", "10.0.2.2"]);
    let kit = cloud.thing("esp32-demo", SEED_POLICY);
    let settings = ChipSettings {
        as_it_is: true,
        ..asks([None, None])
    };
    let Some(mut chip) = Chip::boot(&kit, settings) else {
        return;
    };
    let serial = chip.program();
    serial.wait_for_line(
        &format!(", from 10.0.2.2:{}, right to", cloud.ready.sntp_port),
        STEP,
    );
    serial.wait_for_line("connected, session kept: false", STEP);
}

#[test]
fn a_chip_asks_the_next_server_when_the_first_is_silent() {
    let (cloud, kit) = seed();
    let silent = server(|_| None);
    let Some(mut chip) = Chip::boot(&kit, asks([Some(silent), Some(cloud.ready.sntp_port)])) else {
        return;
    };
    let serial = chip.program();
    serial.wait_for_line(
        &format!("no time from 10.0.2.2:{silent}: it does not answer"),
        STEP,
    );
    serial.wait_for_line("connected, session kept: false", STEP);
}

/// Fail closed: without a time that can be believed nothing is connected.
#[test]
fn a_chip_that_is_told_nonsense_connects_to_nothing_and_says_so() {
    let (_cloud, kit) = seed();
    let old = server(honest_about(LONG_AGO));
    let kiss = server(|question| {
        let mut answer = sntp::respond(question, LONG_AGO, Duration::ZERO)?;
        answer[1] = 0;
        answer[12..16].copy_from_slice(b"DENY");
        Some(answer.to_vec())
    });
    let Some(mut chip) = Chip::boot(&kit, asks([Some(old), Some(kiss)])) else {
        return;
    };
    let serial = chip.program();
    serial.wait_for_line(
        "the server shows 2019-01-01T00:00:00Z, which has long passed",
        STEP,
    );
    serial.wait_for_line("the server does not want to be asked (DENY)", STEP);
    serial.wait_for_line("no time server answered; asking again in", STEP);
    serial.wait_for_line(
        "nobody has told the time, so certificates cannot be checked); next try in",
        STEP,
    );
    let log = serial.log();
    assert!(!log.contains("heap for TLS"), "no handshake: {log}");
}

/// An answer that belongs to no question of ours is waited past, not believed.
#[test]
fn a_chip_believes_only_the_answer_to_its_own_question() {
    let (cloud, kit) = seed();
    let forger = server(|question| {
        let mut answer = sntp::respond(question, LONG_AGO, Duration::ZERO)?;
        answer[24..32].copy_from_slice(&7_u64.to_be_bytes());
        Some(answer.to_vec())
    });
    let Some(mut chip) = Chip::boot(&kit, asks([Some(forger), Some(cloud.ready.sntp_port)])) else {
        return;
    };
    let serial = chip.program();
    serial.wait_for_line(
        &format!("no time from 10.0.2.2:{forger}: it does not answer"),
        STEP,
    );
    assert!(wait_until(STEP, || serial.log().contains("the time is 20")));
}
