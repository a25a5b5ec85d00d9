//! What can be read back from a packet that this session encoded and keeps in its arena.
//!
//! Only the fields that are needed again; a whole decoder for one's own packets would cost a device flash
//! for nothing. Damaged bytes read as `None`, never as a panic.

use crate::wire::Reader;
use crate::{PacketId, SubscribeFilters, Version};

/// A reader behind the fixed header of `packet`.
fn body(packet: &[u8]) -> Reader<'_> {
    let end_of_length = packet.iter().skip(1).position(|byte| *byte < 0x80);
    let from = end_of_length.map_or(packet.len(), |last| last.saturating_add(2));
    Reader::new(packet.get(from..).unwrap_or_default())
}

/// The topic name of a PUBLISH.
pub(super) fn topic(packet: &[u8]) -> Option<&str> {
    body(packet).text(field!("topic name")).ok()
}

/// The filters of a SUBSCRIBE.
pub(super) fn filters(version: Version, packet: &[u8]) -> Option<SubscribeFilters<'_>> {
    let mut reader = body(packet);
    reader.u16(field!("packet identifier")).ok()?;
    if version.is_v5() {
        let len = reader.variable_integer(field!("property length")).ok()?;
        reader.take(len as usize, field!("property length")).ok()?;
    }
    Some(SubscribeFilters::Wire(reader.rest()))
}

/// Gives a SUBSCRIBE or UNSUBSCRIBE another identifier, the first field after the fixed header.
pub(super) fn set_packet_id(packet: &mut [u8], packet_id: PacketId) {
    let from = packet.len().saturating_sub(body(packet).rest().len());
    let field = packet
        .get_mut(from..)
        .and_then(|rest| rest.first_chunk_mut());
    if let Some(field) = field {
        *field = packet_id.get().to_be_bytes();
    }
}
