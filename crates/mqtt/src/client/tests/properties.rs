//! Every property of MQTT 5 can be said by the application, and reaches it when the server says it.

use super::*;

/// The first packet that goes out, and its properties.
fn first(story: &mut Story) -> (crate::PacketType, Vec<String>) {
    let bytes = story.bytes(512);
    let (frame, _) = split(&bytes, 512).unwrap().unwrap();
    (frame.header.packet_type, told(&frame))
}

fn told(frame: &crate::Frame<'_>) -> Vec<String> {
    let properties = frame.properties(Version::V5);
    properties.iter().map(|one| format!("{one:?}")).collect()
}

/// Takes a packet of the server: what it means, and what it says besides.
fn hear(story: &mut Story, packet: &Packet<'_>) -> (Result<String, SessionError>, Vec<String>) {
    let mut bytes = [0; 512];
    let len = packet.encode(Version::V5, &mut bytes).unwrap();
    let (frame, _) = split(&bytes[..len], 512).unwrap().unwrap();
    let said = told(&frame);
    (story.recv(packet), said)
}

const WORDS: [Property<'_>; 3] = [
    Property::ReasonString("because"),
    Property::UserProperty("k", "1"),
    Property::UserProperty("k", "2"),
];

fn words() -> Vec<String> {
    WORDS.iter().map(|one| format!("{one:?}")).collect()
}

#[test]
fn connect_says_all_that_it_can_and_only_once() {
    let more = [
        Property::RequestResponseInformation(true),
        Property::RequestProblemInformation(false),
        Property::UserProperty("k", "v"),
        Property::AuthenticationMethod("m"),
        Property::AuthenticationData(&[1]),
    ];
    let will = crate::Will {
        topic: "gone",
        payload: b"x",
        qos: QoS::AtLeastOnce,
        retain: false,
        properties: Properties::List(&[
            Property::WillDelayInterval(1),
            Property::PayloadFormatIndicator(1),
            Property::MessageExpiryInterval(2),
            Property::ContentType("t"),
            Property::ResponseTopic("r"),
            Property::CorrelationData(&[1]),
            Property::UserProperty("k", "v"),
        ]),
    };
    let options = ConnectOptions {
        receive_maximum: 7,
        topic_alias_maximum: 3,
        properties: Properties::List(&more),
        will: Some(will),
        ..ConnectOptions::new(Version::V5, "c")
    };
    let arena = vec![0; 256].leak();
    let mut session = Session::new(options, arena, 1024);
    session.start(Millis(0)).unwrap();
    let mut out = [0; 256];
    let len = session.poll_transmit(Millis(0), &mut out);
    let (frame, _) = split(&out[..len], 256).unwrap().unwrap();
    let Packet::Connect(connect) = Packet::decode(Version::V5, &frame).unwrap() else {
        panic!("CONNECT comes first");
    };
    let mut expected = vec![
        Property::ReceiveMaximum(7),
        Property::SessionExpiryInterval(3600),
        Property::MaximumPacketSize(1024),
        Property::TopicAliasMaximum(3),
    ];
    expected.extend(more);
    assert_eq!(connect.properties, Properties::List(&expected));
    assert_eq!(connect.will, Some(will));
    assert_eq!(frame.properties(Version::V5), connect.properties);

    // What the session says itself cannot be said a second time, and 3.1.1 has no words at all.
    let twice = [Property::SessionExpiryInterval(1)];
    for (version, properties) in [(Version::V5, &twice[..]), (Version::V311, &more[..])] {
        let options = ConnectOptions {
            properties: Properties::List(properties),
            ..ConnectOptions::new(version, "c")
        };
        let mut session = Session::new(options, &mut [], 1024);
        assert!(matches!(
            session.start(Millis(0)),
            Err(SessionError::Connect(_))
        ));
    }
}

