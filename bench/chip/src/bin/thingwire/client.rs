//! The whole client (`thingwire-device`) over a transport in memory.
//!
//! The story: connect, publish with QoS 1, subscribe, receive with QoS 1, lose the connection, publish, connect again, unsubscribe.

use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};

use chip::{LEN, Packets, TOPIC, each, everywhere, payload, stack_of, tell};
use embedded_io_async::{ErrorType, Read, Write};
use thingwire_device::{
    Client, Config, Connector, Event, Failure, Memory, Millis, Outgoing, Platform, QoS,
    SubscribeFilter, Version,
};

/// What the server has to say, and whether it goes on.
struct Server {
    answers: [u8; 256],
    len: usize,
    at: usize,
    written: usize,
    gone: bool,
}

struct World {
    now: Cell<u64>,
    server: RefCell<Server>,
}

impl World {
    const fn new() -> Self {
        let server = Server {
            answers: [0; 256],
            len: 0,
            at: 0,
            written: 0,
            gone: false,
        };
        Self {
            now: Cell::new(0),
            server: RefCell::new(server),
        }
    }

    fn say(&self, bytes: &[u8]) {
        let mut server = self.server.borrow_mut();
        if server.at == server.len {
            (server.at, server.len) = (0, 0);
        }
        let from = server.len;
        server.answers[from..from + bytes.len()].copy_from_slice(bytes);
        server.len += bytes.len();
    }
}

/// Time jumps to whoever sleeps: what is measured is what is polled.
impl Platform for &World {
    fn now(&self) -> Millis {
        Millis(self.now.get())
    }

    async fn sleep_until(&self, at: Millis) {
        poll_fn(|_| match self.now.get() >= at.0 {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await
    }

    fn random_u32(&self) -> u32 {
        0x8000_0000
    }
}

struct Link<'w>(&'w World);

impl Connector for Link<'_> {
    type Error = Infallible;
    type Transport<'a>
        = Line<'a>
    where
        Self: 'a;

    async fn connect(&mut self) -> Result<Line<'_>, Failure> {
        self.0.server.borrow_mut().gone = false;
        Ok(Line(self.0))
    }
}

struct Line<'w>(&'w World);

impl ErrorType for Line<'_> {
    type Error = Infallible;
}

impl Read for Line<'_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        poll_fn(|_| {
            let mut server = self.0.server.borrow_mut();
            let (at, len) = (server.at, server.len);
            if at == len && !server.gone {
                return Poll::Pending;
            }
            let count = (len - at).min(buf.len());
            buf[..count].copy_from_slice(&server.answers[at..at + count]);
            server.at += count;
            Poll::Ready(Ok(count))
        })
        .await
    }
}

