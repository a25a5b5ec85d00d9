//! Our device with three brokers over mutual TLS, in both versions: a session that outlives its connections, and a second
//! device with the same client id.
//!
//! mosquitto and rumqttd are not ours, and our cloud is judged by the same story.

use std::cell::RefCell;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use thingwire_conformance::{Cloud, Mosquitto, MosquittoSettings, Rumqttd, finish, on_path};
use thingwire_device::future::{Either, select};
use thingwire_device::{Client, Config, Event, Memory, Outgoing, QoS, SubscribeFilter, Version};
use thingwire_host::{HostPlatform, KitConnector};
use thingwire_kit::{Existing, Kit, KitFiles, Manifest, PrivateKeyPem};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;

use crate::{SEED_POLICY, STEP, operator};

/// A few connections with waits of a second or two between them.
const WHOLE_STORY: Duration = Duration::from_secs(120);

/// The device's name and client id.
const NAME: &str = "esp32-resume";

/// What happened to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    Connected { present: bool },
    Subscribed,
    Disconnected(String),
    Message(Vec<u8>),
}

#[derive(Default)]
struct Diary {
    lines: RefCell<Vec<Line>>,
    changed: Notify,
}

impl Diary {
    fn note(&self, event: &Event<'_>) {
        let line = match event {
            Event::Connected { negotiated, .. } => Line::Connected {
                present: negotiated.session_present,
            },
            Event::Subscribed { .. } => Line::Subscribed,
            Event::Disconnected { why, .. } => Line::Disconnected(why.to_string()),
            Event::Message(message) => Line::Message(message.payload.to_vec()),
            _ => return,
        };
        self.lines.borrow_mut().push(line);
        self.changed.notify_one();
    }

    fn count(&self, wanted: impl Fn(&Line) -> bool) -> usize {
        self.lines
            .borrow()
            .iter()
            .filter(|line| wanted(line))
            .count()
    }

    /// Waits until there are so many such lines.
    async fn until(&self, count: usize, wanted: impl Fn(&Line) -> bool) {
        while self.count(&wanted) < count {
            self.changed.notified().await;
        }
    }
}

/// Publishes to `esp32/sub` with QoS 1, with a program that is not ours.
type Sender = Arc<dyn Fn(&str) + Send + Sync>;

async fn say(sender: &Sender, message: &'static str) {
    let sender = Arc::clone(sender);
    spawn_blocking(move || sender(message))
        .await
        .expect("it was sent");
}

fn is_connected(line: &Line) -> bool {
    matches!(line, Line::Connected { .. })
}

fn is_message(payload: &[u8]) -> impl Fn(&Line) -> bool {
    move |line| *line == Line::Message(payload.to_vec())
}

async fn story(kit: &Kit, version: Version, sender: Sender) -> Vec<Line> {
    let mut connector = KitConnector::new(kit).expect("a connector");
    let platform = HostPlatform::new();
    let filters = [SubscribeFilter::new("esp32/sub", QoS::AtLeastOnce)];
    let config = Config::new(version, NAME).subscriptions(&filters);
    let mut memory = Memory::<1024, 2048, 1024, 0>::new();
    let client = Client::new(config, memory.lend()).expect("a client");
    let diary = Diary::default();

    // The first connection ends without a goodbye.
    let first = diary.until(1, |line| *line == Line::Subscribed);
    let run = client.run(&mut connector, &platform, |event| diary.note(&event));
    assert!(matches!(select(run, first).await, Either::Second(())));

    // Meanwhile both sides have something to say.
    say(&sender, "stored").await;
    let kept = Outgoing::new("esp32/pub", b"kept", QoS::AtLeastOnce);
    client
        .try_publish(kept)
        .expect("accepted without a connection");

    let rest = async {
        diary.until(2, is_connected).await;
        diary.until(1, is_message(b"stored")).await;
        client.idle().await;
        assert_eq!(
            diary.count(|line| *line == Line::Connected { present: true }),
            1,
            "the session lived on"
        );

        // A second device with the same client id takes the session over, and goes.
        let mut memory = Memory::<1024, 2048, 1024, 0>::new();
        let twin = Client::new(config, memory.lend()).expect("a client");
        let twin_diary = Diary::default();
        let mut twin_connector = KitConnector::new(kit).expect("a connector");
        let arrives = twin_diary.until(1, is_connected);
        let run = twin.run(&mut twin_connector, &platform, |event| {
            twin_diary.note(&event);
        });
        assert!(matches!(select(run, arrives).await, Either::Second(())));
        diary
            .until(1, |line| matches!(line, Line::Disconnected(_)))
            .await;

        // The first one comes back by itself, to the same session.
        diary.until(3, is_connected).await;
        say(&sender, "after").await;
        diary.until(1, is_message(b"after")).await;
        client.stop();
    };
    let run = client.run(&mut connector, &platform, |event| diary.note(&event));
    let (ran, ()) = thingwire_device::future::join(run, rest).await;
    ran.expect("only one run");

    let lines = diary.lines.into_inner();
    let present = |wanted| {
        lines
            .iter()
            .filter(|line| **line == Line::Connected { present: wanted })
            .count()
    };
    assert_eq!((present(false), present(true)), (1, 2), "{lines:?}");
    assert_eq!(
        lines
            .iter()
            .filter(|line| **line == Line::Subscribed)
            .count(),
        1,
        "no SUBSCRIBE to a session that lives: {lines:?}"
    );
    lines
}

