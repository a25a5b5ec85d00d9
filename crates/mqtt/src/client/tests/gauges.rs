//! What a session tells about itself.

use super::*;

#[test]
fn subscriptions_are_counted_by_filter_and_refused_ones_are_not_b31() {
    for version in BOTH {
        let mut story = Story::up(version);
        story.subscribe(&["a", "b", "c"]);
        story.subscribe(&["d"]);
        assert_eq!(story.session.subscription_count(), 4);
        assert!(story.session.is_subscribed("b") && !story.session.is_subscribed("e"));
        story.sent();
        let packet_id = PacketId::new(1).unwrap();
        let ack = SubAck {
            packet_id,
            properties: Properties::EMPTY,
            reason_codes: &[1, 0x80, 0],
        };
        story.recv(&Packet::SubAck(ack)).unwrap();
        assert_eq!(story.session.subscription_count(), 3);
        story.session.unsubscribe(&["d"]).unwrap();
        assert_eq!(story.session.subscription_count(), 2);
    }
}

#[test]
fn the_round_trip_is_that_of_a_publish_sent_once() {
    let mut story = Story::up(Version::V311);
    let ack = |id| {
        let packet_id = PacketId::new(id).unwrap();
        Packet::PubAck(Ack {
            packet_id,
            reason_code: ReasonCode::SUCCESS,
            properties: Properties::EMPTY,
        })
    };
    story.publish("first");
    story.sent();
    story.wait(120).unwrap();
    story.recv(&ack(1)).unwrap();
    assert_eq!(story.session.round_trip(), Some(120));
    // Repeated: it is not known which of the two was acknowledged.
    story.publish("second");
    story.sent();
    story.wait(Session::RETRANSMIT_AFTER).unwrap();
    assert_eq!(story.sent().len(), 1);
    story.recv(&ack(2)).unwrap();
    assert_eq!(story.session.round_trip(), Some(120));
}

#[cfg(feature = "v5")]
#[test]
fn a_receive_maximum_is_told_to_mqtt_5_servers_only() {
    for (version, receive_maximum, told) in [
        (Version::V5, 3, Some(3)),
        (Version::V5, u16::MAX, None),
        (Version::V311, 3, None),
    ] {
        let mut options = ConnectOptions::new(version, "esp32-demo");
        options.receive_maximum = receive_maximum;
        let mut story = Story::with(options, 128);
        story.session.start(Millis(0)).unwrap();
        let bytes = story.bytes(512);
        let (frame, _) = split(&bytes, 512).unwrap().unwrap();
        let Packet::Connect(connect) = Packet::decode(version, &frame).unwrap() else {
            panic!("not a CONNECT");
        };
        let found = connect.properties.find(|property| match property {
            Property::ReceiveMaximum(count) => Some(count),
            _ => None,
        });
        assert_eq!(found, told);
    }
}
