//! MQTT as the person with AWS credentials: over a WebSocket whose URL is signed (`A-6`, `A-9`).
//!
//! The credentials are those that every AWS tool would find; they are asked for anew at each connection, for temporary ones change.
//! Neither they nor the signed URL, which opens a connection as well, reach a log or an error.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{
    SessionTokenMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use thingwire_cloud::websocket::{self, Frames, SUBPROTOCOL};
use thingwire_contract::limit::PACKET_BYTES;
use thingwire_device::{Connector, Failure, FailureKind};
use thingwire_host::{Transport, TransportError, open_tls};
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};

/// The service in the credential scope (`A-5`).
const SERVICE: &str = "iotdevicegateway";
/// The signature is used at once.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// Where to connect, and as whom.
#[derive(Clone)]
pub(crate) struct Signer {
    pub(crate) endpoint: String,
    pub(crate) port: u16,
    pub(crate) region: String,
    pub(crate) roots_pem: String,
    pub(crate) credentials: SharedCredentialsProvider,
}

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Signer")
            .field("endpoint", &self.endpoint)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Signer {
    /// The request that opens the WebSocket.
    async fn request(&self) -> Result<Request, Failure> {
        let credentials = self.credentials.provide_credentials().await.map_err(|_| {
            Failure::new(
                FailureKind::Configuration,
                "no AWS credentials were found (aws configure, AWS_PROFILE, AWS_ACCESS_KEY_ID …)",
            )
        })?;
        let host = match self.port {
            443 => self.endpoint.clone(),
            port => format!("{}:{port}", self.endpoint),
        };
        let unusable =
            |what: &str| Failure::with(FailureKind::Configuration, format_args!("signing: {what}"));
        let mut request = format!("wss://{host}/mqtt")
            .into_client_request()
            .map_err(|_| unusable("the endpoint is not a host name"))?;
        let identity = credentials.into();
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        // AWS IoT wants the token added after signing.
        settings.session_token_mode = SessionTokenMode::Exclude;
        settings.expires_in = Some(GOOD_FOR);
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(SERVICE)
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .map_err(|_| unusable("the settings are incomplete"))?
            .into();
        // The same as the request's, in the words of HTTP.
        let url = format!("https://{host}/mqtt");
        let signable =
            SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::Bytes(b""))
                .map_err(|_| unusable("the request cannot be signed"))?;
        let (instructions, _) = sign(signable, &params)
            .map_err(|_| unusable("the request cannot be signed"))?
            .into_parts();
        instructions.apply_to_request_http1x(&mut request);
        request.headers_mut().insert(
            "sec-websocket-protocol",
            HeaderValue::from_static(SUBPROTOCOL),
        );
        Ok(request)
    }
}

impl Connector for Signer {
    type Error = TransportError;
    type Transport<'a> = Transport;

    /// Waits for credentials, the server, TLS and the WebSocket. Dropping it closes what was opened.
    async fn connect(&mut self) -> Result<Transport, Failure> {
        let request = self.request().await?;
        let stream = open_tls(&self.endpoint, self.port, &self.roots_pem).await?;
        let packet_len = usize::try_from(PACKET_BYTES).unwrap_or(usize::MAX);
        let settings = websocket::settings(packet_len);
        match client_async_with_config(request, stream, Some(settings)).await {
            Ok((socket, _)) => Ok(Transport::over(Frames::over(socket))),
            Err(error) => Err(refused(&error)),
        }
    }

    fn explain(error: &TransportError) -> Failure {
        thingwire_host::KitConnector::explain(error)
    }

    async fn close(transport: Self::Transport<'_>) {
        transport.shutdown().await;
    }
}

fn refused(error: &tokio_tungstenite::tungstenite::Error) -> Failure {
    use tokio_tungstenite::tungstenite::Error;
    match error {
        Error::Http(answer) if answer.status() == StatusCode::FORBIDDEN => Failure::new(
            FailureKind::ClientCertificate,
            "the cloud does not take the signature of these AWS credentials (403)",
        ),
        Error::Http(answer) => Failure::with(
            FailureKind::Connection,
            format_args!(
                "the WebSocket was refused with status {}",
                answer.status().as_u16()
            ),
        ),
        // Others may quote the URL.
        Error::Io(error) => Failure::with(FailureKind::Connection, format_args!("{error}")),
        _ => Failure::new(
            FailureKind::Connection,
            "what answers there does not speak MQTT over WebSocket",
        ),
    }
}
