//! Writes packets (3.1–3.15).
//!
//! A packet is measured while it is written. What our own decoder would refuse is refused here with [`EncodeError`]: a packet that
//! leaves is a packet that arrives.

use crate::fault::Fault;
use crate::filters::{is_no_local_on_shared, subscription_options};
use crate::property::rules::{Measured, Place, measure, write as properties, write_both};
use crate::wire::{VARIABLE_INTEGER_MAX, Writer, no_null, variable_integer_len};
use crate::{
    Ack, Auth, ConnAck, Connect, Disconnect, Packet, PacketId, PacketType, Properties, Publish,
    QoS, ReasonCode, SubAck, Subscribe, SubscribeFilter, Unsubscribe, Version, Will,
};

pub(crate) fn packet(
    version: Version,
    packet: &Packet<'_>,
    buf: &mut [u8],
) -> Result<usize, Fault> {
    if let Packet::Publish(publish) = packet {
        check_publish(version, publish)?;
        return self::publish(version, publish, publish.payload, buf);
    }
    let first = (packet.packet_type() as u8) << 4 | flags(packet);
    assemble(first, buf, &|writer| body(version, packet, writer))
}

/// Everything of a PUBLISH but its payload, which the remaining length already counts.
pub(crate) fn publish_head(
    version: Version,
    publish: &Publish<'_>,
    buf: &mut [u8],
) -> Result<usize, Fault> {
    check_publish(version, publish)?;
    self::publish(version, publish, &[], buf)
}

/// Writes a packet if `buf` has room for it: the `first` byte, the remaining length, what `body` writes.
///
/// Answers the bytes that the packet takes, whether or not there was room: the caller compares.
/// One function for all packets but PUBLISH, and a `body` behind a pointer, because a device pays for each copy.
///
/// The body's place depends on how many bytes its length takes. It is written where a short one would put it, and
/// again only when it was longer.
pub(crate) fn assemble(
    first: u8,
    buf: &mut [u8],
    body: &dyn Fn(&mut Writer<'_>) -> Result<(), Fault>,
) -> Result<usize, Fault> {
    let mut header = 2_usize;
    loop {
        let mut writer = Writer::new(buf.get_mut(header..).unwrap_or_default());
        body(&mut writer)?;
        let remaining = writer.len();
        let fits = header_len(remaining)?;
        if fits == header {
            let mut writer = Writer::new(buf);
            writer.u8(first);
            writer.remaining_len(remaining);
            return Ok(remaining.wrapping_add(header));
        }
        header = fits;
    }
}

/// Bytes of the fixed header before so many.
fn header_len(remaining: usize) -> Result<usize, Fault> {
    if remaining > VARIABLE_INTEGER_MAX as usize {
        return Err(field!("packet"));
    }
    Ok(variable_integer_len(remaining as u32).wrapping_add(1))
}

fn flags(packet: &Packet<'_>) -> u8 {
    packet.packet_type().reserved_flags().unwrap_or(0)
}

/// The first byte of a PUBLISH (3.3.1).
fn publish_first(publish: &Publish<'_>) -> u8 {
    let flags = u8::from(publish.dup) << 3 | publish.qos.bits() << 1 | u8::from(publish.retain);
    (PacketType::Publish as u8) << 4 | flags
}

fn body(version: Version, packet: &Packet<'_>, writer: &mut Writer<'_>) -> Result<(), Fault> {
    match packet {
        Packet::Connect(connect) => self::connect(connect, &Properties::EMPTY, writer),
        Packet::ConnAck(conn_ack) => self::conn_ack(version, conn_ack, writer),
        // Written by `publish`.
        Packet::Publish(_) => Ok(()),
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            self::ack(version, ack, writer)
        }
        Packet::Subscribe(subscribe) => {
            let Subscribe {
                packet_id,
                properties,
                filters,
            } = subscribe;
            self::subscribe(version, *packet_id, properties, filters.iter(), writer)
        }
        Packet::SubAck(sub_ack) => self::sub_ack(version, sub_ack, writer),
        Packet::Unsubscribe(unsubscribe) => {
            let Unsubscribe {
                packet_id,
                properties,
                filters,
            } = unsubscribe;
            self::unsubscribe(version, *packet_id, properties, filters.iter(), writer)
        }
        Packet::UnsubAck(unsub_ack) => self::unsub_ack(version, unsub_ack, writer),
        Packet::PingReq | Packet::PingResp => Ok(()),
        Packet::Disconnect(disconnect) => self::disconnect(version, disconnect, writer),
        Packet::Auth(auth) => self::auth(version, auth, writer),
    }
}

