//! Starting, stopping, starting again, and everything that can be in the way.

mod common;

use std::net::TcpListener;

use common::{CONNACK, Client, NOTHING, TestCloud, connect_packet, request};
use rcgen::KeyPair;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use thingwire_cloud::{Cloud, Config, StartError};
use thingwire_kit::Kit;
use thingwire_store::{Format, RedbStore, Store, Write};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

#[tokio::test]
async fn what_was_made_is_there_after_a_restart() {
    let cloud = TestCloud::start().await;
    let device = cloud.device(&KeyPair::generate().unwrap()).await;
    cloud.call("POST", "/things/lamp", &json!({})).await;
    let endpoint = cloud
        .call("GET", "/endpoint?endpointType=iot:Data-ATS", &Value::Null)
        .await;
    assert_eq!(endpoint, json!({ "endpointAddress": "localhost" }), "A-2");
    let roots = std::fs::read(&cloud.running.ready().ca_file).unwrap();

    let cloud = cloud.restart().await;
    assert_eq!(
        std::fs::read(&cloud.running.ready().ca_file).unwrap(),
        roots,
        "kits stay valid"
    );
    assert_eq!(
        cloud.call("GET", "/things/lamp", &Value::Null).await["thingName"],
        "lamp"
    );
    assert_eq!(
        Client::new(&cloud, Some(&device)).connect("a").await.0,
        CONNACK
    );
}

#[tokio::test]
async fn the_ready_file_says_where_everything_is_and_goes_at_the_end() {
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("ready");
    let cloud = TestCloud::start_with(|config| config.ready_file = Some(file.clone())).await;
    let read = |path| serde_json::from_slice::<Value>(&std::fs::read(path).unwrap()).unwrap();
    let ready = read(&file);
    let inside = cloud.folder.path().join("data/ready.json");
    assert_eq!(read(&inside), ready);
    for (member, expected) in [
        ("endpoint", json!("localhost")),
        ("region", json!("us-east-1")),
        ("account_id", json!("123456789012")),
        ("https_port", json!(cloud.running.ready().https_port)),
        ("console_url", Value::Null),
        ("mqtt_port", json!(cloud.running.ready().mqtt_port)),
    ] {
        assert_eq!(ready[member], expected, "{member}");
    }
    let pem = std::fs::read_to_string(ready["ca_file"].as_str().unwrap()).unwrap();
    assert_eq!(pem.matches("BEGIN CERTIFICATE").count(), 2, "both roots");
    cloud.running.shutdown().await;
    assert!(!inside.exists());
}

