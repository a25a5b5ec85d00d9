//! Any bytes as the answer of a time server, and as a question to ours.
//!
//! Nothing may panic. What is believed lies after the floor and belongs to the question; our server answers questions
//! only, and its own asker believes it.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use thingwire_chip::sntp::{PACKET, Question, respond};

fuzz_target!(|input: (u64, u32, u64, bool, &[u8])| {
    let (nonce, way, floor, ours, bytes) = input;
    let question = Question::new(nonce);
    let mut packet = bytes.to_vec();
    if ours && packet.len() >= PACKET {
        // The fuzzer cannot guess the number of the question.
        packet[24..32].copy_from_slice(&question.packet()[40..]);
    }
    let way = Duration::from_micros(way.into());
    if let Ok(answer) = question.answer(&packet, way, floor) {
        assert!(answer.unix.as_secs() >= floor);
        assert!(answer.uncertainty <= Duration::from_secs(16));
        assert_eq!(packet[24..32], question.packet()[40..]);
    }
    let now = Duration::from_secs(floor % 0x4_0000_0000) + Duration::from_millis(500);
    let Some(answer) = respond(bytes, now, Duration::ZERO) else {
        return;
    };
    assert_eq!(bytes[0] & 7, 3);
    assert_eq!(respond(&answer, now, Duration::ZERO), None);
    let answer = respond(&question.packet(), now, Duration::ZERO).expect("a question");
    let told = question.answer(&answer, Duration::ZERO, now.as_secs());
    assert_eq!(told.expect("an answer").unix.as_secs(), now.as_secs());
});
