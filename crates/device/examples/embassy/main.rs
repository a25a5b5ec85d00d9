//! The device library under embassy: one task drives the connection, another one is the application.
//!
//! What it teaches: where memory, client and clock live when tasks are `'static`, as they are on a chip. Here embassy
//! runs on a computer, over plain TCP to a broker in the same room; on a board only `network.rs` changes.
//!
//! ```text
//! cargo run -p thingwire-device --example embassy -- 127.0.0.1:1883
//! ```
//!
//! You will see `connected`, then a line for each tick that went to the broker and came back.

mod network;

use embassy_executor::Spawner;
use embassy_time::{Instant, Timer};
use network::Network;
use static_cell::StaticCell;
use thingwire_device::{Client, Config, Event, Memory, Millis, Platform, QoS, Router, Version};

static MEMORY: StaticCell<Memory<512, 1024, 256, 1024>> = StaticCell::new();
static CLIENT: StaticCell<Client<'static>> = StaticCell::new();
static ROUTES: Router<'static, (), 1> = Router::new([("esp32/+", QoS::AtLeastOnce, ())]);

/// embassy's clock. On a chip the randomness comes from its generator.
struct Board;

impl Platform for Board {
    fn now(&self) -> Millis {
        Millis(Instant::now().as_millis())
    }

    async fn sleep_until(&self, at: Millis) {
        Timer::at(Instant::from_millis(at.0)).await;
    }

    fn random_u32(&self) -> u32 {
        std::process::id().wrapping_mul(Instant::now().as_ticks() as u32 | 1)
    }
}

#[embassy_executor::task]
async fn connection(client: &'static Client<'static>, address: String) {
    let report = |event: Event<'_>| match event {
        Event::Connected { .. } => println!("connected"),
        Event::Failed { why, retry_in } | Event::Disconnected { why, retry_in } => {
            println!("{why}; {}; next try in {retry_in} ms", why.advice());
        }
        _ => {}
    };
    let _ = client.run(&mut Network(address), &Board, report).await;
}

#[embassy_executor::task]
async fn listen(client: &'static Client<'static>) {
    let mut buffer = [0; 512];
    client
        .serve(&ROUTES, &mut buffer, async |_, message| {
            let text = String::from_utf8_lossy(message.payload);
            println!("{}: {text}", message.topic);
        })
        .await;
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:1883".into());
    let config = Config::new(Version::V311, "esp32-embassy").subscriptions(ROUTES.subscriptions());
    let memory = MEMORY.init(Memory::new());
    let client =
        CLIENT.init(Client::new(config, memory.lend()).expect("the buffers are large enough"));
    spawner.spawn(connection(client, address).expect("the task runs once"));
    spawner.spawn(listen(client).expect("the task runs once"));
    for tick in 0_u32.. {
        match client
            .publish("esp32/tick", tick.to_string(), QoS::AtLeastOnce)
            .await
        {
            Ok(()) => Timer::after_secs(1).await,
            Err(error) => return println!("{error}"),
        }
    }
}
