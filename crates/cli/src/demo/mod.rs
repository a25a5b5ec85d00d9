//! `thingwire demo`: the whole story in one command, for real, in a cloud of its own that disappears afterwards.
//!
//! Policy, thing, certificate, attachments, connection kit, mutual TLS, subscribe, receive, publish, and three refusals
//! with their reasons. Every tick stands for something that was observed: an API answer, a message in the
//! device's own hands, a refusal the cloud remembers. It ends with 0 only if all of them were.

mod console;
mod conversation;
mod denials;
mod story;

use clap::Args;
use thingwire_cloud::{Cloud, Config};

use crate::exit::{Exit, Failure};
use crate::output::{FAINT, GOOD, STRONG, Waiting};
use crate::target::TargetArgs;
use crate::{Context, up};
use story::Story;

/// The thing of the story.
const THING: &str = "esp32-demo";

/// Arguments of `thingwire demo`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire demo
  thingwire demo && echo every step was observed
  thingwire demo --json                                what was observed, as one document

It uses free ports and a temporary folder, touches no other data, and needs no network and no AWS account.")]
pub(crate) struct Demo {}

impl Demo {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let mut story = Story::begin(context.json);
        story.say(format_args!(
            "{STRONG}From nothing to a device that talks to an AWS-style cloud.{STRONG:#}\n\
             Nothing here is simulated except Wi-Fi: real TLS sockets, a real broker, real policy decisions."
        ))?;

        let folder = tempfile::Builder::new()
            .prefix("thingwire-demo-")
            .tempdir()
            .map_err(|error| {
                Failure::new(
                    Exit::Failed,
                    format!("cannot make a temporary folder: {error}"),
                )
                .advise("TMPDIR chooses where it is made")
            })?;
        let data_dir = folder.path().join("cloud");
        story.chapter(
            "1  A cloud of our own",
            "what `thingwire up` starts; AWS has it running already",
        )?;
        let config = Config::new(&data_dir).with_free_ports();
        let waiting =
            Waiting::start("making an account: two certificate authorities, RSA and P-256");
        let cloud = Cloud::start(config)
            .await
            .map_err(|error| up::start_failed(&error))?;
        drop(waiting);

        // From here on everything goes over sockets, as with any cloud.
        let target = TargetArgs {
            api_url: None,
            data_dir: Some(data_dir),
            ..context.target.clone()
        };
        let target = TargetArgs {
            cloud: crate::target::Which::Local,
            ..target
        };
        let outcome = tokio::select! {
            outcome = tell(&mut story, &target, folder.path()) => outcome,
            Ok(()) = tokio::signal::ctrl_c() => Err(Failure::new(Exit::Failed, "interrupted")),
        };
        cloud.shutdown().await;
        outcome?;

        let steps = story.steps();
        story.say(format_args!(
            "\n{GOOD}{STRONG}All {steps} steps were observed in {}.{STRONG:#}{GOOD:#} The demo's cloud is gone; nothing is left on this computer.",
            story.seconds()
        ))?;
        story.end()?;
        next_steps(&story)
    }
}

/// Everything after the cloud is up.
async fn tell(
    story: &mut Story,
    target: &TargetArgs,
    folder: &std::path::Path,
) -> Result<(), Failure> {
    let local = target.local().await?;
    let ready = local.ready()?.clone();
    story.ticked(format_args!(
        "local AWS IoT Core: account {} in {}, MQTT over TLS on {}:{}, API on {}",
        ready.account_id, ready.region, ready.endpoint, ready.mqtt_port, ready.api_url
    ))?;
    let cloud = target.connect().await?;

    let provisioned = console::click_through(story, &cloud, &folder.join("kit")).await?;
    let stage = conversation::Stage {
        kit_dir: &folder.join("kit"),
        operator_kit: &ready.operator_kit,
        local: &local,
    };
    conversation::hold(story, &stage).await?;
    denials::show(story, &cloud, &stage, &provisioned).await
}

fn next_steps(story: &Story) -> Result<(), Failure> {
    // Set by `cargo run`: then the program is probably not installed.
    let program = if std::env::var_os("CARGO").is_some() {
        "cargo run --release --"
    } else {
        "thingwire"
    };
    let steps = [
        ("up", "a cloud that stays"),
        ("policy example > policy.json", "the policy of this demo"),
        (
            "thing create esp32-kitchen --policy policy.json --kit kitchen",
            "policy, thing, certificate, kit",
        ),
        ("device run --kit kitchen", "the reference device"),
        ("sub -t esp32/pub -v", "what it sends"),
        ("pub -t esp32/sub -m hello", "something for it"),
        ("--cloud aws thing create …", "the same on the real AWS"),
    ];
    story.say(format_args!("\n{STRONG}Next{STRONG:#}"))?;
    steps.iter().try_for_each(|(command, what)| {
        story.say(format_args!(
            "{program} {command:<62} {FAINT}{what}{FAINT:#}"
        ))
    })
}
