//! HTTP on the ports for devices: MQTT over WebSocket at `/mqtt` (`A-9`), and publishing by `POST /topics/<topic>` (`F-24`, `F-25`).
//!
//! Who asks is the certificate that the gate has judged, or who signed the request ([`crate::sigv4`]). What cannot be told apart stays
//! outside: every refusal is AWS's 403 with an id, and the reason is in the log and among the refusals.

mod options;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{
    CONNECTION, CONTENT_TYPE, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use thingwire_broker::edge::{TimeLimit, serve_until};
use thingwire_broker::{
    Action, Authorize, Broker, Client, Decision, DisconnectReason, Peer, Permissions, Rules,
};
use thingwire_contract::limit::{PAYLOAD_BYTES, TOPIC_BYTES, TOPIC_SLASHES};
use thingwire_mqtt::{QoS, topic};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use self::options::Options;
use crate::access_keys::AccessKeys;
use crate::health::Metered;
use crate::http;
use crate::refusals::{NewRefusal, Reason, Refusals};
use crate::sigv4::{self, Judge};
use crate::websocket::{Frames, OLD_SUBPROTOCOL, SUBPROTOCOL};

/// Characters of a `sec-websocket-key`: 16 bytes in base 64. AWS's first SDK for Python sends 128, which AWS takes.
const KEY_LEN: std::ops::RangeInclusive<usize> = 24..=172;

/// The path of MQTT over WebSocket.
const MQTT: &str = "/mqtt";
/// What the path of a publish begins with.
const TOPICS: &str = "/topics/";
/// A body may take this long.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// What all these connections share.
pub(crate) struct DataPlane {
    pub(crate) broker: Broker,
    pub(crate) store: Arc<Metered>,
    pub(crate) authorizer: Arc<dyn Authorize>,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) keys: AccessKeys,
    pub(crate) region: String,
    /// How far the clocks may be apart.
    pub(crate) skew: Duration,
    /// How long a connection lives that was opened with a signature (`A-10`).
    pub(crate) websocket_life: Duration,
}

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) address: SocketAddr,
    pub(crate) server_name: Option<Arc<str>>,
    /// The certificate that was shown and judged.
    pub(crate) certificate_id: Option<String>,
}

/// A request that became a WebSocket.
struct Opened {
    stream: OnUpgrade,
    principal: String,
    limit: Option<TimeLimit>,
}

/// Who sent a request.
struct Sender {
    principal: String,
    by_signature: bool,
}

/// An answer that says no.
struct No {
    status: StatusCode,
    exception: &'static str,
    message: Cow<'static, str>,
}

impl No {
    fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            exception: "InvalidRequestException",
            message: message.into(),
        }
    }

    /// Says no more than AWS does.
    const fn forbidden() -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            exception: "ForbiddenException",
            message: Cow::Borrowed("Forbidden"),
        }
    }
}

impl DataPlane {
    /// Serves one connection to its end: requests, and after them perhaps MQTT. Being dropped closes it.
    pub(crate) async fn serve<S>(
        self: Arc<Self>,
        stream: S,
        caller: Caller,
        stop: watch::Receiver<bool>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let caller = Arc::new(caller);
        let stopping = stop.clone();
        let slot: Arc<Mutex<Option<Opened>>> = Arc::default();
        let service = service_fn({
            let (plane, caller, slot) = (Arc::clone(&self), Arc::clone(&caller), Arc::clone(&slot));
            move |request: hyper::Request<hyper::body::Incoming>| {
                let (plane, caller) = (Arc::clone(&plane), Arc::clone(&caller));
                let slot = Arc::clone(&slot);
                async move {
                    let answer = plane.answer(request.map(Body::new), &caller, &slot).await;
                    Ok::<_, Infallible>(answer)
                }
            }
        });
        http::requests(stream, service, caller.address, stop).await;
        let opened = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        // After the end of the broker there is nobody to talk to.
        let Some(opened) = opened.filter(|_| !*stopping.borrow()) else {
            return;
        };
        let stream = match opened.stream.await {
            Ok(stream) => TokioIo::new(stream),
            Err(error) => {
                tracing::debug!(source = %caller.address, %error, "the WebSocket was not opened");
                return;
            }
        };
        let peer = Peer {
            principal: opened.principal.into(),
            address: caller.address,
            server_name: caller.server_name.clone(),
        };
        let packet_len = Rules::of(self.broker.config().behaviour).packet_len;
        let frames = Frames::server(stream, packet_len).await;
        serve_until(&self.broker, frames, peer, opened.limit).await;
    }

