//! A small world: a clock that jumps to the next thing that happens, and a device in it whose events are written
//! down. Nothing in it sleeps, and nothing is random but what a seed decides.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use thingwire_device::{Client, Config, Event, Memory, Millis, Platform};
use thingwire_mqtt::Version;

use crate::wire::Network;

/// Time and randomness of the simulated world.
#[derive(Clone)]
pub(crate) struct World(Rc<Inner>);

struct Inner {
    now: Cell<u64>,
    timers: RefCell<Vec<(u64, Waker)>>,
    seed: Cell<u64>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Rc::new(Inner {
            now: Cell::new(0),
            timers: RefCell::new(Vec::new()),
            seed: Cell::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
        }))
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.0.now.get() as f64 / 1000.0
    }

    pub(crate) async fn sleep(&self, milliseconds: u64) {
        self.sleep_until(self.now().after(milliseconds)).await;
    }

    /// Polls `future` to its end. When nothing can go on, time jumps to the next timer.
    pub(crate) fn run<F: Future>(&self, future: F) -> F::Output {
        struct Flag(AtomicBool);
        impl Wake for Flag {
            fn wake(self: Arc<Self>) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        let waker = Waker::from(flag.clone());
        let mut future = pin!(future);
        let mut idle_polls = 0;
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
            idle_polls += 1;
            assert!(
                idle_polls < 100_000,
                "at {} s: busy without end",
                self.seconds()
            );
            if flag.0.swap(false, Ordering::Relaxed) {
                continue;
            }
            let mut timers = self.0.timers.borrow_mut();
            let next = timers.iter().map(|(at, _)| *at).min();
            let next =
                next.unwrap_or_else(|| panic!("at {} s: everybody waits for ever", self.seconds()));
            assert!(next < 1_000_000_000, "a story of more than eleven days");
            if next > self.0.now.get() {
                idle_polls = 0;
            }
            self.0.now.set(next.max(self.0.now.get()));
            let due: Vec<_> = timers.extract_if(.., |(at, _)| *at <= next).collect();
            drop(timers);
            due.into_iter().for_each(|(_, waker)| waker.wake());
        }
    }
}

impl Platform for World {
    fn now(&self) -> Millis {
        Millis(self.0.now.get())
    }

    async fn sleep_until(&self, at: Millis) {
        poll_fn(|cx| {
            if self.0.now.get() >= at.0 {
                return Poll::Ready(());
            }
            self.0.timers.borrow_mut().push((at.0, cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    fn random_u32(&self) -> u32 {
        let mut seed = self.0.seed.get();
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        self.0.seed.set(seed);
        (seed >> 32) as u32
    }
}

/// What happened to the device, one line an event.
pub(crate) type Diary = RefCell<Vec<String>>;

pub(crate) fn note(diary: &Diary, world: &World, event: &Event<'_>) {
    diary.borrow_mut().push(match event {
        Event::Attempting { attempt } => format!("attempting {attempt}"),
        Event::Connected { negotiated, .. } => {
            format!("connected present={}", negotiated.session_present)
        }
        Event::Failed { why, .. } => format!("failed: {why}"),
        Event::Disconnected { why, .. } => format!("disconnected: {why}"),
        Event::Stopped => "stopped".into(),
        Event::Message(message) => {
            format!(
                "message {} {}",
                message.topic,
                String::from_utf8_lossy(message.payload)
            )
        }
        Event::Skipped {
            topic,
            packet_len,
            capacity,
        } => {
            format!("skipped {} {packet_len} {capacity}", topic.unwrap_or("?"))
        }
        Event::InboxFull { topic, lost } => format!("inbox full {topic} lost={lost}"),
        Event::Subscribed { reason_codes } => format!("subscribed {reason_codes:?}"),
        Event::PublishRefused { reason } => format!("publish refused {:#x}", reason.0),
        // Said besides; what follows from the packet comes next.
        Event::Told { .. } => return,
        other => format!("{other:?}"),
    });
    let _ = world;
}

/// A device and its network, ready to be told a story.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) network: Network,
    pub(crate) version: Version,
    pub(crate) diary: Diary,
}

impl Scene {
    pub(crate) fn new(version: Version) -> Self {
        Self::seeded(version, 1)
    }

    pub(crate) fn seeded(version: Version, seed: u64) -> Self {
        Self {
            world: World::new(seed),
            network: Network::default(),
            version,
            diary: Diary::default(),
        }
    }

    pub(crate) fn config(&self) -> Config<'static> {
        Config::new(self.version, "esp32-demo")
    }

    /// Runs the device beside the story `tell` until the story is over.
    pub(crate) fn play<R>(
        &self,
        config: Config<'_>,
        tell: impl AsyncFnOnce(&Client<'_>) -> R,
    ) -> R {
        let mut memory = Memory::<256, 1024, 128, 0>::new();
        let client = Client::new(config, memory.lend()).unwrap();
        self.play_with(&client, tell)
    }

    pub(crate) fn play_with<R>(
        &self,
        client: &Client<'_>,
        tell: impl AsyncFnOnce(&Client<'_>) -> R,
    ) -> R {
        use thingwire_device::future::{Either, select};
        let mut connector = self.network.connector(&self.world, self.version);
        self.world.run(async {
            let run = async {
                client
                    .run(&mut connector, &self.world, |event| {
                        note(&self.diary, &self.world, &event)
                    })
                    .await
                    .unwrap();
                std::future::pending::<Infallible>().await
            };
            match select(run, tell(client)).await {
                Either::First(never) => match never {},
                Either::Second(result) => result,
            }
        })
    }

    pub(crate) fn diary(&self) -> Vec<String> {
        self.diary.borrow().clone()
    }
}

/// Each version that this build speaks.
#[cfg(not(feature = "v5"))]
pub(crate) const BOTH: [Version; 1] = [Version::V311];
#[cfg(feature = "v5")]
pub(crate) const BOTH: [Version; 2] = [Version::V311, Version::V5];
