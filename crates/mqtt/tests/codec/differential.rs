//! Our codec beside mqtt-protocol-core's, an implementation that shares nothing with ours.
//!
//! Both read the same bytes. What the other understood it writes out again, and that must mean to
//! us what the original did. Where only one of them accepts a packet, the reason must be in the
//! list below.

use std::sync::Arc;

use crate::random::Random;
use crate::samples::{OTHER_FORMS, SAMPLES};
use crate::{MAX, decode};
use mqtt_protocol_core::mqtt::packet::{v3_1_1, v5_0};
use thingwire_mqtt::Version::{V5, V311};
use thingwire_mqtt::{
    Ack, ConnAck, DecodeError, Disconnect, Frame, Packet, PacketType, ReasonCode, Version, split,
    topic,
};

/// What the other implementation reads from a frame, written out again; `None` when it refuses.
fn theirs(version: Version, frame: &Frame<'_>) -> Option<Vec<u8>> {
    macro_rules! reread {
        ($parsed:expr) => {{
            let (packet, len) = $parsed.ok()?;
            // It leaves bytes after the last field to its caller.
            (len == frame.body.len()).then(|| packet.to_continuous_buffer())
        }};
    }
    let body = frame.body;
    let shared = || Arc::<[u8]>::from(body);
    let flags = frame.header.flags;
    match (version, frame.header.packet_type) {
        // CONNECT says its version itself, after the protocol name.
        (_, PacketType::Connect) if body.get(6) == Some(&V311.level()) => {
            reread!(v3_1_1::Connect::parse(body))
        }
        (_, PacketType::Connect) => reread!(v5_0::Connect::parse(body)),
        (V311, PacketType::ConnAck) => reread!(v3_1_1::Connack::parse(body)),
        (V311, PacketType::Publish) => reread!(v3_1_1::Publish::parse(flags, shared())),
        (V311, PacketType::PubAck) => reread!(v3_1_1::Puback::parse(body)),
        (V311, PacketType::PubRec) => reread!(v3_1_1::Pubrec::parse(body)),
        (V311, PacketType::PubRel) => reread!(v3_1_1::Pubrel::parse(body)),
        (V311, PacketType::PubComp) => reread!(v3_1_1::Pubcomp::parse(body)),
        (V311, PacketType::Subscribe) => reread!(v3_1_1::Subscribe::parse(body)),
        (V311, PacketType::SubAck) => reread!(v3_1_1::Suback::parse(body)),
        (V311, PacketType::Unsubscribe) => reread!(v3_1_1::Unsubscribe::parse(body)),
        (V311, PacketType::UnsubAck) => reread!(v3_1_1::Unsuback::parse(body)),
        (V311, PacketType::PingReq) => reread!(v3_1_1::Pingreq::parse(body)),
        (V311, PacketType::PingResp) => reread!(v3_1_1::Pingresp::parse(body)),
        (V311, PacketType::Disconnect) => reread!(v3_1_1::Disconnect::parse(body)),
        (V311, PacketType::Auth) => None,
        (V5, PacketType::ConnAck) => reread!(v5_0::Connack::parse(body)),
        (V5, PacketType::Publish) => reread!(v5_0::Publish::parse(flags, shared())),
        (V5, PacketType::PubAck) => reread!(v5_0::Puback::parse(body)),
        (V5, PacketType::PubRec) => reread!(v5_0::Pubrec::parse(body)),
        (V5, PacketType::PubRel) => reread!(v5_0::Pubrel::parse(body)),
        (V5, PacketType::PubComp) => reread!(v5_0::Pubcomp::parse(body)),
        (V5, PacketType::Subscribe) => reread!(v5_0::Subscribe::parse(body)),
        (V5, PacketType::SubAck) => reread!(v5_0::Suback::parse(body)),
        (V5, PacketType::Unsubscribe) => reread!(v5_0::Unsubscribe::parse(body)),
        (V5, PacketType::UnsubAck) => reread!(v5_0::Unsuback::parse(body)),
        (V5, PacketType::PingReq) => reread!(v5_0::Pingreq::parse(body)),
        (V5, PacketType::PingResp) => reread!(v5_0::Pingresp::parse(body)),
        (V5, PacketType::Disconnect) => reread!(v5_0::Disconnect::parse(body)),
        (V5, PacketType::Auth) => reread!(v5_0::Auth::parse(body)),
    }
}

