//! Watches what passes at the server's end and knows what a client must never do.
//!
//! | the device | rule |
//! |---|---|
//! | begins with CONNECT, once, and waits for CONNACK | `[MQTT-3.1.0-1]`, `B-16`, `B-8` |
//! | lets a second pass between two CONNECTs | `B-17` |
//! | is never silent for longer than its keep-alive | `[MQTT-3.1.2-23]` |
//! | uses no packet identifier twice at a time | `[MQTT-2.2.1-3]` |
//! | sets DUP on what it sends again, and only there | `[MQTT-3.3.1-1]` |
//! | repeats inside a connection in 3.1.1 only | `[MQTT-4.4.0-1]` |
//! | keeps the order of a topic | `[MQTT-4.6.0-1]` |
//! | keeps the identifier of a QoS 2 message until PUBCOMP | `[MQTT-4.3.3-5]` |
//! | sends no PUBLISH again after its PUBREL | `[MQTT-4.3.3-6]` |
//! | has no more unacknowledged than it was granted | `[MQTT-3.3.4-7]`, `B-47` |
//! | keeps to the server's packet size, QoS and aliases | `[MQTT-3.2.2-15]`, `[MQTT-3.2.2-11]`, `[MQTT-3.3.2-9]` |
//! | sends what can be read | `[MQTT-4.13.1-1]` |

use std::collections::{BTreeMap, BTreeSet};

use thingwire_device::{QoS, Version};
use thingwire_mqtt::{
    Ack, ConnAck, Connect, DecodeError, Packet, PacketId, Property, Publish, ReasonCode, split,
};

use crate::Ledger;
use crate::ledger::Number;
use crate::network::LinkId;

/// Milliseconds of grace where a limit is met exactly.
const GRACE: u64 = 1;

/// What is known of one connection.
struct Line {
    version: Version,
    connected: bool,
    /// A later connection took the session over; what still arrives here means nothing.
    superseded: bool,
    keep_alive: u64,
    receive_maximum: usize,
    alias_maximum: u16,
    packet_maximum: usize,
    qos_maximum: QoS,
    aliases: BTreeMap<u16, String>,
    unacknowledged: BTreeSet<u16>,
    seen: BTreeSet<Number>,
    /// Acknowledged on this connection: a repetition that crossed its PUBACK means nothing.
    acknowledged: BTreeSet<Number>,
    /// The newest message on each topic.
    newest: BTreeMap<String, Number>,
    last_written: u64,
    /// What was sent to the device with which identifier.
    down: BTreeMap<u16, Number>,
}

/// Who holds a packet identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    Publish(Number),
    Subscribe,
    Unsubscribe,
}

/// The referee of one device.
pub struct Referee {
    ledger: Ledger,
    lines: BTreeMap<LinkId, Line>,
    /// When CONNECTs were written; they may arrive in another order.
    connects: BTreeSet<u64>,
    /// Of the session as the server has it.
    holders: BTreeMap<u16, Holder>,
    seen: BTreeSet<Number>,
    /// Messages with QoS 2 whose PUBREL was sent.
    released: BTreeSet<Number>,
    /// Filters of each SUBSCRIBE that waits for its SUBACK, and those that were granted.
    asked: BTreeMap<u16, Vec<String>>,
    granted: BTreeSet<String>,
}

/// The number at the beginning of a payload.
#[must_use]
pub fn number_of(payload: &[u8]) -> Option<Number> {
    payload
        .first_chunk::<8>()
        .map(|bytes| Number::from_le_bytes(*bytes))
}

impl Referee {
    /// A referee that writes what it sees into `ledger`.
    #[must_use]
    pub fn new(ledger: &Ledger) -> Self {
        Self {
            ledger: ledger.clone(),
            lines: BTreeMap::new(),
            connects: BTreeSet::new(),
            holders: BTreeMap::new(),
            seen: BTreeSet::new(),
            released: BTreeSet::new(),
            asked: BTreeMap::new(),
            granted: BTreeSet::new(),
        }
    }

    /// Whether the server granted the device a subscription of exactly this topic and has not lost it.
    #[must_use]
    pub fn is_subscribed(&self, topic: &str) -> bool {
        self.granted.contains(topic)
    }

    /// The server has forgotten everything, though the device does not know yet.
    pub fn forget(&mut self) {
        self.granted.clear();
    }

    /// A connection is over.
    pub fn ended(&mut self, link: LinkId) {
        self.lines.remove(&link);
    }

    /// The device sent what is not MQTT.
    pub fn nonsense(&self, link: LinkId, error: &DecodeError) {
        self.ledger
            .violate(format!("link {link}: the device sent a {error}"));
    }

    /// A packet of the device, `len` bytes long, whose last byte was written at `written`.
    pub fn up(&mut self, link: LinkId, packet: &Packet<'_>, len: usize, written: u64) {
        let judged = match packet {
            Packet::Connect(connect) => self.connect(link, connect, written),
            _ => self.live(link, packet, len, written),
        };
        if let Err(what) = judged {
            self.ledger
                .violate(format!("link {link}, written at {written} ms: {what}"));
        }
    }

