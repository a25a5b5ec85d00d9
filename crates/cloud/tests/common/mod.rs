//! A cloud for one test, and a raw client: TLS by rustls, MQTT 3.1.1 written by hand.

#![allow(dead_code, reason = "each test uses its part")]

use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion,
};
use serde_json::{Value, json};
use thingwire_cloud::{Cloud, Config, Running};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Longer than anything here takes on a busy machine; only a defect waits it out.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// CONNACK of MQTT 3.1.1: a new session, accepted.
pub(crate) const CONNACK: [u8; 4] = [0x20, 2, 0, 0];

/// What a client gets that is not let in.
pub(crate) const NOTHING: [u8; 0] = [];

/// A running cloud in a folder of its own.
pub(crate) struct TestCloud {
    pub(crate) running: Running,
    pub(crate) folder: tempfile::TempDir,
}

impl TestCloud {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::new(folder.path().join("data")).with_free_ports();
        change(&mut config);
        let running = Cloud::start(config)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        Self { running, folder }
    }

    pub(crate) fn config(&self) -> Config {
        Config::new(self.folder.path().join("data")).with_free_ports()
    }

    /// Stops it and starts another on the same folder.
    pub(crate) async fn restart(self) -> Self {
        let config = self.config();
        let Self { running, folder } = self;
        running.shutdown().await;
        let running = Cloud::start(config)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        Self { running, folder }
    }

    pub(crate) fn api_port(&self) -> u16 {
        self.running
            .ready()
            .api_url
            .rsplit(':')
            .next()
            .unwrap()
            .parse()
            .unwrap()
    }

    /// One request to the control plane; the status and the body.
    pub(crate) async fn api(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let stream = TcpStream::connect(("127.0.0.1", self.api_port()))
            .await
            .unwrap();
        let (status, text) = request(
            stream,
            method,
            path,
            &format!("localhost:{}", self.api_port()),
            body,
        )
        .await;
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// The same, when it must succeed.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.api(method, path, body).await;
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer
    }

    /// Makes a policy that allows everything, if it is not there yet.
    pub(crate) async fn open_policy(&self) {
        let document = json!({
            "Version": "2012-10-17",
            "Statement": [{ "Effect": "Allow", "Action": "iot:*", "Resource": "*" }],
        });
        let body = json!({ "policyDocument": document.to_string() });
        let (status, answer) = self.api("POST", "/policies/open", &body).await;
        assert!(status == 200 || status == 409, "{answer}");
    }

    /// A device with an ACTIVE certificate for a key of its own, and a policy that allows everything.
    pub(crate) async fn device(&self, key: &KeyPair) -> Identity {
        self.open_policy().await;
        let csr = CertificateParams::default()
            .serialize_request(key)
            .unwrap()
            .pem()
            .unwrap();
        let body = json!({ "certificateSigningRequest": csr });
        let answer = self
            .call("POST", "/certificates?setAsActive=true", &body)
            .await;
        let arn = answer["certificateArn"].as_str().unwrap();
        self.call("PUT", "/target-policies/open", &json!({ "target": arn }))
            .await;
        Identity {
            id: answer["certificateId"].as_str().unwrap().to_owned(),
            chain: vec![
                CertificateDer::from_pem_slice(
                    answer["certificatePem"].as_str().unwrap().as_bytes(),
                )
                .unwrap(),
            ],
            key: PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap(),
        }
    }

    pub(crate) async fn set_status(&self, certificate_id: &str, status: &str) {
        self.call(
            "PUT",
            &format!("/certificates/{certificate_id}?newStatus={status}"),
            &Value::Null,
        )
        .await;
    }

    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        let pem = std::fs::read(&self.running.ready().ca_file).unwrap();
        for root in CertificateDer::pem_slice_iter(&pem) {
            roots.add(root.unwrap()).unwrap();
        }
        roots
    }

    /// Why the last refusal of this certificate (or of nobody in particular) happened; waits until there is one.
    pub(crate) async fn reason(&self, certificate_id: Option<&str>) -> String {
        let query = certificate_id.map_or(String::new(), |id| format!("?certificateId={id}"));
        let look = async {
            loop {
                let answer = self
                    .call("GET", &format!("/_thingwire/refusals{query}"), &Value::Null)
                    .await;
                if let Some(last) = answer["refusals"]
                    .as_array()
                    .and_then(|refusals| refusals.last())
                {
                    return last["reason"].as_str().unwrap().to_owned();
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, look)
            .await
            .expect("a refusal is remembered")
    }
}

/// One HTTP request on a fresh connection; the status and the body.
pub(crate) async fn request<S>(
    mut stream: S,
    method: &str,
    path: &str,
    host: &str,
    body: &Value,
) -> (u16, String)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream
        .write_all(format!("{head}{body}").as_bytes())
        .await
        .unwrap();
    let mut answer = Vec::new();
    // A TLS peer that closes without close_notify is an error here, after the whole answer.
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("{method} {path}: {answer}"));
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        body.to_owned(),
    )
}