/// Our errors for which the other implementation has no check: null characters in text, identifiers
/// that are zero, flags that contradict each other, wildcards in a response topic, integers and
/// lengths that are padded or left out, authentication data without a method, bytes left over.
const ONLY_WE_CHECK: &[&str] = &[
    "AssignedClientIdentifier",
    "AuthenticationData without AuthenticationMethod",
    "AuthenticationMethod",
    "ContentType",
    "DUP with QoS 0",
    "ReasonString",
    "ResponseInformation",
    "ResponseTopic",
    "ResponseTopic is not a topic name",
    "ServerReference",
    "SubscriptionIdentifier",
    "UserProperty",
    "bytes after the last field",
    "client identifier",
    "connect acknowledge flags",
    "neither topic name nor topic alias",
    "no local on a shared subscription",
    "packet identifier is zero",
    "property length",
    "reserved connect flag",
    "reserved subscription options",
    "session present in a refusal",
    "topic filter",
    "topic name",
    "user name",
    "will QoS",
    "will flags without a will",
    "will topic",
];

/// Whether the other implementation may refuse what we accept: it has tables of reason codes, wants
/// a user name with every password, which MQTT 5 dropped (3.1.2.9), and looks into share names,
/// which we answer in SUBACK.
fn only_they_refuse(packet: &Packet<'_>) -> bool {
    match packet {
        Packet::ConnAck(ConnAck { reason_code, .. })
        | Packet::PubAck(Ack { reason_code, .. })
        | Packet::PubRec(Ack { reason_code, .. })
        | Packet::PubRel(Ack { reason_code, .. })
        | Packet::PubComp(Ack { reason_code, .. })
        | Packet::Disconnect(Disconnect { reason_code, .. }) => *reason_code != ReasonCode::SUCCESS,
        Packet::SubAck(sub_ack) | Packet::UnsubAck(sub_ack) => {
            sub_ack.reason_codes.iter().any(|code| *code != 0)
        }
        Packet::Connect(connect) => connect.password.is_some() && connect.user_name.is_none(),
        Packet::Subscribe(subscribe) => subscribe
            .filters
            .iter()
            .any(|entry| matches!(topic::shared(entry.filter), Some(Err(_)))),
        // It wants a method in every AUTH; and it knows three codes.
        Packet::Auth(_) => true,
        _ => false,
    }
}

/// Reads `bytes` with both and answers whether both accepted them.
fn compare(version: Version, bytes: &[u8]) -> bool {
    let Ok(Some((frame, _))) = split(bytes, MAX) else {
        return false;
    };
    match (Packet::decode(version, &frame), theirs(version, &frame)) {
        (Ok(packet), Some(again)) => {
            assert_eq!(decode(version, &again), Ok(packet), "{bytes:02X?}");
            true
        }
        (Err(DecodeError::Malformed(what) | DecodeError::Protocol(what)), Some(_)) => {
            assert!(
                ONLY_WE_CHECK.contains(&what),
                "only they accept {bytes:02X?}: {what}"
            );
            false
        }
        (Err(error), Some(_)) => panic!("only they accept {bytes:02X?}: {error}"),
        (Ok(packet), None) => {
            assert!(
                only_they_refuse(&packet),
                "only we accept {bytes:02X?}: {packet:?}"
            );
            false
        }
        (Err(_), None) => false,
    }
}

#[test]
fn both_read_the_table_of_packets_alike() {
    for sample in SAMPLES.iter().chain(OTHER_FORMS) {
        let both = compare(sample.version, sample.bytes);
        assert!(both || only_they_refuse(&sample.packet), "{}", sample.name);
    }
}

#[test]
fn both_read_damaged_packets_alike() {
    let mut random = Random::seeded(4);
    let mut both = 0;
    for sample in SAMPLES.iter().chain(OTHER_FORMS) {
        for _ in 0..2_000 {
            let bytes = random.mutate(sample.bytes);
            both += usize::from(compare(sample.version, &bytes));
        }
    }
    assert!(
        both > 10_000,
        "only {both} damaged packets were accepted by both"
    );
}
