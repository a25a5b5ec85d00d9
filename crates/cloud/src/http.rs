//! The way in for people's tools: the control plane on loopback, HTTP and HTTPS on one port.
//!
//! A web page that a person visits can make their browser send requests to loopback. So only requests that name this machine
//! or this cloud in `Host` are served (a rebound DNS name is not one of those), and none that another web page sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderName, ORIGIN};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::listen::{stopped, unless_stopped};

/// First byte of a TLS record that holds a ClientHello.
const TLS_HANDSHAKE: u8 = 0x16;
/// The first byte, and the TLS handshake, may take this long.
const PATIENCE: Duration = Duration::from_secs(15);
/// The head of a request may take this long, and so may an idle connection be kept.
const HEAD: Duration = Duration::from_secs(60);
/// The head of a request takes this much memory at most, of a stranger's too; a body comes in pieces of this size.
const BUFFER: usize = 64 * 1024;

/// Whom requests may address.
#[derive(Debug)]
pub(crate) struct Hosts {
    /// The endpoint's name, and the AWS-shaped one.
    names: Vec<String>,
    /// `iot.<region>.amazonaws.com`, which AWS owns with everything below it.
    region: String,
}

impl Hosts {
    pub(crate) fn new(names: &[&str], region: &str) -> Self {
        Self {
            names: names.iter().map(|name| name.to_ascii_lowercase()).collect(),
            region: format!("iot.{region}.amazonaws.com"),
        }
    }

    /// Whether this `Host`, with any port, is ours.
    fn know(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let name = match host.rsplit_once(':') {
            Some((name, port))
                if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                name
            }
            _ => &host,
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        let name = name
            .strip_suffix(".cn")
            .filter(|name| name.ends_with(".amazonaws.com"))
            .unwrap_or(name);
        matches!(name, "localhost" | "127.0.0.1" | "[::1]")
            || self.names.iter().any(|known| known == name)
            || name
                .strip_suffix(&self.region)
                .is_some_and(|below| below.is_empty() || below.ends_with('.'))
    }

    /// Whether a request may pass: what it is addressed to, and no page of a foreign site behind it.
    fn admit(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), String> {
        let host = match uri.authority() {
            Some(authority) => Some(authority.as_str()),
            None => headers.get(HOST).and_then(|host| host.to_str().ok()),
        };
        let Some(host) = host else {
            return Err("the request names no host".to_owned());
        };
        if !self.know(host) {
            return Err(format!(
                "host `{host}` is not this cloud; use localhost or the endpoint's name"
            ));
        }
        if let Some(origin) = headers.get(ORIGIN) {
            let origin = origin.to_str().unwrap_or_default();
            let page = ["http://", "https://"]
                .iter()
                .find_map(|scheme| origin.strip_prefix(scheme));
            // Another port of this computer is another origin, and whose page that is nobody knows.
            if page.is_none_or(|page| !page.eq_ignore_ascii_case(host)) {
                return Err(format!(
                    "requests from web pages of `{origin}` are not served"
                ));
            }
        }
        Ok(())
    }
}

/// What all connections to the API port share.
pub(crate) struct Api {
    router: Router,
    tls: TlsAcceptor,
}

impl Api {
    pub(crate) fn new(router: Router, hosts: Hosts, tls: TlsAcceptor) -> Self {
        Self {
            router: router.layer(from_fn_with_state(Arc::new(hosts), guard)),
            tls,
        }
    }

    fn service(&self) -> TowerToHyperService<Router> {
        TowerToHyperService::new(self.router.clone())
    }

