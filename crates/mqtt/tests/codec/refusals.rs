//! What must be refused, with the rule that says so: bytes that arrive, and packets that would
//! leave.

use crate::{MAX, decode};
use thingwire_mqtt::Version::{V5, V311};
use thingwire_mqtt::{
    Ack, Auth, ConnAck, Connect, DecodeError, Disconnect, FrameHeader, Packet, PacketId,
    Properties, Property, Publish, QoS, ReasonCode, SubAck, Subscribe, SubscribeFilter,
    SubscribeFilters, Unsubscribe, UnsubscribeFilters, Version, Will, split,
};

#[test]
fn a_packet_that_is_too_long_is_refused_by_its_header() {
    // A PUBLISH that promises 256 MB and brings nothing.
    let header = [0x30, 0xFF, 0xFF, 0xFF, 0x7F];
    let len = 5 + 268_435_455;
    assert_eq!(
        split(&header, 149_504),
        Err(DecodeError::TooLarge { len, max: 149_504 })
    );
    assert_eq!(
        split(&header, len),
        Ok(None),
        "nothing is refused at exactly the limit"
    );
    assert_eq!(
        FrameHeader::parse(&header).unwrap().unwrap().packet_len(),
        len
    );
}

#[test]
fn a_broken_fixed_header_is_refused_at_once() {
    let malformed = |bytes: &[u8]| match split(bytes, MAX) {
        Err(DecodeError::Malformed(field)) => field,
        other => panic!("{bytes:02X?} gave {other:?}"),
    };
    assert_eq!(malformed(&[0x00]), "packet type");
    // table 2.2: only PUBLISH has flags of its own; PUBREL, SUBSCRIBE and UNSUBSCRIBE have 0b0010
    for first in [
        0x11, 0x21, 0x42, 0x60, 0x80, 0x83, 0xA0, 0xC1, 0xD8, 0xE2, 0xF1,
    ] {
        assert_eq!(
            malformed(&[first]),
            "reserved flags of the fixed header",
            "{first:02X}"
        );
    }
    // a fifth byte of length can never come
    assert_eq!(
        malformed(&[0xC0, 0x80, 0x80, 0x80, 0x80]),
        "remaining length"
    );
    // TLS and HTTP that lost their way are not MQTT, or announce too much
    assert_eq!(
        malformed(b"\x16\x03\x01\x02\x00\x01"),
        "reserved flags of the fixed header"
    );
    assert_eq!(
        malformed(b"GET / HTTP/1.1\r\n"),
        "reserved flags of the fixed header"
    );
}