impl Write for Line<'_> {
    /// Answers every packet of the device. Each write holds whole packets: the buffer is larger than any of them.
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        self.0.server.borrow_mut().written += buf.len();
        let mut rest = buf;
        while let [first, low, more @ ..] = rest {
            let (len, body) = match low & 0x80 {
                0 => (usize::from(*low), more),
                _ => (usize::from(low & 0x7F) | usize::from(more[0]) << 7, &more[1..]),
            };
            match first {
                0x10 => self.0.say(&[0x20, 2, 0, 0]),
                0x82 => self.0.say(&[0x90, 3, body[0], body[1], 1]),
                0xA2 => self.0.say(&[0xB0, 2, body[0], body[1]]),
                0x32 | 0x3A => {
                    let topic = usize::from(body[1]);
                    self.0.say(&[0x40, 2, body[2 + topic], body[3 + topic]]);
                }
                _ => {}
            }
            rest = &body[len..];
        }
        Ok(buf.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

const SUBSCRIPTIONS: [SubscribeFilter<'static>; 1] =
    [SubscribeFilter::new("esp32/sub", QoS::AtLeastOnce)];

/// A PUBLISH with QoS 1, packet identifier 7.
const MESSAGE: [u8; 18] = *b"\x32\x10\x00\x09esp32/sub\x00\x07ha!";

pub fn measure() {
    let world = World::new();
    let mut memory = Memory::<512, 768, 512, 512>::new();
    let config = Config::new(Version::V311, "esp32-demo").subscriptions(&SUBSCRIPTIONS);
    let client = Client::new(config, memory.lend()).expect("the buffers are large enough");
    tell("client", size_of::<Client<'_>>() as u32);

    let mut link = Link(&world);
    let platform = &world;
    let connected = Cell::new(0);
    let run = client.run(&mut link, &platform, |event| {
        if matches!(event, Event::Connected { .. }) {
            connected.set(connected.get() + 1);
        }
    });
    tell("run", size_of_val(&run) as u32);
    tell("publish-future", size_of_val(&client.publish(TOPIC, payload(0), QoS::AtLeastOnce)) as u32);
    tell("subscribe-future", size_of_val(&client.subscribe("t", QoS::AtLeastOnce)) as u32);
    tell("unsubscribe-future", size_of_val(&client.unsubscribe("t")) as u32);
    let mut small = [0; 16];
    tell("next-future", size_of_val(&client.next(&mut small)) as u32);
    let mut run = pin!(run);

    // The driver's polls and those of the application's futures, each from its own depth: the application's frame is not ours.
    let (driver, calls) = (Cell::new(0), Cell::new(0));
    let mut poll_driver = || {
        driver.set(driver.get().max(stack_of(&mut || _ = poll(run.as_mut()))));
        world.now.set(world.now.get() + 10);
    };
    let qos = QoS::AtLeastOnce;
    until(&mut poll_driver, &calls, pin!(client.publish(TOPIC, payload(0), qos))).expect("it is acknowledged");
    until(&mut poll_driver, &calls, pin!(client.subscribe("esp32/more", qos))).expect("it is granted");
    world.say(&MESSAGE);
    let mut buffer = [0; 64];
    let message = until(&mut poll_driver, &calls, pin!(client.next(&mut buffer))).expect("there is an inbox");
    assert_eq!(message.payload, b"ha!");
    world.server.borrow_mut().gone = true;
    until(&mut poll_driver, &calls, pin!(client.publish(TOPIC, payload(0), qos))).expect("it is acknowledged");
    while connected.get() < 2 {
        poll_driver();
    }
    until(&mut poll_driver, &calls, pin!(client.unsubscribe("esp32/more"))).expect("it is granted");
    until(&mut poll_driver, &calls, pin!(client.idle()));
    tell("stack-driver", driver.get());
    tell("stack-calls", calls.get());
    tell("stack", driver.get().max(calls.get()));

    let packets = Packets::new(false);
    // Once more round, until nothing is left to do.
    for _ in 0..10 {
        let _ = poll(run.as_mut());
        world.now.set(world.now.get() + 10);
    }
    tell("client-publish", everywhere(|place| each(100, || {
        world.server.borrow_mut().written = 0;
        let message = Outgoing::new(TOPIC, payload(place), QoS::AtMostOnce);
        client.try_publish(message).expect("there is room");
        let _ = poll(run.as_mut());
        assert_eq!(world.server.borrow().written, packets.len());
    })));
    let mut buffer = [0; 256];
    tell("client-receive", everywhere(|place| each(100, || {
        world.say(packets.at(place));
        let _ = poll(run.as_mut());
        match poll(pin!(client.next(&mut buffer))) {
            Poll::Ready(Ok(message)) => assert_eq!(message.payload.len(), LEN),
            _ => panic!("a PUBLISH was sent"),
        }
    })));
}

/// Polls the driver and a future of the application until that is ready.
fn until<T>(poll_driver: &mut impl FnMut(), calls: &Cell<u32>, mut future: Pin<&mut impl Future<Output = T>>) -> T {
    let mut output = None;
    for _ in 0..10_000 {
        let depth = stack_of(&mut || {
            if let Poll::Ready(ready) = poll(future.as_mut()) {
                output = Some(ready);
            }
        });
        calls.set(calls.get().max(depth));
        if let Some(output) = output {
            return output;
        }
        poll_driver();
    }
    panic!("it never comes to its end")
}

fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
