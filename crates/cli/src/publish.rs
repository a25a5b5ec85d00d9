//! `thingwire pub`: publishes with mosquitto_pub's flags, and says why when the cloud denies it.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use thingwire_mqtt::QoS;
use thingwire_mqtt::client::PublishError;
use tokio::io::{AsyncBufReadExt, AsyncReadExt};
use tokio::sync::mpsc;

use crate::exit::{Exit, Failure};
use crate::messages::{Heard, LineError};
use crate::speaker::{Connection, Speaker, SpeakerArgs};
use crate::{Context, output, topic_args};

/// What AWS takes in one message (`B-42`); no file is read beyond it.
const PAYLOAD_LIMIT: usize = thingwire_contract::limit::PAYLOAD_BYTES;

/// Arguments of `thingwire pub`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire pub -t esp32/sub -m hello                  as the operator of the local cloud
  thingwire pub -t esp32/sub -f photo.jpg
  sensor | thingwire pub -t esp32/sub -l               one message a line
  thingwire pub -t esp32/sub -r -n                     clear the retained message
  thingwire pub -t esp32/pub -m hello --kit kitchen    as the device (stop the device first)
  thingwire pub -t esp32/sub -m hello --cloud aws      on AWS, with your own AWS credentials

Unlike mosquitto_pub, QoS 1 is the default: only then does the cloud say whether it took the
message. When the policy denies it, exit code 3 and the reason. With --json it says how many messages the cloud took.")]
#[group(id = "payload", required = true, multiple = false, args = ["message", "file", "lines", "null", "stdin"])]
pub(crate) struct Pub {
    /// Topic to publish to
    #[arg(short, long, value_parser = topic_args::name)]
    topic: String,
    /// The message
    #[arg(short, long, allow_hyphen_values = true)]
    message: Option<String>,
    /// The content of a file as the message
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Each line of stdin as a message
    #[arg(short = 'l', long = "stdin-line")]
    lines: bool,
    /// An empty message
    #[arg(short = 'n', long = "null-message")]
    null: bool,
    /// All of stdin as one message
    #[arg(short = 's', long = "stdin-file")]
    stdin: bool,
    /// Quality of service, 0 or 1
    #[arg(short, long, default_value = "1", value_parser = topic_args::qos)]
    qos: QoS,
    /// Ask the cloud to keep the message for later subscribers
    #[arg(short, long)]
    retain: bool,
    #[command(flatten)]
    speaker: SpeakerArgs,
}

/// What went out.
#[derive(Default)]
struct Sent {
    messages: u64,
    /// Of all payloads.
    bytes: usize,
}

/// What is answered with `--json`, once the cloud has taken everything.
#[derive(Serialize)]
struct Answer<'a> {
    topic: &'a str,
    qos: u8,
    retain: bool,
    messages: u64,
    bytes: usize,
}

