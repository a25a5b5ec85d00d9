//! Writes packets (3.1–3.15).
//!
//! One walk over the packet serves twice: to measure it, with a writer that has no room, and to
//! write it. What our own decoder would refuse is refused here with [`EncodeError`]: a packet that
//! leaves is a packet that arrives.

use crate::filters::{is_no_local_on_shared, subscription_options};
use crate::property::rules::{Place, write as properties};
use crate::wire::{VARIABLE_INTEGER_MAX, Writer, variable_integer_len};
use crate::{
    Ack, Auth, ConnAck, Connect, Disconnect, EncodeError, Packet, PacketType, Properties, Publish,
    QoS, ReasonCode, SubAck, Subscribe, Unsubscribe, Version, Will,
};
use EncodeError::NotAllowed;

pub(crate) fn encoded_len(version: Version, packet: &Packet<'_>) -> Result<usize, EncodeError> {
    packet_len(remaining_len(version, packet)?)
}

pub(crate) fn packet(
    version: Version,
    packet: &Packet<'_>,
    buf: &mut [u8],
) -> Result<usize, EncodeError> {
    let remaining = remaining_len(version, packet)?;
    let mut writer = start(
        packet.packet_type(),
        flags(packet),
        remaining,
        remaining,
        buf,
    )?;
    body(version, packet, &mut writer)?;
    Ok(writer.len())
}

/// Everything of a PUBLISH but its payload, which the remaining length already counts.
pub(crate) fn publish_head(
    version: Version,
    publish: &Publish<'_>,
    buf: &mut [u8],
) -> Result<usize, EncodeError> {
    let mut measure = Writer::counting();
    publish_variable_header(version, publish, &mut measure)?;
    let remaining = measure.len().saturating_add(publish.payload.len());
    let mut writer = start(
        PacketType::Publish,
        publish_flags(publish),
        remaining,
        measure.len(),
        buf,
    )?;
    publish_variable_header(version, publish, &mut writer)?;
    Ok(writer.len())
}

fn remaining_len(version: Version, packet: &Packet<'_>) -> Result<usize, EncodeError> {
    let mut measure = Writer::counting();
    body(version, packet, &mut measure)?;
    Ok(measure.len())
}

/// The length with the fixed header of a packet that has `remaining` bytes after it.
fn packet_len(remaining: usize) -> Result<usize, EncodeError> {
    match u32::try_from(remaining) {
        Ok(len) if len <= VARIABLE_INTEGER_MAX => Ok(remaining
            .saturating_add(variable_integer_len(len))
            .saturating_add(1)),
        _ => Err(EncodeError::FieldTooLong("packet")),
    }
}

/// Writes the fixed header if `buf` has room for it and the `body_len` bytes of the body that will
/// follow.
fn start<'b>(
    packet_type: PacketType,
    flags: u8,
    remaining: usize,
    body_len: usize,
    buf: &'b mut [u8],
) -> Result<Writer<'b>, EncodeError> {
    let needed = packet_len(remaining)?.saturating_sub(remaining.saturating_sub(body_len));
    if buf.len() < needed {
        return Err(EncodeError::BufferTooSmall { needed });
    }
    let mut writer = Writer::new(buf);
    writer.u8((packet_type as u8) << 4 | flags);
    writer.variable_integer(remaining, "packet")?;
    Ok(writer)
}

fn flags(packet: &Packet<'_>) -> u8 {
    match packet {
        Packet::Publish(publish) => publish_flags(publish),
        other => other.packet_type().reserved_flags().unwrap_or(0),
    }
}

fn publish_flags(publish: &Publish<'_>) -> u8 {
    u8::from(publish.dup) << 3 | publish.qos.bits() << 1 | u8::from(publish.retain)
}

fn body(version: Version, packet: &Packet<'_>, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
    match packet {
        Packet::Connect(connect) => self::connect(connect, writer),
        Packet::ConnAck(conn_ack) => self::conn_ack(version, conn_ack, writer),
        Packet::Publish(publish) => {
            publish_variable_header(version, publish, writer)?;
            writer.bytes(publish.payload);
            Ok(())
        }
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            self::ack(version, ack, writer)
        }
        Packet::Subscribe(subscribe) => self::subscribe(version, subscribe, writer),
        Packet::SubAck(sub_ack) => self::sub_ack(version, sub_ack, writer),
        Packet::Unsubscribe(unsubscribe) => self::unsubscribe(version, unsubscribe, writer),
        Packet::UnsubAck(unsub_ack) => self::unsub_ack(version, unsub_ack, writer),
        Packet::PingReq | Packet::PingResp => Ok(()),
        Packet::Disconnect(disconnect) => self::disconnect(version, disconnect, writer),
        Packet::Auth(auth) => self::auth(version, auth, writer),
    }
}

