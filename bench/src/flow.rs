//! Throughput: publishers and subscribers with a closed loop between them.
//!
//! A publisher may have only so many messages under way that have not reached every subscriber, so that no
//! broker is measured while it drops. The payload begins with the publisher's number; its delivery gives that
//! publisher its credit back. QoS 1 publishers also wait for PUBACK.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use thingwire_mqtt::{Ack, Packet, PacketId, Properties, Publish, QoS, ReasonCode, Version};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, spawn_local};

use crate::Outcome;
use crate::broker::Broker;
use crate::connection::{Connection, bytes};
use crate::process;
use crate::report::Figures;

/// Application message: 4 bytes of publisher number, the rest nothing.
pub(crate) const PAYLOAD: usize = 128;
/// Messages a publisher may have under way.
const WINDOW: usize = 64;
/// Before measuring: connections settle, caches and windows fill.
const WARM_UP: Duration = Duration::from_millis(500);
/// After measuring: what is under way arrives.
const DRAIN: Duration = Duration::from_secs(2);

/// Who sends to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// This many publishers, one subscriber.
    FanIn(usize),
    /// One publisher, this many subscribers.
    FanOut(usize),
    /// This many publishers, each with a subscriber of its own.
    Pairs(usize),
}

/// A throughput scenario.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    /// Who sends to whom.
    pub(crate) shape: Shape,
    /// Of publishing and subscribing.
    pub(crate) qos: QoS,
    /// PUBLISH packets in one TLS record.
    pub(crate) per_write: usize,
    /// Subscribers have persistent sessions.
    pub(crate) persistent: bool,
}

/// What all tasks of a run share.
struct Shared {
    publishers: Vec<Publisher>,
    sent: Cell<u64>,
    delivered: Cell<u64>,
    stop: Cell<bool>,
    broken: Cell<bool>,
    /// How many deliveries one message makes.
    copies: usize,
}

struct Publisher {
    delivery: Semaphore,
    acknowledgement: Semaphore,
    deliveries: Cell<usize>,
}

impl Flow {
    /// Runs it and measures for `length`.
    pub(crate) async fn run(self, broker: &Broker, length: Duration) -> Outcome<Figures> {
        self.run_watched(broker, length, async |_| Ok(())).await
    }

