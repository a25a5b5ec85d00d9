//! Answers to the client, and the order in which they may leave.
//!
//! A success that promises durability waits until its batch is on disk; the answers behind it wait too, so that the
//! order stays `[MQTT-4.6.0-2]`. Everything else of the connection goes on meanwhile. When the
//! batch failed, no answer says it succeeded.

use std::sync::Arc;

use thingwire_mqtt::{
    Ack as AckPacket, ConnAck, Packet, PacketId, Properties, Property, QoS, ReasonCode, SubAck,
    Version,
};

use super::Core;
use super::disconnect::Ending;
use super::slab::Key;
use super::wills::WaitingWill;
use crate::behaviour::IN_FLIGHT_MAXIMUM;
use crate::{DisconnectReason, Now};

/// One answer.
pub(crate) enum Ack {
    /// CONNACK; it is in the outbox already, behind the gate. With the Will that waited in the session until then and is
    /// discarded with it (`B-60`).
    Connect(Option<WaitingWill>),
    /// PUBACK with success.
    Publish(PacketId),
    /// PUBACK or PUBREC of MQTT 5 that refuses (`B-51`), with the reason if the client wants it.
    Refuse(QoS, PacketId, ReasonCode, Option<String>),
    /// PUBREC with success.
    Received(PacketId),
    /// The same for a message that came over an earlier connection, whose batch is older than this answer's: success if the
    /// session still knows it when this one's is done.
    ReceivedAgain(PacketId),
    /// PUBCOMP, with MQTT 5's code.
    Complete(PacketId, ReasonCode),
    /// SUBACK; `added` are the filters that are not on disk yet.
    Subscribe {
        packet_id: PacketId,
        codes: Vec<u8>,
        reason: Option<String>,
        added: Vec<Arc<str>>,
    },
    /// UNSUBACK; the codes are MQTT 5's.
    Unsubscribe { packet_id: PacketId, codes: Vec<u8> },
}

impl Waiting {
    /// When this is CONNACK: the Will that it would have discarded, if there is one.
    pub(super) fn into_connect(self) -> Option<Option<WaitingWill>> {
        match self.ack {
            Ack::Connect(will) => Some(will),
            _ => None,
        }
    }
}

impl Ack {
    /// Whether it ends an unacknowledged PUBLISH. PUBREC does not: the session counts QoS 2 (`Session::received`).
    const fn is_publish(&self) -> bool {
        matches!(self, Self::Publish(_) | Self::Refuse(..))
    }
}

/// One answer that cannot leave yet.
pub(crate) struct Waiting {
    /// The batch it waits for; `None` when it only waits for those before it.
    batch: Option<u64>,
    ack: Ack,
}

const STORE_FAILED: &str = "the answer could not be made durable";

impl Core {
    /// Sends an answer now or, when it promises something that is not on disk yet, later.
    pub(super) fn acknowledge(&mut self, key: Key, ack: Ack, durable: bool) {
        let batch = durable.then(|| self.journal.wait(key));
        let Some(connected) = self
            .connections
            .get_mut(key)
            .and_then(|connection| connection.connected.as_deref_mut())
        else {
            return;
        };
        if batch.is_none() && connected.unacknowledged.is_empty() {
            self.emit(key, ack);
            return;
        }
        if ack.is_publish() {
            connected.unacknowledged_publishes =
                connected.unacknowledged_publishes.saturating_add(1);
        }
        connected.unacknowledged.push_back(Waiting { batch, ack });
    }

    /// Batch `number` is on disk or has failed: its answers leave, and those that waited behind them.
    pub(super) fn release(&mut self, now: Now, key: Key, number: u64, stored: bool) {
        loop {
            let Some(connection) = self.connections.get_mut(key) else {
                return;
            };
            let Some(connected) = connection.connected.as_deref_mut() else {
                return;
            };
            let Some(first) = connected.unacknowledged.front() else {
                break;
            };
            if first.batch.is_some_and(|batch| batch > number) {
                break;
            }
            let Some(first) = connected.unacknowledged.pop_front() else {
                break;
            };
            if first.ack.is_publish() {
                connected.unacknowledged_publishes =
                    connected.unacknowledged_publishes.saturating_sub(1);
                if connected.unacknowledged_publishes < IN_FLIGHT_MAXIMUM.into() {
                    self.wakers.extend(connection.outbox.resume());
                }
            }
            let kept = match &first.ack {
                // Not when its batch failed and it came once more: that is in a later batch.
                Ack::ReceivedAgain(packet_id) => {
                    let session = connected.session;
                    !self.journal.is_pending(session, *packet_id)
                        && self
                            .sessions
                            .get(session)
                            .is_some_and(|session| session.received.contains(&packet_id.get()))
                }
                _ => first.batch.is_none() || stored,
            };
            if kept {
                self.emit(key, first.ack);
            } else {
                self.fail(now, key, number, first.ack);
            }
        }
        if let Some(connected) = self
            .connections
            .get_mut(key)
            .and_then(|connection| connection.connected.as_deref_mut())
            && connected.unacknowledged.is_empty()
        {
            // An idle connection owns no memory for answers.
            connected.unacknowledged = std::collections::VecDeque::new();
        }
    }

