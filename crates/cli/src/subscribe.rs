//! `thingwire sub`: prints messages with mosquitto_sub's flags, and says why when the cloud denies it.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use thingwire_mqtt::{QoS, SubscribeFilter};
use tokio::time::Instant;

use crate::exit::{Exit, Failure};
use crate::messages::{Heard, Received};
use crate::speaker::{Connection, Speaker, SpeakerArgs};
use crate::{Context, output, topic_args};

/// Filters in one SUBSCRIBE (`B-30`).
const FILTERS: usize = 8;

/// Before connecting again; doubled each time that fails.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Arguments of `thingwire sub`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire sub -t esp32/pub -v                 as the operator of the local cloud
  thingwire sub -t '#' -v                       everything
  thingwire sub -t esp32/pub -C 1 -W 10         one message, within ten seconds (else exit code 27)
  thingwire sub -t esp32/sub --kit kitchen      as the device (stop the device first)
  thingwire sub -t esp32/pub -v --cloud aws     on AWS, with your own AWS credentials

When the policy denies it, exit code 3 and the reason. With --json one JSON document a line.")]
pub(crate) struct Sub {
    /// Topic filter; may be given several times
    #[arg(short, long = "topic", required = true, value_name = "FILTER", value_parser = topic_args::filter)]
    topic: Vec<String>,
    /// Print the topic before each message
    #[arg(short, long)]
    verbose: bool,
    /// End after this many messages
    #[arg(short = 'C', value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// End after this many seconds, with exit code 27
    #[arg(short = 'W', value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    wait: Option<u32>,
    /// Quality of service, 0 or 1
    #[arg(short, long, default_value = "0", value_parser = topic_args::qos)]
    qos: QoS,
    #[command(flatten)]
    speaker: SpeakerArgs,
}

/// What has been achieved, over all connections.
#[derive(Default)]
struct Progress {
    /// Every filter was granted once.
    subscribed: bool,
    /// Messages printed.
    printed: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    topic: &'a str,
    /// The message as text, or in base 16 if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_hex: Option<String>,
    qos: u8,
    retain: bool,
}

impl Sub {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let deadline = self
            .wait
            .map(|seconds| Instant::now() + Duration::from_secs(u64::from(seconds)));
        let speaker = Speaker::resolve(context, &self.speaker).await?;
        let listen = self.listen(context, &speaker);
        let interrupted = async {
            // Without the handler Ctrl-C would end us all the same, only less politely.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let timed_out = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            outcome = listen => outcome,
            () = interrupted => Ok(()),
            () = timed_out => Err(Failure::new(
                Exit::TimedOut,
                format!("not everything came within {} s", self.wait.unwrap_or_default()),
            )),
        }
    }

    /// Listens, and connects again when a connection that had worked breaks; what is refused stays refused.
    async fn listen(&self, context: &Context, speaker: &Speaker) -> Result<(), Failure> {
        let mut progress = Progress::default();
        let mut means = speaker.means()?;
        let mut pause = FIRST_PAUSE;
        loop {
            let outcome = match speaker.connect(&mut means).await {
                Ok(mut line) => {
                    pause = FIRST_PAUSE;
                    let outcome = self
                        .listen_on(context, speaker, &mut line, &mut progress)
                        .await;
                    line.close().await;
                    outcome
                }
                Err(failure) => Err(failure),
            };
            match outcome {
                Err(failure) if progress.subscribed && failure.exit() == Exit::Unreachable => {
                    let message = failure.message();
                    output::warn(format_args!(
                        "{message}; connecting again in {} s",
                        pause.as_secs()
                    ));
                    tokio::time::sleep(pause).await;
                    pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                }
                outcome => return outcome,
            }
        }
    }

    async fn listen_on(
        &self,
        context: &Context,
        speaker: &Speaker,
        line: &mut Connection<'_>,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        for filters in self.topic.chunks(FILTERS) {
            let wanted: Vec<_> = filters
                .iter()
                .map(|filter| SubscribeFilter::new(filter, self.qos))
                .collect();
            line.subscribe(&wanted)
                .map_err(|error| Failure::new(Exit::Usage, format!("cannot subscribe: {error}")))?;
        }
        let mut granted = 0_usize;
        loop {
            let heard = match line.flush().await {
                Ok(()) => line.wait().await,
                Err(error) => Err(error),
            };
            match heard {
                Ok(Heard::Message(message)) => {
                    self.print(context, &message)?;
                    progress.printed = progress.printed.saturating_add(1);
                    if self.count.is_some_and(|count| progress.printed >= count) {
                        return Ok(());
                    }
                }
                Ok(Heard::Subscribed(codes)) => {
                    for code in codes {
                        let filter = self.topic.get(granted).map_or("", String::as_str);
                        granted = granted.saturating_add(1);
                        if code.0 >= 0x80 {
                            return Err(speaker.refused_subscribe(filter, code).await);
                        }
                    }
                    if granted >= self.topic.len() {
                        progress.subscribed = true;
                        // For scripts that must not publish before this.
                        tracing::info!("subscribed");
                    }
                }
                Ok(_) => {}
                Err(error) => return Err(speaker.explain(error, None).await),
            }
        }
    }

    fn print(&self, context: &Context, message: &Received) -> Result<(), Failure> {
        if context.json {
            let text = std::str::from_utf8(&message.payload).ok();
            let hex = || {
                message
                    .payload
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect()
            };
            let line = Line {
                topic: &message.topic,
                payload: text,
                payload_hex: text.is_none().then(hex),
                qos: message.qos,
                retain: message.retain,
            };
            let text = serde_json::to_string(&line).map_err(|error| {
                Failure::new(Exit::Failed, format!("cannot write JSON: {error}"))
            })?;
            return output::data(text);
        }
        let mut bytes = Vec::with_capacity(message.payload.len() + message.topic.len() + 2);
        if self.verbose {
            bytes.extend_from_slice(message.topic.as_bytes());
            bytes.push(b' ');
        }
        bytes.extend_from_slice(&message.payload);
        bytes.push(b'\n');
        output::bytes(&bytes, false)
    }
}
