//! minimq (MQTT 5): instructions for a message each way, and what a session takes.
#![no_std]
#![no_main]

use core::cell::Cell;
use core::convert::Infallible;
use core::hint::black_box;
use core::pin::pin;
use core::task::Waker;

use chip::{PAYLOAD, TOPIC, each, now, packet, power_off, stack_of, tell};
use embedded_io_async::{ErrorType, Read, Write};
use minimq::{Buffers, ConfigBuilder, Publication, Session};

/// A clock that stands still: time costs nothing here, as in the others.
struct Clock;

impl embassy_time_driver::Driver for Clock {
    fn now(&self) -> u64 {
        1
    }

    fn schedule_wake(&self, _: u64, _: &Waker) {}
}

embassy_time_driver::time_driver_impl!(static CLOCK: Clock = Clock);

/// Gives CONNACK, then the same PUBLISH for ever.
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

#[unsafe(no_mangle)]
extern "C" fn program() -> ! {
    let (mut receive, mut transmit) = ([0; 512], [0; 768]);
    let config = ConfigBuilder::new(Buffers::new(&mut receive, &mut transmit)).client_id("bench");
    let mut session = Session::new(config.expect("the identifier is short"));
    tell("session", size_of::<Session<'_>>() as u32);
    let written = Cell::new(0);
    let (publish, len) = packet(true);
    let memory = Memory { connack: &[0x20, 3, 0, 0, 0], publish: &publish[..len], at: 0, written: &written };
    let mut connection = now(pin!(session.connect(memory))).expect("CONNACK is accepted");
    tell("publish", each(100, || {
        written.set(0);
        let message = Publication::bytes(black_box(TOPIC), &PAYLOAD);
        now(pin!(connection.publish(message))).expect("there is room");
        assert_eq!(written.get(), len);
    }));
    tell("receive", each(100, || {
        let received = now(pin!(connection.recv())).expect("it is allowed");
        assert_eq!(received.payload().len(), PAYLOAD.len());
    }));
    tell("stack", stack_of(&mut || {
        let message = Publication::bytes(black_box(TOPIC), &PAYLOAD);
        now(pin!(connection.publish(message))).expect("there is room");
        now(pin!(connection.recv())).expect("it is allowed");
    }));
    power_off()
}
