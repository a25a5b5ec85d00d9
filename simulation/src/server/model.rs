//! A small server that can be as bad as its [`Mood`]: mute, late, forgetful, forbidding, or no server at all.
//!
//! It has one client. What it accepts it passes on in the same moment.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use thingwire_device::{QoS, Version};
use thingwire_mqtt::{
    Ack, ConnAck, Connect, DecodeError, Disconnect, Packet, PacketId, Properties, Property,
    Publish, ReasonCode, SubAck, Subscribe,
};

use super::{Output, Server};
use crate::network::LinkId;
use crate::{Clock, Ledger, Random};

/// The model's policy denies the topics below this.
pub const FORBIDDEN: &str = "up/forbidden/";

/// How a CONNECT is not answered well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The connection is closed without a word (`B-20`).
    Close,
    /// A refusing CONNACK, then closed.
    Code,
    /// Nothing comes.
    Silence,
    /// CONNACK, and closed at once.
    ConnAckThenClose,
}

/// How the model behaves. Chances are in a thousand, for each packet that it would send or take.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mood {
    /// Milliseconds before an answer leaves, from and to.
    pub delay: (u64, u64),
    /// It reads and says nothing.
    pub mute: bool,
    /// What CONNECT gets instead of its answer.
    pub refuses: Option<Refusal>,
    /// A CONNECT finds its session forgotten.
    pub forgets: u64,
    /// A PUBLISH is neither taken nor acknowledged (`B-45`).
    pub drops: u64,
    /// An answer is left out.
    pub omits: u64,
    /// An answer is given twice.
    pub doubles: u64,
    /// MQTT 5: a PUBLISH is refused in its PUBACK (`B-51`).
    pub denies: u64,
    /// The connection is closed after a packet.
    pub closes: u64,
    /// Something is sent that no server may send.
    pub nonsense: u64,
}

impl Mood {
    /// A good server.
    #[must_use]
    pub fn calm() -> Self {
        Self {
            delay: (0, 30),
            ..Self::default()
        }
    }
}

struct Line {
    version: Option<Version>,
    up: bool,
    last_heard: u64,
    keep_alive: u64,
    aliases: BTreeMap<u16, String>,
    /// When the last answer leaves.
    latest: u64,
}

#[derive(Default)]
struct Session {
    exists: bool,
    version: Option<Version>,
    filters: BTreeSet<String>,
    in_flight: BTreeMap<u16, (String, Vec<u8>)>,
    queue: VecDeque<(String, Vec<u8>)>,
    next_id: u16,
}

/// The model.
pub struct Model {
    clock: Clock,
    ledger: Ledger,
    random: Random,
    mood: Mood,
    lines: BTreeMap<LinkId, Line>,
    current: Option<LinkId>,
    session: Session,
    due: BTreeMap<(u64, u64), (LinkId, Output)>,
    sequence: u64,
}

/// What MQTT 5's CONNACK grants.
const RECEIVE_MAXIMUM: u16 = 5;
const TOPIC_ALIAS_MAXIMUM: u16 = 2;
const MAXIMUM_PACKET_SIZE: u32 = 1_024;

/// QoS 1 messages under way to the device at a time.
const IN_FLIGHT: usize = 10;

impl Model {
    /// A model in a calm mood.
    #[must_use]
    pub fn new(clock: &Clock, ledger: &Ledger, seed: u64) -> Self {
        Self {
            clock: clock.clone(),
            ledger: ledger.clone(),
            random: Random::seeded(seed),
            mood: Mood::calm(),
            lines: BTreeMap::new(),
            current: None,
            session: Session::default(),
            due: BTreeMap::new(),
            sequence: 0,
        }
    }

    /// Has something leave after the mood's delay, and after what was said before on this connection.
    fn later(&mut self, link: LinkId, output: Output) {
        let (from, to) = self.mood.delay;
        let delay = self.random.between(from, to);
        let Some(line) = self.lines.get_mut(&link) else {
            return;
        };
        line.latest = line.latest.max(self.clock.millis() + delay);
        self.sequence += 1;
        self.due
            .insert((line.latest, self.sequence), (link, output));
    }

