//! Which cloud a command speaks to: the local one or AWS, through the same client.
//!
//! The local cloud is found through `--api-url`, or the data folder of the running `thingwire up`, or the usual port.
//! It takes any signature, so it gets placeholder credentials; AWS gets the person's own configuration.

use std::path::PathBuf;

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_iot::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use clap::{Args, ValueEnum};
use serde::Deserialize;
use thingwire_kit::TimeServer;

use crate::data_dir::{Ready, default_dir};
use crate::exit::{Exit, Failure};
use crate::ours;

/// Where the control plane of a local cloud usually listens.
const USUAL_API_URL: &str = "http://127.0.0.1:4566";

/// What the real AWS IoT Core proves itself with: Amazon Root CA 1 (RSA) and 3 (P-256).
const AMAZON_ROOTS: &str = concat!(
    include_str!("roots/AmazonRootCA1.pem"),
    include_str!("roots/AmazonRootCA3.pem")
);

/// The flags that choose a cloud; they may stand anywhere on the command line.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Which cloud")]
pub(crate) struct TargetArgs {
    /// Where things live: a `thingwire up` on this computer, or AWS with your own AWS configuration
    #[arg(
        long,
        env = "THINGWIRE_CLOUD",
        value_enum,
        default_value = "local",
        global = true
    )]
    pub(crate) cloud: Which,
    /// Control plane of the local cloud [default: the running `thingwire up`]
    #[arg(long, env = "THINGWIRE_API_URL", value_name = "URL", global = true)]
    pub(crate) api_url: Option<String>,
    /// Data folder of the local cloud [default: the platform's data folder]
    #[arg(long, env = "THINGWIRE_DATA_DIR", value_name = "DIR", global = true)]
    pub(crate) data_dir: Option<PathBuf>,
}

/// The clouds there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Which {
    // Plain comments: they stay out of every --help.
    // A `thingwire up` on this computer.
    Local,
    // AWS IoT Core.
    Aws,
}

/// A cloud we can call.
pub(crate) struct Target {
    /// The control plane.
    pub(crate) iot: aws_sdk_iot::Client,
    /// The region that the calls go to.
    pub(crate) region: String,
    /// What else we know, if it is the local one.
    pub(crate) local: Option<Local>,
    /// The person's own credentials, if it is AWS.
    credentials: Option<SharedCredentialsProvider>,
}

/// What a local cloud says about itself.
#[derive(Deserialize)]
struct Health {
    ready: Option<Ready>,
}

/// The local cloud.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    /// Its control plane.
    pub(crate) api_url: String,
    /// Where it listens, if it or its data folder says so.
    pub(crate) ready: Option<Ready>,
}

impl TargetArgs {
    /// The data folder in use, as an absolute path: the ready file tells it to commands that run elsewhere.
    ///
    /// # Errors
    /// If none is given and the system has none.
    pub(crate) fn data_dir(&self) -> Result<PathBuf, Failure> {
        match &self.data_dir {
            None => default_dir(),
            Some(dir) => std::path::absolute(dir).map_err(|error| {
                Failure::new(
                    Exit::Usage,
                    format!("`{}` cannot be a data folder: {error}", dir.display()),
                )
            }),
        }
    }

    /// The local cloud: as its data folder describes it, or as it describes itself at `--api-url`.
    ///
    /// # Errors
    /// If the data folder's description of it is unreadable.
    pub(crate) async fn local(&self) -> Result<Local, Failure> {
        let same =
            |one: &str, other: &str| one.trim_end_matches('/') == other.trim_end_matches('/');
        let described = Ready::of(&self.data_dir()?)?;
        let api_url = match (&self.api_url, &described) {
            (Some(url), _) => url.clone(),
            (None, Some(ready)) => ready.api_url.clone(),
            (None, None) => USUAL_API_URL.to_owned(),
        };
        let ready = match described.filter(|ready| same(&ready.api_url, &api_url)) {
            Some(ready) => Some(ready),
            None => ours::ask(&api_url, "/_thingwire/health")
                .await
                .and_then(|health: Health| health.ready),
        };
        Ok(Local { api_url, ready })
    }

    /// A client for the chosen cloud. Calls nothing yet, except that AWS credentials may be looked up.
    ///
    /// # Errors
    /// If the local cloud's description is unreadable or AWS has no region configured.
    pub(crate) async fn connect(&self) -> Result<Target, Failure> {
        match self.cloud {
            Which::Local => Ok(Target::local(self.local().await?)),
            Which::Aws => Target::aws(self.api_url.as_deref()).await,
        }
    }
}

