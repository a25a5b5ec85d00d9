//! Who speaks in `pub` and `sub`: the operator of the local cloud, or a device with its kit; and why it was not heard.
//!
//! Every way in which a connection can end becomes a [`Failure`] that names action, resource and policy when the
//! local cloud can tell, and what to check when it cannot.

use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::Args;
use thingwire_device::FailureKind;
use thingwire_host::KitConnector;
use thingwire_kit::Kit;
use thingwire_mqtt::client::SessionError;
use thingwire_mqtt::{ReasonCode, Version};

use crate::exit::{Exit, Failure};
use crate::messages::{Asked, Line, LineError, Means};
use crate::output::Waiting;
use crate::refusals::{self, Refusal};
use crate::signed::Signer;
use crate::target::{Local, Which};
use crate::topic_args::ProtocolVersion;
use crate::voice::Voice;
use crate::{Context, names};

/// A connection of a speaker.
pub(crate) type Connection<'b> = Line<'b, Voice>;

/// The flags that say who speaks.
#[derive(Args, Debug)]
pub(crate) struct SpeakerArgs {
    /// Speak as the device with this connection kit [default: the operator of the local cloud; with `--cloud aws`
    /// whoever your AWS credentials are]
    #[arg(long, value_name = "DIR")]
    kit: Option<PathBuf>,
    /// Port of the data endpoint, when signing with AWS credentials (`--cloud aws` without --kit)
    #[arg(short = 'p', long, value_name = "PORT", default_value = "443")]
    port: u16,
    /// PEM file with the roots that vouch for the data endpoint, when signing [default: Amazon's]
    #[arg(long, value_name = "FILE")]
    cafile: Option<PathBuf>,
    /// MQTT client id [default: the kit's; for the operator one that nobody else has]
    #[arg(short = 'i', long = "id", value_name = "ID", value_parser = names::client)]
    id: Option<String>,
    /// MQTT version
    #[arg(
        short = 'V',
        long = "protocol-version",
        value_enum,
        default_value = "mqttv5"
    )]
    version: ProtocolVersion,
}

/// How somebody proves who they are.
enum Proof {
    Kit(Box<Kit>),
    Signature(Signer),
}

/// Somebody with a kit or AWS credentials, a client id, and perhaps a local cloud to ask.
pub(crate) struct Speaker {
    proof: Proof,
    client_id: String,
    version: Version,
    local: Option<Local>,
    since: SystemTime,
}

impl Speaker {
    /// Finds kit, client id and cloud.
    ///
    /// # Errors
    /// If the kit cannot be read, or there is no operator to be.
    pub(crate) async fn resolve(context: &Context, args: &SpeakerArgs) -> Result<Self, Failure> {
        let version = args.version.into();
        match &args.kit {
            Some(dir) => {
                let kit = Kit::load(dir)?;
                let client_id = args.id.clone().unwrap_or_else(|| kit.client_id.clone());
                let local = local_cloud_of(&kit, context).await;
                Ok(Self::new(kit, client_id, version, local))
            }
            None if context.target.cloud == Which::Aws => {
                let signer = signer(context, args).await?;
                let client_id = args
                    .id
                    .clone()
                    .unwrap_or_else(|| operator_client_id("thingwire"));
                Ok(Self::of(Proof::Signature(signer), client_id, version, None))
            }
            None => {
                let local = context.target.local().await?;
                let kit = operator_kit(&local.ready()?.operator_kit)?;
                let client_id = args
                    .id
                    .clone()
                    .unwrap_or_else(|| operator_client_id(&kit.client_id));
                Ok(Self::new(kit, client_id, version, Some(local)))
            }
        }
    }

    /// Somebody in particular.
    pub(crate) fn new(kit: Kit, client_id: String, version: Version, local: Option<Local>) -> Self {
        Self::of(Proof::Kit(Box::new(kit)), client_id, version, local)
    }

    fn of(proof: Proof, client_id: String, version: Version, local: Option<Local>) -> Self {
        Self {
            proof,
            client_id,
            version,
            local,
            since: SystemTime::now(),
        }
    }

    /// What a connection of this speaker needs.
    ///
    /// # Errors
    /// If TLS cannot use the kit.
    pub(crate) fn means(&self) -> Result<Means<Voice>, Failure> {
        let voice = match &self.proof {
            Proof::Kit(kit) => KitConnector::new(kit)
                .map(|connector| Voice::Kit(Box::new(connector)))
                .map_err(|error| Failure::new(Exit::Kit, error.to_string()))?,
            Proof::Signature(signer) => Voice::Signed(signer.clone()),
        };
        Ok(Means::new(voice))
    }