fn tell(kit: &Kit, version: Version, sender: Sender) -> Vec<Line> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(async {
            tokio::time::timeout(WHOLE_STORY, story(kit, version, sender))
                .await
                .expect("the story ends in time")
        })
}

/// A kit for a broker that is not ours.
fn foreign_kit(folder: &Path, port: u16, authority: &thingwire_conformance::Authority) -> Kit {
    let identity = authority.client(NAME);
    let files = KitFiles {
        manifest: Manifest::new("localhost", port, NAME, "us-east-1", "123456789012"),
        root_ca_pem: authority.pem().to_owned(),
        certificate_pem: identity.certificate,
        private_key_pem: PrivateKeyPem::new(identity.key),
    };
    files.write(folder, Existing::Keep).expect("a kit");
    Kit::load(folder).expect("a kit")
}

/// mosquitto_pub without TLS: who sends is not what is judged here.
fn plain_sender(port: u16) -> Sender {
    Arc::new(move |message| {
        let mut command = Command::new("mosquitto_pub");
        command.args(["-p", &port.to_string(), "-q", "1", "-t", "esp32/sub"]);
        let _ = finish(command.args(["-m", message]), STEP).success();
    })
}

fn with_mosquitto(version: Version) {
    if on_path("mosquitto_pub", "mosquitto-clients").is_none() {
        return;
    }
    let Some(mosquitto) = Mosquitto::start(MosquittoSettings::default()) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let kit = foreign_kit(folder.path(), mosquitto.tls_port, mosquitto.authority());
    // Version 2.0.11 closes the older connection without a DISCONNECT in MQTT 5 too.
    let _ = tell(&kit, version, plain_sender(mosquitto.port));
}

fn with_rumqttd(version: Version) {
    if on_path("mosquitto_pub", "mosquitto-clients").is_none() {
        return;
    }
    let Some(rumqttd) = Rumqttd::start(version == Version::V5) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let kit = foreign_kit(folder.path(), rumqttd.tls_port, rumqttd.authority());
    // It too closes the older connection without a DISCONNECT in MQTT 5.
    let _ = tell(&kit, version, plain_sender(rumqttd.port));
}

fn with_our_cloud(version: Version, name: &'static str) {
    if on_path("mosquitto_pub", "mosquitto-clients").is_none() {
        return;
    }
    let cloud = Cloud::start();
    let kit = Kit::load(cloud.thing(NAME, SEED_POLICY)).expect("a kit");
    let ready = cloud.ready.clone();
    let sender: Sender =
        Arc::new(move |message| operator::send(&ready, name, "esp32/sub", message));
    let lines = tell(&kit, version, sender);
    if version == Version::V5 {
        // B-14
        let told = |line: &Line| matches!(line, Line::Disconnected(why) if why.contains("0x8e"));
        assert!(lines.iter().any(told), "session taken over: {lines:?}");
    }
}

#[test]
fn a_session_resumed_and_taken_over_at_mosquitto_in_3_1_1() {
    with_mosquitto(Version::V311);
}

#[test]
fn a_session_resumed_and_taken_over_at_mosquitto_in_5() {
    with_mosquitto(Version::V5);
}

#[test]
fn a_session_resumed_and_taken_over_at_rumqttd_in_3_1_1() {
    with_rumqttd(Version::V311);
}

#[test]
fn a_session_resumed_and_taken_over_at_rumqttd_in_5() {
    with_rumqttd(Version::V5);
}

#[test]
fn a_session_resumed_and_taken_over_at_our_cloud_in_3_1_1() {
    with_our_cloud(Version::V311, "mqttv311");
}

#[test]
fn a_session_resumed_and_taken_over_at_our_cloud_in_5() {
    with_our_cloud(Version::V5, "mqttv5");
}
