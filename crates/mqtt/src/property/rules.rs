//! Where a property may stand, how often, and with which values (table 2-4 and 3.1–3.15).
//!
//! What depends on the direction of a packet is left to its receiver, because a codec does not know
//! which end it serves: a server refuses a SubscriptionIdentifier in a PUBLISH `[MQTT-3.3.4-6]`, a
//! client refuses a SessionExpiryInterval in a DISCONNECT `[MQTT-3.14.2-2]`.

use super::Properties;
use super::wire::Raw;
use crate::Version;
use crate::fault::Fault;
use crate::wire::{Reader, VARIABLE_INTEGER_MAX, Writer, variable_integer_len};

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
        // `const` makes the compiler, not the device, gather the bits.
        match self {
            Self::Connect => const { set(&[0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27]) },
            Self::Will => const { set(&[0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26]) },
            Self::ConnAck => {
                const {
                    set(&[
                        0x11, 0x12, 0x13, 0x15, 0x16, 0x1A, 0x1C, 0x1F, 0x21, 0x22, 0x24, 0x25,
                        0x26, 0x27, 0x28, 0x29, 0x2A,
                    ])
                }
            }
            Self::Publish => const { set(&[0x01, 0x02, 0x03, 0x08, 0x09, 0x0B, 0x23, 0x26]) },
            Self::Acknowledgement => const { set(&[0x1F, 0x26]) },
            Self::Subscribe => const { set(&[0x0B, 0x26]) },
            Self::Unsubscribe => const { set(&[0x26]) },
            Self::Disconnect => const { set(&[0x11, 0x1C, 0x1F, 0x26]) },
            Self::Auth => const { set(&[0x15, 0x16, 0x1F, 0x26]) },
        }
    }

    /// The properties that may stand here more than once: user properties everywhere, subscription
    /// identifiers in a PUBLISH (one for each matching subscription, 3.3.2.3.8).
    const fn repeatable(self) -> u64 {
        match self {
            Self::Publish => const { set(&[0x0B, 0x26]) },
            _ => const { set(&[0x26]) },
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

/// Admits the properties of one place one by one.
struct Gate {
    place: Place,
    seen: u64,
}

impl Gate {
    const fn new(place: Place) -> Self {
        Self { place, seen: 0 }
    }

    /// Answers what is wrong with the property with this identifier here, if anything.
    fn admit(&mut self, identifier: u8) -> Result<(), Fault> {
        let bit = bit(identifier);
        if self.place.allowed() & bit == 0 {
            return Err(rule!("a property that does not belong into this packet"));
        }
        if self.seen & bit & !self.place.repeatable() != 0 {
            return Err(rule!("a property that may only be there once"));
        }
        self.seen |= bit;
        Ok(())
    }

    /// Authentication data makes sense only with a method (3.1.2.11.10).
    const fn finish(&self) -> Result<(), Fault> {
        let method = bit(0x15);
        let data = bit(0x16);
        if self.seen & data != 0 && self.seen & method == 0 {
            Err(rule!("AuthenticationData without AuthenticationMethod"))
        } else {
            Ok(())
        }
    }
}

/// Reads the properties of a packet: none in MQTT 3.1.1; in MQTT 5 a length and then that many
/// bytes.
pub(crate) fn read<'a>(
    version: Version,
    place: Place,
    reader: &mut Reader<'a>,
) -> Result<Properties<'a>, Fault> {
    if !version.is_v5() {
        return Ok(Properties::EMPTY);
    }
    let len = reader.variable_integer(field!("property length"))?;
    let bytes = reader.take(len as usize, field!("property length"))?;
    let mut inside = Reader::new(bytes);
    let mut gate = Gate::new(place);
    while !inside.is_empty() {
        let property = Raw::read(&mut inside)?;
        gate.admit(property.identifier)?;
    }
    gate.finish()?;
    Ok(Properties::Wire(bytes))
}

/// Writes the properties of a packet with their length; what [`read`] would refuse is refused here
/// too.
pub(crate) fn write(
    version: Version,
    place: Place,
    properties: &Properties<'_>,
    writer: &mut Writer<'_>,
) -> Result<(), Fault> {
    measure(version, place, properties)?.write(properties, writer)
}

