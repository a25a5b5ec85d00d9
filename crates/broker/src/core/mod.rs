//! The routing core: everything the broker decides, without clock, socket or disk.
//!
//! Call order. [`Core::open`] when a transport is there; then [`Core::receive`] with the packets of each read,
//! [`Core::reject`] when the bytes were not MQTT, [`Core::drained`] when the outbox asked for it, and
//! [`Core::lost`] when the transport is gone. [`Core::handle_timeout`] when [`Core::poll_timeout`] says so.
//! After every call, [`Core::finish`] yields what the caller has to do: hand over a batch to the store (and
//! later tell [`Core::stored`]) and wake the tasks whose outboxes have something.
//!
//! All calls are quick and none can panic on what a peer sent.

mod acknowledge;
mod admit;
mod bodies;
mod connect;
mod connection;
mod deliver;
mod derive;
mod disconnect;
mod durable;
mod frame;
mod inspect;
mod message;
mod meter;
mod migrate;
mod outbox;
mod publish;
mod qos2;
mod record;
mod restore;
mod retained;
mod routes;
mod search;
mod session;
mod shared;
mod slab;
pub mod stored;
mod subscribe;
#[cfg(test)]
mod tests;
mod timers;
mod topics;
mod violation;
mod wills;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::task::Waker;

use thingwire_mqtt::{Packet, QoS, ReasonCode};

use crate::{Authorize, Config, DisconnectReason, Millis, Now, Observer, Peer, Rules};
use connection::Connection;
use disconnect::Ending;
use durable::Journal;
use frame::{Form, Forms};
use message::Message;
use meter::Meter;
use retained::Retained;
use routes::Routes;
use session::Session;
use shared::Shared;
use slab::{Key, Slab};
use timers::{Timer, Timers};
use topics::Topics;
use violation::has_its_code;
use wills::Will;

pub use durable::Batch;
pub use inspect::{ConnectionInfo, Statistics};
pub use migrate::first_to_second;
pub use outbox::{Outbox, Pending, Task};
pub use record::{BODIES, QUEUED, RETAINED, SESSIONS, SHARED, SUBSCRIPTIONS, WILLS};
pub use restore::Rows;

/// Names one connection for its whole life, and nothing afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionKey(Key);

/// Sixteen random bytes, for client ids that the broker assigns (`B-12`).
pub type RandomSource = Box<dyn FnMut() -> [u8; 16] + Send>;

/// What the caller does after each call; see [`Core::finish`].
#[derive(Debug, Default)]
pub struct Effects {
    /// Hand it to the store, in this order.
    pub batch: Option<Batch>,
    /// Wake them, outside of any lock.
    pub wakers: Vec<Waker>,
}

/// See the module documentation.
pub struct Core {
    config: Config,
    rules: Rules,
    authorize: Arc<dyn Authorize>,
    observer: Arc<dyn Observer>,
    random: RandomSource,
    connections: Slab<Connection>,
    sessions: Slab<Session>,
    by_client: HashMap<Arc<str>, Key>,
    next_session: u64,
    routes: Routes,
    shared: Shared,
    topics: Topics,
    retained: Retained,
    forms: Forms,
    single: Form,
    timers: Timers,
    /// Only when quotas are on.
    meter: Option<Box<Meter>>,
    journal: Journal,
    flush_all: bool,
    /// Wills to be published when this call ends, each with the session of its client.
    wills: VecDeque<(Key, Box<Will>)>,
    /// Connections with something staged.
    touched: Vec<Key>,
    wakers: Vec<Waker>,
    /// Whose read is being handled: its task looks at its outbox anyway.
    current: Option<Key>,
    /// `Authorize::generation` at the begin of this call.
    generation: u64,
    stamps: u64,
    statistics: Statistics,
}

