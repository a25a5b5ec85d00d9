//! The packets that the traces send, and received ones as lines.

use thingwire_mqtt::{
    Ack, Connect, Disconnect, Packet, PacketId, Properties, Property, Publish, QoS, ReasonCode,
    Subscribe, SubscribeFilter, SubscribeFilters, Unsubscribe, UnsubscribeFilters, Version, Will,
};

pub(in crate::core) const Q0: QoS = QoS::AtMostOnce;
pub(in crate::core) const Q1: QoS = QoS::AtLeastOnce;
pub(in crate::core) const Q2: QoS = QoS::ExactlyOnce;

pub(in crate::core) fn clean(version: Version, client_id: &str) -> Connect<'_> {
    Connect {
        version,
        clean_start: true,
        keep_alive: 1200,
        client_id,
        will: None,
        user_name: None,
        password: None,
        properties: Properties::EMPTY,
    }
}

/// A CONNECT that keeps its session for an hour, in each version's way.
pub(in crate::core) fn keeping(version: Version, client_id: &str) -> Connect<'_> {
    const HOUR: &[Property<'_>] = &[Property::SessionExpiryInterval(3600)];
    let properties = match version {
        Version::V311 => Properties::EMPTY,
        Version::V5 => Properties::List(HOUR),
    };
    Connect {
        clean_start: false,
        properties,
        ..clean(version, client_id)
    }
}

pub(in crate::core) fn with_will<'a>(
    connect: Connect<'a>,
    topic: &'a str,
    qos: QoS,
    retain: bool,
) -> Connect<'a> {
    let properties = Properties::EMPTY;
    Connect {
        will: Some(Will {
            topic,
            payload: b"gone",
            qos,
            retain,
            properties,
        }),
        ..connect
    }
}

pub(in crate::core) fn message<'a>(topic: &'a str, payload: &'a str) -> Publish<'a> {
    Publish {
        dup: false,
        qos: Q0,
        retain: false,
        topic,
        packet_id: None,
        properties: Properties::EMPTY,
        payload: payload.as_bytes(),
    }
}

pub(in crate::core) fn retained<'a>(topic: &'a str, payload: &'a str) -> Packet<'a> {
    Packet::Publish(Publish {
        retain: true,
        ..message(topic, payload)
    })
}

pub(in crate::core) fn puback(id: u16) -> Packet<'static> {
    Packet::PubAck(Ack {
        packet_id: PacketId::new(id).expect("not zero"),
        reason_code: ReasonCode::SUCCESS,
        properties: Properties::EMPTY,
    })
}

pub(in crate::core) fn subscribe<'a>(filters: &'a [SubscribeFilter<'a>]) -> Packet<'a> {
    Packet::Subscribe(Subscribe {
        packet_id: PacketId::FIRST,
        properties: Properties::EMPTY,
        filters: SubscribeFilters::List(filters),
    })
}

pub(in crate::core) fn unsubscribe<'a>(filters: &'a [&'a str]) -> Packet<'a> {
    Packet::Unsubscribe(Unsubscribe {
        packet_id: PacketId::FIRST,
        properties: Properties::EMPTY,
        filters: UnsubscribeFilters::List(filters),
    })
}

pub(in crate::core) fn goodbye(reason_code: ReasonCode) -> Packet<'static> {
    Packet::Disconnect(Disconnect {
        reason_code,
        properties: Properties::EMPTY,
    })
}

/// A packet as one line: name, what identifies it, codes in hexadecimal, flags, properties that matter.
pub(in crate::core) fn render(packet: &Packet<'_>) -> String {
    let properties = |list: &Properties<'_>| -> String {
        list.iter()
            .map(|property| format!(" {property:?}"))
            .collect()
    };
    match packet {
        Packet::ConnAck(ack) => format!(
            "CONNACK {:02x}{}{}",
            ack.reason_code.0,
            if ack.session_present { " present" } else { "" },
            properties(&ack.properties)
        ),
        Packet::Publish(publish) => format!(
            "PUBLISH{}{}{} {} {}{}",
            publish
                .packet_id
                .map_or(String::new(), |id| format!(" #{}", id.get())),
            if publish.retain { " retained" } else { "" },
            if publish.dup { " dup" } else { "" },
            publish.topic,
            String::from_utf8_lossy(publish.payload),
            properties(&publish.properties)
        ),
        Packet::PubAck(ack) => format!(
            "PUBACK #{} {:02x}{}",
            ack.packet_id.get(),
            ack.reason_code.0,
            properties(&ack.properties)
        ),
        Packet::PubRec(ack) if ack.reason_code.is_failure() => {
            format!("PUBREC {:02x}", ack.reason_code.0)
        }
        Packet::SubAck(ack) | Packet::UnsubAck(ack) => format!(
            "{} {:02x?}{}",
            if matches!(packet, Packet::SubAck(_)) {
                "SUBACK"
            } else {
                "UNSUBACK"
            },
            ack.reason_codes,
            properties(&ack.properties)
        ),
        Packet::Disconnect(disconnect) => {
            format!(
                "DISCONNECT {:02x}{}",
                disconnect.reason_code.0,
                properties(&disconnect.properties)
            )
        }
        other => format!("{:?}", other.packet_type()).to_uppercase(),
    }
}

/// The lines without properties.
pub(in crate::core) fn codes(lines: &[String]) -> Vec<String> {
    lines
        .iter()
        .map(|line| {
            let mut words = line.split(' ').take_while(|word| !word.contains('('));
            let first = words.next().unwrap_or_default().to_owned();
            words.fold(first, |line, word| line + " " + word)
        })
        .collect()
}
