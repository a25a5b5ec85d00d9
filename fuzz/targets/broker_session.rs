//! Any clients against the broker's core: any bytes, in any order, with losses, time, a disk that fails and crashes.
//!
//! Nothing may panic or loop. What leaves for a client is MQTT of its version and begins with CONNACK; nothing follows
//! the end of a connection; what the broker wrote it can read after a crash; and when everybody is gone and all
//! sessions have expired, nothing is left.

#![no_main]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use libfuzzer_sys::fuzz_target;
use thingwire_broker::core::{
    BODIES, Batch, ConnectionKey, Core, Outbox, QUEUED, RETAINED, Rows, SESSIONS, SHARED,
    SUBSCRIPTIONS, Task, WILLS,
};
use thingwire_broker::{AllowAll, Behaviour, Config, Millis, Now, Peer, Quotas, Silent};
use thingwire_mqtt::{Packet, Version, split};
use thingwire_store::Write;

/// A whole packet each, so that the engine need not find MQTT by itself; it may change every byte.
const PACKETS: [&[u8]; 12] = [
    b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a",
    b"\x10\x0d\x00\x04MQTT\x04\x00\x00\x3c\x00\x01b",
    b"\x10\x13\x00\x04MQTT\x05\x00\x00\x3c\x05\x11\x00\x00\x00\x64\x00\x01c",
    b"\x10\x14\x00\x04MQTT\x04\x06\x00\x3c\x00\x01d\x00\x01w\x00\x02xx",
    b"\x82\x06\x00\x01\x00\x01t\x01",
    b"\x82\x0e\x00\x01\x00\x09$share/g/\x01",
    b"\x82\x0f\x00\x02\x00\x0a$share/g/t\x01",
    b"\x82\x06\x00\x03\x00\x01#\x00",
    b"\xa2\x05\x00\x04\x00\x01t",
    b"\x32\x07\x00\x01t\x00\x05xx",
    b"\x33\x07\x00\x01t\x00\x06yy",
    b"\x40\x02\x00\x01",
];

/// The longest packet that is taken.
const MAX: usize = 4096;

struct Line {
    key: ConnectionKey,
    outbox: Arc<Outbox>,
    /// That of its CONNECT, once it was read.
    version: Option<Version>,
    begun: bool,
    out: Vec<u8>,
}

struct World {
    core: Core,
    config: Config,
    now: Now,
    lines: Vec<Option<Line>>,
    under_way: Vec<Batch>,
    tables: BTreeMap<(&'static str, Vec<u8>), Vec<u8>>,
}

fn core(config: Config) -> Core {
    let mut count = 0_u8;
    let random = Box::new(move || {
        count = count.wrapping_add(1);
        [count; 16]
    });
    Core::new(config, true, Arc::new(AllowAll), Arc::new(Silent), random)
}

impl World {
    fn finish(&mut self) {
        self.under_way.extend(self.core.finish(self.now).batch);
        for place in &mut self.lines {
            let Some(line) = place else { continue };
            loop {
                match line
                    .outbox
                    .poll_next(&mut Context::from_waker(Waker::noop()))
                {
                    Poll::Pending => break,
                    Poll::Ready(Task::Close) => {
                        line.check();
                        *place = None;
                        break;
                    }
                    Poll::Ready(Task::TellDrained) => self.core.drained(self.now, line.key),
                    Poll::Ready(Task::Write(pending)) => {
                        line.out.extend(pending.pieces().flatten());
                    }
                }
            }
            if let Some(line) = place {
                line.check();
            }
        }
        self.under_way.extend(self.core.finish(self.now).batch);
    }

    fn bytes(&mut self, at: usize, bytes: &[u8]) {
        let now = self.now;
        if self.lines[at].is_none() {
            let peer = Peer {
                principal: "fuzz".into(),
                address: "192.0.2.1:1".parse().expect("an address"),
                server_name: None,
            };
            let (key, outbox) = self.core.open(now, peer);
            self.lines[at] = Some(Line {
                key,
                outbox,
                version: None,
                begun: false,
                out: Vec::new(),
            });
        }
        let Some(line) = &mut self.lines[at] else {
            return;
        };
        let mut packets = Vec::new();
        let mut rest = bytes;
        let mut error = None;
        loop {
            match split(rest, MAX) {
                Ok(Some((frame, len))) => {
                    match Packet::decode(line.version.unwrap_or(Version::V311), &frame) {
                        Ok(packet) => {
                            if let (None, Packet::Connect(connect)) = (line.version, &packet) {
                                line.version = Some(connect.version);
                            }
                            packets.push(packet);
                        }
                        Err(bad) => {
                            error = Some(bad);
                            break;
                        }
                    }
                    rest = &rest[len..];
                }
                Ok(None) => break,
                Err(bad) => {
                    error = Some(bad);
                    break;
                }
            }
        }
        let key = line.key;
        self.core.receive(now, key, &packets);
        if let Some(error) = error {
            self.core.reject(now, key, &error, None);
        }
        self.finish();
    }

