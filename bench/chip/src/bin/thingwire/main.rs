//! Thingwire: instructions for a message each way, of the engine alone and of the whole client; and the memory that the
//! client takes besides the buffers it is lent, with its stack, through a story that has everything in it.
#![no_std]
#![no_main]

mod client;

use core::hint::black_box;

use chip::{Aligned, LEN, Packets, TOPIC, each, everywhere, payload, power_off, tell};
use thingwire_mqtt::client::{
    ConnectOptions, Event, FrameReader, Incoming, Millis, Outgoing, Session,
};
use thingwire_mqtt::{QoS, Version};

#[unsafe(no_mangle)]
extern "C" fn program() -> ! {
    tell("session", size_of::<Session<'_>>() as u32);
    engine(Version::V311, "publish-3.1.1", "receive-3.1.1");
    engine(Version::V5, "publish-5", "receive-5");
    client::measure();
    power_off()
}

/// State machine and codec, driven by hand.
#[inline(never)]
fn engine(version: Version, publish: &str, receive: &str) {
    let now = Millis(1);
    let mut arena = Aligned([0; 768]);
    let mut session = Session::new(ConnectOptions::new(version, "bench"), &mut arena.0, 512);
    session.start(now).expect("the options are valid");
    let mut out = Aligned([0; 512]);
    while session.poll_transmit(now, &mut out.0) > 0 {}
    let connack: &[u8] = match version {
        Version::V311 => &[0x20, 2, 0, 0],
        Version::V5 => &[0x20, 3, 0, 0, 0],
    };
    let mut buffer = Aligned([0; 512]);
    let mut reader = FrameReader::new(&mut buffer.0);
    give(&mut reader, connack);
    let Ok(Some(Incoming::Frame(frame))) = reader.next() else {
        panic!("CONNACK is a frame");
    };
    session.receive(now, &frame).expect("CONNACK is accepted");

    let packets = Packets::new(version == Version::V5);
    tell(publish, everywhere(|place| each(100, || {
        let message = Outgoing::new(black_box(TOPIC), payload(place), QoS::AtMostOnce);
        session.publish(message).expect("there is room");
        assert_eq!(session.poll_transmit(now, &mut out.0), packets.len());
    })));
    tell(receive, everywhere(|place| each(100, || {
        give(&mut reader, packets.at(place));
        while let Some(Incoming::Frame(frame)) = reader.next().expect("it is MQTT") {
            let event = session.receive(now, &frame).expect("it is allowed");
            let Event::Message(message) = event else { panic!("a PUBLISH was sent") };
            assert_eq!(message.payload.len(), LEN);
        }
    })));
}

fn give(reader: &mut FrameReader<'_>, bytes: &[u8]) {
    reader.space()[..bytes.len()].copy_from_slice(bytes);
    reader.filled(bytes.len());
}
