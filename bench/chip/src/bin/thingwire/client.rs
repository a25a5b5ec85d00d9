//! The whole client (`thingwire-device`) over a transport in memory.
//!
//! The story: connect, subscribe, publish with QoS 1, receive with QoS 1, lose the connection, connect again, publish.

use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};

use chip::{PAYLOAD, TOPIC, each, packet, stack_of, tell};
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
    tell("publish-future", size_of_val(&client.publish(TOPIC, PAYLOAD.as_slice(), QoS::AtLeastOnce)) as u32);
    tell("subscribe-future", size_of_val(&client.subscribe("t", QoS::AtLeastOnce)) as u32);
    tell("unsubscribe-future", size_of_val(&client.unsubscribe("t")) as u32);
    let mut small = [0; 16];
    tell("next-future", size_of_val(&client.next(&mut small)) as u32);
    let mut run = pin!(run);

    let mut buffer = [0; 64];
    let mut story = pin!(async {
        client.publish(TOPIC, PAYLOAD.as_slice(), QoS::AtLeastOnce).await.expect("it is acknowledged");
        client.subscribe("esp32/more", QoS::AtLeastOnce).await.expect("it is granted");
        world.say(&MESSAGE);
        let message = client.next(&mut buffer).await.expect("there is an inbox");
        assert_eq!(message.payload, b"ha!");
        world.server.borrow_mut().gone = true;
        let publish = client.publish(TOPIC, PAYLOAD.as_slice(), QoS::AtLeastOnce);
        publish.await.expect("it is acknowledged");
        while connected.get() < 2 {
            pause().await;
        }
        client.publish(TOPIC, PAYLOAD.as_slice(), QoS::AtLeastOnce).await.expect("it is acknowledged");
        client.idle().await;
    });
    let mut ended = false;
    let stack = stack_of(&mut || {
        for _ in 0..10_000 {
            step(&world, run.as_mut());
            if poll(story.as_mut()).is_ready() {
                ended = true;
                return;
            }
        }
    });
    assert!(ended, "the story has an end");
    tell("stack", stack);

    let (publish, len) = packet(false);
    // Once more round, until nothing is left to do.
    for _ in 0..10 {
        step(&world, run.as_mut());
    }
    tell("client-publish", each(100, || {
        world.server.borrow_mut().written = 0;
        let message = Outgoing::new(TOPIC, &PAYLOAD, QoS::AtMostOnce);
        client.try_publish(message).expect("there is room");
        let _ = poll(run.as_mut());
        assert_eq!(world.server.borrow().written, len);
    }));
    let mut buffer = [0; 256];
    tell("client-receive", each(100, || {
        world.say(&publish[..len]);
        let _ = poll(run.as_mut());
        match poll(pin!(client.next(&mut buffer))) {
            Poll::Ready(Ok(message)) => assert_eq!(message.payload.len(), PAYLOAD.len()),
            _ => panic!("a PUBLISH was sent"),
        }
    }));
}

/// Polls the driver; time goes on.
fn step(world: &World, run: Pin<&mut impl Future>) {
    let _ = poll(run);
    world.now.set(world.now.get() + 10);
}

fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

async fn pause() {
    let mut paused = false;
    poll_fn(|_| match core::mem::replace(&mut paused, true) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await
}