    fn disk(&mut self, stores: bool) {
        if self.under_way.is_empty() {
            return;
        }
        let batch = self.under_way.remove(0);
        if stores {
            for write in batch.writes {
                match write {
                    Write::Put { table, key, value } => {
                        drop(self.tables.insert((table, key), value))
                    }
                    Write::Delete { table, key } => drop(self.tables.remove(&(table, key))),
                }
            }
        }
        self.core.stored(self.now, batch.number, stores);
        self.finish();
    }

    fn crash(&mut self) {
        self.under_way.clear();
        self.lines = (0..4).map(|_| None).collect();
        let rows = |wanted| {
            let of = self
                .tables
                .iter()
                .filter(|((table, _), _)| *table == wanted);
            of.map(|((_, key), value)| (key.clone(), value.clone()))
                .collect()
        };
        let rows = Rows {
            sessions: rows(SESSIONS),
            subscriptions: rows(SUBSCRIPTIONS),
            queued: rows(QUEUED),
            retained: rows(RETAINED),
            shared: rows(SHARED),
            wills: rows(WILLS),
            bodies: rows(BODIES),
        };
        self.core = core(self.config);
        self.core.restore(self.now, &rows).expect("its own rows");
        self.finish();
    }

    fn pass(&mut self, seconds: u64) {
        let end = self.now.monotonic.plus_seconds(seconds);
        // A due time that never moves on would loop; there are few timers here.
        for _ in 0..10_000 {
            let Some(next) = self.core.poll_timeout().filter(|next| *next <= end) else {
                break;
            };
            self.to(next);
            self.core.handle_timeout(self.now);
            self.finish();
        }
        assert!(
            self.core.poll_timeout().is_none_or(|next| next > end),
            "timers come to an end"
        );
        self.to(end);
    }

    fn to(&mut self, at: Millis) {
        let step = at.since(self.now.monotonic);
        self.now = Now {
            monotonic: self.now.monotonic.plus(step),
            unix: self.now.unix.plus(step),
        };
    }
}

impl Line {
    /// What was written so far is whole packets of its version, CONNACK first.
    fn check(&mut self) {
        let bytes = std::mem::take(&mut self.out);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (frame, len) = split(rest, usize::MAX).expect("our own").expect("whole");
            let version = self.version.unwrap_or(Version::V311);
            let first = !std::mem::replace(&mut self.begun, true);
            match Packet::decode(version, &frame) {
                Ok(packet) => assert_eq!(first, matches!(packet, Packet::ConnAck(_)), "{packet:?}"),
                // The refusal of a version is in MQTT 3.1.1's form, whatever was asked for.
                Err(error) => assert!(first, "{error}"),
            }
            rest = &rest[len..];
        }
    }
}

fuzz_target!(|input: (u8, Vec<(u8, u8, Vec<u8>)>)| {
    let (settings, steps) = input;
    let config = Config {
        behaviour: if settings & 1 == 0 {
            Behaviour::Aws
        } else {
            Behaviour::Mqtt
        },
        quotas: (settings & 2 != 0).then(Quotas::default),
        ..Config::default()
    };
    let mut world = World {
        core: core(config),
        config,
        now: Now {
            monotonic: Millis(1000),
            unix: Millis(1_700_000_000_000),
        },
        lines: (0..4).map(|_| None).collect(),
        under_way: Vec::new(),
        tables: BTreeMap::new(),
    };
    for (what, which, bytes) in steps {
        let at = usize::from(which) % 4;
        match what {
            0..160 => {
                let packet = PACKETS[usize::from(what) % PACKETS.len()];
                let mut packet = packet.to_vec();
                for (place, byte) in packet.iter_mut().skip(2).zip(&bytes) {
                    *place ^= byte;
                }
                world.bytes(at, &packet);
            }
            160..190 => world.bytes(at, &bytes),
            190..225 => world.disk(what % 8 != 0),
            225..240 => {
                if let Some(line) = world.lines[at].take() {
                    world.core.lost(world.now, line.key, "gone");
                    world.finish();
                }
            }
            240..252 => world.pass(u64::from(which)),
            _ => world.crash(),
        }
    }
    // Everybody goes, and every session that can end does.
    for at in 0..4 {
        if let Some(line) = world.lines[at].take() {
            world.core.lost(world.now, line.key, "gone");
        }
    }
    world.finish();
    while !world.under_way.is_empty() {
        world.disk(true);
    }
    if settings & 1 == 0 {
        world.pass(8000);
        let left = world.core.statistics();
        assert_eq!(
            (
                left.connections,
                left.sessions,
                left.subscriptions,
                left.groups
            ),
            (0, 0, 0, 0)
        );
        world.pass(2);
        while !world.under_way.is_empty() {
            world.disk(true);
        }
        let rows = world.tables.keys().filter(|(table, _)| *table != RETAINED);
        assert_eq!(rows.count(), 0, "nothing of them is on disk");
    }
});