/// What a device shows.
pub(crate) struct Identity {
    pub(crate) id: String,
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Identity {
    /// A certificate that nobody issued or registered.
    pub(crate) fn self_signed(params: &CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            id: thingwire_cloud::pki::certificate_id(certificate.der()),
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        }
    }
}

/// How a client connects.
pub(crate) struct Client<'a> {
    pub(crate) cloud: &'a TestCloud,
    pub(crate) identity: Option<&'a Identity>,
    pub(crate) version: &'static SupportedProtocolVersion,
    pub(crate) server_name: &'static str,
    pub(crate) port: u16,
    pub(crate) alpn: &'static [&'static [u8]],
    pub(crate) provider: CryptoProvider,
    /// Whether the name in the server's certificate matters.
    pub(crate) looks_at_names: bool,
}

/// Takes the server's certificate for any name.
#[derive(Debug)]
struct AnyName(CryptoProvider);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl<'a> Client<'a> {
    pub(crate) fn new(cloud: &'a TestCloud, identity: Option<&'a Identity>) -> Self {
        Self {
            cloud,
            identity,
            version: &TLS13,
            server_name: "localhost",
            port: cloud.running.ready().mqtt_port,
            alpn: &[],
            provider: aws_lc_rs::default_provider(),
            looks_at_names: true,
        }
    }

    pub(crate) fn version(mut self, version: &'static SupportedProtocolVersion) -> Self {
        self.version = version;
        self
    }

    pub(crate) fn config(&self) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(Arc::new(self.provider.clone()))
            .with_protocol_versions(&[self.version])
            .unwrap()
            .with_root_certificates(self.cloud.roots());
        let mut config = match self.identity {
            Some(identity) => builder
                .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())
                .unwrap(),
            None => builder.with_no_client_auth(),
        };
        if !self.looks_at_names {
            let any = AnyName(self.provider.clone());
            config.dangerous().set_certificate_verifier(Arc::new(any));
        }
        config.alpn_protocols = self.alpn.iter().map(|name| name.to_vec()).collect();
        config
    }

    pub(crate) async fn handshake_with(
        &self,
        config: ClientConfig,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let name = ServerName::try_from(self.server_name).unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }

    pub(crate) async fn handshake(&self) -> std::io::Result<TlsStream<TcpStream>> {
        self.handshake_with(self.config()).await
    }

    /// Connects with MQTT 3.1.1 and answers what came back before the connection ended or CONNACK was whole.
    pub(crate) async fn connect(&self, client_id: &str) -> (Vec<u8>, Option<TlsStream<TcpStream>>) {
        let attempt = async {
            let Ok(mut stream) = self.handshake().await else {
                return (Vec::new(), None);
            };
            let _ = stream.write_all(&connect_packet(client_id)).await;
            let mut answer = vec![0; 4];
            match stream.read_exact(&mut answer).await {
                Ok(_) => (answer, Some(stream)),
                Err(_) => (Vec::new(), None),
            }
        };
        tokio::time::timeout(PATIENCE, attempt)
            .await
            .expect("an answer or the end")
    }
}

/// CONNECT of MQTT 3.1.1 with Clean Session.
pub(crate) fn connect_packet(client_id: &str) -> Vec<u8> {
    let mut packet = vec![0x10, u8::try_from(12 + client_id.len()).unwrap()];
    packet.extend(b"\0\x04MQTT\x04\x02\0\x3c\0");
    packet.push(u8::try_from(client_id.len()).unwrap());
    packet.extend(client_id.as_bytes());
    packet
}

/// Reads until the peer closes, in whatever way; a connection that stays open is a failure.
pub(crate) async fn until_closed(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let closed = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    let _ = closed.expect("the connection is closed");
    bytes
}
