//! CONNECT: who may come in, with which session (`B-11` to `B-26`, `B-52`, `B-58`).
//!
//! First everything that the packet alone decides, then the policy, and only then does anything change: the older
//! connection of the same client id ends, the session is found, ended or made, and CONNACK is queued. The
//! CONNACK of a persistent session, and whatever is sent behind it, leaves when the session is on disk.

use std::sync::Arc;

use thingwire_mqtt::{
    ConnAck, Connect, Packet, Properties, Property, QoS, ReasonCode, Version, topic,
};

use super::Core;
use super::acknowledge::Ack;
use super::connection::{Connected, Will, denial};
use super::disconnect::Ending;
use super::durable::Change;
use super::message::{Message, expiry, wire_bytes};
use super::slab::Key;
use super::timers::Timer;
use super::violation::property_violation;
use crate::behaviour::{IN_FLIGHT_MAXIMUM, TOPIC_ALIAS_MAXIMUM};
use crate::{Action, Client, DisconnectReason, Event, Now, Permissions};

/// Why a CONNECT is refused, in both versions' terms.
struct Refusal {
    /// `None`: MQTT 3.1.1 is closed without CONNACK.
    v311: Option<ReasonCode>,
    v5: ReasonCode,
    detail: String,
    /// The policy refused this.
    denied: Option<(Action, String)>,
}

impl Refusal {
    fn new(v311: Option<ReasonCode>, v5: ReasonCode, detail: impl Into<String>) -> Self {
        Self {
            v311,
            v5,
            detail: detail.into(),
            denied: None,
        }
    }
}

/// What a CONNECT asks for beyond the session.
struct Wishes {
    /// Seconds; `None` when MQTT 5 did not say.
    session_expiry: Option<u32>,
    receive_maximum: u16,
    maximum_packet_size: usize,
    problem_information: bool,
}

