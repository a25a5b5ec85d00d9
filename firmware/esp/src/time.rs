//! The time, which certificates need: asked for over the network, and remembered in flash as a floor for the next start.

use embassy_net::Stack;
use embassy_time::{Duration, Timer};
use esp_hal::rng::Rng;
use thingwire_chip::KitImage;
use thingwire_device::future::{Either, select};
use thingwire_firmware::sntp::{self, TimeEvent};
use thingwire_firmware::wall_clock;

use crate::settings::Settings;
use crate::status::{Board, Status as _};
use crate::{link, say, status};

/// How often the time is kept in flash.
const REMEMBER: Duration = Duration::from_secs(24 * 3600);

/// How long the servers are asked with growing pauses before it begins anew: three times, the last after 32 s.
const IN_VAIN: Duration = Duration::from_secs(80);

/// Sets the clock by the kit's servers and keeps it right.
///
/// Its pauses grow, as they should for a clock that is right. As long as nobody has told a time nothing can be connected, so
/// it begins anew after a while, and whenever the network comes back.
#[embassy_executor::task]
pub(crate) async fn keep(stack: Stack<'static>, kit: KitImage<'static>) {
    loop {
        link::up(stack).await;
        let keep = sntp::keep_time(stack, &kit, random(), event);
        let in_vain = async {
            Timer::after(IN_VAIN).await;
            if wall_clock::unix().is_some() {
                core::future::pending::<()>().await;
            }
        };
        match select(keep, select(in_vain, link::down(stack))).await {
            Either::First(never) => match never {},
            Either::Second(_) => {}
        }
    }
}

/// How often it is looked whether a time can be believed.
const LOOK: Duration = Duration::from_secs(1);

/// Keeps the time in flash, so that the next start knows what has surely passed: once a server has shown a certificate that
/// is valid at that time. An answer of SNTP alone may be wrong by years, and would lock the board out.
#[embassy_executor::task]
pub(crate) async fn remember(settings: &'static Settings) {
    loop {
        while !Board.is_connected() {
            Timer::after(LOOK).await;
        }
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
