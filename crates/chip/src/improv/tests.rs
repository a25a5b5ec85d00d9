//! Packets byte by byte, written by hand from the protocol's description, and what is not a packet.

extern crate std;

use std::format;
use std::vec::Vec;

use super::*;

/// A packet as a browser sends it.
fn packet(kind: u8, data: &[u8]) -> Vec<u8> {
    let mut packet = b"IMPROV\x01".to_vec();
    packet.extend([kind, data.len() as u8]);
    packet.extend(data);
    packet.push(
        packet
            .iter()
            .fold(0, |sum: u8, byte| sum.wrapping_add(*byte)),
    );
    packet
}

/// What came out of these bytes, as text.
fn receive(bytes: &[u8]) -> Vec<std::string::String> {
    let mut receiver = Receiver::new();
    let mut out = Vec::new();
    for byte in bytes {
        match receiver.push(*byte) {
            Received::Nothing => {}
            received => out.push(format!("{received:?}")),
        }
    }
    out
}

#[test]
fn settings_are_understood() {
    let mut receiver = Receiver::new();
    let packet = packet(3, b"\x01\x0e\x04home\x08password");
    let (last, before) = packet.split_last().unwrap();
    for byte in before {
        assert_eq!(receiver.push(*byte), Received::Nothing);
    }
    assert_eq!(
        receiver.push(*last),
        Received::Request(Request::WifiSettings {
            ssid: "home",
            password: "password"
        })
    );
    assert!(!receiver.is_waiting());
}

#[test]
fn the_password_is_not_shown() {
    let out = receive(&packet(3, b"\x01\x0e\x04home\x08password"));
    assert_eq!(out, ["Request(WifiSettings(\"home\"))"]);
}

#[test]
fn the_other_commands_are_understood() {
    assert_eq!(receive(&packet(3, b"\x02\x00")), ["Request(State)"]);
    assert_eq!(receive(&packet(3, b"\x03\x00")), ["Request(DeviceInfo)"]);
    assert_eq!(
        receive(&packet(3, b"\x04\x00")),
        ["Request(ScannedNetworks)"]
    );
    assert_eq!(
        receive(&packet(3, b"\x77\x00")),
        ["Refused(UnknownCommand)"]
    );
}

#[test]
fn what_cannot_be_read_is_refused() {
    for data in [
        b"".as_slice(),
        b"\x01",
        b"\x01\x01",
        b"\x01\x00",
        b"\x01\x02\x05a",
        b"\x01\x03\x01a\x05",
        b"\x01\x05\x01a\x01bX",
        b"\x01\x04\x01\xff\x01a",
        b"\x02\x01",
    ] {
        assert_eq!(
            receive(&packet(3, data)),
            ["Refused(InvalidPacket)"],
            "{data:?}"
        );
    }
    let mut broken = packet(3, b"\x02\x00");
    *broken.last_mut().unwrap() ^= 1;
    assert_eq!(receive(&broken), ["Refused(InvalidPacket)"]);
}

#[test]
fn our_own_packets_that_come_back_are_no_requests() {
    assert!(receive(&packet(1, b"\x02")).is_empty());
    assert!(receive(&packet(4, b"\x01\x00")).is_empty());
}

#[test]
fn text_passes_through_and_packets_are_found_in_it() {
    let mut bytes = b"IMPORT\r\nIMPROV".to_vec();
    bytes.extend(b"E\n");
    bytes.extend(packet(3, b"\x02\x00"));
    bytes.extend(b"hi");
    let mut receiver = Receiver::new();
    let (mut text, mut requests) = (Vec::new(), 0);
    for byte in bytes {
        match receiver.push(byte) {
            Received::Text(bytes) => text.extend_from_slice(bytes),
            Received::Request(_) => requests += 1,
            Received::Nothing | Received::Refused(_) => {}
        }
    }
    assert_eq!(text, b"IMPORT\r\nIMPROVE\nhi");
    assert_eq!(requests, 1);
}

#[test]
fn a_packet_cut_off_is_forgotten_on_demand() {
    let mut receiver = Receiver::new();
    for byte in b"IMPROV\x01\x03" {
        assert_eq!(receiver.push(*byte), Received::Nothing);
    }
    assert!(receiver.is_waiting());
    receiver.reset();
    assert_eq!(receiver.push(b'x'), Received::Text(b"x"));
}

#[test]
fn the_longest_packet_fits() {
    let mut data = std::vec![1, 253, 4];
    data.extend(b"home");
    data.push(247);
    data.extend([b'p'; 247]);
    assert_eq!(data.len(), 255);
    assert_eq!(
        receive(&packet(3, &data)),
        ["Request(WifiSettings(\"home\"))"]
    );
}

#[test]
fn answers_have_the_bytes_of_the_protocol() {
    let line = |mut bytes: Vec<u8>| {
        bytes.push(b'\n');
        bytes
    };
    assert_eq!(Packet::state(State::Ready).bytes(), line(packet(1, &[2])));
    assert_eq!(
        Packet::state(State::Provisioning).bytes(),
        line(packet(1, &[3]))
    );
    assert_eq!(
        Packet::state(State::Provisioned).bytes(),
        line(packet(1, &[4]))
    );
    assert_eq!(
        Packet::error(ImprovError::UnableToConnect).bytes(),
        line(packet(2, &[3]))
    );
    assert_eq!(
        Packet::error(ImprovError::Unknown).bytes(),
        line(packet(2, &[255]))
    );
    assert_eq!(Packet::settings_done().bytes(), line(packet(4, &[1, 0])));
    assert_eq!(Packet::state_done().bytes(), line(packet(4, &[2, 0])));
    assert_eq!(
        Packet::device_info("fw", "1", "C3", "n").bytes(),
        line(packet(4, b"\x03\x0a\x02fw\x011\x02C3\x01n"))
    );
    assert_eq!(
        Packet::network("home", "-50", false).bytes(),
        line(packet(4, b"\x04\x0d\x04home\x03-50\x03YES"))
    );
    assert_eq!(Packet::networks_done().bytes(), line(packet(4, &[4, 0])));
}

#[test]
fn an_answer_that_is_too_long_is_cut_and_stays_a_packet() {
    let long = "x".repeat(300);
    let packet = Packet::device_info(&long, &long, &long, &long);
    let bytes = packet.bytes();
    assert!(bytes.len() <= MAX_PACKET);
    let (before, last) = bytes.split_at(bytes.len() - 2);
    assert_eq!(usize::from(before[8]), before.len() - 9);
    assert_eq!(last, [sum(before), b'\n']);
}

#[test]
fn any_bytes_are_taken() {
    let mut chance = 1_u32;
    let mut receiver = Receiver::new();
    for round in 0..200_000_u32 {
        chance ^= chance << 13;
        chance ^= chance >> 17;
        chance ^= chance << 5;
        // Often a byte that leads deeper.
        let good = b"IMPROV\x01\x03"[(round % 8) as usize];
        receiver.push(if chance.is_multiple_of(8) {
            chance as u8
        } else {
            good
        });
    }
}
