//! Random lives of a broker beside a small model: clients of both versions come, subscribe, publish, acknowledge and
//! vanish; the disk works, fails, and the process dies in between.
//!
//! What must hold at the end, when the disk is well and everybody comes back: every QoS 1 message that was
//! acknowledged and wanted by a stored session arrives there; nothing arrives that was not published to a filter the
//! client had; what arrives of a publisher for the first time is in the order it was published; and the
//! retained message of a topic is the last that was acknowledged, or a later one.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use thingwire_mqtt::{Packet, PacketId, Publish, ReasonCode, SubscribeFilter, Version};

use super::*;

const CLIENTS: usize = 3;
const TOPICS: [&str; 3] = ["a", "a/b", "c"];
const FILTERS: [&str; 5] = ["a", "a/b", "c", "a/+", "#"];

#[derive(Clone, Debug)]
enum Step {
    Connect { who: usize, keep: bool },
    Lose { who: usize },
    Goodbye { who: usize },
    Subscribe { who: usize, filter: usize },
    Unsubscribe { who: usize, filter: usize },
    Publish { topic: usize, retain: bool },
    Acknowledge { who: usize },
    DiskStores,
    DiskFails,
    Crash,
    Pass,
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..CLIENTS;
    prop_oneof![
        3 => (who.clone(), prop::bool::weighted(0.8)).prop_map(|(who, keep)| Step::Connect { who, keep }),
        1 => who.clone().prop_map(|who| Step::Lose { who }),
        1 => who.clone().prop_map(|who| Step::Goodbye { who }),
        3 => (who.clone(), 0..FILTERS.len()).prop_map(|(who, filter)| Step::Subscribe { who, filter }),
        1 => (who.clone(), 0..FILTERS.len()).prop_map(|(who, filter)| Step::Unsubscribe { who, filter }),
        8 => (0..TOPICS.len(), prop::bool::weighted(0.2))
            .prop_map(|(topic, retain)| Step::Publish { topic, retain }),
        4 => who.prop_map(|who| Step::Acknowledge { who }),
        5 => Just(Step::DiskStores),
        1 => Just(Step::DiskFails),
        1 => Just(Step::Crash),
        1 => Just(Step::Pass),
    ]
}

/// What the test knows of one client.
#[derive(Default)]
struct Known {
    device: Option<Device>,
    /// CONNACK arrived.
    connected: bool,
    /// Its session is stored: CONNACK of a persistent session arrived, and nothing ended it since.
    stored: bool,
    /// Filters whose SUBACK arrived and that were not touched since.
    certain: BTreeSet<usize>,
    /// Filters it may have.
    possible: BTreeSet<usize>,
    /// The SUBSCRIBE or UNSUBSCRIBE that is not answered yet.
    asked: VecDeque<(bool, usize)>,
    to_acknowledge: Vec<u16>,
    /// Messages it must get, and when it did.
    owed: BTreeSet<u32>,
    /// Messages it may get.
    allowed: BTreeSet<u32>,
    received: BTreeSet<u32>,
    /// The last that came for the first time, of this session and without the RETAIN flag.
    newest: u32,
}

struct Life {
    world: World,
    version: Version,
    clients: Vec<Known>,
    publisher: Option<Device>,
    next: u32,
    /// Publishes without answer: number, topic, retain, who is owed it.
    unanswered: BTreeMap<u16, (u32, usize, bool, Vec<usize>)>,
    /// By topic: the last retained message that was acknowledged, and all tried since.
    retained: BTreeMap<usize, (u32, BTreeSet<u32>)>,
}

impl Life {
    fn new(version: Version) -> Self {
        let mut world = World::new();
        world.disk = Disk::Waiting;
        let clients = (0..CLIENTS).map(|_| Known::default()).collect();
        let (publisher, next) = (None, 1);
        let (unanswered, retained) = (BTreeMap::new(), BTreeMap::new());
        Self {
            world,
            version,
            clients,
            publisher,
            next,
            unanswered,
            retained,
        }
    }

    fn matching(filter: usize, topic: usize) -> bool {
        use thingwire_mqtt::topic::{ParentMatch, matches};
        matches(FILTERS[filter], TOPICS[topic], ParentMatch::Excluded)
    }

