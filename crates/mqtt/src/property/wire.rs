//! How properties lie in bytes (2.2.2.2): an identifier, then a value of the type that belongs to
//! it.
//!
//! One table gives each identifier its type and the values it may have; reading and writing walk by
//! the table. Whether the property may stand where it stands is decided by [`rules`](super::rules).

use core::fmt;

use super::Property;
use crate::fault::Fault;
use crate::wire::{Reader, VARIABLE_INTEGER_MAX, Writer};
use crate::{topic, words};

/// A data type of table 2-4, with the values that the standard allows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    /// No property has this identifier.
    None,
    /// A byte that is 0 or 1, which our type shows as a number.
    Bit,
    /// A byte that is 0 or 1, which our type shows as a `bool`.
    Flag,
    TwoBytes,
    /// Never 0.
    TwoBytesNotZero,
    FourBytes,
    /// Never 0.
    FourBytesNotZero,
    /// A variable byte integer; never 0.
    Variable,
    Text,
    /// Text that must be a topic name `[MQTT-3.3.2-14]`.
    TopicName,
    Binary,
    Pair,
}

/// The highest identifier there is.
const LAST: usize = 0x2A;

/// The type of each property, by its identifier.
#[rustfmt::skip]
const TYPES: [Type; LAST + 1] = {
    use Type::*;
    [
        /* 0x00 */ None, Bit, FourBytes, Text, None, None, None, None,
        /* 0x08 */ TopicName, Binary, None, Variable, None, None, None, None,
        /* 0x10 */ None, FourBytes, Text, TwoBytes, None, Text, Binary, Flag,
        /* 0x18 */ FourBytes, Flag, Text, None, Text, None, None, Text,
        /* 0x20 */ None, TwoBytesNotZero, TwoBytes, TwoBytesNotZero, Bit, Flag, Pair, FourBytesNotZero,
        /* 0x28 */ Flag, Flag, Flag,
    ]
};

/// A property before it has a name: a client that looks for one among many needs no more.
#[derive(Clone, Copy)]
pub(crate) struct Raw<'a> {
    pub(crate) identifier: u8,
    pub(super) value: Value<'a>,
}

/// A value; how a number is written depends on the identifier.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Number(u32),
    Text(&'a str),
    Binary(&'a [u8]),
    Pair(&'a str, &'a str),
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(value) => value.fmt(f),
            Self::Text(text) => fmt::Debug::fmt(text, f),
            Self::Binary(bytes) => fmt::Debug::fmt(bytes, f),
            Self::Pair(name, value) => write!(f, "{name:?}, {value:?}"),
        }
    }
}

pub(super) fn type_of(identifier: u8) -> Type {
    TYPES
        .get(usize::from(identifier))
        .copied()
        .unwrap_or(Type::None)
}

impl<'a> Raw<'a> {
    /// The number of this property; 0 when it has none.
    pub(crate) const fn number(&self) -> u32 {
        match self.value {
            Value::Number(number) => number,
            _ => 0,
        }
    }