    /// Connects, with TLS and MQTT.
    pub(crate) async fn connect<'b>(
        &'b self,
        means: &'b mut Means<Voice>,
    ) -> Result<Connection<'b>, Failure> {
        let (endpoint, _) = self.address();
        let _waiting = Waiting::start(format!("connecting to {endpoint}"));
        match Line::open(means, &self.client_id, self.version).await {
            Ok(line) => Ok(line),
            Err(error) => Err(self.explain(error, None).await),
        }
    }

    /// Why the connection ended. `topic` is what was being published to.
    pub(crate) async fn explain(&self, error: LineError, topic: Option<&str>) -> Failure {
        match error {
            LineError::Session(SessionError::Refused(code)) => {
                self.denied(format!(
                    "the cloud refused client id `{}` ({})",
                    self.client_id,
                    named(code)
                ))
                .await
            }
            LineError::Closed(Some(Asked::Connect)) => {
                self.denied(format!(
                    "the cloud closed the connection instead of accepting client id `{}`",
                    self.client_id
                ))
                .await
            }
            LineError::Closed(Some(Asked::Subscribe(filter))) => {
                self.denied(format!(
                    "the cloud closed the connection instead of granting `{filter}`"
                ))
                .await
            }
            LineError::Closed(Some(Asked::Publish)) => {
                let topic = topic.unwrap_or("the topic");
                self.denied(format!(
                    "the cloud closed the connection instead of taking a message on `{topic}`"
                ))
                .await
            }
            LineError::Session(SessionError::Disconnected(ReasonCode::SESSION_TAKEN_OVER)) => {
                Failure::new(
                    Exit::Failed,
                    format!(
                        "another client connected with client id `{}` and took this one's place",
                        self.client_id
                    ),
                )
                .advise(
                    "one client id, one connection; give another with -i if the policy allows it",
                )
            }
            LineError::Session(
                error @ SessionError::Disconnected(
                    ReasonCode::SERVER_SHUTTING_DOWN
                    | ReasonCode::SERVER_BUSY
                    | ReasonCode::SERVER_UNAVAILABLE,
                ),
            ) => Failure::new(Exit::Unreachable, error.to_string()),
            LineError::Session(error @ SessionError::Disconnected(_)) => {
                self.denied(error.to_string()).await
            }
            LineError::Closed(None) => match self.remembered_refusal().await {
                Some(failure) => failure,
                None => Failure::new(Exit::Unreachable, "the cloud closed the connection")
                    .advise("was it stopped? or did another client connect with this client id?"),
            },
            LineError::Session(error) => Failure::new(Exit::Failed, error.to_string()),
            LineError::Transport(failure) => self.transport_failed(&failure).await,
        }
    }

    /// A PUBACK said no.
    pub(crate) async fn refused_publish(&self, topic: &str, reason: ReasonCode) -> Failure {
        self.denied(format!(
            "the cloud did not take the message on `{topic}` ({})",
            named(reason)
        ))
        .await
    }

    /// A SUBACK said no.
    pub(crate) async fn refused_subscribe(&self, filter: &str, reason: ReasonCode) -> Failure {
        self.denied(format!(
            "the cloud did not grant `{filter}` ({})",
            named(reason)
        ))
        .await
    }

    /// What the local cloud remembers of this client since it was made, as a failure.
    pub(crate) async fn remembered_refusal(&self) -> Option<Failure> {
        let refusal = self.newest_refusal().await?;
        Some(Failure::new(Exit::Denied, "the cloud refused it").because(refusal.to_string()))
    }

    async fn newest_refusal(&self) -> Option<Refusal> {
        self.refusal_since(self.since).await
    }

    /// The newest refusal of this client or its certificate that the local cloud remembers since then.
    pub(crate) async fn refusal_since(&self, since: SystemTime) -> Option<Refusal> {
        let local = self.local.as_ref()?;
        let newest = |refusals: Vec<Refusal>| {
            refusals
                .into_iter()
                .rfind(|refusal| refusal.is_since(since))
        };
        if let Some(refusal) = newest(refusals::of_client(local, &self.client_id).await) {
            return Some(refusal);
        }
        // A certificate that is refused never gets to say a client id.
        let Proof::Kit(kit) = &self.proof else {
            return None;
        };
        let id = thingwire_cloud::pki::certificate_id(kit.certificate.first()?);
        newest(refusals::of_certificate(local, &id).await)
    }

    async fn denied(&self, what: String) -> Failure {
        if let Some(refusal) = self.newest_refusal().await {
            return Failure::new(Exit::Denied, what).because(refusal.to_string());
        }
        self.check_list(what)
    }

    /// Name and port of the endpoint.
    fn address(&self) -> (&str, u16) {
        match &self.proof {
            Proof::Kit(kit) => (&kit.endpoint, kit.mqtt_port),
            Proof::Signature(signer) => (&signer.endpoint, signer.port),
        }
    }

    fn check_list(&self, what: String) -> Failure {
        if let Proof::Signature(_) = self.proof {
            let failure = Failure::new(Exit::Denied, what);
            return refusals::check_list_of_signer(&self.client_id)
                .into_iter()
                .fold(failure, Failure::advise);
        }
        refusals::check_list(&self.client_id)
            .into_iter()
            .fold(Failure::new(Exit::Denied, what), Failure::advise)
    }

    async fn transport_failed(&self, failure: &thingwire_device::Failure) -> Failure {
        let (endpoint, port) = self.address();
        let text = failure.to_string();
        match failure.kind {
            FailureKind::ClientCertificate => self.denied(text).await,
            FailureKind::ServerCertificate if matches!(self.proof, Proof::Signature(_)) => {
                Failure::new(Exit::Denied, text)
                    .advise("Amazon's roots vouch for AWS alone; for another cloud give its roots with --cafile")
            }
            FailureKind::Configuration if matches!(self.proof, Proof::Signature(_)) => {
                Failure::new(Exit::Failed, text)
                    .advise("configure AWS credentials as for the AWS CLI")
            }
            FailureKind::ServerCertificate => Failure::new(Exit::Denied, text)
                .advise("the kit's roots do not vouch for this server: is it the cloud that made the kit?")
                .advise("a new kit has the current roots; check this one with `thingwire kit check DIR`"),
            FailureKind::Configuration => Failure::new(Exit::Kit, text),
            FailureKind::Dns => Failure::new(Exit::Unreachable, format!("`{endpoint}`: {text}"))
                .advise("is the endpoint in kit.json spelled right, and is there a network?"),
            FailureKind::Network | FailureKind::Tcp => {
                Failure::new(Exit::Unreachable, format!("`{endpoint}` port {port}: {text}"))
                    .advise("is the cloud running (thingwire up), and is the kit's port still its port?")
            }
            FailureKind::Tls | FailureKind::Connection => {
                Failure::new(Exit::Unreachable, format!("`{endpoint}` port {port}: {text}"))
            }
        }
    }
}

