//! What can be read back from a packet that this session encoded and keeps in its arena.
//!
//! Only the fields that are needed again; a whole decoder for one's own packets would cost a device flash
//! for nothing. Filters come as bytes, because most are only compared. Damaged bytes read as an early end, never as a
//! panic.

use crate::property::rules::{self, Place};
use crate::wire::Reader;
use crate::{PacketId, Version};

/// A reader behind the fixed header of `packet`.
fn body(packet: &[u8]) -> Reader<'_> {
    let end_of_length = packet.iter().skip(1).position(|byte| *byte < 0x80);
    let from = end_of_length.map_or(packet.len(), |last| last.wrapping_add(2));
    Reader::new(packet.get(from..).unwrap_or_default())
}

/// The topic name of a PUBLISH.
pub(super) fn topic(packet: &[u8]) -> Option<&str> {
    body(packet).text(field!("topic name")).ok()
}

/// One filter of a stored SUBSCRIBE.
#[derive(Clone, Copy)]
pub(super) struct Filter<'a> {
    /// The filter itself.
    pub(super) name: &'a [u8],
    /// As it lies in the packet: length, filter, options.
    pub(super) entry: &'a [u8],
}

/// The filters of a SUBSCRIBE, in order.
#[derive(Clone, Copy)]
pub(super) struct Filters<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Filters<'a> {
    type Item = Filter<'a>;

    fn next(&mut self) -> Option<Filter<'a>> {
        let mut reader = Reader::new(self.rest);
        let name = reader.binary(field!("topic filter")).ok()?;
        reader.u8(field!("subscription options")).ok()?;
        let (entry, rest) = self.rest.split_at_checked(name.len().wrapping_add(3))?;
        self.rest = rest;
        Some(Filter { name, entry })
    }
}

/// The properties of a SUBSCRIBE with their length (nothing in 3.1.1), and its filters.
pub(super) fn subscribe(version: Version, packet: &[u8]) -> (&[u8], Filters<'_>) {
    let mut reader = body(packet);
    let _ = reader.u16(field!("packet identifier"));
    let from = reader.rest();
    if version.is_v5() {
        let len = reader.variable_integer(field!("property length"));
        let _ = reader.take(len.unwrap_or(0) as usize, field!("property length"));
    }
    let rest = reader.rest();
    let properties = from.get(..from.len().wrapping_sub(rest.len()));
    (properties.unwrap_or_default(), Filters { rest })
}

/// Whether a SUBSCRIBE has an identifier.
pub(super) fn has_identifier(version: Version, packet: &[u8]) -> bool {
    let mut reader = Reader::new(subscribe(version, packet).0);
    rules::read(version, Place::Subscribe, &mut reader)
        .is_ok_and(|properties| properties.number(0x0B).is_some())
}

/// The filters of a SUBSCRIBE.
pub(super) fn filters(version: Version, packet: &[u8]) -> Filters<'_> {
    subscribe(version, packet).1
}

/// Gives a SUBSCRIBE or UNSUBSCRIBE another identifier, the first field after the fixed header.
pub(super) fn set_packet_id(packet: &mut [u8], packet_id: PacketId) {
    let from = packet.len().wrapping_sub(body(packet).rest().len());
    let field = packet
        .get_mut(from..)
        .and_then(|rest| rest.first_chunk_mut());
    if let Some(field) = field {
        *field = packet_id.get().to_be_bytes();
    }
}
