//! How connections and sessions end (`B-25`, `B-29`, `B-59`, `D-9`).

use std::sync::Arc;

use thingwire_mqtt::{Disconnect, Packet, Properties, Property, ReasonCode, Version};

use super::acknowledge::Waiting;
use super::durable::{Change, session_end};
use super::slab::Key;
use super::timers::Timer;
use super::{ConnectionKey, Core};
use crate::{DisconnectReason, Event, Now};

/// Why and how a connection ends.
pub(super) struct Ending<'a> {
    reason: DisconnectReason,
    detail: &'a str,
    /// MQTT 5 is told this.
    code: Option<ReasonCode>,
    will: bool,
}

impl<'a> Ending<'a> {
    /// Without DISCONNECT unless a code is given; the Will is sent unless the client said goodbye.
    pub(super) const fn new(reason: DisconnectReason, detail: &'a str) -> Self {
        let code = match reason {
            DisconnectReason::ServerError => Some(ReasonCode::UNSPECIFIED_ERROR),
            DisconnectReason::AuthError | DisconnectReason::ForbiddenAccess => {
                Some(ReasonCode::NOT_AUTHORIZED)
            }
            DisconnectReason::ServerInitiatedDisconnect
            | DisconnectReason::ApiInitiatedDisconnect => Some(ReasonCode::ADMINISTRATIVE_ACTION),
            DisconnectReason::Throttled => Some(ReasonCode::QUOTA_EXCEEDED),
            DisconnectReason::WebSocketTtlExpiration => Some(ReasonCode::MAXIMUM_CONNECT_TIME),
            _ => None,
        };
        Self {
            reason,
            detail,
            code,
            will: true,
        }
    }

    /// With this code in DISCONNECT.
    pub(super) const fn with_code(mut self, code: ReasonCode) -> Self {
        self.code = Some(code);
        self
    }

    /// Without DISCONNECT.
    pub(super) const fn without_packet(mut self) -> Self {
        self.code = None;
        self
    }

    /// Without the Will.
    pub(super) const fn without_will(mut self) -> Self {
        self.will = false;
        self
    }
}

impl Core {
    /// The transport of a connection is gone.
    pub fn lost(&mut self, now: Now, key: ConnectionKey, detail: &str) {
        self.begin(now);
        self.end_connection(
            now,
            key.0,
            &Ending::new(DisconnectReason::ConnectionLost, detail),
        );
    }

    /// Closes one connection, for instance because its time is up (`A-10`).
    pub fn disconnect(
        &mut self,
        now: Now,
        key: ConnectionKey,
        reason: DisconnectReason,
        detail: &str,
    ) {
        self.begin(now);
        self.end_connection(now, key.0, &Ending::new(reason, detail));
    }

    /// Closes every connection of a principal, for instance because its certificate is no longer ACTIVE (`A-27`).
    /// Answers how many there were.
    pub fn disconnect_principal(
        &mut self,
        now: Now,
        principal: &str,
        reason: DisconnectReason,
        detail: &str,
    ) -> usize {
        self.begin(now);
        let keys: Vec<_> = self
            .connections
            .iter()
            .filter(|(_, connection)| &*connection.peer.principal == principal)
            .map(|(key, _)| key)
            .collect();
        for key in &keys {
            self.end_connection(now, *key, &Ending::new(reason, detail));
        }
        keys.len()
    }

    /// Closes every connection with DISCONNECT 0x8B; sessions stay, and everything goes to the store.
    pub fn shut_down(&mut self, now: Now) {
        self.begin(now);
        let keys: Vec<_> = self.connections.iter().map(|(key, _)| key).collect();
        for key in keys {
            let ending = Ending::new(
                DisconnectReason::ServerInitiatedDisconnect,
                "the server is shutting down",
            )
            .with_code(ReasonCode::SERVER_SHUTTING_DOWN);
            self.end_connection(now, key, &ending);
        }
        self.flush_all = true;
    }

    /// DISCONNECT of a client.
    pub(super) fn client_disconnect(&mut self, now: Now, key: Key, disconnect: &Disconnect<'_>) {
        let Some(connected) = self
            .connections
            .get(key)
            .and_then(|connection| connection.connected.as_deref())
        else {
            return;
        };
        let session = connected.session;
        let asked = disconnect.properties.find(|property| match property {
            Property::SessionExpiryInterval(seconds) => Some(seconds),
            _ => None,
        });
        if let Some(seconds) = asked {
            let before = self
                .sessions
                .get(session)
                .map_or(0, |session| session.expiry);
            // [MQTT-3.14.2-2]
            if before == 0 && seconds != 0 {
                let detail = "B-25: DISCONNECT cannot make a session persistent";
                self.violate(now, key, ReasonCode::PROTOCOL_ERROR, detail);
                return;
            }
            if before != 0 {
                self.set_expiry(session, self.bounded_expiry(seconds));
            }
        }
        let code = disconnect.reason_code;
        let detail = if code == ReasonCode::SUCCESS {
            "DISCONNECT"
        } else {
            "DISCONNECT with a reason code"
        };
        let ending = Ending::new(DisconnectReason::ClientInitiatedDisconnect, detail);
        // [MQTT-3.14.4-3]: only the code 0 discards the Will.
        let ending = if code == ReasonCode::SUCCESS {
            ending.without_will()
        } else {
            ending
        };
        self.end_connection(now, key, &ending);
    }