    fn say(&mut self, link: LinkId, packet: &Packet<'_>) {
        if self.mood.mute {
            return;
        }
        // CONNACK has moods of its own, and a PUBLISH that is left out would not come again.
        let answer = !matches!(packet, Packet::ConnAck(_) | Packet::Publish(_));
        if answer && self.random.chance(self.mood.omits) {
            return;
        }
        let Some(version) = self.lines.get(&link).and_then(|line| line.version) else {
            return;
        };
        let bytes = encode(version, packet);
        if answer && self.random.chance(self.mood.doubles) {
            self.later(link, Output::Write(bytes.clone()));
        }
        self.later(link, Output::Write(bytes));
    }

    fn close(&mut self, link: LinkId) {
        self.later(link, Output::Close);
        if self.current == Some(link) {
            self.current = None;
        }
    }

    fn connect(&mut self, link: LinkId, connect: &Connect<'_>) {
        if let Some(line) = self.lines.get_mut(&link) {
            line.version = Some(connect.version);
            line.keep_alive = match connect.keep_alive {
                0 => 1_200_000,
                seconds => u64::from(seconds) * 1_000,
            };
        }
        let refused = |reason_code| {
            Packet::ConnAck(ConnAck {
                session_present: false,
                reason_code,
                properties: Properties::EMPTY,
            })
        };
        match self.mood.refuses {
            Some(Refusal::Close) => return self.close(link),
            Some(Refusal::Silence) => return,
            Some(Refusal::Code) => {
                let code = match connect.version {
                    Version::V311 => ReasonCode(3),
                    Version::V5 => ReasonCode(0x97),
                };
                self.say(link, &refused(code));
                return self.close(link);
            }
            Some(Refusal::ConnAckThenClose) | None => {}
        }
        // The newer connection wins (B-14).
        if let Some(old) = self.current.take() {
            if connect.version == Version::V5 {
                self.say(old, &disconnect(ReasonCode(0x8E)));
            }
            self.close(old);
        }
        let present = self.session.exists
            && self.session.version == Some(connect.version)
            && !connect.clean_start
            && !self.random.chance(self.mood.forgets);
        if !present {
            // Whether the CONNACK that says so arrives or not.
            self.session = Session::default();
            self.ledger.release_promises();
        }
        self.session.exists = true;
        self.session.version = Some(connect.version);
        self.current = Some(link);
        if self.mood.mute {
            return;
        }
        if let Some(line) = self.lines.get_mut(&link) {
            line.up = true;
        }
        let properties = [
            Property::ReceiveMaximum(RECEIVE_MAXIMUM),
            Property::TopicAliasMaximum(TOPIC_ALIAS_MAXIMUM),
            Property::MaximumPacketSize(MAXIMUM_PACKET_SIZE),
            Property::MaximumQoS(1),
        ];
        self.say(
            link,
            &Packet::ConnAck(ConnAck {
                session_present: present,
                reason_code: ReasonCode::SUCCESS,
                properties: match connect.version {
                    Version::V311 => Properties::EMPTY,
                    Version::V5 => Properties::List(&properties),
                },
            }),
        );
        if self.mood.refuses.is_some() {
            return self.close(link);
        }
        let again: Vec<_> = self
            .session
            .in_flight
            .iter()
            .map(|(id, (topic, payload))| (*id, topic.clone(), payload.clone()))
            .collect();
        for (id, topic, payload) in again {
            self.deliver(link, id, true, &topic, &payload);
        }
        self.pump();
    }

    fn deliver(&mut self, link: LinkId, id: u16, dup: bool, topic: &str, payload: &[u8]) {
        let publish = Packet::Publish(Publish {
            dup,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic,
            packet_id: PacketId::new(id),
            properties: Properties::EMPTY,
            payload,
        });
        self.say(link, &publish);
    }

    fn pump(&mut self) {
        while self.session.in_flight.len() < IN_FLIGHT
            && !self.mood.mute
            && let Some(link) = self.current
            && self.lines.get(&link).is_some_and(|line| line.up)
            && let Some((topic, payload)) = self.session.queue.pop_front()
        {
            let mut id = self.session.next_id.max(1);
            while self.session.in_flight.contains_key(&id) {
                id = id.checked_add(1).unwrap_or(1);
            }
            self.session.next_id = id.checked_add(1).unwrap_or(1);
            self.deliver(link, id, false, &topic, &payload);
            self.session.in_flight.insert(id, (topic, payload));
        }
    }

