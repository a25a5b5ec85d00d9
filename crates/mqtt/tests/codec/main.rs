//! The codec as a caller sees it: bytes in, packets out, and back.
//!
//! `samples` is the table of packets that all tests here start from; `packets` checks it both ways,
//! `refusals` what is not accepted, `hostile` random and damaged bytes, `differential` and
//! `differential_rumqttc` two other implementations.

mod differential;
mod differential_rumqttc;
mod hostile;
mod packets;
mod random;
mod refusals;
mod samples;

use thingwire_mqtt::{DecodeError, Packet, Version, split};

/// Longer than any packet in these tests.
pub(crate) const MAX: usize = 1024;

/// Decodes bytes that must be exactly one frame.
pub(crate) fn decode(version: Version, bytes: &[u8]) -> Result<Packet<'_>, DecodeError> {
    let (frame, len) = split(bytes, MAX)?.expect("a whole frame");
    assert_eq!(len, bytes.len(), "one frame and nothing after it");
    Packet::decode(version, &frame)
}

/// Encodes into a buffer of exactly the length that was announced.
pub(crate) fn encode(version: Version, packet: &Packet<'_>) -> Vec<u8> {
    let len = packet
        .encoded_len(version)
        .expect("a packet that can be sent");
    let mut buf = vec![0xEE; len];
    assert_eq!(packet.encode(version, &mut buf), Ok(len));
    buf
}
