//! Topic aliases: what they save towards the server, what they may never change, and what servers may do with them.

use proptest::prelude::*;

use super::*;

/// Up, with memory for topics, at a server that allows so many aliases.
fn up(maximum: u16, memory: usize) -> Story {
    let mut story = Story::new(Version::V5);
    assert!(story.session.remember_topics(memory));
    story.connect(false, &[Property::TopicAliasMaximum(maximum)]);
    story
}

fn publish(story: &mut Story, topic: &str, qos: QoS) {
    story
        .session
        .publish(Outgoing::new(topic, b"x", qos))
        .unwrap();
}

#[test]
fn the_first_message_names_its_topic_and_those_after_it_only_the_alias_b_73() {
    let mut story = up(2, 64);
    for qos in [QoS::AtMostOnce, QoS::AtMostOnce, QoS::AtLeastOnce] {
        publish(&mut story, "esp32/temperature", qos);
    }
    publish(&mut story, "esp32/humidity", QoS::AtLeastOnce);
    publish(&mut story, "esp32/humidity", QoS::AtMostOnce);
    // Both aliases are given.
    publish(&mut story, "esp32/pressure", QoS::AtMostOnce);
    // Not worth one.
    publish(&mut story, "a/bc", QoS::AtMostOnce);
    assert_eq!(
        story.sent(),
        [
            "PUBLISH alias 1 0 esp32/temperature x",
            "PUBLISH alias 1 0  x",
            "PUBLISH alias 1 1  x",
            "PUBLISH alias 2 2 esp32/humidity x",
            "PUBLISH alias 2 0  x",
            "PUBLISH 0 esp32/pressure x",
            "PUBLISH 0 a/bc x",
        ]
    );
}

#[test]
fn what_is_sent_again_on_the_next_connection_has_its_whole_topic_mqtt_3_3_2_7() {
    let mut story = up(8, 64);
    publish(&mut story, "esp32/temperature", QoS::AtLeastOnce);
    publish(&mut story, "esp32/temperature", QoS::AtLeastOnce);
    assert_eq!(
        story.sent(),
        [
            "PUBLISH alias 1 1 esp32/temperature x",
            "PUBLISH alias 1 2  x"
        ]
    );
    // A server that allows none.
    story.reconnect(true);
    assert_eq!(
        story.sent(),
        [
            "PUBLISH DUP 1 esp32/temperature x",
            "PUBLISH DUP 2 esp32/temperature x"
        ]
    );
    story.session.connection_lost();
    story.connect(true, &[Property::TopicAliasMaximum(8)]);
    assert_eq!(
        story.sent(),
        [
            "PUBLISH DUP alias 1 1 esp32/temperature x",
            "PUBLISH DUP alias 1 2  x"
        ]
    );
}

#[test]
fn no_alias_without_memory_or_where_the_packet_would_grow_too_long() {
    let mut story = up(8, 0);
    publish(&mut story, "esp32/temperature", QoS::AtMostOnce);
    assert_eq!(story.sent(), ["PUBLISH 0 esp32/temperature x"]);

    let mut story = Story::new(Version::V5);
    assert!(story.session.remember_topics(64));
    story.connect(
        false,
        &[
            Property::TopicAliasMaximum(8),
            Property::MaximumPacketSize(25),
        ],
    );
    publish(&mut story, "esp32/temperature", QoS::AtMostOnce);
    assert_eq!(story.sent(), ["PUBLISH 0 esp32/temperature x"]);
}

#[test]
fn an_application_cannot_choose_aliases_or_subscription_identifiers_mqtt_3_3_4_6() {
    let mut story = up(8, 64);
    for property in [Property::TopicAlias(1), Property::SubscriptionIdentifier(1)] {
        let properties = [property];
        let message = Outgoing {
            properties: Properties::List(&properties),
            ..Outgoing::new("esp32/temperature", b"x", QoS::AtMostOnce)
        };
        let refused = story.session.publish(message).unwrap_err();
        assert_eq!(
            std::string::ToString::to_string(&refused),
            "a property that clients do not send"
        );
    }
    assert!(story.sent().is_empty());
}

#[test]
fn memory_for_topics_comes_from_what_is_free() {
    let mut story = Story::with(ConnectOptions::new(Version::V5, "esp32"), 64);
    story.publish("x");
    let free = story.session.free();
    assert!(!story.session.remember_topics(free + 1));
    assert!(story.session.remember_topics(free));
    assert_eq!(story.session.free(), 0);
}