impl Core {
    /// A broker without sessions and connections. `durable`: whether batches are made at all.
    #[must_use]
    pub fn new(
        config: Config,
        durable: bool,
        authorize: Arc<dyn Authorize>,
        observer: Arc<dyn Observer>,
        random: RandomSource,
    ) -> Self {
        let rules = Rules::of(config.behaviour);
        Self {
            config,
            rules,
            authorize,
            observer,
            random,
            connections: Slab::new(),
            sessions: Slab::new(),
            by_client: HashMap::new(),
            next_session: 1,
            routes: Routes::new(rules.hash_matches_parent),
            shared: Shared::new(rules.hash_matches_parent),
            topics: Topics::new(config.memory.remembered_topics),
            retained: Retained::default(),
            forms: Forms::default(),
            single: Form::default(),
            timers: Timers::default(),
            meter: config
                .quotas
                .map(|quotas| Box::new(Meter::new(quotas, Millis(0)))),
            journal: Journal::new(durable),
            flush_all: false,
            wills: VecDeque::new(),
            touched: Vec::new(),
            wakers: Vec::new(),
            current: None,
            generation: 0,
            stamps: 0,
            statistics: Statistics::default(),
        }
    }

    /// The settings it was made with.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// A transport is there. Nothing happens before its CONNECT; a time limit for that is the caller's.
    pub fn open(&mut self, now: Now, peer: Peer) -> (ConnectionKey, Arc<Outbox>) {
        self.sweep_timers();
        let connection = Connection::new(peer, now.monotonic);
        let outbox = Arc::clone(&connection.outbox);
        (ConnectionKey(self.connections.insert(connection)), outbox)
    }