    fn connect(&mut self, link: LinkId, connect: &Connect<'_>, written: u64) -> Result<(), String> {
        if self.lines.contains_key(&link) {
            return Err("a second CONNECT (B-16)".into());
        }
        let near = written.saturating_sub(999)..written.saturating_add(1_000);
        if let Some(other) = self.connects.range(near).next() {
            return Err(format!("CONNECT, and another one at {other} ms (B-17)"));
        }
        self.connects.insert(written);
        self.lines
            .values_mut()
            .for_each(|line| line.superseded = true);
        let keep_alive = match connect.keep_alive {
            0 => u64::MAX,
            seconds => u64::from(seconds) * 1_000,
        };
        self.lines.insert(
            link,
            Line {
                version: connect.version,
                connected: false,
                superseded: false,
                keep_alive,
                receive_maximum: 100,
                alias_maximum: 0,
                packet_maximum: usize::MAX,
                qos_maximum: QoS::ExactlyOnce,
                aliases: BTreeMap::new(),
                unacknowledged: BTreeSet::new(),
                seen: BTreeSet::new(),
                acknowledged: BTreeSet::new(),
                newest: BTreeMap::new(),
                last_written: written,
                down: BTreeMap::new(),
            },
        );
        Ok(())
    }

    fn live(
        &mut self,
        link: LinkId,
        packet: &Packet<'_>,
        len: usize,
        written: u64,
    ) -> Result<(), String> {
        let Some(line) = self.lines.get_mut(&link) else {
            return Err("the first packet was not CONNECT".into());
        };
        if line.superseded {
            return Ok(());
        }
        if !line.connected {
            return Err(format!("{:?} before CONNACK (B-8)", packet.packet_type()));
        }
        let silence = written.saturating_sub(line.last_written);
        if silence > line.keep_alive.saturating_add(GRACE) {
            return Err(format!(
                "{silence} ms of silence with a keep-alive of {} ms",
                line.keep_alive
            ));
        }
        line.last_written = written;
        if len > line.packet_maximum {
            return Err(format!(
                "a packet of {len} bytes, the server takes {}",
                line.packet_maximum
            ));
        }
        match packet {
            Packet::Publish(publish) => self.publish(link, publish, written),
            Packet::Subscribe(subscribe) => {
                let filters = subscribe.filters.iter().map(|one| one.filter.to_owned());
                self.asked
                    .insert(subscribe.packet_id.get(), filters.collect());
                self.hold(subscribe.packet_id, Holder::Subscribe)
            }
            Packet::Unsubscribe(unsubscribe) => {
                for filter in unsubscribe.filters.iter() {
                    self.granted.remove(filter);
                }
                self.hold(unsubscribe.packet_id, Holder::Unsubscribe)
            }
            Packet::PubAck(ack) => {
                if let Some(number) = line.down.remove(&ack.packet_id.get())
                    && !ack.reason_code.is_failure()
                {
                    self.ledger.acknowledged(number);
                }
                Ok(())
            }
            Packet::PubRec(ack) => {
                if let Some(number) = line.down.get(&ack.packet_id.get())
                    && !ack.reason_code.is_failure()
                {
                    self.ledger.acknowledged(*number);
                }
                Ok(())
            }
            Packet::PubComp(ack) => {
                line.down.remove(&ack.packet_id.get());
                Ok(())
            }
            Packet::PubRel(ack) => {
                if let Some(Holder::Publish(number)) = self.holders.get(&ack.packet_id.get()) {
                    self.released.insert(*number);
                }
                Ok(())
            }
            Packet::PingReq | Packet::Disconnect(_) => Ok(()),
            other => Err(format!("{:?} is not a client's", other.packet_type())),
        }
    }

    fn publish(&mut self, link: LinkId, publish: &Publish<'_>, written: u64) -> Result<(), String> {
        let Some(line) = self.lines.get_mut(&link) else {
            return Ok(());
        };
        let topic = line.topic(publish)?;
        let number = number_of(publish.payload).ok_or("a payload without a number")?;
        if publish.qos > line.qos_maximum {
            return Err(format!("QoS {:?} above the server's", publish.qos));
        }
        if self.released.contains(&number) {
            return Err(format!("message {number} after its PUBREL (MQTT-4.3.3-6)"));
        }
        let again = !line.seen.insert(number);
        // QoS 0 may overtake QoS 1 that waits for the server's Receive Maximum.
        if !again && publish.qos != QoS::AtMostOnce {
            let newest = line.newest.entry(topic).or_default();
            if number < *newest {
                return Err(format!(
                    "message {number} after {newest} on the same topic (MQTT-4.6.0-1)"
                ));
            }
            *newest = number;
        }
        let version = line.version;
        if let Some(id) = publish
            .packet_id
            .filter(|_| !line.acknowledged.contains(&number))
        {
            line.unacknowledged.insert(id.get());
            if line.unacknowledged.len() > line.receive_maximum {
                return Err(format!(
                    "{} unacknowledged, {} are granted",
                    line.unacknowledged.len(),
                    line.receive_maximum
                ));
            }
            self.hold(id, Holder::Publish(number))?;
        }
        if again && version == Version::V5 {
            return Err(format!(
                "message {number} twice on a connection of MQTT 5 (MQTT-4.4.0-1)"
            ));
        }
        if !self.seen.insert(number) && !publish.dup {
            return Err(format!("message {number} again without DUP (MQTT-3.3.1-1)"));
        }
        self.ledger.received(number, written);
        Ok(())
    }

