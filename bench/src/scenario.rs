//! What is measured: connecting, idling, throughput of several shapes, and queueing for who is offline.

use std::rc::Rc;
use std::time::{Duration, Instant};

use thingwire_mqtt::{Packet, PacketId, Properties, Publish, QoS};
use tokio::io::AsyncWriteExt as _;
use tokio::task::spawn_local;

use crate::Outcome;
use crate::broker::Broker;
use crate::connection::{Connection, bytes};
use crate::flow::{Flow, PAYLOAD, Shape, acknowledge};
use crate::process;
use crate::report::{Better, Figures};

/// Connections made in the connect scenario, and how many at the same time.
const CONNECTS: usize = 600;
const AT_ONCE: usize = 16;
/// Idle connections whose memory is weighed.
const IDLE: usize = 1000;
/// Time for a broker to give back what the handshakes needed.
const SETTLE: Duration = Duration::from_secs(1);
/// Offline sessions, each with a publisher of its own, and messages for each.
const OFFLINE: usize = 10;
const QUEUED: usize = 8000;
/// PUBLISH packets of one publisher without their PUBACK; AWS allows 100 (B-47).
const IN_FLIGHT: usize = 64;

/// One row of the table.
pub(crate) struct Scenario {
    /// Its name, with the unit of its figure.
    pub(crate) name: &'static str,
    /// Whether a higher figure is better.
    pub(crate) better: Better,
    kind: Kind,
}

enum Kind {
    Connect,
    Idle,
    Flow(Flow),
    Offline,
}

/// All scenarios, in the order of the table.
pub(crate) fn all() -> Vec<Scenario> {
    let flow = |name, shape, qos, per_write, persistent| Scenario {
        name,
        better: Better::More,
        kind: Kind::Flow(Flow {
            shape,
            qos,
            per_write,
            persistent,
        }),
    };
    let (zero, one) = (QoS::AtMostOnce, QoS::AtLeastOnce);
    vec![
        Scenario {
            name: "connects/s",
            better: Better::More,
            kind: Kind::Connect,
        },
        Scenario {
            name: "KiB per idle connection",
            better: Better::Less,
            kind: Kind::Idle,
        },
        flow(
            "fan-in 50:1, QoS 0: deliveries/s",
            Shape::FanIn(50),
            zero,
            1,
            false,
        ),
        flow(
            "fan-in 50:1, QoS 0, 16 PUBLISH a record: deliveries/s",
            Shape::FanIn(50),
            zero,
            16,
            false,
        ),
        flow(
            "fan-in 50:1, QoS 1: deliveries/s",
            Shape::FanIn(50),
            one,
            1,
            false,
        ),
        flow(
            "fan-in 50:1, QoS 1, 16 PUBLISH a record: deliveries/s",
            Shape::FanIn(50),
            one,
            16,
            false,
        ),
        flow(
            "fan-out 1:100, QoS 0: deliveries/s",
            Shape::FanOut(100),
            zero,
            16,
            false,
        ),
        flow(
            "fan-out 1:100, QoS 1: deliveries/s",
            Shape::FanOut(100),
            one,
            16,
            false,
        ),
        flow(
            "50 pairs, QoS 1: deliveries/s",
            Shape::Pairs(50),
            one,
            1,
            false,
        ),
        flow(
            "50 pairs, QoS 1, persistent sessions online: deliveries/s",
            Shape::Pairs(50),
            one,
            1,
            true,
        ),
        Scenario {
            name: "10 publishers, QoS 1, persistent sessions offline: acknowledged/s",
            better: Better::More,
            kind: Kind::Offline,
        },
    ]
}

impl Scenario {
    /// Whether the broker has to keep something on disk for it.
    pub(crate) fn durable(&self) -> bool {
        match &self.kind {
            Kind::Flow(flow) => flow.persistent,
            Kind::Offline => true,
            Kind::Connect | Kind::Idle => false,
        }
    }

    /// Runs it once against this broker.
    pub(crate) async fn run(&self, broker: &Broker, length: Duration) -> Outcome<Figures> {
        match &self.kind {
            Kind::Connect => connect(broker).await,
            Kind::Idle => idle(broker).await,
            Kind::Flow(flow) => flow.run(broker, length).await,
            Kind::Offline => offline(broker).await,
        }
    }
}

/// Opens connections from several tasks and closes each at once.
async fn connect(broker: &Broker) -> Outcome<Figures> {
    many(broker, "warm", AT_ONCE, false).await?;
    let before = (process::cpu(broker.id)?, process::cpu(std::process::id())?);
    let started = Instant::now();
    many(broker, "connect", CONNECTS, false).await?;
    let seconds = started.elapsed().as_secs_f64();
    let (broker_cpu, generator_cpu) = (
        process::cpu(broker.id)? - before.0,
        process::cpu(std::process::id())? - before.1,
    );
    Ok(Figures::throughput(
        CONNECTS as u64,
        seconds,
        broker_cpu,
        generator_cpu,
        0,
    ))
}

