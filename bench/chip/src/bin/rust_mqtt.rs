//! rust-mqtt (MQTT 5): instructions for a message each way, and what a client takes.
#![no_std]
#![no_main]

use core::cell::Cell;
use core::hint::black_box;
use core::pin::pin;

use chip::{Aligned, LEN, Memory, Packets, TOPIC, each, everywhere, now, payload, power_off, stack_of, tell};
use rust_mqtt::Bytes;
use rust_mqtt::buffer::BumpBuffer;
use rust_mqtt::client::Client;
use rust_mqtt::client::event::Event;
use rust_mqtt::client::options::{ConnectOptions, PublicationOptions, TopicReference};
use rust_mqtt::types::{MqttString, TopicName};

type Device<'c, 'a> = Client<'c, 'c, Memory<'a>, BumpBuffer<'c>, 1, 4, 4, 1, 4, 0, 0>;

#[unsafe(no_mangle)]
extern "C" fn program() -> ! {
    let mut buffer = Aligned([0; 1280]);
    let mut buffer = BumpBuffer::new(&mut buffer.0);
    let mut client: Device<'_, '_> = Client::new(&mut buffer);
    tell("session", size_of::<Device<'_, '_>>() as u32);
    let written = Cell::new(0);
    let packets = Packets::new(true);
    let publish = Cell::new(packets.at(0));
    let memory = Memory::new(&[0x20, 3, 0, 0, 0], &publish, &written);
    let id = MqttString::from_str("bench").expect("it is short");
    let options = ConnectOptions::new();
    now(pin!(client.connect(memory, &options, Some(id.as_borrowed())))).expect("CONNACK is accepted");
    let name = MqttString::from_str(TOPIC).expect("it is short");
    let topic = TopicName::new(name).expect("it is a topic name");
    tell("publish", everywhere(|place| each(100, || {
        written.set(0);
        let options = PublicationOptions::new(TopicReference::Name(black_box(&topic).as_borrowed()));
        now(pin!(client.publish(&options, Bytes::from(payload(place))))).expect("there is room");
        assert_eq!(written.get(), packets.len());
    })));
    tell("receive", everywhere(|place| {
        publish.set(packets.at(place));
        each(100, || {
            let event = now(pin!(client.poll())).expect("it is allowed");
            let Event::Publish(message) = event else { panic!("a PUBLISH was sent") };
            assert_eq!(message.message.len(), LEN);
            drop(message);
            // SAFETY: nothing that the client handed out is kept.
            unsafe { client.buffer_mut().reset() };
        })
    }));
    tell("stack", stack_of(&mut || {
        let options = PublicationOptions::new(TopicReference::Name(black_box(&topic).as_borrowed()));
        now(pin!(client.publish(&options, Bytes::from(payload(0))))).expect("there is room");
        drop(now(pin!(client.poll())).expect("it is allowed"));
    }));
    power_off()
}
