//! Our own broker's core, with a disk that takes its time and can be lost, and a witness that tells what really
//! reached a subscriber.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use thingwire_broker::core::{
    BODIES, Batch, ConnectionKey, Core, Outbox, QUEUED, RETAINED, Rows, SESSIONS, SHARED,
    SUBSCRIPTIONS, Task, WILLS,
};
use thingwire_broker::{AllowAll, Behaviour, Config, Millis, Now, Peer, Silent};
use thingwire_device::{QoS, SubscribeFilter, Version};
use thingwire_mqtt::{
    Ack, Connect, DecodeError, Packet, PacketId, Properties, Publish, ReasonCode, Subscribe,
    SubscribeFilters, split,
};
use thingwire_store::Write;

use super::{Mood, Output, Server};
use crate::network::LinkId;
use crate::{Clock, Ledger, Random};

/// What the witness subscribes to: everything the device publishes.
const WITNESSED: &str = "up/#";

/// The wall clock when the world begins.
const EPOCH: u64 = 1_700_000_000_000;

/// Half of the witness's keep-alive, in milliseconds.
const WITNESS_PING: u64 = 600_000;

struct Line {
    key: ConnectionKey,
    outbox: Arc<Outbox>,
}

/// A Thingwire broker.
pub struct Genuine {
    clock: Clock,
    ledger: Ledger,
    random: Random,
    core: Core,
    lines: BTreeMap<LinkId, Line>,
    witness: Option<Line>,
    tables: BTreeMap<(&'static str, Vec<u8>), Vec<u8>>,
    /// Batches on their way to the disk, and when they are there.
    disk: VecDeque<(u64, Batch)>,
    /// Milliseconds that the disk takes at most.
    slowness: u64,
    outputs: Vec<(LinkId, Output)>,
    next_ping: u64,
    /// Of what it sends to the device. 2 only where it behaves as MQTT says.
    qos: QoS,
    /// Of the witness's last message with QoS 2.
    packet_id: PacketId,
}

impl Genuine {
    /// A broker that has never run. With QoS 2 it behaves as MQTT says, otherwise as AWS does.
    #[must_use]
    pub fn new(clock: &Clock, ledger: &Ledger, seed: u64, qos: QoS) -> Self {
        let mut genuine = Self {
            clock: clock.clone(),
            ledger: ledger.clone(),
            random: Random::seeded(seed),
            core: core(qos),
            lines: BTreeMap::new(),
            witness: None,
            tables: BTreeMap::new(),
            disk: VecDeque::new(),
            slowness: 20,
            outputs: Vec::new(),
            next_ping: WITNESS_PING,
            qos,
            packet_id: PacketId::FIRST,
        };
        genuine.call_witness();
        genuine
    }

    fn now(&self) -> Now {
        let now = self.clock.millis();
        Now {
            monotonic: Millis(now + 1_000),
            unix: Millis(EPOCH + now),
        }
    }

    fn call_witness(&mut self) {
        let now = self.now();
        let (key, outbox) = self.core.open(now, peer());
        self.witness = Some(Line { key, outbox });
        let filters = [SubscribeFilter::new(WITNESSED, QoS::AtLeastOnce)];
        for packet in [
            Packet::Connect(Connect {
                version: Version::V311,
                clean_start: false,
                keep_alive: 1200,
                client_id: "witness",
                will: None,
                user_name: None,
                password: None,
                properties: Properties::EMPTY,
            }),
            Packet::Subscribe(Subscribe {
                packet_id: PacketId::FIRST,
                properties: Properties::EMPTY,
                filters: SubscribeFilters::List(&filters),
            }),
        ] {
            self.core.receive(now, key, &[packet]);
            self.settle();
        }
    }

