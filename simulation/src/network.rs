//! Connections that behave as badly as real ones: slow, cut anywhere, gone without a word, damaged.
//!
//! Bytes in one direction of a connection arrive in order and late; two connections know nothing of each other, so
//! what was written on an old one may arrive after what was written on a new one.
//!
//! | what happens | the device sees | the server sees |
//! |---|---|---|
//! | [`Network::break_all`] with [`Break::Reset`] | an error at its next read or write | the end, when what was under way has arrived |
//! | the same with [`Break::Silent`] | nothing: writes are taken until the window is full | nothing |
//! | the server closes | what was under way, then the end | nothing more |
//! | the device closes | - | what was under way, then the end |
//! | [`LinkPlan::cut_up`], [`LinkPlan::cut_down`] | as [`LinkPlan::cut_as`], after exactly so many bytes | likewise |

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use thingwire_device::{Connector, Failure, FailureKind};

use crate::{Clock, Random};

/// Names a connection for ever.
pub type LinkId = u64;

/// How a connection ends that nobody closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// Both ends are told: the device by an error.
    Reset,
    /// Nobody is told; nothing passes any more (a NAT forgot it, a radio link is gone).
    Silent,
}

/// What the network is like at the moment.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// How long a chunk of bytes takes, in milliseconds, from and to.
    pub latency: (u64, u64),
    /// How long opening a connection takes, in milliseconds, from and to.
    pub opening: (u64, u64),
    /// Attempts that fail like this.
    pub refusal: Option<FailureKind>,
    /// Attempts that never come to an end.
    pub hangs: bool,
    /// New connections are cut, this often in a thousand times, after at most [`Weather::cut_within`] bytes.
    pub cuts: u64,
    /// See [`Weather::cuts`].
    pub cut_within: u64,
}

impl Weather {
    /// A good day.
    pub const CALM: Self = Self {
        latency: (10, 150),
        opening: (50, 1_500),
        refusal: None,
        hangs: false,
        cuts: 0,
        cut_within: 0,
    };
}

/// What is decided about one connection when it begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinkPlan {
    /// Bytes from the device until the connection breaks.
    pub cut_up: Option<u64>,
    /// Bytes to the device until the connection breaks.
    pub cut_down: Option<u64>,
    /// How it breaks.
    pub cut_as: Option<Break>,
    /// This byte from the device is changed by exclusive or with the mask.
    pub flip_up: Option<(u64, u8)>,
    /// This byte to the device is changed by exclusive or with the mask.
    pub flip_down: Option<(u64, u8)>,
    /// Bytes the device can write while nothing takes them; `None` is [`WINDOW`].
    pub window: Option<usize>,
}

/// Bytes that the device's network stack takes while none of them arrives.
pub const WINDOW: usize = 4096;

/// What reaches the server.
#[derive(Debug)]
pub enum Arrival {
    /// Bytes, and when the last of them was written.
    Bytes(LinkId, u64, Vec<u8>),
    /// The device's end is closed or lost.
    Ended(LinkId),
}

struct Chunk {
    arrives: u64,
    written: u64,
    bytes: Vec<u8>,
    end: bool,
}

#[derive(Default)]
struct Pipe {
    flight: VecDeque<Chunk>,
    latest: u64,
    passed: u64,
    cut: Option<u64>,
    flip: Option<(u64, u8)>,
    waker: Option<Waker>,
}

impl Pipe {
    /// Takes bytes into flight; answers false when they reached the cut.
    fn take(&mut self, now: u64, latency: u64, bytes: &[u8], end: bool) -> bool {
        let room = self
            .cut
            .map_or(u64::MAX, |cut| cut.saturating_sub(self.passed));
        let count = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        let mut bytes = bytes[..count].to_vec();
        if let Some((at, mask)) = self.flip
            && let Some(byte) = at
                .checked_sub(self.passed)
                .and_then(|at| bytes.get_mut(at as usize))
        {
            *byte ^= mask;
        }
        self.passed += count as u64;
        self.latest = self.latest.max(now + latency);
        if !bytes.is_empty() || end {
            self.flight.push_back(Chunk {
                arrives: self.latest,
                written: now,
                bytes,
                end,
            });
        }
        self.cut.is_none_or(|cut| self.passed < cut)
    }

