//! Reads packets (3.1–3.15) out of frames.
//!
//! Every rule that can be decided from the packet and the version alone is checked here, so that
//! nobody above needs to. Left to the receiver: topic grammar and limits, what depends on the
//! direction of the packet, and the tables of reason codes, because a peer that is newer than we
//! are still says success or failure with the highest bit. Fails with [`DecodeError`], and cannot
//! panic.

//!
//! Each kind of packet has a function of its own, so that a client carries only what servers send.

use crate::fault::Fault;
use crate::property::rules::{Place, read as properties};
use crate::wire::Reader;
use crate::{
    Ack, Auth, ConnAck, Connect, DecodeError, Disconnect, Frame, Packet, PacketType, Properties,
    Publish, QoS, ReasonCode, SubAck, Subscribe, Unsubscribe, Version, Will, filters,
};

pub(crate) fn packet<'a>(version: Version, frame: &Frame<'a>) -> Result<Packet<'a>, DecodeError> {
    let mut reader = Reader::new(frame.body);
    let version = match frame.header.packet_type {
        PacketType::Connect => self::version(&mut reader)?,
        _ => version,
    };
    Ok(fields(version, frame, &mut reader)?)
}

fn fields<'a>(
    version: Version,
    frame: &Frame<'a>,
    reader: &mut Reader<'a>,
) -> Result<Packet<'a>, Fault> {
    let packet = match frame.header.packet_type {
        PacketType::Connect => Packet::Connect(connect(version, reader)?),
        PacketType::ConnAck => Packet::ConnAck(conn_ack(version, reader)?),
        PacketType::Publish => Packet::Publish(publish(version, frame.header.flags, reader)?),
        PacketType::PubAck => Packet::PubAck(ack(version, reader)?),
        PacketType::PubRec => Packet::PubRec(ack(version, reader)?),
        PacketType::PubRel => Packet::PubRel(ack(version, reader)?),
        PacketType::PubComp => Packet::PubComp(ack(version, reader)?),
        PacketType::Subscribe => Packet::Subscribe(Subscribe {
            packet_id: reader.packet_id()?,
            properties: properties(version, Place::Subscribe, reader)?,
            filters: filters::read_subscribe(version, reader)?,
        }),
        PacketType::SubAck => Packet::SubAck(sub_ack(version, reader)?),
        PacketType::Unsubscribe => Packet::Unsubscribe(Unsubscribe {
            packet_id: reader.packet_id()?,
            properties: properties(version, Place::Unsubscribe, reader)?,
            filters: filters::read_unsubscribe(reader)?,
        }),
        PacketType::UnsubAck => Packet::UnsubAck(unsub_ack(version, reader)?),
        PacketType::PingReq => Packet::PingReq,
        PacketType::PingResp => Packet::PingResp,
        PacketType::Disconnect => Packet::Disconnect(disconnect(version, reader)?),
        PacketType::Auth => Packet::Auth(auth(version, reader)?),
    };
    reader.finish()?;
    Ok(packet)
}

/// CONNECT says its version itself: protocol name and level (3.1.2.1, 3.1.2.2).
fn version(reader: &mut Reader<'_>) -> Result<Version, DecodeError> {
    let name = reader.text(field!("protocol name"))?;
    let level = reader.u8(field!("protocol level"))?;
    match (name, level) {
        ("MQTT", 4) => Ok(Version::V311),
        ("MQTT", 5) => Ok(Version::V5),
        _ => Err(DecodeError::UnsupportedVersion { level }),
    }
}

