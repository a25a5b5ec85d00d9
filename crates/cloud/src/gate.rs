//! The way in for devices: TLS, the judgement of certificate and server name (`A-28`), then MQTT.
//!
//! Whoever is refused here never gets a CONNACK (`A-30`); why is in the log and among the refusals.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::AlertDescription;
use thingwire_broker::edge::serve;
use thingwire_broker::{Broker, Peer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::health::Counts;
use crate::refusals::{NewRefusal, Reason, Refusals};
use crate::tls::{self, ALPN_MQTT, Certificates, Denied};

/// A handshake, and the wait for its turn, may take this long. A board with a slow chip needs about two seconds.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// Handshakes at a time: each costs about a millisecond of a core and some ten KiB.
const HANDSHAKES: usize = 512;
/// A closing connection may take this long to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// What all device listeners share.
pub(crate) struct Gate {
    pub(crate) broker: Broker,
    pub(crate) certificates: Arc<dyn Certificates>,
    pub(crate) refusals: Arc<Refusals>,
    counts: Arc<Counts>,
    /// The names under which this cloud may be asked for; none when any will do (`A-16`).
    pub(crate) strict_names: Option<BTreeSet<String>>,
    handshakes: Semaphore,
}

/// A refusal before MQTT.
struct Refused {
    reason: Reason,
    explanation: String,
    certificate_id: Option<String>,
}

impl From<Denied> for Refused {
    fn from(denied: Denied) -> Self {
        Self {
            reason: denied.reason,
            explanation: denied.explanation,
            certificate_id: Some(denied.certificate_id),
        }
    }
}

impl Gate {
    pub(crate) fn new(
        broker: Broker,
        certificates: Arc<dyn Certificates>,
        refusals: Arc<Refusals>,
        counts: Arc<Counts>,
        strict_names: Option<BTreeSet<String>>,
    ) -> Self {
        Self {
            broker,
            certificates,
            refusals,
            counts,
            strict_names,
            handshakes: Semaphore::new(HANDSHAKES),
        }
    }

    /// Serves one connection to its end. Being dropped closes it.
    pub(crate) async fn admit(
        self: Arc<Self>,
        acceptor: TlsAcceptor,
        alpn: bool,
        stream: TcpStream,
        from: SocketAddr,
    ) {
        let Some(stream) = self.handshake(&acceptor, stream, from).await else {
            return;
        };
        match self.judge(&stream, alpn) {
            Ok(peer) => {
                serve(
                    &self.broker,
                    stream,
                    Peer {
                        address: from,
                        ..peer
                    },
                )
                .await;
            }
            Err(refused) => {
                self.note(from, refused);
                goodbye(stream).await;
            }
        }
    }

    async fn handshake(
        &self,
        acceptor: &TlsAcceptor,
        stream: TcpStream,
        from: SocketAddr,
    ) -> Option<TlsStream<TcpStream>> {
        let handshake = async {
            // Never closed, so acquiring cannot fail.
            let _turn = self.handshakes.acquire().await.ok();
            acceptor.accept(stream).into_fallible().await
        };
        match tokio::time::timeout(HANDSHAKE, handshake).await {
            Ok(Ok(stream)) => {
                self.counts.handshake_done();
                Some(stream)
            }
            Ok(Err((error, stream))) => {
                let why = self.explain(from, &error);
                self.counts.handshake_failed(why);
                goodbye(stream).await;
                None
            }
            Err(_) => {
                self.counts.handshake_failed("TIMED_OUT");
                tracing::debug!(source = %from, "the TLS handshake took too long");
                None
            }
        }
    }

    /// Tells a handshake that failed because of us from one that failed because of them. Answers why, as a name.
    fn explain(&self, from: SocketAddr, error: &std::io::Error) -> &'static str {
        let Some(tls) = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        else {
            tracing::debug!(source = %from, %error, "the connection ended during the TLS handshake");
            return "CONNECTION_LOST";
        };
        let refused = |refused: Refused| {
            let name = refused.reason.name();
            self.note(from, refused);
            name
        };
        let not_authenticated = |explanation: &str| {
            refused(Refused {
                reason: Reason::NotAuthenticated,
                explanation: explanation.to_owned(),
                certificate_id: None,
            })
        };
        if let Some(denied) = tls::denied(tls) {
            return refused(denied.clone().into());
        }
        match tls {
            rustls::Error::NoCertificatesPresented => not_authenticated(
                "the client showed no certificate; give it the kit's certificate and private key",
            ),
            rustls::Error::InvalidCertificate(_) => {
                not_authenticated("the client could not prove that the certificate is its own")
            }
            rustls::Error::InvalidMessage(_) => {
                tracing::info!(source = %from, "closed: the bytes are not TLS");
                "NOT_TLS"
            }
            rustls::Error::AlertReceived(
                alert @ (AlertDescription::UnknownCA
                | AlertDescription::BadCertificate
                | AlertDescription::CertificateUnknown
                | AlertDescription::CertificateExpired),
            ) => {
                tracing::warn!(
                    source = %from, ?alert,
                    "the client does not trust this server; give it the kit's root-CA.pem and a name that the server has"
                );
                "SERVER_NOT_TRUSTED"
            }
            other => {
                tracing::info!(source = %from, error = %other, "the TLS handshake failed");
                "TLS_ERROR"
            }
        }
    }

    /// Everything that is judged after the handshake; in the way of [`crate::config::CertRefusal::AfterHandshake`], all of it.
    fn judge(&self, stream: &TlsStream<TcpStream>, alpn: bool) -> Result<Peer, Refused> {
        let (tcp, session) = stream.get_ref();
        let certificate = session
            .peer_certificates()
            .and_then(<[_]>::first)
            .ok_or_else(|| Refused {
                reason: Reason::NotAuthenticated,
                explanation: "the client showed no certificate".to_owned(),
                certificate_id: None,
            })?;
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let now = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        // Also when it was judged during the handshake: its status may have changed since.
        let certificate_id = tls::judge(self.certificates.as_ref(), certificate, now)?;
        let refused = |reason, explanation: String| Refused {
            reason,
            explanation,
            certificate_id: Some(certificate_id.clone()),
        };
        if alpn && session.alpn_protocol() != Some(ALPN_MQTT) {
            let explanation =
                "this port needs the ALPN protocol x-amzn-mqtt-ca; without it use the MQTT port";
            return Err(refused(Reason::AlpnMissing, explanation.to_owned()));
        }
        let server_name = session.server_name();
        if let Some(names) = &self.strict_names {
            match server_name {
                Some(name) if names.contains(&name.to_ascii_lowercase()) => {}
                Some(name) => {
                    let explanation = format!(
                        "the server name `{name}` is none of ours; use the endpoint's name"
                    );
                    return Err(refused(Reason::SniMisused, explanation));
                }
                None => {
                    let explanation =
                        "the client sent no server name (SNI), which strict mode requires"
                            .to_owned();
                    return Err(refused(Reason::SniMisused, explanation));
                }
            }
        }
        Ok(Peer {
            principal: certificate_id.into(),
            address: tcp
                .peer_addr()
                .unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0))),
            server_name: server_name.map(Into::into),
        })
    }

    fn note(&self, from: SocketAddr, refused: Refused) {
        tracing::warn!(
            event_type = "Connection.AuthNError", status = "Failure", reason = refused.reason.name(), source = %from,
            principal = refused.certificate_id.as_deref().unwrap_or_default(), "{}", refused.explanation
        );
        self.refusals.add(NewRefusal {
            reason: refused.reason,
            explanation: refused.explanation,
            action: None,
            resource: None,
            client_id: None,
            certificate_id: refused.certificate_id,
            address: from,
        });
    }
}

/// Closes a connection so that the peer can read what was sent last: closing a socket with unread bytes in it resets the
/// connection, and the alert that explains everything is lost on the way.
async fn goodbye(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let farewell = async {
        let _ = stream.shutdown().await;
        let mut unread = [0; 1024];
        while stream.read(&mut unread).await.is_ok_and(|count| count > 0) {}
    };
    // Whether the peer hears it does not matter any more.
    let _ = tokio::time::timeout(GOODBYE, farewell).await;
}
