//! How properties lie in bytes (2.2.2.2): an identifier, then a value of the type that belongs to
//! it.
//!
//! Reading checks each value by itself. Whether the property may stand where it stands is decided
//! by [`rules`](super::rules).

use core::fmt;

use super::Property;
use super::rules::value_fault;
use crate::wire::{Reader, Writer};
use crate::{DecodeError, EncodeError};

/// A value by its data type (table 2-4).
pub(super) enum Value<'a> {
    Byte(u8),
    Flag(bool),
    TwoBytes(u16),
    FourBytes(u32),
    Variable(u32),
    Text(&'a str),
    Binary(&'a [u8]),
    Pair(&'a str, &'a str),
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Byte(value) => value.fmt(f),
            Self::Flag(value) => value.fmt(f),
            Self::TwoBytes(value) => value.fmt(f),
            Self::FourBytes(value) | Self::Variable(value) => value.fmt(f),
            Self::Text(text) => fmt::Debug::fmt(text, f),
            Self::Binary(bytes) => fmt::Debug::fmt(bytes, f),
            Self::Pair(name, value) => write!(f, "{name:?}, {value:?}"),
        }
    }
}

/// The identifier and the value of a property.
pub(super) const fn parts<'a>(property: &Property<'a>) -> (u8, Value<'a>) {
    use Property as P;
    match *property {
        P::PayloadFormatIndicator(value) => (0x01, Value::Byte(value)),
        P::MessageExpiryInterval(value) => (0x02, Value::FourBytes(value)),
        P::ContentType(value) => (0x03, Value::Text(value)),
        P::ResponseTopic(value) => (0x08, Value::Text(value)),
        P::CorrelationData(value) => (0x09, Value::Binary(value)),
        P::SubscriptionIdentifier(value) => (0x0B, Value::Variable(value)),
        P::SessionExpiryInterval(value) => (0x11, Value::FourBytes(value)),
        P::AssignedClientIdentifier(value) => (0x12, Value::Text(value)),
        P::ServerKeepAlive(value) => (0x13, Value::TwoBytes(value)),
        P::AuthenticationMethod(value) => (0x15, Value::Text(value)),
        P::AuthenticationData(value) => (0x16, Value::Binary(value)),
        P::RequestProblemInformation(value) => (0x17, Value::Flag(value)),
        P::WillDelayInterval(value) => (0x18, Value::FourBytes(value)),
        P::RequestResponseInformation(value) => (0x19, Value::Flag(value)),
        P::ResponseInformation(value) => (0x1A, Value::Text(value)),
        P::ServerReference(value) => (0x1C, Value::Text(value)),
        P::ReasonString(value) => (0x1F, Value::Text(value)),
        P::ReceiveMaximum(value) => (0x21, Value::TwoBytes(value)),
        P::TopicAliasMaximum(value) => (0x22, Value::TwoBytes(value)),
        P::TopicAlias(value) => (0x23, Value::TwoBytes(value)),
        P::MaximumQoS(value) => (0x24, Value::Byte(value)),
        P::RetainAvailable(value) => (0x25, Value::Flag(value)),
        P::UserProperty(name, value) => (0x26, Value::Pair(name, value)),
        P::MaximumPacketSize(value) => (0x27, Value::FourBytes(value)),
        P::WildcardSubscriptionAvailable(value) => (0x28, Value::Flag(value)),
        P::SubscriptionIdentifierAvailable(value) => (0x29, Value::Flag(value)),
        P::SharedSubscriptionAvailable(value) => (0x2A, Value::Flag(value)),
    }
}