    fn connect(&mut self, who: usize, keep: bool) {
        let name = ["zero", "one", "two"][who];
        let connect = if keep {
            keeping(self.version, name)
        } else {
            clean(self.version, name)
        };
        let known = &mut self.clients[who];
        if !keep || !known.stored {
            // The older session ends with this CONNECT, or was never promised to outlive its connection.
            known.stored = false;
            known.certain.clear();
            known.owed.clear();
            for (.., owed) in self.unanswered.values_mut() {
                owed.retain(|other| *other != who);
            }
        }
        known.asked.clear();
        known.to_acknowledge.clear();
        known.connected = false;
        known.device = Some(self.world.connecting(connect));
    }

    fn gone(&mut self, who: usize) {
        let known = &mut self.clients[who];
        known.device = None;
        known.connected = false;
        known.asked.clear();
        known.to_acknowledge.clear();
        if !known.stored {
            known.certain.clear();
            known.owed.clear();
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Connect { who, keep } => self.connect(who, keep),
            Step::Lose { who } | Step::Goodbye { who } => {
                if let Some(device) = self.clients[who].device.clone() {
                    if matches!(step, Step::Lose { .. }) {
                        self.world.lose(&device);
                    } else {
                        self.world.send(&device, &[goodbye(ReasonCode::SUCCESS)]);
                    }
                    self.gone(who);
                }
            }
            Step::Subscribe { who, filter } => {
                let known = &mut self.clients[who];
                if let (Some(device), true) = (known.device.clone(), known.connected) {
                    known.possible.insert(filter);
                    known.asked.push_back((true, filter));
                    let filters = [SubscribeFilter::new(FILTERS[filter], Q1)];
                    self.world.send(&device, &[subscribe(&filters)]);
                }
            }
            Step::Unsubscribe { who, filter } => {
                let known = &mut self.clients[who];
                if let (Some(device), true) = (known.device.clone(), known.connected) {
                    known.certain.remove(&filter);
                    known.asked.push_back((false, filter));
                    self.world.send(&device, &[unsubscribe(&[FILTERS[filter]])]);
                }
            }
            Step::Publish { topic, retain } => self.publish(topic, retain),
            Step::Acknowledge { who } => {
                let known = &mut self.clients[who];
                if let Some(device) = known.device.clone() {
                    for id in std::mem::take(&mut known.to_acknowledge) {
                        self.world.ack(&device, id);
                    }
                }
            }
            Step::DiskStores => self.world.disk_stores(),
            Step::DiskFails => {
                if self.world.batches() > 0 {
                    self.world.disk_fails();
                }
            }
            Step::Crash => {
                self.world.crash();
                self.publisher = None;
                self.unanswered.clear();
                (0..CLIENTS).for_each(|who| self.gone(who));
            }
            Step::Pass => self.world.pass(1),
        }
        self.listen();
    }

    fn publish(&mut self, topic: usize, retain: bool) {
        if self.publisher.is_none() {
            self.publisher = Some(self.world.client(self.version, "publisher"));
            self.unanswered.clear();
        }
        let publisher = self.publisher.clone().unwrap();
        let number = self.next;
        self.next += 1;
        let id = u16::try_from(number).unwrap();
        let mut owed = Vec::new();
        for (who, known) in self.clients.iter_mut().enumerate() {
            if known
                .possible
                .iter()
                .any(|filter| Self::matching(*filter, topic))
            {
                known.allowed.insert(number);
            }
            if known.stored
                && known
                    .certain
                    .iter()
                    .any(|filter| Self::matching(*filter, topic))
            {
                owed.push(who);
            }
            // A retained message may come with a later subscription.
            if retain {
                known.allowed.insert(number);
            }
        }
        if retain {
            self.retained.entry(topic).or_default().1.insert(number);
        }
        self.unanswered.insert(id, (number, topic, retain, owed));
        // Long enough to be stored once for all who wait for it, or not.
        let payload = match number % 3 {
            0 => number.to_string(),
            _ => format!("{number:070}"),
        };
        let publish = Publish {
            qos: Q1,
            packet_id: PacketId::new(id),
            retain,
            ..message(TOPICS[topic], &payload)
        };
        self.world.send(&publisher, &[Packet::Publish(publish)]);
    }