#[test]
fn all_of_a_connack_reaches_the_application_b_22() {
    let properties = [
        Property::SessionExpiryInterval(60),
        Property::ReceiveMaximum(9),
        Property::MaximumQoS(1),
        Property::RetainAvailable(false),
        Property::MaximumPacketSize(149_504),
        Property::AssignedClientIdentifier("$GEN/1"),
        Property::TopicAliasMaximum(8),
        Property::ReasonString("because"),
        Property::UserProperty("k", "v"),
        Property::WildcardSubscriptionAvailable(false),
        Property::SubscriptionIdentifierAvailable(false),
        Property::SharedSubscriptionAvailable(false),
        Property::ServerKeepAlive(30),
        Property::ResponseInformation("r"),
        Property::ServerReference("elsewhere"),
        Property::AuthenticationMethod("m"),
        Property::AuthenticationData(&[1]),
    ];
    let mut story = Story::new(Version::V5);
    story.session.start(story.now).unwrap();
    story.sent();
    let (reply, said) = hear(&mut story, &connack(false, &properties));
    assert!(reply.unwrap().starts_with("Connected"));
    let all: Vec<_> = properties.iter().map(|one| format!("{one:?}")).collect();
    assert_eq!(said, all);
    let expected = Negotiated {
        session_present: false,
        keep_alive: 30,
        receive_maximum: 9,
        maximum_packet_size: 149_504,
        maximum_qos: QoS::AtLeastOnce,
        retain_available: false,
        topic_alias_maximum: 8,
        wildcard_subscriptions: false,
        subscription_identifiers: false,
        shared_subscriptions: false,
        session_expiry: Some(60),
    };
    assert_eq!(*story.session.negotiated(), expected);
}

#[test]
fn acknowledgements_disconnect_and_a_refusal_give_their_words() {
    let properties = Properties::List(&WORDS);
    let packet_id = PacketId::FIRST;
    let ack = Packet::PubAck(Ack {
        packet_id,
        reason_code: ReasonCode::NOT_AUTHORIZED,
        properties,
    });
    let codes = SubAck {
        packet_id,
        properties,
        reason_codes: &[0x87],
    };
    for packet in [ack, Packet::SubAck(codes), Packet::UnsubAck(codes)] {
        let mut story = Story::up(Version::V5);
        match packet {
            Packet::PubAck(_) => story.publish("x"),
            Packet::SubAck(_) => story.subscribe(&["a"]),
            _ => story.session.unsubscribe(&["a"]).unwrap(),
        };
        story.sent();
        let (meaning, said) = hear(&mut story, &packet);
        assert_ne!(meaning.unwrap(), "Nothing");
        assert_eq!(said, words());
    }
    let mut more = WORDS.to_vec();
    more.push(Property::ServerReference("elsewhere"));
    let disconnect = Packet::Disconnect(crate::Disconnect {
        reason_code: ReasonCode::USE_ANOTHER_SERVER,
        properties: Properties::List(&more),
    });
    let mut story = Story::up(Version::V5);
    let (meaning, said) = hear(&mut story, &disconnect);
    assert_eq!(
        meaning,
        Err(SessionError::Disconnected(ReasonCode::USE_ANOTHER_SERVER))
    );
    assert_eq!(said.last().unwrap(), "ServerReference(\"elsewhere\")");

    let refusal = Packet::ConnAck(ConnAck {
        session_present: false,
        reason_code: ReasonCode::NOT_AUTHORIZED,
        properties,
    });
    let mut story = Story::new(Version::V5);
    story.session.start(story.now).unwrap();
    story.sent();
    let (meaning, said) = hear(&mut story, &refusal);
    assert_eq!(
        meaning,
        Err(SessionError::Refused(ReasonCode::NOT_AUTHORIZED))
    );
    assert_eq!(said, words());
}

#[test]
fn a_subscription_keeps_its_properties_when_it_is_made_again_and_split() {
    let properties = [
        Property::SubscriptionIdentifier(300),
        Property::UserProperty("k", "v"),
    ];
    let expected: Vec<_> = properties.iter().map(|one| format!("{one:?}")).collect();
    let mut story = Story::up(Version::V5);
    let filters = ["a", "b"].map(|filter| SubscribeFilter::new(filter, QoS::AtLeastOnce));
    let properties = Properties::List(&properties);
    story.session.subscribe_with(&filters, properties).unwrap();
    let (packet_type, told) = first(&mut story);
    assert_eq!(
        (packet_type, &told),
        (crate::PacketType::Subscribe, &expected)
    );
    story.recv(&suback(1, &[1, 1])).unwrap();
    // One of the two goes: the other one keeps its properties.
    let why = [Property::UserProperty("why", "enough")];
    let why = Properties::List(&why);
    story.session.unsubscribe_with(&["a"], why).unwrap();
    let (packet_type, told) = first(&mut story);
    assert_eq!(packet_type, crate::PacketType::Unsubscribe);
    assert_eq!(told, ["UserProperty(\"why\", \"enough\")"]);
    story.recv(&unsuback(Version::V5, 2)).unwrap();
    story.reconnect(false);
    let (packet_type, told) = first(&mut story);
    assert_eq!(
        (packet_type, told),
        (crate::PacketType::Subscribe, expected)
    );
}