/// Subscribe and publish as the operator, with nothing but its kit.
#[tokio::test]
async fn the_operator_s_kit_sees_what_devices_publish() {
    let cloud = TestCloud::start().await;
    let kit = Kit::load(&cloud.running.ready().operator_kit).unwrap();
    assert!(kit.client_id.starts_with("operator-"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &str| {
            std::fs::metadata(cloud.folder.path().join(path))
                .unwrap()
                .permissions()
                .mode()
                & 0o777
        };
        assert_eq!(mode("data"), 0o700);
        assert_eq!(mode("data/thingwire.redb"), 0o600);
        assert_eq!(mode("data/operator-kit/private.key"), 0o600);
    }
    let identity = common::Identity {
        id: String::new(),
        chain: kit.certificate.clone(),
        key: kit.private_key.to_der(),
    };
    let operator = Client::new(&cloud, Some(&identity));
    let (answer, stream) = operator.connect(&kit.client_id).await;
    assert_eq!(answer, CONNACK);
    let mut stream = stream.unwrap();
    // SUBSCRIBE 1 to `#`, QoS 0.
    stream
        .write_all(&[0x82, 6, 0, 1, 0, 1, b'#', 0])
        .await
        .unwrap();
    let mut suback = [0; 5];
    stream.read_exact(&mut suback).await.unwrap();
    assert_eq!(suback, [0x90, 3, 0, 1, 0]);

    let device = cloud.device(&KeyPair::generate().unwrap()).await;
    let (_, sender) = Client::new(&cloud, Some(&device)).connect("lamp").await;
    let publish = [&[0x30, 7, 0, 3], &b"a/bhi"[..]].concat();
    sender.unwrap().write_all(&publish).await.unwrap();
    let mut seen = vec![0; publish.len()];
    stream.read_exact(&mut seen).await.unwrap();
    assert_eq!(seen, publish);

    assert_eq!(
        operator.connect("somebody-else").await.0,
        NOTHING,
        "its client ids begin with operator-"
    );
}

/// The kit's port is the port, whatever it was before; the operator stays the same one.
#[tokio::test]
async fn the_operator_s_kit_follows_the_ports() {
    let cloud = TestCloud::start().await;
    let before = Kit::load(&cloud.running.ready().operator_kit).unwrap();
    let cloud = cloud.restart().await;
    let after = Kit::load(&cloud.running.ready().operator_kit).unwrap();
    assert_eq!(after.mqtt_port, cloud.running.ready().mqtt_port);
    assert_eq!(after.certificate, before.certificate);
    let certificates = cloud.call("GET", "/certificates", &Value::Null).await;
    assert_eq!(certificates["certificates"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_revoked_operator_gets_another_certificate() {
    let cloud = TestCloud::start().await;
    let before = Kit::load(&cloud.running.ready().operator_kit).unwrap();
    cloud
        .set_status(
            &thingwire_cloud::pki::certificate_id(&before.certificate[0]),
            "REVOKED",
        )
        .await;
    let cloud = cloud.restart().await;
    let after = Kit::load(&cloud.running.ready().operator_kit).unwrap();
    assert_ne!(after.certificate, before.certificate);
    let identity = common::Identity {
        id: String::new(),
        chain: after.certificate,
        key: after.private_key.to_der(),
    };
    assert_eq!(
        Client::new(&cloud, Some(&identity))
            .connect("operator-1")
            .await
            .0,
        CONNACK
    );
}

#[tokio::test]
async fn http_and_https_share_the_api_port() {
    let cloud = TestCloud::start().await;
    let config = Client::new(&cloud, None).config();
    let stream = TcpStream::connect(("127.0.0.1", cloud.api_port()))
        .await
        .unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(std::sync::Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap();
    let (status, body) = request(stream, "GET", "/endpoint", "localhost", &Value::Null).await;
    assert_eq!(
        (status, body.as_str()),
        (200, r#"{"endpointAddress":"localhost"}"#)
    );
    assert_eq!(cloud.api("GET", "/endpoint", &Value::Null).await.0, 200);
}

#[tokio::test]
async fn the_api_refuses_rebound_names() {
    let cloud = TestCloud::start().await;
    let stream = TcpStream::connect(("127.0.0.1", cloud.api_port()))
        .await
        .unwrap();
    let (status, body) = request(stream, "GET", "/things", "evil.example", &Value::Null).await;
    assert_eq!(status, 403, "{body}");
    assert!(body.contains("`evil.example` is not this cloud"), "{body}");
}

#[tokio::test]
async fn the_plaintext_listener_is_off_unless_asked_for() {
    let cloud = TestCloud::start().await;
    assert_eq!(cloud.running.plaintext_port(), None, "A-8");
    let cloud = TestCloud::start_with(|config| config.plaintext_port = Some(0)).await;
    let port = cloud.running.plaintext_port().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(&connect_packet("tool")).await.unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, CONNACK);
}

#[tokio::test]
async fn a_second_cloud_on_the_same_folder_is_told_so() {
    let cloud = TestCloud::start().await;
    let error = Cloud::start(cloud.config()).await.unwrap_err();
    assert!(matches!(error, StartError::InUse(_)), "{error}");
    assert!(
        error
            .to_string()
            .contains("in use by another running cloud; stop it, or choose another --data-dir")
    );
    assert_eq!(
        cloud.api("GET", "/things", &Value::Null).await.0,
        200,
        "the first one goes on"
    );
}

#[tokio::test]
async fn a_port_in_use_is_named_with_its_flag_and_leaves_the_folder_free() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let config = Config::new(folder.path()).with_free_ports();
    for (flag, change) in [
        (
            "--mqtt-port",
            (|config, port| config.mqtt_port = port) as fn(&mut Config, u16),
        ),
        ("--alpn-port", |config, port| config.alpn_port = port),
        ("--api-port", |config, port| config.api_port = port),
        ("--plaintext-port", |config, port| {
            config.plaintext_port = Some(port)
        }),
    ] {
        let mut config = config.clone();
        change(&mut config, port);
        let error = Cloud::start(config).await.unwrap_err().to_string();
        assert_eq!(
            error,
            format!("127.0.0.1:{port} is in use by another program; choose another with {flag}")
        );
    }
    Cloud::start(config).await.unwrap().shutdown().await;
}

#[tokio::test]
async fn an_address_that_is_not_ours_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::new(folder.path()).with_free_ports();
    config.bind = "192.0.2.1".parse().unwrap();
    let error = Cloud::start(config).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "this machine has no address 192.0.2.1; change --bind"
    );
}

#[tokio::test]
async fn data_folders_that_cannot_be_used_are_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "not a folder").unwrap();
    let error = Cloud::start(Config::new(file.join("data")).with_free_ports())
        .await
        .unwrap_err();
    assert!(matches!(error, StartError::DataDir { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("make it writable, or choose another --data-dir"),
        "{error}"
    );

    let damaged = folder.path().join("damaged");
    std::fs::create_dir(&damaged).unwrap();
    let data = damaged.join("thingwire.redb");
    std::fs::write(&data, vec![0x5a; 9000]).unwrap();
    let error = Cloud::start(Config::new(&damaged).with_free_ports())
        .await
        .unwrap_err();
    assert!(matches!(error, StartError::NotOurs { .. }), "{error}");
    assert_eq!(std::fs::read(&data).unwrap(), vec![0x5a; 9000]);

    let newer = folder.path().join("newer");
    std::fs::create_dir(&newer).unwrap();
    let store = RedbStore::open(newer.join("thingwire.redb"), &Format::FIRST).unwrap();
    let write = Write::Put {
        table: "_store",
        key: b"format".to_vec(),
        value: 7u32.to_le_bytes().to_vec(),
    };
    store.commit(vec![write]).unwrap();
    drop(store);
    let error = Cloud::start(Config::new(&newer).with_free_ports())
        .await
        .unwrap_err();
    assert!(
        matches!(error, StartError::Newer { found: 7, .. }),
        "{error}"
    );
    assert!(
        error.to_string().contains("use the newer thingwire"),
        "{error}"
    );
}

#[tokio::test]
async fn another_host_name_works_after_a_restart_with_the_same_roots() {
    let cloud = TestCloud::start().await;
    let device = cloud.device(&KeyPair::generate().unwrap()).await;
    let mut client = Client::new(&cloud, Some(&device));
    client.server_name = "cloud.example";
    assert!(
        client.handshake().await.is_err(),
        "the certificate does not hold the name yet"
    );
    let mut config = cloud.config();
    config.hosts = vec!["cloud.example".to_owned()];
    let TestCloud { running, folder } = cloud;
    running.shutdown().await;
    let cloud = TestCloud {
        running: Cloud::start(config).await.unwrap(),
        folder,
    };
    let mut client = Client::new(&cloud, Some(&device));
    client.server_name = "cloud.example";
    assert_eq!(client.connect("a").await.0, CONNACK);
}

#[tokio::test]
async fn it_tells_the_time_to_whoever_asks_for_it_and_its_kits_say_so() {
    use std::time::{Duration, Instant, SystemTime};
    use thingwire_chip::sntp::{PACKET, Question};

    let folder = tempfile::tempdir().unwrap();
    let config = Config::new(folder.path()).with_free_ports();
    let running = Cloud::start(config).await.unwrap();
    let ready = running.ready();
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket
        .connect(("127.0.0.1", ready.sntp_port))
        .await
        .unwrap();
    // What is no question gets no answer, and the question after it does.
    socket.send(&[0; PACKET]).await.unwrap();
    let question = Question::new(7);
    let before = SystemTime::now();
    let asked = Instant::now();
    socket.send(&question.packet()).await.unwrap();
    let mut packet = [0; 100];
    let wait = tokio::time::timeout(Duration::from_secs(20), socket.recv(&mut packet));
    let len = wait.await.unwrap().unwrap();
    let answer = question
        .answer(&packet[..len], asked.elapsed(), 1_767_225_600)
        .unwrap();
    let told = SystemTime::UNIX_EPOCH + answer.unix;
    assert!(told >= before - Duration::from_millis(1), "{answer:?}");
    assert!(told <= SystemTime::now() + answer.uncertainty);

    let kit = thingwire_kit::Kit::load(&ready.operator_kit).unwrap();
    let first = kit.time_servers.first().unwrap().to_string();
    assert_eq!(first, format!("localhost:{}", ready.sntp_port));
    assert!(kit.time_servers.len() > 1, "and public ones");
    running.shutdown().await;
}
