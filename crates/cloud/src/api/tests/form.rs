//! The form of requests and answers, and what happens to those that have none.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::Request;
use hyper::body::{Body as HttpBody, Bytes, Frame};
use serde_json::{Value, json};
use thingwire_store::faults::Disk;

use super::{Api, SEED_POLICY};

/// `A-2`, `A-4`: the configured name, for the types that have one.
#[tokio::test]
async fn the_endpoint_is_described() {
    let api = Api::new();
    for query in ["", "?endpointType=iot:Data-ATS", "?endpointType=iot%3AData"] {
        let body = api
            .ok("GET", &format!("/endpoint{query}"), Value::Null)
            .await;
        assert_eq!(body, json!({ "endpointAddress": "localhost" }));
    }
    let message = api
        .refused(
            "GET",
            "/endpoint?endpointType=iot:Toast",
            Value::Null,
            400,
            "InvalidRequestException",
        )
        .await;
    assert_eq!(message, "Endpoint type iot:Toast not recognized.");
    api.refused(
        "GET",
        "/endpoint?endpointType=iot:Jobs",
        Value::Null,
        400,
        "InvalidRequestException",
    )
    .await;
}

/// What is not served says which method and path that is.
#[tokio::test]
async fn an_unknown_operation_is_named() {
    let api = Api::new();
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/dynamic-thing-groups"),
        ("PUT", "/things/a"),
        ("GET", "/things/a/b/c/d"),
        ("GET", "/things/"),
        ("BREW", "/things"),
    ] {
        let reply = api.call(method, path, Value::Null).await;
        if path == "/things/" {
            // A label that is empty, not another operation.
            reply.is(400, "InvalidRequestException");
            continue;
        }
        let message = reply.is(404, "UnknownOperationException");
        assert!(message.ends_with(&format!("{method} {path}")), "{message}");
    }
}

/// A body that tells when it was read to its end.
struct Watched {
    begun: bool,
    ended: Arc<AtomicBool>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.begun {
            self.ended.store(true, Ordering::Relaxed);
            return Poll::Ready(None);
        }
        self.begun = true;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"{")))))
    }
}

/// A refusal does not leave the body on the connection: the client's next request would be cut off.
#[tokio::test]
async fn a_refused_request_is_read_to_its_end() {
    let api = Api::new();
    for path in ["/nothing", "/things/a%ff"] {
        let ended = Arc::new(AtomicBool::new(false));
        let request = Request::post(path).body(Body::new(Watched {
            begun: false,
            ended: Arc::clone(&ended),
        }));
        assert_ne!(api.send(request.expect("a request")).await.status, 200);
        assert!(ended.load(Ordering::Relaxed), "{path}");
    }
}

/// Bodies that are not JSON objects, labels and queries that are not UTF-8.
#[tokio::test]
async fn a_request_out_of_form() {
    let api = Api::new();
    let deep = "[".repeat(10_000);
    for body in [
        &b"{"[..],
        b"[]",
        b"7",
        b"\xff\xfe",
        b"{\"a\":1}x",
        deep.as_bytes(),
    ] {
        let request = Request::post("/things/a").body(Body::from(body.to_vec()));
        api.send(request.expect("a request"))
            .await
            .is(400, "InvalidRequestException");
    }
    for path in [
        "/things/%ff",
        "/things/a?x=%ff",
        "/attached-policies/%ff%fe",
    ] {
        let method = if path.starts_with("/att") {
            "POST"
        } else {
            "GET"
        };
        api.refused(method, path, Value::Null, 400, "InvalidRequestException")
            .await;
    }
    for (member, value) in [
        ("attributePayload", json!("x")),
        (
            "attributePayload",
            json!({ "merge": "yes", "attributes": {} }),
        ),
        ("expectedVersion", json!(-1)),
        ("expectedVersion", json!(1.5)),
    ] {
        api.refused(
            "PATCH",
            "/things/a",
            json!({ member: value }),
            400,
            "InvalidRequestException",
        )
        .await;
    }
}

