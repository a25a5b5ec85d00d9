//! Our codec beside rumqttc's, a third implementation.
//!
//! It reads what we wrote, writes what it understood, and that must mean to us what the original did. Where the two part, the
//! reason is in a list below. It is more lenient than ours, so what only it accepts is no finding.

use std::panic::catch_unwind;

use bytes::BytesMut;
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::v5;
use thingwire_mqtt::Version::{V5, V311};
use thingwire_mqtt::{
    Ack, Packet, PacketId, Properties, Property, Publish, QoS, ReasonCode, SubAck, Subscribe,
    SubscribeFilter, SubscribeFilters, Unsubscribe, UnsubscribeFilters, Version, split,
};

use crate::random::Random;
use crate::samples::{OTHER_FORMS, SAMPLES};
use crate::{MAX, decode};

/// What rumqttc reads from a packet, written out again; `None` when it refuses, or panics.
fn theirs(version: Version, bytes: &[u8]) -> Option<Vec<u8>> {
    catch_unwind(|| {
        let mut input = BytesMut::from(bytes);
        let mut output = BytesMut::new();
        match version {
            V311 => {
                let packet = v4::Packet::read(&mut input, MAX).ok()?;
                packet.write(&mut output, MAX).ok()?;
            }
            V5 => {
                let packet = v5::Packet::read(&mut input, None).ok()?;
                packet.write(&mut output, None).ok()?;
            }
        }
        input.is_empty().then(|| output.to_vec())
    })
    .ok()
    .flatten()
}

/// Where rumqttc 0.25.1 parts from us, row by row of the table: it takes a password for text and an empty user
/// name for none, has forms of its own for DISCONNECT of MQTT 5, and reads no AUTH.
const DIFFERENT: &[(&str, Trip)] = &[
    (
        "3.1.1 CONNECT, the standard's example: flags 0xCE, keep alive 10",
        Trip::Refused,
    ),
    (
        "3.1.1 CONNECT with a retained QoS 2 will of no bytes and an empty user name",
        Trip::Different,
    ),
    ("5 DISCONNECT, the least", Trip::Refused),
    ("5 DISCONNECT, taken over (B-14)", Trip::Refused),
    ("5 AUTH, the least", Trip::Refused),
    ("5 AUTH continue", Trip::Refused),
    (
        "5 DISCONNECT, all spelled out (3.14.2.2.1)",
        Trip::Different,
    ),
    ("5 AUTH, all spelled out", Trip::Refused),
];

/// What the round trip through rumqttc makes of a packet.
fn trip(version: Version, bytes: &[u8]) -> Trip {
    let Some(again) = theirs(version, bytes) else {
        return Trip::Refused;
    };
    let whole = matches!(split(&again, MAX), Ok(Some((_, len))) if len == again.len());
    match (whole, decode(version, bytes)) {
        (true, Ok(packet)) if decode(version, &again) == Ok(packet) => Trip::Same,
        _ => Trip::Different,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trip {
    Same,
    Refused,
    Different,
}

#[test]
fn both_read_the_table_of_packets_alike() {
    let different: Vec<_> = SAMPLES
        .iter()
        .chain(OTHER_FORMS)
        .map(|sample| (sample.name, trip(sample.version, sample.bytes)))
        .filter(|(_, trip)| *trip != Trip::Same)
        .collect();
    assert_eq!(different, DIFFERENT);
}

/// Text without what MQTT forbids, of up to `longest` characters, some of them of several bytes.
fn text(random: &mut Random, longest: usize) -> String {
    (0..random.below(longest + 1))
        .map(|_| random.pick(&['a', 'Z', '0', '/', '-', ' ', 'ä', '€', '😀']))
        .collect()
}

#[test]
fn both_understand_generated_packets_alike() {
    let mut random = Random::seeded(7);
    for _ in 0..20_000 {
        let version = random.pick(&[V311, V5]);
        let (topic, name, value) = (
            format!("t{}", text(&mut random, 40)),
            text(&mut random, 10),
            text(&mut random, 10),
        );
        let filters: Vec<_> = (0..=random.below(7)).map(|_| topic.as_str()).collect();
        let len = random.below(300);
        let payload = random.bytes(len);
        // In the order that rumqttc writes them in.
        let properties = [
            Property::MessageExpiryInterval(random.u64() as u32),
            Property::ResponseTopic(&topic),
            Property::CorrelationData(&payload),
            Property::UserProperty(&name, &value),
        ];
        let count = random.below(properties.len() + 1);
        let properties = match version {
            V311 => Properties::EMPTY,
            V5 => Properties::List(&properties[..count]),
        };
        let packet_id = PacketId::new(random.u64() as u16).unwrap_or(PacketId::FIRST);
        let qos = random.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
        let subscribe: Vec<_> = filters
            .iter()
            .map(|filter| SubscribeFilter::new(filter, qos))
            .collect();
        let codes = vec![qos.bits(); filters.len()];
        let packet = match random.below(5) {
            0 => Packet::Publish(Publish {
                dup: qos != QoS::AtMostOnce && random.below(2) == 0,
                qos,
                retain: random.below(2) == 0,
                topic: &topic,
                packet_id: (qos != QoS::AtMostOnce).then_some(packet_id),
                properties,
                payload: &payload,
            }),
            1 => Packet::Subscribe(Subscribe {
                packet_id,
                properties: Properties::EMPTY,
                filters: SubscribeFilters::List(&subscribe),
            }),
            2 => Packet::Unsubscribe(Unsubscribe {
                packet_id,
                properties: Properties::EMPTY,
                filters: UnsubscribeFilters::List(&filters),
            }),
            3 => Packet::SubAck(SubAck {
                packet_id,
                properties: Properties::EMPTY,
                reason_codes: &codes,
            }),
            _ => Packet::PubAck(Ack {
                packet_id,
                reason_code: ReasonCode::SUCCESS,
                properties: Properties::EMPTY,
            }),
        };
        let mut bytes = vec![0; packet.encoded_len(version).expect("a lawful packet")];
        packet.encode(version, &mut bytes).expect("enough room");
        if bytes.len() <= MAX {
            assert_eq!(trip(version, &bytes), Trip::Same, "{packet:?}");
        }
    }
}

#[test]
fn damaged_packets_that_both_accept_mean_the_same() {
    let mut random = Random::seeded(8);
    let mut same = 0;
    for sample in SAMPLES.iter().chain(OTHER_FORMS) {
        // An empty user name and a DISCONNECT are written differently without any damage.
        let sound = !sample.name.contains("DISCONNECT") && !sample.name.contains("empty user name");
        for _ in 0..1_000 {
            let bytes = random.mutate(sample.bytes);
            let whole = matches!(split(&bytes, MAX), Ok(Some((_, len))) if len == bytes.len());
            if !sound || !whole || decode(sample.version, &bytes).is_err() {
                continue;
            }
            let trip = trip(sample.version, &bytes);
            assert_ne!(trip, Trip::Different, "{bytes:02X?}");
            same += u32::from(trip == Trip::Same);
        }
    }
    assert!(same > 3_000, "only {same} were accepted by both");
}
