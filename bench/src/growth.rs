//! How the cost of one publish grows: with subscriptions, retained topics, offline sessions, matches. And how long a start takes
//! with many sessions and things.
//!
//! The broker's core is called directly, as its edge calls it; sockets and TLS would only add noise that does not
//! grow. Each figure is the least of several batches: what disturbs a batch only makes it longer.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Instant;

use clap::Args;
use thingwire_broker::core::{ConnectionKey, Core, Outbox, Task};
use thingwire_broker::{AllowAll, Config, Millis, Now, Peer, Silent};
use thingwire_conformance::{Cloud, http};
use thingwire_mqtt::{
    Packet, PacketId, Properties, Publish, QoS, Subscribe, SubscribeFilter, SubscribeFilters,
    Unsubscribe, UnsubscribeFilters,
};
use thingwire_store::{Format, RedbStore, Store};

use crate::Outcome;
use crate::connection::connect;
use crate::flow::PAYLOAD;

/// Subscriptions of one client: as many as AWS allows (B-31), eight in a packet (B-32).
const PER_CLIENT: usize = 50;
const PER_PACKET: usize = 8;
/// Batches of one figure, and publishes of one batch.
const BATCHES: usize = 20;
const PUBLISHES: usize = 500;
/// Sessions whose rows go to the store together.
const TOGETHER: usize = 5000;
/// Connections that make things at the same time.
const MAKERS: usize = 16;

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// Leaves out everything larger.
    #[arg(long, default_value_t = 1_000_000)]
    most: usize,
    /// Sessions and things of the start; 0 leaves it out.
    #[arg(long, default_value_t = 100_000)]
    start: usize,
}

/// A core, and what its edge would know.
struct World {
    core: Core,
    now: Now,
    clients: usize,
    store: Option<RedbStore>,
}

/// One connection into it.
struct Client {
    key: ConnectionKey,
    outbox: Arc<Outbox>,
}

/// Measures everything; answers the tables.
pub(crate) fn run(settings: &Settings) -> Outcome<String> {
    let sizes = |largest: usize| {
        let sizes = [10, 100, 1000, 10_000, 100_000, 500_000, 1_000_000];
        let most = largest.min(settings.most);
        sizes.into_iter().filter(move |size| *size <= most)
    };
    let mut text = "One publish of 128 bytes into the broker's core, in ns (least of 20 batches of 500). *New topic*: one that was never \
                    published to, so its subscribers are looked up; *again*: they are remembered.\n\n\
                    | subscriptions, 2 of which match | new topic | again | one more SUBSCRIBE |\n|---:|---:|---:|---:|\n"
        .to_owned();
    for size in sizes(1_000_000) {
        let row = subscriptions(size)?;
        eprintln!("{size} subscriptions: {row}");
        let _ = writeln!(text, "| {size} | {row} |");
    }
    text.push_str(
        "\n| matches among 100,000 subscriptions | a publish | each delivery |\n|---:|---:|---:|\n",
    );
    for size in [1, 10, 100, 1000, 10_000] {
        let row = matches(size, 100_000.min(settings.most))?;
        eprintln!("{size} matches: {row}");
        let _ = writeln!(text, "| {size} | {row} |");
    }
    text.push_str(
        "\n| retained topics | PUBLISH with RETAIN to one of them | SUBSCRIBE to one of them, and UNSUBSCRIBE | PUBLISH without RETAIN |\n|---:|---:|---:|---:|\n",
    );
    for size in sizes(500_000) {
        let row = retained(size)?;
        eprintln!("{size} retained: {row}");
        let _ = writeln!(text, "| {size} | {row} |");
    }
    text.push_str("\n| offline sessions, 1 of which matches | PUBLISH with QoS 1, queued | its client comes back |\n|---:|---:|---:|\n");
    for size in sizes(100_000) {
        let row = offline(size)?;
        eprintln!("{size} offline: {row}");
        let _ = writeln!(text, "| {size} | {row} |");
    }
    if settings.start > 0 {
        let _ = write!(text, "\n{}\n", start(settings.start)?);
    }
    Ok(text)
}

