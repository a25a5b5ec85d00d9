//! A button and a light: pressing the button `BOOT` publishes, a message switches the light. Until the board is connected
//! the light blinks.
//!
//! ```text
//! thingwire sub 'button/+'
//! thingwire pub light/CLIENT_ID on
//! ```
#![no_std]
#![no_main]

use core::fmt::Write as _;

use embassy_executor::Spawner;
use embassy_time::Timer;
use esp_hal::gpio::{AnyPin, Input, InputConfig, Level, Output, OutputConfig, Pull};
use thingwire_device::future::select;
use thingwire_device::{Client, QoS};
use thingwire_esp::{Board, Options, Status, Text, say};

thingwire_esp::descriptor!();

#[esp_rtos::main]
async fn main(spawner: Spawner) -> ! {
    let mut device = thingwire_esp::start(spawner, Options::new()).await;
    let pressed = button(
        device.client,
        device.client_id,
        device.pins.button.reborrow(),
    );
    let switched = light(
        device.client,
        device.client_id,
        device.pins.light.reborrow(),
    );
    select(pressed, switched).await;
    device.ended(Ok::<(), &str>(())).await
}

/// Publishes each press, for ever. What is pressed while nothing is connected arrives later.
async fn button(client: &Client<'_>, client_id: &str, pin: AnyPin<'_>) {
    let mut topic = Text::<192>::new();
    let _ = write!(topic, "button/{client_id}");
    let mut button = Input::new(pin, InputConfig::default().with_pull(Pull::Up));
    loop {
        button.wait_for_falling_edge().await;
        if let Err(error) = client
            .publish(topic.as_str(), "pressed", QoS::AtLeastOnce)
            .await
        {
            say!("`{}`: {error}", topic.as_str());
        }
        // Contacts bounce.
        Timer::after_millis(50).await;
    }
}

/// Does what messages say, for ever.
async fn light(client: &Client<'_>, client_id: &str, pin: AnyPin<'_>) {
    let mut topic = Text::<192>::new();
    let _ = write!(topic, "light/{client_id}");
    if let Err(error) = client.subscribe(topic.as_str(), QoS::AtLeastOnce).await {
        say!("`{}`: {error}", topic.as_str());
    }
    let mut light = Output::new(pin, Level::Low, OutputConfig::default());
    let mut on = false;
    let mut buffer = [0; 64];
    loop {
        blink_until_connected(&mut light, &Board).await;
        light.set_level(on.into());
        match client.next(&mut buffer).await {
            Ok(message) => match message.payload {
                b"on" => on = true,
                b"off" => on = false,
                _ => say!("`on` or `off` would be understood"),
            },
            Err(error) => {
                say!("{error}");
                return;
            }
        }
    }
}

/// A status in a light.
async fn blink_until_connected(light: &mut Output<'_>, status: &impl Status) {
    while !status.is_connected() {
        light.toggle();
        Timer::after_millis(250).await;
    }
}