/// Writes the properties of a packet without their length.
pub(crate) fn write_bare(
    version: Version,
    place: Place,
    properties: &Properties<'_>,
    writer: &mut Writer<'_>,
) -> Result<(), Fault> {
    measure(version, place, properties)?;
    write_all(place, properties, writer)
}

/// Writes one list and behind it another.
pub(crate) fn write_both(
    version: Version,
    place: Place,
    (first, second): (&Properties<'_>, &Properties<'_>),
    writer: &mut Writer<'_>,
) -> Result<(), Fault> {
    if second.is_empty() {
        return write(version, place, first, writer);
    }
    let first_len = measure(version, place, first)?.inside.unwrap_or(0);
    let second_len = measure(version, place, second)?.inside.unwrap_or(0);
    let len = first_len.wrapping_add(second_len);
    writer.variable_integer(len, field!("properties"))?;
    let mut gate = Gate::new(place);
    write_list(&mut gate, first, writer)?;
    write_list(&mut gate, second, writer)?;
    gate.finish()
}

/// How long properties are that were found to be in order. Small, because it is handed back on a stack.
pub(crate) struct Measured {
    place: Place,
    /// Bytes behind the length; `None` in MQTT 3.1.1, which has not even a length.
    inside: Option<usize>,
}

/// Looks whether the properties may stand here and how long they are.
pub(crate) fn measure(
    version: Version,
    place: Place,
    properties: &Properties<'_>,
) -> Result<Measured, Fault> {
    if properties.is_empty() {
        return Ok(Measured::none(version));
    }
    if !version.is_v5() {
        return Err(rule!("properties exist only in MQTT 5"));
    }
    Ok(Measured {
        place,
        inside: Some(length(place, properties)?),
    })
}

fn length(place: Place, properties: &Properties<'_>) -> Result<usize, Fault> {
    let mut counter = Writer::counting();
    write_all(place, properties, &mut counter)?;
    let len = counter.len();
    if len > VARIABLE_INTEGER_MAX as usize {
        return Err(field!("properties"));
    }
    match properties {
        // Only bytes that no decoder checked end early: an iterator stops at the first fault.
        Properties::Wire(bytes) if bytes.len() != len => Err(rule!("damaged properties")),
        Properties::Wire(_) | Properties::List(_) => Ok(len),
    }
}

impl Measured {
    /// Those of a packet without properties.
    pub(crate) const fn none(version: Version) -> Self {
        Self {
            // Of no importance: nothing is written.
            place: Place::Publish,
            inside: if version.is_v5() { Some(0) } else { None },
        }
    }

    /// Bytes that they take with their length.
    pub(crate) const fn len(&self) -> usize {
        match self.inside {
            Some(inside) if cfg!(feature = "v5") => {
                variable_integer_len(inside as u32).wrapping_add(inside)
            }
            _ => 0,
        }
    }

    /// Writes the properties that were measured.
    pub(crate) fn write(
        &self,
        properties: &Properties<'_>,
        writer: &mut Writer<'_>,
    ) -> Result<(), Fault> {
        let Some(inside) = self.inside.filter(|_| cfg!(feature = "v5")) else {
            return Ok(());
        };
        writer.remaining_len(inside);
        match properties {
            Properties::Wire(bytes) => writer.bytes(bytes),
            Properties::List([]) => {}
            properties => write_all(self.place, properties, writer)?,
        }
        Ok(())
    }
}

fn write_all(
    place: Place,
    properties: &Properties<'_>,
    writer: &mut Writer<'_>,
) -> Result<(), Fault> {
    let mut gate = Gate::new(place);
    write_list(&mut gate, properties, writer)?;
    gate.finish()
}

fn write_list(
    gate: &mut Gate,
    properties: &Properties<'_>,
    writer: &mut Writer<'_>,
) -> Result<(), Fault> {
    for property in properties.raw() {
        if let Some(fault) = property.fault() {
            return Err(fault);
        }
        gate.admit(property.identifier)?;
        property.write(writer)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Property;
    use super::super::wire::raw;
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
        let twice = |place, property: Property<'_>| {
            let mut gate = Gate::new(place);
            let identifier = raw(&property).identifier;
            assert_eq!(gate.admit(identifier), Ok(()));
            gate.admit(identifier).is_ok()
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