fn subscriptions(size: usize) -> Outcome<String> {
    let mut world = World::new(None);
    // Two filters for each device: one exact, one with a wildcard.
    let filter = |number: usize| match (number / 2, number % 2) {
        (device, 0) => format!("site/{}/device/{device}/state", device % 100),
        (device, _) => format!("site/{}/device/{device}/+", device % 100),
    };
    for first in (0..size).step_by(PER_CLIENT) {
        let client = world.client(true)?;
        let filters: Vec<_> = (first..size.min(first + PER_CLIENT)).map(filter).collect();
        for some in filters.chunks(PER_PACKET) {
            world.subscribe(&client, some);
        }
    }
    let publisher = world.client(true)?;
    let devices = size / 2;
    let topic = |device: usize| format!("site/{}/device/{device}/state", device % 100);
    // New again: whatever wildcard subscription comes forgets what was remembered.
    let mut device = 0;
    let new = world.least(PUBLISHES.min(devices), |world, begins| {
        if begins {
            let nobody = ["nobody/publishes/+".to_owned()];
            world.subscribe(&publisher, &nobody);
            world.unsubscribe(&publisher, &nobody);
        }
        device = (device + 7919) % devices;
        world.publish(&publisher, &topic(device), QoS::AtMostOnce, false);
    });
    let again = world.least(PUBLISHES, |world, _| {
        world.publish(&publisher, &topic(0), QoS::AtMostOnce, false);
    });
    let mut turn = 0_usize;
    let one_more = world.least(PUBLISHES, |world, _| {
        turn += 1;
        world.subscribe(&publisher, &[format!("site/more/{}/+", turn % 40)]);
    });
    Ok(format!("{new:.0} | {again:.0} | {one_more:.0}"))
}

fn matches(size: usize, others: usize) -> Outcome<String> {
    let mut world = World::new(None);
    for first in (0..others).step_by(PER_CLIENT) {
        let client = world.client(true)?;
        let last = others.min(first + PER_CLIENT);
        let filters: Vec<_> = (first..last).map(|n| format!("other/{n}/+")).collect();
        for some in filters.chunks(PER_PACKET) {
            world.subscribe(&client, some);
        }
    }
    let mut readers = Vec::new();
    for _ in 0..size {
        let client = world.client(true)?;
        world.subscribe(&client, &["hot/+".to_owned()]);
        readers.push(client);
    }
    let publisher = world.client(true)?;
    let mut least = f64::INFINITY;
    for _ in 0..BATCHES {
        let count = (20_000 / size).clamp(2, PUBLISHES);
        let began = Instant::now();
        for _ in 0..count {
            world.publish(&publisher, "hot/topic", QoS::AtMostOnce, false);
        }
        least = least.min(began.elapsed().as_nanos() as f64 / count as f64);
        for reader in &readers {
            reader.drain();
        }
    }
    Ok(format!("{least:.0} | {:.0}", least / size as f64))
}

fn retained(size: usize) -> Outcome<String> {
    let mut world = World::new(None);
    let client = world.client(true)?;
    let topic = |number: usize| format!("site/{}/device/{number}/last", number % 100);
    for number in 0..size {
        world.publish(&client, &topic(number), QoS::AtMostOnce, true);
    }
    let mut turn = 0;
    let keep = world.least(PUBLISHES, |world, _| {
        turn = (turn + 7919) % size;
        world.publish(&client, &topic(turn), QoS::AtMostOnce, true);
    });
    let reader = world.client(true)?;
    let mut turn = 0;
    let read = world.least(PUBLISHES, |world, _| {
        turn = (turn + 7919) % size;
        let filter = [topic(turn)];
        world.subscribe(&reader, &filter);
        world.unsubscribe(&reader, &filter);
    });
    let plain = world.least(PUBLISHES, |world, _| {
        world.publish(&client, "site/plain", QoS::AtMostOnce, false);
    });
    Ok(format!("{keep:.0} | {read:.0} | {plain:.0}"))
}