/// The name of a property, as our type and (but for spaces) the standard spell it.
pub(super) const fn name(identifier: u8) -> &'static str {
    match identifier {
        0x01 => "PayloadFormatIndicator",
        0x02 => "MessageExpiryInterval",
        0x03 => "ContentType",
        0x08 => "ResponseTopic",
        0x09 => "CorrelationData",
        0x0B => "SubscriptionIdentifier",
        0x11 => "SessionExpiryInterval",
        0x12 => "AssignedClientIdentifier",
        0x13 => "ServerKeepAlive",
        0x15 => "AuthenticationMethod",
        0x16 => "AuthenticationData",
        0x17 => "RequestProblemInformation",
        0x18 => "WillDelayInterval",
        0x19 => "RequestResponseInformation",
        0x1A => "ResponseInformation",
        0x1C => "ServerReference",
        0x1F => "ReasonString",
        0x21 => "ReceiveMaximum",
        0x22 => "TopicAliasMaximum",
        0x23 => "TopicAlias",
        0x24 => "MaximumQoS",
        0x25 => "RetainAvailable",
        0x26 => "UserProperty",
        0x27 => "MaximumPacketSize",
        0x28 => "WildcardSubscriptionAvailable",
        0x29 => "SubscriptionIdentifierAvailable",
        0x2A => "SharedSubscriptionAvailable",
        _ => "property identifier",
    }
}

/// Reads one property and checks its value.
pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<Property<'a>, DecodeError> {
    use Property as P;
    // A variable byte integer, but every identifier there is takes one byte (2.2.2.2).
    let identifier = reader.u8("property identifier")?;
    let name = name(identifier);
    let property = match identifier {
        0x01 => P::PayloadFormatIndicator(reader.u8(name)?),
        0x02 => P::MessageExpiryInterval(reader.u32(name)?),
        0x03 => P::ContentType(reader.text(name)?),
        0x08 => P::ResponseTopic(reader.text(name)?),
        0x09 => P::CorrelationData(reader.binary(name)?),
        0x0B => P::SubscriptionIdentifier(reader.variable_integer(name)?),
        0x11 => P::SessionExpiryInterval(reader.u32(name)?),
        0x12 => P::AssignedClientIdentifier(reader.text(name)?),
        0x13 => P::ServerKeepAlive(reader.u16(name)?),
        0x15 => P::AuthenticationMethod(reader.text(name)?),
        0x16 => P::AuthenticationData(reader.binary(name)?),
        0x17 => P::RequestProblemInformation(flag(reader, name)?),
        0x18 => P::WillDelayInterval(reader.u32(name)?),
        0x19 => P::RequestResponseInformation(flag(reader, name)?),
        0x1A => P::ResponseInformation(reader.text(name)?),
        0x1C => P::ServerReference(reader.text(name)?),
        0x1F => P::ReasonString(reader.text(name)?),
        0x21 => P::ReceiveMaximum(reader.u16(name)?),
        0x22 => P::TopicAliasMaximum(reader.u16(name)?),
        0x23 => P::TopicAlias(reader.u16(name)?),
        0x24 => P::MaximumQoS(reader.u8(name)?),
        0x25 => P::RetainAvailable(flag(reader, name)?),
        0x26 => P::UserProperty(reader.text(name)?, reader.text(name)?),
        0x27 => P::MaximumPacketSize(reader.u32(name)?),
        0x28 => P::WildcardSubscriptionAvailable(flag(reader, name)?),
        0x29 => P::SubscriptionIdentifierAvailable(flag(reader, name)?),
        0x2A => P::SharedSubscriptionAvailable(flag(reader, name)?),
        _ => return Err(DecodeError::Malformed(name)),
    };
    match value_fault(&property) {
        None => Ok(property),
        Some(fault) => Err(DecodeError::Protocol(fault)),
    }
}

/// A byte that is 0 or 1; anything else is a protocol error.
fn flag(reader: &mut Reader<'_>, name: &'static str) -> Result<bool, DecodeError> {
    match reader.u8(name)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(DecodeError::Protocol(name)),
    }
}

/// Writes one property; its value was checked.
pub(super) fn write(property: &Property<'_>, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
    let (identifier, value) = parts(property);
    let name = name(identifier);
    writer.u8(identifier);
    match value {
        Value::Byte(value) => writer.u8(value),
        Value::Flag(value) => writer.u8(u8::from(value)),
        Value::TwoBytes(value) => writer.u16(value),
        Value::FourBytes(value) => writer.u32(value),
        Value::Variable(value) => writer.variable_integer(value as usize, name)?,
        Value::Text(text) => writer.text(text, name)?,
        Value::Binary(bytes) => writer.binary(bytes, name)?,
        Value::Pair(key, value) => {
            writer.text(key, name)?;
            writer.text(value, name)?;
        }
    }
    Ok(())
}
