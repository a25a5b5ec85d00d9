//! The sketch: subscribes, publishes every second, shows what arrives. The application is the same file that runs on a
//! computer with `cargo run --example sketch`; change it and nothing else.
#![no_std]
#![no_main]

#[path = "../../../../crates/host/examples/sketch/application.rs"]
mod application;

use embassy_executor::Spawner;
use thingwire_esp::Options;

thingwire_esp::descriptor!();

#[esp_rtos::main]
async fn main(spawner: Spawner) -> ! {
    let device = thingwire_esp::start(spawner, Options::new()).await;
    let ended = application::application(device.client, device.platform, thingwire_esp::show).await;
    device.ended(ended).await
}