fn offline(size: usize) -> Outcome<String> {
    let mut world = World::new(None);
    for _ in 0..size {
        let name = world.clients;
        let client = world.client(false)?;
        world.subscribe(&client, &[format!("to/{name}")]);
        world.leave(&client);
    }
    let publisher = world.client(true)?;
    let mut turn = 0;
    let resume = world.least(PUBLISHES.min(size), |world, _| {
        turn = (turn + 7919) % size;
        if let Ok(client) = world.named(&format!("client-{turn}"), false) {
            world.leave(&client);
        }
    });
    let mut turn = 0;
    let queue = world.least(PUBLISHES, |world, _| {
        turn = (turn + 7919) % size;
        world.publish(&publisher, &format!("to/{turn}"), QoS::AtLeastOnce, false);
        publisher.drain();
    });
    Ok(format!("{queue:.0} | {resume:.0}"))
}

/// The format of the data file that this tree's `up` writes; any other is refused with both numbers.
const FORMAT: Format = Format {
    newest: Format::NEWEST,
    steps: &[],
};

/// Sessions come into the store through the core, things through the API; then the program is killed and started again.
fn start(count: usize) -> Outcome<String> {
    let mut cloud = Cloud::start();
    things(&cloud.ready.api_url, count)?;
    cloud.kill();
    let store = RedbStore::open(cloud.data_dir().join("thingwire.redb"), &FORMAT)?;
    let mut world = World::new(Some(store));
    let began = Instant::now();
    for number in 0..count {
        let client = world.client(false)?;
        world.subscribe(&client, &[format!("to/{number}")]);
        world.leave(&client);
        if number % TOGETHER == 0 {
            world.flush()?;
        }
    }
    world.flush()?;
    let made = began.elapsed();
    drop(world);
    let size = file_mib(&cloud.data_dir().join("thingwire.redb"))?;
    let began = Instant::now();
    cloud.start_again();
    let took = began.elapsed();
    let memory = crate::process::resident_kib(cloud.program().id())? / 1024;
    let (_, metrics) = http(&cloud.ready, "GET", "/metrics", &[], "")?;
    let there = format!("thingwire_sessions {count}");
    if !metrics.lines().any(|line| line == there) {
        return Err("not all sessions are there after the start".into());
    }
    eprintln!("{count} sessions were made in {made:.1?}; the start took {took:.2?}");
    Ok(format!(
        "`thingwire up` on a data folder with {count} things and {count} offline sessions of one subscription each ({size} MiB), killed \
         before: **{:.2} s** until it is ready, {memory} MiB of memory then.",
        took.as_secs_f64()
    ))
}

fn file_mib(file: &Path) -> Outcome<u64> {
    Ok(std::fs::metadata(file)?.len() / 1024 / 1024)
}

/// CreateThing, over connections that stay open.
fn things(api_url: &str, count: usize) -> Outcome<()> {
    let address = api_url
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned();
    let makers: Vec<_> = (0..MAKERS)
        .map(|maker| {
            let address = address.clone();
            thread::spawn(move || -> Result<(), String> {
                let make = || -> Outcome<()> {
                    let stream = TcpStream::connect(&address)?;
                    stream.set_nodelay(true)?;
                    let mut reader = BufReader::new(stream.try_clone()?);
                    let mut writer = stream;
                    for number in (maker..count).step_by(MAKERS) {
                        let request = format!(
                            "POST /things/thing-{number} HTTP/1.1\r\nHost: {address}\r\nAuthorization: AWS4-HMAC-SHA256 Credential=any\r\n\
                             Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
                        );
                        writer.write_all(request.as_bytes())?;
                        answer(&mut reader)?;
                    }
                    Ok(())
                };
                make().map_err(|error| error.to_string())
            })
        })
        .collect();
    for maker in makers {
        maker.join().map_err(|_| "a maker of things failed")??;
    }
    Ok(())
}

/// Reads one answer of HTTP/1.1, which must be 200.
fn answer(reader: &mut impl std::io::BufRead) -> Outcome<()> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    if !line.contains(" 200 ") {
        return Err(format!("CreateThing was answered with `{}`", line.trim()).into());
    }
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let header = line.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    reader.read_exact(&mut vec![0; length])?;
    Ok(())
}

