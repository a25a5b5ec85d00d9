//! The watchdog: starts the chip again when the executor is stuck.
//!
//! All tasks share one executor, so a task that does not give the processor back keeps this one from feeding. It is the
//! watchdog of the real-time clock, which runs whatever the processor does.

use embassy_time::{Duration, Timer};
use esp_hal::delay::Delay;
use esp_hal::peripherals::RTC_TIMER;
use esp_hal::rtc_cntl::{Rtc, RwdtStage};

use crate::{last_words, say};

/// Longer than the longest handshake (2 s) and the start of the radio, also where an emulator is many times slower; a
/// panic's pause fits in.
const PATIENCE: esp_hal::time::Duration = esp_hal::time::Duration::from_secs(60);

const FEED: Duration = Duration::from_secs(3);

/// After so many feedings the run was a good one.
const GOOD: u32 = 40;

/// How long the slow clock is looked at, in milliseconds, and what of it is believed, in microseconds. An oscillator of a chip is right
/// to a tenth.
const PROBE: u32 = 10;
const BELIEVED: core::ops::Range<u64> = 5_000..20_000;

/// Starts the watchdog, whose time limit is counted by the slow clock. Where that does not run, or was measured wrongly, as in
/// some emulators, there is none: the limit would be divided by zero, or a few milliseconds, and the chip would start for ever.
pub(crate) fn start(timer: RTC_TIMER<'static>) -> Rtc<'static> {
    let mut rtc = Rtc::new(timer);
    let before = rtc.time_since_power_up().as_micros();
    Delay::new().delay_millis(PROBE);
    let passed = rtc.time_since_power_up().as_micros().wrapping_sub(before);
    if !BELIEVED.contains(&passed) {
        say!("the slow clock is wrong, {passed} us for {PROBE} ms: there is no watchdog");
        return rtc;
    }
    rtc.rwdt.enable();
    rtc.rwdt.set_timeout(RwdtStage::Stage0, PATIENCE);
    rtc.rwdt.feed();
    rtc
}

/// Feeds it.
#[embassy_executor::task]
pub(crate) async fn feed(mut rtc: Rtc<'static>) {
    let mut fed = 0_u32;
    loop {
        rtc.rwdt.feed();
        fed = fed.saturating_add(1);
        if fed == GOOD {
            last_words::forget_panics();
        }
        Timer::after(FEED).await;
    }
}