    fn hold(&mut self, id: PacketId, holder: Holder) -> Result<(), String> {
        match self.holders.insert(id.get(), holder) {
            Some(before) if before != holder => Err(format!(
                "packet identifier {} for {holder:?} while {before:?} has it (MQTT-2.2.1-3)",
                id.get()
            )),
            _ => Ok(()),
        }
    }

    /// Bytes of the server, as it means them. What is not MQTT is not looked at.
    pub fn down(&mut self, link: LinkId, version: Version, mut bytes: &[u8]) {
        while let Ok(Some((frame, len))) = split(bytes, usize::MAX) {
            if let Ok(packet) = Packet::decode(version, &frame) {
                self.answer(link, &packet);
            }
            bytes = &bytes[len..];
        }
    }

    fn answer(&mut self, link: LinkId, packet: &Packet<'_>) {
        let Some(line) = self.lines.get_mut(&link) else {
            return;
        };
        match packet {
            Packet::ConnAck(connack)
                if connack.reason_code == ReasonCode::SUCCESS && !line.connected =>
            {
                line.grant(connack);
                if !connack.session_present {
                    self.holders.clear();
                    self.seen.clear();
                    self.released.clear();
                    self.asked.clear();
                    self.granted.clear();
                    self.ledger.release_promises();
                }
            }
            Packet::PubAck(Ack { packet_id, .. }) => {
                line.unacknowledged.remove(&packet_id.get());
                if let Some(Holder::Publish(number)) = self.holders.get(&packet_id.get()) {
                    line.acknowledged.insert(*number);
                }
                self.release(*packet_id, |holder| matches!(holder, Holder::Publish(_)));
            }
            Packet::PubRec(Ack { packet_id, .. }) => {
                if let Some(Holder::Publish(number)) = self.holders.get(&packet_id.get()) {
                    line.acknowledged.insert(*number);
                }
            }
            Packet::PubComp(Ack { packet_id, .. }) => {
                line.unacknowledged.remove(&packet_id.get());
                self.release(*packet_id, |holder| matches!(holder, Holder::Publish(_)));
            }
            Packet::SubAck(ack) => {
                let asked = self.asked.remove(&ack.packet_id.get()).unwrap_or_default();
                let codes = ack.reason_codes.iter();
                for (filter, _) in asked
                    .into_iter()
                    .zip(codes)
                    .filter(|(_, code)| matches!(code, 1 | 2))
                {
                    self.granted.insert(filter);
                }
                self.release(ack.packet_id, |holder| *holder == Holder::Subscribe);
            }
            Packet::UnsubAck(ack) => {
                self.release(ack.packet_id, |holder| *holder == Holder::Unsubscribe);
            }
            Packet::Publish(publish) => {
                if let (Some(id), Some(number)) = (publish.packet_id, number_of(publish.payload)) {
                    line.down.insert(id.get(), number);
                }
            }
            _ => {}
        }
    }

    fn release(&mut self, id: PacketId, kind: impl Fn(&Holder) -> bool) {
        if self.holders.get(&id.get()).is_some_and(kind) {
            self.holders.remove(&id.get());
        }
    }
}

impl Line {
    fn grant(&mut self, connack: &ConnAck<'_>) {
        self.connected = true;
        if self.version == Version::V5 {
            self.receive_maximum = usize::from(u16::MAX);
        }
        for property in connack.properties.iter() {
            match property {
                Property::ServerKeepAlive(seconds) => self.keep_alive = u64::from(seconds) * 1_000,
                Property::ReceiveMaximum(count) => self.receive_maximum = usize::from(count),
                Property::TopicAliasMaximum(count) => self.alias_maximum = count,
                Property::MaximumPacketSize(bytes) => self.packet_maximum = bytes as usize,
                Property::MaximumQoS(qos) => {
                    self.qos_maximum = QoS::from_bits(qos).unwrap_or(QoS::ExactlyOnce);
                }
                _ => {}
            }
        }
    }

    fn topic(&mut self, publish: &Publish<'_>) -> Result<String, String> {
        let alias = publish.properties.find(|property| match property {
            Property::TopicAlias(alias) => Some(alias),
            _ => None,
        });
        let Some(alias) = alias else {
            return Ok(publish.topic.to_owned());
        };
        if alias == 0 || alias > self.alias_maximum {
            return Err(format!(
                "topic alias {alias}, the server has {}",
                self.alias_maximum
            ));
        }
        if publish.topic.is_empty() {
            return self
                .aliases
                .get(&alias)
                .cloned()
                .ok_or_else(|| format!("topic alias {alias} before it was named"));
        }
        self.aliases.insert(alias, publish.topic.to_owned());
        Ok(publish.topic.to_owned())
    }
}