    /// Answers one request. Waits for its body and nothing else.
    async fn answer(
        &self,
        request: Request,
        caller: &Caller,
        slot: &Mutex<Option<Opened>>,
    ) -> Response {
        let trace_id = uuid::Uuid::new_v4().to_string();
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let result = if path == MQTT {
            self.open(request, caller, slot)
        } else if let Some(topic) = path.strip_prefix(TOPICS) {
            self.publish(topic, request, caller).await
        } else {
            Err(No {
                status: StatusCode::NOT_FOUND,
                exception: "ResourceNotFoundException",
                message: "Not Found".into(),
            })
        };
        let answer = match result {
            Ok(Some(response)) => response,
            Ok(None) => json(StatusCode::OK, "OK", &trace_id),
            Err(no) => {
                tracing::debug!(source = %caller.address, %method, status = no.status.as_u16(), message = %no.message, "refused");
                let kind = HeaderName::from_static("x-amzn-errortype");
                // The body may not have been read, so nothing can follow it.
                let headers = [
                    (kind, HeaderValue::from_static(no.exception)),
                    (CONNECTION, HeaderValue::from_static("close")),
                ];
                (headers, json(no.status, &no.message, &trace_id)).into_response()
            }
        };
        let id = HeaderValue::from_str(&trace_id).ok();
        (
            id.map(|id| [(HeaderName::from_static("x-amzn-requestid"), id)]),
            answer,
        )
            .into_response()
    }