impl Target {
    /// A client for a local cloud.
    pub(crate) fn local(local: Local) -> Self {
        let region = local
            .ready
            .as_ref()
            .map_or("us-east-1", |ready| &ready.region)
            .to_owned();
        let config = aws_sdk_iot::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(region.clone()))
            .endpoint_url(&local.api_url)
            .credentials_provider(Credentials::new("local", "local", None, None, "thingwire"))
            // It answers at once or is not there.
            .retry_config(RetryConfig::disabled())
            .build();
        Self {
            iot: aws_sdk_iot::Client::from_conf(config),
            region,
            local: Some(local),
            credentials: None,
        }
    }

    async fn aws(endpoint_url: Option<&str>) -> Result<Self, Failure> {
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12());
        if let Some(url) = endpoint_url {
            loader = loader.endpoint_url(url);
        }
        let config = loader.load().await;
        let region = config.region().map(ToString::to_string).ok_or_else(|| {
            Failure::new(Exit::Usage, "no AWS region is configured")
                .advise("set AWS_REGION, or region in your AWS configuration")
        })?;
        Ok(Self {
            iot: aws_sdk_iot::Client::new(&config),
            region,
            local: None,
            credentials: config.credentials_provider(),
        })
    }

    /// Where the person's AWS credentials come from.
    ///
    /// # Errors
    /// If it is a local cloud, or no way to find any is configured.
    pub(crate) fn credentials(&self) -> Result<SharedCredentialsProvider, Failure> {
        self.credentials.clone().ok_or_else(|| {
            Failure::new(Exit::Failed, "no AWS credentials are configured")
                .advise("configure them as for the AWS CLI (aws configure, AWS_PROFILE, AWS_ACCESS_KEY_ID …)")
        })
    }

    /// PEM of the roots that devices of this cloud must trust.
    ///
    /// # Errors
    /// If it is a local cloud whose data folder is unknown to us.
    pub(crate) fn roots_pem(&self) -> Result<String, Failure> {
        let Some(local) = &self.local else {
            return Ok(AMAZON_ROOTS.to_owned());
        };
        let ready = local.ready()?;
        std::fs::read_to_string(&ready.ca_file).map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("cannot read `{}`: {error}", ready.ca_file.display()),
            )
        })
    }

    /// The ports of MQTT over mutual TLS, without and with ALPN (`A-6`).
    ///
    /// # Errors
    /// As [`Target::roots_pem`].
    pub(crate) fn mqtt_ports(&self) -> Result<(u16, Option<u16>), Failure> {
        match &self.local {
            None => Ok((8883, Some(443))),
            Some(local) => local
                .ready()
                .map(|ready| (ready.mqtt_port, ready.alpn_port)),
        }
    }

    /// Whom devices of this cloud ask for the time: a local cloud itself, then servers that everybody may ask.
    ///
    /// # Errors
    /// As [`Target::roots_pem`].
    pub(crate) fn time_servers(&self) -> Result<Vec<TimeServer>, Failure> {
        let mut servers = TimeServer::public();
        if let Some(local) = &self.local {
            let ready = local.ready()?;
            if let Some(port) = ready.sntp_port {
                let host = ready.endpoint.clone();
                servers.insert(0, TimeServer { host, port });
            }
        }
        Ok(servers)
    }

    /// Says what to do when nothing answered.
    pub(crate) fn advise(&self, failure: Failure) -> Failure {
        match (&self.local, failure.exit()) {
            (Some(local), Exit::Unreachable) => Failure::new(
                Exit::Unreachable,
                format!("no local cloud answers at `{}`", local.api_url),
            )
            .advise("start one: thingwire up")
            .advise("or say where it is: --data-dir DIR or --api-url URL; or use AWS: --cloud aws"),
            _ => failure,
        }
    }
}

impl Local {
    /// Where it listens.
    ///
    /// # Errors
    /// If it does not answer.
    pub(crate) fn ready(&self) -> Result<&Ready, Failure> {
        self.ready.as_ref().ok_or_else(|| {
            Failure::new(
                Exit::Unreachable,
                format!(
                    "no running local cloud is known whose API is at `{}`",
                    self.api_url
                ),
            )
            .advise("start one: thingwire up")
            .advise("or say where it is: --data-dir DIR or --api-url URL")
        })
    }
}
