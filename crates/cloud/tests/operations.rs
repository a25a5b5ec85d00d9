//! What whoever runs a cloud may ask it: `/healthz`, `/readyz`, `/metrics`.

mod common;

use common::{CONNACK, Client, NOTHING, TestCloud, request};
use rcgen::KeyPair;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn ask(cloud: &TestCloud, path: &str) -> (u16, String) {
    let stream = TcpStream::connect(("127.0.0.1", cloud.api_port()))
        .await
        .unwrap();
    let host = format!("localhost:{}", cloud.api_port());
    request(stream, "GET", path, &host, &Value::Null).await
}

/// The value of one sample.
fn value(page: &str, sample: &str) -> Option<f64> {
    page.lines()
        .find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn a_cloud_that_is_well_says_so() {
    let cloud = TestCloud::start().await;
    assert_eq!(ask(&cloud, "/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(ask(&cloud, "/readyz").await, (200, "ready\n".to_owned()));
}

#[tokio::test]
async fn the_head_of_a_request_takes_little_memory() {
    let cloud = TestCloud::start().await;
    for (len, served) in [(20_000, true), (200_000, false)] {
        let mut stream = TcpStream::connect(("127.0.0.1", cloud.api_port()))
            .await
            .unwrap();
        let long = "x".repeat(len);
        let request = format!(
            "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-long: {long}\r\n\r\n"
        );
        // What is refused is not read to its end, which may reset the connection.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert_eq!(answer.starts_with(b"HTTP/1.1 200"), served, "{len}");
    }
}

#[tokio::test]
async fn what_happens_is_counted_a_29() {
    let cloud = TestCloud::start().await;
    let device = cloud.device(&KeyPair::generate().unwrap()).await;
    let (answer, stream) = Client::new(&cloud, Some(&device)).connect("a").await;
    assert_eq!(answer, CONNACK);
    let mut stream = stream.unwrap();
    // SUBSCRIBE to t, then PUBLISH there with QoS 1 and with QoS 0.
    stream
        .write_all(b"\x82\x06\0\x01\0\x01t\x01\x32\x06\0\x01t\0\x02x\x30\x04\0\x01tx")
        .await
        .unwrap();
    // SUBACK, PUBACK and both messages.
    let mut answers = [0; 5 + 4 + 8 + 6];
    stream.read_exact(&mut answers).await.unwrap();
    cloud.set_status(&device.id, "INACTIVE").await;
    let (answer, _) = Client::new(&cloud, Some(&device)).connect("a").await;
    assert_eq!(answer, NOTHING);
    assert_eq!(
        cloud.reason(Some(&device.id)).await,
        "DEVICE_CERTIFICATE_INACTIVE"
    );
    let (status, _) = cloud.api("GET", "/things/none", &json!(null)).await;
    assert_eq!(status, 404);

    let (status, page) = ask(&cloud, "/metrics").await;
    assert_eq!(status, 200);
    for (sample, expected) in [
        ("thingwire_connects_total", 1.0),
        ("thingwire_messages_received_total{qos=\"0\"}", 1.0),
        ("thingwire_messages_received_total{qos=\"1\"}", 1.0),
        ("thingwire_messages_sent_total{qos=\"0\"}", 1.0),
        ("thingwire_messages_sent_total{qos=\"1\"}", 1.0),
        ("thingwire_tls_handshakes_total{outcome=\"OK\"}", 1.0),
        (
            "thingwire_tls_handshakes_total{outcome=\"DEVICE_CERTIFICATE_INACTIVE\"}",
            1.0,
        ),
        (
            "thingwire_refusals_total{reason=\"DEVICE_CERTIFICATE_INACTIVE\"}",
            1.0,
        ),
        (
            "thingwire_api_calls_total{operation=\"DescribeThing\",status=\"404\"}",
            1.0,
        ),
        (
            "thingwire_api_calls_total{operation=\"CreateCertificateFromCsr\",status=\"200\"}",
            1.0,
        ),
        ("thingwire_store_batches_total{outcome=\"failed\"}", 0.0),
    ] {
        assert_eq!(value(&page, sample), Some(expected), "{sample} in\n{page}");
    }
    for sample in [
        "thingwire_store_batches_total{outcome=\"stored\"}",
        "thingwire_store_batch_seconds_count",
        "thingwire_bytes_received_total",
        "thingwire_bytes_sent_total",
    ] {
        assert!(value(&page, sample) > Some(0.0), "{sample} in\n{page}");
    }
    assert!(
        !page.contains(&device.id),
        "no label holds what a client chose"
    );
}