fn connect(connect: &Connect<'_>, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
    let version = connect.version;
    // [MQTT-3.1.2-22]
    if version == Version::V311 && connect.password.is_some() && connect.user_name.is_none() {
        return Err(NotAllowed("MQTT 3.1.1 has no password without a user name"));
    }
    writer.text("MQTT", "protocol name")?;
    writer.u8(version.level());
    let will_flags = connect.will.map_or(0, |will| {
        0x04 | will.qos.bits() << 3 | u8::from(will.retain) << 5
    });
    writer.u8(u8::from(connect.clean_start) << 1
        | will_flags
        | u8::from(connect.password.is_some()) << 6
        | u8::from(connect.user_name.is_some()) << 7);
    writer.u16(connect.keep_alive);
    properties(version, Place::Connect, &connect.properties, writer)?;
    writer.text(connect.client_id, "client identifier")?;
    if let Some(will) = &connect.will {
        self::will(version, will, writer)?;
    }
    if let Some(user_name) = connect.user_name {
        writer.text(user_name, "user name")?;
    }
    if let Some(password) = connect.password {
        writer.binary(password, "password")?;
    }
    Ok(())
}

fn will(version: Version, will: &Will<'_>, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
    if will.topic.is_empty() {
        return Err(NotAllowed("a will needs a topic name"));
    }
    properties(version, Place::Will, &will.properties, writer)?;
    writer.text(will.topic, "will topic")?;
    writer.binary(will.payload, "will payload")
}

fn conn_ack(
    version: Version,
    conn_ack: &ConnAck<'_>,
    writer: &mut Writer<'_>,
) -> Result<(), EncodeError> {
    if version == Version::V311 && conn_ack.reason_code > ReasonCode::V311_NOT_AUTHORIZED {
        return Err(NotAllowed(
            "the return codes of a MQTT 3.1.1 CONNACK end at 5",
        ));
    }
    if conn_ack.session_present && conn_ack.reason_code != ReasonCode::SUCCESS {
        return Err(NotAllowed("a refusal has no session present"));
    }
    writer.u8(u8::from(conn_ack.session_present));
    writer.u8(conn_ack.reason_code.0);
    properties(version, Place::ConnAck, &conn_ack.properties, writer)
}

fn publish_variable_header(
    version: Version,
    publish: &Publish<'_>,
    writer: &mut Writer<'_>,
) -> Result<(), EncodeError> {
    if publish.dup && publish.qos == QoS::AtMostOnce {
        return Err(NotAllowed("a QoS 0 message has no DUP flag"));
    }
    if publish.topic.is_empty()
        && (version == Version::V311 || !publish.properties.has_topic_alias())
    {
        return Err(NotAllowed(
            "a PUBLISH needs a topic name or, in MQTT 5, a topic alias",
        ));
    }
    writer.text(publish.topic, "topic name")?;
    match (publish.qos, publish.packet_id) {
        (QoS::AtMostOnce, None) => {}
        (QoS::AtLeastOnce | QoS::ExactlyOnce, Some(packet_id)) => writer.u16(packet_id.get()),
        // [MQTT-2.3.1-5] (MQTT 5: [MQTT-2.2.1-2])
        (QoS::AtMostOnce, Some(_)) => {
            return Err(NotAllowed("a QoS 0 message has no packet identifier"));
        }
        (_, None) => return Err(NotAllowed("a QoS 1 or 2 message needs a packet identifier")),
    }
    properties(version, Place::Publish, &publish.properties, writer)
}

fn ack(version: Version, ack: &Ack<'_>, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
    writer.u16(ack.packet_id.get());
    short_tail(
        version,
        Place::Acknowledgement,
        ack.reason_code,
        &ack.properties,
        writer,
    )
}