#[test]
fn what_the_server_has_not_is_refused_at_the_call_b_36() {
    let mut story = Story::new(Version::V5);
    story.connect(
        false,
        &[
            Property::SubscriptionIdentifierAvailable(false),
            Property::WildcardSubscriptionAvailable(false),
            Property::SharedSubscriptionAvailable(false),
        ],
    );
    let identifier = [Property::SubscriptionIdentifier(1)];
    let identified = Properties::List(&identifier);
    for (filter, properties, text) in [
        (
            "a",
            identified,
            "the server has no subscription identifiers",
        ),
        (
            "a/+",
            Properties::EMPTY,
            "the server has no wildcard subscriptions",
        ),
        (
            "$share/g/a",
            Properties::EMPTY,
            "the server has no shared subscriptions",
        ),
    ] {
        let filter = [SubscribeFilter::new(filter, QoS::AtLeastOnce)];
        let refused = story
            .session
            .subscribe_with(&filter, properties)
            .unwrap_err();
        assert_eq!(format!("{refused}"), text);
    }
    assert!(story.sent().is_empty());
}

#[test]
fn an_identifier_that_the_next_server_does_not_take_is_reported_b_36() {
    let mut story = Story::new(Version::V5);
    let identifier = [Property::SubscriptionIdentifier(1)];
    let filter = [SubscribeFilter::new("a", QoS::AtLeastOnce)];
    let identified = Properties::List(&identifier);
    let ticket = story.session.subscribe_with(&filter, identified).unwrap();
    story.connect(false, &[Property::SubscriptionIdentifierAvailable(false)]);
    assert!(story.sent().is_empty());
    assert_eq!(story.session.outcome(ticket), Some(&[0xA1][..]));
}

#[test]
fn nothing_longer_than_the_server_takes_is_sent_mqtt_3_2_2_15() {
    let text = "x".repeat(100);
    let words = [Property::UserProperty("k", &text)];
    let words = Properties::List(&words);
    let filter = [SubscribeFilter::new("a", QoS::AtLeastOnce)];
    let too_long = "a packet longer than the server takes";
    let limit = [Property::MaximumPacketSize(50)];

    // At the call.
    let mut story = Story::new(Version::V5);
    story.connect(false, &limit);
    let refused = story.session.subscribe_with(&filter, words).unwrap_err();
    assert_eq!(format!("{refused}"), too_long);
    let refused = story.session.unsubscribe_with(&["b"], words).unwrap_err();
    assert_eq!(format!("{refused}"), too_long);
    let refused = story.session.disconnect_with(ReasonCode::SUCCESS, words);
    assert_eq!(format!("{}", refused.unwrap_err()), too_long);
    assert_eq!(story.sent(), [""; 0]);

    // What was accepted before this server was known.
    let mut story = Story::new(Version::V5);
    let subscribed = story.session.subscribe_with(&filter, words).unwrap();
    let unsubscribed = story.session.unsubscribe_with(&["b"], words).unwrap();
    story.connect(true, &limit);
    assert_eq!(story.sent(), [""; 0]);
    for ticket in [subscribed, unsubscribed] {
        let reason = [ReasonCode::PACKET_TOO_LARGE.0];
        assert_eq!(story.session.outcome(ticket), Some(&reason[..]));
    }

    // What the server has is not sent again, and stays as long as it has it.
    let mut story = Story::new(Version::V5);
    story.connect(false, &[]);
    let ticket = story.session.subscribe_with(&filter, words).unwrap();
    story.session.forget(ticket);
    assert_eq!(story.sent(), ["SUBSCRIBE 1 a"]);
    story.recv(&suback(1, &[1])).unwrap();
    for (session_present, sent) in [(true, &[""; 0][..]), (false, &["SUBSCRIBE 2 a"])] {
        story.session.connection_lost();
        story.connect(true, &limit);
        assert_eq!(story.sent(), [""; 0]);
        story.session.connection_lost();
        story.connect(session_present, &[]);
        assert_eq!(story.sent(), sent);
    }
}

#[test]
fn a_disconnect_gives_its_reason_after_what_was_accepted_b_25() {
    let properties = [
        Property::SessionExpiryInterval(0),
        Property::ReasonString("because"),
        Property::UserProperty("k", "v"),
    ];
    let farewell = Properties::List(&properties);
    for chunk in [16, 512] {
        let mut story = Story::up(Version::V5);
        story.publish("last words");
        let with_will = ReasonCode::DISCONNECT_WITH_WILL;
        story.session.disconnect_with(with_will, farewell).unwrap();
        let bytes = story.bytes(chunk);
        assert_eq!(
            packets(Version::V5, &bytes),
            ["PUBLISH 1 esp32/pub last words", "DISCONNECT 0x4"]
        );
        let (_, len) = split(&bytes, 512).unwrap().unwrap();
        let (frame, _) = split(&bytes[len..], 512).unwrap().unwrap();
        assert_eq!(frame.properties(Version::V5), farewell);
        assert!(story.session.is_closed());
        // It belongs to this connection only.
        story.reconnect(true);
        assert_eq!(story.sent(), ["PUBLISH DUP 1 esp32/pub last words"]);
    }
}

