//! Every packet against its bytes, both ways.

use std::collections::BTreeSet;

use crate::samples::{OTHER_FORMS, SAMPLES};
use crate::{MAX, decode, encode};
use thingwire_mqtt::Version::{V5, V311};
use thingwire_mqtt::{
    Connect, EncodeError, Packet, Properties, Property, Publish, QoS, UnsubscribeFilters, split,
};

#[test]
fn every_packet_is_written_as_the_standard_says() {
    for sample in SAMPLES {
        assert_eq!(
            encode(sample.version, &sample.packet),
            sample.bytes,
            "{}",
            sample.name
        );
    }
}

#[test]
fn every_packet_is_read_as_the_standard_says() {
    for sample in SAMPLES.iter().chain(OTHER_FORMS) {
        let packet = decode(sample.version, sample.bytes);
        assert_eq!(packet, Ok(sample.packet), "{}", sample.name);
        // and what was read can be passed on
        assert_eq!(
            encode(sample.version, &packet.unwrap()),
            encode(sample.version, &sample.packet),
            "{}",
            sample.name
        );
    }
}

#[test]
fn a_frame_shows_the_properties_of_any_packet() {
    for sample in SAMPLES.iter().chain(OTHER_FORMS) {
        let (frame, _) = split(sample.bytes, MAX).unwrap().unwrap();
        let properties = match sample.packet {
            Packet::Connect(packet) => packet.properties,
            Packet::ConnAck(packet) => packet.properties,
            Packet::Publish(packet) => packet.properties,
            Packet::PubAck(packet)
            | Packet::PubRec(packet)
            | Packet::PubRel(packet)
            | Packet::PubComp(packet) => packet.properties,
            Packet::Subscribe(packet) => packet.properties,
            Packet::Unsubscribe(packet) => packet.properties,
            Packet::SubAck(packet) | Packet::UnsubAck(packet) => packet.properties,
            Packet::Disconnect(packet) => packet.properties,
            Packet::Auth(packet) => packet.properties,
            Packet::PingReq | Packet::PingResp => Properties::EMPTY,
        };
        assert_eq!(
            frame.properties(sample.version),
            properties,
            "{}",
            sample.name
        );
    }
}

#[test]
fn the_table_has_every_packet_in_both_versions_and_every_property() {
    let mut types = BTreeSet::new();
    let mut identifiers = BTreeSet::new();
    for sample in SAMPLES {
        types.insert((sample.packet.packet_type() as u8, sample.version.level()));
        let mut collect = |properties: Properties<'static>| {
            for property in &properties {
                identifiers.insert(
                    format!("{property:?}")
                        .split('(')
                        .next()
                        .unwrap()
                        .to_owned(),
                );
            }
        };
        match sample.packet {
            Packet::Connect(connect) => {
                collect(connect.properties);
                collect(
                    connect
                        .will
                        .map_or(Properties::EMPTY, |will| will.properties),
                );
            }
            Packet::ConnAck(conn_ack) => collect(conn_ack.properties),
            Packet::Publish(publish) => collect(publish.properties),
            _ => {}
        }
    }
    assert_eq!(types.len(), 15 + 14, "AUTH exists only in MQTT 5");
    assert_eq!(identifiers.len(), 27, "{identifiers:?}");
}

#[test]
fn a_stream_is_cut_where_the_lengths_say() {
    let stream: Vec<u8> = SAMPLES
        .iter()
        .flat_map(|sample| sample.bytes)
        .copied()
        .collect();
    let mut rest = stream.as_slice();
    for sample in SAMPLES {
        // every byte short of the whole packet asks for more
        for end in 0..sample.bytes.len() {
            assert_eq!(split(&rest[..end], MAX), Ok(None), "{}", sample.name);
        }
        let (frame, len) = split(rest, MAX).unwrap().unwrap();
        assert_eq!(len, sample.bytes.len(), "{}", sample.name);
        assert_eq!(len, frame.header.packet_len());
        assert_eq!(frame.body.len(), frame.header.remaining_len);
        rest = &rest[len..];
    }
    assert!(rest.is_empty());
}

