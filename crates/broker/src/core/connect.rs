//! CONNECT that is accepted: with which session, under which terms (`B-12` to `B-15`, `B-22` to `B-29`).
//!
//! First everything that can refuse it ([`super::admit`]), and only then does anything change: the older
//! connection of the same client id ends, the session is found, ended or made, and CONNACK is queued. The
//! CONNACK of a persistent session or with a Will, and whatever is sent behind it, leaves when they are on disk.

use std::collections::VecDeque;
use std::sync::Arc;

use thingwire_mqtt::{ConnAck, Connect, Packet, Properties, Property, QoS, ReasonCode, Version};

use super::Core;
use super::acknowledge::Ack;
use super::admit::Wishes;
use super::connection::{Connected, Decisions};
use super::disconnect::Ending;
use super::durable::Change;
use super::session::Session;
use super::slab::Key;
use super::timers::Timer;
use super::wills::{WaitingWill, Will};
use crate::behaviour::{IN_FLIGHT_MAXIMUM, TOPIC_ALIAS_MAXIMUM};
use crate::{Client, DisconnectReason, Event, Now, Permissions};

/// The session of a connection.
struct Taken {
    session: Key,
    session_present: bool,
    /// CONNACK promises that it is there, or that the older one is gone, or a Will, after a crash too.
    durable: bool,
    /// The Will that waited for its delay.
    will: Option<WaitingWill>,
}

impl Core {
    pub(super) fn connect(&mut self, now: Now, key: Key, connect: &Connect<'_>) {
        let Some(connection) = self.connections.get(key) else {
            return;
        };
        let peer = connection.peer.clone();
        let wishes = Wishes::of(connect);
        let (client_id, assigned) = self.client_id(connect);
        let expiry = self.session_expiry(connect, &wishes);
        let client = Client {
            principal: peer.principal,
            client_id,
            address: peer.address,
            server_name: peer.server_name,
            persistent: expiry > 0,
            will_topic: connect.will.map(|will| will.topic.into()),
        };
        let mut judged = self.check_connect(connect, &wishes);
        if judged.is_ok() && self.meter.is_some() {
            judged = self.check_quota(now, &client);
        }
        let permissions = match judged.and_then(|()| self.check_permissions(connect, &client)) {
            Ok(permissions) => permissions,
            Err(refusal) => {
                self.refuse_connect(now, key, connect.version, &wishes, &client, &refusal);
                return;
            }
        };
        let Taken {
            session,
            session_present,
            durable,
            will,
        } = self.take_session(now, key, connect, &client, expiry);
        self.accept(now, key, connect, &wishes, client, permissions, session);

        let server_keep_alive = self.keep_alive(connect.keep_alive);
        let mut list = Vec::new();
        if connect.version == Version::V5 {
            self.conn_ack_properties(&mut list, &wishes, expiry, server_keep_alive);
            if let Some(assigned) = &assigned {
                list.push(Property::AssignedClientIdentifier(assigned));
            }
        }
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let packet = Packet::ConnAck(ConnAck {
            session_present,
            reason_code: ReasonCode::SUCCESS,
            properties: Properties::List(&list),
        });
        connection.stage(connect.version, &packet);
        if let Some(connected) = connection.connected.as_deref() {
            self.observer.event(Event::Connected {
                client: &connected.client,
                session_present,
            });
        }
        self.touch(key);
        if durable {
            if let Some(connection) = self.connections.get_mut(key) {
                connection.outbox.gate();
            }
            self.acknowledge(key, Ack::Connect(will), true);
        }
        self.pump(now, session);
    }

    /// `B-12`, `B-13`: the client id that policies see, and whether the broker chose it.
    fn client_id(&mut self, connect: &Connect<'_>) -> (Arc<str>, Option<Arc<str>>) {
        if !connect.client_id.is_empty() {
            return (connect.client_id.into(), None);
        }
        let id = uuid::Builder::from_random_bytes((self.random)()).into_uuid();
        let assigned: Arc<str> = format!("$GEN/{id}").into();
        (Arc::clone(&assigned), Some(assigned))
    }

    /// `B-23`, `B-24`: seconds the session will outlive the connection.
    fn session_expiry(&self, connect: &Connect<'_>, wishes: &Wishes) -> u32 {
        match connect.version {
            Version::V311 if connect.clean_start => 0,
            Version::V311 => self.bounded_expiry(u32::MAX),
            Version::V5 => self.bounded_expiry(wishes.session_expiry.unwrap_or(0)),
        }
    }

    /// `B-24`: the account's maximum. In behaviour `mqtt` there is none, and `u32::MAX` never comes.
    pub(super) fn bounded_expiry(&self, asked: u32) -> u32 {
        if self.rules.bounds_sessions {
            asked.min(self.config.session_expiry)
        } else {
            asked
        }
    }

    /// `B-15`: the keep-alive in force, in seconds.
    fn keep_alive(&self, asked: u16) -> u16 {
        match self.rules.keep_alive {
            None => asked,
            Some((_, maximum)) if asked == 0 => maximum,
            Some((minimum, maximum)) => asked.clamp(minimum, maximum),
        }
    }