    fn in_flight(&self) -> usize {
        self.flight.iter().map(|chunk| chunk.bytes.len()).sum()
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

struct Link {
    up: Pipe,
    down: Pipe,
    /// To be read by the device.
    arrived: VecDeque<u8>,
    /// Nothing follows what has arrived.
    finished: bool,
    /// The device's reads and writes fail.
    broken: bool,
    /// Nothing passes any more and nobody knows.
    silent: bool,
    /// Bytes that the device wrote into the silence.
    swallowed: usize,
    device_gone: bool,
    server_gone: bool,
    cut_as: Break,
    window: usize,
}

/// All connections of one world. Clones are the same network.
#[derive(Clone)]
pub struct Network(Rc<RefCell<Inner>>);

struct Inner {
    clock: Clock,
    random: Random,
    weather: Weather,
    plans: VecDeque<LinkPlan>,
    links: BTreeMap<LinkId, Link>,
    opened: VecDeque<LinkId>,
    next_link: LinkId,
    attempts: u64,
    /// What was said on the first connection, from and to the device, before any damage.
    recorded: Option<(Vec<u8>, Vec<u8>)>,
}

impl Network {
    /// A network in calm weather.
    #[must_use]
    pub fn new(clock: &Clock, seed: u64) -> Self {
        Self(Rc::new(RefCell::new(Inner {
            clock: clock.clone(),
            random: Random::seeded(seed),
            weather: Weather::CALM,
            plans: VecDeque::new(),
            links: BTreeMap::new(),
            opened: VecDeque::new(),
            next_link: 1,
            attempts: 0,
            recorded: None,
        })))
    }

    /// Changes the weather. What was written before keeps its arrival.
    pub fn set_weather(&self, weather: Weather) {
        self.0.borrow_mut().weather = weather;
    }

    /// Decides what will become of the next connection that has no plan yet.
    pub fn plan_next(&self, plan: LinkPlan) {
        self.0.borrow_mut().plans.push_back(plan);
    }

    /// Keeps what is said on the first connection.
    pub fn record_first(&self) {
        self.0.borrow_mut().recorded = Some(Default::default());
    }

    /// What was said on the first connection, from and to the device, before any damage.
    #[must_use]
    pub fn recorded(&self) -> (Vec<u8>, Vec<u8>) {
        self.0.borrow().recorded.clone().unwrap_or_default()
    }

    /// How often the device tried to open a connection.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.0.borrow().attempts
    }

    /// Ends all connections there are.
    pub fn break_all(&self, how: Break) {
        let mut inner = self.0.borrow_mut();
        let now = inner.clock.millis();
        for link in inner.links.values_mut() {
            link.end(now, how);
        }
    }

    /// The device's end of the network.
    #[must_use]
    pub fn connector(&self) -> SimulatedConnector {
        SimulatedConnector(self.clone())
    }

    /// How many bytes went up and down on a connection so far.
    #[must_use]
    pub fn passed(&self, id: LinkId) -> (u64, u64) {
        let inner = self.0.borrow();
        inner
            .links
            .get(&id)
            .map_or((0, 0), |link| (link.up.passed, link.down.passed))
    }

    /// When something arrives next, at either end.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        let inner = self.0.borrow();
        if !inner.opened.is_empty() {
            return Some(inner.clock.millis());
        }
        inner.links.values().filter_map(Link::next).min()
    }

    /// A connection that the server has not heard of.
    pub fn accept(&self) -> Option<LinkId> {
        self.0.borrow_mut().opened.pop_front()
    }

    /// What has arrived at the server by now; what has arrived at the device is put there.
    pub fn arrivals(&self) -> Vec<Arrival> {
        let mut inner = self.0.borrow_mut();
        let now = inner.clock.millis();
        let mut arrivals = Vec::new();
        for (id, link) in &mut inner.links {
            link.arrive(now, *id, &mut arrivals);
        }
        inner
            .links
            .retain(|_, link| !(link.device_gone && link.server_gone));
        arrivals
    }

