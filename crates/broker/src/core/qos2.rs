//! QoS 2, which only behaviour `mqtt` has (`B-2`; 4.3.3).
//!
//! Inbound, a message is routed when it first arrives and its packet identifier is kept until PUBREL, so that it is
//! not routed twice. Outbound, a message stays in flight until PUBCOMP; after PUBREC only PUBREL is sent again.
//! Both live in the session; the identifiers do not survive a crash of the broker, after which QoS 2 is at least once.

use thingwire_mqtt::{Ack as AckPacket, Packet, PacketId, Properties, QoS, ReasonCode, Version};

use super::Core;
use super::acknowledge::Ack;
use super::slab::Key;
use crate::Now;

impl Core {
    pub(super) fn has_qos_2(&self) -> bool {
        self.rules.qos_max == QoS::ExactlyOnce
    }

    /// The client has our message.
    pub(super) fn pubrec(&mut self, now: Now, key: Key, ack: &AckPacket<'_>) {
        if ack.reason_code.0 >= 0x80 {
            // The delivery ends, and the packet identifier is free again.
            self.puback(now, key, ack.packet_id);
            return;
        }
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let Some(connected) = connection.connected.as_deref() else {
            return;
        };
        let version = connected.version;
        let known = self
            .sessions
            .get_mut(connected.session)
            .is_some_and(|session| session.release(ack.packet_id));
        let reason_code = if known || version == Version::V311 {
            ReasonCode::SUCCESS
        } else {
            ReasonCode::PACKET_IDENTIFIER_NOT_FOUND
        };
        connection.stage(version, &release(ack.packet_id, reason_code));
        self.touch(key);
    }

    /// The client will not send this message again.
    pub(super) fn pubrel(&mut self, key: Key, packet_id: PacketId) {
        let Some(connected) = self
            .connections
            .get(key)
            .and_then(|connection| connection.connected.as_deref())
        else {
            return;
        };
        let (session, version) = (connected.session, connected.version);
        let known = self.forget_received(session, packet_id);
        let reason_code = if known || version == Version::V311 {
            ReasonCode::SUCCESS
        } else {
            ReasonCode::PACKET_IDENTIFIER_NOT_FOUND
        };
        self.acknowledge(key, Ack::Complete(packet_id, reason_code), false);
    }

    /// Forgets an inbound QoS 2 message; answers whether it was known.
    pub(super) fn forget_received(&mut self, session: Key, packet_id: PacketId) -> bool {
        self.sessions
            .get_mut(session)
            .is_some_and(|session| session.received.remove(&packet_id.get()))
    }
}

/// PUBREL.
pub(super) const fn release(packet_id: PacketId, reason_code: ReasonCode) -> Packet<'static> {
    Packet::PubRel(AckPacket {
        packet_id,
        reason_code,
        properties: Properties::EMPTY,
    })
}
