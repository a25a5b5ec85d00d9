//! The topic filters that SUBSCRIBE and UNSUBSCRIBE carry (3.8.3, 3.10.3).
//!
//! A decoded packet keeps them as the bytes that came, each entry checked; a packet to be sent
//! borrows a slice. Both are walked the same way. What a filter means is not decided here: see
//! [`crate::topic`].

use core::fmt;

use crate::fault::Fault;
use crate::wire::Reader;
use crate::{QoS, RetainHandling, Version, topic};

/// One filter of a SUBSCRIBE with its options.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SubscribeFilter<'a> {
    /// Topic filter.
    pub filter: &'a str,
    /// Maximum QoS asked for.
    pub qos: QoS,
    /// MQTT 5: do not send back to the publisher.
    pub no_local: bool,
    /// MQTT 5: keep the RETAIN flag as published.
    pub retain_as_published: bool,
    /// MQTT 5: when retained messages are sent.
    pub retain_handling: RetainHandling,
}

impl<'a> SubscribeFilter<'a> {
    /// A filter with this quality of service and no MQTT 5 options.
    #[must_use]
    pub const fn new(filter: &'a str, qos: QoS) -> Self {
        Self {
            filter,
            qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::SendAtSubscribe,
        }
    }
}

/// The filters of a SUBSCRIBE: validated wire bytes when decoded, a slice when to be sent.
#[derive(Clone, Copy)]
pub enum SubscribeFilters<'a> {
    /// The rest of a decoded packet; every entry was checked, so iterating cannot fail.
    Wire(&'a [u8]),
    /// Filters to send.
    List(&'a [SubscribeFilter<'a>]),
}

/// The filters of an UNSUBSCRIBE: validated wire bytes when decoded, a slice when to be sent.
#[derive(Clone, Copy)]
pub enum UnsubscribeFilters<'a> {
    /// The rest of a decoded packet; every entry was checked, so iterating cannot fail.
    Wire(&'a [u8]),
    /// Filters to send.
    List(&'a [&'a str]),
}

/// Walks through [`SubscribeFilters`] in order.
#[derive(Clone, Debug)]
pub struct SubscribeFilterIter<'a> {
    rest: SubscribeFilters<'a>,
}

/// Walks through [`UnsubscribeFilters`] in order.
#[derive(Clone, Debug)]
pub struct UnsubscribeFilterIter<'a> {
    rest: UnsubscribeFilters<'a>,
}

impl<'a> SubscribeFilters<'a> {
    /// The filters with their options, in the order of the packet, which is the order of the
    /// SUBACK.
    #[must_use]
    pub const fn iter(&self) -> SubscribeFilterIter<'a> {
        SubscribeFilterIter { rest: *self }
    }

    /// How many filters there are. Walks through the bytes of a decoded packet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is none, which no valid packet has `[MQTT-3.8.3-2]`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl<'a> UnsubscribeFilters<'a> {
    /// The filters in the order of the packet, which is the order of MQTT 5's UNSUBACK.
    #[must_use]
    pub const fn iter(&self) -> UnsubscribeFilterIter<'a> {
        UnsubscribeFilterIter { rest: *self }
    }

    /// How many filters there are. Walks through the bytes of a decoded packet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is none, which no valid packet has `[MQTT-3.10.3-2]`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl<'a> Iterator for SubscribeFilterIter<'a> {
    type Item = SubscribeFilter<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.rest {
            SubscribeFilters::List(list) => {
                let (first, rest) = list.split_first()?;
                *list = rest;
                Some(*first)
            }
            SubscribeFilters::Wire(bytes) => {
                let mut reader = Reader::new(bytes);
                let entry = read_entry(&mut reader).ok();
                *bytes = if entry.is_some() { reader.rest() } else { &[] };
                entry
            }
        }
    }
}

impl<'a> Iterator for UnsubscribeFilterIter<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.rest {
            UnsubscribeFilters::List(list) => {
                let (first, rest) = list.split_first()?;
                *list = rest;
                Some(*first)
            }
            UnsubscribeFilters::Wire(bytes) => {
                let mut reader = Reader::new(bytes);
                let entry = reader.text(field!("topic filter")).ok();
                *bytes = if entry.is_some() { reader.rest() } else { &[] };
                entry
            }
        }
    }
}