    /// The server writes.
    pub fn write(&self, id: LinkId, bytes: &[u8]) {
        let mut inner = self.0.borrow_mut();
        let now = inner.clock.millis();
        let latency = inner.latency();
        if let (1, Some((_, down))) = (id, &mut inner.recorded) {
            down.extend(bytes);
        }
        if let Some(link) = inner.links.get_mut(&id)
            && !link.silent
            && !link.device_gone
            && !link.down.take(now, latency, bytes, false)
        {
            link.end(now, link.cut_as);
        }
    }

    /// The server forgets a connection without telling anybody.
    pub fn forsake(&self, id: LinkId) {
        if let Some(link) = self.0.borrow_mut().links.get_mut(&id) {
            link.server_gone = true;
            link.up.flight.clear();
            link.up.wake();
        }
    }

    /// How many connections one of the ends still knows.
    #[must_use]
    pub fn links(&self) -> usize {
        self.0.borrow().links.len()
    }

    /// The server closes its end.
    pub fn close(&self, id: LinkId) {
        let mut inner = self.0.borrow_mut();
        let now = inner.clock.millis();
        let latency = inner.latency();
        if let Some(link) = inner.links.get_mut(&id) {
            if !link.silent {
                link.down.take(now, latency, &[], true);
            }
            link.server_gone = true;
            link.up.flight.clear();
            link.up.wake();
        }
    }
}

impl Inner {
    fn latency(&mut self) -> u64 {
        let (from, to) = self.weather.latency;
        self.random.between(from, to)
    }

    fn open(&mut self) -> LinkId {
        let mut plan = self.plans.pop_front().unwrap_or_default();
        if self.random.chance(self.weather.cuts) {
            let cut = Some(self.random.between(0, self.weather.cut_within));
            if self.random.chance(500) {
                plan.cut_up = cut;
            } else {
                plan.cut_down = cut;
            }
            plan.cut_as = Some(self.random.pick(&[Break::Reset, Break::Silent]));
        }
        let id = self.next_link;
        self.next_link += 1;
        let mut link = Link {
            up: Pipe {
                cut: plan.cut_up,
                flip: plan.flip_up,
                ..Pipe::default()
            },
            down: Pipe {
                cut: plan.cut_down,
                flip: plan.flip_down,
                ..Pipe::default()
            },
            arrived: VecDeque::new(),
            finished: false,
            broken: false,
            silent: false,
            swallowed: 0,
            device_gone: false,
            server_gone: false,
            cut_as: plan.cut_as.unwrap_or(Break::Reset),
            window: plan.window.unwrap_or(WINDOW),
        };
        if plan.cut_up == Some(0) || plan.cut_down == Some(0) {
            link.end(self.clock.millis(), link.cut_as);
        }
        self.links.insert(id, link);
        self.opened.push_back(id);
        id
    }
}

impl Link {
    fn next(&self) -> Option<u64> {
        let up = self.up.flight.front().map(|chunk| chunk.arrives);
        let down = self.down.flight.front().map(|chunk| chunk.arrives);
        match (up, down) {
            (Some(up), Some(down)) => Some(up.min(down)),
            (one, other) => one.or(other),
        }
    }

    fn arrive(&mut self, now: u64, id: LinkId, arrivals: &mut Vec<Arrival>) {
        while let Some(chunk) = self.up.flight.pop_front_if(|chunk| chunk.arrives <= now) {
            if !chunk.bytes.is_empty() {
                arrivals.push(Arrival::Bytes(id, chunk.written, chunk.bytes));
            }
            if chunk.end {
                self.server_gone = true;
                arrivals.push(Arrival::Ended(id));
            }
            self.up.wake();
        }
        while let Some(chunk) = self.down.flight.pop_front_if(|chunk| chunk.arrives <= now) {
            self.arrived.extend(chunk.bytes);
            self.finished |= chunk.end;
            self.down.wake();
        }
    }

    fn end(&mut self, now: u64, how: Break) {
        if self.silent || self.broken {
            return;
        }
        match how {
            Break::Silent => {
                // What was under way arrives, and nothing after it.
                self.silent = true;
                self.swallowed = self.up.in_flight();
            }
            Break::Reset => {
                self.broken = true;
                // What was under way arrives, and then the end.
                if !self.server_gone && !self.device_gone {
                    self.up.cut = None;
                    self.up.take(now, 0, &[], true);
                }
                self.down.flight.clear();
            }
        }
        self.up.wake();
        self.down.wake();
    }