/// What a server sends, and what comes of it.
fn inbound(
    story: &mut Story,
    aliases: &mut TopicAliases<'_>,
    alias: Option<u16>,
    topic: &str,
) -> Result<String, SessionError> {
    let properties = alias.map(|alias| [Property::TopicAlias(alias)]);
    let publish = Packet::Publish(Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic,
        packet_id: None,
        properties: Properties::List(properties.as_ref().map_or(&[], |list| list)),
        payload: b"x",
    });
    let mut bytes = [0; 128];
    let len = publish.encode(Version::V5, &mut bytes).unwrap();
    let (frame, _) = split(&bytes[..len], 128).unwrap().unwrap();
    match story.session.receive_with(story.now, &frame, aliases)? {
        Event::Message(message) => Ok(message.topic.into()),
        other => panic!("{other:?}"),
    }
}

/// A session that announces what this table holds, already up.
fn listening(aliases: &mut TopicAliases<'_>) -> Story {
    let mut options = ConnectOptions::new(Version::V5, "esp32-demo");
    options.topic_alias_maximum = aliases.maximum();
    let mut story = Story::with(options, 256);
    connect_with(&mut story, aliases);
    story
}

fn connect_with(story: &mut Story, aliases: &mut TopicAliases<'_>) {
    story.session.start(story.now).unwrap();
    let bytes = story.bytes(512);
    let (frame, _) = split(&bytes, 512).unwrap().unwrap();
    let Packet::Connect(connect) = Packet::decode(Version::V5, &frame).unwrap() else {
        panic!("{bytes:?}");
    };
    let announced = connect.properties.number(0x22).unwrap_or(0);
    assert_eq!(announced, u32::from(aliases.maximum()));
    let mut bytes = [0; 64];
    let len = connack(false, &[]).encode(Version::V5, &mut bytes).unwrap();
    let (frame, _) = split(&bytes[..len], 64).unwrap().unwrap();
    story
        .session
        .receive_with(story.now, &frame, aliases)
        .unwrap();
}

#[test]
fn a_server_may_use_the_aliases_that_it_was_told() {
    let mut memory = [0; 2 * 12];
    let mut aliases = TopicAliases::new(&mut memory, 10);
    let mut story = listening(&mut aliases);
    let mut receive = |alias, topic| inbound(&mut story, &mut aliases, alias, topic).unwrap();
    assert_eq!(receive(Some(2), "esp32/sub"), "esp32/sub");
    assert_eq!(receive(Some(2), ""), "esp32/sub");
    assert_eq!(receive(Some(1), "other"), "other");
    assert_eq!(receive(Some(2), ""), "esp32/sub");
    assert_eq!(receive(Some(2), "new"), "new");
    assert_eq!(receive(Some(2), ""), "new");
    assert_eq!(receive(None, "plain"), "plain");
    connect_with(&mut story, &mut aliases);
    let forgotten = inbound(&mut story, &mut aliases, Some(2), "").unwrap_err();
    assert_eq!(
        forgotten.disconnect_reason(),
        Some(ReasonCode::PROTOCOL_ERROR)
    );
}

#[test]
fn an_alias_that_was_not_allowed_is_named_and_ends_the_connection_mqtt_3_3_2_8_mqtt_3_3_2_9() {
    let mut memory = [0; 12];
    let cases = [
        (
            2,
            "a",
            "a topic alias above the maximum",
            ReasonCode::TOPIC_ALIAS_INVALID,
        ),
        (
            1,
            "",
            "a topic alias that was given no topic",
            ReasonCode::PROTOCOL_ERROR,
        ),
        (
            1,
            "eleven/byte",
            "a topic alias for a topic longer than the memory lent for it",
            ReasonCode::TOPIC_ALIAS_INVALID,
        ),
    ];
    for (alias, topic, text, reason) in cases {
        let mut aliases = TopicAliases::new(&mut memory, 10);
        let mut story = listening(&mut aliases);
        let error = inbound(&mut story, &mut aliases, Some(alias), topic).unwrap_err();
        assert_eq!(
            format!("{error}"),
            format!("the server broke the protocol: {text}")
        );
        assert_eq!(error.disconnect_reason(), Some(reason));
        story.session.abort(&error);
        assert_eq!(story.sent(), [format!("DISCONNECT {:#x}", reason.0)]);
    }
    // 0 cannot even be written by our encoder.
    let zero = [0x30, 7, 0, 1, b'a', 3, 0x23, 0, 0];
    let (frame, _) = split(&zero, 64).unwrap().unwrap();
    let mut aliases = TopicAliases::new(&mut memory, 10);
    let mut story = listening(&mut aliases);
    let error = story
        .session
        .receive_with(story.now, &frame, &mut aliases)
        .unwrap_err();
    assert_eq!(error.disconnect_reason(), Some(ReasonCode::PROTOCOL_ERROR));
    // Without memory there is no alias at all.
    let mut story = Story::up(Version::V5);
    let one = [0x30, 7, 0, 1, b'a', 3, 0x23, 0, 1];
    let (frame, _) = split(&one, 64).unwrap().unwrap();
    let error = story.session.receive(story.now, &frame).unwrap_err();
    assert_eq!(
        error.disconnect_reason(),
        Some(ReasonCode::TOPIC_ALIAS_INVALID)
    );
}

