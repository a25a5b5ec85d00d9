//! `thingwire device run`: the reference device on this computer, by the library that runs on the chip.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use thingwire_device::future::{Either, select};
use thingwire_device::{Client, QoS, SubscribeFilter};
use thingwire_host::{HostPlatform, KitConnector};
use thingwire_kit::Kit;
use tokio::sync::mpsc;

use crate::Context;
use crate::exit::{Exit, Failure};
use crate::output::{self, FAINT};
use crate::reference::{Behaviour, DeviceMemory, Told, application};
use crate::speaker::{Speaker, local_cloud_of};
use crate::topic_args::{self, ProtocolVersion};

/// Arguments of `thingwire device`.
#[derive(Args, Debug)]
pub(crate) struct Device {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Run the reference device: listen on esp32/sub, publish on esp32/pub every second
    Run(Run),
}

/// Arguments of `thingwire device run`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire device run --kit kitchen
  thingwire device run --kit kitchen --every 10
  thingwire device run --kit kitchen --count 3 > received.txt

It does what the sketch does, by the device library that runs on the chip: messages that arrive
go to stdout (topic, space, message), everything else to stderr. It reconnects for ever; Ctrl-C
ends it.")]
struct Run {
    /// The device's connection kit
    #[arg(long, value_name = "DIR")]
    kit: PathBuf,
    /// Topic filter to listen to
    #[arg(long, value_name = "FILTER", default_value = "esp32/sub", value_parser = topic_args::filter)]
    subscribe: String,
    /// Topic to publish to
    #[arg(long, value_name = "TOPIC", default_value = "esp32/pub", value_parser = topic_args::name)]
    publish: String,
    /// Seconds between messages
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,
    /// End after this many messages
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// MQTT version
    #[arg(
        short = 'V',
        long = "protocol-version",
        value_enum,
        default_value = "mqttv5"
    )]
    version: ProtocolVersion,
}

impl Device {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let Verb::Run(run) = self.verb;
        run.run(context).await
    }
}

impl Run {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let kit = Kit::load(&self.kit)?;
        let mut connector =
            KitConnector::new(&kit).map_err(|error| Failure::new(Exit::Kit, error.to_string()))?;
        let platform = HostPlatform::new();
        let subscriptions = [SubscribeFilter::new(&self.subscribe, QoS::AtLeastOnce)];
        let behaviour = Behaviour {
            subscriptions: &subscriptions,
            topic: &self.publish,
            every: u64::from(self.every).saturating_mul(1000),
            count: self.count,
        };
        let mut memory = DeviceMemory::new();
        let version = self.version.into();
        let client = Client::new(behaviour.config(version, &kit.client_id), memory.lend())
            .map_err(|error| Failure::new(Exit::Kit, error.to_string()))?;
        output::talk(format_args!(
            "connecting to {}:{} as `{}`",
            kit.endpoint, kit.mqtt_port, kit.client_id
        ));

        let local = local_cloud_of(&kit, context).await;
        let speaker = Speaker::new(kit.clone(), kit.client_id.clone(), version, local);
        let (tell, told) = mpsc::unbounded_channel();
        let device = client.run(&mut connector, &platform, |event| {
            if let Some(event) = Told::from_event(&event) {
                // Only a talker that failed, and then ends everything, does not listen.
                let _ = tell.send(event);
            }
        });
        let person = async {
            let sends = application(&client, &platform, &behaviour, |message| {
                output::talk(format_args!(
                    "{FAINT}sent {} {message}{FAINT:#}",
                    self.publish
                ));
            });
            let until_interrupted = async {
                if tokio::signal::ctrl_c().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            let outcome = match select(
                sends,
                select(talk(told, &self.subscribe, &speaker), until_interrupted),
            )
            .await
            {
                Either::First(sent) => sent.map_err(|error| {
                    Failure::new(
                        Exit::Failed,
                        format!("cannot publish to `{}`: {error}", self.publish),
                    )
                }),
                Either::Second(Either::First(talked)) => talked,
                Either::Second(Either::Second(())) => Ok(()),
            };
            client.stop();
            outcome
        };
        let (ran, outcome) = thingwire_device::future::join(device, person).await;
        ran.map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        outcome
    }
}

/// Prints what the device lives through; ends only if nobody reads what it prints.
async fn talk(
    mut told: mpsc::UnboundedReceiver<Told>,
    filter: &str,
    speaker: &Speaker,
) -> Result<(), Failure> {
    let mut since = SystemTime::now();
    while let Some(event) = told.recv().await {
        match event {
            Told::Connected { session_present } => {
                let session = if session_present {
                    "the session was kept"
                } else {
                    "a new session"
                };
                output::done(format_args!("connected, {session}"));
            }
            Told::Subscribed(codes) => {
                if codes.iter().any(|code| *code >= 0x80) {
                    output::warn(format_args!("the cloud did not grant `{filter}`"));
                    reason(speaker, since).await;
                } else {
                    output::done(format_args!("listening on {filter}"));
                }
            }
            Told::PublishRefused(code) => {
                output::warn(format_args!(
                    "the cloud did not take a message (reason 0x{:02x})",
                    code.0
                ));
                reason(speaker, since).await;
            }
            Told::Message { topic, payload } => {
                let mut line = topic.into_bytes();
                line.push(b' ');
                line.extend_from_slice(&payload);
                line.push(b'\n');
                output::bytes(&line, false)?;
            }
            Told::TooLong(bytes) => {
                output::warn(format_args!("a message of {bytes} bytes was left out"))
            }
            Told::Ended {
                why,
                refused,
                retry_in,
            } => {
                let seconds = retry_in / 1000;
                output::warn(format_args!(
                    "not connected: {why}; next attempt in {seconds} s"
                ));
                if refused {
                    reason(speaker, since).await;
                }
            }
        }
        since = SystemTime::now();
    }
    Ok(())
}

/// Adds what the local cloud remembers, if it does.
async fn reason(speaker: &Speaker, since: SystemTime) {
    if let Some(refusal) = speaker.refusal_since(since).await {
        output::talk(format_args!("  {refusal}"));
    }
}