    /// The text of this property, if it has one.
    pub(crate) const fn text(&self) -> Option<&'a str> {
        match self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Reads one property and checks its value.
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        // A variable byte integer, but every identifier there is takes one byte (2.2.2.2).
        let identifier = reader.u8(field!("property identifier"))?;
        let fault = Fault::property(identifier);
        let value = match type_of(identifier) {
            Type::None => return Err(fault),
            Type::Text | Type::TopicName => Value::Text(reader.text(fault)?),
            Type::Binary => Value::Binary(reader.binary(fault)?),
            Type::Pair => Value::Pair(reader.text(fault)?, reader.text(fault)?),
            Type::Variable => Value::Number(reader.variable_integer(fault)?),
            Type::Bit | Type::Flag => Value::Number(reader.number(1, fault)?),
            Type::TwoBytes | Type::TwoBytesNotZero => Value::Number(reader.number(2, fault)?),
            Type::FourBytes | Type::FourBytesNotZero => Value::Number(reader.number(4, fault)?),
        };
        let raw = Self { identifier, value };
        match raw.fault() {
            None => Ok(raw),
            Some(fault) => Err(fault),
        }
    }

    /// Writes one property; its value was checked.
    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), Fault> {
        let fault = Fault::property(self.identifier);
        writer.u8(self.identifier);
        match self.value {
            Value::Text(text) => writer.text(text, fault),
            Value::Binary(bytes) => writer.binary(bytes, fault),
            Value::Pair(key, value) => {
                writer.text(key, fault)?;
                writer.text(value, fault)
            }
            Value::Number(value) => {
                match type_of(self.identifier) {
                    Type::Bit | Type::Flag => writer.u8(value as u8),
                    Type::Variable => writer.variable_integer(value as usize, fault)?,
                    Type::TwoBytes | Type::TwoBytesNotZero => writer.u16(value as u16),
                    _ => writer.u32(value),
                }
                Ok(())
            }
        }
    }

    /// What is wrong with the value by itself, if anything.
    pub(super) fn fault(&self) -> Option<Fault> {
        let wrong = match (type_of(self.identifier), self.value) {
            (Type::Bit | Type::Flag, Value::Number(value)) => value > 1,
            (
                Type::Variable | Type::TwoBytesNotZero | Type::FourBytesNotZero,
                Value::Number(value),
            ) => {
                // Only variable byte integers end before the type does.
                let end = match self.identifier {
                    0x0B => VARIABLE_INTEGER_MAX,
                    _ => u32::MAX,
                };
                value == 0 || value > end
            }
            (Type::TopicName, Value::Text(name)) => !topic::is_valid_name(name),
            _ => false,
        };
        wrong.then(|| Fault::property(self.identifier).as_rule())
    }
}

/// A property by its identifier.
pub(super) const fn raw<'a>(property: &Property<'a>) -> Raw<'a> {
    use Property as P;
    use Value::{Binary, Number, Pair, Text};
    let (identifier, value) = match *property {
        P::PayloadFormatIndicator(value) => (0x01, Number(value as u32)),
        P::MessageExpiryInterval(value) => (0x02, Number(value)),
        P::ContentType(value) => (0x03, Text(value)),
        P::ResponseTopic(value) => (0x08, Text(value)),
        P::CorrelationData(value) => (0x09, Binary(value)),
        P::SubscriptionIdentifier(value) => (0x0B, Number(value)),
        P::SessionExpiryInterval(value) => (0x11, Number(value)),
        P::AssignedClientIdentifier(value) => (0x12, Text(value)),
        P::ServerKeepAlive(value) => (0x13, Number(value as u32)),
        P::AuthenticationMethod(value) => (0x15, Text(value)),
        P::AuthenticationData(value) => (0x16, Binary(value)),
        P::RequestProblemInformation(value) => (0x17, Number(value as u32)),
        P::WillDelayInterval(value) => (0x18, Number(value)),
        P::RequestResponseInformation(value) => (0x19, Number(value as u32)),
        P::ResponseInformation(value) => (0x1A, Text(value)),
        P::ServerReference(value) => (0x1C, Text(value)),
        P::ReasonString(value) => (0x1F, Text(value)),
        P::ReceiveMaximum(value) => (0x21, Number(value as u32)),
        P::TopicAliasMaximum(value) => (0x22, Number(value as u32)),
        P::TopicAlias(value) => (0x23, Number(value as u32)),
        P::MaximumQoS(value) => (0x24, Number(value as u32)),
        P::RetainAvailable(value) => (0x25, Number(value as u32)),
        P::UserProperty(name, value) => (0x26, Pair(name, value)),
        P::MaximumPacketSize(value) => (0x27, Number(value)),
        P::WildcardSubscriptionAvailable(value) => (0x28, Number(value as u32)),
        P::SubscriptionIdentifierAvailable(value) => (0x29, Number(value as u32)),
        P::SharedSubscriptionAvailable(value) => (0x2A, Number(value as u32)),
    };
    Raw { identifier, value }
}

