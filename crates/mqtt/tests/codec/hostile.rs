//! Bytes that nobody honest would send: the codec may refuse them, but it must not stop, and what
//! it accepts it must understand.

use crate::random::Random;
use crate::samples::SAMPLES;
use crate::{MAX, encode};
use thingwire_mqtt::Version::{V5, V311};
use thingwire_mqtt::{
    Ack, Auth, ConnAck, Connect, DecodeError, Disconnect, Frame, Packet, PacketId, Properties,
    Property, Publish, QoS, ReasonCode, SubAck, Version, Will, split, topic,
};

/// Takes everything out of `bytes` that is a packet; each must survive being written and read
/// again. Answers how many there were.
fn swallow(version: Version, bytes: &[u8]) -> usize {
    let mut rest = bytes;
    let mut packets = 0;
    while let Ok(Some((frame, len))) = split(rest, MAX) {
        if let Ok(packet) = Packet::decode(version, &frame) {
            packets += 1;
            same_again(version, packet);
        }
        rest = &rest[len..];
    }
    packets
}

fn same_again(version: Version, packet: Packet<'_>) {
    // Walking and showing it must not fail either.
    let _ = format!("{packet:?}");
    if let Packet::Publish(publish) = packet {
        let _ = topic::is_valid_name(publish.topic);
    }
    let encoded = encode(version, &packet);
    let (frame, len) = split(&encoded, 2 * MAX).unwrap().expect("a whole packet");
    assert_eq!(len, encoded.len());
    assert_eq!(Packet::decode(version, &frame), Ok(packet), "{packet:?}");
}

#[test]
fn ten_thousand_random_byte_strings_do_no_harm() {
    let mut random = Random::seeded(1);
    let mut packets = 0;
    for _ in 0..10_000 {
        let len = random.below(200);
        let mut bytes = random.bytes(len);
        // Half of them begin as a packet of a type that exists and with a length that fits.
        if len > 2 && random.below(2) == 0 {
            bytes[0] = random.pick(
                SAMPLES
                    .iter()
                    .map(|s| s.bytes[0])
                    .collect::<Vec<_>>()
                    .as_slice(),
            );
            bytes[1] = random.below((len - 1).min(128)) as u8;
        }
        packets += swallow(V311, &bytes) + swallow(V5, &bytes);
    }
    // Few by nature: a short payload, a PINGREQ, an acknowledgement.
    assert!(packets > 50, "only {packets} packets were understood");
}

#[test]
fn mutated_packets_do_no_harm() {
    let mut random = Random::seeded(2);
    let (mut packets, mut refused) = (0, 0);
    for sample in SAMPLES {
        for _ in 0..1_000 {
            let bytes = random.mutate(sample.bytes);
            for version in [V311, V5] {
                match swallow(version, &bytes) {
                    0 => refused += 1,
                    understood => packets += understood,
                }
            }
        }
    }
    assert!(
        packets > 10_000 && refused > 10_000,
        "{packets} understood, {refused} refused"
    );
}

#[test]
fn a_length_that_lies_is_noticed() {
    for sample in SAMPLES {
        let (frame, _) = split(sample.bytes, MAX).unwrap().unwrap();
        // Too short: fields are cut, wherever the end falls. Some packets may end early and mean
        // something else.
        for len in 0..frame.body.len() {
            let mut header = frame.header;
            header.remaining_len = len;
            if let Ok(packet) = Packet::decode(
                sample.version,
                &Frame {
                    header,
                    body: &frame.body[..len],
                },
            ) {
                assert_ne!(packet, sample.packet, "{}", sample.name);
                same_again(sample.version, packet);
            }
        }
        // Too long: what follows belongs to the next packet, or to a field that has no fixed end.
        let longer = [frame.body, &[0]].concat();
        let mut header = frame.header;
        header.remaining_len += 1;
        match Packet::decode(
            sample.version,
            &Frame {
                header,
                body: &longer,
            },
        ) {
            // A longer payload, one more code, or the reason code that MQTT 5 may leave out.
            Ok(packet) => {
                use Packet::{
                    Disconnect, PubAck, PubComp, PubRec, PubRel, Publish, SubAck, UnsubAck,
                };
                match packet {
                    Publish(_) | SubAck(_) => {}
                    PubAck(_) | PubRec(_) | PubRel(_) | PubComp(_) | UnsubAck(_)
                    | Disconnect(_)
                        if sample.version == V5 => {}
                    _ => panic!("{}: {packet:?}", sample.name),
                }
                same_again(sample.version, packet);
            }
            Err(DecodeError::Malformed(_)) => {}
            Err(other) => panic!("{}: {other}", sample.name),
        }
    }
}

