//! Our device library with a broker that is not ours: mosquitto, over mutual TLS and plain TCP, in both
//! protocol versions, and across a crash of the broker.

use std::time::Duration;

use thingwire_conformance::{
    Mosquitto, MosquittoSettings, Program, on_path, publish_plain, subscribe_plain,
};
use thingwire_device::{Client, Config, Connector, Event, Memory, QoS, SubscribeFilter, Version};
use thingwire_host::{HostPlatform, KitConnector, TcpConnector};
use thingwire_kit::{Existing, Kit, KitFiles, Manifest, PrivateKeyPem};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::STEP;

/// Two connections, a backoff of some seconds between them, and mosquitto's own start.
const WHOLE_STORY: Duration = Duration::from_secs(120);

/// Who sends is not what is judged here.
fn send(port: u16, message: &str) {
    publish_plain(port, 1, message, STEP);
}

fn listen(port: u16) -> Program {
    subscribe_plain(port, 1, 1, STEP)
}

/// Receives, publishes, loses the broker, finds it again and receives again.
async fn story<C: Connector>(connector: &mut C, version: Version, mut mosquitto: Mosquitto) {
    let mut memory = Memory::<1024, 2048, 1024, 2048>::new();
    let filters = [SubscribeFilter::new("esp32/sub", QoS::AtLeastOnce)];
    let config = Config::new(version, "esp32-abroad").subscriptions(&filters);
    let client = Client::new(config, memory.lend()).expect("a client");
    let platform = HostPlatform::new();

    // How often a subscription was acknowledged.
    let (count, mut subscribed) = watch::channel(0);
    let run = client.run(connector, &platform, |event| {
        if let Event::Subscribed { reason_codes } = event {
            assert_eq!(reason_codes, [1]);
            count.send_modify(|count| *count += 1);
        }
    });

    let port = mosquitto.port;
    let told = async {
        let mut buffer = [0; 1024];
        subscribed
            .wait_for(|count| *count == 1)
            .await
            .expect("the client runs");
        spawn_blocking(move || send(port, "first"))
            .await
            .expect("no panic");
        let message = client.next(&mut buffer).await.expect("a message");
        assert_eq!(
            (message.topic, message.payload),
            ("esp32/sub", b"first".as_slice())
        );

        let mut listener = spawn_blocking(move || listen(port))
            .await
            .expect("no panic");
        client
            .publish("esp32/pub", "from the device", QoS::AtLeastOnce)
            .await
            .expect("acknowledged");
        let seen =
            spawn_blocking(move || listener.wait_for_line("esp32/pub from the device", STEP));
        seen.await.expect("no panic");

        // mosquitto dies and forgets the session; the client comes back by itself and subscribes anew.
        let _lives_on = spawn_blocking(move || {
            mosquitto.stop();
            mosquitto.start_again();
            mosquitto
        })
        .await
        .expect("no panic");
        // Accepted while nobody listens, delivered when somebody does.
        client
            .publish("esp32/pub", "kept meanwhile", QoS::AtLeastOnce)
            .await
            .expect("acknowledged");
        subscribed
            .wait_for(|count| *count == 2)
            .await
            .expect("the client runs");
        spawn_blocking(move || send(port, "second"))
            .await
            .expect("no panic");
        let message = client.next(&mut buffer).await.expect("a message");
        assert_eq!(message.payload, b"second");
        assert!(client.statistics().connects >= 2);
        client.stop();
    };
    let both = async { tokio::join!(run, told) };
    let (ran, ()) = tokio::time::timeout(WHOLE_STORY, both)
        .await
        .expect("the story ends in time");
    ran.expect("only one run");
}

fn mosquitto() -> Option<Mosquitto> {
    on_path("mosquitto_sub", "mosquitto-clients")?;
    Mosquitto::start(MosquittoSettings::default())
}

fn block_on(story: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(story);
}

fn over_tcp(version: Version) {
    let Some(mosquitto) = mosquitto() else { return };
    let mut connector = TcpConnector::new("127.0.0.1", mosquitto.port);
    block_on(story(&mut connector, version, mosquitto));
}

fn over_tls(version: Version) {
    let Some(mosquitto) = mosquitto() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let identity = mosquitto.authority().client("esp32-abroad");
    let files = KitFiles {
        manifest: Manifest::new(
            "localhost",
            mosquitto.tls_port,
            "esp32-abroad",
            "us-east-1",
            "123456789012",
        ),
        root_ca_pem: mosquitto.authority().pem().to_owned(),
        certificate_pem: identity.certificate,
        private_key_pem: PrivateKeyPem::new(identity.key),
    };
    files.write(folder.path(), Existing::Keep).expect("a kit");
    let mut connector =
        KitConnector::new(&Kit::load(folder.path()).expect("a kit")).expect("a connector");
    let tls = connector.tls_summary();
    block_on(story(&mut connector, version, mosquitto));
    let summary = tls.latest().expect("a handshake");
    assert!(summary.root.contains("conformance root"), "{summary:?}");
}

#[test]
fn our_device_with_mosquitto_over_plain_tcp_in_3_1_1() {
    over_tcp(Version::V311);
}

#[test]
fn our_device_with_mosquitto_over_plain_tcp_in_5() {
    over_tcp(Version::V5);
}

#[test]
fn our_device_with_mosquitto_over_mutual_tls_in_3_1_1() {
    over_tls(Version::V311);
}

#[test]
fn our_device_with_mosquitto_over_mutual_tls_in_5() {
    over_tls(Version::V5);
}