const MESSAGE: Publish<'static> = Publish {
    dup: false,
    qos: QoS::AtMostOnce,
    retain: false,
    topic: "t",
    packet_id: None,
    properties: Properties::EMPTY,
    payload: b"payload",
};

#[test]
fn a_buffer_that_is_too_small_says_how_much_is_needed() {
    for sample in SAMPLES {
        for len in 0..sample.bytes.len() {
            let needed = sample.bytes.len();
            assert_eq!(
                sample.packet.encode(sample.version, &mut vec![0; len]),
                Err(EncodeError::BufferTooSmall { needed }),
                "{}",
                sample.name
            );
        }
    }
}

#[test]
fn a_head_and_its_payload_are_the_packet() {
    let payload = [7; 300];
    for version in [V311, V5] {
        let publish = Publish {
            payload: &payload,
            ..MESSAGE
        };
        let whole = encode(version, &Packet::Publish(publish));
        let mut head = [0; 64];
        let len = publish.encode_head(version, &mut head).unwrap();
        assert_eq!([&head[..len], &payload].concat(), whole);
        assert_eq!(
            publish.encode_head(version, &mut head[..len - 1]),
            Err(EncodeError::BufferTooSmall { needed: len })
        );
    }
}

#[test]
fn filters_are_walked_the_same_way_from_either_side() {
    let bytes = b"\x82\x0E\x00\x0A\x00\x03a/b\x01\x00\x03c/d\x02";
    let Ok(Packet::Subscribe(subscribe)) = decode(V311, bytes) else {
        panic!()
    };
    assert_eq!(subscribe.filters.len(), 2);
    assert!(!subscribe.filters.is_empty());
    let asked: Vec<_> = subscribe
        .filters
        .iter()
        .map(|entry| (entry.filter, entry.qos))
        .collect();
    assert_eq!(
        asked,
        [("a/b", QoS::AtLeastOnce), ("c/d", QoS::ExactlyOnce)]
    );

    let Ok(Packet::Unsubscribe(unsubscribe)) =
        decode(V311, b"\xA2\x0C\x00\x0A\x00\x03a/b\x00\x03c/d")
    else {
        panic!()
    };
    assert_eq!(unsubscribe.filters.len(), 2);
    assert_eq!(
        unsubscribe.filters,
        UnsubscribeFilters::List(&["a/b", "c/d"])
    );
    assert_ne!(unsubscribe.filters, UnsubscribeFilters::List(&["a/b"]));
}

#[test]
fn properties_are_found_and_compared_by_content() {
    let bytes = b"\x30\x0F\x00\x01a\x0B\x23\x00\x07\x26\x00\x01k\x00\x02vw";
    let Ok(Packet::Publish(publish)) = decode(V5, bytes) else {
        panic!()
    };
    let alias = publish.properties.find(|property| match property {
        Property::TopicAlias(alias) => Some(alias),
        _ => None,
    });
    assert_eq!(alias, Some(7));
    let list = [Property::TopicAlias(7), Property::UserProperty("k", "vw")];
    assert_eq!(publish.properties, Properties::List(&list));
    assert_ne!(publish.properties, Properties::List(&list[..1]));
    assert_eq!(
        format!("{:?}", publish.properties),
        r#"[TopicAlias(7), UserProperty("k", "vw")]"#
    );
    assert!(Properties::default().is_empty());
}

#[test]
fn debug_output_tells_no_secret() {
    let data = [
        Property::AuthenticationMethod("m"),
        Property::AuthenticationData(b"hunter2"),
    ];
    let connect = Connect {
        version: V5,
        clean_start: true,
        keep_alive: 0,
        client_id: "c",
        will: None,
        user_name: Some("u"),
        password: Some(b"hunter2"),
        properties: Properties::List(&data),
    };
    let encoded = encode(V5, &Packet::Connect(connect));
    for packet in [Packet::Connect(connect), decode(V5, &encoded).unwrap()] {
        let text = format!("{packet:?}");
        assert!(text.contains("password: Some(<hidden>)"), "{text}");
        assert!(text.contains("AuthenticationData(7 bytes)"), "{text}");
        assert!(
            !text.contains("hunter2") && !text.contains("104, 117"),
            "{text}"
        );
    }
}
