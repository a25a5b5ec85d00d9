//! Quality of service 2: the four-part handshake as traces, and random lives in which each message arrives once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;

fn ack(id: u16, reason_code: ReasonCode) -> Ack<'static> {
    Ack {
        packet_id: PacketId::new(id).unwrap(),
        reason_code,
        properties: Properties::EMPTY,
    }
}

const fn outgoing(payload: &str) -> Outgoing<'_> {
    Outgoing::new("esp32/pub", payload.as_bytes(), QoS::ExactlyOnce)
}

fn incoming(id: u16, payload: &[u8], dup: bool) -> Packet<'_> {
    Packet::Publish(Publish {
        dup,
        qos: QoS::ExactlyOnce,
        retain: false,
        topic: "esp32/sub",
        packet_id: PacketId::new(id),
        properties: Properties::EMPTY,
        payload,
    })
}

#[test]
fn a_publish_is_released_after_its_pubrec_and_done_with_its_pubcomp() {
    for version in BOTH {
        let mut story = Story::up(version);
        let ticket = story.session.publish(outgoing("x")).unwrap();
        assert_eq!(story.sent(), ["PUBLISH 1 esp32/pub x"]);
        let free = story.session.free();
        let recorded = Packet::PubRec(ack(1, ReasonCode::SUCCESS));
        assert_eq!(story.recv(&recorded).unwrap(), "Nothing");
        assert!(
            story.session.free() > free,
            "the message has left the arena"
        );
        assert_eq!(story.sent(), ["PUBREL 1"]);
        assert_eq!(story.session.outcome(ticket), None);
        assert!(!story.session.is_idle());
        let done = Packet::PubComp(ack(1, ReasonCode::SUCCESS));
        assert_eq!(story.recv(&done).unwrap(), "Published 0x0");
        assert_eq!(story.session.outcome(ticket), Some(&[0][..]));
        assert!(story.session.is_idle());
    }
}

#[test]
fn what_a_lost_connection_interrupted_goes_on_where_it_was() {
    for version in BOTH {
        let mut story = Story::up(version);
        for payload in ["one", "two", "three"] {
            story.session.publish(outgoing(payload)).unwrap();
        }
        story.sent();
        // The second is ahead, and its PUBREL was lost.
        story
            .recv(&Packet::PubRec(ack(2, ReasonCode::SUCCESS)))
            .unwrap();
        assert_eq!(story.sent(), ["PUBREL 2"]);
        story
            .recv(&Packet::PubRec(ack(1, ReasonCode::SUCCESS)))
            .unwrap();
        story.reconnect(true);
        assert_eq!(
            story.sent(),
            ["PUBLISH DUP 3 esp32/pub three", "PUBREL 2", "PUBREL 1"]
        );
        // Where the server lost the session: it had the first two, of the third nobody knows.
        story.reconnect(false);
        assert_eq!(story.sent(), ["PUBLISH 3 esp32/pub three"]);
    }
}

#[cfg(feature = "v5")]
#[test]
fn a_pubrec_that_refuses_ends_it() {
    let mut story = Story::up(Version::V5);
    let ticket = story.session.publish(outgoing("x")).unwrap();
    story.sent();
    let refused = Packet::PubRec(ack(1, ReasonCode::QUOTA_EXCEEDED));
    assert_eq!(story.recv(&refused).unwrap(), "Published 0x97");
    assert_eq!(story.session.outcome(ticket), Some(&[0x97][..]));
    assert!(story.sent().is_empty());
    assert!(story.session.is_idle());
}

#[test]
fn an_unknown_identifier_is_answered_and_harms_nothing() {
    for (version, code) in BOTH.into_iter().zip(["", " 0x92"]) {
        let mut story = Story::up(version);
        story
            .recv(&Packet::PubRec(ack(9, ReasonCode::SUCCESS)))
            .unwrap();
        story
            .recv(&Packet::PubRel(ack(9, ReasonCode::SUCCESS)))
            .unwrap();
        story
            .recv(&Packet::PubComp(ack(9, ReasonCode::SUCCESS)))
            .unwrap();
        assert_eq!(
            story.sent(),
            [format!("PUBREL 9{code}"), format!("PUBCOMP 9{code}")]
        );
    }
}

#[test]
fn in_mqtt_311_publish_and_pubrel_are_repeated_inside_the_connection() {
    let mut story = Story::up(Version::V311);
    story.session.publish(outgoing("x")).unwrap();
    story.sent();
    story.wait(Session::RETRANSMIT_AFTER).unwrap();
    assert_eq!(story.sent(), ["PUBLISH DUP 1 esp32/pub x"]);
    story
        .recv(&Packet::PubRec(ack(1, ReasonCode::SUCCESS)))
        .unwrap();
    assert_eq!(story.sent(), ["PUBREL 1"]);
    // The second PUBREC, for the repetition.
    story
        .recv(&Packet::PubRec(ack(1, ReasonCode::SUCCESS)))
        .unwrap();
    assert_eq!(story.sent(), ["PUBREL 1"]);
    story.wait(Session::RETRANSMIT_AFTER).unwrap();
    assert_eq!(story.sent(), ["PUBREL 1"]);
    story
        .recv(&Packet::PubComp(ack(1, ReasonCode::SUCCESS)))
        .unwrap();
    assert!(story.session.is_idle());
}

