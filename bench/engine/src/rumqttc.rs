//! rumqttc's state and codec (MQTT 3.1.1), as its event loop calls them.

use core::hint::black_box;

use bytes::{Bytes, BytesMut};
use rumqttc::{MqttState, Packet, Publish, QoS, Request};

use crate::{PAYLOAD, TOPIC, packet};

pub fn publish(count: u32) -> usize {
    let mut state = MqttState::new(100, false);
    let mut out = BytesMut::with_capacity(4096);
    let payload = Bytes::from_static(&PAYLOAD);
    let mut sum = 0;
    for _ in 0..count {
        let message = Publish::from_bytes(black_box(TOPIC), QoS::AtMostOnce, payload.clone());
        if let Ok(Some(packet)) = state.handle_outgoing_packet(Request::Publish(message)) {
            packet.write(&mut out, 4096).expect("it fits");
        }
        sum += out.len();
        out.clear();
        state.events.clear();
    }
    sum
}

pub fn receive(count: u32) -> usize {
    let mut state = MqttState::new(100, false);
    let bytes = packet(false);
    let mut stream = BytesMut::with_capacity(4096);
    let mut sum = 0;
    for _ in 0..count {
        stream.extend_from_slice(&bytes);
        let packet = Packet::read(&mut stream, 4096).expect("it is MQTT");
        state.handle_incoming_packet(packet).expect("it is allowed");
        while let Some(event) = state.events.pop_front() {
            if let rumqttc::Event::Incoming(Packet::Publish(message)) = event {
                sum += message.payload.len();
            }
        }
    }
    sum
}