/// The property with this identifier; `None` for an identifier and a value that no table pairs.
pub(super) const fn named<'a>(raw: Raw<'a>) -> Option<Property<'a>> {
    use Property as P;
    use Value::{Binary, Number, Pair, Text};
    Some(match (raw.identifier, raw.value) {
        (0x01, Number(value)) => P::PayloadFormatIndicator(value as u8),
        (0x02, Number(value)) => P::MessageExpiryInterval(value),
        (0x03, Text(value)) => P::ContentType(value),
        (0x08, Text(value)) => P::ResponseTopic(value),
        (0x09, Binary(value)) => P::CorrelationData(value),
        (0x0B, Number(value)) => P::SubscriptionIdentifier(value),
        (0x11, Number(value)) => P::SessionExpiryInterval(value),
        (0x12, Text(value)) => P::AssignedClientIdentifier(value),
        (0x13, Number(value)) => P::ServerKeepAlive(value as u16),
        (0x15, Text(value)) => P::AuthenticationMethod(value),
        (0x16, Binary(value)) => P::AuthenticationData(value),
        (0x17, Number(value)) => P::RequestProblemInformation(value != 0),
        (0x18, Number(value)) => P::WillDelayInterval(value),
        (0x19, Number(value)) => P::RequestResponseInformation(value != 0),
        (0x1A, Text(value)) => P::ResponseInformation(value),
        (0x1C, Text(value)) => P::ServerReference(value),
        (0x1F, Text(value)) => P::ReasonString(value),
        (0x21, Number(value)) => P::ReceiveMaximum(value as u16),
        (0x22, Number(value)) => P::TopicAliasMaximum(value as u16),
        (0x23, Number(value)) => P::TopicAlias(value as u16),
        (0x24, Number(value)) => P::MaximumQoS(value as u8),
        (0x25, Number(value)) => P::RetainAvailable(value != 0),
        (0x26, Pair(name, value)) => P::UserProperty(name, value),
        (0x27, Number(value)) => P::MaximumPacketSize(value),
        (0x28, Number(value)) => P::WildcardSubscriptionAvailable(value != 0),
        (0x29, Number(value)) => P::SubscriptionIdentifierAvailable(value != 0),
        (0x2A, Number(value)) => P::SharedSubscriptionAvailable(value != 0),
        _ => return None,
    })
}

/// The names of the properties by their identifiers, as our type and (but for spaces) the standard spell them.
#[rustfmt::skip]
const NAMES: &[&str; LAST + 1] = &[
    /* 0x00 */ "", "PayloadFormatIndicator", "MessageExpiryInterval", "ContentType",
    /* 0x04 */ "", "", "", "",
    /* 0x08 */ "ResponseTopic", "CorrelationData", "", "SubscriptionIdentifier",
    /* 0x0C */ "", "", "", "",
    /* 0x10 */ "", "SessionExpiryInterval", "AssignedClientIdentifier", "ServerKeepAlive",
    /* 0x14 */ "", "AuthenticationMethod", "AuthenticationData", "RequestProblemInformation",
    /* 0x18 */ "WillDelayInterval", "RequestResponseInformation", "ResponseInformation", "",
    /* 0x1C */ "ServerReference", "", "", "ReasonString",
    /* 0x20 */ "", "ReceiveMaximum", "TopicAliasMaximum", "TopicAlias",
    /* 0x24 */ "MaximumQoS", "RetainAvailable", "UserProperty", "MaximumPacketSize",
    /* 0x28 */ "WildcardSubscriptionAvailable", "SubscriptionIdentifierAvailable", "SharedSubscriptionAvailable",
];

/// The same, as they lie in a program.
static PACKED: [u8; words::packed_len(NAMES)] = words::pack(NAMES);

/// The name of a property.
pub(crate) fn name(identifier: u8) -> &'static str {
    match words::nth(&PACKED, usize::from(identifier)) {
        "" => "property identifier",
        name => name,
    }
}

/// The rule that a value of this property can break.
pub(crate) fn value_rule(identifier: u8) -> &'static str {
    match identifier {
        0x01 => "PayloadFormatIndicator is above 1",
        0x08 => "ResponseTopic is not a topic name",
        0x0B => "SubscriptionIdentifier is 0 or above 268435455",
        0x21 => "ReceiveMaximum is 0",
        0x23 => "TopicAlias is 0",
        0x24 => "MaximumQoS is above 1",
        0x27 => "MaximumPacketSize is 0",
        other => name(other),
    }
}
