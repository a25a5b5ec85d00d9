//! Random lives with quality of service 2, in which each message arrives once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;

/// A server that keeps its session for ever and obeys 4.3.3.
#[derive(Default)]
struct Server {
    /// From the client: identifiers whose PUBREL has not come.
    open: BTreeSet<u16>,
    got: Vec<String>,
    /// To the client: what is under way, as PUBLISH or as PUBREL.
    under_way: VecDeque<(u16, Option<String>)>,
    next: u16,
    from_client: Vec<u8>,
    to_client: Vec<u8>,
}

impl Server {
    fn send(&mut self, version: Version, packet: &Packet<'_>) {
        let mut bytes = [0; 128];
        let len = packet.encode(version, &mut bytes).unwrap();
        self.to_client.extend_from_slice(&bytes[..len]);
    }

    fn publish(&mut self, version: Version, payload: String) {
        let taken = |id| self.under_way.iter().any(|(other, _)| *other == id);
        // Few identifiers, so that each is used again and again.
        let Some(id) = (0..4)
            .map(|step| (self.next + step) % 4 + 1)
            .find(|id| !taken(*id))
        else {
            return;
        };
        self.next = id;
        self.send(version, &incoming(id, payload.as_bytes(), false));
        self.under_way.push_back((id, Some(payload)));
    }

    /// The connection was lost, the session was not.
    fn resume(&mut self, version: Version) {
        self.from_client.clear();
        self.to_client.clear();
        for (id, payload) in self.under_way.clone() {
            match payload {
                Some(payload) => self.send(version, &incoming(id, payload.as_bytes(), true)),
                None => self.send(version, &Packet::PubRel(ack(id, ReasonCode::SUCCESS))),
            }
        }
    }

    fn read(&mut self, version: Version, bytes: &[u8]) {
        self.from_client.extend_from_slice(bytes);
        let bytes = core::mem::take(&mut self.from_client);
        let mut rest = &bytes[..];
        while let Some((frame, len)) = split(rest, 4096).unwrap() {
            rest = &rest[len..];
            match Packet::decode(version, &frame).unwrap() {
                Packet::Publish(publish) => {
                    let id = publish.packet_id.unwrap().get();
                    if self.open.insert(id) {
                        self.got
                            .push(String::from_utf8_lossy(publish.payload).into());
                    }
                    self.send(version, &Packet::PubRec(ack(id, ReasonCode::SUCCESS)));
                }
                Packet::PubRel(released) => {
                    let id = released.packet_id.get();
                    self.open.remove(&id);
                    self.send(version, &Packet::PubComp(ack(id, ReasonCode::SUCCESS)));
                }
                Packet::PubRec(recorded) => {
                    let id = recorded.packet_id.get();
                    for (other, payload) in &mut self.under_way {
                        if *other == id {
                            *payload = None;
                        }
                    }
                    self.send(version, &Packet::PubRel(ack(id, ReasonCode::SUCCESS)));
                }
                Packet::PubComp(done) => {
                    self.under_way.retain(|(id, _)| *id != done.packet_id.get());
                }
                Packet::PingReq => {}
                other => panic!("{other:?}"),
            }
        }
        self.from_client = rest.to_vec();
    }
}

#[derive(Clone, Debug)]
enum Step {
    Publish,
    ServerPublishes,
    /// So many bytes reach the server.
    Up(usize),
    /// So many bytes reach the device.
    Down(usize),
    /// The application is done with its oldest message.
    Acknowledge,
    Reconnect,
    Wait,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => Just(Step::Publish),
        3 => Just(Step::ServerPublishes),
        6 => (1..60_usize).prop_map(Step::Up),
        6 => (1..60_usize).prop_map(Step::Down),
        4 => Just(Step::Acknowledge),
        1 => Just(Step::Reconnect),
        1 => Just(Step::Wait),
    ];
    prop::collection::vec(step, 1..120)
}

/// Both ends and what is between them.
struct World {
    story: Story,
    server: Server,
    /// Bytes that the device has received and not understood yet.
    arrived: Vec<u8>,
    /// Written by the device, not at the server yet.
    on_the_way: VecDeque<u8>,
    /// Handed over and not acknowledged.
    held: VecDeque<PacketId>,
    received: BTreeMap<String, usize>,
}