    fn emit(&mut self, key: Key, ack: Ack) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let Some(connected) = connection.connected.as_deref() else {
            return;
        };
        let version = connected.version;
        match ack {
            Ack::Connect(_) => self.wakers.extend(connection.outbox.open_gate()),
            Ack::Publish(packet_id) => {
                let ack = success(packet_id);
                connection.stage(version, &Packet::PubAck(ack));
            }
            Ack::Received(packet_id) | Ack::ReceivedAgain(packet_id) => {
                let ack = success(packet_id);
                connection.stage(version, &Packet::PubRec(ack));
            }
            Ack::Complete(packet_id, reason_code) => {
                let ack = AckPacket {
                    reason_code,
                    ..success(packet_id)
                };
                connection.stage(version, &Packet::PubComp(ack));
            }
            Ack::Refuse(qos, packet_id, reason_code, reason) => {
                let list = reason.as_deref().map(Property::ReasonString);
                let properties = Properties::List(list.as_slice());
                let ack = AckPacket {
                    packet_id,
                    reason_code,
                    properties,
                };
                let packet = if qos == QoS::ExactlyOnce {
                    Packet::PubRec(ack)
                } else {
                    Packet::PubAck(ack)
                };
                connection.stage(version, &packet);
            }
            Ack::Subscribe {
                packet_id,
                codes,
                reason,
                ..
            } => {
                let list = reason.as_deref().map(Property::ReasonString);
                let properties = Properties::List(list.as_slice());
                let ack = SubAck {
                    packet_id,
                    properties,
                    reason_codes: &codes,
                };
                connection.stage(version, &Packet::SubAck(ack));
            }
            Ack::Unsubscribe { packet_id, codes } => {
                let reason_codes = if version == Version::V5 {
                    &codes[..]
                } else {
                    &[]
                };
                let ack = SubAck {
                    packet_id,
                    properties: Properties::EMPTY,
                    reason_codes,
                };
                connection.stage(version, &Packet::UnsubAck(ack));
            }
        }
        self.touch(key);
    }

    /// The store did not take what the answer would promise.
    fn fail(&mut self, now: Now, key: Key, number: u64, ack: Ack) {
        let Some(connected) = self
            .connections
            .get(key)
            .and_then(|connection| connection.connected.as_deref())
        else {
            return;
        };
        let version = connected.version;
        let session = connected.session;
        let unspecified = ReasonCode::UNSPECIFIED_ERROR;
        let answer = match (ack, version) {
            (Ack::Connect(will), _) => {
                if let Some(will) = will {
                    self.give_back_will(session, will);
                }
                self.fail_connect(now, key, session, version);
                return;
            }
            (Ack::Publish(packet_id), Version::V5) => {
                let reason = Some(STORE_FAILED.into());
                Ack::Refuse(QoS::AtLeastOnce, packet_id, unspecified, reason)
            }
            (Ack::Received(packet_id) | Ack::ReceivedAgain(packet_id), Version::V5) => {
                let reason = Some(STORE_FAILED.into());
                Ack::Refuse(QoS::ExactlyOnce, packet_id, unspecified, reason)
            }
            (
                Ack::Subscribe {
                    packet_id,
                    codes,
                    added,
                    ..
                },
                _,
            ) => {
                for filter in &added {
                    self.take_back(session, filter, number);
                }
                let codes = vec![unspecified.0; codes.len()];
                Ack::Subscribe {
                    packet_id,
                    codes,
                    reason: None,
                    added: Vec::new(),
                }
            }
            (Ack::Unsubscribe { packet_id, codes }, Version::V5) => Ack::Unsubscribe {
                packet_id,
                codes: vec![unspecified.0; codes.len()],
            },
            (refusal @ (Ack::Refuse(..) | Ack::Complete(..)), _) => refusal,
            // MQTT 3.1.1 has no way to say it: closing without the answer is the only honest one.
            (
                Ack::Publish(_)
                | Ack::Received(_)
                | Ack::ReceivedAgain(_)
                | Ack::Unsubscribe { .. },
                Version::V311,
            ) => {
                self.end_connection(
                    now,
                    key,
                    &Ending::new(DisconnectReason::ServerError, STORE_FAILED),
                );
                return;
            }
        };
        self.emit(key, answer);
    }

    fn fail_connect(&mut self, now: Now, key: Key, session: Key, version: Version) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.outbox.clear();
            connection.staged.clear();
            let reason_code = match version {
                Version::V311 => ReasonCode::V311_SERVER_UNAVAILABLE,
                Version::V5 => ReasonCode::UNSPECIFIED_ERROR,
            };
            let properties = Properties::EMPTY;
            let refusal = ConnAck {
                session_present: false,
                reason_code,
                properties,
            };
            connection.stage(version, &Packet::ConnAck(refusal));
            self.wakers.extend(connection.outbox.open_gate());
        }
        // [MQTT-3.1.2-8]: only a connection that was accepted has a Will.
        let ending = Ending::new(DisconnectReason::ServerError, STORE_FAILED)
            .without_packet()
            .without_will();
        let flush_all = self.flush_all;
        self.end_connection(now, key, &ending);
        // Its Will is not on disk, unless a batch behind this one has it; so nothing needs to be deleted at once.
        self.flush_all = flush_all || (self.flush_all && self.journal.is_under_way());
        // A session that is not on disk must not be found by the next CONNECT as if it were.
        if !self
            .sessions
            .get(session)
            .is_some_and(|session| session.stored)
        {
            self.end_session(session);
        }
    }
}

pub(super) const fn success(packet_id: PacketId) -> AckPacket<'static> {
    AckPacket {
        packet_id,
        reason_code: ReasonCode::SUCCESS,
        properties: Properties::EMPTY,
    }
}