impl Wishes {
    fn of(connect: &Connect<'_>) -> Self {
        let mut wishes = Self {
            session_expiry: None,
            receive_maximum: IN_FLIGHT_MAXIMUM,
            maximum_packet_size: usize::MAX,
            problem_information: true,
        };
        for property in &connect.properties {
            match property {
                Property::SessionExpiryInterval(seconds) => wishes.session_expiry = Some(seconds),
                Property::ReceiveMaximum(maximum) => {
                    wishes.receive_maximum = maximum.clamp(1, IN_FLIGHT_MAXIMUM);
                }
                Property::MaximumPacketSize(bytes) => {
                    wishes.maximum_packet_size = usize::try_from(bytes).unwrap_or(usize::MAX);
                }
                Property::RequestProblemInformation(wanted) => wishes.problem_information = wanted,
                _ => {}
            }
        }
        wishes
    }
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
        let permissions = match self
            .check_connect(connect, &wishes)
            .and_then(|()| self.check_permissions(connect, &client))
        {
            Ok(permissions) => permissions,
            Err(refusal) => {
                self.refuse_connect(now, key, connect.version, &wishes, &client, &refusal);
                return;
            }
        };
        let (session, session_present) = self.take_session(now, key, connect, &client, expiry);
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
        if expiry > 0 && self.journal.enabled {
            if let Some(connection) = self.connections.get_mut(key) {
                connection.outbox.gate();
            }
            self.acknowledge(key, Ack::Connect, true);
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
            Version::V311 => self.config.session_expiry,
            Version::V5 => wishes
                .session_expiry
                .unwrap_or(0)
                .min(self.config.session_expiry),
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

    /// What the packet alone decides.
    fn check_connect(&self, connect: &Connect<'_>, wishes: &Wishes) -> Result<(), Refusal> {
        let rules = &self.rules;
        let id = connect.client_id;
        let rejected = Some(ReasonCode::V311_IDENTIFIER_REJECTED);
        let bad_id = ReasonCode::CLIENT_IDENTIFIER_NOT_VALID;
        if id.len() > rules.client_id_len {
            let detail = format!(
                "B-11: a client id of {} bytes, at most 128 are allowed",
                id.len()
            );
            return Err(Refusal::new(rejected, bad_id, detail));
        }
        if id.starts_with("$GEN/") {
            return Err(Refusal::new(
                rejected,
                bad_id,
                "B-12: only the server assigns `$GEN/` ids",
            ));
        }
        if id.is_empty() && connect.version == Version::V311 && !connect.clean_start {
            // [MQTT-3.1.3-8]
            let detail = "B-12: an empty client id needs a clean session";
            return Err(Refusal::new(rejected, bad_id, detail));
        }
        if connect.properties.iter().any(|property| {
            matches!(
                property,
                Property::AuthenticationMethod(_) | Property::AuthenticationData(_)
            )
        }) {
            let detail = "B-2: enhanced authentication is not supported";
            return Err(Refusal::new(None, ReasonCode::NOT_AUTHORIZED, detail));
        }
        if wishes.maximum_packet_size < usize::try_from(rules.client_packet_min).unwrap_or(0) {
            let detail = "B-19: Maximum Packet Size below 512";
            return Err(Refusal::new(None, ReasonCode::UNSPECIFIED_ERROR, detail));
        }
        if let Some((code, detail)) = property_violation(connect.properties, rules) {
            return Err(Refusal::new(None, code, detail));
        }
        let Some(will) = &connect.will else {
            return Ok(());
        };
        if will.qos == QoS::ExactlyOnce {
            let detail = "B-3: a Will with QoS 2";
            return Err(Refusal::new(None, ReasonCode::QOS_NOT_SUPPORTED, detail));
        }
        let len = Packet::Connect(*connect)
            .encoded_len(connect.version)
            .unwrap_or(usize::MAX);
        if len > rules.connect_with_will_len {
            let detail = "B-18: the Will makes CONNECT exceed 128 KB";
            return Err(Refusal::new(None, ReasonCode::QUOTA_EXCEEDED, detail));
        }
        if !topic::is_valid_name(will.topic) || self.topic_too_long(will.topic) {
            let detail = format!("B-41: the Will topic `{}` is not valid", will.topic);
            return Err(Refusal::new(None, ReasonCode::TOPIC_NAME_INVALID, detail));
        }
        if let Some((code, detail)) = property_violation(will.properties, rules) {
            return Err(Refusal::new(None, code, detail));
        }
        Ok(())
    }

    /// `B-52`, `B-58`: what the policy decides, and after it the reserved topics (`B-82`).
    fn check_permissions(
        &self,
        connect: &Connect<'_>,
        client: &Client,
    ) -> Result<Arc<dyn Permissions>, Refusal> {
        let permissions = self.authorize.permissions(client);
        let mut wanted = vec![(Action::Connect, &*client.client_id)];
        if let Some(will) = &connect.will {
            wanted.push((Action::Publish, will.topic));
            if will.retain {
                wanted.push((Action::RetainPublish, will.topic));
            }
        }
        for (action, resource) in wanted {
            if let Some(detail) = denial(permissions.decide(action, resource)) {
                return Err(Refusal {
                    v311: self
                        .config
                        .choices
                        .connack_on_auth_failure
                        .then_some(ReasonCode::V311_NOT_AUTHORIZED),
                    v5: ReasonCode::NOT_AUTHORIZED,
                    detail,
                    denied: Some((action, resource.to_owned())),
                });
            }
        }
        if let Some(will) = &connect.will
            && let Some(detail) = self.reserved_publish(will.topic, will.retain)
        {
            return Err(Refusal::new(None, ReasonCode::TOPIC_NAME_INVALID, detail));
        }
        Ok(permissions)
    }

    fn refuse_connect(
        &mut self,
        now: Now,
        key: Key,
        version: Version,
        wishes: &Wishes,
        client: &Client,
        refusal: &Refusal,
    ) {
        match &refusal.denied {
            Some((action, resource)) => self.observer.event(Event::Refused {
                client,
                action: *action,
                resource,
                explanation: &refusal.detail,
            }),
            None => self.observer.event(Event::Violated {
                client,
                detail: &refusal.detail,
            }),
        }
        self.statistics.refused_connects = self.statistics.refused_connects.saturating_add(1);
        let code = match version {
            Version::V311 => refusal.v311,
            Version::V5 => Some(refusal.v5),
        };
        if let (Some(reason_code), Some(connection)) = (code, self.connections.get_mut(key)) {
            let list = [Property::ReasonString(&refusal.detail)];
            let tell = version == Version::V5
                && wishes.problem_information
                && self.config.choices.reason_string;
            let mut packet = ConnAck {
                session_present: false,
                reason_code,
                properties: if tell {
                    Properties::List(&list)
                } else {
                    Properties::EMPTY
                },
            };
            // [MQTT-3.2.2-19]
            if Packet::ConnAck(packet)
                .encoded_len(version)
                .unwrap_or(usize::MAX)
                > wishes.maximum_packet_size
            {
                packet.properties = Properties::EMPTY;
            }
            connection.stage(version, &Packet::ConnAck(packet));
        }
        let reason = match refusal.denied {
            Some(_) => DisconnectReason::AuthError,
            None => DisconnectReason::ClientError,
        };
        self.end_connection(now, key, &Ending::new(reason, &refusal.detail));
    }

    /// Ends the older connection of the client id (`B-14`) and finds, ends or makes its session (`B-23`, `B-26`, `B-29`).
    fn take_session(
        &mut self,
        now: Now,
        key: Key,
        connect: &Connect<'_>,
        client: &Client,
        expiry: u32,
    ) -> (Key, bool) {
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
        self.set_expiry(session, expiry);
        if let Some(session) = self.sessions.get_mut(session) {
            session.connection = Some(key);
        }
        (session, resumed.is_some())
    }

    /// Sets how long a session outlives its connection. One that is no longer persistent leaves the store.
    pub(super) fn set_expiry(&mut self, key: Key, expiry: u32) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let was_persistent = session.is_persistent();
        let number = session.number;
        session.expiry = expiry;
        if was_persistent || expiry > 0 {
            self.journal.push(Change::Session {
                session: key,
                number,
            });
        }
        if was_persistent && expiry == 0 {
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
        self.stamps = self.stamps.saturating_add(1);
        // 1.5 × keep-alive (`B-15`).
        let silence = u64::from(self.keep_alive(connect.keep_alive)).saturating_mul(1500);
        let mut connected = Connected::new(
            client,
            session,
            connect.version,
            silence,
            now.monotonic,
            wishes.receive_maximum.into(),
            wishes.maximum_packet_size,
            wishes.problem_information,
            permissions,
            self.generation,
            self.stamps,
        );
        connected.will = connect.will.map(|will| {
            Box::new(Will {
                message: Message {
                    topic: will.topic.into(),
                    payload: bytes::Bytes::copy_from_slice(will.payload),
                    qos: will.qos,
                    properties: wire_bytes(will.properties).into(),
                    // Counts from its publication; see `Core::release_will`.
                    expires: None,
                },
                retain: will.retain,
            })
        });
        if let Some(connection) = self.connections.get_mut(key) {
            connection.connected = Some(Box::new(connected));
        }
        if silence > 0 {
            self.timers
                .set(now.monotonic.plus(silence), Timer::KeepAlive(key));
        }
        self.statistics.connects = self.statistics.connects.saturating_add(1);
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
        list.extend([
            Property::ReceiveMaximum(IN_FLIGHT_MAXIMUM),
            Property::MaximumQoS(1),
            Property::RetainAvailable(true),
            Property::MaximumPacketSize(u32::try_from(self.rules.packet_len).unwrap_or(u32::MAX)),
            Property::TopicAliasMaximum(TOPIC_ALIAS_MAXIMUM),
            Property::WildcardSubscriptionAvailable(true),
            Property::SubscriptionIdentifierAvailable(false),
            // AWS says 1; shared subscriptions do not exist here yet, and a client should know.
            Property::SharedSubscriptionAvailable(false),
            Property::ServerKeepAlive(server_keep_alive),
        ]);
    }

    /// The Will of a connection that ended badly goes out when the call ends (`B-59`); its delay is ignored (`B-60`).
    pub(super) fn release_will(&mut self, now: Now, mut will: Box<Will>) {
        will.message.expires = expiry(
            Properties::Wire(&will.message.properties),
            now.unix,
            self.rules.message_expiry_max,
        );
        self.wills.push_back(will);
    }
}