#[test]
fn a_message_is_handed_over_once_and_receipted_when_the_application_has_it() {
    for version in BOTH {
        let mut story = Story::up(version);
        let id = PacketId::new(7).unwrap();
        let received = story.recv(&incoming(7, b"x", false)).unwrap();
        assert_eq!(received, "Message esp32/sub x");
        assert!(
            story.sent().is_empty(),
            "the application is not done with it"
        );
        story.reconnect(true);
        assert_eq!(story.recv(&incoming(7, b"x", true)).unwrap(), "Nothing");
        assert!(story.sent().is_empty());
        story.session.acknowledge(id, ReasonCode::SUCCESS);
        assert_eq!(story.sent(), ["PUBREC 7"]);
        story.reconnect(true);
        assert!(story.sent().is_empty(), "nobody asked on this connection");
        assert_eq!(story.recv(&incoming(7, b"x", true)).unwrap(), "Nothing");
        assert_eq!(story.sent(), ["PUBREC 7"]);
        story
            .recv(&Packet::PubRel(ack(7, ReasonCode::SUCCESS)))
            .unwrap();
        assert_eq!(story.sent(), ["PUBCOMP 7"]);
        // The identifier is free: this is another message.
        let received = story.recv(&incoming(7, b"y", false)).unwrap();
        assert_eq!(received, "Message esp32/sub y");
    }
}

#[cfg(feature = "v5")]
#[test]
fn the_application_may_refuse_in_mqtt_5() {
    let mut story = Story::up(Version::V5);
    story.recv(&incoming(7, b"x", false)).unwrap();
    let free = story.session.free();
    story
        .session
        .acknowledge(PacketId::new(7).unwrap(), ReasonCode::QUOTA_EXCEEDED);
    assert_eq!(story.sent(), ["PUBREC 7 0x97"]);
    assert!(story.session.free() > free, "the identifier is free");
    assert!(story.session.is_idle());
}

#[cfg(feature = "v5")]
#[test]
fn without_room_for_an_identifier_the_message_comes_again_on_a_new_connection() {
    let mut story = Story::with(ConnectOptions::new(Version::V5, "esp32"), 40);
    story.connect(false, &[]);
    for (id, taken) in [(1, "Message"), (2, "Message"), (3, "Nothing")] {
        let event = story.recv(&incoming(id, b"x", false)).unwrap();
        assert!(event.starts_with(taken), "{event}");
    }
    // What is under way goes on, and may make room.
    story.wait(1).unwrap();
    let first = PacketId::FIRST;
    story.session.acknowledge(first, ReasonCode::SUCCESS);
    assert_eq!(story.sent(), ["PUBREC 1"]);
    story.wait(1).unwrap();
    story
        .recv(&Packet::PubRel(ack(1, ReasonCode::SUCCESS)))
        .unwrap();
    // The order stays: what comes later is not taken before it.
    assert_eq!(story.recv(&incoming(4, b"x", false)).unwrap(), "Nothing");
    assert_eq!(story.sent(), ["PUBCOMP 1"]);
    let full = story.wait(1).unwrap_err();
    assert_eq!(
        format!("{full}"),
        "no room to remember a message with QoS 2"
    );
    story.reconnect(true);
    for (id, taken) in [(2, "Nothing"), (3, "Message")] {
        let event = story.recv(&incoming(id, b"x", true)).unwrap();
        assert!(event.starts_with(taken), "{event}");
    }
}

/// A driver that sleeps until the session's next moment is woken by what makes room, and says goodbye in both versions: whoever
/// comes back at once has not died, and there must be no Will.
#[test]
fn a_message_that_was_left_out_is_fetched_at_once_and_without_the_will() {
    for version in BOTH {
        let mut story = Story::with(ConnectOptions::new(version, "esp32"), 40);
        story.connect(false, &[]);
        for id in 1..4 {
            story.recv(&incoming(id, b"x", false)).unwrap();
        }
        let first = PacketId::FIRST;
        story.session.acknowledge(first, ReasonCode::SUCCESS);
        assert_eq!(story.sent(), ["PUBREC 1"]);
        assert!(
            story.session.poll_timeout() > Some(story.now),
            "nothing to do until there is room"
        );
        story
            .recv(&Packet::PubRel(ack(1, ReasonCode::SUCCESS)))
            .unwrap();
        assert!(story.session.poll_timeout() <= Some(story.now));
        let full = story.session.handle_timeout(story.now).unwrap_err();
        story.session.abort(&full);
        assert_eq!(story.sent(), ["DISCONNECT 0x0"]);
        assert!(story.session.is_closed());
    }
}