impl<'a> IntoIterator for &SubscribeFilters<'a> {
    type Item = SubscribeFilter<'a>;
    type IntoIter = SubscribeFilterIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> IntoIterator for &UnsubscribeFilters<'a> {
    type Item = &'a str;
    type IntoIter = UnsubscribeFilterIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Equal when they hold the same filters, wherever they came from.
impl PartialEq for SubscribeFilters<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

/// Equal when they hold the same filters, wherever they came from.
impl PartialEq for UnsubscribeFilters<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for SubscribeFilters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for UnsubscribeFilters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The rest of a SUBSCRIBE: one filter or more `[MQTT-3.8.3-2]` (3.1.1: `[MQTT-3.8.3-3]`).
pub(crate) fn read_subscribe<'a>(
    version: Version,
    reader: &mut Reader<'a>,
) -> Result<SubscribeFilters<'a>, Fault> {
    let filters = reader.rest();
    if filters.is_empty() {
        return Err(rule!("SUBSCRIBE without a topic filter"));
    }
    while !reader.is_empty() {
        check_entry(version, reader)?;
    }
    Ok(SubscribeFilters::Wire(filters))
}

/// The rest of an UNSUBSCRIBE: one filter or more `[MQTT-3.10.3-2]`.
pub(crate) fn read_unsubscribe<'a>(
    reader: &mut Reader<'a>,
) -> Result<UnsubscribeFilters<'a>, Fault> {
    let filters = reader.rest();
    if filters.is_empty() {
        return Err(rule!("UNSUBSCRIBE without a topic filter"));
    }
    while !reader.is_empty() {
        reader.text(field!("topic filter"))?;
    }
    Ok(UnsubscribeFilters::Wire(filters))
}

/// One filter with its options byte (3.8.3.1). In MQTT 3.1.1 all but the QoS is reserved
/// `[MQTT-3.8.3-4]`; in MQTT 5 the two highest bits are `[MQTT-3.8.3-5]`.
fn check_entry(version: Version, reader: &mut Reader<'_>) -> Result<(), Fault> {
    let start = *reader;
    reader.text(field!("topic filter"))?;
    let options = reader.u8(field!("subscription options"))?;
    let reserved = match version.is_v5() {
        false => 0b1111_1100,
        true => 0b1100_0000,
    };
    if options & reserved != 0 {
        return Err(field!("reserved subscription options"));
    }
    if options & 0b11 == 0b11 {
        return Err(match version.is_v5() {
            false => field!("requested QoS"),
            true => rule!("requested QoS 3"),
        });
    }
    *reader = start;
    let entry = read_entry(reader)?;
    if is_no_local_on_shared(&entry) {
        return Err(rule!("no local on a shared subscription"));
    }
    Ok(())
}

/// One entry of checked bytes, of either version.
fn read_entry<'a>(reader: &mut Reader<'a>) -> Result<SubscribeFilter<'a>, Fault> {
    let filter = reader.text(field!("topic filter"))?;
    let options = reader.u8(field!("subscription options"))?;
    Ok(SubscribeFilter {
        filter,
        qos: QoS::from_bits(options & 0b11).ok_or(rule!("requested QoS 3"))?,
        no_local: options & 0b0100 != 0,
        retain_as_published: options & 0b1000 != 0,
        retain_handling: RetainHandling::from_bits(options >> 4 & 0b11)
            .ok_or(rule!("retain handling 3"))?,
    })
}

/// What `[MQTT-3.8.3-4]` of MQTT 5 forbids.
pub(crate) fn is_no_local_on_shared(entry: &SubscribeFilter<'_>) -> bool {
    cfg!(feature = "v5") && entry.no_local && topic::shared(entry.filter).is_some()
}

/// The options byte of a filter.
pub(crate) const fn subscription_options(entry: &SubscribeFilter<'_>) -> u8 {
    entry.qos.bits()
        | (entry.no_local as u8) << 2
        | (entry.retain_as_published as u8) << 3
        | entry.retain_handling.bits() << 4
}
