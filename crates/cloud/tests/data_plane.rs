//! HTTP on the ports for devices: MQTT over WebSocket and publishing, by certificate and by signature, over real sockets.

mod common;

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    SessionTokenMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use common::{CONNACK, Client, Identity, TestCloud, connect_packet, until_closed};
use futures_util::{SinkExt, StreamExt};
use rcgen::KeyPair;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

const BODY: &[u8] = b"21.5 degrees";

/// The operator's key, as any AWS tool reads it.
fn operator(cloud: &TestCloud) -> Credentials {
    let text = std::fs::read_to_string(&cloud.running.ready().credentials_file).unwrap();
    let value = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_once(" = ").unwrap().1.to_owned()
    };
    Credentials::new(
        value("aws_access_key_id"),
        value("aws_secret_access_key"),
        None,
        None,
        "operator",
    )
}

/// The path and query to ask for, signed in the query (a WebSocket), and the headers to send (a publish).
fn signed(
    credentials: &Credentials,
    method: &str,
    url: &str,
    body: &[u8],
    location: SignatureLocation,
) -> (String, Vec<(String, String)>) {
    let identity = credentials.clone().into();
    let mut settings = SigningSettings::default();
    settings.signature_location = location;
    settings.session_token_mode = SessionTokenMode::Exclude;
    settings.expires_in =
        (location == SignatureLocation::QueryParams).then_some(Duration::from_secs(60));
    let params = SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("iotdevicegateway")
        .time(SystemTime::now())
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let mut request = axum::http::Request::builder()
        .method(method)
        .uri(url)
        .body(())
        .unwrap();
    let signable =
        SignableRequest::new(method, url, std::iter::empty(), SignableBody::Bytes(body)).unwrap();
    let (instructions, _) = sign(signable, &params).unwrap().into_parts();
    instructions.apply_to_request_http1x(&mut request);
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    let target = request.uri().path_and_query().unwrap().to_string();
    (target, headers)
}