    fn writable(&self) -> usize {
        let held = if self.silent {
            self.swallowed
        } else {
            self.up.in_flight()
        };
        self.window.saturating_sub(held)
    }
}

/// What a broken connection says.
#[derive(Debug)]
pub struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for Broken {}

impl embedded_io_async::Error for Broken {
    fn kind(&self) -> ErrorKind {
        ErrorKind::ConnectionReset
    }
}

/// Opens simulated connections.
pub struct SimulatedConnector(Network);

impl Connector for SimulatedConnector {
    type Error = Broken;
    type Transport<'a> = DeviceEnd;

    async fn connect(&mut self) -> Result<DeviceEnd, Failure> {
        let (clock, pause, hangs) = {
            let mut inner = self.0.0.borrow_mut();
            inner.attempts += 1;
            let (from, to) = inner.weather.opening;
            let pause = inner.random.between(from, to);
            (inner.clock.clone(), pause, inner.weather.hangs)
        };
        if hangs {
            std::future::pending::<()>().await;
        }
        clock.sleep(pause).await;
        let mut inner = self.0.0.borrow_mut();
        if let Some(kind) = inner.weather.refusal {
            return Err(Failure::new(kind, "simulated"));
        }
        let id = inner.open();
        drop(inner);
        Ok(DeviceEnd {
            network: self.0.clone(),
            id,
        })
    }
}

/// The device's end of one connection.
pub struct DeviceEnd {
    network: Network,
    id: LinkId,
}

impl ErrorType for DeviceEnd {
    type Error = Broken;
}

impl Read for DeviceEnd {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Broken> {
        assert!(
            !buf.is_empty(),
            "reading into nothing would look like the end"
        );
        poll_fn(|context| {
            let mut inner = self.network.0.borrow_mut();
            let link = inner.links.get_mut(&self.id).ok_or(Broken)?;
            if link.broken {
                return Poll::Ready(Err(Broken));
            }
            if link.arrived.is_empty() && !link.finished {
                link.down.waker = Some(context.waker().clone());
                return Poll::Pending;
            }
            let count = buf.len().min(link.arrived.len());
            buf.iter_mut()
                .zip(link.arrived.drain(..count))
                .for_each(|(to, from)| *to = from);
            Poll::Ready(Ok(count))
        })
        .await
    }
}

impl Write for DeviceEnd {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Broken> {
        poll_fn(|context| {
            let mut inner = self.network.0.borrow_mut();
            let now = inner.clock.millis();
            let latency = inner.latency();
            let Inner {
                links, recorded, ..
            } = &mut *inner;
            let link = links.get_mut(&self.id).ok_or(Broken)?;
            if link.broken || link.finished {
                return Poll::Ready(Err(Broken));
            }
            let count = buf.len().min(link.writable());
            if count == 0 {
                link.up.waker = Some(context.waker().clone());
                return Poll::Pending;
            }
            if let (1, Some((up, _))) = (self.id, recorded) {
                up.extend(&buf[..count]);
            }
            if link.silent {
                link.swallowed += count;
            } else if link.server_gone {
                // Nobody is there any more; the news are on their way.
            } else if !link.up.take(now, latency, &buf[..count], false) {
                link.end(now, link.cut_as);
            }
            Poll::Ready(Ok(count))
        })
        .await
    }

    async fn flush(&mut self) -> Result<(), Broken> {
        Ok(())
    }
}

impl Drop for DeviceEnd {
    fn drop(&mut self) {
        let mut inner = self.network.0.borrow_mut();
        let now = inner.clock.millis();
        let latency = inner.latency();
        if let Some(link) = inner.links.get_mut(&self.id) {
            link.device_gone = true;
            link.down.flight.clear();
            if !link.silent && !link.broken && !link.server_gone {
                link.up.cut = None;
                link.up.take(now, latency, &[], true);
            }
        }
    }
}
