//! Where a property may stand, how often, and with which values (table 2-4 and 3.1–3.15).
//!
//! What depends on the direction of a packet is left to its receiver, because a codec does not know
//! which end it serves: a server refuses a SubscriptionIdentifier in a PUBLISH `[MQTT-3.3.4-6]`, a
//! client refuses a SessionExpiryInterval in a DISCONNECT `[MQTT-3.14.2-2]`.

use super::wire::{self, parts};
use super::{Properties, Property};
use crate::wire::{Reader, VARIABLE_INTEGER_MAX, Writer};
use crate::{DecodeError, EncodeError, Version, topic};

/// A place in a packet that has properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Connect,
    Will,
    ConnAck,
    Publish,
    /// PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK and UNSUBACK all allow the same.
    Acknowledgement,
    Subscribe,
    Unsubscribe,
    Disconnect,
    Auth,
}

impl Place {
    /// The properties allowed here, one bit an identifier.
    const fn allowed(self) -> u64 {
        match self {
            Self::Connect => set(&[0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27]),
            Self::Will => set(&[0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26]),
            Self::ConnAck => set(&[
                0x11, 0x12, 0x13, 0x15, 0x16, 0x1A, 0x1C, 0x1F, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27,
                0x28, 0x29, 0x2A,
            ]),
            Self::Publish => set(&[0x01, 0x02, 0x03, 0x08, 0x09, 0x0B, 0x23, 0x26]),
            Self::Acknowledgement => set(&[0x1F, 0x26]),
            Self::Subscribe => set(&[0x0B, 0x26]),
            Self::Unsubscribe => set(&[0x26]),
            Self::Disconnect => set(&[0x11, 0x1C, 0x1F, 0x26]),
            Self::Auth => set(&[0x15, 0x16, 0x1F, 0x26]),
        }
    }

    /// The properties that may stand here more than once: user properties everywhere, subscription
    /// identifiers in a PUBLISH (one for each matching subscription, 3.3.2.3.8).
    const fn repeatable(self) -> u64 {
        match self {
            Self::Publish => set(&[0x0B, 0x26]),
            _ => set(&[0x26]),
        }
    }
}

const fn set(identifiers: &[u8]) -> u64 {
    let mut bits = 0;
    let mut rest = identifiers;
    while let [identifier, after @ ..] = rest {
        bits |= bit(*identifier);
        rest = after;
    }
    bits
}

/// Identifiers end at 0x2A, so that they all have a bit of their own.
const fn bit(identifier: u8) -> u64 {
    1_u64.wrapping_shl(identifier as u32)
}

/// What is wrong with the value by itself, if anything.
pub(super) fn value_fault(property: &Property<'_>) -> Option<&'static str> {
    match *property {
        Property::PayloadFormatIndicator(2..) => Some("PayloadFormatIndicator is above 1"),
        Property::SubscriptionIdentifier(0) => Some("SubscriptionIdentifier is 0"),
        Property::SubscriptionIdentifier(id) if id > VARIABLE_INTEGER_MAX => {
            Some("SubscriptionIdentifier is above 268435455")
        }
        Property::ReceiveMaximum(0) => Some("ReceiveMaximum is 0"),
        Property::TopicAlias(0) => Some("TopicAlias is 0"),
        Property::MaximumQoS(2..) => Some("MaximumQoS is above 1"),
        Property::MaximumPacketSize(0) => Some("MaximumPacketSize is 0"),
        // [MQTT-3.3.2-14]
        Property::ResponseTopic(name) if !topic::is_valid_name(name) => {
            Some("ResponseTopic is not a topic name")
        }
        _ => None,
    }
}

/// Admits the properties of one place one by one.
struct Gate {
    place: Place,
    seen: u64,
}

impl Gate {
    const fn new(place: Place) -> Self {
        Self { place, seen: 0 }
    }

    /// Answers what is wrong with `property` here, if anything.
    fn admit(&mut self, property: &Property<'_>) -> Option<&'static str> {
        let (identifier, _) = parts(property);
        let bit = bit(identifier);
        if self.place.allowed() & bit == 0 {
            return Some("a property that does not belong into this packet");
        }
        if self.seen & bit & !self.place.repeatable() != 0 {
            return Some("a property that may only be there once");
        }
        self.seen |= bit;
        None
    }

    /// Authentication data makes sense only with a method (3.1.2.11.10).
    const fn finish(self) -> Option<&'static str> {
        let method = bit(0x15);
        let data = bit(0x16);
        if self.seen & data != 0 && self.seen & method == 0 {
            Some("AuthenticationData without AuthenticationMethod")
        } else {
            None
        }
    }
}

/// Reads the properties of a packet: none in MQTT 3.1.1; in MQTT 5 a length and then that many
/// bytes.
pub(crate) fn read<'a>(
    version: Version,
    place: Place,
    reader: &mut Reader<'a>,
) -> Result<Properties<'a>, DecodeError> {
    if version == Version::V311 {
        return Ok(Properties::EMPTY);
    }
    let len = reader.variable_integer("property length")?;
    let bytes = reader.take(len as usize, "property length")?;
    let mut inside = Reader::new(bytes);
    let mut gate = Gate::new(place);
    while !inside.is_empty() {
        let property = wire::read(&mut inside)?;
        if let Some(fault) = gate.admit(&property) {
            return Err(DecodeError::Protocol(fault));
        }
    }
    match gate.finish() {
        None => Ok(Properties::Wire(bytes)),
        Some(fault) => Err(DecodeError::Protocol(fault)),
    }
}