/// Writes CONNECT with `more` properties behind its own.
pub(crate) fn connect(
    connect: &Connect<'_>,
    more: &Properties<'_>,
    writer: &mut Writer<'_>,
) -> Result<(), Fault> {
    let version = connect.version;
    if version == Version::V5 && !version.is_v5() {
        return Err(rule!("MQTT 5 is not in this build, see the feature `v5`"));
    }
    // [MQTT-3.1.2-22]
    if !version.is_v5() && connect.password.is_some() && connect.user_name.is_none() {
        return Err(rule!("MQTT 3.1.1 has no password without a user name"));
    }
    writer.text("MQTT", field!("protocol name"))?;
    writer.u8(version.level());
    let will_flags = connect.will.map_or(0, |will| {
        0x04 | will.qos.bits() << 3 | u8::from(will.retain) << 5
    });
    writer.u8(u8::from(connect.clean_start) << 1
        | will_flags
        | u8::from(connect.password.is_some()) << 6
        | u8::from(connect.user_name.is_some()) << 7);
    writer.u16(connect.keep_alive);
    write_both(version, Place::Connect, (&connect.properties, more), writer)?;
    writer.text(connect.client_id, field!("client identifier"))?;
    if let Some(will) = &connect.will {
        self::will(version, will, writer)?;
    }
    if let Some(user_name) = connect.user_name {
        writer.text(user_name, field!("user name"))?;
    }
    if let Some(password) = connect.password {
        writer.binary(password, field!("password"))?;
    }
    Ok(())
}

fn will(version: Version, will: &Will<'_>, writer: &mut Writer<'_>) -> Result<(), Fault> {
    if will.topic.is_empty() {
        return Err(rule!("a will needs a topic name"));
    }
    properties(version, Place::Will, &will.properties, writer)?;
    writer.text(will.topic, field!("will topic"))?;
    writer.binary(will.payload, field!("will payload"))
}

fn conn_ack(
    version: Version,
    conn_ack: &ConnAck<'_>,
    writer: &mut Writer<'_>,
) -> Result<(), Fault> {
    if !version.is_v5() && conn_ack.reason_code > ReasonCode::V311_NOT_AUTHORIZED {
        return Err(rule!("the return codes of a MQTT 3.1.1 CONNACK end at 5"));
    }
    if conn_ack.session_present && conn_ack.reason_code != ReasonCode::SUCCESS {
        return Err(rule!("a refusal has no session present"));
    }
    writer.u8(u8::from(conn_ack.session_present));
    writer.u8(conn_ack.reason_code.0);
    properties(version, Place::ConnAck, &conn_ack.properties, writer)
}

/// Writes a PUBLISH if `buf` has room for it, with the `payload` that is to stand in `buf`; the remaining length counts
/// the message's own. Answers the bytes that this takes.
///
/// The caller has checked the topic name. Measured first, because a PUBLISH is the one packet that is often long.
pub(crate) fn publish(
    version: Version,
    publish: &Publish<'_>,
    payload: &[u8],
    buf: &mut [u8],
) -> Result<usize, Fault> {
    let topic = publish.topic.as_bytes();
    let topic_len = u16::try_from(topic.len()).map_err(|_| field!("topic name"))?;
    let id_len = if publish.packet_id.is_some() {
        4_usize
    } else {
        2
    };
    let properties = match publish.properties.is_empty() {
        true => Measured::none(version),
        false => measure(version, Place::Publish, &publish.properties)?,
    };
    let head = topic
        .len()
        .wrapping_add(id_len)
        .wrapping_add(properties.len());
    let remaining = head.saturating_add(publish.payload.len());
    let head = head.wrapping_add(header_len(remaining)?);
    let needed = head.wrapping_add(payload.len());
    if needed <= buf.len() {
        let mut writer = Writer::new(buf);
        writer.u8(publish_first(publish));
        writer.remaining_len(remaining);
        writer.u16(topic_len);
        writer.bytes(topic);
        if let Some(packet_id) = publish.packet_id {
            writer.u16(packet_id.get());
        }
        properties.write(&publish.properties, &mut writer)?;
        writer.bytes(payload);
    }
    Ok(needed)
}

/// What a PUBLISH must have.
fn check_publish(version: Version, publish: &Publish<'_>) -> Result<(), Fault> {
    if publish.dup && publish.qos == QoS::AtMostOnce {
        return Err(rule!("a QoS 0 message has no DUP flag"));
    }
    if publish.topic.is_empty() && (!version.is_v5() || publish.properties.number(0x23).is_none()) {
        return Err(rule!(
            "a PUBLISH needs a topic name or, in MQTT 5, a topic alias"
        ));
    }
    match (publish.qos, publish.packet_id) {
        (QoS::AtMostOnce, None) | (QoS::AtLeastOnce | QoS::ExactlyOnce, Some(_)) => {}
        // [MQTT-2.3.1-5] (MQTT 5: [MQTT-2.2.1-2])
        (QoS::AtMostOnce, Some(_)) => {
            return Err(rule!("a QoS 0 message has no packet identifier"));
        }
        (_, None) => return Err(rule!("a QoS 1 or 2 message needs a packet identifier")),
    }
    no_null(publish.topic)
}

