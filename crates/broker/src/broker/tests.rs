//! The handle with stores of every temper: one that answers at once from inside the call, one that answers
//! from another thread, one that fails.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use thingwire_mqtt::{Packet, QoS, ReasonCode, Version};
use thingwire_store::{Done, Row, Store, StoreError, Table, Write};

use super::Broker;
use crate::testing::{Client, connect, keeping, publish, subscribe};
use crate::{AllowAll, Config, Silent};

type Tables = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

#[derive(Default)]
struct TestStore {
    tables: Mutex<Tables>,
    failing: AtomicBool,
    batches: AtomicUsize,
    /// Answers from a thread of its own, after a while, if there is one.
    thread: Option<std::sync::mpsc::Sender<(Vec<Write>, Done)>>,
}

impl TestStore {
    fn apply(&self, batch: Vec<Write>) -> Result<(), StoreError> {
        self.batches.fetch_add(1, Ordering::Relaxed);
        if self.failing.load(Ordering::Relaxed) {
            return Err(StoreError::Io(Arc::new(
                std::io::ErrorKind::StorageFull.into(),
            )));
        }
        let mut tables = self.tables.lock().unwrap();
        for write in batch {
            match write {
                Write::Put { table, key, value } => drop(tables.insert((table, key), value)),
                Write::Delete { table, key } => drop(tables.remove(&(table, key))),
            }
        }
        Ok(())
    }

    /// A store that answers from another thread.
    fn threaded() -> Arc<Self> {
        let (sender, receiver) = std::sync::mpsc::channel::<(Vec<Write>, Done)>();
        let store = Arc::new(Self {
            thread: Some(sender),
            ..Self::default()
        });
        let behind = Arc::downgrade(&store);
        std::thread::spawn(move || {
            while let Ok((batch, done)) = receiver.recv() {
                let Some(store) = behind.upgrade() else {
                    return;
                };
                done(store.apply(batch));
            }
        });
        store
    }
}

impl Store for TestStore {
    fn submit(&self, batch: Vec<Write>, done: Done) {
        match &self.thread {
            Some(thread) => thread.send((batch, done)).unwrap(),
            None => done(self.apply(batch)),
        }
    }

    fn scan(&self, table: Table, prefix: &[u8]) -> Result<Vec<Row>, StoreError> {
        let tables = self.tables.lock().unwrap();
        let rows = tables
            .iter()
            .filter(|((of, key), _)| *of == table && key.starts_with(prefix));
        Ok(rows
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect())
    }
}

fn start(store: &Arc<TestStore>) -> Broker {
    Broker::start(
        Config::default(),
        Some(store.clone()),
        Arc::new(AllowAll),
        Arc::new(Silent),
    )
    .expect("readable")
}

async fn persistent(broker: &Broker, version: Version, expected_present: bool) -> Client {
    let mut client = Client::open(broker, version, 1 << 20);
    client.send(&[keeping(version, "device")]).await;
    client
        .expect(|packet| {
            let Packet::ConnAck(ack) = packet else {
                panic!("{packet:?}")
            };
            assert_eq!(ack.reason_code, ReasonCode::SUCCESS);
            assert_eq!(ack.session_present, expected_present);
        })
        .await;
    client
}

/// A session, a message for it while it is away, a restart, the message.
async fn round(store: Arc<TestStore>) {
    for version in [Version::V311, Version::V5] {
        let broker = start(&store);
        let mut device = persistent(&broker, version, false).await;
        subscribe(&mut device, "a", QoS::AtLeastOnce).await;
        drop(device);
        let mut publisher = Client::connect(&broker, version, "publisher").await;
        for n in 0..50_u16 {
            publisher
                .send(&[publish("a", &n.to_be_bytes(), Some(n + 1))])
                .await;
            publisher
                .expect(|packet| {
                    let Packet::PubAck(ack) = packet else {
                        panic!("{packet:?}")
                    };
                    assert_eq!((ack.packet_id.get(), ack.reason_code.0), (n + 1, 0));
                })
                .await;
        }
        broker.shutdown().await;
        drop(broker);

        let broker = start(&store);
        let mut device = persistent(&broker, version, true).await;
        for n in 0..50_u16 {
            device
                .expect(|packet| {
                    let Packet::Publish(publish) = packet else {
                        panic!("{packet:?}")
                    };
                    assert_eq!(publish.payload, n.to_be_bytes());
                })
                .await;
        }
        // A clean session ends it for the next round.
        Client::connect(&broker, version, "device").await;
        broker.shutdown().await;
        assert!(store.tables.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_store_that_answers_inside_the_call_does_not_lock_the_broker() {
    round(Arc::new(TestStore::default())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_answers_from_its_own_thread_loses_no_answer() {
    round(TestStore::threaded()).await;
}

#[tokio::test]
async fn a_store_that_fails_is_never_answered_for_and_recovers() {
    let store = Arc::new(TestStore::default());
    let broker = start(&store);
    let mut device = persistent(&broker, Version::V5, false).await;
    subscribe(&mut device, "a", QoS::AtLeastOnce).await;
    drop(device);
    let mut publisher = Client::connect(&broker, Version::V5, "publisher").await;
    for (failing, code) in [(true, 0x80), (false, 0)] {
        store.failing.store(failing, Ordering::Relaxed);
        publisher.send(&[publish("a", b"x", Some(1))]).await;
        publisher
            .expect(|packet| {
                assert!(matches!(packet, Packet::PubAck(ack) if ack.reason_code.0 == code));
            })
            .await;
    }
    assert_eq!(broker.statistics().failed_batches, 1);
}

#[tokio::test(start_paused = true)]
async fn timers_run_by_themselves_and_end_with_the_broker() {
    let store = Arc::new(TestStore::default());
    let broker = start(&store);
    let mut device = Client::open(&broker, Version::V311, 1024);
    let Packet::Connect(plain) = connect(Version::V311, "device") else {
        unreachable!()
    };
    device
        .send(&[Packet::Connect(thingwire_mqtt::Connect {
            keep_alive: 30,
            ..plain
        })])
        .await;
    device
        .expect(|packet| assert!(matches!(packet, Packet::ConnAck(_))))
        .await;
    let began = tokio::time::Instant::now();
    device.rest().await;
    assert_eq!(began.elapsed().as_secs(), 45);
    let weak = Arc::downgrade(&broker.shared);
    drop(broker);
    drop(device);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(weak.upgrade().is_none());
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_is_stored_within_a_second() {
    let store = Arc::new(TestStore::default());
    let broker = start(&store);
    broker.publish("a", b"x", QoS::AtMostOnce, true);
    assert_eq!(store.batches.load(Ordering::Relaxed), 0);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(store.tables.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_damaged_store_is_an_error_at_the_start() {
    let store = Arc::new(TestStore::default());
    store
        .tables
        .lock()
        .unwrap()
        .insert((crate::core::SESSIONS, vec![1]), vec![1]);
    let error = Broker::start(
        Config::default(),
        Some(store),
        Arc::new(AllowAll),
        Arc::new(Silent),
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the data file is damaged: row cut short in table `broker.sessions`"
    );
}