    /// Gives the disk what it has to store, moves what is to be written, and lets the witness look.
    fn settle(&mut self) {
        loop {
            let now = self.now();
            while let Some(batch) = self.core.finish(now).batch {
                let at = self.clock.millis() + self.random.between(0, self.slowness);
                let at = self.disk.back().map_or(at, |(last, _)| at.max(*last));
                self.disk.push_back((at, batch));
            }
            self.collect();
            if !self.witness_looks() {
                return;
            }
        }
    }

    fn collect(&mut self) {
        let now = self.now();
        let mut closed = Vec::new();
        for (link, line) in &self.lines {
            loop {
                match poll(&line.outbox) {
                    Some(Task::Write(pending)) => {
                        let bytes = pending.pieces().collect::<Vec<_>>().concat();
                        self.outputs.push((*link, Output::Write(bytes)));
                    }
                    Some(Task::TellDrained) => self.core.drained(now, line.key),
                    Some(Task::Close) => {
                        self.outputs.push((*link, Output::Close));
                        closed.push(*link);
                        break;
                    }
                    None => break,
                }
            }
        }
        for link in closed {
            self.lines.remove(&link);
        }
    }

    /// Answers whether there was anything to see.
    fn witness_looks(&mut self) -> bool {
        let Some(witness) = &self.witness else {
            return false;
        };
        let key = witness.key;
        let mut bytes = Vec::new();
        let mut closed = false;
        loop {
            match poll(&witness.outbox) {
                Some(Task::Write(pending)) => {
                    pending.pieces().for_each(|piece| bytes.extend(piece))
                }
                Some(Task::TellDrained) => self.core.drained(self.now(), key),
                Some(Task::Close) => {
                    closed = true;
                    break;
                }
                None => break,
            }
        }
        if closed {
            self.ledger
                .violate("the broker closed the witness's connection".into());
            self.witness = None;
            return false;
        }
        let now = self.now();
        let mut rest = &bytes[..];
        while let Ok(Some((frame, len))) = split(rest, usize::MAX) {
            let ack = |packet_id| Ack {
                packet_id,
                reason_code: ReasonCode::SUCCESS,
                properties: Properties::EMPTY,
            };
            let answer = match Packet::decode(Version::V311, &frame) {
                Ok(Packet::Publish(publish)) => {
                    self.ledger.routed(publish.topic, publish.payload);
                    publish.packet_id.map(|id| Packet::PubAck(ack(id)))
                }
                Ok(Packet::PubRec(received)) => Some(Packet::PubRel(ack(received.packet_id))),
                _ => None,
            };
            if let Some(answer) = answer {
                self.core.receive(now, key, &[answer]);
            }
            rest = &rest[len..];
        }
        !bytes.is_empty()
    }

    fn rows(&self, wanted: &str) -> Vec<thingwire_store::Row> {
        self.tables
            .iter()
            .filter(|((table, _), _)| *table == wanted)
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect()
    }
}

impl Server for Genuine {
    fn opened(&mut self, link: LinkId) {
        let (key, outbox) = self.core.open(self.now(), peer());
        self.lines.insert(link, Line { key, outbox });
        self.settle();
    }

    fn may_read(&self, link: LinkId) -> bool {
        self.lines
            .get(&link)
            .is_some_and(|line| !line.outbox.paused())
    }