    /// Everything that one read of one connection brought, in order.
    pub fn receive(&mut self, now: Now, key: ConnectionKey, packets: &[Packet<'_>]) {
        let ConnectionKey(key) = key;
        self.begin(now);
        self.current = Some(key);
        for (at, packet) in packets.iter().enumerate() {
            let Some(connection) = self.connections.get_mut(key) else {
                return;
            };
            match (connection.connected.as_deref_mut(), packet) {
                (None, Packet::Connect(connect)) => {
                    if at.saturating_add(1) < packets.len() && self.config.choices.wait_for_connack
                    {
                        let ending = Ending::new(
                            DisconnectReason::ClientError,
                            "B-8: a packet was sent before CONNACK",
                        );
                        self.end_connection(now, key, &ending);
                        return;
                    }
                    self.connect(now, key, connect);
                }
                // [MQTT-3.1.0-1]
                (None, _) => {
                    let ending = Ending::new(
                        DisconnectReason::ClientError,
                        "the first packet was not CONNECT",
                    );
                    self.end_connection(now, key, &ending);
                }
                (Some(connected), packet) => {
                    connected.last_packet = now.monotonic;
                    self.handle(now, key, packet);
                }
            }
        }
    }

    fn handle(&mut self, now: Now, key: Key, packet: &Packet<'_>) {
        match packet {
            Packet::Publish(publish) => self.publish(now, key, publish),
            // [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1]
            _ if !has_its_code(packet) => self.violate(
                now,
                key,
                ReasonCode::PROTOCOL_ERROR,
                "a reason code that this packet does not have",
            ),
            Packet::PubAck(ack) => self.puback(now, key, ack.packet_id),
            Packet::Subscribe(subscribe) => self.subscribe(now, key, subscribe),
            Packet::Unsubscribe(unsubscribe) => self.unsubscribe(now, key, unsubscribe),
            Packet::PingReq => {
                if let Some(connection) = self.connections.get_mut(key)
                    && let Some(version) = connection
                        .connected
                        .as_ref()
                        .map(|connected| connected.version)
                {
                    connection.stage(version, &Packet::PingResp);
                    self.touch(key);
                }
            }
            Packet::Disconnect(disconnect) => self.client_disconnect(now, key, disconnect),
            // [MQTT-3.1.0-2]
            Packet::Connect(_) => {
                self.violate(
                    now,
                    key,
                    ReasonCode::PROTOCOL_ERROR,
                    "B-16: a second CONNECT",
                );
            }
            Packet::PubRec(ack) if self.has_qos_2() => self.pubrec(now, key, ack),
            Packet::PubRel(ack) if self.has_qos_2() => self.pubrel(key, ack.packet_id),
            Packet::PubComp(ack) if self.has_qos_2() => self.puback(now, key, ack.packet_id),
            Packet::PubRec(_) | Packet::PubRel(_) | Packet::PubComp(_) => self.violate(
                now,
                key,
                ReasonCode::PROTOCOL_ERROR,
                "B-2: QoS 2 does not exist here",
            ),
            Packet::Auth(_) => self.violate(
                now,
                key,
                ReasonCode::PROTOCOL_ERROR,
                "B-2: AUTH does not exist here",
            ),
            Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp => self
                .violate(
                    now,
                    key,
                    ReasonCode::PROTOCOL_ERROR,
                    "only a server sends this packet",
                ),
        }
    }

    /// The outbox of a connection is empty and it was asked to tell.
    pub fn drained(&mut self, now: Now, key: ConnectionKey) {
        self.begin(now);
        if let Some(connection) = self.connections.get_mut(key.0) {
            connection.waiting = 0;
            if let Some(connected) = connection.connected.as_deref_mut() {
                connected.slow = false;
                let session = connected.session;
                self.pump(now, session);
            }
        }
    }

    /// Publishes a message of the broker's own services: no policy is asked, and every topic is open, also to RETAIN.
    /// QoS 2 counts as 1 (`B-2`); what is not a topic name is logged and goes nowhere.
    pub fn publish_internal(
        &mut self,
        now: Now,
        topic: &str,
        payload: &[u8],
        qos: QoS,
        retain: bool,
        properties: thingwire_mqtt::Properties<'_>,
    ) {
        self.begin(now);
        if !thingwire_mqtt::topic::is_valid_name(topic) {
            tracing::error!(
                topic,
                "a service published to something that is not a topic name"
            );
            return;
        }
        let publication = message::Publication {
            topic,
            payload,
            qos: qos.min(QoS::AtLeastOnce),
            properties,
            expires: message::expiry(properties, now.unix, self.rules.message_expiry_max),
            retain,
            from: Key::NOWHERE,
        };
        // Most events have no subscriber, and their topics would push out those that are used.
        if !retain && self.topics.find(topic).is_none() && !self.is_wanted(topic) {
            return;
        }
        let topic = self.topics.intern(topic);
        let from = self.journal.pending();
        self.dispatch(now, &publication, topic, retain);
        // No answer waits for it, so none says that it failed.
        self.journal.keep_since(from);
    }

    /// The same for a client that has no connection here (`F-24`) and whose message was found allowed: the account's quotas count it
    /// (`B-65`, H.2), those of connections do not.
    ///
    /// # Errors
    /// The quota that it is over, in words; nothing was published.
    pub fn publish_for_client(
        &mut self,
        now: Now,
        topic: &str,
        payload: &[u8],
        qos: QoS,
        retain: bool,
        properties: thingwire_mqtt::Properties<'_>,
    ) -> Result<(), String> {
        self.statistics.count_received(qos);
        let bytes = message::encoded(properties)
            .map_err(|error| format!("its properties cannot be sent: {error}"))?;
        let properties = thingwire_mqtt::Properties::Wire(&bytes);
        // First, because what has no room takes no tokens.
        let mut judged = Ok(());
        if retain {
            judged = self.check_retained(now, topic, payload, properties);
        }
        if let Some(meter) = &mut self.meter {
            let at = now.monotonic;
            judged = judged.and_then(|()| meter.publish(at, Key::NOWHERE, topic, retain));
        }
        if judged.is_err() {
            self.statistics.refused_publishes = self.statistics.refused_publishes.saturating_add(1);
            return judged;
        }
        self.publish_internal(now, topic, payload, qos, retain, properties);
        Ok(())
    }

    fn is_wanted(&mut self, topic: &str) -> bool {
        let mut found = Vec::new();
        self.routes.collect(topic, &mut found);
        let mut groups = Vec::new();
        if !self.shared.is_empty() {
            self.shared.collect(topic, &mut groups);
        }
        !found.is_empty() || !groups.is_empty()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next, on the monotonic clock.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Millis> {
        self.timers.next()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        self.begin(now);
        while let Some(timer) = self.timers.due(now.monotonic) {
            match timer {
                Timer::KeepAlive(key) => self.check_silence(now, key),
                Timer::SessionExpiry(key) => self.check_expiry(now, key),
                Timer::Store => self.handle_store_timer(),
                Timer::WillDelay(key) => self.check_will_delay(now, key),
                Timer::Throttle(key) => self.end_throttle(now, key),
                Timer::Pump(key) => self.handle_pump_timer(now, key),
                Timer::Retry => self.handle_retry_timer(now),
            }
        }
        self.sweep_timers();
    }

    fn sweep_timers(&mut self) {
        let living = self.connections.len().saturating_add(self.sessions.len());
        if !self.timers.wants_sweep(living) {
            return;
        }
        let Self {
            timers,
            connections,
            sessions,
            ..
        } = self;
        timers.sweep(|at, timer| match timer {
            Timer::KeepAlive(key) | Timer::Throttle(key) | Timer::Pump(key) => {
                connections.get(key).is_some()
            }
            Timer::SessionExpiry(key) => sessions
                .get(key)
                .is_some_and(|session| session.expires_at == Some(at)),
            Timer::WillDelay(key) => sessions
                .get(key)
                .and_then(|session| session.will.as_ref())
                .is_some_and(|(_, due)| *due == at),
            Timer::Store | Timer::Retry => true,
        });
    }

    /// Ends a call: publishes the Wills of connections that ended, gives on what waits in groups, fills the outboxes,
    /// makes the batch.
    pub fn finish(&mut self, now: Now) -> Effects {
        while let Some((session, will)) = self.wills.pop_front() {
            self.publish_will(now, session, *will);
        }
        self.pump_ready_groups(now);
        while let Some(key) = self.touched.pop() {
            let Some(connection) = self.connections.get_mut(key) else {
                continue;
            };
            connection.touched = false;
            let staged = connection.staged.len();
            let (waiting, waker) = connection.outbox.append(&mut connection.staged);
            connection.waiting = waiting;
            if self.current != Some(key) {
                self.wakers.extend(waker);
            }
            if self.meter.is_some() {
                self.count_bytes(now, key, staged);
            }
        }
        self.current = None;
        let all = std::mem::take(&mut self.flush_all);
        Effects {
            batch: self.make_batch(now, all),
            wakers: std::mem::take(&mut self.wakers),
        }
    }

    fn begin(&mut self, _now: Now) {
        self.generation = self.authorize.generation();
    }

    /// Notes that a connection has something staged.
    fn touch(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key)
            && !connection.touched
        {
            connection.touched = true;
            self.touched.push(key);
        }
    }

    /// Creates a session for a client id that has none.
    fn new_session(&mut self, client_id: &Arc<str>, version: thingwire_mqtt::Version) -> Key {
        let number = self.next_session;
        self.next_session = number.saturating_add(1);
        let key = self
            .sessions
            .insert(Session::new(Arc::clone(client_id), version, number));
        self.by_client.insert(Arc::clone(client_id), key);
        key
    }

    fn shared_message(
        kept: &mut Option<Arc<Message>>,
        publication: &message::Publication<'_>,
        topic: Option<&Arc<str>>,
    ) -> Arc<Message> {
        Arc::clone(kept.get_or_insert_with(|| Arc::new(publication.to_message(topic))))
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("connections", &self.connections.len())
            .field("sessions", &self.sessions.len())
            .finish_non_exhaustive()
    }
}