    fn publish(&mut self, link: LinkId, publish: &Publish<'_>) {
        let topic = self.topic(link, publish);
        let version = self.lines.get(&link).and_then(|line| line.version);
        if self.random.chance(self.mood.drops) {
            return;
        }
        let denied = if topic.starts_with(FORBIDDEN) {
            Some(ReasonCode::NOT_AUTHORIZED)
        } else {
            (version == Some(Version::V5) && self.random.chance(self.mood.denies))
                .then_some(ReasonCode::QUOTA_EXCEEDED)
        };
        if denied.is_some() && version == Some(Version::V311) {
            // B-53
            return self.close(link);
        }
        if denied.is_none() {
            self.ledger.routed(&topic, publish.payload);
        }
        if let Some(packet_id) = publish.packet_id {
            let ack = Packet::PubAck(Ack {
                packet_id,
                reason_code: denied.unwrap_or(ReasonCode::SUCCESS),
                properties: Properties::EMPTY,
            });
            self.say(link, &ack);
        }
    }

    fn topic(&mut self, link: LinkId, publish: &Publish<'_>) -> String {
        let alias = publish.properties.find(|property| match property {
            Property::TopicAlias(alias) => Some(alias),
            _ => None,
        });
        let aliases = self.lines.get_mut(&link).map(|line| &mut line.aliases);
        match (alias, aliases) {
            (Some(alias), Some(aliases)) if publish.topic.is_empty() => {
                aliases.get(&alias).cloned().unwrap_or_default()
            }
            (Some(alias), Some(aliases)) => {
                aliases.insert(alias, publish.topic.to_owned());
                publish.topic.to_owned()
            }
            _ => publish.topic.to_owned(),
        }
    }

    fn subscribe(&mut self, link: LinkId, subscribe: &Subscribe<'_>) {
        let codes: Vec<u8> = subscribe
            .filters
            .iter()
            .map(|one| {
                self.session.filters.insert(one.filter.to_owned());
                one.qos.bits().min(1)
            })
            .collect();
        self.say(
            link,
            &Packet::SubAck(SubAck {
                packet_id: subscribe.packet_id,
                properties: Properties::EMPTY,
                reason_codes: &codes,
            }),
        );
    }

    /// Something that no server may send.
    fn talk_nonsense(&mut self, link: LinkId) {
        let Some(version) = self.lines.get(&link).and_then(|line| line.version) else {
            return;
        };
        let id = PacketId::new(self.random.between(1, 65_535) as u16).unwrap_or(PacketId::FIRST);
        let properties = Properties::EMPTY;
        let ack = Ack {
            packet_id: id,
            reason_code: ReasonCode::SUCCESS,
            properties,
        };
        let bytes = match self.random.between(0, 8) {
            0 => encode(
                version,
                &Packet::ConnAck(ConnAck {
                    session_present: true,
                    reason_code: ReasonCode::SUCCESS,
                    properties,
                }),
            ),
            1 => encode(version, &Packet::PubAck(ack)),
            2 => encode(version, &Packet::PubRec(ack)),
            3 => encode(
                version,
                &Packet::SubAck(SubAck {
                    packet_id: id,
                    properties,
                    reason_codes: &[1, 1],
                }),
            ),
            // A length of 256 MiB, QoS 3, a length of five bytes, a topic that is not UTF-8.
            4 => vec![0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0, 1, b'x'],
            5 => vec![0x36, 5, 0, 1, b't', 0, 1],
            6 => vec![0x30, 0xFF, 0xFF, 0xFF, 0xFF, 1],
            7 => vec![0x30, 4, 0, 2, 0xC3, 0x28],
            _ => (0..self.random.between(1, 20))
                .map(|_| self.random.u64() as u8)
                .collect(),
        };
        self.later(link, Output::Write(bytes));
    }
}

impl Server for Model {
    fn opened(&mut self, link: LinkId) {
        let now = self.clock.millis();
        self.lines.insert(
            link,
            Line {
                version: None,
                up: false,
                last_heard: now,
                keep_alive: 10_000,
                aliases: BTreeMap::new(),
                latest: now,
            },
        );
    }