/// The end of an acknowledgement or DISCONNECT in its shortest form.
fn short_tail(
    version: Version,
    place: Place,
    reason_code: ReasonCode,
    list: &Properties<'_>,
    writer: &mut Writer<'_>,
) -> Result<(), EncodeError> {
    if version == Version::V311 {
        if reason_code != ReasonCode::SUCCESS {
            return Err(NotAllowed("MQTT 3.1.1 has no reason code here"));
        }
        return properties(version, place, list, writer);
    }
    if list.is_empty() && reason_code == ReasonCode::SUCCESS {
        return Ok(());
    }
    writer.u8(reason_code.0);
    if list.is_empty() {
        return Ok(());
    }
    properties(version, place, list, writer)
}

fn subscribe(
    version: Version,
    subscribe: &Subscribe<'_>,
    writer: &mut Writer<'_>,
) -> Result<(), EncodeError> {
    writer.u16(subscribe.packet_id.get());
    properties(version, Place::Subscribe, &subscribe.properties, writer)?;
    let mut is_empty = true;
    for filter in &subscribe.filters {
        let options = subscription_options(&filter);
        if version == Version::V311 && options != filter.qos.bits() {
            return Err(NotAllowed("subscription options exist only in MQTT 5"));
        }
        if is_no_local_on_shared(&filter) {
            return Err(NotAllowed("a shared subscription has no `no local`"));
        }
        writer.text(filter.filter, "topic filter")?;
        writer.u8(options);
        is_empty = false;
    }
    at_least_one_filter(is_empty)
}

fn unsubscribe(
    version: Version,
    unsubscribe: &Unsubscribe<'_>,
    writer: &mut Writer<'_>,
) -> Result<(), EncodeError> {
    writer.u16(unsubscribe.packet_id.get());
    properties(version, Place::Unsubscribe, &unsubscribe.properties, writer)?;
    let mut is_empty = true;
    for filter in &unsubscribe.filters {
        writer.text(filter, "topic filter")?;
        is_empty = false;
    }
    at_least_one_filter(is_empty)
}

/// `[MQTT-3.8.3-2]` `[MQTT-3.10.3-2]`
const fn at_least_one_filter(is_empty: bool) -> Result<(), EncodeError> {
    if is_empty {
        Err(NotAllowed("at least one topic filter is needed"))
    } else {
        Ok(())
    }
}

fn sub_ack(
    version: Version,
    sub_ack: &SubAck<'_>,
    writer: &mut Writer<'_>,
) -> Result<(), EncodeError> {
    if version == Version::V311
        && !sub_ack
            .reason_codes
            .iter()
            .all(|code| matches!(code, 0..=2 | 0x80))
    {
        return Err(NotAllowed(
            "the return codes of a MQTT 3.1.1 SUBACK are 0, 1, 2 and 128",
        ));
    }
    reason_codes(version, sub_ack, writer)
}

fn unsub_ack(
    version: Version,
    unsub_ack: &SubAck<'_>,
    writer: &mut Writer<'_>,
) -> Result<(), EncodeError> {
    if version == Version::V5 {
        return reason_codes(version, unsub_ack, writer);
    }
    if !unsub_ack.reason_codes.is_empty() {
        return Err(NotAllowed("a MQTT 3.1.1 UNSUBACK has no reason codes"));
    }
    writer.u16(unsub_ack.packet_id.get());
    properties(
        version,
        Place::Acknowledgement,
        &unsub_ack.properties,
        writer,
    )
}

fn reason_codes(
    version: Version,
    sub_ack: &SubAck<'_>,
    writer: &mut Writer<'_>,
) -> Result<(), EncodeError> {
    if sub_ack.reason_codes.is_empty() {
        return Err(NotAllowed("a reason code for each topic filter is needed"));
    }
    writer.u16(sub_ack.packet_id.get());
    properties(version, Place::Acknowledgement, &sub_ack.properties, writer)?;
    writer.bytes(sub_ack.reason_codes);
    Ok(())
}

fn disconnect(
    version: Version,
    disconnect: &Disconnect<'_>,
    writer: &mut Writer<'_>,
) -> Result<(), EncodeError> {
    short_tail(
        version,
        Place::Disconnect,
        disconnect.reason_code,
        &disconnect.properties,
        writer,
    )
}

fn auth(version: Version, auth: &Auth<'_>, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
    if version == Version::V311 {
        return Err(NotAllowed("AUTH exists only in MQTT 5"));
    }
    if auth.reason_code == ReasonCode::SUCCESS && auth.properties.is_empty() {
        return Ok(());
    }
    writer.u8(auth.reason_code.0);
    properties(version, Place::Auth, &auth.properties, writer)
}
