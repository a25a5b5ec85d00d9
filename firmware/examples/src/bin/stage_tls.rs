//! The chip, its network and TLS, without MQTT: to measure what it costs.
#![no_std]
#![no_main]

use embassy_executor::Spawner;

thingwire_esp::descriptor!();

#[esp_rtos::main]
async fn main(spawner: Spawner) -> ! {
    thingwire_esp::stages::tls(spawner).await
}