/// Sends a request and reads the head of the answer.
async fn exchange(
    stream: &mut TlsStream<TcpStream>,
    method: &str,
    target: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> String {
    let mut text = format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// Status, exception and JSON body of a request that is answered.
async fn ask(
    mut stream: TlsStream<TcpStream>,
    method: &str,
    target: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> (u16, String, Value) {
    let head = exchange(&mut stream, method, target, headers, body).await;
    let header = |name: &str| {
        head.lines()
            .find_map(|line| line.strip_prefix(&format!("{name}: ")))
            .unwrap_or_default()
            .to_owned()
    };
    let mut answer = vec![0; header("content-length").parse().unwrap()];
    stream.read_exact(&mut answer).await.unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    // F-25: one id, in both places.
    assert_eq!(answer["traceId"], header("x-amzn-requestid"), "{head}");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, header("x-amzn-errortype"), answer)
}

fn upgrade() -> Vec<(String, String)> {
    [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", "mqtt"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// Opens a WebSocket on a stream, or says with which head that failed.
async fn open(
    mut stream: TlsStream<TcpStream>,
    target: &str,
) -> Result<WebSocketStream<TlsStream<TcpStream>>, String> {
    let head = exchange(&mut stream, "GET", target, &upgrade(), b"").await;
    if !head.starts_with("HTTP/1.1 101 ") {
        return Err(head);
    }
    // A-9, and RFC 6455's own example.
    // v311 v5 [MQTT-6.0.0-4]: the sub-protocol is said
    assert!(head.contains("sec-websocket-protocol: mqtt\r\n"), "{head}");
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    Ok(WebSocketStream::from_raw_socket(stream, Role::Client, None).await)
}

async fn converse<S>(mut socket: WebSocketStream<S>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    // CONNECT cut in two frames, then two packets in one.
    let connect = connect_packet("over-websocket");
    let (first, second) = connect.split_at(5);
    let rest = [second, b"\x82\x06\0\x01\0\x01t\0"].concat();
    let publish = b"\x30\x04\0\x01tx\xc0\0";
    for frame in [first, &rest, publish] {
        let frame = Message::Binary(frame.to_vec().into());
        socket.send(frame).await.unwrap();
    }
    let expected = [
        &CONNACK[..],
        b"\x90\x03\0\x01\0",
        b"\x30\x04\0\x01tx",
        b"\xd0\0",
    ]
    .concat();
    let mut received = Vec::new();
    while received.len() < expected.len() {
        received.extend_from_slice(&socket.next().await.unwrap().unwrap().into_data());
    }
    received[4..].sort_unstable();
    let mut sorted = expected.clone();
    sorted[4..].sort_unstable();
    assert_eq!(received, sorted);
    // DISCONNECT ends the connection with a close frame.
    let goodbye = Message::Binary(vec![0xe0, 0].into());
    socket.send(goodbye).await.unwrap();
    let Some(Ok(Message::Close(Some(frame)))) = socket.next().await else {
        panic!("no close frame")
    };
    assert_eq!(u16::from(frame.code), 1000);
}

/// A client for the port and protocol of each way that AWS has for this (`A-6`, `A-11`).
fn with_certificate<'a>(cloud: &'a TestCloud, device: &'a Identity) -> [Client<'a>; 3] {
    let ready = cloud.running.ready();
    let client = |port, alpn| {
        let mut client = Client::new(cloud, Some(device));
        client.port = port;
        client.alpn = alpn;
        client
    };
    [
        client(ready.https_port.unwrap(), &[]),
        client(ready.https_port.unwrap(), &[b"http/1.1"]),
        client(ready.alpn_port, &[b"x-amzn-http-ca"]),
    ]
}

fn with_signature(cloud: &TestCloud) -> Client<'_> {
    let mut client = Client::new(cloud, None);
    client.port = cloud.running.ready().alpn_port;
    client
}

/// `A-9`, `A-11`.
#[tokio::test]
async fn mqtt_over_websocket_with_a_certificate() {
    let cloud = TestCloud::start().await;
    let device = cloud.device(&KeyPair::generate().unwrap()).await;
    for client in with_certificate(&cloud, &device) {
        let stream = client.handshake().await.unwrap();
        converse(open(stream, "/mqtt").await.unwrap()).await;
    }
}

/// `A-9`, `A-5`: the query is signed by AWS's own signer.
#[tokio::test]
async fn mqtt_over_websocket_with_a_signature() {
    let cloud = TestCloud::start().await;
    let query = SignatureLocation::QueryParams;
    let sign = |credentials: &Credentials| {
        signed(credentials, "GET", "https://localhost/mqtt", b"", query).0
    };
    const OFFERS: [&[&[u8]]; 3] = [&[], &[b"http/1.1"], &[b"h3"]];
    for alpn in OFFERS {
        let mut client = with_signature(&cloud);
        client.alpn = alpn;
        let stream = client.handshake().await.unwrap();
        let target = sign(&operator(&cloud));
        converse(open(stream, &target).await.unwrap()).await;
    }

    let stranger = Credentials::new("AKIAIOSFODNN7EXAMPLE", "secret", None, None, "test");
    let thief = Credentials::new(
        operator(&cloud).access_key_id(),
        "secret",
        None,
        None,
        "test",
    );
    let unsigned = "/mqtt".to_owned();
    for target in [sign(&stranger), sign(&thief), unsigned] {
        let stream = with_signature(&cloud).handshake().await.unwrap();
        let (status, exception, answer) = ask(stream, "GET", &target, &upgrade(), b"").await;
        assert_eq!((status, exception.as_str()), (403, "ForbiddenException"));
        assert_eq!(answer["message"], "Forbidden");
        assert_eq!(cloud.reason(None).await, "NOT_AUTHENTICATED");
    }
}

/// `A-10`.
#[tokio::test]
async fn a_signed_websocket_ends_when_its_time_is_up() {
    let cloud = TestCloud::start_with(|config| {
        config.websocket_life = Duration::from_millis(300);
    })
    .await;
    let query = SignatureLocation::QueryParams;
    let (target, _) = signed(
        &operator(&cloud),
        "GET",
        "https://localhost/mqtt",
        b"",
        query,
    );
    let stream = with_signature(&cloud).handshake().await.unwrap();
    let mut socket = open(stream, &target).await.unwrap();
    let connect = Message::Binary(connect_packet("a").into());
    socket.send(connect).await.unwrap();
    assert_eq!(
        socket.next().await.unwrap().unwrap().into_data(),
        CONNACK[..]
    );
    let end = socket.next().await.unwrap().unwrap();
    assert!(matches!(end, Message::Close(_)), "{end:?}");
}

#[tokio::test]
async fn a_handshake_out_of_form_is_refused() {
    let cloud = TestCloud::start().await;
    let device = cloud.device(&KeyPair::generate().unwrap()).await;
    let [client, ..] = with_certificate(&cloud, &device);
    for (header, value) in [
        ("upgrade", "h2c"),
        ("connection", "close"),
        ("sec-websocket-version", "8"),
        ("sec-websocket-key", "short"),
        // v311 v5 [MQTT-6.0.0-3]: another sub-protocol
        ("sec-websocket-protocol", "soap"),
    ] {
        let mut headers = upgrade();
        for (name, is) in &mut headers {
            if name == header {
                *is = value.to_owned();
            }
        }
        let stream = client.handshake().await.unwrap();
        let (status, exception, _) = ask(stream, "GET", "/mqtt", &headers, b"").await;
        assert_eq!(
            (status, exception.as_str()),
            (400, "InvalidRequestException"),
            "{header}"
        );
    }
    let stream = client.handshake().await.unwrap();
    let (status, _, _) = ask(stream, "GET", "/nothing", &[], b"").await;
    assert_eq!(status, 404);
    // A port for certificates takes no signatures instead.
    let mut client = with_signature(&cloud);
    client.port = cloud.running.ready().https_port.unwrap();
    assert!(
        match client.handshake().await {
            Ok(mut stream) => until_closed(&mut stream).await.is_empty(),
            Err(_) => true,
        },
        "no certificate"
    );
}

/// `A-9`: AWS's first SDKs name the subprotocol of MQTT 3.1 and send a key of 128 bytes.
#[tokio::test]
async fn the_handshake_of_awss_first_sdks_is_taken() {
    let cloud = TestCloud::start().await;
    let device = cloud.device(&KeyPair::generate().unwrap()).await;
    let [client, ..] = with_certificate(&cloud, &device);
    let key = "A".repeat(171) + "=";
    for (offered, taken) in [
        ("mqttv3.1", "mqttv3.1"),
        ("mqttv3.1, mqtt", "mqtt"), // [MQTT-6.0.0-4]
    ] {
        let headers = upgrade().into_iter().map(|(name, value)| match &*name {
            "sec-websocket-key" => (name, key.clone()),
            "sec-websocket-protocol" => (name, offered.to_owned()),
            _ => (name, value),
        });
        let headers: Vec<_> = headers.collect();
        let mut stream = client.handshake().await.unwrap();
        let head = exchange(&mut stream, "GET", "/mqtt", &headers, b"").await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let line = format!("sec-websocket-protocol: {taken}\r\n");
        assert!(head.contains(&line), "{head}");
    }
}

/// `F-24`, `F-25`, `A-9`: a message over HTTPS reaches MQTT clients.
#[tokio::test]
async fn publishing_over_https() {
    let cloud = TestCloud::start().await;
    let device = cloud.device(&KeyPair::generate().unwrap()).await;
    let (answer, listener) = Client::new(&cloud, Some(&device)).connect("listener").await;
    assert_eq!(answer, CONNACK);
    let mut listener = listener.unwrap();
    listener
        .write_all(b"\x82\x08\0\x01\0\x03a/#\x01")
        .await
        .unwrap();
    let mut suback = [0; 5];
    listener.read_exact(&mut suback).await.unwrap();

    let certificate = with_certificate(&cloud, &device);
    for client in &certificate {
        let stream = client.handshake().await.unwrap();
        let answer = ask(stream, "POST", "/topics/a%2Fb?qos=1", &[], BODY).await;
        assert_eq!((answer.0, &answer.2["message"]), (200, &json!("OK")));
    }
    let header = SignatureLocation::Headers;
    let url = "https://localhost/topics/a/b?qos=1";
    let (target, headers) = signed(&operator(&cloud), "POST", url, BODY, header);
    let stream = with_signature(&cloud).handshake().await.unwrap();
    assert_eq!(ask(stream, "POST", &target, &headers, BODY).await.0, 200);
    for id in 1..=4 {
        let mut message = vec![0; 2 + 2 + 3 + 2 + BODY.len()];
        listener.read_exact(&mut message).await.unwrap();
        assert_eq!(message[..7], *b"\x32\x13\0\x03a/b");
        assert_eq!(message[7..9], [0, id]);
        assert_eq!(&message[9..], BODY);
    }

    // The signature covers the message.
    let stream = with_signature(&cloud).handshake().await.unwrap();
    let (status, ..) = ask(stream, "POST", &target, &headers, b"another").await;
    assert_eq!(status, 403);
    // B-41, B-42, B-44, B-64, B-72.
    let deep = format!("/topics/{}", "a/".repeat(8));
    let long = format!("/topics/{}", "a".repeat(257));
    for (target, body, expected) in [
        ("/topics/", 1, 400),
        ("/topics/a%2F%23", 1, 400),
        ("/topics/%ff", 1, 400),
        (&deep, 1, 400),
        (&long, 1, 400),
        ("/topics/a?qos=2", 1, 400),
        ("/topics/a?retain=maybe", 1, 400),
        ("/topics/a?messageExpiry=5", 1, 200),
        ("/topics/a?messageExpiry=soon", 1, 400),
        ("/topics/a?responseTopic=a%2F%2B", 1, 400),
        ("/topics/$aws/things/a", 1, 403),
        ("/topics/$aws/rules/r/a", 1, 200),
        ("/topics/$aws/rules/r/a?retain=true", 1, 403),
        ("/topics/a?retain=true", 1, 200),
        ("/topics/a", 131_072, 200),
        ("/topics/a", 131_073, 413),
    ] {
        let stream = certificate[0].handshake().await.unwrap();
        let (status, ..) = ask(stream, "POST", target, &[], &vec![b'x'; body]).await;
        assert_eq!(status, expected, "{target}");
    }
    let stream = certificate[0].handshake().await.unwrap();
    assert_eq!(ask(stream, "PUT", "/topics/a", &[], BODY).await.0, 405);
}

/// `C-14`, `C-40`: the certificate's policies decide about a publish over HTTPS; it has no client id and no thing.
#[tokio::test]
async fn a_policy_forbids_publishing_over_https() {
    let cloud = TestCloud::start().await;
    let device = cloud.device(&KeyPair::generate().unwrap()).await;
    let arn = format!("arn:aws:iot:us-east-1:123456789012:cert/{}", device.id);
    let target = json!({ "target": arn });
    cloud.call("POST", "/target-policies/open", &target).await;
    let topics = "arn:aws:iot:us-east-1:123456789012:topic/";
    let document = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow", "Action": "iot:Publish",
            "Resource": [format!("{topics}a"), format!("{topics}${{iot:ClientId}}/b")],
        }],
    });
    let body = json!({ "policyDocument": document.to_string() });
    cloud.call("POST", "/policies/narrow", &body).await;
    cloud.call("PUT", "/target-policies/narrow", &target).await;
    let [client, ..] = with_certificate(&cloud, &device);
    for (topic, expected) in [
        ("a", 200),
        ("a?retain=true", 403),
        ("b", 403),
        ("%2Fb", 403),
    ] {
        let stream = client.handshake().await.unwrap();
        let topic = format!("/topics/{topic}");
        let (status, ..) = ask(stream, "POST", &topic, &[], BODY).await;
        assert_eq!(status, expected, "{topic}");
    }
    assert_eq!(
        cloud.reason(Some(&device.id)).await,
        "AUTHORIZATION_FAILURE"
    );
}
