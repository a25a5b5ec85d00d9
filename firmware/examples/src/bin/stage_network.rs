//! The chip and its network, without TLS and MQTT: to measure what they cost.
#![no_std]
#![no_main]

use embassy_executor::Spawner;

thingwire_esp::descriptor!();

#[esp_rtos::main]
async fn main(spawner: Spawner) -> ! {
    thingwire_esp::stages::network(spawner).await
}
