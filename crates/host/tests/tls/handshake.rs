//! Handshakes that succeed, and what they are made of.

use embedded_io_async::{Read as _, Write as _};
use rustls::server::Acceptor;
use rustls::version::{TLS12, TLS13};
use thingwire_device::Connector as _;
use thingwire_device::future::join;
use thingwire_host::KitConnector;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::LazyConfigAcceptor;

use crate::world::{Authority, Server, kit, server_config};

#[tokio::test]
async fn both_versions_and_a_summary_of_who_proved_what() {
    for (version, name, suite) in [
        (&TLS12, "TLS 1.2", "TLS_ECDHE_ECDSA_WITH_AES_"),
        (&TLS13, "TLS 1.3", "TLS_AES_"),
    ] {
        let (root, other, devices) = (
            Authority::new("Root A"),
            Authority::new("Root B"),
            Authority::new("Devices"),
        );
        let server = Server::start().await;
        let config = server_config(
            &root.server("localhost", (2020, 2049)),
            &devices,
            &[version],
        );
        let kit = kit(server.port, &[&other, &root], &devices.device());
        let mut connector = KitConnector::new(&kit).unwrap();
        let watch = connector.tls_summary();
        assert_eq!(watch.latest(), None);
        let talk = async {
            let mut stream = server.accept(config).await.unwrap();
            let mut bytes = [0; 5];
            stream.read_exact(&mut bytes).await.unwrap();
            stream.write_all(&bytes).await.unwrap();
            stream.flush().await.unwrap();
            // The device's close_notify.
            assert_eq!(stream.read(&mut bytes).await.unwrap(), 0);
        };
        let device = async {
            let mut transport = connector.connect().await.unwrap();
            transport.write_all(b"hello").await.unwrap();
            transport.flush().await.unwrap();
            let mut bytes = [0; 5];
            transport.read_exact(&mut bytes).await.unwrap();
            assert_eq!(&bytes, b"hello");
            KitConnector::close(transport).await;
        };
        join(talk, device).await;
        let summary = watch.latest().unwrap();
        assert_eq!(summary.version, name);
        assert!(
            summary.cipher_suite.starts_with(suite),
            "{}",
            summary.cipher_suite
        );
        assert_eq!(summary.root, "CN=Root A");
        assert_eq!(summary.server_name, "localhost");
        assert!(
            summary.server.subject.contains("CN=localhost"),
            "{}",
            summary.server.subject
        );
        assert_eq!(
            (
                summary.server.issuer.as_str(),
                summary.server.key_type.as_str()
            ),
            ("CN=Root A", "P-256")
        );
        assert_eq!(summary.server.names, ["localhost"]);
        assert!(summary.device.subject.contains("CN=esp32-demo"));
        assert_eq!(
            (summary.device.key_type.as_str(), summary.alpn),
            ("P-256", None)
        );
    }
}

#[tokio::test]
async fn the_hello_offers_awss_suites_only_and_names_the_endpoint_a12_a18_a6() {
    let (root, devices) = (Authority::new("Root"), Authority::new("Devices"));
    let server = Server::start().await;
    let kit = kit(server.port, &[&root], &devices.device());
    for (mut connector, alpn) in [
        (KitConnector::new(&kit).unwrap(), None),
        (
            KitConnector::with_alpn(&kit).unwrap(),
            Some("x-amzn-mqtt-ca"),
        ),
    ] {
        let hello = async {
            let stream = server.accept_tcp().await;
            let accepted = LazyConfigAcceptor::new(Acceptor::default(), stream)
                .await
                .unwrap();
            let hello = accepted.client_hello();
            let suites: Vec<_> = hello
                .cipher_suites()
                .iter()
                .map(|suite| format!("{suite:?}"))
                .collect();
            let protocols: Option<Vec<_>> = hello.alpn().map(|names| {
                names
                    .map(|name| String::from_utf8_lossy(name).into_owned())
                    .collect()
            });
            (suites, hello.server_name().map(str::to_owned), protocols)
        };
        let ((suites, name, protocols), failed) = join(hello, connector.connect()).await;
        assert!(failed.is_err(), "the server hung up");
        assert_eq!(
            suites,
            [
                "TLS13_AES_128_GCM_SHA256",
                "TLS13_AES_256_GCM_SHA384",
                "TLS13_CHACHA20_POLY1305_SHA256",
                "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
                "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
                "TLS_EMPTY_RENEGOTIATION_INFO_SCSV",
            ]
        );
        assert_eq!(name.as_deref(), Some("localhost"));
        assert_eq!(protocols, alpn.map(|name| vec![name.to_owned()]));
    }
}