    /// Ends the older connection of the client id (`B-14`) and finds, ends or makes its session (`B-23`, `B-26`,
    /// `B-29`).
    fn take_session(
        &mut self,
        now: Now,
        key: Key,
        connect: &Connect<'_>,
        client: &Client,
        expiry: u32,
    ) -> Taken {
        let older = self
            .by_client
            .get(&client.client_id)
            .and_then(|session| self.sessions.get(*session)?.connection);
        if let Some(older) = older {
            let ending = Ending::new(
                DisconnectReason::DuplicateClientId,
                "B-14: another connection uses the client id",
            )
            .with_code(ReasonCode::SESSION_TAKEN_OVER);
            self.end_connection(now, older, &ending);
        }
        let stored = self.by_client.get(&client.client_id).copied();
        let resumed = stored.filter(|stored| {
            !connect.clean_start
                && self.sessions.get(*stored).is_some_and(|session| {
                    session.version == connect.version && session.ends() > now.unix
                })
        });
        if resumed.is_none()
            && let Some(stored) = stored
        {
            self.end_session(stored);
        }
        let session = match resumed {
            Some(session) => session,
            None => self.new_session(&client.client_id, connect.version),
        };
        let was_stored = self
            .sessions
            .get(session)
            .is_some_and(Session::is_persistent);
        self.set_expiry(session, expiry);
        let mut will = None;
        if let Some(session) = self.sessions.get_mut(session) {
            session.connection = Some(key);
            // Its client is back (`B-60`).
            will = session.will.take();
            if will.is_some() {
                let client_id = Arc::clone(&client.client_id);
                self.journal.push(Change::Will { client_id });
            }
        }
        self.share_presence(session, true);
        // What ended may still be on disk, from this CONNECT or from an earlier one.
        let was_discarded = self.journal.discard_again(&client.client_id);
        Taken {
            session,
            session_present: resumed.is_some(),
            durable: self.journal.enabled
                && (expiry > 0 || was_stored || was_discarded || connect.will.is_some()),
            will,
        }
    }

    /// Sets how long a session outlives its connection. One that is no longer persistent leaves the store.
    pub(super) fn set_expiry(&mut self, key: Key, expiry: u32) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let was_persistent = session.is_persistent();
        let number = session.number;
        session.expiry = expiry;
        if was_persistent != (expiry > 0) && !session.shares.is_empty() {
            self.share_persistence(key, expiry > 0);
        }
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        if expiry > 0 {
            self.journal.push(Change::Session {
                session: key,
                number,
            });
        } else if was_persistent {
            self.journal
                .discard_session(key, number, &session.client_id);
            for filter in session.subscriptions.keys() {
                let filter = Arc::clone(filter);
                self.journal.push(Change::Subscription {
                    session: key,
                    number,
                    filter,
                });
            }
            for sequence in session.sequences() {
                self.journal.push(Change::Queued {
                    session: key,
                    number,
                    sequence,
                    new: false,
                });
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one accepted CONNECT"
    )]
    fn accept(
        &mut self,
        now: Now,
        key: Key,
        connect: &Connect<'_>,
        wishes: &Wishes,
        client: Client,
        permissions: Arc<dyn Permissions>,
        session: Key,
    ) {
        if connect.will.is_some() {
            let client_id = Arc::clone(&client.client_id);
            self.journal.push(Change::Will { client_id });
        }
        self.stamps = self.stamps.saturating_add(1);
        // 1.5 × keep-alive (`B-15`).
        let silence = u64::from(self.keep_alive(connect.keep_alive)).saturating_mul(1500);
        let connected = Connected {
            client,
            session,
            version: connect.version,
            silence,
            last_packet: now.monotonic,
            receive_maximum: wishes.receive_maximum.into(),
            maximum_packet_size: wishes.maximum_packet_size,
            problem_information: wishes.problem_information,
            will: connect.will.as_ref().map(|will| Box::new(Will::of(will))),
            aliases: Vec::new(),
            unacknowledged: VecDeque::new(),
            unacknowledged_publishes: 0,
            permissions,
            generation: self.generation,
            stamp: self.stamps,
            decisions: Decisions::default(),
            received: None,
            slow: false,
            no_room: None,
        };
        if let Some(connection) = self.connections.get_mut(key) {
            connection.connected = Some(Box::new(connected));
        }
        if silence > 0 {
            self.timers
                .set(now.monotonic.plus(silence), Timer::KeepAlive(key));
        }
        self.statistics.connects = self.statistics.connects.saturating_add(1);
        if let Some(meter) = &mut self.meter {
            let backlog = self
                .sessions
                .get(session)
                .map_or(0, |session| session.queue.len());
            meter.open(now.monotonic, key, backlog);
        }
    }

    /// `B-22`.
    fn conn_ack_properties(
        &self,
        list: &mut Vec<Property<'_>>,
        wishes: &Wishes,
        expiry: u32,
        server_keep_alive: u16,
    ) {
        if wishes.session_expiry.is_some_and(|asked| asked != expiry) {
            list.push(Property::SessionExpiryInterval(expiry));
        }
        list.push(Property::ReceiveMaximum(IN_FLIGHT_MAXIMUM));
        if self.rules.qos_max < QoS::ExactlyOnce {
            list.push(Property::MaximumQoS(self.rules.qos_max.bits()));
        }
        list.extend([
            Property::RetainAvailable(true),
            Property::MaximumPacketSize(u32::try_from(self.rules.packet_len).unwrap_or(u32::MAX)),
            Property::TopicAliasMaximum(TOPIC_ALIAS_MAXIMUM),
            Property::WildcardSubscriptionAvailable(true),
            Property::SubscriptionIdentifierAvailable(self.rules.subscription_identifiers),
            Property::SharedSubscriptionAvailable(true),
            Property::ServerKeepAlive(server_keep_alive),
        ]);
    }
}
