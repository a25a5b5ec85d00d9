//! Quality of service 2 (feature `qos2`) with a broker that is not ours: mosquitto, in both protocol versions, while the connection
//! is lost in the middle of every step of the exchange. Each message arrives once.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use thingwire_conformance::{
    Mosquitto, MosquittoSettings, Program, on_path, publish_plain, subscribe_plain, wait_until,
};
use thingwire_device::{
    Backoff, Client, Config, Event, Limits, Memory, PacketType, QoS, SubscribeFilter, Version,
};
use thingwire_host::{HostPlatform, TcpConnector};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

/// Any single step of a foreign program; generous, because two cores run many tests at once.
const STEP: Duration = Duration::from_secs(60);

/// Seven connections, a second and more between them.
const WHOLE_STORY: Duration = Duration::from_secs(120);

/// Whose packet is the last that a connection sees, and does not deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Devices(PacketType),
    Brokers(PacketType),
}

/// What still goes wrong, first to last.
#[derive(Clone, Default)]
struct Plan(Arc<Mutex<Vec<Cut>>>);

impl Plan {
    fn set(&self, cuts: &[Cut]) {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(left.is_empty(), "did not happen: {left:?}");
        *left = cuts.to_vec();
    }

    fn is_over(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }

    /// Whether this packet is the one.
    fn takes(&self, packet: Cut) -> bool {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_next = left.first() == Some(&packet);
        if is_next {
            left.remove(0);
        }
        is_next
    }
}

/// Listens on a free port and passes packets on to `target`, until the plan takes one: then it closes both sides.
fn between(target: u16, plan: &Plan) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let plan = plan.clone();
    thread::spawn(move || {
        for device in listener.incoming().flatten() {
            let Ok(broker) = TcpStream::connect(("127.0.0.1", target)) else {
                continue;
            };
            let kinds: [fn(PacketType) -> Cut; 2] = [Cut::Devices, Cut::Brokers];
            for ((from, to), kind) in [(&device, &broker), (&broker, &device)]
                .into_iter()
                .zip(kinds)
            {
                let (Ok(from), Ok(to), plan) = (from.try_clone(), to.try_clone(), plan.clone())
                else {
                    return;
                };
                thread::spawn(move || {
                    pass(&from, &to, &plan, kind);
                    for side in [from, to] {
                        drop(side.shutdown(Shutdown::Both));
                    }
                });
            }
        }
    });
    port
}

/// Packet by packet.
fn pass(mut from: &TcpStream, mut to: &TcpStream, plan: &Plan, kind: fn(PacketType) -> Cut) {
    let (mut waiting, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match from.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(count) => waiting.extend_from_slice(&buffer[..count]),
        }
        while let Ok(Some((frame, len))) = thingwire_mqtt::split(&waiting, usize::MAX) {
            if plan.takes(kind(frame.header.packet_type)) || to.write_all(&waiting[..len]).is_err()
            {
                return;
            }
            waiting.drain(..len);
        }
    }
}

/// Who sends is not what is judged here.
fn send(port: u16, message: &str) {
    publish_plain(port, 2, message, STEP);
}

fn listen(port: u16) -> Program {
    subscribe_plain(port, 2, 2, STEP)
}

async fn story(version: Version, mosquitto: &Mosquitto) {
    let plan = Plan::default();
    let port = mosquitto.port;
    let mut connector = TcpConnector::new("127.0.0.1", between(port, &plan));
    let mut memory = Memory::<1024, 2048, 1024, 2048>::new();
    let filters = [SubscribeFilter::new("esp32/sub", QoS::ExactlyOnce)];
    let mut config = Config::new(version, "esp32-abroad")
        .limits(Limits::MQTT)
        .subscriptions(&filters);
    config.backoff = Backoff {
        base: 100,
        cap: 1_000,
        stable_after: 0,
    };
    let client = Client::new(config, memory.lend()).expect("a client");
    let (told, mut subscribed) = watch::channel(false);
    let platform = HostPlatform::new();
    let run = client.run(&mut connector, &platform, |event| match event {
        Event::Subscribed { reason_codes } => {
            assert_eq!(reason_codes, [2]);
            told.send_replace(true);
        }
        Event::Connected { negotiated, .. } => {
            // The first one apart, each goes on with the session.
            let is_first = !*told.borrow();
            assert!(is_first || negotiated.session_present);
        }
        _ => {}
    });
    let application = async {
        subscribed
            .wait_for(|told| *told)
            .await
            .expect("the client runs");

        // From the device.
        let mut listener = spawn_blocking(move || listen(port))
            .await
            .expect("no panic");
        plan.set(&[
            Cut::Brokers(PacketType::PubRec),
            Cut::Devices(PacketType::PubRel),
            Cut::Brokers(PacketType::PubComp),
        ]);
        for message in ["through trouble", "the end"] {
            let sent = client.publish("esp32/pub", message, QoS::ExactlyOnce);
            sent.await.expect("it is complete");
            plan.set(&[]);
        }
        let heard = spawn_blocking(move || {
            listener.wait_for_line("esp32/pub the end", STEP);
            listener.log()
        });
        let heard = heard.await.expect("no panic");
        let heard: Vec<_> = heard
            .lines()
            .filter(|line| line.starts_with("esp32/pub"))
            .collect();
        assert_eq!(heard, ["esp32/pub through trouble", "esp32/pub the end"]);

        // To the device.
        plan.set(&[
            Cut::Devices(PacketType::PubRec),
            Cut::Brokers(PacketType::PubRel),
            Cut::Devices(PacketType::PubComp),
        ]);
        let mut buffer = [0; 1024];
        let mut next = async || {
            let message = client.next(&mut buffer).await.expect("a message");
            assert_eq!(
                (message.topic, message.qos),
                ("esp32/sub", QoS::ExactlyOnce)
            );
            message.payload.to_vec()
        };
        spawn_blocking(move || send(port, "through trouble"))
            .await
            .expect("no panic");
        assert_eq!(next().await, b"through trouble");
        // With the next call the application is done with it, and the exchange goes on.
        let trouble = plan.clone();
        let second = spawn_blocking(move || {
            assert!(wait_until(STEP, || trouble.is_over()), "not all was cut");
            send(port, "the end");
        });
        let (received, sent) = tokio::join!(next(), second);
        sent.expect("no panic");
        assert_eq!(received, b"the end");
        client.stop();
    };
    let both = async { tokio::join!(run, application) };
    let (ran, ()) = tokio::time::timeout(WHOLE_STORY, both)
        .await
        .expect("the story ends in time");
    ran.expect("only one run");
    plan.set(&[]);
    assert!(
        client.statistics().connects >= 7,
        "{:?}",
        client.statistics()
    );
}

fn with_mosquitto(version: Version) {
    if on_path("mosquitto_sub", "mosquitto-clients").is_none() {
        return;
    }
    let Some(mosquitto) = Mosquitto::start(MosquittoSettings::default()) else {
        return;
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(story(version, &mosquitto));
}

#[test]
fn each_message_arrives_once_with_mosquitto_in_3_1_1() {
    with_mosquitto(Version::V311);
}

#[test]
fn each_message_arrives_once_with_mosquitto_in_5() {
    with_mosquitto(Version::V5);
}
