//! A PUBLISH encoded once and given to many.
//!
//! The bytes for two receivers differ at most in the packet identifier, so each of the six forms
//! (version × QoS) is encoded at the first receiver that needs it and copied for the others. Of large
//! messages only the head is copied and the rest is shared.

use bytes::Bytes;
use thingwire_mqtt::{FrameHeader, Packet, PacketId, Properties, Property, Publish, QoS, Version};

use super::message::{Publication, forwarded};
use super::outbox::Pending;
use crate::Millis;

/// From this many bytes on, sharing is cheaper than copying.
const SHARED_FROM: usize = 4096;

#[derive(Default)]
enum State {
    #[default]
    Empty,
    Ready,
    /// It cannot be expressed; nothing that was decoded gets here.
    Impossible,
}

/// One encoded form.
#[derive(Default)]
pub(crate) struct Form {
    state: State,
    /// The whole packet, or the part that is copied.
    head: Vec<u8>,
    /// The rest of a large packet.
    tail: Option<Bytes>,
    /// Where the packet identifier stands in `head`, for QoS 1.
    id_at: usize,
}

/// How a message is presented to one receiver.
#[derive(Clone, Copy)]
pub(crate) struct Shape<'a> {
    pub(crate) version: Version,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) dup: bool,
    /// Subscription identifiers (`B-36`).
    pub(crate) ids: &'a [u32],
}

impl Form {
    /// Encodes a publication. `None` when it cannot be expressed.
    pub(crate) fn encode(
        &mut self,
        publication: &Publication<'_>,
        shape: Shape<'_>,
        unix: Millis,
    ) -> Option<()> {
        self.head.clear();
        self.tail = None;
        let mut list = match shape.version {
            Version::V311 => Vec::new(),
            Version::V5 => forwarded(publication, unix),
        };
        if shape.version == Version::V5 {
            list.extend(
                shape
                    .ids
                    .iter()
                    .map(|id| Property::SubscriptionIdentifier(*id)),
            );
        }
        let packet = Packet::Publish(Publish {
            dup: shape.dup,
            qos: shape.qos,
            retain: shape.retain,
            topic: publication.topic,
            packet_id: (shape.qos != QoS::AtMostOnce).then_some(PacketId::FIRST),
            properties: Properties::List(&list),
            payload: publication.payload,
        });
        let len = encode_onto(&mut self.head, shape.version, &packet)?;
        if shape.qos != QoS::AtMostOnce {
            let header = FrameHeader::parse(&self.head).ok()??;
            // Fixed header, two bytes of length, topic name, packet identifier (3.3.2).
            self.id_at = header
                .header_len
                .saturating_add(2)
                .saturating_add(publication.topic.len());
        }
        if len >= SHARED_FROM {
            let head_len = if shape.qos == QoS::AtMostOnce {
                0
            } else {
                self.id_at.saturating_add(2)
            };
            let mut whole = Bytes::from(std::mem::take(&mut self.head));
            self.head
                .extend_from_slice(&whole.split_to(head_len.min(len)));
            self.tail = Some(whole);
        }
        Some(())
    }

    pub(crate) fn len(&self) -> usize {
        self.head
            .len()
            .saturating_add(self.tail.as_ref().map_or(0, Bytes::len))
    }

    /// Appends the packet for one receiver.
    pub(crate) fn append_to(&self, pending: &mut Pending, packet_id: Option<PacketId>) {
        let small = pending.small();
        let start = small.len();
        small.extend_from_slice(&self.head);
        if let Some(id) = packet_id {
            let at = start.saturating_add(self.id_at);
            if let Some(place) = small.get_mut(at..at.saturating_add(2)) {
                place.copy_from_slice(&id.get().to_be_bytes());
            }
        }
        if let Some(tail) = &self.tail {
            pending.push_shared(tail.clone());
        }
    }
}

/// The six forms of a live publication; RETAIN is 0 in all of them (`B-63`).
#[derive(Default)]
pub(crate) struct Forms([Form; 6]);

impl Forms {
    /// Forgets the last publication, keeps the memory.
    pub(crate) fn clear(&mut self) {
        for form in &mut self.0 {
            form.state = State::Empty;
        }
    }

    pub(crate) fn form(
        &mut self,
        publication: &Publication<'_>,
        version: Version,
        qos: QoS,
        unix: Millis,
    ) -> Option<&Form> {
        let [a, b, c, d, e, f] = &mut self.0;
        let form = match (version, qos) {
            (Version::V311, QoS::AtMostOnce) => a,
            (Version::V311, QoS::AtLeastOnce) => b,
            (Version::V5, QoS::AtMostOnce) => c,
            (Version::V5, QoS::AtLeastOnce) => d,
            (Version::V311, QoS::ExactlyOnce) => e,
            (Version::V5, QoS::ExactlyOnce) => f,
        };
        if matches!(form.state, State::Empty) {
            let shape = Shape {
                version,
                qos,
                retain: false,
                dup: false,
                ids: &[],
            };
            form.state = match form.encode(publication, shape, unix) {
                Some(()) => State::Ready,
                None => State::Impossible,
            };
        }
        matches!(form.state, State::Ready).then_some(&*form)
    }
}

/// Appends an encoded packet; answers its length. `None`, and nothing appended, when it cannot be expressed.
pub(crate) fn encode_onto(
    out: &mut Vec<u8>,
    version: Version,
    packet: &Packet<'_>,
) -> Option<usize> {
    let len = packet.encoded_len(version).ok()?;
    let start = out.len();
    out.resize(start.saturating_add(len), 0);
    let place = out.get_mut(start..)?;
    if packet.encode(version, place).is_err() {
        out.truncate(start);
        return None;
    }
    Some(len)
}
