//! Traces: send this, expect that, expect nothing. Time is simulated, the disk is a map, nothing sleeps.
//!
//! What a client receives is written down as one line a packet (see [`render`]), so that a test reads as a trace.

mod bodies;
mod connect;
mod durable;
mod group;
mod hostile;
mod limits;
mod metered;
mod model;
mod packets;
mod publish;
mod qos2;
mod quota;
mod random;
mod repair;
mod retained;
mod routing;
mod session;
mod shared;
mod slow;
mod standard;
mod subscribe;
mod will;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use thingwire_mqtt::{
    Ack, Connect, Packet, PacketId, Properties, Property, Publish, QoS, ReasonCode, Subscribe,
    SubscribeFilter, SubscribeFilters, Version, split,
};
use thingwire_store::Write;

pub(super) use packets::*;

use super::{Batch, ConnectionKey, Core, Outbox, Rows, Task};
use crate::{
    Action, Authorize, Client, Config, Decision, Event, Millis, Now, Observer, Peer, Permissions,
    Reserved,
};

pub(super) const V3: Version = Version::V311;
pub(super) const V5: Version = Version::V5;

/// One client of the simulated world.
#[derive(Clone)]
pub(super) struct Device {
    key: ConnectionKey,
    outbox: Arc<Outbox>,
    version: Version,
}

/// What the disk does with batches.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Disk {
    /// Stores each at once.
    Quick,
    /// Waits for [`World::disk_stores`] or [`World::disk_fails`].
    Waiting,
}