    /// Serves one connection to its end, or until `stop`. Being dropped closes it.
    pub(crate) async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        from: SocketAddr,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut first = [0];
        let begun = tokio::time::timeout(PATIENCE, stream.peek(&mut first));
        let tls = match unless_stopped(&mut stop, begun).await {
            Some(Ok(Ok(1))) => first == [TLS_HANDSHAKE],
            _ => return,
        };
        if !tls {
            return requests(stream, self.service(), from, stop).await;
        }
        let accepting = tokio::time::timeout(PATIENCE, self.tls.accept(stream));
        let Some(accepted) = unless_stopped(&mut stop, accepting).await else {
            return;
        };
        match accepted {
            Ok(Ok(stream)) => requests(stream, self.service(), from, stop).await,
            Ok(Err(error)) => {
                tracing::info!(source = %from, %error, "TLS handshake on the API port failed")
            }
            Err(_) => {
                tracing::debug!(source = %from, "TLS handshake on the API port took too long")
            }
        }
    }
}

/// Serves the requests of one connection, until it ends, becomes something else, or `stop`.
pub(crate) async fn requests<S, V>(
    stream: S,
    service: V,
    from: SocketAddr,
    mut stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    V: HttpService<Incoming, ResBody = Body>,
    V::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(BUFFER);
    let connection = builder
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(source = %from, %error, "HTTP connection");
                }
                return;
            }
            () = stopped(&mut stop), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Answers 403 to what [`Hosts::admit`] does not let pass; waits for the rest of the router otherwise.
async fn guard(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    match hosts.admit(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(why) => {
            tracing::warn!(%why, "refused a request to the API");
            let kind = (
                HeaderName::from_static("x-amzn-errortype"),
                "ForbiddenException",
            );
            // The body was not read, so nothing can follow it.
            let close = (CONNECTION, "close");
            let body = serde_json::json!({ "message": why }).to_string();
            (
                StatusCode::FORBIDDEN,
                [kind, close, (CONTENT_TYPE, "application/json")],
                body,
            )
                .into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(uri: &str, headers: &[(HeaderName, &str)]) -> Result<(), String> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect();
        Hosts::new(
            &["cloud.example", "a1b2-ats.iot.us-east-1.amazonaws.com"],
            "us-east-1",
        )
        .admit(&uri.parse().unwrap(), &headers)
    }

    #[test]
    fn requests_to_this_machine_and_this_cloud_pass() {
        for host in [
            "localhost",
            "localhost:4566",
            "LocalHost:4566",
            "127.0.0.1:1",
            "[::1]:4566",
            "[::1]",
            "cloud.example:443",
            "iot.us-east-1.amazonaws.com",
            "a1b2-ats.iot.us-east-1.amazonaws.com:8443",
            "data.jobs.iot.us-east-1.amazonaws.com",
        ] {
            assert_eq!(admit("/things", &[(HOST, host)]), Ok(()), "{host}");
        }
        assert_eq!(
            admit("http://localhost:4566/things", &[]),
            Ok(()),
            "the absolute form"
        );
    }

    #[test]
    fn a_rebound_name_does_not() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:4566",
            "notiot.us-east-1.amazonaws.com",
            "mine.elb.us-east-1.amazonaws.com",
            "iot.us-east-1.amazonaws.com.evil.example",
            "192.168.0.7:4566",
            "localhost:4566:evil",
            "",
        ] {
            assert!(admit("/things", &[(HOST, host)]).is_err(), "{host}");
        }
        assert!(admit("/things", &[]).is_err(), "no host at all");
        assert!(
            admit("http://evil.example/things", &[(HOST, "localhost")]).is_err(),
            "the absolute form decides"
        );
    }

    #[test]
    fn web_pages_of_other_sites_do_not() {
        let from = |origin| admit("/things", &[(HOST, "localhost:4566"), (ORIGIN, origin)]);
        assert_eq!(from("http://localhost:4566"), Ok(()), "the console");
        assert_eq!(from("https://LOCALHOST:4566"), Ok(()), "over TLS");
        assert!(from("https://evil.example").is_err());
        assert!(from("http://localhost:4567").is_err(), "another port");
        assert!(from("http://127.0.0.1:4566").is_err(), "another name");
        assert!(from("ftp://localhost:4566").is_err());
        assert!(from("null").is_err(), "a sandboxed frame");
    }
}