impl Pub {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        // Read first: a file that is not there is no reason to connect.
        let whole = self.whole_message().await?;
        let speaker = Speaker::resolve(context, &self.speaker).await?;
        let mut means = speaker.means()?;
        let mut line = speaker.connect(&mut means).await?;
        let mut sent = Sent::default();
        let outcome = match whole {
            Some(payload) => {
                self.publish_one(&speaker, &mut line, &payload, &mut sent)
                    .await
            }
            None => self.publish_lines(&speaker, &mut line, &mut sent).await,
        };
        let outcome = match outcome {
            Ok(()) => self.was_heard(&speaker, &mut line).await,
            Err(failure) => Err(failure),
        };
        line.close().await;
        outcome?;
        if context.json {
            output::json(&Answer {
                topic: &self.topic,
                qos: self.qos as u8,
                retain: self.retain,
                messages: sent.messages,
                bytes: sent.bytes,
            })?;
        }
        Ok(())
    }

    /// The one message there is to send, or `None` if each line of stdin is one.
    async fn whole_message(&self) -> Result<Option<Vec<u8>>, Failure> {
        let too_long = || {
            Failure::new(
                Exit::Usage,
                format!(
                    "the message is longer than {PAYLOAD_LIMIT} bytes, which is all AWS IoT takes"
                ),
            )
        };
        let payload = if self.lines {
            return Ok(None);
        } else if let Some(message) = &self.message {
            message.clone().into_bytes()
        } else if let Some(file) = &self.file {
            let failed = |error| {
                Failure::new(
                    Exit::Usage,
                    format!("cannot read `{}`: {error}", file.display()),
                )
            };
            let opened = tokio::fs::File::open(file).await.map_err(failed)?;
            let mut content = Vec::new();
            opened
                .take(PAYLOAD_LIMIT as u64 + 1)
                .read_to_end(&mut content)
                .await
                .map_err(failed)?;
            content
        } else if self.stdin {
            let mut content = Vec::new();
            tokio::io::stdin()
                .take(PAYLOAD_LIMIT as u64 + 1)
                .read_to_end(&mut content)
                .await
                .map_err(|error| {
                    Failure::new(Exit::Failed, format!("cannot read stdin: {error}"))
                })?;
            content
        } else {
            Vec::new()
        };
        if payload.len() > PAYLOAD_LIMIT {
            Err(too_long())
        } else {
            Ok(Some(payload))
        }
    }

    async fn publish_one(
        &self,
        speaker: &Speaker,
        line: &mut Connection<'_>,
        payload: &[u8],
        sent: &mut Sent,
    ) -> Result<(), Failure> {
        self.accept(speaker, line, payload, sent).await?;
        self.settle(speaker, line).await
    }

    async fn publish_lines(
        &self,
        speaker: &Speaker,
        line: &mut Connection<'_>,
        sent: &mut Sent,
    ) -> Result<(), Failure> {
        let mut lines = stdin_lines();
        loop {
            if let Err(error) = line.flush().await {
                return Err(self.why(speaker, error).await);
            }
            let heard = tokio::select! {
                text = lines.recv() => match text {
                    Some(text) => {
                        self.accept(speaker, line, &text?, sent).await?;
                        continue;
                    }
                    None => break,
                },
                heard = line.wait() => heard,
            };
            self.judge(speaker, heard).await?;
        }
        self.settle(speaker, line).await
    }

    /// Hands a message to the connection, waiting for room if need be.
    async fn accept(
        &self,
        speaker: &Speaker,
        line: &mut Connection<'_>,
        payload: &[u8],
        sent: &mut Sent,
    ) -> Result<(), Failure> {
        loop {
            match line.publish(&self.topic, payload, self.qos, self.retain) {
                Ok(_) => {
                    sent.messages = sent.messages.saturating_add(1);
                    sent.bytes = sent.bytes.saturating_add(payload.len());
                    return Ok(());
                }
                Err(PublishError::NoRoom { .. }) => self.hear(speaker, line).await?,
                Err(error) => {
                    return Err(Failure::new(
                        Exit::Failed,
                        format!("cannot publish to `{}`: {error}", self.topic),
                    ));
                }
            }
        }
    }

    /// Sends what waits, and waits for what is owed an answer.
    async fn settle(&self, speaker: &Speaker, line: &mut Connection<'_>) -> Result<(), Failure> {
        loop {
            if let Err(error) = line.flush().await {
                return Err(self.why(speaker, error).await);
            }
            if line.is_idle() {
                return Ok(());
            }
            let heard = line.wait().await;
            self.judge(speaker, heard).await?;
        }
    }

    async fn hear(&self, speaker: &Speaker, line: &mut Connection<'_>) -> Result<(), Failure> {
        let heard = match line.flush().await {
            Ok(()) => line.wait().await,
            Err(error) => Err(error),
        };
        self.judge(speaker, heard).await
    }

    async fn judge(
        &self,
        speaker: &Speaker,
        heard: Result<Heard, LineError>,
    ) -> Result<(), Failure> {
        match heard {
            Ok(Heard::Published(reason)) if reason.0 >= 0x80 => {
                Err(speaker.refused_publish(&self.topic, reason).await)
            }
            Ok(_) => Ok(()),
            Err(error) => Err(self.why(speaker, error).await),
        }
    }

    async fn why(&self, speaker: &Speaker, error: LineError) -> Failure {
        speaker.explain(error, Some(&self.topic)).await
    }

    /// QoS 0 has no answer, and MQTT 5 drops what is denied without a word (`B-53`): ask the local cloud.
    async fn was_heard(&self, speaker: &Speaker, line: &mut Connection<'_>) -> Result<(), Failure> {
        if self.qos != QoS::AtMostOnce {
            return Ok(());
        }
        line.ask_whether_heard().map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot ask the cloud: {error}"))
        })?;
        self.settle(speaker, line).await?;
        match speaker.remembered_refusal().await {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }
}

/// Lines of stdin as they come; a line longer than a message may be ends it with a failure.
fn stdin_lines() -> mpsc::Receiver<Result<Vec<u8>, Failure>> {
    let (sender, receiver) = mpsc::channel(16);
    tokio::spawn(async move {
        let mut stdin = tokio::io::BufReader::new(tokio::io::stdin());
        loop {
            let mut text = Vec::new();
            let limit = PAYLOAD_LIMIT as u64 + 2;
            let read = (&mut stdin).take(limit).read_until(b'\n', &mut text).await;
            let line = match read {
                Ok(0) => return,
                Ok(_) => {
                    if text.last() == Some(&b'\n') {
                        text.pop();
                    }
                    if text.len() > PAYLOAD_LIMIT {
                        Err(Failure::new(
                            Exit::Usage,
                            format!("a line of stdin is longer than {PAYLOAD_LIMIT} bytes"),
                        ))
                    } else {
                        Ok(text)
                    }
                }
                Err(error) => Err(Failure::new(
                    Exit::Failed,
                    format!("cannot read stdin: {error}"),
                )),
            };
            let over = line.is_err();
            if sender.send(line).await.is_err() || over {
                return;
            }
        }
    });
    receiver
}
