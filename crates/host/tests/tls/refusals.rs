//! Handshakes that fail, on either side, and the words for it.

use rustls::version::{TLS12, TLS13};
use thingwire_device::future::{Either, join, select};
use thingwire_device::{
    Asked, Client, Config, Connector as _, Event, Failure, FailureKind, Memory, Version, Why,
};
use thingwire_host::{HostPlatform, KitConnector, TcpConnector};
use thingwire_kit::Kit;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::world::{Authority, Server, kit, server_config};

/// What is left of a [`Why`] when the client is gone.
struct Told {
    text: String,
    kind: Option<FailureKind>,
    closed_after_connect: bool,
}

/// Runs a client until its first attempt has failed, and tells why.
async fn first_failure(kit: &Kit, server: impl Future<Output = ()>) -> Told {
    let mut memory = Memory::<256, 256, 128, 0>::new();
    let config = Config::new(Version::V311, &kit.client_id);
    let client = Client::new(config, memory.lend()).unwrap();
    let mut connector = KitConnector::new(kit).unwrap();
    let mut found = None;
    let platform = HostPlatform::new();
    let run = client.run(&mut connector, &platform, |event| {
        if let Event::Failed { why, .. } = event {
            found = Some(Told {
                text: why.to_string(),
                kind: match why {
                    Why::Failure(failure) => Some(failure.kind),
                    _ => None,
                },
                closed_after_connect: matches!(
                    why,
                    Why::Closed {
                        asked: Asked::Connect,
                        set_aside: false
                    }
                ),
            });
            client.stop();
        }
    });
    let (ran, ()) = join(run, server).await;
    ran.unwrap();
    found.expect("the first attempt fails")
}

#[tokio::test]
async fn servers_that_are_not_trusted() {
    let (root, other, devices) = (
        Authority::new("Root"),
        Authority::new("Other"),
        Authority::new("Devices"),
    );
    for (identity, detail) in [
        (
            other.server("localhost", (2020, 2049)),
            "no root of the kit signed it",
        ),
        (root.server("localhost", (2010, 2011)), "it has expired"),
        (
            root.server("localhost", (2048, 2049)),
            "it is not valid yet",
        ),
        (
            root.server("example.com", (2020, 2049)),
            "it is for another name than the kit's endpoint",
        ),
    ] {
        let server = Server::start().await;
        let kit = kit(server.port, &[&root], &devices.device());
        let config = server_config(&identity, &devices, &[&TLS12, &TLS13]);
        let why = first_failure(&kit, async {
            // The device tells the server with an alert, as Device Advisor wants.
            let error = server.accept(config).await.unwrap_err();
            assert!(error.to_string().contains("alert"), "{error}");
        })
        .await;
        assert_eq!(why.kind, Some(FailureKind::ServerCertificate));
        assert!(why.text.contains(detail), "{}", why.text);
    }
}

#[tokio::test]
async fn a_device_certificate_that_the_server_refuses_a30() {
    let (root, devices, strangers) = (
        Authority::new("Root"),
        Authority::new("Devices"),
        Authority::new("Strangers"),
    );
    // With TLS 1.2 the handshake fails; with 1.3 it succeeds here and the first read brings the alert.
    for version in [&TLS12, &TLS13] {
        let server = Server::start().await;
        let kit = kit(server.port, &[&root], &strangers.device());
        let config = server_config(
            &root.server("localhost", (2020, 2049)),
            &devices,
            &[version],
        );
        let why = first_failure(&kit, async {
            server.accept(config).await.unwrap_err();
        })
        .await;
        assert_eq!(
            why.kind,
            Some(FailureKind::ClientCertificate),
            "{version:?}: {}",
            why.text
        );
        assert!(
            why.text.starts_with(
                "the server refused this device's certificate: is it registered and ACTIVE? (alert "
            ),
            "{}",
            why.text
        );
    }
}

#[tokio::test]
async fn a_server_that_closes_after_the_handshake_a30_b52() {
    let (root, devices) = (Authority::new("Root"), Authority::new("Devices"));
    for version in [&TLS12, &TLS13] {
        let server = Server::start().await;
        let kit = kit(server.port, &[&root], &devices.device());
        let config = server_config(
            &root.server("localhost", (2020, 2049)),
            &devices,
            &[version],
        );
        let why = first_failure(&kit, async {
            let mut stream = server.accept(config).await.unwrap();
            let mut connect = [0; 256];
            assert!(stream.read(&mut connect).await.unwrap() > 0);
            drop(stream);
        })
        .await;
        assert!(why.closed_after_connect, "{}", why.text);
        assert!(why.text.contains("registered and ACTIVE"), "{}", why.text);
    }
}

#[tokio::test]
async fn what_is_not_a_tls_server() {
    let (root, devices) = (Authority::new("Root"), Authority::new("Devices"));
    let server = Server::start().await;
    let kit = kit(server.port, &[&root], &devices.device());
    let why = first_failure(&kit, async {
        let mut stream = server.accept_tcp().await;
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        let mut rest = Vec::new();
        // However it goes away.
        let _ = stream.read_to_end(&mut rest).await;
    })
    .await;
    assert_eq!(why.kind, Some(FailureKind::Tls));
    assert!(why.text.contains("does not speak TLS"), "{}", why.text);
}

async fn failure(host: &str, port: u16) -> Failure {
    TcpConnector::new(host, port).connect().await.unwrap_err()
}

#[tokio::test]
async fn no_name_and_nobody_there() {
    let unresolved = failure("does-not-exist.invalid", 8883).await;
    assert_eq!(unresolved.kind, FailureKind::Dns);
    assert!(
        unresolved.to_string().contains("`does-not-exist.invalid`"),
        "{unresolved}"
    );

    // A port that was free a moment ago.
    let port = Server::start().await.port;
    let nobody = failure("127.0.0.1", port).await;
    assert_eq!(nobody.kind, FailureKind::Tcp);
    assert!(
        nobody.to_string().contains(&format!("`127.0.0.1:{port}`")),
        "{nobody}"
    );
}

#[tokio::test]
async fn a_connect_that_is_dropped_leaves_nothing_behind() {
    let (root, devices) = (Authority::new("Root"), Authority::new("Devices"));
    let server = Server::start().await;
    let kit = kit(server.port, &[&root], &devices.device());
    let mut connector = KitConnector::new(&kit).unwrap();
    {
        let silent = async {
            let mut stream = server.accept_tcp().await;
            let mut hello = [0; 1024];
            assert!(stream.read(&mut hello).await.unwrap() > 0);
            stream
        };
        let Either::First(mut stream) = select(silent, connector.connect()).await else {
            panic!("no handshake is possible here");
        };
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
    }
    let config = server_config(&root.server("localhost", (2020, 2049)), &devices, &[&TLS13]);
    let (accepted, connected) = join(server.accept(config), connector.connect()).await;
    accepted.unwrap();
    connected.unwrap();
}