#[test]
fn what_a_disconnect_cannot_say_is_refused_and_the_connection_goes_on_b_25() {
    let longer = [Property::SessionExpiryInterval(60)];
    let options = ConnectOptions {
        session_expiry: 0,
        ..ConnectOptions::new(Version::V5, "c")
    };
    let mut story = Story::with(options, 64);
    story.connect(false, &[]);
    let refused = story
        .session
        .disconnect_with(ReasonCode::SUCCESS, Properties::List(&longer));
    assert_eq!(
        format!("{}", refused.unwrap_err()),
        "a session that ends with the connection cannot be kept longer"
    );
    // Even if the server keeps the session: CONNECT said 0 [MQTT-3.14.2-2].
    let mut kept = Story::with(options, 64);
    kept.connect(false, &[Property::SessionExpiryInterval(60)]);
    let refused = kept
        .session
        .disconnect_with(ReasonCode::SUCCESS, Properties::List(&longer));
    assert!(refused.is_err());
    // Only servers say these (3.14.2.1, 3.14.2.2.5).
    for reason in [0x01, 0x84, 0x8B, 0x8F, 0x91, 0x9D, 0xA2] {
        let refused = story
            .session
            .disconnect_with(ReasonCode(reason), Properties::EMPTY);
        let text = format!("{}", refused.unwrap_err());
        assert_eq!(text, "a reason that clients do not give", "{reason:#x}");
    }
    let elsewhere = [Property::ServerReference("x")];
    let refused = story
        .session
        .disconnect_with(ReasonCode::SUCCESS, Properties::List(&elsewhere));
    assert_eq!(
        format!("{}", refused.unwrap_err()),
        "a property that clients do not send"
    );
    let long = "x".repeat(64);
    let words = [Property::ReasonString(&long)];
    let refused = story
        .session
        .disconnect_with(ReasonCode::SUCCESS, Properties::List(&words));
    assert!(matches!(
        refused,
        Err(crate::EncodeError::BufferTooSmall { .. })
    ));
    let mut old = Story::up(Version::V311);
    let refused = old
        .session
        .disconnect_with(ReasonCode::DISCONNECT_WITH_WILL, Properties::EMPTY);
    assert!(refused.is_err());
    assert!(story.session.is_connected() && old.session.is_connected());
}

#[test]
fn auth_is_refused_by_its_name_b_2() {
    let mut story = Story::up(Version::V5);
    let auth = Packet::Auth(crate::Auth {
        reason_code: ReasonCode(0x18),
        properties: Properties::List(&[Property::AuthenticationMethod("m")]),
    });
    let error = story.recv(&auth).unwrap_err();
    assert!(
        format!("{error}").ends_with("AUTH, which this client does not support"),
        "{error}"
    );
    assert_eq!(error.disconnect_reason(), Some(ReasonCode::PROTOCOL_ERROR));
}

#[test]
fn the_session_asks_within_what_aws_makes_of_the_keep_alive_b_15() {
    // Asked for, told by the server, seconds in force.
    for (version, asked, server, in_force) in [
        (Version::V311, 0, None, 1200),
        (Version::V311, 10, None, 10),
        (Version::V311, 1200, None, 1200),
        (Version::V311, u16::MAX, None, 1200),
        (Version::V5, 0, None, 1200),
        (Version::V5, 5, Some(30), 30),
        (Version::V5, 3600, Some(1200), 1200),
        (Version::V5, 60, Some(0), 1200),
    ] {
        let options = ConnectOptions {
            keep_alive: asked,
            ..ConnectOptions::new(version, "c")
        };
        let mut story = Story::with(options, 64);
        let told = server.map(|seconds| [Property::ServerKeepAlive(seconds)]);
        story.connect(false, told.as_ref().map_or(&[], |list| list));
        assert_eq!(story.session.negotiated().keep_alive, in_force);
        let keep_alive = u64::from(in_force) * 1000;
        let early = keep_alive - keep_alive / 8;
        assert_eq!(story.session.poll_timeout(), Some(Millis(early)));
        story.wait(early).unwrap();
        assert_eq!(story.sent(), ["PingReq"]);
    }
}
