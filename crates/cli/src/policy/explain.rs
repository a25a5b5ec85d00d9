//! `thingwire policy explain`: which statement decided, what each variable became, and what would allow it.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use thingwire_policy::{Action, Context as Connection, Outcome};
use thingwire_policy_tools::explain::{Explained, Question, explain};
use thingwire_policy_tools::picture::{Palette, draw};
use thingwire_policy_tools::{Policy, resource};

use super::connection::ConnectionArgs;
use super::files::{self, OwnCloud};
use crate::exit::{Exit, Failure};
use crate::{Context, output};

/// Arguments of `thingwire policy explain`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire policy explain --policy p.json --client lamp --action publish --topic esp32/pub
  thingwire policy explain --kit kitchen --action subscribe --topic 'esp32/#'   (asks the cloud)
  thingwire policy explain --policy p.json --client lamp --unattached --action connect
  thingwire --cloud aws policy explain --kit kitchen --action publish --topic esp32/pub

With --policy no cloud is asked. Without it the cloud is asked for the certificate's things and
policies. Exit code: 0 allowed, 3 denied.")]
pub(super) struct Explain {
    /// A policy file; may be repeated [default: the policies that the cloud has for the certificate]
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// The action: connect, publish, subscribe, receive, retain, or any action of AWS IoT
    #[arg(long, value_name = "ACTION", value_parser = action)]
    action: Action,
    /// The topic, the topic filter, or the topic of a direct message
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// The resource, where it is no topic: the last part of an ARN, or a whole one [default for connect: the client]
    #[arg(long, value_name = "RESOURCE")]
    resource: Option<String>,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    own: OwnCloud,
}

/// The action with this name.
pub(super) fn action(name: &str) -> Result<Action, String> {
    resource::action(name).ok_or_else(|| {
        "no action of AWS IoT; write connect, publish, subscribe, receive, retain, or a name like iot:GetThingShadow".to_owned()
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    client_id: Option<&'a str>,
    thing_name: Option<&'a str>,
    #[serde(flatten)]
    explained: &'a Explained,
}

impl Explain {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (connection, policies) = if self.policy.is_empty() {
            self.ask(context).await?
        } else {
            let connection = self.connection.described(&self.own)?;
            let read = self
                .policy
                .iter()
                .map(|path| files::policy(path, &connection.region, &connection.account))
                .collect::<Result<Vec<_>, _>>()?;
            (connection, read)
        };
        let question = self.question(&connection)?;
        let explained = explain(&policies, &connection, &question);
        let who = connection.client_id.clone().unwrap_or_default();
        if context.json {
            output::json(&Answer {
                client_id: connection.client_id.as_deref(),
                thing_name: connection.thing().map(|thing| thing.name.as_str()),
                explained: &explained,
            })?;
        } else {
            output::bytes(draw(&explained, &who, &palette()).as_bytes(), true)?;
        }
        match explained.outcome {
            Outcome::Allowed => Ok(()),
            // The picture has said it.
            Outcome::ImplicitDeny | Outcome::ExplicitDeny => Err(Failure::new(Exit::Denied, "")),
        }
    }

    /// The connection and the policies as the cloud has them.
    async fn ask(&self, context: &Context) -> Result<(Connection, Vec<Policy>), Failure> {
        let kit = self.connection.kit()?;
        let client = self
            .connection
            .client
            .clone()
            .or_else(|| kit.as_ref().map(|kit| kit.client_id.clone()))
            .ok_or_else(|| {
                Failure::new(
                    Exit::Usage,
                    "whose connection? neither a client id nor a kit is given",
                )
                .advise("--client ID or --kit DIR")
            })?;
        let of_kit = kit
            .as_ref()
            .and_then(|kit| kit.certificate.first())
            .map(|leaf| thingwire_cloud::pki::certificate_id(leaf));
        let certificate = self.connection.certificate_id.clone().or(of_kit);
        let cloud = context.target.connect().await?;
        let thing = self.connection.thing.as_deref().unwrap_or(&client);
        let principal = cloud
            .principal(certificate.as_deref(), thing)
            .await
            .map_err(|failure| {
                failure.advise("or explain a policy file without a cloud: --policy FILE")
            })?;
        let mut connection = cloud.connection(&client, &principal).await?;
        self.connection.details(&mut connection);
        let policies = cloud.effective_policies(&principal, &connection).await?;
        Ok((connection, policies))
    }

    fn question(&self, connection: &Connection) -> Result<Question, Failure> {
        let is_message = resource::Kind::of(self.action) == resource::Kind::Topic
            || resource::Kind::of(self.action) == resource::Kind::TopicFilter;
        let named = match (&self.resource, &self.topic) {
            (Some(resource), _) => resource.clone(),
            (None, Some(topic)) if is_message => topic.clone(),
            (None, _) => match self.action {
                Action::Connect => connection.client_id.clone().unwrap_or_default(),
                Action::ListRetainedMessages => "*".to_owned(),
                action => {
                    let flag = if is_message {
                        "--topic TOPIC"
                    } else {
                        "--resource RESOURCE"
                    };
                    return Err(Failure::new(Exit::Usage, format!("{action} needs {flag}")));
                }
            },
        };
        // `--resource topic/a` says the kind itself; `--topic topic/a` is a topic.
        let has_kind =
            self.resource.is_some() && named.starts_with(resource::Kind::of(self.action).prefix());
        Ok(Question {
            action: self.action,
            resource: if has_kind {
                named
            } else {
                resource::named(self.action, &named)
            },
            topic: self.topic.clone().filter(|_| !is_message),
        })
    }
}

/// The colours of the terminal; they are taken out where nobody looks.
pub(super) fn palette() -> Palette {
    let pair = |style: clap::builder::styling::Style| (format!("{style}"), format!("{style:#}"));
    Palette {
        good: pair(output::GOOD),
        bad: pair(output::BAD),
        look: pair(output::LOOK),
        strong: pair(output::STRONG),
        faint: pair(output::FAINT),
    }
}
