//! minimq's session (MQTT 5) over a transport in memory that is always ready.

use core::hint::black_box;

use core::convert::Infallible;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use embedded_io_async::{ErrorType, Read, Write};
use minimq::{Buffers, ConfigBuilder, Publication, Session};

use crate::{PAYLOAD, TOPIC, packet};

/// A clock that stands still: time costs nothing here, as in the others.
struct Clock;

impl embassy_time_driver::Driver for Clock {
    fn now(&self) -> u64 {
        1
    }

    fn schedule_wake(&self, _: u64, _: &Waker) {}
}

embassy_time_driver::time_driver_impl!(static CLOCK: Clock = Clock);

/// Answers CONNACK, then the same packet for ever; counts what is written.
struct Memory<'a> {
    answers: Vec<u8>,
    repeated: Vec<u8>,
    at: usize,
    written: &'a core::cell::Cell<usize>,
}

impl ErrorType for Memory<'_> {
    type Error = Infallible;
}

impl Read for Memory<'_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        if self.at == self.answers.len() {
            if self.repeated.is_empty() {
                return core::future::pending().await;
            }
            core::mem::swap(&mut self.answers, &mut self.repeated);
            self.repeated.clone_from(&self.answers);
            self.at = 0;
        }
        let rest = &self.answers[self.at..];
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        self.at += count;
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

fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}

pub fn run(is_publish: bool, count: u32) -> usize {
    let (mut receive, mut transmit) = ([0; 512], [0; 768]);
    let config = ConfigBuilder::new(Buffers::new(&mut receive, &mut transmit)).client_id("bench");
    let mut session = Session::new(config.expect("the identifier is short"));
    let written = core::cell::Cell::new(0);
    let memory = Memory {
        answers: vec![0x20, 3, 0, 0, 0],
        repeated: if is_publish { Vec::new() } else { packet(true) },
        at: 0,
        written: &written,
    };
    let mut connection = ready(session.connect(memory)).expect("CONNACK is accepted");
    written.set(0);
    let mut sum = 0;
    for _ in 0..count {
        if is_publish {
            ready(connection.publish(Publication::bytes(black_box(TOPIC), &PAYLOAD))).expect("there is room");
        } else {
            sum += ready(connection.recv()).expect("it is allowed").payload().len();
        }
    }
    if is_publish { written.get() } else { sum }
}
