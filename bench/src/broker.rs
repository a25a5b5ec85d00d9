//! The brokers under measurement: started fresh, with what a client needs to reach them.

use std::fmt;
use std::sync::Arc;

use clap::ValueEnum;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use thingwire_conformance::{Cloud, Mosquitto, MosquittoSettings, finish};
use thingwire_kit::Kit;

use crate::Outcome;

/// Allows everything the scenarios do, statement by statement as a device's policy would.
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[
{"Effect":"Allow","Action":"iot:Connect","Resource":"arn:aws:iot:REGION:ACCOUNT_ID:client/bench-*"},
{"Effect":"Allow","Action":["iot:Publish","iot:Receive"],"Resource":"arn:aws:iot:REGION:ACCOUNT_ID:topic/bench/*"},
{"Effect":"Allow","Action":"iot:Subscribe","Resource":"arn:aws:iot:REGION:ACCOUNT_ID:topicfilter/bench/*"}]}"#;

/// Which broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Peer {
    /// Debian's mosquitto.
    Mosquitto,
    /// `thingwire up`, policies enforced.
    Thingwire,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mosquitto => "mosquitto",
            Self::Thingwire => "Thingwire",
        })
    }
}

/// A running broker.
pub(crate) struct Broker {
    /// Process id.
    pub(crate) id: u32,
    /// Version, as the program says it.
    pub(crate) version: String,
    /// Port of mutual TLS on 127.0.0.1.
    pub(crate) port: u16,
    /// TLS with a client certificate it accepts; no resumption, as AWS has none (A-19).
    pub(crate) tls: Arc<ClientConfig>,
    /// Name in its certificate.
    pub(crate) name: ServerName<'static>,
    _process: Process,
}

/// Keeps the process alive.
enum Process {
    Mosquitto(#[expect(dead_code, reason = "held for its Drop")] Box<Mosquitto>),
    Thingwire(#[expect(dead_code, reason = "held for its Drop")] Box<Cloud>),
}

impl Peer {
    /// Starts this broker. Thingwire always keeps what it acknowledged; mosquitto only when `durable`.
    pub(crate) fn start(self, durable: bool) -> Outcome<Broker> {
        let name = ServerName::try_from("localhost")?;
        match self {
            Self::Mosquitto => {
                let settings = MosquittoSettings {
                    persistence: durable,
                };
                let mosquitto = Mosquitto::start(settings).ok_or("mosquitto is not installed")?;
                let client = mosquitto.authority().client("bench");
                let tls = client_config(
                    CertificateDer::pem_slice_iter(mosquitto.authority().pem().as_bytes())
                        .collect::<Result<_, _>>()?,
                    vec![CertificateDer::from_pem_slice(
                        client.certificate.as_bytes(),
                    )?],
                    PrivateKeyDer::from_pem_slice(client.key.as_bytes())?,
                )?;
                let (id, version, port) = (mosquitto.id(), mosquitto.version(), mosquitto.tls_port);
                Ok(Broker {
                    id,
                    version,
                    port,
                    tls,
                    name,
                    _process: Process::Mosquitto(Box::new(mosquitto)),
                })
            }
            Self::Thingwire => {
                let mut cloud = Cloud::start();
                let kit = Kit::load(cloud.thing("bench", POLICY))?;
                let tls = client_config(kit.roots, kit.certificate, kit.private_key.to_der())?;
                let version = finish(
                    cloud.command().arg("--version"),
                    std::time::Duration::from_secs(10),
                )
                .success();
                let version = version
                    .split_whitespace()
                    .last()
                    .unwrap_or("unknown")
                    .to_owned();
                let (id, port) = (cloud.program().id(), cloud.ready.mqtt_port);
                Ok(Broker {
                    id,
                    version,
                    port,
                    tls,
                    name,
                    _process: Process::Thingwire(Box::new(cloud)),
                })
            }
        }
    }
}

fn client_config(
    roots: Vec<CertificateDer<'static>>,
    certificate: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Outcome<Arc<ClientConfig>> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root)?;
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(store)
        .with_client_auth_cert(certificate, key)?;
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}
