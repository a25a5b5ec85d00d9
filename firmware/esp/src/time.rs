//! The time, which certificates need: asked for over the network, and remembered in flash as a floor for the next start.

use core::convert::Infallible;

use embassy_net::Stack;
use embassy_time::{Duration, Timer};
use esp_hal::rng::Rng;
use thingwire_chip::KitImage;
use thingwire_firmware::sntp::{self, TimeEvent};
use thingwire_firmware::wall_clock;

use crate::settings::Settings;
use crate::{say, status};

/// How often the time is kept in flash.
const REMEMBER: Duration = Duration::from_secs(24 * 3600);

/// Sets the clock by the kit's servers and keeps it right.
#[embassy_executor::task]
pub(crate) async fn keep(stack: Stack<'static>, kit: KitImage<'static>) {
    let never: Infallible = sntp::keep_time(stack, &kit, random(), event).await;
    match never {}
}

/// Keeps the time in flash, so that the next start knows what has surely passed.
#[embassy_executor::task]
pub(crate) async fn remember(settings: &'static Settings) {
    loop {
        while !wall_clock::wait(REMEMBER).await {}
        if let Some(unix) = wall_clock::unix() {
            settings.keep_time(unix).await;
        }
        Timer::after(REMEMBER).await;
    }
}

fn event(event: TimeEvent<'_>) {
    if let TimeEvent::Set { .. } = event {
        status::set_time();
    }
    say!("{event}");
}

/// 64 bits from the hardware.
pub(crate) fn random() -> u64 {
    let rng = Rng::new();
    (u64::from(rng.random()) << 32) | u64::from(rng.random())
}
