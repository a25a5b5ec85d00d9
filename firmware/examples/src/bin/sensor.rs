//! A sensor: measures, publishes JSON, and is told in JSON how often.
//!
//! ```text
//! thingwire sub 'sensors/+/reading'
//! thingwire pub sensors/CLIENT_ID/settings '{"every_s":5}'
//! ```
//!
//! Readings go through the queue in flash, so none is lost while Wi-Fi is away or the board restarts.
#![no_std]
#![no_main]

use core::cell::Cell;
use core::fmt::Write as _;

use embassy_executor::Spawner;
use embassy_time::{Instant, Timer};
use serde::{Deserialize, Serialize};
use thingwire_device::future::select;
use thingwire_device::queue::{Keep, QueueOptions};
use thingwire_device::{Client, Outgoing, QoS, json};
use thingwire_esp::{Board, Options, Queue, Status as _, Text, queue_clock, say};

thingwire_esp::descriptor!();

/// What is published.
#[derive(Serialize)]
struct Reading {
    uptime_s: u64,
    /// In place of a real sensor: put your driver into `measure`.
    value: u32,
    wifi_losses: u32,
}

/// What may be asked for.
#[derive(Deserialize)]
struct Settings {
    every_s: u64,
}

fn measure() -> u32 {
    esp_hal::rng::Rng::new().random() % 1000
}

#[esp_rtos::main]
async fn main(spawner: Spawner) -> ! {
    let device = thingwire_esp::start(spawner, Options::new()).await;
    let Some(queue) = device.open_queue(spawner, QueueOptions::default()).await else {
        device.ended(Err("it needs the queue in flash")).await
    };
    let every = Cell::new(10);
    let listening = listen(device.client, device.client_id, &every);
    select(publish(queue, device.client_id, &every), listening).await;
    device.ended(Ok::<(), &str>(())).await
}

/// Measures and queues, for ever.
async fn publish(queue: &Queue, client_id: &str, every: &Cell<u64>) {
    let mut topic = Text::<192>::new();
    let _ = write!(topic, "sensors/{client_id}/reading");
    loop {
        let reading = Reading {
            uptime_s: Instant::now().as_secs(),
            value: measure(),
            wifi_losses: Board.counters().wifi_losses,
        };
        let mut buffer = [0; 128];
        if let Ok(payload) = json::encode(&reading, &mut buffer) {
            let message = Outgoing::new(topic.as_str(), payload, QoS::AtLeastOnce);
            // When the flash is full, the oldest readings give way.
            if let Err(error) = queue.put(message, Keep::DropOldest, queue_clock()).await {
                say!("not queued: {error}");
            }
        }
        Timer::after_secs(every.get()).await;
    }
}

/// Takes settings, for ever.
async fn listen(client: &Client<'_>, client_id: &str, every: &Cell<u64>) {
    let mut topic = Text::<192>::new();
    let _ = write!(topic, "sensors/{client_id}/settings");
    if let Err(error) = client.subscribe(topic.as_str(), QoS::AtLeastOnce).await {
        say!("`{}`: {error}", topic.as_str());
    }
    let mut buffer = [0; 256];
    while let Ok(message) = client.next(&mut buffer).await {
        match message.json::<Settings>() {
            Ok(settings) => every.set(settings.every_s.clamp(1, 86_400)),
            Err(error) => say!("the settings cannot be read: {error}"),
        }
    }
}