pub(crate) fn ack(version: Version, ack: &Ack<'_>, writer: &mut Writer<'_>) -> Result<(), Fault> {
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
) -> Result<(), Fault> {
    if !version.is_v5() {
        if reason_code != ReasonCode::SUCCESS {
            return Err(rule!("MQTT 3.1.1 has no reason code here"));
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

pub(crate) fn subscribe<'a>(
    version: Version,
    packet_id: PacketId,
    list: &Properties<'_>,
    filters: impl Iterator<Item = SubscribeFilter<'a>>,
    writer: &mut Writer<'_>,
) -> Result<(), Fault> {
    writer.u16(packet_id.get());
    properties(version, Place::Subscribe, list, writer)?;
    let mut is_empty = true;
    for filter in filters {
        let options = subscription_options(&filter);
        if !version.is_v5() && options != filter.qos.bits() {
            return Err(rule!("subscription options exist only in MQTT 5"));
        }
        if is_no_local_on_shared(&filter) {
            return Err(rule!("a shared subscription has no `no local`"));
        }
        writer.text(filter.filter, field!("topic filter"))?;
        writer.u8(options);
        is_empty = false;
    }
    at_least_one_filter(is_empty)
}

pub(crate) fn unsubscribe<'a>(
    version: Version,
    packet_id: PacketId,
    list: &Properties<'_>,
    filters: impl Iterator<Item = &'a str>,
    writer: &mut Writer<'_>,
) -> Result<(), Fault> {
    writer.u16(packet_id.get());
    properties(version, Place::Unsubscribe, list, writer)?;
    let mut is_empty = true;
    for filter in filters {
        writer.text(filter, field!("topic filter"))?;
        is_empty = false;
    }
    at_least_one_filter(is_empty)
}

/// `[MQTT-3.8.3-2]` `[MQTT-3.10.3-2]`
const fn at_least_one_filter(is_empty: bool) -> Result<(), Fault> {
    if is_empty {
        Err(rule!("at least one topic filter is needed"))
    } else {
        Ok(())
    }
}

fn sub_ack(version: Version, sub_ack: &SubAck<'_>, writer: &mut Writer<'_>) -> Result<(), Fault> {
    if !version.is_v5()
        && !sub_ack
            .reason_codes
            .iter()
            .all(|code| matches!(code, 0..=2 | 0x80))
    {
        return Err(rule!(
            "the return codes of a MQTT 3.1.1 SUBACK are 0, 1, 2 and 128"
        ));
    }
    reason_codes(version, sub_ack, writer)
}

fn unsub_ack(
    version: Version,
    unsub_ack: &SubAck<'_>,
    writer: &mut Writer<'_>,
) -> Result<(), Fault> {
    if version.is_v5() {
        return reason_codes(version, unsub_ack, writer);
    }
    if !unsub_ack.reason_codes.is_empty() {
        return Err(rule!("a MQTT 3.1.1 UNSUBACK has no reason codes"));
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
) -> Result<(), Fault> {
    if sub_ack.reason_codes.is_empty() {
        return Err(rule!("a reason code for each topic filter is needed"));
    }
    writer.u16(sub_ack.packet_id.get());
    properties(version, Place::Acknowledgement, &sub_ack.properties, writer)?;
    writer.bytes(sub_ack.reason_codes);
    Ok(())
}

pub(crate) fn disconnect(
    version: Version,
    disconnect: &Disconnect<'_>,
    writer: &mut Writer<'_>,
) -> Result<(), Fault> {
    short_tail(
        version,
        Place::Disconnect,
        disconnect.reason_code,
        &disconnect.properties,
        writer,
    )
}

fn auth(version: Version, auth: &Auth<'_>, writer: &mut Writer<'_>) -> Result<(), Fault> {
    if !version.is_v5() {
        return Err(rule!("AUTH exists only in MQTT 5"));
    }
    if auth.reason_code == ReasonCode::SUCCESS && auth.properties.is_empty() {
        return Ok(());
    }
    writer.u8(auth.reason_code.0);
    properties(version, Place::Auth, &auth.properties, writer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A build for small chips must not send half an MQTT 5 CONNECT.
    #[test]
    fn a_connect_of_a_version_that_was_left_out_is_refused_and_no_other() {
        for version in [Version::V311, Version::V5] {
            let connect = Packet::Connect(Connect {
                version,
                clean_start: true,
                keep_alive: 60,
                client_id: "esp32",
                will: None,
                user_name: None,
                password: None,
                properties: Properties::EMPTY,
            });
            let written = packet(version, &connect, &mut [0; 64]);
            let left_out = version == Version::V5 && !cfg!(feature = "v5");
            assert_eq!(written.is_err(), left_out, "{version:?}: {written:?}");
        }
    }
}