/// What follows the version: flags, keep alive, properties (3.1.2), then client identifier, Will,
/// user name and password in this order (3.1.3).
fn connect<'a>(version: Version, reader: &mut Reader<'a>) -> Result<Connect<'a>, Fault> {
    let flags = ConnectFlags::from_bits(reader.u8(field!("connect flags"))?, version)?;
    let keep_alive = reader.u16(field!("keep alive"))?;
    let connect_properties = properties(version, Place::Connect, reader)?;
    // Empty is not an error here: who assigns an identifier, and when, is for the broker (B-12).
    let client_id = reader.text(field!("client identifier"))?;
    let will = match flags.will {
        Some((qos, retain)) => Some(will(version, qos, retain, reader)?),
        None => None,
    };
    Ok(Connect {
        version,
        clean_start: flags.clean_start,
        keep_alive,
        client_id,
        will,
        user_name: flags
            .user_name
            .then(|| reader.text(field!("user name")))
            .transpose()?,
        password: flags
            .password
            .then(|| reader.binary(field!("password")))
            .transpose()?,
        properties: connect_properties,
    })
}

/// The connect flags (3.1.2.3).
struct ConnectFlags {
    clean_start: bool,
    will: Option<(QoS, bool)>,
    user_name: bool,
    password: bool,
}

impl ConnectFlags {
    fn from_bits(bits: u8, version: Version) -> Result<Self, Fault> {
        let is_set = |mask: u8| bits & mask != 0;
        // [MQTT-3.1.2-3]
        if is_set(0x01) {
            return Err(field!("reserved connect flag"));
        }
        let will_qos = QoS::from_bits(bits >> 3 & 0b11).ok_or(field!("will QoS"))?;
        let will_retain = is_set(0x20);
        let will = is_set(0x04).then_some((will_qos, will_retain));
        // [MQTT-3.1.2-11] [MQTT-3.1.2-13] and, in 3.1.1, [MQTT-3.1.2-15]
        if will.is_none() && (will_qos != QoS::AtMostOnce || will_retain) {
            return Err(field!("will flags without a will"));
        }
        let flags = Self {
            clean_start: is_set(0x02),
            will,
            user_name: is_set(0x80),
            password: is_set(0x40),
        };
        // [MQTT-3.1.2-22]; MQTT 5 allows it.
        if !version.is_v5() && flags.password && !flags.user_name {
            return Err(field!("password without a user name"));
        }
        Ok(flags)
    }
}

fn will<'a>(
    version: Version,
    qos: QoS,
    retain: bool,
    reader: &mut Reader<'a>,
) -> Result<Will<'a>, Fault> {
    let properties = properties(version, Place::Will, reader)?;
    let topic = reader.text(field!("will topic"))?;
    let payload = reader.binary(field!("will payload"))?;
    if topic.is_empty() {
        return Err(field!("will topic"));
    }
    Ok(Will {
        topic,
        payload,
        qos,
        retain,
        properties,
    })
}

pub(crate) fn conn_ack<'a>(
    version: Version,
    reader: &mut Reader<'a>,
) -> Result<ConnAck<'a>, Fault> {
    let flags = reader.u8(field!("connect acknowledge flags"))?;
    let reason_code = reader.reason_code()?;
    let properties = properties(version, Place::ConnAck, reader)?;
    if flags > 1 {
        return Err(field!("connect acknowledge flags"));
    }
    if !version.is_v5() && reason_code > ReasonCode::V311_NOT_AUTHORIZED {
        return Err(field!("return code"));
    }
    let session_present = flags == 1;
    // [MQTT-3.2.2-4] (MQTT 5: [MQTT-3.2.2-6])
    if session_present && reason_code != ReasonCode::SUCCESS {
        return Err(rule!("session present in a refusal"));
    }
    Ok(ConnAck {
        session_present,
        reason_code,
        properties,
    })
}

pub(crate) fn publish<'a>(
    version: Version,
    flags: u8,
    reader: &mut Reader<'a>,
) -> Result<Publish<'a>, Fault> {
    // [MQTT-3.3.1-4]
    let qos = QoS::from_bits(flags >> 1 & 0b11).ok_or(field!("QoS"))?;
    let dup = flags & 0b1000 != 0;
    // [MQTT-3.3.1-2]
    if dup && qos == QoS::AtMostOnce {
        return Err(field!("DUP with QoS 0"));
    }
    let topic = reader.text(field!("topic name"))?;
    let packet_id = match qos {
        QoS::AtMostOnce => None,
        QoS::AtLeastOnce | QoS::ExactlyOnce => Some(reader.packet_id()?),
    };
    let properties = properties(version, Place::Publish, reader)?;
    if topic.is_empty() {
        if !version.is_v5() {
            // [MQTT-4.7.3-1]
            return Err(field!("topic name"));
        }
        // 3.3.2.1
        if properties.number(0x23).is_none() {
            return Err(rule!("neither topic name nor topic alias"));
        }
    }
    let payload = reader.take_rest();
    Ok(Publish {
        dup,
        qos,
        retain: flags & 1 != 0,
        topic,
        packet_id,
        properties,
        payload,
    })
}