    /// The same; `watch` is called with the broker's process, and waited for, before measuring begins.
    pub(crate) async fn run_watched(
        self,
        broker: &Broker,
        length: Duration,
        watch: impl AsyncFnOnce(u32) -> Outcome<()>,
    ) -> Outcome<Figures> {
        let (publishers, subscribers) = match self.shape {
            Shape::FanIn(count) => (count, 1),
            Shape::FanOut(count) => (1, count),
            Shape::Pairs(count) => (count, count),
        };
        // Each publisher has topics of its own.
        let topic = |publisher: usize| format!("bench/bench-pub-{publisher}/flow");
        let filter = |subscriber: usize| match self.shape {
            Shape::Pairs(_) => topic(subscriber),
            Shape::FanOut(_) => topic(0),
            Shape::FanIn(_) => "bench/+/flow".to_owned(),
        };
        let shared = Rc::new(Shared {
            publishers: (0..publishers).map(|_| Publisher::new()).collect(),
            sent: Cell::new(0),
            delivered: Cell::new(0),
            stop: Cell::new(false),
            broken: Cell::new(false),
            copies: if matches!(self.shape, Shape::FanOut(_)) {
                subscribers
            } else {
                1
            },
        });
        let mut tasks = Vec::new();
        for number in 0..subscribers {
            let mut connection = Connection::open(
                &broker.access,
                &format!("bench-sub-{number}"),
                !self.persistent,
            )
            .await?;
            connection.subscribe(&filter(number), self.qos).await?;
            tasks.push(task(&shared, subscribe(connection, Rc::clone(&shared))));
        }
        // All of them are there before the first one sends: a broker that is busy accepts nobody.
        let mut open = Vec::new();
        for number in 0..publishers {
            let name = format!("bench-pub-{number}");
            open.push(Connection::open(&broker.access, &name, true).await?);
        }
        for (number, connection) in open.into_iter().enumerate() {
            let Connection { reader, writer, .. } = connection;
            if self.qos != QoS::AtMostOnce {
                tasks.push(task(
                    &shared,
                    acknowledgements(reader, number, Rc::clone(&shared)),
                ));
            } else {
                tasks.push(task(&shared, async move {
                    // Keeps the receiving half alive: nothing is expected on it.
                    let mut reader = reader;
                    loop {
                        reader.read(|_| ()).await?;
                    }
                }));
            }
            tasks.push(task(
                &shared,
                publish(writer, topic(number), number, self, Rc::clone(&shared)),
            ));
        }

        tokio::time::sleep(WARM_UP).await;
        watch(broker.id).await?;
        let before = (
            shared.delivered.get(),
            process::cpu(broker.id)?,
            process::cpu(std::process::id())?,
        );
        let started = Instant::now();
        tokio::time::sleep(length).await;
        let seconds = started.elapsed().as_secs_f64();
        let deliveries = shared.delivered.get() - before.0;
        let broker_cpu = process::cpu(broker.id)? - before.1;
        let generator_cpu = process::cpu(std::process::id())? - before.2;

        shared.stop.set(true);
        let expected = || shared.sent.get() * shared.copies as u64;
        let drained = Instant::now();
        while shared.delivered.get() < expected() && drained.elapsed() < DRAIN {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let lost = expected().saturating_sub(shared.delivered.get());
        let broken = shared.broken.get();
        tasks.iter().for_each(JoinHandle::abort);
        if broken {
            return Err("a connection broke while measuring".into());
        }
        Ok(Figures::throughput(
            deliveries,
            seconds,
            broker_cpu,
            generator_cpu,
            lost,
        ))
    }
}

impl Publisher {
    fn new() -> Self {
        Self {
            delivery: Semaphore::new(WINDOW),
            acknowledgement: Semaphore::new(WINDOW),
            deliveries: Cell::new(0),
        }
    }

