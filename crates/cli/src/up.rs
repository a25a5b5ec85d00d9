//! `thingwire up`: the local cloud in the foreground, until Ctrl-C or SIGTERM.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use thingwire_cloud::config::{DEFAULT_ENDPOINT, TlsPolicy};
use thingwire_cloud::{Behaviour, CertRefusal, Cloud, Config, Quotas, Running, StartError, files};

use crate::exit::{Exit, Failure};
use crate::logging::LogFormat;
use crate::output::{FAINT, STRONG, Waiting};
use crate::{Context, names, output};

/// Arguments of `thingwire up`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire up                                          MQTT on 8883, control plane on 4566
  thingwire up --bind 0.0.0.0 --endpoint 192.168.1.20   for boards on your network
  thingwire up --data-dir cloud --free-ports --ready-file ready.json        for tests

The control plane speaks to this computer only and takes any AWS signature. One data folder
holds everything: things, certificates, policies, sessions, and the private keys of its
certificate authorities.")]
pub(crate) struct Up {
    /// AWS region of a new account [default: us-east-1]
    #[arg(long, value_parser = names::region)]
    region: Option<String>,
    /// Id of a new account, 12 digits [default: 123456789012]
    #[arg(long, value_name = "ID", value_parser = names::account)]
    account: Option<String>,
    /// Host name that devices are told to connect to
    #[arg(long, value_name = "NAME", default_value = DEFAULT_ENDPOINT)]
    endpoint: String,
    /// Another name or address of this computer for the server certificates; may be given several times
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// Address at which devices may connect; 0.0.0.0 for all
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    bind: IpAddr,
    /// MQTT over mutual TLS; 0 for a free port
    #[arg(long, value_name = "PORT", default_value = "8883")]
    mqtt_port: u16,
    /// What AWS has on 443: MQTT over mutual TLS with ALPN x-amzn-mqtt-ca, MQTT over WebSocket and HTTPS with
    /// signatures; 0 for a free port
    #[arg(long, value_name = "PORT", default_value = "4443")]
    alpn_port: u16,
    /// HTTPS, and MQTT over WebSocket, with client certificates; 0 for a free port
    #[arg(long, value_name = "PORT", default_value = "8443")]
    https_port: u16,
    /// Control plane, HTTP and HTTPS; 0 for a free port
    #[arg(long, value_name = "PORT", default_value = "4566")]
    api_port: u16,
    /// SNTP over UDP, the time for boards, which have no clock; 0 for a free port
    #[arg(long, value_name = "PORT", default_value = "4123")]
    sntp_port: u16,
    /// MQTT without TLS and without policies, on this computer only, for tools and test suites
    #[arg(long, value_name = "PORT")]
    plaintext_port: Option<u16>,
    /// A free port for everything that listens
    #[arg(long)]
    free_ports: bool,
    /// Write where everything listens into this file, once it does
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// How a certificate that may not connect is refused; AWS has been seen doing both
    #[arg(long, value_enum, default_value = "alert")]
    cert_refusal: Refuse,
    /// Refuse clients that send no server name (SNI), or a wrong one
    #[arg(long)]
    strict_sni: bool,
    /// As AWS IoT Core, or as the MQTT standard says: QoS 2, subscription identifiers, no limits
    #[arg(long, value_enum, default_value = "aws")]
    behaviour: BehaviourFlag,
    /// Enforce AWS's rates and account numbers; they are off otherwise
    #[arg(long)]
    quotas: bool,
    /// Change one quota, and enforce all: publishes-per-connection=10; a wrong name lists them all; may be given several times
    #[arg(long = "quota", value_name = "NAME=VALUE", value_parser = quota)]
    changed_quotas: Vec<String>,
    /// Bytes of topics, payloads and properties that retained messages may take together; what is over is refused, and
    /// thingwire_retained_bytes in /metrics says how many there are
    #[arg(long, value_name = "BYTES", default_value_t = Config::RETAINED_BYTES)]
    retained_bytes: usize,
    /// TLS versions of the ports for devices, by AWS's name of the security policy
    #[arg(long, value_name = "POLICY", default_value = TlsPolicy::default().name(), value_parser = tls_policy())]
    tls_policy: TlsPolicy,
    /// More access keys that may sign requests, in a file like AWS's shared credentials file
    #[arg(long, value_name = "FILE")]
    access_keys: Option<PathBuf>,
    /// Seconds that a connection opened with a signature lives
    #[arg(long, value_name = "SECONDS", default_value = "86400", value_parser = clap::value_parser!(u64).range(1..))]
    websocket_life: u64,
    /// Seconds that the clock of who signs may be off
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = clap::value_parser!(u64).range(1..))]
    signature_skew: u64,
    /// Append what clients do, and whether it was allowed, to this file, one line of JSON for each distinct
    /// event; `thingwire policy generate` makes the least policy of it
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Form of the log on stderr
    #[arg(long, value_enum, default_value = "text")]
    log_format: LogFormat,
}