/// Values at the edges of every property, valid and not.
const PROPERTIES: &[Property<'static>] = &[
    Property::PayloadFormatIndicator(0),
    Property::PayloadFormatIndicator(2),
    Property::MessageExpiryInterval(u32::MAX),
    Property::ContentType(""),
    Property::ResponseTopic("a/b"),
    Property::ResponseTopic("a/+"),
    Property::CorrelationData(b"\x00\xFF"),
    Property::SubscriptionIdentifier(0),
    Property::SubscriptionIdentifier(128),
    Property::SubscriptionIdentifier(268_435_456),
    Property::SessionExpiryInterval(0),
    Property::AssignedClientIdentifier("é"),
    Property::ServerKeepAlive(0),
    Property::AuthenticationMethod("m"),
    Property::AuthenticationData(b"d"),
    Property::RequestProblemInformation(true),
    Property::WillDelayInterval(1),
    Property::RequestResponseInformation(false),
    Property::ResponseInformation("r"),
    Property::ServerReference("s"),
    Property::ReasonString("null\0"),
    Property::ReasonString("fine"),
    Property::ReceiveMaximum(0),
    Property::ReceiveMaximum(1),
    Property::TopicAliasMaximum(0),
    Property::TopicAlias(0),
    Property::TopicAlias(u16::MAX),
    Property::MaximumQoS(1),
    Property::MaximumQoS(2),
    Property::RetainAvailable(false),
    Property::UserProperty("k", "v"),
    Property::UserProperty("k", "\0"),
    Property::MaximumPacketSize(0),
    Property::MaximumPacketSize(1),
    Property::WildcardSubscriptionAvailable(true),
    Property::SubscriptionIdentifierAvailable(true),
    Property::SharedSubscriptionAvailable(false),
];

#[test]
fn whatever_can_be_written_can_be_read() {
    let mut random = Random::seeded(3);
    let (mut written, mut refused) = (0, 0);
    for _ in 0..50_000 {
        let list: Vec<_> = (0..random.below(4))
            .map(|_| random.pick(PROPERTIES))
            .collect();
        let properties = Properties::List(&list);
        let reason_code = ReasonCode(random.pick(&[0, 1, 2, 5, 6, 0x80, 0xFF]));
        let packet_id = PacketId::new(random.u8().into()).unwrap_or(PacketId::FIRST);
        let qos = random.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
        let topic = random.pick(&["", "t", "a/#", "nu\0ll"]);
        let version = random.pick(&[V311, V5]);
        let ack = Ack {
            packet_id,
            reason_code,
            properties,
        };
        let codes = SubAck {
            packet_id,
            properties,
            reason_codes: random.pick(&[&[][..], &[0], &[1, 9]]),
        };
        let packet = match random.below(9) {
            0 | 1 => Packet::Publish(Publish {
                dup: random.below(2) == 0,
                qos,
                retain: random.below(2) == 0,
                topic,
                packet_id: random.pick(&[None, Some(packet_id)]),
                properties,
                payload: random.pick(&[&[][..], &[0; 200]]),
            }),
            2 | 3 => Packet::Connect(Connect {
                version,
                clean_start: random.below(2) == 0,
                keep_alive: u16::from(random.u8()),
                client_id: random.pick(&["", "c"]),
                will: random.pick(&[
                    None,
                    Some(Will {
                        topic,
                        payload: b"w",
                        qos,
                        retain: true,
                        properties,
                    }),
                ]),
                user_name: random.pick(&[None, Some(""), Some("u")]),
                password: random.pick(&[None, Some(&b""[..]), Some(b"p")]),
                properties: random.pick(&[properties, Properties::EMPTY]),
            }),
            4 => Packet::ConnAck(ConnAck {
                session_present: random.below(2) == 0,
                reason_code,
                properties,
            }),
            5 => random.pick(&[
                Packet::PubAck(ack),
                Packet::PubRec(ack),
                Packet::PubRel(ack),
                Packet::PubComp(ack),
            ]),
            6 => random.pick(&[Packet::SubAck(codes), Packet::UnsubAck(codes)]),
            7 => Packet::Disconnect(Disconnect {
                reason_code,
                properties,
            }),
            _ => Packet::Auth(Auth {
                reason_code,
                properties,
            }),
        };
        match packet.encoded_len(version) {
            Ok(_) => {
                written += 1;
                same_again(version, packet);
            }
            Err(error) => {
                refused += 1;
                assert_eq!(packet.encode(version, &mut [0; MAX]), Err(error));
            }
        }
    }
    assert!(
        written > 5_000 && refused > 5_000,
        "{written} written, {refused} refused"
    );
}
