//! MQTT 5 properties (2.2.2): one type for both directions.
//!
//! Which properties a packet may carry, how often and with which values is decided in [`rules`];
//! how they lie in bytes in [`wire`]. Here is what a caller sees.

use core::fmt;

use crate::wire::{Reader, Writer};
use crate::{EncodeError, Version};

pub(crate) mod rules;
pub(crate) mod wire;

pub(crate) use wire::{name, value_rule};

/// One property. Variants carry the wire identifier in their documentation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Property<'a> {
    /// 0x01: 0 bytes, 1 UTF-8 text.
    PayloadFormatIndicator(u8),
    /// 0x02: seconds.
    MessageExpiryInterval(u32),
    /// 0x03
    ContentType(&'a str),
    /// 0x08
    ResponseTopic(&'a str),
    /// 0x09
    CorrelationData(&'a [u8]),
    /// 0x0B: 1 to 268,435,455.
    SubscriptionIdentifier(u32),
    /// 0x11: seconds.
    SessionExpiryInterval(u32),
    /// 0x12
    AssignedClientIdentifier(&'a str),
    /// 0x13: seconds.
    ServerKeepAlive(u16),
    /// 0x15
    AuthenticationMethod(&'a str),
    /// 0x16
    AuthenticationData(&'a [u8]),
    /// 0x17
    RequestProblemInformation(bool),
    /// 0x18: seconds.
    WillDelayInterval(u32),
    /// 0x19
    RequestResponseInformation(bool),
    /// 0x1A
    ResponseInformation(&'a str),
    /// 0x1C
    ServerReference(&'a str),
    /// 0x1F
    ReasonString(&'a str),
    /// 0x21: never 0.
    ReceiveMaximum(u16),
    /// 0x22
    TopicAliasMaximum(u16),
    /// 0x23: never 0.
    TopicAlias(u16),
    /// 0x24: 0 or 1.
    MaximumQoS(u8),
    /// 0x25
    RetainAvailable(bool),
    /// 0x26
    UserProperty(&'a str, &'a str),
    /// 0x27: bytes, never 0.
    MaximumPacketSize(u32),
    /// 0x28
    WildcardSubscriptionAvailable(bool),
    /// 0x29
    SubscriptionIdentifierAvailable(bool),
    /// 0x2A
    SharedSubscriptionAvailable(bool),
}

/// The properties of one packet: validated wire bytes when decoded, a slice when to be sent.
///
/// In MQTT 3.1.1 they must be empty.
#[derive(Clone, Copy)]
pub enum Properties<'a> {
    /// The property bytes of a decoded packet, without their length; identifiers, types,
    /// repetitions and their place in this packet type were checked, so iterating cannot fail.
    Wire(&'a [u8]),
    /// Properties to send.
    List(&'a [Property<'a>]),
}

/// Walks through [`Properties`] in order.
#[derive(Clone, Debug)]
pub struct PropertyIter<'a> {
    rest: Properties<'a>,
}

impl<'a> Properties<'a> {
    /// No properties, as every MQTT 3.1.1 packet has.
    pub const EMPTY: Self = Self::List(&[]);

    /// The properties in the order of the packet; user properties must keep it
    /// `[MQTT-3.3.2-18]`.
    #[must_use]
    pub const fn iter(&self) -> PropertyIter<'a> {
        PropertyIter { rest: *self }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        match self {
            Self::Wire(bytes) => bytes.is_empty(),
            Self::List(list) => list.is_empty(),
        }
    }

    /// The first answer of `pick`, which is asked about one property after the other:
    ///
    /// ```
    /// use thingwire_mqtt::{Properties, Property};
    ///
    /// let properties = Properties::List(&[Property::TopicAlias(3)]);
    /// let alias = properties.find(|property| match property {
    ///     Property::TopicAlias(alias) => Some(alias),
    ///     _ => None,
    /// });
    /// assert_eq!(alias, Some(3));
    /// ```
    pub fn find<T>(&self, pick: impl FnMut(Property<'a>) -> Option<T>) -> Option<T> {
        self.iter().find_map(pick)
    }

    /// Writes the properties of a PUBLISH as [`Wire`](Self::Wire) holds them, for a message that is kept to be sent later. Answers how many
    /// bytes they are; when `out` is shorter, what is in it means nothing.
    ///
    /// # Errors
    /// [`EncodeError`] when they could not be sent: not in this version, not in a PUBLISH, not with these values.
    pub fn encode(&self, version: Version, out: &mut [u8]) -> Result<usize, EncodeError> {
        let mut writer = Writer::new(out);
        rules::write_bare(version, rules::Place::Publish, self, &mut writer)?;
        Ok(writer.len())
    }

    /// As [`iter`](Self::iter) without their names, for who looks for one or two among many.
    pub(crate) const fn raw(&self) -> RawIter<'a> {
        RawIter { rest: *self }
    }

    /// The number of the property with this identifier, if it is there.
    pub(crate) fn number(&self, identifier: u8) -> Option<u32> {
        self.raw()
            .find(|property| property.identifier == identifier)
            .map(|property| property.number())
    }
}

/// Walks through [`Properties`] without naming them.
pub(crate) struct RawIter<'a> {
    rest: Properties<'a>,
}

impl<'a> Iterator for RawIter<'a> {
    type Item = wire::Raw<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if !cfg!(feature = "v5") {
            return None;
        }
        match &mut self.rest {
            Properties::List(list) => {
                let (first, rest) = list.split_first()?;
                *list = rest;
                Some(wire::raw(first))
            }
            Properties::Wire(bytes) => {
                let mut reader = Reader::new(bytes);
                let property = wire::Raw::read(&mut reader).ok();
                *bytes = match property {
                    Some(_) => reader.rest(),
                    None => &[],
                };
                property
            }
        }
    }
}

impl Default for Properties<'_> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<'a> Iterator for PropertyIter<'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.rest {
            Properties::List(list) => {
                let (first, rest) = list.split_first()?;
                *list = rest;
                Some(*first)
            }
            Properties::Wire(bytes) => {
                let mut reader = Reader::new(bytes);
                let property = wire::Raw::read(&mut reader).ok().and_then(wire::named);
                *bytes = match property {
                    Some(_) => reader.rest(),
                    None => &[],
                };
                property
            }
        }
    }
}

impl<'a> IntoIterator for &Properties<'a> {
    type Item = Property<'a>;
    type IntoIter = PropertyIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Equal when they hold the same properties in the same order, wherever they came from.
impl PartialEq for Properties<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Shows name and value; of authentication data, which is a secret, only the length.
impl fmt::Debug for Property<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::AuthenticationData(data) = self {
            return write!(f, "AuthenticationData({} bytes)", data.len());
        }
        let raw = wire::raw(self);
        let is_flag = wire::type_of(raw.identifier) == wire::Type::Flag;
        if is_flag {
            return write!(f, "{}({})", name(raw.identifier), raw.number() != 0);
        }
        write!(f, "{}({:?})", name(raw.identifier), raw.value)
    }
}