impl World {
    fn up(&mut self, count: usize) {
        // Writing stops in the middle of packets as well.
        let written = match count {
            usize::MAX => self.story.bytes(64),
            _ => {
                let mut out = vec![0; 16 + count % 16];
                let written = self.story.session.poll_transmit(self.story.now, &mut out);
                out.truncate(written);
                out
            }
        };
        self.on_the_way.extend(written);
        let count = count.min(self.on_the_way.len());
        let bytes: Vec<u8> = self.on_the_way.drain(..count).collect();
        self.server.read(self.story.session.version(), &bytes);
    }

    fn down(&mut self, count: usize) {
        let count = count.min(self.server.to_client.len());
        self.arrived.extend(self.server.to_client.drain(..count));
        while let Some((frame, len)) = split(&self.arrived, 4096).unwrap() {
            if !self.story.session.is_ready() {
                return;
            }
            let event = self.story.session.receive(self.story.now, &frame).unwrap();
            if let Event::Message(message) = event {
                let text = String::from_utf8_lossy(message.payload).into();
                *self.received.entry(text).or_default() += 1;
                self.held.extend(message.packet_id);
            }
            self.arrived.drain(..len);
        }
    }

    fn acknowledge(&mut self) {
        if let Some(id) = self.held.pop_front() {
            self.story.session.acknowledge(id, ReasonCode::SUCCESS);
        }
    }

    fn reconnect(&mut self) {
        self.story.session.connection_lost();
        self.arrived.clear();
        self.on_the_way.clear();
        self.story.reconnect(true);
        self.server.resume(self.story.session.version());
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(11),
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_is_lost_each_message_arrives_exactly_once(steps in steps(), is_v5: bool) {
        let version = BOTH[usize::from(is_v5) % BOTH.len()];
        let mut world = World {
            story: Story::with(ConnectOptions::new(version, "esp32"), 4096),
            server: Server::default(),
            arrived: Vec::new(),
            on_the_way: VecDeque::new(),
            held: VecDeque::new(),
            received: BTreeMap::new(),
        };
        world.story.connect(false, &[]);
        let mut published = 0;
        let mut sent = 0;
        for step in steps {
            match step {
                Step::Publish => {
                    let payload = format!("up {published}");
                    let ticket = world.story.session.publish(outgoing(&payload)).unwrap();
                    world.story.session.forget(ticket);
                    published += 1;
                }
                Step::ServerPublishes => {
                    let before = world.server.under_way.len();
                    world.server.publish(version, format!("down {sent}"));
                    sent += world.server.under_way.len() - before;
                }
                Step::Up(count) => world.up(count),
                Step::Down(count) => world.down(count),
                Step::Acknowledge => world.acknowledge(),
                Step::Reconnect => world.reconnect(),
                Step::Wait => {
                    // MQTT 5 never repeats inside a connection.
                    let wait = if is_v5 { 1_000 } else { Session::RETRANSMIT_AFTER };
                    if world.story.wait(wait).is_err() {
                        world.reconnect();
                    }
                }
            }
        }
        world.reconnect();
        for _ in 0..40 {
            world.up(usize::MAX);
            world.down(usize::MAX);
            world.acknowledge();
        }
        while !world.held.is_empty() {
            world.acknowledge();
            world.up(usize::MAX);
            world.down(usize::MAX);
        }
        world.up(usize::MAX);
        world.down(usize::MAX);
        let got: BTreeSet<_> = world.server.got.iter().collect();
        prop_assert_eq!(got.len(), world.server.got.len(), "twice: {:?}", &world.server.got);
        prop_assert_eq!(got.len(), published);
        prop_assert_eq!(world.received.len(), sent);
        prop_assert!(world.received.values().all(|times| *times == 1), "{:?}", &world.received);
        prop_assert!(world.server.under_way.is_empty() && world.server.open.is_empty());
        prop_assert!(world.story.session.is_idle());
        prop_assert_eq!(world.story.session.free(), 4096);
    }
}