    fn packets(&mut self, link: LinkId, packets: &[Packet<'_>]) {
        if let Some(line) = self.lines.get(&link) {
            self.core.receive(self.now(), line.key, packets);
            self.settle();
        }
    }

    fn not_mqtt(&mut self, link: LinkId, error: &DecodeError) {
        if let Some(line) = self.lines.get(&link) {
            self.core.reject(self.now(), line.key, error, None);
            self.settle();
        }
    }

    fn ended(&mut self, link: LinkId) {
        if let Some(line) = self.lines.remove(&link) {
            self.core
                .lost(self.now(), line.key, "the peer closed the stream");
            self.settle();
        }
    }

    fn next(&self) -> Option<u64> {
        // The core's monotonic clock begins a second before ours.
        let timer = self
            .core
            .poll_timeout()
            .map(|at| at.0.saturating_sub(1_000));
        let disk = self.disk.front().map(|(at, _)| *at);
        [timer, disk, Some(self.next_ping)]
            .into_iter()
            .flatten()
            .min()
    }

    fn tick(&mut self) {
        let millis = self.clock.millis();
        while let Some((_, batch)) = self.disk.pop_front_if(|(at, _)| *at <= millis) {
            for write in batch.writes {
                match write {
                    Write::Put { table, key, value } => {
                        self.tables.insert((table, key), value);
                    }
                    Write::Delete { table, key } => {
                        self.tables.remove(&(table, key));
                    }
                }
            }
            self.core.stored(self.now(), batch.number, true);
            self.settle();
        }
        let now = self.now();
        if self
            .core
            .poll_timeout()
            .is_some_and(|at| at <= now.monotonic)
        {
            self.core.handle_timeout(now);
            self.settle();
        }
        if millis >= self.next_ping {
            self.next_ping = millis + WITNESS_PING;
            if let Some(witness) = &self.witness {
                let key = witness.key;
                self.core.receive(now, key, &[Packet::PingReq]);
                self.settle();
            }
        }
    }

    fn outputs(&mut self) -> Vec<(LinkId, Output)> {
        std::mem::take(&mut self.outputs)
    }

    fn send(&mut self, topic: &str, payload: &[u8]) {
        let now = self.now();
        if let (QoS::ExactlyOnce, Some(witness)) = (self.qos, &self.witness) {
            // The broker's own messages have QoS 1 at most.
            self.packet_id = self.packet_id.next();
            let publish = Publish {
                dup: false,
                qos: self.qos,
                retain: false,
                topic,
                packet_id: Some(self.packet_id),
                properties: Properties::EMPTY,
                payload,
            };
            self.core
                .receive(now, witness.key, &[Packet::Publish(publish)]);
        } else {
            self.core.publish_internal(
                now,
                topic,
                payload,
                QoS::AtLeastOnce,
                false,
                Properties::EMPTY,
            );
        }
        self.settle();
    }

    fn restart(&mut self, forgets: bool) {
        self.disk.clear();
        if forgets {
            self.tables.clear();
        }
        self.lines.clear();
        self.witness = None;
        self.core = core(self.qos);
        let rows = Rows {
            sessions: self.rows(SESSIONS),
            subscriptions: self.rows(SUBSCRIPTIONS),
            queued: self.rows(QUEUED),
            retained: self.rows(RETAINED),
            shared: self.rows(SHARED),
            wills: self.rows(WILLS),
            bodies: self.rows(BODIES),
        };
        let restored = self.core.restore(self.now(), &rows);
        if let Err(error) = restored {
            self.ledger
                .violate(format!("the broker cannot read its own rows: {error}"));
        }
        self.call_witness();
    }

    fn set_mood(&mut self, mood: Mood) {
        self.slowness = mood.delay.1.max(20);
    }
}

fn poll(outbox: &Outbox) -> Option<Task> {
    match outbox.poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(task) => Some(task),
        Poll::Pending => None,
    }
}

fn peer() -> Peer {
    Peer {
        principal: "certificate".into(),
        address: SocketAddr::from(([192, 0, 2, 1], 40_000)),
        server_name: None,
    }
}

fn core(qos: QoS) -> Core {
    let mut counter = 0_u8;
    let random = Box::new(move || {
        counter = counter.wrapping_add(1);
        [counter; 16]
    });
    let behaviour = match qos {
        QoS::ExactlyOnce => Behaviour::Mqtt,
        _ => Behaviour::Aws,
    };
    Core::new(
        Config {
            behaviour,
            ..Config::default()
        },
        true,
        Arc::new(AllowAll),
        Arc::new(Silent),
        random,
    )
}
