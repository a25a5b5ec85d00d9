//! The API as a client sees it: requests on the router, statuses, headers and bodies back.

mod authorization;
mod certificates;
mod form;
mod groups;
mod policies;
mod things;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use thingwire_store::RedbStore;
use thingwire_store::faults::Disk;
use tower::ServiceExt;

use super::{ApiState, router};
use crate::authorize::Authorizer;
use crate::pki::Pki;
use crate::refusals::Refusals;
use crate::registry::{Place, Registry};

/// The seed's policy, with the placeholders replaced (`C-50`).
pub(super) const SEED_POLICY: &str = r#"{
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "iot:Connect",
         "Resource": "arn:aws:iot:us-east-1:123456789012:client/${iot:Connection.Thing.ThingName}"},
        {"Effect": "Allow", "Action": "iot:Subscribe",
         "Resource": "arn:aws:iot:us-east-1:123456789012:topicfilter/esp32/sub"},
        {"Effect": "Allow", "Action": "iot:Receive",
         "Resource": "arn:aws:iot:us-east-1:123456789012:topic/esp32/sub"},
        {"Effect": "Allow", "Action": "iot:Publish",
         "Resource": "arn:aws:iot:us-east-1:123456789012:topic/esp32/pub"}
    ]
}"#;

/// A cloud's control plane on a disk in memory.
pub(super) struct Api {
    pub(super) disk: Disk,
    pub(super) registry: Arc<Registry>,
    /// The one that the broker would ask.
    pub(super) authorizer: Arc<Authorizer>,
    router: Router,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// The header `x-amzn-ErrorType`.
    pub(super) error: Option<String>,
    pub(super) body: Value,
}

impl Api {
    pub(super) fn new() -> Self {
        Self::on(Disk::new())
    }

    /// A cloud that finds what this disk holds.
    pub(super) fn on(disk: Disk) -> Self {
        let store = RedbStore::with_backend_and_retry(disk.clone(), Duration::ZERO)
            .expect("a store in memory");
        let place = Place {
            region: "us-east-1".to_owned(),
            account_id: "123456789012".to_owned(),
        };
        let registry = Arc::new(Registry::open(Arc::new(store), place).expect("a registry"));
        let authorizer = Arc::new(Authorizer::new(Arc::clone(&registry)));
        let pki = Pki::new(KeyPair::generate().expect("a key"));
        let router = router(ApiState {
            registry: Arc::clone(&registry),
            authorizer: Arc::clone(&authorizer),
            pki: Arc::new(pki),
            refusals: Arc::new(Refusals::default()),
            endpoint: "localhost".to_owned(),
            ready: None,
        });
        Self {
            disk,
            registry,
            authorizer,
            router,
        }
    }

    /// One request with any headers and body.
    pub(super) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("infallible");
        let id = response
            .headers()
            .get("x-amzn-requestid")
            .expect("every answer has a request id (G-5)");
        assert_eq!(id.len(), 36, "{id:?}");
        let status = response.status().as_u16();
        let error = response
            .headers()
            .get("x-amzn-errortype")
            .map(|value| value.to_str().expect("ASCII").to_owned());
        let bytes = to_bytes(response.into_body(), usize::MAX)
            .await
            .expect("a body");
        let body: Value = serde_json::from_slice(&bytes).expect("every body is JSON");
        // G-4: an error, and only an error, has its name in the header and a message in the body.
        assert_eq!(status != 200, error.is_some(), "{body}");
        assert_eq!(status != 200, body["message"].is_string(), "{body}");
        Reply {
            status,
            error,
            body,
        }
    }

    /// One request with a JSON body, `null` for none.
    pub(super) async fn call(&self, method: &str, path: &str, body: Value) -> Reply {
        let body = if body.is_null() {
            Body::empty()
        } else {
            Body::from(body.to_string())
        };
        let request = Request::builder().method(method).uri(path).body(body);
        self.send(request.expect("a request")).await
    }

    /// One request that must succeed.
    pub(super) async fn ok(&self, method: &str, path: &str, body: Value) -> Value {
        let reply = self.call(method, path, body).await;
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.body);
        reply.body
    }

    /// One request that must be refused, with this status and exception; gives the message.
    pub(super) async fn refused(
        &self,
        method: &str,
        path: &str,
        body: Value,
        status: u16,
        exception: &str,
    ) -> String {
        let reply = self.call(method, path, body).await;
        reply.is(status, exception)
    }

    /// One request that carries a principal in its header (`G-17`).
    pub(super) async fn principal(&self, method: &str, path: &str, principal: &str) -> Reply {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("x-amzn-principal", principal)
            .body(Body::empty());
        self.send(request.expect("a request")).await
    }

    /// A new certificate; gives its ARN and id.
    pub(super) async fn certificate(&self, active: bool) -> (String, String) {
        let path = format!("/certificates?setAsActive={active}");
        let body = self
            .ok("POST", &path, json!({ "certificateSigningRequest": csr() }))
            .await;
        let text = |member: &str| body[member].as_str().expect("text").to_owned();
        (text("certificateArn"), text("certificateId"))
    }

    /// The seed's policy, a thing, and a certificate with both: gives the certificate's ARN and id.
    pub(super) async fn device(&self, policy: &str, thing: &str) -> (String, String) {
        let document = json!({ "policyDocument": SEED_POLICY });
        self.ok("POST", &format!("/policies/{policy}"), document)
            .await;
        self.ok("POST", &format!("/things/{thing}"), Value::Null)
            .await;
        let (arn, id) = self.certificate(true).await;
        self.ok(
            "PUT",
            &format!("/target-policies/{policy}"),
            json!({ "target": arn }),
        )
        .await;
        let path = format!("/things/{thing}/principals");
        assert_eq!(self.principal("PUT", &path, &arn).await.status, 200);
        (arn, id)
    }
}

impl Reply {
    /// Checks that it is this refusal; gives the message.
    pub(super) fn is(self, status: u16, exception: &str) -> String {
        assert_eq!(
            (self.status, self.error.as_deref()),
            (status, Some(exception)),
            "{}",
            self.body
        );
        self.body["message"].as_str().expect("a message").to_owned()
    }
}

/// A certificate signing request with a key of its own.
pub(super) fn csr() -> String {
    let key = KeyPair::generate().expect("a key");
    CertificateParams::default()
        .serialize_request(&key)
        .and_then(|request| request.pem())
        .expect("a request")
}

/// A certificate that signed itself.
pub(super) fn own_certificate() -> String {
    let key = KeyPair::generate().expect("a key");
    CertificateParams::default()
        .self_signed(&key)
        .expect("a certificate")
        .pem()
}

/// Percent-encodes a label as botocore does.
pub(super) fn label(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