    /// Takes the credit for so many messages, if it is there now.
    fn may_send(&self, messages: u32, acknowledged: bool) -> bool {
        let Ok(delivery) = self.delivery.try_acquire_many(messages) else {
            return false;
        };
        if acknowledged {
            let Ok(acknowledgement) = self.acknowledgement.try_acquire_many(messages) else {
                return false;
            };
            acknowledgement.forget();
        }
        delivery.forget();
        true
    }
}

/// Runs a task until it is aborted or its connection breaks.
fn task(shared: &Rc<Shared>, work: impl Future<Output = Outcome<()>> + 'static) -> JoinHandle<()> {
    let shared = Rc::clone(shared);
    spawn_local(async move {
        if let Err(error) = work.await {
            eprintln!("a connection broke: {error}");
            shared.broken.set(true);
        }
    })
}

async fn publish(
    mut writer: impl tokio::io::AsyncWrite + Unpin,
    topic: String,
    number: usize,
    flow: Flow,
    shared: Rc<Shared>,
) -> Outcome<()> {
    let acknowledged = flow.qos != QoS::AtMostOnce;
    let mut payload = [0; PAYLOAD];
    payload[..4].copy_from_slice(&u32::try_from(number)?.to_be_bytes());
    let one = bytes(&Packet::Publish(Publish {
        dup: false,
        qos: flow.qos,
        retain: false,
        topic: &topic,
        packet_id: acknowledged.then_some(PacketId::FIRST),
        properties: Properties::EMPTY,
        payload: &payload,
    }))?;
    // The packet is encoded once; only its identifier changes, which stands before the payload.
    let identifier = one.len() - PAYLOAD - 2;
    let mut buffer = one.repeat(flow.per_write);
    let mut id = PacketId::FIRST;
    let ours = &shared.publishers[number];
    let permits = u32::try_from(flow.per_write)?;
    loop {
        ours.delivery.acquire_many(permits).await?.forget();
        if acknowledged {
            ours.acknowledgement.acquire_many(permits).await?.forget();
        }
        if shared.stop.get() {
            // Stay connected while the rest arrives.
            std::future::pending::<()>().await;
        }
        // All that the window allows leaves in one system call, each write in a record of its own.
        loop {
            if acknowledged {
                for packet in buffer.chunks_exact_mut(one.len()) {
                    packet[identifier..identifier + 2].copy_from_slice(&id.get().to_be_bytes());
                    id = id.next();
                }
            }
            shared.sent.set(shared.sent.get() + u64::from(permits));
            writer.write_all(&buffer).await?;
            // While this was written, credit may have come back: a window need not end by itself.
            if shared.stop.get() || !ours.may_send(permits, acknowledged) {
                break;
            }
        }
        writer.flush().await?;
    }
}

async fn acknowledgements(
    mut reader: crate::connection::Reader,
    number: usize,
    shared: Rc<Shared>,
) -> Outcome<()> {
    loop {
        let mut count = 0;
        reader
            .read(|packet| count += usize::from(matches!(packet, Packet::PubAck(_))))
            .await?;
        shared.publishers[number].acknowledgement.add_permits(count);
    }
}

async fn subscribe(connection: Connection, shared: Rc<Shared>) -> Outcome<()> {
    let Connection {
        mut reader,
        mut writer,
        ..
    } = connection;
    let mut answer = Vec::new();
    loop {
        answer.clear();
        reader
            .read(|packet| {
                let Packet::Publish(publish) = packet else {
                    return;
                };
                if let Some(packet_id) = publish.packet_id {
                    acknowledge(packet_id, &mut answer);
                }
                shared.delivered.set(shared.delivered.get() + 1);
                let number = publish
                    .payload
                    .first_chunk()
                    .map_or(0, |number| u32::from_be_bytes(*number))
                    as usize;
                if let Some(publisher) = shared.publishers.get(number) {
                    let deliveries = publisher.deliveries.get() + 1;
                    if deliveries == shared.copies {
                        publisher.delivery.add_permits(1);
                        publisher.deliveries.set(0);
                    } else {
                        publisher.deliveries.set(deliveries);
                    }
                }
            })
            .await?;
        if !answer.is_empty() {
            writer.write_all(&answer).await?;
            writer.flush().await?;
        }
    }
}

/// Appends a PUBACK.
pub(crate) fn acknowledge(packet_id: PacketId, answer: &mut Vec<u8>) {
    let packet = Packet::PubAck(Ack {
        packet_id,
        reason_code: ReasonCode::SUCCESS,
        properties: Properties::EMPTY,
    });
    let mut bytes = [0; 4];
    if packet.encode(Version::V311, &mut bytes).is_ok() {
        answer.extend_from_slice(&bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::AsyncWrite;

    use super::*;

    /// Whoever reads gives credit back while it is written to, and the run is over at the third write.
    struct Quick(Rc<Shared>, u32);

    impl AsyncWrite for Quick {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.1 += 1;
            self.0.publishers[0].delivery.add_permits(1);
            self.0.stop.set(self.1 >= 3);
            if self.1 > 10 {
                return Poll::Ready(Err(io::Error::other("it goes on")));
            }
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn nothing_is_sent_after_the_end_however_much_credit_there_is() {
        let shared = Rc::new(Shared {
            publishers: vec![Publisher::new()],
            sent: Cell::new(0),
            delivered: Cell::new(0),
            stop: Cell::new(false),
            broken: Cell::new(false),
            copies: 1,
        });
        let flow = Flow {
            shape: Shape::FanIn(1),
            qos: QoS::AtMostOnce,
            per_write: 1,
            persistent: false,
        };
        let writer = Quick(Rc::clone(&shared), 0);
        let publishing = publish(writer, "t".to_owned(), 0, flow, Rc::clone(&shared));
        tokio::select! {
            biased;
            outcome = publishing => panic!("it does not end by itself: {outcome:?}"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(shared.sent.get(), 3);
    }
}
