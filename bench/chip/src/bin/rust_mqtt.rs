//! rust-mqtt (MQTT 5): instructions for a message each way, and what a client takes.
#![no_std]
#![no_main]

use core::cell::Cell;
use core::convert::Infallible;
use core::hint::black_box;
use core::pin::pin;

use chip::{PAYLOAD, TOPIC, each, now, packet, power_off, stack_of, tell};
use embedded_io_async::{ErrorType, Read, Write};
use rust_mqtt::Bytes;
use rust_mqtt::buffer::BumpBuffer;
use rust_mqtt::client::Client;
use rust_mqtt::client::event::Event;
use rust_mqtt::client::options::{ConnectOptions, PublicationOptions, TopicReference};
use rust_mqtt::types::{MqttString, TopicName};

/// Gives CONNACK, then the same PUBLISH for ever.
#[derive(Debug)]
struct Memory<'a> {
    connack: &'static [u8],
    publish: &'a [u8],
    at: usize,
    written: &'a Cell<usize>,
}

impl ErrorType for Memory<'_> {
    type Error = Infallible;
}

impl Read for Memory<'_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        let from = if self.connack.is_empty() { &self.publish[self.at..] } else { self.connack };
        let count = from.len().min(buf.len());
        buf[..count].copy_from_slice(&from[..count]);
        if self.connack.is_empty() {
            self.at = (self.at + count) % self.publish.len();
        } else {
            self.connack = &self.connack[count..];
        }
        Ok(count)
    }
}

impl Write for Memory<'_> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        self.written.set(self.written.get() + buf.len());
        Ok(buf.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

type Device<'c, 'a> = Client<'c, 'c, Memory<'a>, BumpBuffer<'c>, 1, 4, 4, 1, 4, 0, 0>;

#[unsafe(no_mangle)]
extern "C" fn program() -> ! {
    let mut buffer = [0; 1280];
    let mut buffer = BumpBuffer::new(&mut buffer);
    let mut client: Device<'_, '_> = Client::new(&mut buffer);
    tell("session", size_of::<Device<'_, '_>>() as u32);
    let written = Cell::new(0);
    let (publish, len) = packet(true);
    let memory = Memory { connack: &[0x20, 3, 0, 0, 0], publish: &publish[..len], at: 0, written: &written };
    let id = MqttString::from_str("bench").expect("it is short");
    let options = ConnectOptions::new();
    now(pin!(client.connect(memory, &options, Some(id.as_borrowed())))).expect("CONNACK is accepted");
    let name = MqttString::from_str(TOPIC).expect("it is short");
    let topic = TopicName::new(name).expect("it is a topic name");
    tell("publish", each(100, || {
        written.set(0);
        let options = PublicationOptions::new(TopicReference::Name(black_box(&topic).as_borrowed()));
        now(pin!(client.publish(&options, Bytes::from(&PAYLOAD[..])))).expect("there is room");
        assert_eq!(written.get(), len);
    }));
    tell("receive", each(100, || {
        let event = now(pin!(client.poll())).expect("it is allowed");
        let Event::Publish(message) = event else { panic!("a PUBLISH was sent") };
        assert_eq!(message.message.len(), PAYLOAD.len());
        drop(message);
        // SAFETY: nothing that the client handed out is kept.
        unsafe { client.buffer_mut().reset() };
    }));
    tell("stack", stack_of(&mut || {
        let options = PublicationOptions::new(TopicReference::Name(black_box(&topic).as_borrowed()));
        now(pin!(client.publish(&options, Bytes::from(&PAYLOAD[..])))).expect("there is room");
        drop(now(pin!(client.poll())).expect("it is allowed"));
    }));
    power_off()
}
