//! Thingwire's session and frame reader.

use core::hint::black_box;

use thingwire_mqtt::client::{ConnectOptions, Event, FrameReader, Incoming, Millis, Outgoing, Session};
use thingwire_mqtt::{QoS, Version};

use crate::{PAYLOAD, TOPIC, packet};

fn up(session: &mut Session<'_>, is_v5: bool) {
    let now = Millis(1);
    session.start(now).expect("the options are valid");
    let mut out = [0; 256];
    while session.poll_transmit(now, &mut out) > 0 {}
    let connack: &[u8] = if is_v5 { &[0x20, 3, 0, 0, 0] } else { &[0x20, 2, 0, 0] };
    let mut buffer = [0; 64];
    let mut reader = FrameReader::new(&mut buffer);
    reader.space()[..connack.len()].copy_from_slice(connack);
    reader.filled(connack.len());
    let Ok(Some(Incoming::Frame(frame))) = reader.next() else {
        panic!("CONNACK is a frame");
    };
    session.receive(now, &frame).expect("CONNACK is accepted");
}

fn version(is_v5: bool) -> Version {
    if is_v5 { Version::V5 } else { Version::V311 }
}

pub fn publish(is_v5: bool, count: u32) -> usize {
    let mut arena = [0; 768];
    let mut session = Session::new(ConnectOptions::new(version(is_v5), "bench"), &mut arena, 512);
    up(&mut session, is_v5);
    let mut sum = 0;
    let mut out = [0; 512];
    for at in 0..count {
        let message = Outgoing::new(black_box(TOPIC), &PAYLOAD, QoS::AtMostOnce);
        session.publish(message).expect("there is room");
        sum += session.poll_transmit(Millis(u64::from(at)), &mut out);
    }
    sum
}

pub fn receive(is_v5: bool, count: u32) -> usize {
    let mut arena = [0; 768];
    let mut session = Session::new(ConnectOptions::new(version(is_v5), "bench"), &mut arena, 512);
    up(&mut session, is_v5);
    let bytes = packet(is_v5);
    let mut buffer = [0; 512];
    let mut reader = FrameReader::new(&mut buffer);
    let mut sum = 0;
    for at in 0..count {
        reader.space()[..bytes.len()].copy_from_slice(&bytes);
        reader.filled(bytes.len());
        while let Some(Incoming::Frame(frame)) = reader.next().expect("it is MQTT") {
            if let Event::Message(message) = session.receive(Millis(u64::from(at)), &frame).expect("it is allowed") {
                sum += message.payload.len();
            }
        }
    }
    sum
}