/// Who the person's AWS credentials are, at the data endpoint that the control plane names.
async fn signer(context: &Context, args: &SpeakerArgs) -> Result<Signer, Failure> {
    let target = context.target.connect().await?;
    let roots_pem = match &args.cafile {
        None => target.roots_pem()?,
        Some(file) => std::fs::read_to_string(file).map_err(|error| {
            Failure::new(
                Exit::Usage,
                format!("cannot read `{}`: {error}", file.display()),
            )
        })?,
    };
    Ok(Signer {
        endpoint: target.endpoint().await?,
        port: args.port,
        roots_pem,
        credentials: target.credentials()?,
        region: target.region,
    })
}

/// The operator's kit; if it is not readable the data folder is somebody else's.
fn operator_kit(dir: &Path) -> Result<Kit, Failure> {
    Kit::load(dir).map_err(|error| {
        Failure::from(error)
            .advise("the operator's kit belongs to whoever runs `thingwire up`; or use --kit DIR")
    })
}

/// The local cloud that this kit belongs to, if one runs here: only it can explain a refusal.
pub(crate) async fn local_cloud_of(kit: &Kit, context: &Context) -> Option<Local> {
    if context.target.cloud == Which::Aws {
        return None;
    }
    let local = context.target.local().await.ok()?;
    let ready = local.ready.as_ref()?;
    (ready.mqtt_port == kit.mqtt_port && ready.endpoint == kit.endpoint).then_some(local)
}

/// A client id that the operator's policy allows and nobody else has.
fn operator_client_id(kits: &str) -> String {
    let random = RandomState::new().hash_one(std::process::id());
    format!("{kits}-{random:016x}")
}

fn named(code: ReasonCode) -> String {
    match code {
        ReasonCode::NOT_AUTHORIZED | ReasonCode(5) => format!("not authorized, 0x{:02x}", code.0),
        ReasonCode::CLIENT_IDENTIFIER_NOT_VALID | ReasonCode(2) => {
            format!("client identifier not valid, 0x{:02x}", code.0)
        }
        ReasonCode::TOPIC_NAME_INVALID => "topic name invalid, 0x90".into(),
        ReasonCode::TOPIC_FILTER_INVALID => "topic filter invalid, 0x8f".into(),
        ReasonCode::QUOTA_EXCEEDED => "quota exceeded, 0x97".into(),
        ReasonCode::PAYLOAD_FORMAT_INVALID => "payload format invalid, 0x99".into(),
        _ => format!("reason 0x{:02x}", code.0),
    }
}