/// What must not be accepted: rule, version, bytes, and the error.
#[rustfmt::skip]
const REFUSED: &[(&str, Version, &[u8], DecodeError)] = {
    use DecodeError::{Malformed, Protocol, UnsupportedVersion};
    &[
        // CONNECT
        ("[MQTT-3.1.2-2] MQTT 3.1", V5, b"\x10\x0F\x00\x06MQIsdp\x03\x02\x00\x0A\x00\x01a", UnsupportedVersion { level: 3 }),
        ("[MQTT-3.1.2-2] level 6", V5, b"\x10\x0D\x00\x04MQTT\x06\x02\x00\x0A\x00\x01a", UnsupportedVersion { level: 6 }),
        ("[MQTT-3.1.2-2] a bridge's level 0x84", V5, b"\x10\x0D\x00\x04MQTT\x84\x02\x00\x0A\x00\x01a", UnsupportedVersion { level: 0x84 }),
        ("[MQTT-3.1.2-1] another protocol", V5, b"\x10\x0D\x00\x04AMQP\x04\x02\x00\x0A\x00\x01a", UnsupportedVersion { level: 4 }),
        ("[MQTT-3.1.2-3] reserved flag", V5, b"\x10\x0D\x00\x04MQTT\x04\x03\x00\x0A\x00\x01a", Malformed("reserved connect flag")),
        ("[MQTT-3.1.2-14] will QoS 3", V5, b"\x10\x13\x00\x04MQTT\x04\x1E\x00\x0A\x00\x01a\x00\x01w\x00\x01x", Malformed("will QoS")),
        ("[MQTT-3.1.2-13] will QoS without will", V5, b"\x10\x0D\x00\x04MQTT\x04\x0A\x00\x0A\x00\x01a", Malformed("will flags without a will")),
        ("[MQTT-3.1.2-15] will retain without will", V5, b"\x10\x0D\x00\x04MQTT\x04\x22\x00\x0A\x00\x01a", Malformed("will flags without a will")),
        ("[MQTT-3.1.2-22] password alone in 3.1.1", V5, b"\x10\x10\x00\x04MQTT\x04\x42\x00\x0A\x00\x01a\x00\x01p", Malformed("password without a user name")),
        ("[MQTT-3.1.2-19] user name missing", V5, b"\x10\x0D\x00\x04MQTT\x04\x82\x00\x0A\x00\x01a", Malformed("user name")),
        ("[MQTT-4.7.3-1] will without topic", V5, b"\x10\x12\x00\x04MQTT\x04\x06\x00\x0A\x00\x01a\x00\x00\x00\x01x", Malformed("will topic")),
        ("[MQTT-1.5.3-1] client id is not UTF-8", V5, b"\x10\x0D\x00\x04MQTT\x04\x02\x00\x0A\x00\x01\xFF", Malformed("client identifier")),
        ("bytes after the last field", V5, b"\x10\x0E\x00\x04MQTT\x04\x02\x00\x0A\x00\x01ab", Malformed("bytes after the last field")),
        ("properties missing in 5", V5, b"\x10\x0A\x00\x04MQTT\x05\x02\x00\x0A", Malformed("property length")),
        ("3.1.2.11.10 data without method", V5, b"\x10\x11\x00\x04MQTT\x05\x02\x00\x0A\x03\x16\x00\x00\x00\x01a", Protocol("AuthenticationData without AuthenticationMethod")),
        // CONNACK
        ("[MQTT-3.2.2-1] acknowledge flags", V5, b"\x20\x03\x02\x00\x00", Malformed("connect acknowledge flags")),
        ("[MQTT-3.2.2-4] session present in a refusal", V311, b"\x20\x02\x01\x05", Protocol("session present in a refusal")),
        ("table 3.1: reserved return code", V311, b"\x20\x02\x00\x06", Malformed("return code")),
        // PUBLISH
        ("[MQTT-3.3.1-4] QoS 3", V5, b"\x36\x07\x00\x03a/b\x00\x0A", Malformed("QoS")),
        ("[MQTT-3.3.1-2] DUP with QoS 0", V5, b"\x38\x06\x00\x03a/b\x00", Malformed("DUP with QoS 0")),
        ("[MQTT-2.2.1-3] identifier 0", V5, b"\x32\x08\x00\x03a/b\x00\x00\x00", Protocol("packet identifier is zero")),
        ("[MQTT-4.7.3-1] no topic in 3.1.1", V311, b"\x30\x02\x00\x00", Malformed("topic name")),
        ("3.3.2.1 neither topic nor alias", V5, b"\x30\x03\x00\x00\x00", Protocol("neither topic name nor topic alias")),
        ("[MQTT-3.3.2-8] alias 0", V5, b"\x30\x06\x00\x00\x03\x23\x00\x00", Protocol("TopicAlias is 0")),
        ("[MQTT-4.7.3-2] null in the topic", V5, b"\x30\x04\x00\x01\x00\x00", Malformed("topic name")),
        ("[MQTT-3.3.2-14] wildcard in the response topic", V5, b"\x30\x08\x00\x01a\x04\x08\x00\x01#", Protocol("ResponseTopic is not a topic name")),
        ("a topic that ends after the packet", V5, b"\x30\x04\x00\x09a/", Malformed("topic name")),
        // acknowledgements
        ("[MQTT-2.3.1-1] identifier 0", V311, b"\x40\x02\x00\x00", Protocol("packet identifier is zero")),
        ("a reason code in 3.1.1", V311, b"\x40\x03\x00\x01\x00", Malformed("bytes after the last field")),
        ("half an identifier", V311, b"\x40\x01\x00", Malformed("packet identifier")),
        // SUBSCRIBE, UNSUBSCRIBE
        ("[MQTT-3.8.3-2] no filter", V5, b"\x82\x03\x00\x01\x00", Protocol("SUBSCRIBE without a topic filter")),
        ("[MQTT-3.8.3-3] no filter in 3.1.1", V311, b"\x82\x02\x00\x01", Protocol("SUBSCRIBE without a topic filter")),
        ("[MQTT-3.8.3-4] reserved bits in 3.1.1", V311, b"\x82\x06\x00\x01\x00\x01a\x04", Malformed("reserved subscription options")),
        ("[MQTT-3.8.3-5] reserved bits", V5, b"\x82\x07\x00\x01\x00\x00\x01a\x40", Malformed("reserved subscription options")),
        ("3.8.3.1 QoS 3", V5, b"\x82\x07\x00\x01\x00\x00\x01a\x03", Protocol("requested QoS 3")),
        ("[MQTT-3.8.3-4] QoS 3 in 3.1.1", V311, b"\x82\x06\x00\x01\x00\x01a\x03", Malformed("requested QoS")),
        ("3.8.3.1 retain handling 3", V5, b"\x82\x07\x00\x01\x00\x00\x01a\x30", Protocol("retain handling 3")),
        ("[MQTT-3.8.3-4] no local on a shared subscription", V5, b"\x82\x0F\x00\x01\x00\x00\x09$share/gf\x04", Protocol("no local on a shared subscription")),
        ("a second filter without options", V5, b"\x82\x0A\x00\x01\x00\x00\x01a\x00\x00\x01b", Malformed("subscription options")),
        ("3.8.2.1.2 identifier 0", V5, b"\x82\x09\x00\x01\x02\x0B\x00\x00\x01a\x00", Protocol("SubscriptionIdentifier is 0 or above 268435455")),
        ("3.8.2.1.2 identifier twice", V5, b"\x82\x0B\x00\x01\x04\x0B\x01\x0B\x01\x00\x01a\x00", Protocol("a property that may only be there once")),
        ("[MQTT-3.10.3-2] no filter", V5, b"\xA2\x03\x00\x01\x00", Protocol("UNSUBSCRIBE without a topic filter")),
        // SUBACK, UNSUBACK
        ("[MQTT-3.9.3-2] return code 3", V311, b"\x90\x03\x00\x01\x03", Malformed("return code")),
        ("3.9.3 no code", V5, b"\x90\x03\x00\x01\x00", Protocol("no reason code")),
        ("3.11.3 codes in 3.1.1", V311, b"\xB0\x03\x00\x01\x00", Malformed("bytes after the last field")),
        // the rest
        ("3.12 PINGREQ with a body", V5, b"\xC0\x01\x00", Malformed("bytes after the last field")),
        ("3.14 DISCONNECT of 3.1.1 with a body", V311, b"\xE0\x01\x00", Malformed("bytes after the last field")),
        ("3.15 AUTH in 3.1.1", V311, b"\xF0\x00", Malformed("packet type")),
        ("3.15.2 AUTH with half a body", V5, b"\xF0\x01\x18", Malformed("property length")),
        // properties, wherever they are
        ("2.2.2.2 an unknown property", V5, b"\xE0\x04\x00\x02\x7F\x00", Malformed("property identifier")),
        ("2.2.2.2 a property of another packet", V5, b"\xE0\x05\x00\x03\x23\x00\x01", Protocol("a property that does not belong into this packet")),
        ("2.2.2.2 twice", V5, b"\xE0\x0A\x00\x08\x1F\x00\x01a\x1F\x00\x01b", Protocol("a property that may only be there once")),
        ("2.2.2.1 a property that ends after them", V5, b"\xE0\x07\x00\x03\x1F\x00\x02ab", Malformed("ReasonString")),
        ("2.2.2.1 properties that end after the packet", V5, b"\xE0\x04\x00\x09\x1F\x00", Malformed("property length")),
        ("[MQTT-1.5.5-1] a padded length", V5, b"\xE0\x03\x00\x80\x00", Malformed("property length")),
        ("3.1.2.11.3 receive maximum 0", V5, b"\x20\x06\x00\x00\x03\x21\x00\x00", Protocol("ReceiveMaximum is 0")),
        ("3.1.2.11.4 maximum packet size 0", V5, b"\x20\x08\x00\x00\x05\x27\x00\x00\x00\x00", Protocol("MaximumPacketSize is 0")),
        ("3.2.2.3.4 maximum QoS 2", V5, b"\x20\x05\x00\x00\x02\x24\x02", Protocol("MaximumQoS is above 1")),
        ("3.2.2.3.5 retain available 2", V5, b"\x20\x05\x00\x00\x02\x25\x02", Protocol("RetainAvailable")),
        ("3.3.2.3.2 payload format 2", V5, b"\x30\x06\x00\x01a\x02\x01\x02", Protocol("PayloadFormatIndicator is above 1")),
        ("[MQTT-1.5.4-2] null in a user property", V5, b"\xE0\x08\x00\x06\x26\x00\x00\x00\x01\x00", Malformed("UserProperty")),
    ]
};