type Tables = BTreeMap<(&'static str, Vec<u8>), Vec<u8>>;

/// A broker core with everything around it.
pub(super) struct World {
    pub(super) core: Core,
    pub(super) now: Now,
    pub(super) policy: Arc<Policy>,
    pub(super) log: Arc<Log>,
    pub(super) disk: Disk,
    pub(super) tables: Tables,
    under_way: VecDeque<Batch>,
    config: Config,
}

/// Denies what it is told to.
#[derive(Default)]
pub(super) struct Policy {
    denied: Mutex<HashSet<(Action, String)>>,
    generation: AtomicU64,
    /// How often a decision was asked for.
    pub(super) asked: Arc<AtomicU64>,
}

impl Policy {
    pub(super) fn deny(&self, action: Action, resource: &str) {
        self.denied
            .lock()
            .unwrap()
            .insert((action, resource.into()));
        self.generation.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn allow_all(&self) {
        self.denied.lock().unwrap().clear();
        self.generation.fetch_add(1, Ordering::Relaxed);
    }
}

struct Frozen(HashSet<(Action, String)>, Arc<AtomicU64>);

impl Permissions for Frozen {
    fn decide(&self, action: Action, resource: &str) -> Decision {
        self.1.fetch_add(1, Ordering::Relaxed);
        if self.0.contains(&(action, resource.to_owned())) {
            Decision::Deny(format!("no statement allows {action:?} on {resource}"))
        } else {
            Decision::Allow
        }
    }
}

impl Authorize for Policy {
    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    fn permissions(&self, _client: &Client) -> Arc<dyn Permissions> {
        Arc::new(Frozen(
            self.denied.lock().unwrap().clone(),
            Arc::clone(&self.asked),
        ))
    }
}

/// Keeps every event as a line.
#[derive(Default)]
pub(super) struct Log(Mutex<Vec<String>>);

impl Log {
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observer for Log {
    fn event(&self, event: Event<'_>) {
        let line = match event {
            Event::Connected {
                client,
                session_present,
            } => {
                format!("{} connected present={session_present}", client.client_id)
            }
            Event::Disconnected { client, reason, .. } => {
                format!("{} disconnected {}", client.client_id, reason.name())
            }
            Event::ConnectFailed { client } => format!("{} failed to connect", client.client_id),
            Event::Refused {
                client,
                action,
                resource,
                explanation,
            } => {
                assert!(explanation.contains(resource), "{explanation}");
                format!("{} refused {action:?} {resource}", client.client_id)
            }
            Event::Violated { client, detail } => format!("{} violated {detail}", client.client_id),
            Event::Subscribed { client, filters } => {
                format!("{} subscribed {}", client.client_id, filters.join(" "))
            }
            Event::Unsubscribed { client, filters } => {
                format!("{} unsubscribed {}", client.client_id, filters.join(" "))
            }
        };
        self.0.lock().unwrap().push(line);
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(|_| ())
    }

    /// With a configuration that differs from the default; `$aws/` topics exist for everybody.
    pub(super) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            reserved: Reserved {
                publish: |topic| topic.starts_with("$aws/things/") && !topic.ends_with("/accepted"),
                subscribe: |filter| filter.starts_with("$aws/things/"),
                counted: |topic| topic.strip_prefix("$aws/rules/r/").unwrap_or(topic),
            },
            ..Config::default()
        };
        change(&mut config);
        let policy = Arc::new(Policy::default());
        let log = Arc::new(Log::default());
        Self {
            core: core(config, &policy, &log),
            now: Now {
                monotonic: Millis(1_000),
                unix: Millis(1_700_000_000_000),
            },
            policy,
            log,
            disk: Disk::Quick,
            tables: BTreeMap::new(),
            under_way: VecDeque::new(),
            config,
        }
    }

    /// One call of the core and what follows.
    pub(super) fn call<T>(&mut self, call: impl FnOnce(&mut Core, Now) -> T) -> T {
        let result = call(&mut self.core, self.now);
        self.finish();
        result
    }

    fn finish(&mut self) {
        while let Some(batch) = self.core.finish(self.now).batch {
            self.under_way.push_back(batch);
            if self.disk == Disk::Quick {
                self.disk_stores();
            }
        }
    }

    /// The oldest batch reaches the disk.
    pub(super) fn disk_stores(&mut self) {
        let Some(batch) = self.under_way.pop_front() else {
            return;
        };
        for write in batch.writes {
            match write {
                Write::Put { table, key, value } => drop(self.tables.insert((table, key), value)),
                Write::Delete { table, key } => drop(self.tables.remove(&(table, key))),
            }
        }
        self.core.stored(self.now, batch.number, true);
        self.finish();
    }

    /// The oldest batch does not reach the disk.
    pub(super) fn disk_fails(&mut self) {
        let batch = self.under_way.pop_front().expect("a batch is under way");
        self.core.stored(self.now, batch.number, false);
        self.finish();
    }

    /// Each reference has its body on disk, and each body a reference.
    pub(super) fn assert_bodies(&self) {
        let records: Vec<_> = self
            .tables
            .iter()
            .map(|((table, key), value)| {
                let row = (key.clone(), value.clone());
                super::stored::Record::read(table, &row).expect("our own row")
            })
            .collect();
        let mut problems = super::stored::problems(&records);
        // A group may have no stored member any more and still hold a message for one that is connected.
        problems.retain(|(_, what)| what.contains("body"));
        assert_eq!(problems, []);
    }

    /// How many rows each batch has that is under way.
    pub(super) fn rows_under_way(&self) -> Vec<usize> {
        self.under_way
            .iter()
            .map(|batch| batch.writes.len())
            .collect()
    }

    /// How many batches are under way.
    pub(super) fn batches(&self) -> usize {
        self.under_way.len()
    }

    /// The process dies and starts again; what was under way is lost.
    pub(super) fn crash(&mut self) {
        self.under_way.clear();
        let rows = |wanted: &str| {
            let of_table = self
                .tables
                .iter()
                .filter(|((table, _), _)| *table == wanted);
            of_table
                .map(|((_, key), value)| (key.clone(), value.clone()))
                .collect()
        };
        let rows = Rows {
            sessions: rows(super::SESSIONS),
            subscriptions: rows(super::SUBSCRIPTIONS),
            queued: rows(super::QUEUED),
            retained: rows(super::RETAINED),
            shared: rows(super::SHARED),
            wills: rows(super::WILLS),
            bodies: rows(super::BODIES),
        };
        self.core = core(self.config, &self.policy, &self.log);
        self.core.restore(self.now, &rows).expect("our own rows");
        self.finish();
    }

    /// Time passes; everything that is due happens at its time.
    pub(super) fn pass(&mut self, seconds: u64) {
        let end = self.now.monotonic.plus_seconds(seconds);
        while let Some(next) = self.core.poll_timeout().filter(|next| *next <= end) {
            self.advance_to(next);
            self.call(|core, now| core.handle_timeout(now));
        }
        self.advance_to(end);
    }

    fn advance_to(&mut self, at: Millis) {
        let step = at.since(self.now.monotonic);
        self.now = Now {
            monotonic: self.now.monotonic.plus(step),
            unix: self.now.unix.plus(step),
        };
    }

    pub(super) fn open(&mut self, version: Version) -> Device {
        let peer = Peer {
            principal: "certificate".into(),
            address: SocketAddr::from(([192, 0, 2, 1], 40_000)),
            server_name: None,
        };
        let (key, outbox) = self.call(|core, now| core.open(now, peer));
        Device {
            key,
            outbox,
            version,
        }
    }

    /// A new connection that sent this CONNECT.
    pub(super) fn connecting(&mut self, connect: Connect<'_>) -> Device {
        let device = self.open(connect.version);
        self.send(&device, &[Packet::Connect(connect)]);
        device
    }

    /// A connection with a clean session, past its CONNACK.
    pub(super) fn client(&mut self, version: Version, client_id: &str) -> Device {
        let device = self.connecting(clean(version, client_id));
        assert_eq!(codes(&self.got(&device)), ["CONNACK 00"]);
        device
    }

    /// A connection with a session of one hour, past its CONNACK; answers whether the session was there.
    pub(super) fn persistent(
        &mut self,
        version: Version,
        client_id: &str,
    ) -> (Device, Vec<String>) {
        let device = self.connecting(keeping(version, client_id));
        let got = codes(&self.got(&device));
        (device, got)
    }

    pub(super) fn send(&mut self, device: &Device, packets: &[Packet<'_>]) {
        // Over the wire and back, as the edge does it.
        let bytes: Vec<_> = packets
            .iter()
            .map(|packet| {
                let mut bytes = vec![0; packet.encoded_len(device.version).expect("encodable")];
                packet
                    .encode(device.version, &mut bytes)
                    .expect("encodable");
                bytes
            })
            .collect();
        let packets: Vec<_> = bytes
            .iter()
            .map(|bytes| {
                let (frame, _) = split(bytes, usize::MAX).expect("a frame").expect("whole");
                Packet::decode(device.version, &frame).expect("a packet")
            })
            .collect();
        self.call(|core, now| core.receive(now, device.key, &packets));
    }

    pub(super) fn lose(&mut self, device: &Device) {
        self.call(|core, now| core.lost(now, device.key, "gone"));
    }

    pub(super) fn drained(&mut self, device: &Device) {
        self.call(|core, now| core.drained(now, device.key));
    }

    /// Everything that can be written to the device now, one line a packet.
    pub(super) fn got(&mut self, device: &Device) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match device
                .outbox
                .poll_next(&mut Context::from_waker(Waker::noop()))
            {
                Poll::Pending => return lines,
                Poll::Ready(Task::Close) => {
                    lines.push("closed".into());
                    return lines;
                }
                Poll::Ready(Task::TellDrained) => self.drained(device),
                Poll::Ready(Task::Write(pending)) => {
                    let bytes = pending.pieces().collect::<Vec<_>>().concat();
                    assert_eq!(bytes.len(), pending.len());
                    let mut rest = &bytes[..];
                    while !rest.is_empty() {
                        let (frame, len) = split(rest, usize::MAX).expect("valid").expect("whole");
                        lines.push(render(
                            &Packet::decode(device.version, &frame).expect("valid"),
                        ));
                        rest = &rest[len..];
                    }
                }
            }
        }
    }

    pub(super) fn subscribe(&mut self, device: &Device, filters: &[(&str, QoS)]) -> Vec<String> {
        let filters: Vec<_> = filters
            .iter()
            .map(|(filter, qos)| SubscribeFilter::new(filter, *qos))
            .collect();
        self.send(device, &[subscribe(&filters)]);
        self.got(device)
    }

    /// Publishes with QoS 0.
    pub(super) fn say(&mut self, device: &Device, topic: &str, payload: &str) {
        self.send(device, &[Packet::Publish(message(topic, payload))]);
    }

    /// Publishes with QoS 1 and packet identifier `id`.
    pub(super) fn say1(&mut self, device: &Device, topic: &str, payload: &str, id: u16) {
        self.send(
            device,
            &[Packet::Publish(Publish {
                qos: Q1,
                packet_id: PacketId::new(id),
                ..message(topic, payload)
            })],
        );
    }

    pub(super) fn ack(&mut self, device: &Device, id: u16) {
        self.send(device, &[puback(id)]);
    }
}

fn core(config: Config, policy: &Arc<Policy>, log: &Arc<Log>) -> Core {
    let mut counter = 0_u8;
    let random = Box::new(move || {
        counter = counter.wrapping_add(1);
        [counter; 16]
    });
    Core::new(
        config,
        true,
        Arc::clone(policy) as _,
        Arc::clone(log) as _,
        random,
    )
}