/// PUBACK and its kin. MQTT 5 lets a plain success leave out the code, and no properties leave
/// out their length (3.4.2.1, 3.4.2.2.1).
pub(crate) fn ack<'a>(version: Version, reader: &mut Reader<'a>) -> Result<Ack<'a>, Fault> {
    let packet_id = reader.packet_id()?;
    let (reason_code, properties) = short_tail(version, Place::Acknowledgement, reader)?;
    Ok(Ack {
        packet_id,
        reason_code,
        properties,
    })
}

/// The end of an acknowledgement or DISCONNECT, of which MQTT 5 may leave out the properties, or
/// the reason code too.
fn short_tail<'a>(
    version: Version,
    place: Place,
    reader: &mut Reader<'a>,
) -> Result<(ReasonCode, Properties<'a>), Fault> {
    if !version.is_v5() || reader.is_empty() {
        return Ok((ReasonCode::SUCCESS, Properties::EMPTY));
    }
    let reason_code = reader.reason_code()?;
    if reader.is_empty() {
        return Ok((reason_code, Properties::EMPTY));
    }
    Ok((reason_code, properties(version, place, reader)?))
}

pub(crate) fn sub_ack<'a>(version: Version, reader: &mut Reader<'a>) -> Result<SubAck<'a>, Fault> {
    let sub_ack = reason_codes(version, reader)?;
    // [MQTT-3.9.3-2]
    if !version.is_v5()
        && !sub_ack
            .reason_codes
            .iter()
            .all(|code| matches!(code, 0..=2 | 0x80))
    {
        return Err(field!("return code"));
    }
    Ok(sub_ack)
}

/// UNSUBACK of MQTT 3.1.1 ends with its packet identifier (3.11.3).
pub(crate) fn unsub_ack<'a>(
    version: Version,
    reader: &mut Reader<'a>,
) -> Result<SubAck<'a>, Fault> {
    if version.is_v5() {
        return reason_codes(version, reader);
    }
    Ok(SubAck {
        packet_id: reader.packet_id()?,
        properties: Properties::EMPTY,
        reason_codes: &[],
    })
}

/// One code for each filter, and there is always one filter at least.
fn reason_codes<'a>(version: Version, reader: &mut Reader<'a>) -> Result<SubAck<'a>, Fault> {
    let packet_id = reader.packet_id()?;
    let properties = properties(version, Place::Acknowledgement, reader)?;
    let reason_codes = reader.take_rest();
    if reason_codes.is_empty() {
        return Err(rule!("no reason code"));
    }
    Ok(SubAck {
        packet_id,
        properties,
        reason_codes,
    })
}

pub(crate) fn disconnect<'a>(
    version: Version,
    reader: &mut Reader<'a>,
) -> Result<Disconnect<'a>, Fault> {
    let (reason_code, properties) = short_tail(version, Place::Disconnect, reader)?;
    Ok(Disconnect {
        reason_code,
        properties,
    })
}

/// AUTH leaves out both code and properties, or neither (3.15.2.1).
fn auth<'a>(version: Version, reader: &mut Reader<'a>) -> Result<Auth<'a>, Fault> {
    if !version.is_v5() {
        return Err(field!("packet type"));
    }
    if reader.is_empty() {
        return Ok(Auth {
            reason_code: ReasonCode::SUCCESS,
            properties: Properties::EMPTY,
        });
    }
    Ok(Auth {
        reason_code: reader.reason_code()?,
        properties: properties(version, Place::Auth, reader)?,
    })
}
