//! The way in for devices: TLS, the judgement of certificate and server name (`A-28`), then MQTT or HTTP.
//!
//! Whoever is refused here never gets a CONNACK (`A-30`); why is in the log and among the refusals.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::AlertDescription;
use rustls::server::Acceptor;
use thingwire_broker::Peer;
use thingwire_broker::edge::serve;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};

use crate::data_plane::{Caller, DataPlane};
use crate::health::Counts;
use crate::listen::unless_stopped;
use crate::pki;
use crate::refusals::{NewRefusal, Reason};
use crate::tls::{self, Certificates, Denied, DeviceTls, Wish};
use crate::turns::{HANDSHAKE, Late, Turns};

/// A closing connection may take this long to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// The first byte of a CONNECT; no request of HTTP begins so.
const MQTT_CONNECT: u8 = 0x10;
/// What is read to see that byte, and of each request at once.
const READ_AHEAD: usize = 1024;

/// What all device listeners share.
pub(crate) struct Gate {
    pub(crate) data_plane: Arc<DataPlane>,
    pub(crate) certificates: Arc<dyn Certificates>,
    counts: Arc<Counts>,
    /// The names under which this cloud may be asked for; none when any will do (`A-16`).
    pub(crate) strict_names: Option<BTreeSet<String>>,
    turns: Turns,
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
        data_plane: Arc<DataPlane>,
        certificates: Arc<dyn Certificates>,
        counts: Arc<Counts>,
        strict_names: Option<BTreeSet<String>>,
    ) -> Self {
        Self {
            data_plane,
            certificates,
            counts,
            strict_names,
            turns: Turns::new(),
        }
    }

    /// Serves one connection to its end. Being dropped closes it; `stop` ends the requests of HTTP.
    pub(crate) async fn admit(
        self: Arc<Self>,
        tls: DeviceTls,
        stream: TcpStream,
        from: SocketAddr,
        mut stop: watch::Receiver<bool>,
    ) {
        let handshake = Box::pin(self.handshake(&tls, stream, from));
        let Some(Some((wish, stream))) = unless_stopped(&mut stop, handshake).await else {
            return;
        };
        let caller = match self.judge(&stream, wish, from) {
            Ok(caller) => caller,
            Err(refused) => {
                self.note(from, refused);
                return goodbye(stream).await;
            }
        };
        // The broker has told everybody that it closes; who comes now would not hear it.
        if *stop.borrow() {
            return goodbye(stream).await;
        }
        if wish != Wish::Mqtt {
            // Of the two this is the larger future by far, and the rarer one.
            return Box::pin(self.http(stream, caller, stop)).await;
        }
        let peer = Peer {
            principal: caller.certificate_id.unwrap_or_default().into(),
            address: from,
            server_name: caller.server_name,
        };
        serve(&self.data_plane.broker, stream, peer).await;
    }

    /// HTTP, unless the first byte says that it is MQTT on the wrong port.
    async fn http(
        self: Arc<Self>,
        stream: TlsStream<TcpStream>,
        caller: Caller,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut stream = BufReader::with_capacity(READ_AHEAD, stream);
        let begun = tokio::time::timeout(HANDSHAKE, stream.fill_buf());
        let first = match unless_stopped(&mut stop, begun).await {
            Some(Ok(Ok(bytes))) => bytes.first().copied(),
            Some(_) => return,
            None => return goodbye(stream).await,
        };
        if first == Some(MQTT_CONNECT) {
            let explanation = "MQTT on this port needs the ALPN protocol x-amzn-mqtt-ca; without it use the MQTT port";
            self.note(
                caller.address,
                Refused {
                    reason: Reason::AlpnMissing,
                    explanation: explanation.to_owned(),
                    certificate_id: caller.certificate_id,
                },
            );
            return goodbye(stream).await;
        }
        Arc::clone(&self.data_plane)
            .serve(stream, caller, stop)
            .await;
    }

    async fn handshake(
        &self,
        tls: &DeviceTls,
        stream: TcpStream,
        from: SocketAddr,
    ) -> Option<(Wish, TlsStream<TcpStream>)> {
        let mut acceptor = LazyConfigAcceptor::new(Acceptor::default(), stream);
        let hello = async {
            let hello = (&mut acceptor).await;
            hello.map_err(|error| (None, None, error, acceptor.take_io()))
        };
        let rest = async |hello: StartHandshake<TcpStream>| {
            let (wish, config) = tls.choose(&hello.client_hello());
            let misused = self.misused(hello.client_hello().server_name());
            match hello.into_stream(config).into_fallible().await {
                Ok(stream) => Ok((wish, stream)),
                Err((error, stream)) => Err((Some(wish), misused, error, Some(stream))),
            }
        };
        let done = self.turns.handshake(from.ip(), hello, rest).await;
        match done {
            Ok(Ok(done)) => {
                self.counts.handshake_done();
                Some(done)
            }
            Ok(Err((wish, misused, error, stream))) => {
                let why = if wish == Some(Wish::Custom) {
                    self.no_custom_authorizer(from)
                } else {
                    self.explain(from, &error, misused)
                };
                self.counts.handshake_failed(why);
                if let Some(stream) = stream {
                    goodbye(stream).await;
                }
                None
            }
            Err(late) => {
                self.counts.handshake_failed(match late {
                    Late::Peer => "TIMED_OUT",
                    Late::NoTurn => "NO_TURN",
                });
                None
            }
        }
    }

    fn no_custom_authorizer(&self, from: SocketAddr) -> &'static str {
        let explanation = "the ALPN protocol mqtt is for custom authorizers, which this cloud does not have; \
                           with a certificate use x-amzn-mqtt-ca";
        let reason = Reason::NotAuthenticated;
        self.note(
            from,
            Refused {
                reason,
                explanation: explanation.to_owned(),
                certificate_id: None,
            },
        );
        reason.name()
    }

    /// Tells a handshake that failed because of us from one that failed because of them. Answers why, as a name.
    fn explain(
        &self,
        from: SocketAddr,
        error: &std::io::Error,
        misused: Option<String>,
    ) -> &'static str {
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
            // A wrong server name comes before a certificate that is not registered (`A-28`).
            if let Some(explanation) = misused {
                return refused(Refused {
                    reason: Reason::SniMisused,
                    explanation,
                    certificate_id: Some(denied.certificate_id.clone()),
                });
            }
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

    /// Everything that is judged after the handshake, in the order of `A-28`; in the way of [`crate::config::CertRefusal::AfterHandshake`], all of it.
    fn judge(
        &self,
        stream: &TlsStream<TcpStream>,
        wish: Wish,
        from: SocketAddr,
    ) -> Result<Caller, Refused> {
        let (_, session) = stream.get_ref();
        let certificate = session.peer_certificates().and_then(<[_]>::first);
        if wish != Wish::Signed && certificate.is_none() {
            return Err(Refused {
                reason: Reason::NotAuthenticated,
                explanation: "the client showed no certificate".to_owned(),
                certificate_id: None,
            });
        }
        let server_name = session.server_name();
        if let Some(explanation) = self.misused(server_name) {
            return Err(Refused {
                reason: Reason::SniMisused,
                explanation,
                certificate_id: certificate.map(|der| pki::certificate_id(der)),
            });
        }
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let now = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        // Also when it was judged during the handshake: its status may have changed since.
        let certificate_id = certificate
            .map(|der| tls::judge(self.certificates.as_ref(), der, now))
            .transpose()?;
        Ok(Caller {
            address: from,
            server_name: server_name.map(Into::into),
            certificate_id,
        })
    }

    /// Why this server name is not one to ask for, where that matters (`A-15`, `A-16`).
    fn misused(&self, server_name: Option<&str>) -> Option<String> {
        let names = self.strict_names.as_ref()?;
        match server_name {
            Some(name) if names.contains(&name.to_ascii_lowercase()) => None,
            Some(name) => Some(format!(
                "the server name `{name}` is none of ours; use the endpoint's name"
            )),
            None => {
                Some("the client sent no server name (SNI), which strict mode requires".to_owned())
            }
        }
    }

    fn note(&self, from: SocketAddr, refused: Refused) {
        tracing::warn!(
            event_type = "Connection.AuthNError", status = "Failure", reason = refused.reason.name(), source = %from,
            principal = refused.certificate_id.as_deref().unwrap_or_default(), "{}", refused.explanation
        );
        self.data_plane.refusals.add(NewRefusal {
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