    /// `B-15`: closes a connection that was silent for too long, or looks again when it could be.
    pub(super) fn check_silence(&mut self, now: Now, key: Key) {
        let Some(connected) = self
            .connections
            .get(key)
            .and_then(|connection| connection.connected.as_deref())
        else {
            return;
        };
        let until = connected.last_packet.plus(connected.silence);
        if now.monotonic < until {
            self.timers.set(until, Timer::KeepAlive(key));
            return;
        }
        let detail = format!("B-15: nothing arrived for {} s", connected.silence / 1000);
        let ending = Ending::new(DisconnectReason::MqttKeepAliveTimeout, &detail)
            .with_code(ReasonCode::KEEP_ALIVE_TIMEOUT);
        self.end_connection(now, key, &ending);
    }

    /// `B-24`: ends a session whose time has come, or looks again when it could have.
    pub(super) fn check_expiry(&mut self, now: Now, key: Key) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        if session
            .expires_at
            .take_if(|at| *at <= now.monotonic)
            .is_none()
            || session.connection.is_some()
        {
            return;
        }
        if now.unix < session.ends() {
            self.watch_expiry(now, key);
            return;
        }
        self.end_session(key);
    }

    /// Ends a connection, in whatever state it is. What is staged for it still leaves, then its DISCONNECT if any.
    pub(super) fn end_connection(&mut self, now: Now, key: Key, ending: &Ending<'_>) {
        let Some(mut connection) = self.connections.remove(key) else {
            return;
        };
        if let Some(meter) = &mut self.meter {
            meter.close(key);
        }
        let connected = connection.connected.take();
        if let Some(connected) = &connected
            && connected.version == Version::V5
            && let Some(reason_code) = ending.code
        {
            let list = [Property::ReasonString(ending.detail)];
            let mut packet = Disconnect {
                reason_code,
                properties: Properties::EMPTY,
            };
            if connected.wants_reason(self.config.choices.reason_string) {
                packet.properties = Properties::List(&list);
            }
            // [MQTT-3.14.2-3]
            if Packet::Disconnect(packet)
                .encoded_len(Version::V5)
                .map_or(true, |len| len > connected.maximum_packet_size)
            {
                packet.properties = Properties::EMPTY;
            }
            connection.stage(Version::V5, &Packet::Disconnect(packet));
        }
        let (_, waker) = connection.outbox.append(&mut connection.staged);
        self.wakers.extend(waker);
        self.wakers.extend(connection.outbox.close());
        let Some(mut connected) = connected else {
            // There is no client yet that an event could name.
            tracing::info!(
                principal = &*connection.peer.principal,
                address = %connection.peer.address,
                detail = ending.detail,
                "closed before CONNECT was accepted"
            );
            return;
        };
        self.observer.event(Event::Disconnected {
            client: &connected.client,
            reason: ending.reason,
            detail: ending.detail,
        });
        // [MQTT-3.1.2-8]: only a connection that was accepted has a Will, and discards the one before it.
        let unanswered = connected
            .unacknowledged
            .pop_front()
            .and_then(Waiting::into_connect);
        let accepted = unanswered.is_none();
        if let Some(Some(earlier)) = unanswered {
            self.give_back_will(connected.session, earlier);
        }
        if let Some(will) = connected.will.take() {
            let client_id = Arc::clone(&connected.client.client_id);
            self.journal.push(Change::Will { client_id });
            if ending.will && accepted {
                self.part_with_will(now, connected.session, will);
            } else {
                // A crash a moment later must not send what the client took back.
                self.flush_all = true;
            }
        }
        let key = connected.session;
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        if !session.is_persistent() {
            self.end_session(key);
            return;
        }
        self.part_with_shares(key);
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        session.detach(now.unix, self.rules.redelivers);
        self.share_presence(key, false);
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        let number = session.number;
        self.journal.push(Change::Session {
            session: key,
            number,
        });
        self.watch_expiry(now, key);
    }

    /// Has a session without connection looked at when it ends.
    pub(super) fn watch_expiry(&mut self, now: Now, key: Key) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let at = session_end(now, session.ends());
        if session.arm_expiry(at) {
            self.timers.set(at, Timer::SessionExpiry(key));
        }
    }

    /// `B-29`: ends a session; its subscriptions and messages are gone.
    pub(super) fn end_session(&mut self, key: Key) {
        let Some(mut session) = self.sessions.remove(key) else {
            return;
        };
        if !session.shares.is_empty() {
            self.leave_groups(key, &mut session);
        }
        if let Some((will, _)) = session.will.take() {
            // [MQTT-3.1.2-8]: it waits no longer than the session lives.
            let client_id = Arc::clone(&session.client_id);
            self.journal.push(Change::Will { client_id });
            self.wills.push_back((key, will));
        }
        if self.by_client.get(&session.client_id) == Some(&key) {
            self.by_client.remove(&session.client_id);
        }
        let number = session.number;
        if session.is_persistent() {
            self.journal
                .discard_session(key, number, &session.client_id);
            for sequence in session.sequences() {
                self.journal.push(Change::Queued {
                    session: key,
                    number,
                    sequence,
                    new: false,
                });
            }
        }
        for filter in session.subscriptions.keys() {
            // A shared one is not there; its group was left.
            self.routes.remove(filter, key);
            self.topics.forget(filter);
            if session.is_persistent() {
                let filter = Arc::clone(filter);
                self.journal.push(Change::Subscription {
                    session: key,
                    number,
                    filter,
                });
            }
        }
    }
}
