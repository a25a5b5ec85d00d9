//! The table of packets: a value and the exact bytes it has on the wire.
//!
//! The bytes are written down from the standards (section numbers in the names; the examples they
//! print are used where there is one), not taken from our encoder. Every packet type, both
//! versions, and all 27 properties occur.

use thingwire_mqtt::Property::*;
use thingwire_mqtt::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use thingwire_mqtt::Version::{V5, V311};
use thingwire_mqtt::{
    Ack, Auth, ConnAck, Connect, Disconnect, Packet, PacketId, Properties, Publish, ReasonCode,
    RetainHandling, SubAck, Subscribe, SubscribeFilter, SubscribeFilters, Unsubscribe,
    UnsubscribeFilters, Version, Will,
};

/// One row.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) version: Version,
    pub(crate) packet: Packet<'static>,
    pub(crate) bytes: &'static [u8],
}

const fn id(number: u16) -> PacketId {
    match PacketId::new(number) {
        Some(id) => id,
        None => panic!("a packet identifier is never zero"),
    }
}

const NONE: Properties<'static> = Properties::EMPTY;

const fn ack(
    number: u16,
    reason_code: ReasonCode,
    properties: Properties<'static>,
) -> Ack<'static> {
    Ack {
        packet_id: id(number),
        reason_code,
        properties,
    }
}

const CONNECT: Connect<'static> = Connect {
    version: V311,
    clean_start: true,
    keep_alive: 10,
    client_id: "a",
    will: None,
    user_name: None,
    password: None,
    properties: NONE,
};

const PUBLISH: Publish<'static> = Publish {
    dup: false,
    qos: AtLeastOnce,
    retain: false,
    topic: "a/b",
    packet_id: Some(id(10)),
    properties: NONE,
    payload: b"",
};