#[test]
fn what_the_standard_forbids_is_refused_with_the_field_named() {
    for (rule, version, bytes, error) in REFUSED {
        assert_eq!(decode(*version, bytes), Err(*error), "{rule}");
    }
}

#[test]
fn an_error_knows_its_reason_code_and_reads_well() {
    let said = |error: DecodeError| (error.reason_code().0, error.to_string());
    assert_eq!(
        said(DecodeError::Malformed("topic name")),
        (0x81, "malformed packet: topic name".into())
    );
    assert_eq!(
        said(DecodeError::Protocol("TopicAlias is 0")),
        (0x82, "protocol error: TopicAlias is 0".into())
    );
    assert_eq!(
        said(DecodeError::TooLarge { len: 9, max: 8 }),
        (0x95, "packet of 9 bytes, at most 8 are accepted".into())
    );
    assert_eq!(
        said(DecodeError::UnsupportedVersion { level: 3 }),
        (
            0x84,
            "protocol level 3, expected 4 (MQTT 3.1.1) or 5 (MQTT 5)".into()
        )
    );
}

const ID: PacketId = PacketId::FIRST;

const MESSAGE: Publish<'static> = Publish {
    dup: false,
    qos: QoS::AtMostOnce,
    retain: false,
    topic: "t",
    packet_id: None,
    properties: Properties::EMPTY,
    payload: b"payload",
};

