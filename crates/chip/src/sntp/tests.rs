//! Question and answer as a pair, and every answer that must not be believed.

extern crate std;

use std::string::ToString as _;

use super::*;

const NONCE: u64 = 0x0123_4567_89AB_CDEF;
/// 2026-01-01.
const FLOOR: u64 = 1_767_225_600;
/// 2026-11-24T06:26:00.25Z.
const NOW: Duration = Duration::from_millis(1_795_501_560_250);
const MOMENT: Duration = Duration::from_millis(80);

fn good() -> [u8; PACKET] {
    respond(
        &Question::new(NONCE).packet(),
        NOW,
        Duration::from_millis(10),
    )
    .expect("an answer")
}

fn judge(packet: &[u8]) -> Result<Answer, SntpError> {
    Question::new(NONCE).answer(packet, MOMENT, FLOOR)
}

fn changed(change: impl FnOnce(&mut Packet)) -> Result<Answer, SntpError> {
    let mut packet = Packet::read(&good()).expect("a packet");
    change(&mut packet);
    judge(&packet.bytes())
}

fn near(left: Duration, right: Duration) -> bool {
    left.abs_diff(right) < Duration::from_micros(100)
}

#[test]
fn a_question_is_48_bytes_of_version_4_and_tells_nothing_but_its_number() {
    let packet = Question::new(NONCE).packet();
    assert_eq!(packet[0], 0b00_100_011);
    assert_eq!(packet[1..40], [0; 39]);
    assert_eq!(packet[40..], NONCE.to_be_bytes());
    // A number that would mean "no timestamp" is never sent.
    assert_ne!(Question::new(0).packet()[40..], [0; 8]);
}

#[test]
fn half_of_the_way_is_added_and_the_other_half_is_the_doubt() {
    let answer = judge(&good()).expect("a good answer");
    assert!(near(answer.unix, NOW + MOMENT / 2), "{answer:?}");
    let doubt = MOMENT / 2 + Duration::from_millis(10);
    assert!(near(answer.uncertainty, doubt), "{answer:?}");
    // What the server itself took is not on the way.
    let held = changed(|packet| {
        packet.received = timestamp(NOW - Duration::from_millis(60));
    })
    .expect("a good answer");
    assert!(near(held.unix, NOW + Duration::from_millis(10)), "{held:?}");
    // A server that held it for longer than the whole way takes no time away.
    let lies = changed(|packet| packet.received = timestamp(NOW - Duration::from_secs(1)));
    assert!(near(lies.expect("answer").unix, NOW));
}

#[test]
fn each_answer_that_must_not_be_believed_is_named() {
    assert_eq!(
        changed(|packet| packet.mode = 5),
        Err(SntpError::NotAnAnswer)
    );
    assert_eq!(
        changed(|packet| packet.mode = 3),
        Err(SntpError::NotAnAnswer)
    );
    assert_eq!(
        changed(|packet| packet.version = 2),
        Err(SntpError::NotAnAnswer)
    );
    assert_eq!(
        changed(|packet| packet.originated ^= 1),
        Err(SntpError::NotOurs)
    );
    assert_eq!(
        changed(|packet| packet.originated = 0),
        Err(SntpError::NotOurs)
    );
    let kiss = changed(|packet| {
        packet.stratum = 0;
        packet.reference = *b"RATE";
    });
    assert_eq!(kiss, Err(SntpError::KissOfDeath(*b"RATE")));
    assert!(kiss.unwrap_err().to_string().ends_with("(RATE)"));
    let odd = SntpError::KissOfDeath([0xFF, b'\n', 0, 1]).to_string();
    assert!(odd.ends_with("asked"), "{odd}");
    for unsynchronised in [
        changed(|packet| packet.leap = 3),
        changed(|packet| packet.stratum = 16),
        changed(|packet| packet.transmitted = 0),
        changed(|packet| packet.received = 0),
    ] {
        assert_eq!(unsynchronised, Err(SntpError::Unsynchronised));
    }
    for vague in [
        changed(|packet| packet.root_dispersion = 17 << 16),
        changed(|packet| packet.root_delay = 40 << 16),
        changed(|packet| packet.root_delay = u32::MAX),
        // Sent before it was received.
        changed(|packet| packet.received = packet.transmitted + 1),
        Question::new(NONCE).answer(&good(), Duration::MAX, FLOOR),
    ] {
        assert_eq!(vague, Err(SntpError::Vague));
    }
    // A kiss that is not for us could silence a good server.
    let foreign = changed(|packet| {
        packet.stratum = 0;
        packet.originated = 1;
    });
    assert_eq!(foreign, Err(SntpError::NotOurs));
}