    fn packets(&mut self, link: LinkId, packets: &[Packet<'_>]) {
        for packet in packets {
            let now = self.clock.millis();
            let Some(line) = self.lines.get_mut(&link) else {
                return;
            };
            line.last_heard = now;
            if let Packet::Connect(connect) = packet {
                self.connect(link, connect);
                continue;
            }
            if self.current != Some(link) {
                continue;
            }
            match packet {
                Packet::Publish(publish) => self.publish(link, publish),
                Packet::PubAck(ack) => {
                    self.session.in_flight.remove(&ack.packet_id.get());
                    self.pump();
                }
                Packet::Subscribe(subscribe) => self.subscribe(link, subscribe),
                Packet::Unsubscribe(unsubscribe) => {
                    let mut codes = Vec::new();
                    for filter in unsubscribe.filters.iter() {
                        let there = self.session.filters.remove(filter);
                        codes.push(if there { 0 } else { 0x11 });
                    }
                    let v5 =
                        self.lines.get(&link).and_then(|line| line.version) == Some(Version::V5);
                    let ack = SubAck {
                        packet_id: unsubscribe.packet_id,
                        properties: Properties::EMPTY,
                        reason_codes: if v5 { &codes } else { &[] },
                    };
                    self.say(link, &Packet::UnsubAck(ack));
                }
                Packet::PingReq => self.say(link, &Packet::PingResp),
                Packet::Disconnect(_) => self.close(link),
                _ => {}
            }
            if self.random.chance(self.mood.nonsense) {
                self.talk_nonsense(link);
            }
            if self.random.chance(self.mood.closes) {
                self.close(link);
            }
        }
    }

    fn not_mqtt(&mut self, link: LinkId, _error: &DecodeError) {
        self.close(link);
    }

    fn ended(&mut self, link: LinkId) {
        self.lines.remove(&link);
        if self.current == Some(link) {
            self.current = None;
        }
    }

    fn next(&self) -> Option<u64> {
        let due = self.due.first_key_value().map(|((at, _), _)| *at);
        let silent = self
            .lines
            .values()
            .map(|line| line.last_heard + line.keep_alive * 3 / 2)
            .min();
        [due, silent].into_iter().flatten().min()
    }

    fn tick(&mut self) {
        let now = self.clock.millis();
        let silent: Vec<_> = self
            .lines
            .iter()
            .filter(|(_, line)| line.last_heard + line.keep_alive * 3 / 2 <= now)
            .map(|(link, _)| *link)
            .collect();
        for link in silent {
            if self.current == Some(link) {
                self.current = None;
            }
            self.sequence += 1;
            self.due.insert((now, self.sequence), (link, Output::Close));
            if let Some(line) = self.lines.get_mut(&link) {
                line.last_heard = now;
            }
        }
    }

    fn outputs(&mut self) -> Vec<(LinkId, Output)> {
        let now = self.clock.millis();
        let later = self.due.split_off(&(now + 1, 0));
        let due = std::mem::replace(&mut self.due, later);
        let mut outputs = Vec::new();
        for (link, output) in due.into_values() {
            // Nothing follows a close.
            if !self.lines.contains_key(&link) {
                continue;
            }
            if output == Output::Close {
                self.lines.remove(&link);
            }
            outputs.push((link, output));
        }
        outputs
    }

    fn send(&mut self, topic: &str, payload: &[u8]) {
        if self.session.filters.contains(topic) {
            self.session
                .queue
                .push_back((topic.to_owned(), payload.to_vec()));
            self.pump();
        }
    }

    fn is_subscribed(&self, topic: &str) -> Option<bool> {
        Some(self.session.filters.contains(topic))
    }

    fn restart(&mut self, forgets: bool) {
        self.lines.clear();
        self.due.clear();
        self.current = None;
        if forgets {
            self.session = Session::default();
        }
    }

    fn set_mood(&mut self, mood: Mood) {
        self.mood = mood;
        self.pump();
    }
}

fn disconnect(reason_code: ReasonCode) -> Packet<'static> {
    let properties = Properties::EMPTY;
    Packet::Disconnect(Disconnect {
        reason_code,
        properties,
    })
}

fn encode(version: Version, packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = vec![0; packet.encoded_len(version).unwrap_or_default()];
    let written = packet.encode(version, &mut bytes).unwrap_or_default();
    bytes.truncate(written);
    bytes
}