/// Checks one `--quota`.
fn quota(text: &str) -> Result<String, thingwire_cloud::QuotaError> {
    Quotas::default().set_text(text)?;
    Ok(text.to_owned())
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum BehaviourFlag {
    Aws,
    Mqtt,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Refuse {
    /// TLS alert certificate_unknown
    Alert,
    /// Finish the handshake, then close
    AfterHandshake,
}

/// The policies, by name.
fn tls_policy() -> impl TypedValueParser<Value = TlsPolicy> {
    PossibleValuesParser::new(TlsPolicy::ALL.map(TlsPolicy::name)).try_map(|name| {
        TlsPolicy::ALL
            .into_iter()
            .find(|policy| policy.name() == name)
            .ok_or("no such policy")
    })
}

impl From<Refuse> for CertRefusal {
    fn from(refuse: Refuse) -> Self {
        match refuse {
            Refuse::Alert => Self::Alert,
            Refuse::AfterHandshake => Self::AfterHandshake,
        }
    }
}

impl Up {
    pub(crate) const fn log_format(&self) -> LogFormat {
        self.log_format
    }

    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let data_dir = context.target.data_dir()?;
        let usual = context.target.data_dir.is_none();
        let config = self.config(&data_dir);
        let waiting = Waiting::start("starting the local cloud");
        let stop = stop_signal()?;
        if let Some(limit) = files::raise() {
            tracing::info!(
                files = limit.now,
                connections = limit.connections(),
                "{limit}"
            );
        }
        let running = Cloud::start(config)
            .await
            .map_err(|error| start_failed(&error))?;
        drop(waiting);
        let printed = print(context, &running, &data_dir, usual);
        if printed.is_ok() {
            stop.await;
            output::talk("closing");
        }
        // Also when nobody could be told: a ready file must not outlive its cloud.
        running.shutdown().await;
        printed
    }

    fn quotas(&self) -> Option<Quotas> {
        let mut quotas = Quotas::default();
        for text in &self.changed_quotas {
            // Each was checked when the arguments were read.
            let _ = quotas.set_text(text);
        }
        (self.quotas || !self.changed_quotas.is_empty()).then_some(quotas)
    }

    fn config(self, data_dir: &Path) -> Config {
        let quotas = self.quotas();
        let config = Config {
            region: self.region,
            account_id: self.account,
            endpoint: self.endpoint,
            hosts: self.hosts,
            bind: self.bind,
            mqtt_port: self.mqtt_port,
            alpn_port: self.alpn_port,
            https_port: self.https_port,
            api_port: self.api_port,
            sntp_port: self.sntp_port,
            plaintext_port: self.plaintext_port,
            cert_refusal: self.cert_refusal.into(),
            strict_sni: self.strict_sni,
            behaviour: match self.behaviour {
                BehaviourFlag::Aws => Behaviour::Aws,
                BehaviourFlag::Mqtt => Behaviour::Mqtt,
            },
            quotas,
            retained_bytes: self.retained_bytes,
            tls_policy: self.tls_policy,
            access_keys_file: self.access_keys,
            websocket_life: Duration::from_secs(self.websocket_life),
            signature_skew: Duration::from_secs(self.signature_skew),
            ready_file: self.ready_file,
            record_file: self.record,
            ..Config::new(data_dir)
        };
        if self.free_ports {
            config.with_free_ports()
        } else {
            config
        }
    }
}

/// SIGINT or SIGTERM; Ctrl-C on Windows.
fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    let failed = |error| Failure::new(Exit::Failed, format!("cannot listen for signals: {error}"));
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
    #[cfg(windows)]
    {
        let mut interrupt = tokio::signal::windows::ctrl_c().map_err(failed)?;
        Ok(async move {
            interrupt.recv().await;
        })
    }
}
/// A cloud that did not start, with its own exit code for a folder that another one has.
pub(crate) fn start_failed(error: &StartError) -> Failure {
    let exit = match error {
        StartError::InUse(_) => Exit::DataFolderInUse,
        _ => Exit::Start,
    };
    Failure::new(exit, error.to_string())
}

/// Where everything listens, and what to do next.
fn print(
    context: &Context,
    running: &Running,
    data_dir: &Path,
    usual: bool,
) -> Result<(), Failure> {
    let ready = running.ready();
    if context.json {
        return output::json(ready);
    }
    let row = |name: &str, value: &str| output::data(format_args!("  {name:<14} {value}"));
    output::data(format_args!(
        "{STRONG}A local AWS IoT Core is up.{STRONG:#} {FAINT}Ctrl-C ends it.{FAINT:#}"
    ))?;
    row(
        "MQTT",
        &format!("{}:{}  mutual TLS", ready.endpoint, ready.mqtt_port),
    )?;
    row(
        "MQTT + ALPN",
        &format!("{}:{}  x-amzn-mqtt-ca", ready.endpoint, ready.alpn_port),
    )?;
    row(
        "time",
        &format!("{}:{}  SNTP over UDP", ready.endpoint, ready.sntp_port),
    )?;
    row(
        "WebSocket",
        &format!("wss://{}:{}/mqtt  signed", ready.endpoint, ready.alpn_port),
    )?;
    if let Some(port) = ready.https_port {
        row(
            "HTTPS",
            &format!("https://{}:{port}  mutual TLS", ready.endpoint),
        )?;
    }
    if let Some(port) = running.plaintext_port() {
        row(
            "MQTT, no TLS",
            &format!("127.0.0.1:{port}  no certificates, no policies: for tools only"),
        )?;
    }
    row(
        "control plane",
        &format!("{}  any AWS signature", ready.api_url),
    )?;
    row(
        "account",
        &format!("{} in {}", ready.account_id, ready.region),
    )?;
    row("roots", &ready.ca_file.display().to_string())?;
    row("operator's kit", &ready.operator_kit.display().to_string())?;
    row("access key", &ready.credentials_file.display().to_string())?;
    row("data folder", &data_dir.display().to_string())?;
    // Commands find a cloud in the usual folder by themselves.
    let hint = if usual {
        String::new()
    } else {
        format!(" --data-dir {}", data_dir.display())
    };
    output::data(format_args!(
        "{STRONG}Next{STRONG:#}\n  \
         thingwire policy example > policy.json\n  \
         thingwire thing create esp32-kitchen --policy policy.json --kit kitchen{hint}\n  \
         thingwire device run --kit kitchen{hint}"
    ))
}
