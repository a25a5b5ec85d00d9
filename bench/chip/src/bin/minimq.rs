//! minimq (MQTT 5): instructions for a message each way, and what a session takes.
#![no_std]
#![no_main]

use core::cell::Cell;
use core::hint::black_box;
use core::pin::pin;
use core::task::Waker;

use chip::{Aligned, LEN, Memory, Packets, TOPIC, each, everywhere, now, payload, power_off, stack_of, tell};
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

#[unsafe(no_mangle)]
extern "C" fn program() -> ! {
    let (mut receive, mut transmit) = (Aligned([0; 512]), Aligned([0; 768]));
    let config = ConfigBuilder::new(Buffers::new(&mut receive.0, &mut transmit.0)).client_id("bench");
    let mut session = Session::new(config.expect("the identifier is short"));
    tell("session", size_of::<Session<'_>>() as u32);
    let written = Cell::new(0);
    let packets = Packets::new(true);
    let publish = Cell::new(packets.at(0));
    let memory = Memory::new(&[0x20, 3, 0, 0, 0], &publish, &written);
    let mut connection = now(pin!(session.connect(memory))).expect("CONNACK is accepted");
    tell("publish", everywhere(|place| each(100, || {
        written.set(0);
        let message = Publication::bytes(black_box(TOPIC), payload(place));
        now(pin!(connection.publish(message))).expect("there is room");
        assert_eq!(written.get(), packets.len());
    })));
    tell("receive", everywhere(|place| {
        publish.set(packets.at(place));
        each(100, || {
            let received = now(pin!(connection.recv())).expect("it is allowed");
            assert_eq!(received.payload().len(), LEN);
        })
    }));
    tell("stack", stack_of(&mut || {
        let message = Publication::bytes(black_box(TOPIC), payload(0));
        now(pin!(connection.publish(message))).expect("there is room");
        now(pin!(connection.recv())).expect("it is allowed");
    }));
    power_off()
}