/// Weighs the broker before and after a thousand connections that say nothing.
async fn idle(broker: &Broker) -> Outcome<Figures> {
    many(broker, "warm", AT_ONCE, false).await?;
    let before = process::resident_kib(broker.id)?;
    let open = many(broker, "idle", IDLE, true).await?;
    tokio::time::sleep(SETTLE).await;
    let after = process::resident_kib(broker.id)?;
    if open.len() != IDLE {
        return Err("not all idle connections were made".into());
    }
    Ok(Figures::memory(
        after.saturating_sub(before) as f64 / IDLE as f64,
    ))
}

/// Opens `count` connections, [`AT_ONCE`] at a time, and keeps them or closes each.
async fn many(
    broker: &Broker,
    name: &'static str,
    count: usize,
    keep: bool,
) -> Outcome<Vec<Connection>> {
    let next = std::cell::Cell::new(0);
    let open = std::cell::RefCell::new(Vec::new());
    let worker = async || -> Outcome<()> {
        while next.get() < count {
            let number = next.replace(next.get() + 1);
            let connection =
                Connection::open(broker, &format!("bench-{name}-{number}"), true).await?;
            if keep {
                open.borrow_mut().push(connection);
            } else {
                connection.close().await?;
            }
        }
        Ok(())
    };
    // Sixteen tasks on one thread; the futures live on this stack, so they may borrow.
    let (a, b) = tokio::join!(eight(&worker), eight(&worker));
    a?;
    b?;
    Ok(open.into_inner())
}

async fn eight(worker: &impl AsyncFn() -> Outcome<()>) -> Outcome<()> {
    tokio::try_join!(
        worker(),
        worker(),
        worker(),
        worker(),
        worker(),
        worker(),
        worker(),
        worker()
    )
    .map(drop)
}

/// QoS 1 to persistent sessions whose clients are away: how fast the acknowledgements come, and whether all
/// that was acknowledged is there when the clients come back.
async fn offline(broker: &Broker) -> Outcome<Figures> {
    let topic = |number: usize| format!("bench/offline/{number}");
    for number in 0..OFFLINE {
        let mut connection =
            Connection::open(broker, &format!("bench-away-{number}"), false).await?;
        connection
            .subscribe(&topic(number), QoS::AtLeastOnce)
            .await?;
        connection.close().await?;
    }
    let mut publishers = Vec::new();
    for number in 0..OFFLINE {
        publishers.push((
            Connection::open(broker, &format!("bench-pub-{number}"), true).await?,
            topic(number),
        ));
    }
    let before = (process::cpu(broker.id)?, process::cpu(std::process::id())?);
    let started = Instant::now();
    let tasks: Vec<_> = publishers
        .into_iter()
        .map(|(connection, topic)| {
            spawn_local(async move { queue(connection, &topic).await.map_err(|e| e.to_string()) })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    let seconds = started.elapsed().as_secs_f64();
    let (broker_cpu, generator_cpu) = (
        process::cpu(broker.id)? - before.0,
        process::cpu(std::process::id())? - before.1,
    );

    let mut arrived = 0;
    for number in 0..OFFLINE {
        let connection = Connection::open(broker, &format!("bench-away-{number}"), false).await?;
        if !connection.session_present {
            return Err("the broker forgot a persistent session".into());
        }
        arrived += collect(connection, QUEUED).await?;
    }
    let acknowledged = (OFFLINE * QUEUED) as u64;
    let lost = acknowledged.saturating_sub(arrived as u64);
    Ok(Figures::throughput(
        acknowledged,
        seconds,
        broker_cpu,
        generator_cpu,
        lost,
    ))
}

/// Publishes [`QUEUED`] messages and waits for all acknowledgements.
async fn queue(connection: Connection, topic: &str) -> Outcome<()> {
    let Connection {
        mut reader,
        mut writer,
        ..
    } = connection;
    let (mut id, mut sent, acknowledged) = (PacketId::FIRST, 0, Rc::new(std::cell::Cell::new(0)));
    while acknowledged.get() < QUEUED {
        while sent < QUEUED && sent - acknowledged.get() < IN_FLIGHT {
            let publish = Packet::Publish(Publish {
                dup: false,
                qos: QoS::AtLeastOnce,
                retain: false,
                topic,
                packet_id: Some(id),
                properties: Properties::EMPTY,
                payload: &[0; PAYLOAD],
            });
            writer.write_all(&bytes(&publish)?).await?;
            id = id.next();
            sent += 1;
        }
        writer.flush().await?;
        reader
            .read(|packet| {
                acknowledged
                    .set(acknowledged.get() + usize::from(matches!(packet, Packet::PubAck(_))))
            })
            .await?;
    }
    Ok(())
}

/// Receives and acknowledges until `count` messages are there or nothing has come for two seconds.
async fn collect(connection: Connection, count: usize) -> Outcome<usize> {
    let Connection {
        mut reader,
        mut writer,
        ..
    } = connection;
    let mut arrived = 0;
    let mut answer = Vec::new();
    while arrived < count {
        answer.clear();
        let read = reader.read(|packet| {
            if let Packet::Publish(Publish {
                packet_id: Some(packet_id),
                dup: false,
                ..
            }) = packet
            {
                arrived += 1;
                acknowledge(*packet_id, &mut answer);
            }
        });
        match tokio::time::timeout(Duration::from_secs(2), read).await {
            Ok(read) => read?,
            Err(_) => break,
        }
        writer.write_all(&answer).await?;
        writer.flush().await?;
    }
    Ok(arrived)
}