/// Why `packet` cannot be sent; measuring and writing agree on it.
fn refused(version: Version, packet: Packet<'_>) -> String {
    let error = packet.encoded_len(version).expect_err("must not be sent");
    assert_eq!(packet.encode(version, &mut [0; 128]), Err(error));
    error.to_string()
}

fn publish(publish: Publish<'_>) -> Packet<'_> {
    Packet::Publish(publish)
}

fn subscribe<'a>(list: &'a [SubscribeFilter<'a>]) -> Packet<'a> {
    let filters = SubscribeFilters::List(list);
    Packet::Subscribe(Subscribe {
        packet_id: ID,
        properties: Properties::EMPTY,
        filters,
    })
}

#[test]
fn what_cannot_be_expressed_is_refused_before_it_leaves() {
    let properties = Properties::List(&[Property::MessageExpiryInterval(1)]);

    assert_eq!(
        refused(
            V311,
            publish(Publish {
                properties,
                ..MESSAGE
            })
        ),
        "properties exist only in MQTT 5"
    );
    assert_eq!(
        refused(
            V5,
            publish(Publish {
                dup: true,
                ..MESSAGE
            })
        ),
        "a QoS 0 message has no DUP flag"
    );
    assert_eq!(
        refused(
            V5,
            publish(Publish {
                packet_id: Some(ID),
                ..MESSAGE
            })
        ),
        "a QoS 0 message has no packet identifier"
    );
    assert_eq!(
        refused(
            V5,
            publish(Publish {
                qos: QoS::AtLeastOnce,
                ..MESSAGE
            })
        ),
        "a QoS 1 or 2 message needs a packet identifier"
    );
    for version in [V311, V5] {
        assert_eq!(
            refused(
                version,
                publish(Publish {
                    topic: "",
                    ..MESSAGE
                })
            ),
            "a PUBLISH needs a topic name or, in MQTT 5, a topic alias"
        );
    }
    assert_eq!(
        refused(
            V5,
            publish(Publish {
                topic: "a\0",
                ..MESSAGE
            })
        ),
        "text with a null character cannot be sent"
    );
    let long = "x".repeat(65_536);
    assert_eq!(
        refused(
            V5,
            publish(Publish {
                topic: &long,
                ..MESSAGE
            })
        ),
        "`topic name` is longer than MQTT can carry"
    );
    for list in [
        [Property::TopicAlias(0)].as_slice(),
        &[Property::SubscriptionIdentifier(0)],
        &[Property::SubscriptionIdentifier(268_435_456)],
        &[Property::ResponseTopic("a/#")],
        &[Property::PayloadFormatIndicator(2)],
        &[Property::ServerKeepAlive(1)],
        &[Property::TopicAlias(1), Property::TopicAlias(1)],
        &[Property::ContentType(&long)],
    ] {
        refused(
            V5,
            publish(Publish {
                properties: Properties::List(list),
                ..MESSAGE
            }),
        );
    }
    // bytes that no decoder has seen are not trusted
    for bytes in [b"\x02\x00".as_slice(), b"\x7F", b"\x02\x00\x00\x00\x01\x02"] {
        let properties = Properties::Wire(bytes);
        assert_eq!(
            refused(
                V5,
                publish(Publish {
                    properties,
                    ..MESSAGE
                })
            ),
            "damaged properties"
        );
    }

    let reason_code = ReasonCode::NOT_AUTHORIZED;
    let properties = Properties::EMPTY;
    assert_eq!(
        refused(
            V311,
            Packet::PubAck(Ack {
                packet_id: ID,
                reason_code,
                properties
            })
        ),
        "MQTT 3.1.1 has no reason code here"
    );
    assert_eq!(
        refused(
            V311,
            Packet::Disconnect(Disconnect {
                reason_code,
                properties
            })
        ),
        "MQTT 3.1.1 has no reason code here"
    );
    assert_eq!(
        refused(
            V311,
            Packet::Auth(Auth {
                reason_code,
                properties
            })
        ),
        "AUTH exists only in MQTT 5"
    );
    assert_eq!(
        refused(
            V311,
            Packet::ConnAck(ConnAck {
                session_present: false,
                reason_code,
                properties
            })
        ),
        "the return codes of a MQTT 3.1.1 CONNACK end at 5"
    );
    assert_eq!(
        refused(
            V5,
            Packet::ConnAck(ConnAck {
                session_present: true,
                reason_code,
                properties
            })
        ),
        "a refusal has no session present"
    );
    let codes = |reason_codes| SubAck {
        packet_id: ID,
        properties,
        reason_codes,
    };
    assert_eq!(
        refused(V311, Packet::SubAck(codes(&[0x87]))),
        "the return codes of a MQTT 3.1.1 SUBACK are 0, 1, 2 and 128"
    );
    assert_eq!(
        refused(V5, Packet::SubAck(codes(&[]))),
        "a reason code for each topic filter is needed"
    );
    assert_eq!(
        refused(V311, Packet::UnsubAck(codes(&[0]))),
        "a MQTT 3.1.1 UNSUBACK has no reason codes"
    );

    let no_local = |filter| SubscribeFilter {
        no_local: true,
        ..SubscribeFilter::new(filter, QoS::AtMostOnce)
    };
    assert_eq!(
        refused(V5, subscribe(&[])),
        "at least one topic filter is needed"
    );
    assert_eq!(
        refused(V311, subscribe(&[no_local("a")])),
        "subscription options exist only in MQTT 5"
    );
    assert_eq!(
        refused(V5, subscribe(&[no_local("$share/g/a")])),
        "a shared subscription has no `no local`"
    );
    let filters = UnsubscribeFilters::List(&[]);
    assert_eq!(
        refused(
            V5,
            Packet::Unsubscribe(Unsubscribe {
                packet_id: ID,
                properties,
                filters
            })
        ),
        "at least one topic filter is needed"
    );

    let connect = Connect {
        version: V311,
        clean_start: true,
        keep_alive: 0,
        client_id: "",
        will: None,
        user_name: None,
        password: Some(b"p"),
        properties,
    };
    assert_eq!(
        refused(V5, Packet::Connect(connect)),
        "MQTT 3.1.1 has no password without a user name"
    );
    let (qos, retain) = (QoS::AtMostOnce, false);
    let will = Some(Will {
        topic: "",
        payload: b"",
        qos,
        retain,
        properties,
    });
    assert_eq!(
        refused(
            V311,
            Packet::Connect(Connect {
                will,
                password: None,
                ..connect
            })
        ),
        "a will needs a topic name"
    );
}
