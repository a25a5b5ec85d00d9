//! The command line of Thingwire: a table of contents.
//!
//! One noun, one verb, the same everywhere. Each noun has its file; data goes to stdout, talk to stderr,
//! and [`exit::Exit`] holds every exit code.

mod api;
mod attachments;
mod data_dir;
mod demo;
mod device;
mod espflash;
mod exit;
mod flash;
mod kit;
mod kit_image;
mod logging;
mod messages;
mod names;
mod ours;
mod output;
mod partitions;
mod policy;
mod policy_source;
mod provision;
mod publish;
mod reference;
mod refusals;
mod signed;
mod speaker;
mod store;
mod subscribe;
mod target;
mod thing;
mod thing_group;
mod topic_args;
mod up;
mod voice;
mod wifi;

use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use exit::{Exit, Failure};
use logging::LogFormat;

/// From bare board to AWS IoT Core, and a local cloud to do it on first.
#[derive(Parser, Debug)]
#[command(
    name = "thingwire",
    version,
    max_term_width = 110,
    after_help = "\
Examples:
  thingwire demo                            the whole story in one command
  thingwire up                              a local AWS IoT Core
  thingwire policy example > policy.json    a policy to begin with
  thingwire thing create esp32-kitchen --policy policy.json --kit kitchen
  thingwire device run --kit kitchen        the reference device
  thingwire sub -t esp32/pub -v             what it sends
  thingwire pub -t esp32/sub -m hello       something for it
  thingwire flash --kit kitchen --wifi Home --chip esp32c3      a real one: docs/first-board.md

Exit codes:
  0 done                        5 another `up` has the data folder
  1 failed                      6 unusable kit
  2 usage                       7 error of the control plane
  3 denied or refused           8 the local cloud cannot start
  4 no answer from the cloud    9 no board, or it cannot be written
  10 damaged data               11 no data, or of a newer version
                                27 `sub -W` or `flash --wait` ran out of time

RUST_LOG chooses what is logged on stderr, for example RUST_LOG=thingwire_broker=debug."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    target: target::TargetArgs,
    /// Answer in JSON on stdout, where there is something to answer
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// The whole story in one command: cloud, device, messages, refusals
    Demo(demo::Demo),
    /// Run a local AWS IoT Core until Ctrl-C
    Up(up::Up),
    /// Things: create, list, show, delete
    Thing(thing::Thing),
    /// Thing groups: create, list, show, delete, add, remove
    ThingGroup(thing_group::ThingGroup),
    /// Policies: create, list, show, attach, detach; test, explain, lint, generate, diff
    Policy(policy::Policy),
    /// The data of a local cloud that is not running: check, export, import
    Store(store::Store),
    /// Connection kits: check, image, inspect
    Kit(kit::Kit),
    /// Write bootloader, firmware and kit onto a board, or into one file
    Flash(Box<flash::Flash>),
    /// Publish messages, with mosquitto_pub's flags
    Pub(publish::Pub),
    /// Subscribe and print messages, with mosquitto_sub's flags
    Sub(subscribe::Sub),
    /// The reference device on this computer
    Device(device::Device),
}

/// What every command gets.
struct Context {
    /// Which cloud.
    target: target::TargetArgs,
    /// Whether to answer in JSON.
    json: bool,
    /// Whether the command line names a cloud; `policy test` asks one only then.
    cloud_named: bool,
}

fn main() -> ExitCode {
    let matches = Arguments::command().get_matches();
    let cloud_named = names_cloud(&matches);
    let Arguments {
        command,
        target,
        json,
    } = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let _last_lines = match &command {
        Command::Up(up) => logging::start(logging::SERVER, up.log_format()),
        Command::Demo(_) => logging::start(logging::QUIET, LogFormat::Text),
        _ => logging::start(logging::COMMAND, LogFormat::Text),
    };
    let context = Context {
        target,
        json,
        cloud_named,
    };
    match run(command, &context) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Whether `--cloud` stands on the command line, before the command or behind it.
fn names_cloud(matches: &ArgMatches) -> bool {
    matches.value_source("cloud") == Some(ValueSource::CommandLine)
        || matches
            .subcommand()
            .is_some_and(|(_, below)| names_cloud(below))
}

fn run(command: Command, context: &Context) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot start threads: {error}")))?;
    let result = runtime.block_on(async {
        match command {
            Command::Demo(demo) => demo.run(context).await,
            Command::Up(up) => up.run(context).await,
            Command::Thing(thing) => thing.run(context).await,
            Command::ThingGroup(group) => group.run(context).await,
            Command::Policy(policy) => policy.run(context).await,
            Command::Store(store) => store.run(context),
            Command::Kit(kit) => kit.run(context),
            Command::Flash(flash) => flash.run(context),
            Command::Pub(publish) => publish.run(context).await,
            Command::Sub(subscribe) => subscribe.run(context).await,
            Command::Device(device) => device.run(context).await,
        }
    });
    // A thread that reads stdin cannot be stopped; do not wait for it.
    runtime.shutdown_background();
    result
}
