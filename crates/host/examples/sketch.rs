//! The sketch on a computer: subscribes `esp32/sub`, publishes `esp32/pub` every second, prints what arrives.
//!
//! What it teaches: everything a device program needs besides its application function, which lives in
//! `sketch/application.rs` and knows neither this computer nor its network.
//!
//! ```text
//! cargo run -p thingwire-host --example sketch -- KIT
//! ```
//!
//! `KIT` is the folder of a connection kit, made by `thingwire thing create NAME --policy FILE --kit KIT`. You will
//! see `connected`, then a line for every message; send one with `thingwire pub -t esp32/sub -m hello`.

#[path = "sketch/application.rs"]
mod application;

use std::process::ExitCode;

use application::application;
use thingwire_device::future::{Either, select};
use thingwire_device::{Client, Config, Event, Memory, Version};
use thingwire_host::{HostPlatform, Kit, KitConnector};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(folder) = std::env::args().nth(1) else {
        eprintln!("which kit? cargo run -p thingwire-host --example sketch -- KIT");
        return ExitCode::from(2);
    };
    match device(&folder).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn device(folder: &str) -> Result<(), Box<dyn std::error::Error>> {
    // initWiFi: on a computer the network is already there. The kit tells where to go and who we are.
    let kit = Kit::load(folder)?;
    let mut connector = KitConnector::new(&kit)?;
    let platform = HostPlatform::new();

    // initAWS: memory for messages of up to a kilobyte, and what CONNECT says.
    let mut memory = Memory::<1280, 4096, 1280, 4096>::new();
    let client = Client::new(Config::new(Version::V311, &kit.client_id), memory.lend())?;

    // The connection and the application, side by side for ever.
    let connection = client.run(&mut connector, &platform, report);
    let application = application(&client, &platform, |topic, payload| {
        println!("{topic}: {}", String::from_utf8_lossy(payload));
    });
    match select(connection, application).await {
        Either::First(ran) => ran?,
        Either::Second(ended) => ended?,
    }
    Ok(())
}

/// The connection's life, for people to read.
fn report(event: Event<'_>) {
    match event {
        Event::Attempting { .. } => eprintln!("connecting"),
        Event::Connected { negotiated, .. } => {
            eprintln!("connected, session kept: {}", negotiated.session_present);
        }
        Event::Failed { why, retry_in } | Event::Disconnected { why, retry_in } => {
            eprintln!("{why}; next try in {:.1} s", retry_in as f64 / 1000.0);
        }
        _ => {}
    }
}