/// No other connection would bring it: ending this one would lose all the others too.
#[test]
fn without_room_and_without_a_kept_session_the_message_is_refused_and_counted() {
    for (version, answer) in BOTH.into_iter().zip(["PUBREC 3", "PUBREC 3 0x97"]) {
        let mut options = ConnectOptions::new(version, "esp32");
        options.clean_start = true;
        options.session_expiry = 0;
        let mut story = Story::with(options, 40);
        story.connect(false, &[]);
        for (id, taken) in [(1, "Message"), (2, "Message"), (3, "Nothing")] {
            let event = story.recv(&incoming(id, b"x", false)).unwrap();
            assert!(event.starts_with(taken), "{event}");
        }
        assert_eq!(story.sent(), [answer]);
        assert_eq!(story.session.counters().skipped, 1);
        story
            .session
            .acknowledge(PacketId::FIRST, ReasonCode::SUCCESS);
        story.sent();
        story
            .recv(&Packet::PubRel(ack(1, ReasonCode::SUCCESS)))
            .unwrap();
        story.wait(1).unwrap();
        assert_eq!(story.sent(), ["PUBCOMP 1"]);
        let event = story.recv(&incoming(4, b"x", false)).unwrap();
        assert!(event.starts_with("Message"), "{event}");
    }
}

#[test]
fn a_goodbye_is_not_cut_short_by_a_message_that_was_left_out() {
    for version in BOTH {
        let mut story = Story::with(ConnectOptions::new(version, "esp32"), 64);
        story.connect(false, &[]);
        let ticket = story
            .session
            .publish(outgoing("fill it up to the end"))
            .unwrap();
        story.session.forget(ticket);
        story.recv(&incoming(7, b"x", false)).unwrap();
        story.sent();
        story.session.disconnect();
        story
            .recv(&Packet::PubRec(ack(1, ReasonCode::SUCCESS)))
            .unwrap();
        // There is room now, but nothing to fetch any more.
        story.wait(1).unwrap();
        assert_eq!(story.sent(), ["PUBREL 1", "DISCONNECT 0x0"]);
    }
}

/// Without this, a server with many messages would end every connection before what fills the memory could leave.
#[test]
fn our_own_messages_make_room_first() {
    for version in BOTH {
        let mut story = Story::with(ConnectOptions::new(version, "esp32"), 64);
        story.connect(false, &[]);
        let ticket = story
            .session
            .publish(outgoing("fill it up to the end"))
            .unwrap();
        story.session.forget(ticket);
        assert_eq!(story.recv(&incoming(7, b"x", false)).unwrap(), "Nothing");
        story.wait(1).unwrap();
        assert_eq!(story.sent().len(), 1);
        story
            .recv(&Packet::PubRec(ack(1, ReasonCode::SUCCESS)))
            .unwrap();
        story.wait(1).unwrap_err();
        story.reconnect(true);
        let event = story.recv(&incoming(7, b"x", true)).unwrap();
        assert!(event.starts_with("Message"), "{event}");
    }
}

#[cfg(feature = "v5")]
#[test]
fn receive_maximum_counts_until_pubcomp_and_maximum_qos_is_obeyed() {
    let mut story = Story::new(Version::V5);
    story.connect(false, &[Property::ReceiveMaximum(1)]);
    story.session.publish(outgoing("one")).unwrap();
    story.session.publish(outgoing("two")).unwrap();
    assert_eq!(story.sent(), ["PUBLISH 1 esp32/pub one"]);
    story
        .recv(&Packet::PubRec(ack(1, ReasonCode::SUCCESS)))
        .unwrap();
    assert_eq!(story.sent(), ["PUBREL 1"]);
    story
        .recv(&Packet::PubComp(ack(1, ReasonCode::SUCCESS)))
        .unwrap();
    assert_eq!(story.sent(), ["PUBLISH 2 esp32/pub two"]);

    story.session.connection_lost();
    story.connect(true, &[Property::MaximumQoS(1)]);
    assert!(story.sent().is_empty());
    assert_eq!(story.session.counters().undeliverable, 1);
    assert_eq!(
        story.session.publish(outgoing("three")),
        Err(PublishError::QosNotSupported)
    );
}

#[test]
fn a_subscription_may_ask_for_qos_2() {
    let mut story = Story::up(Version::V311);
    let filter = [SubscribeFilter::new("a", QoS::ExactlyOnce)];
    story.session.subscribe(&filter).unwrap();
    assert_eq!(story.sent(), ["SUBSCRIBE 1 a"]);
    assert_eq!(story.recv(&suback(1, &[2])).unwrap(), "Subscribed [2]");
}

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