#[rustfmt::skip]
pub(crate) const SAMPLES: &[Sample] = &[
    // MQTT 3.1.1
    Sample {
        name: "3.1.1 CONNECT, the least",
        version: V311,
        packet: Packet::Connect(CONNECT),
        bytes: b"\x10\x0D\x00\x04MQTT\x04\x02\x00\x0A\x00\x01a",
    },
    Sample {
        name: "3.1.1 CONNECT with an empty client id and clean session 0 (B-12)",
        version: V311,
        packet: Packet::Connect(Connect { clean_start: false, client_id: "", keep_alive: 0, ..CONNECT }),
        bytes: b"\x10\x0C\x00\x04MQTT\x04\x00\x00\x00\x00\x00",
    },
    Sample {
        name: "3.1.1 CONNECT, the standard's example: flags 0xCE, keep alive 10",
        version: V311,
        packet: Packet::Connect(Connect {
            will: Some(Will { topic: "w/t", payload: b"gone", qos: AtLeastOnce, retain: false, properties: NONE }),
            user_name: Some("user"),
            password: Some(b"\x00\xFF"),
            ..CONNECT
        }),
        bytes: b"\x10\x22\x00\x04MQTT\x04\xCE\x00\x0A\x00\x01a\x00\x03w/t\x00\x04gone\x00\x04user\x00\x02\x00\xFF",
    },
    Sample {
        name: "3.1.1 CONNECT with a retained QoS 2 will of no bytes and an empty user name",
        version: V311,
        packet: Packet::Connect(Connect {
            will: Some(Will { topic: "w", payload: b"", qos: ExactlyOnce, retain: true, properties: NONE }),
            user_name: Some(""),
            ..CONNECT
        }),
        bytes: b"\x10\x14\x00\x04MQTT\x04\xB6\x00\x0A\x00\x01a\x00\x01w\x00\x00\x00\x00",
    },
    Sample {
        name: "3.1.1 CONNACK accepted, session present",
        version: V311,
        packet: Packet::ConnAck(ConnAck { session_present: true, reason_code: ReasonCode::SUCCESS, properties: NONE }),
        bytes: b"\x20\x02\x01\x00",
    },
    Sample {
        name: "3.1.1 CONNACK not authorized",
        version: V311,
        packet: Packet::ConnAck(ConnAck {
            session_present: false, reason_code: ReasonCode::V311_NOT_AUTHORIZED, properties: NONE,
        }),
        bytes: b"\x20\x02\x00\x05",
    },
    Sample {
        name: "3.1.1 PUBLISH, the standard's example: a/b, identifier 10",
        version: V311,
        packet: Packet::Publish(PUBLISH),
        bytes: b"\x32\x07\x00\x03a/b\x00\x0A",
    },
    Sample {
        name: "3.1.1 PUBLISH QoS 0 retained with payload",
        version: V311,
        packet: Packet::Publish(Publish { qos: AtMostOnce, packet_id: None, retain: true, payload: b"\x00hi", ..PUBLISH }),
        bytes: b"\x31\x08\x00\x03a/b\x00hi",
    },
    Sample {
        name: "3.1.1 PUBLISH QoS 2 again, on a topic with an empty level",
        version: V311,
        packet: Packet::Publish(Publish { dup: true, qos: ExactlyOnce, topic: "/", packet_id: Some(id(65_535)), ..PUBLISH }),
        bytes: b"\x3C\x05\x00\x01/\xFF\xFF",
    },
    Sample {
        name: "3.1.1 PUBLISH to a wildcard, which the broker answers (B-43)",
        version: V311,
        packet: Packet::Publish(Publish { qos: AtMostOnce, packet_id: None, topic: "#", ..PUBLISH }),
        bytes: b"\x30\x03\x00\x01#",
    },
    Sample { name: "3.1.1 PUBACK", version: V311, packet: Packet::PubAck(ack(258, ReasonCode::SUCCESS, NONE)), bytes: b"\x40\x02\x01\x02" },
    Sample { name: "3.1.1 PUBREC", version: V311, packet: Packet::PubRec(ack(1, ReasonCode::SUCCESS, NONE)), bytes: b"\x50\x02\x00\x01" },
    Sample { name: "3.1.1 PUBREL", version: V311, packet: Packet::PubRel(ack(1, ReasonCode::SUCCESS, NONE)), bytes: b"\x62\x02\x00\x01" },
    Sample { name: "3.1.1 PUBCOMP", version: V311, packet: Packet::PubComp(ack(1, ReasonCode::SUCCESS, NONE)), bytes: b"\x70\x02\x00\x01" },
    Sample {
        name: "3.1.1 SUBSCRIBE, the standard's example: a/b at 1, c/d at 2",
        version: V311,
        packet: Packet::Subscribe(Subscribe {
            packet_id: id(10),
            properties: NONE,
            filters: SubscribeFilters::List(&[
                SubscribeFilter::new("a/b", AtLeastOnce), SubscribeFilter::new("c/d", ExactlyOnce),
            ]),
        }),
        bytes: b"\x82\x0E\x00\x0A\x00\x03a/b\x01\x00\x03c/d\x02",
    },
    Sample {
        name: "3.1.1 SUBACK, the standard's example: QoS 0, QoS 2, failure",
        version: V311,
        packet: Packet::SubAck(SubAck { packet_id: id(10), properties: NONE, reason_codes: &[0, 2, 0x80] }),
        bytes: b"\x90\x05\x00\x0A\x00\x02\x80",
    },
    Sample {
        name: "3.1.1 UNSUBSCRIBE, the standard's example: a/b, c/d",
        version: V311,
        packet: Packet::Unsubscribe(Unsubscribe {
            packet_id: id(10), properties: NONE, filters: UnsubscribeFilters::List(&["a/b", "c/d"]),
        }),
        bytes: b"\xA2\x0C\x00\x0A\x00\x03a/b\x00\x03c/d",
    },
    Sample {
        name: "3.1.1 UNSUBACK",
        version: V311,
        packet: Packet::UnsubAck(SubAck { packet_id: id(10), properties: NONE, reason_codes: &[] }),
        bytes: b"\xB0\x02\x00\x0A",
    },
    Sample { name: "3.1.1 PINGREQ", version: V311, packet: Packet::PingReq, bytes: b"\xC0\x00" },
    Sample { name: "3.1.1 PINGRESP", version: V311, packet: Packet::PingResp, bytes: b"\xD0\x00" },
    Sample {
        name: "3.1.1 DISCONNECT",
        version: V311,
        packet: Packet::Disconnect(Disconnect { reason_code: ReasonCode::SUCCESS, properties: NONE }),
        bytes: b"\xE0\x00",
    },
    // MQTT 5
    Sample {
        name: "5 CONNECT, the least, with a password alone",
        version: V5,
        packet: Packet::Connect(Connect { version: V5, password: Some(b"p"), ..CONNECT }),
        bytes: b"\x10\x11\x00\x04MQTT\x05\x42\x00\x0A\x00\x00\x01a\x00\x01p",
    },
    Sample {
        name: "5 CONNECT with every property it may have",
        version: V5,
        packet: Packet::Connect(Connect {
            version: V5,
            properties: Properties::List(&[
                SessionExpiryInterval(10),
                ReceiveMaximum(65_535),
                MaximumPacketSize(149_504),
                TopicAliasMaximum(8),
                RequestResponseInformation(true),
                RequestProblemInformation(false),
                UserProperty("k", "v"),
                UserProperty("k", "w"),
                AuthenticationMethod("m"),
                AuthenticationData(b"\x01\x02"),
            ]),
            ..CONNECT
        }),
        bytes: b"\x10\x39\x00\x04MQTT\x05\x02\x00\x0A\x2B\
            \x11\x00\x00\x00\x0A\
            \x21\xFF\xFF\
            \x27\x00\x02\x48\x00\
            \x22\x00\x08\
            \x19\x01\
            \x17\x00\
            \x26\x00\x01k\x00\x01v\
            \x26\x00\x01k\x00\x01w\
            \x15\x00\x01m\
            \x16\x00\x02\x01\x02\
            \x00\x01a",
    },
    Sample {
        name: "5 CONNECT whose will has every property it may have",
        version: V5,
        packet: Packet::Connect(Connect {
            version: V5,
            will: Some(Will {
                topic: "w", payload: b"x", qos: AtMostOnce, retain: true,
                properties: Properties::List(&[
                    WillDelayInterval(5),
                    PayloadFormatIndicator(1),
                    MessageExpiryInterval(60),
                    ContentType("t"),
                    ResponseTopic("r/s"),
                    CorrelationData(b"\xC0"),
                    UserProperty("", ""),
                ]),
            }),
            ..CONNECT
        }),
        bytes: b"\x10\x34\x00\x04MQTT\x05\x26\x00\x0A\x00\x00\x01a\x1F\
            \x18\x00\x00\x00\x05\
            \x01\x01\
            \x02\x00\x00\x00\x3C\
            \x03\x00\x01t\
            \x08\x00\x03r/s\
            \x09\x00\x01\xC0\
            \x26\x00\x00\x00\x00\
            \x00\x01w\x00\x01x",
    },
    Sample {
        name: "5 CONNACK, the least",
        version: V5,
        packet: Packet::ConnAck(ConnAck { session_present: false, reason_code: ReasonCode::NOT_AUTHORIZED, properties: NONE }),
        bytes: b"\x20\x03\x00\x87\x00",
    },
    Sample {
        name: "5 CONNACK with every property it may have",
        version: V5,
        packet: Packet::ConnAck(ConnAck {
            session_present: true,
            reason_code: ReasonCode::SUCCESS,
            properties: Properties::List(&[
                SessionExpiryInterval(u32::MAX),
                ReceiveMaximum(100),
                MaximumQoS(1),
                RetainAvailable(true),
                MaximumPacketSize(149_504),
                AssignedClientIdentifier("$GEN/1"),
                TopicAliasMaximum(8),
                ReasonString("ok"),
                UserProperty("k", "v"),
                WildcardSubscriptionAvailable(true),
                SubscriptionIdentifierAvailable(false),
                SharedSubscriptionAvailable(true),
                ServerKeepAlive(1200),
                ResponseInformation("i"),
                ServerReference("s"),
                AuthenticationMethod("m"),
                AuthenticationData(b""),
            ]),
        }),
        bytes: b"\x20\x44\x01\x00\x41\
            \x11\xFF\xFF\xFF\xFF\
            \x21\x00\x64\
            \x24\x01\
            \x25\x01\
            \x27\x00\x02\x48\x00\
            \x12\x00\x06$GEN/1\
            \x22\x00\x08\
            \x1F\x00\x02ok\
            \x26\x00\x01k\x00\x01v\
            \x28\x01\
            \x29\x00\
            \x2A\x01\
            \x13\x04\xB0\
            \x1A\x00\x01i\
            \x1C\x00\x01s\
            \x15\x00\x01m\
            \x16\x00\x00",
    },
    Sample {
        name: "5 PUBLISH, the least",
        version: V5,
        packet: Packet::Publish(Publish { payload: b"x", ..PUBLISH }),
        bytes: b"\x32\x09\x00\x03a/b\x00\x0A\x00x",
    },
    Sample {
        name: "5 PUBLISH with every property it may have and only an alias for its topic",
        version: V5,
        packet: Packet::Publish(Publish {
            topic: "",
            properties: Properties::List(&[
                PayloadFormatIndicator(0),
                MessageExpiryInterval(0),
                TopicAlias(8),
                ResponseTopic("r"),
                CorrelationData(b""),
                UserProperty("k", "v"),
                SubscriptionIdentifier(1),
                SubscriptionIdentifier(268_435_455),
                ContentType("text/plain"),
            ]),
            ..PUBLISH
        }),
        bytes: b"\x32\x31\x00\x00\x00\x0A\x2C\
            \x01\x00\
            \x02\x00\x00\x00\x00\
            \x23\x00\x08\
            \x08\x00\x01r\
            \x09\x00\x00\
            \x26\x00\x01k\x00\x01v\
            \x0B\x01\
            \x0B\xFF\xFF\xFF\x7F\
            \x03\x00\x0Atext/plain",
    },
    Sample { name: "5 PUBACK, the least", version: V5, packet: Packet::PubAck(ack(1, ReasonCode::SUCCESS, NONE)), bytes: b"\x40\x02\x00\x01" },
    Sample {
        name: "5 PUBACK with a reason code alone",
        version: V5,
        packet: Packet::PubAck(ack(1, ReasonCode::NO_MATCHING_SUBSCRIBERS, NONE)),
        bytes: b"\x40\x03\x00\x01\x10",
    },
    Sample {
        name: "5 PUBACK with a reason string",
        version: V5,
        packet: Packet::PubAck(ack(1, ReasonCode::NOT_AUTHORIZED, Properties::List(&[ReasonString("no"), UserProperty("a", "b")]))),
        bytes: b"\x40\x10\x00\x01\x87\x0C\x1F\x00\x02no\x26\x00\x01a\x00\x01b",
    },
    Sample { name: "5 PUBREC", version: V5, packet: Packet::PubRec(ack(2, ReasonCode::QUOTA_EXCEEDED, NONE)), bytes: b"\x50\x03\x00\x02\x97" },
    Sample { name: "5 PUBREL", version: V5, packet: Packet::PubRel(ack(2, ReasonCode::PACKET_IDENTIFIER_NOT_FOUND, NONE)), bytes: b"\x62\x03\x00\x02\x92" },
    Sample { name: "5 PUBCOMP", version: V5, packet: Packet::PubComp(ack(2, ReasonCode::SUCCESS, NONE)), bytes: b"\x70\x02\x00\x02" },
    Sample {
        name: "5 SUBSCRIBE with an identifier and every option",
        version: V5,
        packet: Packet::Subscribe(Subscribe {
            packet_id: id(10),
            properties: Properties::List(&[SubscriptionIdentifier(128), UserProperty("k", "v")]),
            filters: SubscribeFilters::List(&[
                SubscribeFilter::new("a/b", AtLeastOnce),
                SubscribeFilter { no_local: true, ..SubscribeFilter::new("c/d", ExactlyOnce) },
                SubscribeFilter { retain_as_published: true, ..SubscribeFilter::new("#", AtMostOnce) },
                SubscribeFilter { retain_handling: RetainHandling::SendIfNew, ..SubscribeFilter::new("+", AtMostOnce) },
                SubscribeFilter { retain_handling: RetainHandling::DoNotSend, ..SubscribeFilter::new("$share/g/f", AtMostOnce) },
            ]),
        }),
        bytes: b"\x82\x2E\x00\x0A\x0A\
            \x0B\x80\x01\x26\x00\x01k\x00\x01v\
            \x00\x03a/b\x01\
            \x00\x03c/d\x06\
            \x00\x01#\x08\
            \x00\x01+\x10\
            \x00\x0A$share/g/f\x20",
    },
    Sample {
        name: "5 SUBACK",
        version: V5,
        packet: Packet::SubAck(SubAck {
            packet_id: id(10), properties: Properties::List(&[ReasonString("s")]), reason_codes: &[0, 1, 0x87, 0x8F],
        }),
        bytes: b"\x90\x0B\x00\x0A\x04\x1F\x00\x01s\x00\x01\x87\x8F",
    },
    Sample {
        name: "5 UNSUBSCRIBE",
        version: V5,
        packet: Packet::Unsubscribe(Unsubscribe {
            packet_id: id(10),
            properties: Properties::List(&[UserProperty("k", "v")]),
            filters: UnsubscribeFilters::List(&["a/b", "c/d"]),
        }),
        bytes: b"\xA2\x14\x00\x0A\x07\x26\x00\x01k\x00\x01v\x00\x03a/b\x00\x03c/d",
    },
    Sample {
        name: "5 UNSUBACK",
        version: V5,
        packet: Packet::UnsubAck(SubAck { packet_id: id(10), properties: NONE, reason_codes: &[0, 17] }),
        bytes: b"\xB0\x05\x00\x0A\x00\x00\x11",
    },
    Sample { name: "5 PINGREQ", version: V5, packet: Packet::PingReq, bytes: b"\xC0\x00" },
    Sample { name: "5 PINGRESP", version: V5, packet: Packet::PingResp, bytes: b"\xD0\x00" },
    Sample {
        name: "5 DISCONNECT, the least",
        version: V5,
        packet: Packet::Disconnect(Disconnect { reason_code: ReasonCode::SUCCESS, properties: NONE }),
        bytes: b"\xE0\x00",
    },
    Sample {
        name: "5 DISCONNECT, taken over (B-14)",
        version: V5,
        packet: Packet::Disconnect(Disconnect { reason_code: ReasonCode::SESSION_TAKEN_OVER, properties: NONE }),
        bytes: b"\xE0\x01\x8E",
    },
    Sample {
        name: "5 DISCONNECT with every property it may have",
        version: V5,
        packet: Packet::Disconnect(Disconnect {
            reason_code: ReasonCode::SUCCESS,
            properties: Properties::List(&[
                SessionExpiryInterval(0), ReasonString("bye"), UserProperty("k", "v"), ServerReference("s"),
            ]),
        }),
        bytes: b"\xE0\x18\x00\x16\x11\x00\x00\x00\x00\x1F\x00\x03bye\x26\x00\x01k\x00\x01v\x1C\x00\x01s",
    },
    Sample {
        name: "5 AUTH, the least",
        version: V5,
        packet: Packet::Auth(Auth { reason_code: ReasonCode::SUCCESS, properties: NONE }),
        bytes: b"\xF0\x00",
    },
    Sample {
        name: "5 AUTH continue",
        version: V5,
        packet: Packet::Auth(Auth {
            reason_code: ReasonCode(0x18),
            properties: Properties::List(&[
                AuthenticationMethod("GS2"), AuthenticationData(b"c"), ReasonString("r"), UserProperty("k", "v"),
            ]),
        }),
        bytes: b"\xF0\x17\x18\x15\x15\x00\x03GS2\x16\x00\x01c\x1F\x00\x01r\x26\x00\x01k\x00\x01v",
    },
];