/// Writes the properties of a packet with their length; what [`read`] would refuse is refused here
/// too.
pub(crate) fn write(
    version: Version,
    place: Place,
    properties: &Properties<'_>,
    writer: &mut Writer<'_>,
) -> Result<(), EncodeError> {
    if version == Version::V311 {
        return match properties.is_empty() {
            true => Ok(()),
            false => Err(EncodeError::NotAllowed("properties exist only in MQTT 5")),
        };
    }
    let mut measure = Writer::counting();
    let mut gate = Gate::new(place);
    for property in properties {
        if let Some(fault) = value_fault(&property).or_else(|| gate.admit(&property)) {
            return Err(EncodeError::NotAllowed(fault));
        }
        wire::write(&property, &mut measure)?;
    }
    if let Some(fault) = gate.finish() {
        return Err(EncodeError::NotAllowed(fault));
    }
    writer.variable_integer(measure.len(), "properties")?;
    match properties {
        Properties::Wire(bytes) if bytes.len() == measure.len() => writer.bytes(bytes),
        // Only bytes that no decoder checked end early: an iterator stops at the first fault.
        Properties::Wire(_) => return Err(EncodeError::NotAllowed("damaged properties")),
        Properties::List(list) => {
            for property in *list {
                wire::write(property, writer)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Table 2-4 of the standard, row by row: the packets in which each property may stand.
    #[rustfmt::skip]
    const TABLE_2_4: &[(u8, &[Place])] = {
        use Place::{Acknowledgement, Auth, ConnAck, Connect, Disconnect, Publish, Subscribe, Unsubscribe, Will};
        &[
            (0x01, &[Publish, Will]),
            (0x02, &[Publish, Will]),
            (0x03, &[Publish, Will]),
            (0x08, &[Publish, Will]),
            (0x09, &[Publish, Will]),
            (0x0B, &[Publish, Subscribe]),
            (0x11, &[Connect, ConnAck, Disconnect]),
            (0x12, &[ConnAck]),
            (0x13, &[ConnAck]),
            (0x15, &[Connect, ConnAck, Auth]),
            (0x16, &[Connect, ConnAck, Auth]),
            (0x17, &[Connect]),
            (0x18, &[Will]),
            (0x19, &[Connect]),
            (0x1A, &[ConnAck]),
            (0x1C, &[ConnAck, Disconnect]),
            (0x1F, &[ConnAck, Acknowledgement, Disconnect, Auth]),
            (0x21, &[Connect, ConnAck]),
            (0x22, &[Connect, ConnAck]),
            (0x23, &[Publish]),
            (0x24, &[ConnAck]),
            (0x25, &[ConnAck]),
            (0x26, &[Connect, ConnAck, Publish, Will, Acknowledgement, Subscribe, Unsubscribe, Disconnect, Auth]),
            (0x27, &[Connect, ConnAck]),
            (0x28, &[ConnAck]),
            (0x29, &[ConnAck]),
            (0x2A, &[ConnAck]),
        ]
    };

    #[test]
    fn every_property_stands_where_table_2_4_says_and_nowhere_else() {
        let places = TABLE_2_4
            .iter()
            .find(|(identifier, _)| *identifier == 0x26)
            .unwrap()
            .1;
        assert_eq!(TABLE_2_4.len(), 27);
        for place in places {
            let mut expected = 0;
            for (identifier, _) in TABLE_2_4
                .iter()
                .filter(|(_, allowed)| allowed.contains(place))
            {
                expected |= 1 << identifier;
            }
            assert_eq!(place.allowed(), expected, "{place:?}");
        }
    }

    #[test]
    fn only_user_properties_and_in_a_publish_subscription_identifiers_repeat() {
        let twice = |place, property| {
            let mut gate = Gate::new(place);
            assert_eq!(gate.admit(&property), None);
            gate.admit(&property).is_none()
        };
        assert!(twice(Place::Connect, Property::UserProperty("k", "v")));
        assert!(twice(Place::Publish, Property::SubscriptionIdentifier(1)));
        assert!(!twice(
            Place::Subscribe,
            Property::SubscriptionIdentifier(1)
        ));
        assert!(!twice(Place::Publish, Property::TopicAlias(1)));
        assert!(!twice(Place::ConnAck, Property::ReasonString("r")));
    }
}