#[test]
fn a_time_before_the_floor_is_refused_and_never_taken_for_the_next_era() {
    let at = |unix: Duration| {
        changed(|packet| {
            packet.transmitted = timestamp(unix);
            packet.received = packet.transmitted;
        })
    };
    // 2020-01-01, plus half of the way.
    let old = at(Duration::from_secs(1_577_836_800));
    assert_eq!(
        old,
        Err(SntpError::BeforeFloor {
            unix: 1_577_836_800
        })
    );
    assert!(
        old.unwrap_err()
            .to_string()
            .contains("2020-01-01T00:00:00Z")
    );
    assert!(at(Duration::from_secs(FLOOR)).is_ok());
    assert!(at(Duration::from_secs(FLOOR - 1)).is_err());
    // 1970, which a server with an empty clock sends.
    assert!(at(Duration::from_secs(1)).is_err());
}

#[test]
fn the_counter_starts_again_in_2036_and_again_in_2172() {
    // The last second of era 0 and the first two of era 1.
    for unix in [2_085_978_495, 2_085_978_496, 2_085_978_497, 3_900_000_000] {
        let now = Duration::from_secs(unix);
        let question = Question::new(NONCE);
        let packet = respond(&question.packet(), now, Duration::ZERO).expect("an answer");
        let answer = question.answer(&packet, Duration::ZERO, FLOOR);
        if unix == 2_085_978_496 {
            // All bits 0 says "no timestamp": one second in 136 years in which no time is given.
            assert_eq!(answer, Err(SntpError::Unsynchronised));
        } else {
            assert_eq!(answer.expect("an answer").unix, now);
        }
    }
    let late = 6_400_000_000;
    let question = Question::new(NONCE);
    let packet = respond(
        &question.packet(),
        Duration::from_secs(late),
        Duration::ZERO,
    );
    let answer = question.answer(&packet.expect("answer"), Duration::ZERO, late - 5);
    assert_eq!(answer.expect("answer").unix.as_secs(), late);
}

#[test]
fn the_end_of_an_era_between_question_and_answer_is_no_jump() {
    let answer = changed(|packet| {
        packet.received = u64::MAX;
        packet.transmitted = 1 << 20;
    });
    assert_eq!(answer.expect("an answer").unix.as_secs(), 2_085_978_496);
}

#[test]
fn every_cut_and_every_changed_byte_ends_in_an_answer_or_an_error() {
    let good = good();
    for len in 0..PACKET {
        assert_eq!(judge(&good[..len]), Err(SntpError::Short));
    }
    let mut long = good.to_vec();
    long.extend([7; 20]);
    assert_eq!(judge(&long), judge(&good));
    for at in 0..PACKET {
        for byte in 0..=u8::MAX {
            let mut packet = good;
            packet[at] = byte;
            if let Ok(answer) = judge(&packet) {
                assert!(answer.unix.as_secs() >= FLOOR);
                assert!(answer.uncertainty <= VAGUE);
            }
        }
    }
}

#[test]
fn a_server_answers_questions_and_nothing_else() {
    let question = Question::new(NONCE).packet();
    let answer = |packet: &[u8]| respond(packet, NOW, Duration::ZERO);
    assert_eq!(answer(&question[..47]), None);
    for flags in 0..=u8::MAX {
        let mut packet = question;
        packet[0] = flags;
        let asked = flags & 7 == 3 && (1..=4).contains(&((flags >> 3) & 7));
        let answer = answer(&packet);
        assert_eq!(answer.is_some(), asked, "{flags:08b}");
        if let Some(answer) = answer {
            assert_eq!((answer[0] >> 3) & 7, (flags >> 3) & 7, "its version");
            assert_eq!(answer[0] >> 6, 0);
        }
    }
    // Answers answered would go to and fro for ever.
    assert_eq!(answer(&good()), None);
}
