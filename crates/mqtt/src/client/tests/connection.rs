//! How a connection begins, stays alive and ends.

use super::*;

#[test]
fn nothing_is_sent_before_connack_b8() {
    for version in BOTH {
        let mut story = Story::new(version);
        story.publish("early");
        assert_eq!(story.sent(), [""; 0]);
        story.session.start(story.now).unwrap();
        assert_eq!(story.sent(), ["CONNECT esp32-demo clean=false"]);
        assert_eq!(story.sent(), [""; 0], "CONNECT is sent once");
        story.recv(&connack(false, &[])).unwrap();
        assert_eq!(story.sent(), ["PUBLISH 1 esp32/pub early"]);
    }
}

#[test]
fn connack_must_come_first_once_and_in_time() {
    for version in BOTH {
        let mut story = Story::new(version);
        story.session.start(story.now).unwrap();
        story.sent();
        assert!(matches!(
            story.recv(&Packet::PingResp),
            Err(SessionError::Protocol(_))
        ));

        let mut story = Story::up(version);
        assert!(matches!(
            story.recv(&connack(false, &[])),
            Err(SessionError::Protocol(_))
        ));

        let mut story = Story::new(version);
        story.session.start(story.now).unwrap();
        assert_eq!(
            story.session.poll_timeout(),
            Some(Millis(Session::CONNACK_LIMIT))
        );
        story.wait(Session::CONNACK_LIMIT - 1).unwrap();
        assert_eq!(story.wait(1), Err(SessionError::ConnAckTimeout));
    }
}

#[test]
fn a_refusal_carries_its_code() {
    let refused = |reason_code| {
        Packet::ConnAck(ConnAck {
            session_present: false,
            reason_code,
            properties: Properties::EMPTY,
        })
    };
    for (version, code) in BOTH.into_iter().zip([5, 0x87]) {
        let mut story = Story::new(version);
        story.session.start(story.now).unwrap();
        story.sent();
        assert_eq!(
            story.recv(&refused(ReasonCode(code))),
            Err(SessionError::Refused(ReasonCode(code)))
        );
        assert!(!story.session.is_connected());
    }
}

#[test]
fn keep_alive_counts_sent_packets_mqtt_3_1_2_23() {
    for version in BOTH {
        let mut story = Story::up(version);
        // 60 s keep-alive: due an eighth early, whatever was received meanwhile.
        assert_eq!(story.session.poll_timeout(), Some(Millis(52_500)));
        story.wait(30_000).unwrap();
        story.recv(&message(None, b"x")).unwrap();
        assert_eq!(story.session.poll_timeout(), Some(Millis(52_500)));
        story.wait(22_500).unwrap();
        assert_eq!(story.sent(), ["PingReq"]);
        assert_eq!(
            story.session.poll_timeout(),
            Some(Millis(82_500)),
            "half the keep-alive"
        );
        story.wait(10).unwrap();
        story.recv(&Packet::PingResp).unwrap();
        story.wait(52_500).unwrap();
        assert_eq!(story.sent(), ["PingReq"]);
        assert_eq!(story.wait(30_000), Err(SessionError::PingTimeout));
    }
}

#[test]
fn keep_alive_counts_from_connect_however_late_connack_is_mqtt_3_1_2_23() {
    for version in BOTH {
        let mut story = Story::new(version);
        story.session.start(story.now).unwrap();
        assert_eq!(story.sent().len(), 1, "CONNECT");
        story.wait(4_900).unwrap();
        story.recv(&connack(false, &[])).unwrap();
        assert_eq!(story.session.poll_timeout(), Some(Millis(52_500)));
    }
}

#[test]
fn who_only_sends_still_finds_out_that_nobody_listens() {
    let mut story = Story::up(Version::V311);
    let mut pings = 0;
    for _ in 0..100 {
        story
            .session
            .publish(Outgoing::new("t", b"x", QoS::AtMostOnce))
            .unwrap();
        pings += story
            .sent()
            .iter()
            .filter(|packet| *packet == "PingReq")
            .count();
        if story.wait(1_000).is_err() {
            assert_eq!(story.now, Millis(90_000), "one and a half keep-alives");
            assert_eq!(pings, 1);
            return;
        }
    }
    panic!("a half-open connection was not noticed");
}

#[cfg(feature = "v5")]
#[test]
fn the_servers_keep_alive_wins_b15() {
    let mut story = Story::new(Version::V5);
    story.connect(false, &[Property::ServerKeepAlive(1200)]);
    assert_eq!(story.session.negotiated().keep_alive, 1200);
    assert_eq!(story.session.poll_timeout(), Some(Millis(1_050_000)));
}

#[test]
fn a_keep_alive_of_zero_means_1200_b15() {
    let options = ConnectOptions {
        keep_alive: 0,
        ..ConnectOptions::new(Version::V311, "c")
    };
    let mut story = Story::with(options, 512);
    story.connect(false, &[]);
    assert_eq!(story.session.poll_timeout(), Some(Millis(1_050_000)));
}

#[test]
fn disconnect_comes_after_what_was_accepted() {
    for version in BOTH {
        let mut story = Story::up(version);
        story.publish("last words");
        story.session.disconnect();
        assert_eq!(
            story.sent(),
            ["PUBLISH 1 esp32/pub last words", "DISCONNECT 0x0"]
        );
        assert!(story.session.is_closed());
    }
}

#[test]
fn an_error_is_told_to_the_server_in_mqtt_5_only() {
    for (version, expected) in BOTH.into_iter().zip([&[][..], &["DISCONNECT 0x82"]]) {
        let mut story = Story::up(version);
        let error = story.recv(&connack(false, &[])).unwrap_err();
        story.session.abort(&error);
        assert_eq!(story.sent(), expected);
        assert!(story.session.is_closed());
    }
}

#[cfg(feature = "v5")]
#[test]
fn the_servers_disconnect_ends_it_with_its_reason_b14() {
    let mut story = Story::up(Version::V5);
    let reason_code = ReasonCode::SESSION_TAKEN_OVER;
    let taken = Packet::Disconnect(crate::Disconnect {
        reason_code,
        properties: Properties::EMPTY,
    });
    assert_eq!(
        story.recv(&taken),
        Err(SessionError::Disconnected(reason_code))
    );
}

#[test]
fn connect_says_what_the_version_allows() {
    for version in BOTH {
        let mut story = Story::new(version);
        story.session.start(story.now).unwrap();
        let bytes = story.bytes(512);
        assert_eq!(bytes.len(), story.session.connect_len().unwrap());
        let (frame, _) = split(&bytes, 512).unwrap().unwrap();
        let Packet::Connect(connect) = Packet::decode(version, &frame).unwrap() else {
            panic!()
        };
        let properties: Vec<_> = connect.properties.iter().collect();
        match version {
            Version::V311 => assert_eq!(properties, []),
            Version::V5 => assert_eq!(
                properties,
                [
                    Property::SessionExpiryInterval(3600),
                    Property::MaximumPacketSize(1024)
                ]
            ),
        }
    }
}