/// A step of a device's life.
#[derive(Clone, Debug)]
enum Step {
    Publish {
        topic: usize,
        qos: QoS,
    },
    /// So many bytes go out at most.
    Write(usize),
    /// The connection ends, and the next server allows so many aliases.
    Reconnect {
        maximum: u16,
        present: bool,
    },
}

const TOPICS: [&str; 5] = [
    "a/b",
    "esp32/temperature",
    "esp32/humidity",
    "esp32/x",
    "dévice/é",
];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let qos = prop_oneof![Just(QoS::AtMostOnce), Just(QoS::AtLeastOnce)];
    let step = prop_oneof![
        6 => (0..TOPICS.len(), qos).prop_map(|(topic, qos)| Step::Publish { topic, qos }),
        4 => (16..90_usize).prop_map(Step::Write),
        1 => (0..5_u16, any::<bool>()).prop_map(|(maximum, present)| Step::Reconnect { maximum, present }),
    ];
    prop::collection::vec(step, 1..60)
}

/// A server that knows nothing but what came on this connection.
#[derive(Default)]
struct Server {
    bytes: Vec<u8>,
    aliases: std::collections::BTreeMap<u32, String>,
    maximum: u32,
    seen: Vec<(String, Vec<u8>)>,
}

impl Server {
    fn read(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        loop {
            let Some((frame, len)) = split(&self.bytes, 4096).unwrap() else {
                return;
            };
            if let Packet::Publish(publish) = Packet::decode(Version::V5, &frame).unwrap() {
                let alias = publish.properties.number(0x23);
                let topic = match alias {
                    None => publish.topic.into(),
                    Some(alias) => {
                        assert!(alias <= self.maximum, "alias {alias}");
                        if !publish.topic.is_empty() {
                            self.aliases.insert(alias, publish.topic.into());
                        }
                        self.aliases[&alias].clone()
                    }
                };
                self.seen.push((topic, publish.payload.to_vec()));
            }
            self.bytes.drain(..len);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(7),
        ..ProptestConfig::default()
    })]

    /// Whatever is cut where: each message arrives on the topic it was published to.
    #[test]
    fn aliases_never_change_what_arrives(steps in steps(), memory in 0..80_usize) {
        let mut story = Story::with(ConnectOptions::new(Version::V5, "esp32"), 8192);
        prop_assert!(story.session.remember_topics(memory));
        let mut server = Server { maximum: 4, ..Server::default() };
        story.connect(false, &[Property::TopicAliasMaximum(4)]);
        let mut accepted = std::collections::BTreeMap::new();
        let mut kept = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Publish { topic, qos } => {
                    let payload = format!("{number}");
                    let message = Outgoing::new(TOPICS[topic], payload.as_bytes(), qos);
                    if story.session.publish(message).is_ok() {
                        accepted.insert(payload.clone().into_bytes(), TOPICS[topic]);
                        if qos == QoS::AtLeastOnce {
                            kept.push(payload.into_bytes());
                        }
                    }
                }
                Step::Write(room) => {
                    let mut out = vec![0; room];
                    let count = story.session.poll_transmit(story.now, &mut out);
                    server.read(&out[..count]);
                }
                Step::Reconnect { maximum, present } => {
                    story.session.connection_lost();
                    story.connect(present, &[Property::TopicAliasMaximum(maximum)]);
                    server = Server {
                        maximum: u32::from(maximum),
                        seen: server.seen,
                        ..Server::default()
                    };
                }
            }
        }
        let rest = story.bytes(64);
        server.read(&rest);
        prop_assert!(server.bytes.is_empty());
        for (topic, payload) in &server.seen {
            prop_assert_eq!(accepted[payload], topic);
        }
        for payload in kept {
            prop_assert!(server.seen.iter().any(|(_, seen)| *seen == payload));
        }
    }
}