impl World {
    fn new(store: Option<RedbStore>) -> Self {
        let mut counter = 0_u128;
        let random = Box::new(move || {
            counter += 1;
            counter.to_be_bytes()
        });
        let durable = store.is_some();
        let config = Config::default();
        Self {
            core: Core::new(
                config,
                durable,
                Arc::new(AllowAll),
                Arc::new(Silent),
                random,
            ),
            now: Now {
                monotonic: Millis(1000),
                unix: Millis(
                    std::time::SystemTime::now()
                        .duration_since(std::time::UNIX_EPOCH)
                        .map_or(0, |since| since.as_millis() as u64),
                ),
            },
            clients: 0,
            store,
        }
    }

    fn client(&mut self, clean: bool) -> Outcome<Client> {
        let name = format!("client-{}", self.clients);
        self.clients += 1;
        self.named(&name, clean)
    }

    fn named(&mut self, name: &str, clean: bool) -> Outcome<Client> {
        let peer = Peer {
            principal: "certificate".into(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000)),
            server_name: None,
        };
        let (key, outbox) = self.core.open(self.now, peer);
        let client = Client { key, outbox };
        self.receive(&client, &connect(name, clean));
        if self.store.is_none() && client.drain() == 0 {
            return Err("the core did not answer CONNECT".into());
        }
        Ok(client)
    }

    fn receive(&mut self, client: &Client, packet: &Packet<'_>) {
        self.core
            .receive(self.now, client.key, std::slice::from_ref(packet));
        self.finish();
    }

    /// What the edge does after each call; batches are kept for [`flush`](Self::flush).
    fn finish(&mut self) {
        let effects = self.core.finish(self.now);
        if let (Some(batch), Some(store)) = (effects.batch, &self.store) {
            let number = batch.number;
            store.submit(batch.writes, Box::new(drop));
            self.core.stored(self.now, number, true);
        }
        black_box(effects.wakers);
    }

    /// Waits until everything is on disk.
    fn flush(&mut self) -> Outcome<()> {
        self.core.flush(self.now);
        self.finish();
        match &self.store {
            Some(store) => Ok(store.commit(Vec::new())?),
            None => Ok(()),
        }
    }

    fn subscribe(&mut self, client: &Client, filters: &[String]) {
        let filters: Vec<_> = filters
            .iter()
            .map(|filter| SubscribeFilter::new(filter, QoS::AtLeastOnce))
            .collect();
        self.receive(
            client,
            &Packet::Subscribe(Subscribe {
                packet_id: PacketId::FIRST,
                properties: Properties::EMPTY,
                filters: SubscribeFilters::List(&filters),
            }),
        );
        client.drain();
    }

    fn unsubscribe(&mut self, client: &Client, filters: &[String]) {
        let filters: Vec<_> = filters.iter().map(String::as_str).collect();
        self.receive(
            client,
            &Packet::Unsubscribe(Unsubscribe {
                packet_id: PacketId::FIRST,
                properties: Properties::EMPTY,
                filters: UnsubscribeFilters::List(&filters),
            }),
        );
        client.drain();
    }

    fn publish(&mut self, client: &Client, topic: &str, qos: QoS, retain: bool) {
        let packet_id = (qos != QoS::AtMostOnce).then_some(PacketId::FIRST);
        self.receive(
            client,
            &Packet::Publish(Publish {
                dup: false,
                qos,
                retain,
                topic,
                packet_id,
                properties: Properties::EMPTY,
                payload: &[0; PAYLOAD],
            }),
        );
    }

    fn leave(&mut self, client: &Client) {
        self.core.lost(self.now, client.key, "left");
        self.finish();
    }

    /// ns of one call, of the quickest batch. The call is told when a batch begins.
    fn least(&mut self, calls: usize, mut call: impl FnMut(&mut Self, bool)) -> f64 {
        let mut least = f64::INFINITY;
        for _ in 0..BATCHES {
            call(self, true);
            let began = Instant::now();
            for _ in 0..calls {
                call(self, false);
            }
            least = least.min(began.elapsed().as_nanos() as f64 / calls as f64);
        }
        least
    }
}

impl Client {
    /// Takes what waits, as a task would write it; answers how many bytes.
    fn drain(&self) -> usize {
        let mut context = Context::from_waker(Waker::noop());
        let mut bytes = 0;
        while let Poll::Ready(Task::Write(pending)) = self.outbox.poll_next(&mut context) {
            bytes += pending.len();
        }
        bytes
    }
}