    /// Reads what everybody got.
    fn listen(&mut self) {
        for who in 0..CLIENTS {
            let Some(device) = self.clients[who].device.clone() else {
                continue;
            };
            for line in self.world.got(&device) {
                self.heard(who, &line);
            }
        }
        let Some(publisher) = self.publisher.clone() else {
            return;
        };
        for line in self.world.got(&publisher) {
            let words: Vec<_> = line.split(' ').collect();
            match words[0] {
                "PUBACK" => {
                    let id: u16 = words[1][1..].parse().unwrap();
                    let (number, topic, retain, owed) = self
                        .unanswered
                        .remove(&id)
                        .expect("one answer for one publish");
                    if words[2] == "00" {
                        for who in owed {
                            // It may have come before its publisher heard of success.
                            if !self.clients[who].received.contains(&number) {
                                self.clients[who].owed.insert(number);
                            }
                        }
                        if retain {
                            let (last, since) = self.retained.entry(topic).or_default();
                            *last = number;
                            *since = since.split_off(&number);
                        }
                    }
                }
                "closed" => self.publisher = None,
                other => panic!("the publisher got {other}"),
            }
        }
    }

    fn heard(&mut self, who: usize, line: &str) {
        let known = &mut self.clients[who];
        let words: Vec<_> = line.split(' ').collect();
        match words[0] {
            "CONNACK" if words[1] == "00" => {
                known.connected = true;
                if words.get(2) != Some(&"present") {
                    assert!(!known.stored, "a stored session is never forgotten");
                    known.certain.clear();
                    known.possible.clear();
                    known.newest = 0;
                }
                known.stored = self.world.core.connections().iter().any(|one| {
                    &*one.client.client_id == ["zero", "one", "two"][who] && one.session_expiry > 0
                });
            }
            "SUBACK" | "UNSUBACK" => {
                let (is_subscribe, filter) = known.asked.pop_front().expect("it was asked");
                let granted = words[1] == "[01]";
                let pending = known.asked.iter().any(|(_, other)| *other == filter);
                if is_subscribe && granted && !pending {
                    known.certain.insert(filter);
                }
            }
            "PUBLISH" => {
                known.to_acknowledge.push(words[1][1..].parse().unwrap());
                let number: u32 = words.last().unwrap().parse().unwrap();
                assert!(
                    known.allowed.contains(&number),
                    "{who} got {line} without asking"
                );
                known.owed.remove(&number);
                if known.received.insert(number) && words[2] != "retained" {
                    assert!(
                        known.newest < number,
                        "{who} got {line} after {}",
                        known.newest
                    );
                    known.newest = number;
                }
            }
            "CONNACK" | "DISCONNECT" => {}
            "closed" => self.gone(who),
            other => panic!("{who} got {other}"),
        }
    }

    /// The disk is well, everybody comes back, and takes what is left.
    fn settle(&mut self) {
        self.world.disk = Disk::Quick;
        while self.world.batches() > 0 {
            self.world.disk_stores();
        }
        self.listen();
        self.world.pass(3);
        self.world.crash();
        self.publisher = None;
        (0..CLIENTS).for_each(|who| self.gone(who));
        for who in 0..CLIENTS {
            self.connect(who, true);
        }
        self.listen();
        for _ in 0..20 {
            for who in 0..CLIENTS {
                self.step(&Step::Acknowledge { who });
            }
        }
        for (who, known) in self.clients.iter().enumerate() {
            assert!(known.owed.is_empty(), "{who} never got {:?}", known.owed);
        }
        // Nothing is left over, and nothing is missing.
        self.world.pass(3);
        self.world.assert_bodies();
        for (topic, (last, since)) in std::mem::take(&mut self.retained) {
            let late = self.world.client(self.version, "late");
            let got = self.world.subscribe(&late, &[(TOPICS[topic], Q0)]);
            let kept: Option<u32> = got
                .get(1)
                .map(|line| line.split(' ').next_back().unwrap().parse().unwrap());
            assert!(
                kept == Some(last) || kept.is_some_and(|kept| since.contains(&kept)) || last == 0,
                "topic {topic}: {kept:?} is kept, {last} was acknowledged, {since:?} came after"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, rng_seed: RngSeed::Fixed(5), ..ProptestConfig::default() })]

    #[test]
    fn b_27_what_was_acknowledged_arrives_and_nothing_else_does(
        steps in prop::collection::vec(step(), 1..120),
        five in any::<bool>(),
    ) {
        let mut life = Life::new(if five { V5 } else { V3 });
        for step in &steps {
            life.step(step);
        }
        life.settle();
    }
}
