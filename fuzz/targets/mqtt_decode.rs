//! Any bytes as what arrives on a connection: cut into frames, decoded in both versions, written again.
//!
//! Nothing may panic. What was understood must be written as something that means the same, in as many bytes as
//! announced. And however the bytes are cut into reads, the same packets come out.

#![no_main]

use libfuzzer_sys::fuzz_target;
use thingwire_mqtt::client::{FrameReader, Incoming};
use thingwire_mqtt::{Packet, Version, split};

/// The longest packet that is accepted.
const MAX: usize = 4096;

fuzz_target!(|input: (u8, &[u8])| {
    let (step, bytes) = input;
    for version in [Version::V311, Version::V5] {
        let mut rest = bytes;
        while let Ok(Some((frame, len))) = split(rest, MAX) {
            if let Ok(packet) = Packet::decode(version, &frame) {
                let version = match packet {
                    Packet::Connect(connect) => connect.version,
                    _ => version,
                };
                let mut again = vec![0; packet.encoded_len(version).expect("it was read")];
                assert_eq!(packet.encode(version, &mut again), Ok(again.len()));
                let (frame, len) = split(&again, usize::MAX)
                    .expect("our own bytes")
                    .expect("all of them");
                assert_eq!(len, again.len());
                assert_eq!(Packet::decode(version, &frame), Ok(packet));
            }
            rest = &rest[len..];
        }
    }
    let whole = read(bytes, bytes.len().max(1));
    assert_eq!(read(bytes, usize::from(step).max(1)), whole);
});

/// What a reader with a buffer of 64 bytes makes of the bytes when they come in pieces: one line a packet.
fn read(bytes: &[u8], step: usize) -> Vec<String> {
    let mut buf = [0; 64];
    let mut reader = FrameReader::new(&mut buf);
    let mut lines = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let space = reader.space();
        let count = space.len().min(step).min(rest.len());
        assert!(count > 0, "the reader must always make room");
        space[..count].copy_from_slice(&rest[..count]);
        rest = &rest[count..];
        reader.filled(count);
        loop {
            match reader.next() {
                Ok(Some(Incoming::Frame(frame))) => lines.push(format!("{frame:?}")),
                Ok(Some(Incoming::Skipped(skipped))) => lines.push(format!("{skipped:?}")),
                Ok(None) => break,
                Err(error) => {
                    lines.push(format!("{error:?}"));
                    return lines;
                }
            }
        }
    }
    lines
}