    /// The handshake of RFC 6455, section 4.2.
    fn open(
        &self,
        mut request: Request,
        caller: &Caller,
        slot: &Mutex<Option<Opened>>,
    ) -> Result<Option<Response>, No> {
        let stream = hyper::upgrade::on(&mut request);
        let sender = self.sender(&request, b"", caller)?;
        let headers = request.headers();
        if *request.method() != Method::GET
            || !names(headers, UPGRADE, "websocket")
            || !names(headers, CONNECTION, "upgrade")
        {
            return Err(No::invalid("/mqtt is for MQTT over WebSocket"));
        }
        if headers
            .get(SEC_WEBSOCKET_VERSION)
            .map(HeaderValue::as_bytes)
            != Some(b"13")
        {
            return Err(No::invalid("sec-websocket-version must be 13"));
        }
        let protocol = [SUBPROTOCOL, OLD_SUBPROTOCOL]
            .into_iter()
            .find(|known| names(headers, SEC_WEBSOCKET_PROTOCOL, known))
            .ok_or(No::invalid("sec-websocket-protocol must offer mqtt"))?;
        let key = headers.get(SEC_WEBSOCKET_KEY);
        let key = key.filter(|key| KEY_LEN.contains(&key.as_bytes().len()));
        let key = key.ok_or(No::invalid("sec-websocket-key must be 16 bytes in base 64"))?;
        let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()))
            .map_err(|_| No::invalid("sec-websocket-key cannot be answered"))?;
        let limit = sender.by_signature.then_some(TimeLimit {
            after: self.websocket_life,
            reason: DisconnectReason::WebSocketTtlExpiration,
            detail: "A-10: the time of a connection that was opened with a signature is up",
        });
        let opened = Opened {
            stream,
            principal: sender.principal,
            limit,
        };
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened);
        let headers = [
            (CONNECTION, HeaderValue::from_static("upgrade")),
            (UPGRADE, HeaderValue::from_static("websocket")),
            (SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol)),
            (SEC_WEBSOCKET_ACCEPT, accept),
        ];
        Ok(Some(
            (StatusCode::SWITCHING_PROTOCOLS, headers).into_response(),
        ))
    }

    /// One message of a client that has no session. It has no client id and no thing either (`C-40`).
    async fn publish(
        &self,
        encoded: &str,
        request: Request,
        caller: &Caller,
    ) -> Result<Option<Response>, No> {
        let (head, body) = request.into_parts();
        let body = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, PAYLOAD_BYTES))
            .await
            .map_err(|_| No::invalid("the body did not arrive in time"))?
            // Too large, or broken off; the latter nobody hears.
            .map_err(|_| No {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                exception: "RequestEntityTooLargeException",
                message: format!("a message has at most {PAYLOAD_BYTES} bytes").into(),
            })?;
        let request = Request::from_parts(head, Body::empty());
        let sender = self.sender(&request, &body, caller)?;
        if *request.method() != Method::POST {
            return Err(No {
                status: StatusCode::METHOD_NOT_ALLOWED,
                exception: "MethodNotAllowedException",
                message: "a message is sent with POST".into(),
            });
        }
        let topic = percent_decode_str(encoded)
            .decode_utf8()
            .map_err(|_| No::invalid("the topic is not UTF-8"))?;
        let rules = Rules::of(self.broker.config().behaviour);
        let query = request.uri().query().unwrap_or_default();
        let options = Options::read(query, request.headers(), &rules).map_err(No::invalid)?;
        let Options { qos, retain, .. } = options;
        let reserved = self.broker.config().reserved;
        check_topic(&topic, (reserved.counted)(&topic))?;
        if topic.starts_with('$') && rules.reserves_topics {
            if !(reserved.publish)(&topic) {
                let why = "B-44: this topic is reserved and not open to clients";
                return Err(self.denied(caller, sender, Action::Publish, &topic, why));
            }
            if retain {
                let why = "B-64: RETAIN on a reserved topic";
                return Err(self.denied(caller, sender, Action::RetainPublish, &topic, why));
            }
        }
        let permissions = self.permissions(caller, &sender);
        for action in [Action::Publish, Action::RetainPublish] {
            if action == Action::RetainPublish && !retain {
                continue;
            }
            if let Decision::Deny(why) = permissions.decide(action, &topic) {
                return Err(self.denied(caller, sender, action, &topic, &why));
            }
        }
        if qos > QoS::AtMostOnce || retain {
            self.check_store().await?;
        }
        self.broker
            .publish_for_client(&topic, &body, qos, retain, &options.properties())
            .map_err(|quota| self.throttled(caller, sender, &topic, quota))?;
        Ok(None)
    }

    /// Over a quota of the account: `ThrottlingException` of the data plane (F-25), whose message names the quota.
    fn throttled(&self, caller: &Caller, sender: Sender, topic: &str, quota: String) -> No {
        let reason = Reason::ProtocolViolation;
        tracing::warn!(
            event_type = "Publish-In", protocol = "HTTP", status = "Failure", reason = reason.name(), resource = topic,
            principal = sender.principal, source = %caller.address, "{quota}"
        );
        self.refusals.add(NewRefusal {
            reason,
            explanation: quota.clone(),
            action: Some(crate::observe::name(Action::Publish)),
            resource: Some(topic.to_owned()),
            client_id: None,
            certificate_id: Some(sender.principal),
            address: caller.address,
        });
        No {
            status: StatusCode::TOO_MANY_REQUESTS,
            exception: "ThrottlingException",
            message: quota.into(),
        }
    }

    /// What must be kept is not accepted while the store takes no writes (`/readyz`). Waits for the disk, if nothing was written lately.
    async fn check_store(&self) -> Result<(), No> {
        let store = Arc::clone(&self.store);
        let why = match tokio::task::spawn_blocking(move || store.takes_writes()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(error = why, "not published: the store takes no writes");
        Err(No {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            exception: "InternalFailureException",
            message: "the local cloud cannot keep the message: its store takes no writes; make room, or make the disk writable"
                .into(),
        })
    }

    fn permissions(&self, caller: &Caller, sender: &Sender) -> Arc<dyn Permissions> {
        self.authorizer.permissions(&Client {
            principal: sender.principal.as_str().into(),
            client_id: "".into(),
            address: caller.address,
            server_name: caller.server_name.clone(),
            persistent: false,
            will_topic: None,
        })
    }

    /// Who sent this; the certificate of the connection speaks for all of its requests.
    fn sender(&self, request: &Request, body: &[u8], caller: &Caller) -> Result<Sender, No> {
        if let Some(certificate_id) = &caller.certificate_id {
            return Ok(Sender {
                principal: certificate_id.clone(),
                by_signature: false,
            });
        }
        let signed = sigv4::Request {
            method: request.method().as_str(),
            path: request.uri().path(),
            query: request.uri().query().unwrap_or_default(),
            headers: request.headers(),
            body,
        };
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let judge = Judge {
            keys: &self.keys,
            region: &self.region,
            skew: self.skew,
            now: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        };
        match sigv4::verify(&signed, &judge) {
            Ok(principal) => Ok(Sender {
                principal,
                by_signature: true,
            }),
            Err(rejected) => {
                let reason = Reason::NotAuthenticated;
                tracing::warn!(
                    event_type = "Connection.AuthNError", status = "Failure", reason = reason.name(),
                    source = %caller.address, "{rejected}"
                );
                self.refusals.add(NewRefusal {
                    reason,
                    explanation: rejected.to_string(),
                    action: None,
                    resource: None,
                    client_id: None,
                    certificate_id: None,
                    address: caller.address,
                });
                Err(No::forbidden())
            }
        }
    }

    fn denied(
        &self,
        caller: &Caller,
        sender: Sender,
        action: Action,
        topic: &str,
        why: &str,
    ) -> No {
        let reason = Reason::AuthorizationFailure;
        let action = crate::observe::name(action);
        tracing::warn!(
            event_type = "Publish-In", protocol = "HTTP", status = "Failure", reason = reason.name(), action,
            resource = topic, principal = sender.principal, source = %caller.address, "{why}"
        );
        self.refusals.add(NewRefusal {
            reason,
            explanation: why.to_owned(),
            action: Some(action),
            resource: Some(topic.to_owned()),
            client_id: None,
            certificate_id: Some(sender.principal),
            address: caller.address,
        });
        No::forbidden()
    }
}

/// `B-41`; `counted` is the part of the name that has limits.
fn check_topic(name: &str, counted: &str) -> Result<(), No> {
    if !topic::is_valid_name(name) {
        return Err(No::invalid(
            "a topic to publish to is not empty and holds no `+`, `#` or NUL",
        ));
    }
    if counted.len() > TOPIC_BYTES {
        return Err(No::invalid(format!(
            "a topic has at most {TOPIC_BYTES} bytes"
        )));
    }
    if counted.matches('/').count() > TOPIC_SLASHES {
        return Err(No::invalid(format!(
            "a topic has at most {TOPIC_SLASHES} slashes"
        )));
    }
    Ok(())
}

/// Whether a header that is a list has this member.
fn names(headers: &HeaderMap, header: HeaderName, member: &str) -> bool {
    headers
        .get_all(header)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|found| found.trim().eq_ignore_ascii_case(member))
}

/// `F-25`.
fn json(status: StatusCode, message: &str, trace_id: &str) -> Response {
    let body = serde_json::json!({ "message": message, "traceId": trace_id }).to_string();
    let kind = (CONTENT_TYPE, HeaderValue::from_static("application/json"));
    (status, [kind], body).into_response()
}