/// Forms that a decoder must understand and our encoder never writes, with what they mean.
pub(crate) const OTHER_FORMS: &[Sample] = &[
    Sample {
        name: "5 PUBACK, success spelled out (3.4.2.1)",
        version: V5,
        packet: Packet::PubAck(ack(1, ReasonCode::SUCCESS, NONE)),
        bytes: b"\x40\x03\x00\x01\x00",
    },
    Sample {
        name: "5 PUBACK, no properties spelled out (3.4.2.2.1)",
        version: V5,
        packet: Packet::PubAck(ack(1, ReasonCode::SUCCESS, NONE)),
        bytes: b"\x40\x04\x00\x01\x00\x00",
    },
    Sample {
        name: "5 DISCONNECT, all spelled out (3.14.2.2.1)",
        version: V5,
        packet: Packet::Disconnect(Disconnect {
            reason_code: ReasonCode::DISCONNECT_WITH_WILL,
            properties: NONE,
        }),
        bytes: b"\xE0\x02\x04\x00",
    },
    Sample {
        name: "5 AUTH, all spelled out",
        version: V5,
        packet: Packet::Auth(Auth {
            reason_code: ReasonCode::SUCCESS,
            properties: NONE,
        }),
        bytes: b"\xF0\x02\x00\x00",
    },
    Sample {
        name: "3.1.1 PINGREQ with a padded remaining length",
        version: V311,
        packet: Packet::PingReq,
        bytes: b"\xC0\x80\x80\x00",
    },
];