/// A body has a limit.
#[tokio::test]
async fn a_body_that_is_too_large() {
    let api = Api::new();
    let body = json!({ "policyDocument": "x".repeat(1024 * 1024) });
    api.refused(
        "POST",
        "/policies/p",
        body,
        413,
        "RequestEntityTooLargeException",
    )
    .await;
}

/// `G-2`: any signature is accepted, well formed or not, and none is needed.
#[tokio::test]
async fn a_signature_is_not_judged() {
    let api = Api::new();
    for value in [
        "AWS4-HMAC-SHA256 Credential=x/20261124/us-east-1/iot/aws4_request",
        "nonsense",
    ] {
        let request = Request::get("/things")
            .header("authorization", value)
            .body(Body::empty());
        assert_eq!(api.send(request.expect("a request")).await.status, 200);
    }
}

/// What was answered with success is there after a restart; the registry is the same in every answer.
#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let mut api = Api::new();
    let (arn, id) = api.device("p", "a").await;
    api.ok(
        "POST",
        "/policies/p/version?setAsDefault=true",
        json!({ "policyDocument": SEED_POLICY }),
    )
    .await;
    api.ok(
        "POST",
        "/things/b",
        json!({ "attributePayload": { "attributes": { "k": "v" } } }),
    )
    .await;
    api.ok("POST", "/things/c", Value::Null).await;
    api.ok("DELETE", "/things/c", Value::Null).await;
    let (_, second) = api.certificate(false).await;
    let certificates = [
        format!("/certificates/{id}"),
        format!("/certificates/{second}"),
    ];
    let mut before = Vec::new();
    for restart in [false, true] {
        if restart {
            let image = api.disk.image();
            api = Api::on(Disk::with_image(image));
        }
        let mut seen = Vec::new();
        for path in [
            "/things",
            "/things/a",
            "/things/b",
            "/things/a/principals-v2",
            "/certificates",
            "/policies",
            "/policies/p",
            "/policies/p/version",
            &certificates[0],
            &certificates[1],
        ] {
            seen.push(api.ok("GET", path, Value::Null).await);
        }
        seen.push(api.ok("POST", "/policy-targets/p", Value::Null).await);
        seen.push(api.principal("GET", "/principals/things", &arn).await.body);
        if restart {
            assert_eq!(seen, before);
        }
        before = seen;
    }
    // And life goes on behind what is there: orders of creation continue.
    let (_, third) = api.certificate(false).await;
    let list = api.ok("GET", "/certificates", Value::Null).await;
    assert_eq!(list["certificates"][0]["certificateId"], third.as_str());
}

/// A disk that refuses: the change is refused with the reason, did not happen, and works when the disk does again.
#[tokio::test]
async fn a_disk_that_refuses() {
    let api = Api::new();
    let (arn, _) = api.device("p", "a").await;
    let generation = api.registry.generation();
    api.disk.fail_writes(Some(std::io::ErrorKind::StorageFull));
    let message = api
        .refused(
            "POST",
            "/things/b",
            Value::Null,
            503,
            "ServiceUnavailableException",
        )
        .await;
    assert!(message.contains("the change was not stored"), "{message}");
    api.refused(
        "GET",
        "/things/b",
        Value::Null,
        404,
        "ResourceNotFoundException",
    )
    .await;
    api.ok("GET", "/things/a", Value::Null).await;
    let detach = json!({ "target": arn });
    api.refused(
        "POST",
        "/target-policies/p",
        detach.clone(),
        503,
        "ServiceUnavailableException",
    )
    .await;
    assert_eq!(api.registry.generation(), generation);
    api.disk.fail_writes(None);
    api.ok("POST", "/things/b", Value::Null).await;
    api.ok("POST", "/target-policies/p", detach).await;
    assert!(api.registry.generation() > generation);
}
