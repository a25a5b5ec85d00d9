//! The date, for the validity of certificates.
//!
//! A chip has no calendar of its own: somebody tells it the time ([`sntp`](crate::sntp), a clock chip), and the uptime
//! carries it on. Until then Mbed TLS is told that there is no time, and it accepts no certificate. No time is taken that
//! lies before the floor: the day before this firmware was built, or the last time that the board remembers.

use core::cell::Cell;
use core::fmt;

use critical_section::Mutex;
use embassy_time::{Duration, Instant, Timer, with_timeout};
use mbedtls_rs::sys::hook::timer::{MbedtlsTimer, hook_timer};
use mbedtls_rs::sys::hook::wall_clock::{MbedtlsWallClock, hook_wall_clock};
use mbedtls_rs::sys::{mbedtls_ms_time_t, tm};
use thingwire_chip::Calendar;

/// 2026-01-01, before the first line of this firmware; the build usually knows a later one.
const OLDEST: u64 = 1_767_225_600;

/// Unix time in seconds that has surely passed: 0 for that of the build.
static FLOOR: Mutex<Cell<u64>> = Mutex::new(Cell::new(0));

/// How often [`wait`] looks.
const LOOK: Duration = Duration::from_millis(50);

/// Unix time at the start of embassy's clock, in seconds; 0 while nobody knows.
static STARTED_AT: Mutex<Cell<u64>> = Mutex::new(Cell::new(0));

static CLOCK: Clock = Clock;

/// The time that was given cannot be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImplausibleTime {
    /// What it would be.
    pub date: Option<Calendar>,
}

impl fmt::Display for ImplausibleTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.date {
            Some(date) => write!(f, "the clock shows {date}, which has long passed"),
            None => f.write_str("the clock shows no date"),
        }
    }
}

impl core::error::Error for ImplausibleTime {}

/// A Unix time in seconds that has surely passed.
#[must_use]
pub fn floor() -> u64 {
    let built = option_env!("THINGWIRE_FLOOR").and_then(|text| text.parse().ok());
    let raised = critical_section::with(|cs| FLOOR.borrow(cs).get());
    built.unwrap_or(OLDEST).max(OLDEST).max(raised)
}

/// Raises the floor to a time that the board remembers, in Unix seconds; one that lies lower changes nothing.
pub fn raise_floor(unix: u64) {
    critical_section::with(|cs| {
        let floor = FLOOR.borrow(cs);
        floor.set(floor.get().max(unix));
    });
}

/// Lowers the floor to the time of the build, for a person at the board who knows that it remembers a wrong one.
pub fn forget_floor() {
    critical_section::with(|cs| FLOOR.borrow(cs).set(0));
}

/// Sets the clock to this Unix time in seconds and lets Mbed TLS use it. May be called again.
///
/// # Errors
/// [`ImplausibleTime`]: the clock stays as it was.
pub fn set(unix: u64) -> Result<Calendar, ImplausibleTime> {
    let date = Calendar::from_unix(unix);
    let plausible = date.filter(|_| unix >= floor());
    let plausible = plausible.ok_or(ImplausibleTime { date })?;
    let started_at = unix.saturating_sub(Instant::now().as_secs());
    critical_section::with(|cs| STARTED_AT.borrow(cs).set(started_at));
    // SAFETY: the clock is a static that needs no preparation, and hooking it again changes nothing. Nothing of Mbed TLS
    // looks at the time before a handshake, and a handshake before this one found no clock at all.
    unsafe {
        hook_timer(Some(&CLOCK));
        hook_wall_clock(Some(&CLOCK));
    }
    Ok(plausible)
}

/// The date now; `None` until [`set`] was told one.
#[must_use]
pub fn now() -> Option<Calendar> {
    unix().and_then(Calendar::from_unix)
}

/// The same as Unix time in seconds, for a board to remember.
#[must_use]
pub fn unix() -> Option<u64> {
    let started_at = critical_section::with(|cs| STARTED_AT.borrow(cs).get());
    (started_at != 0).then(|| started_at.saturating_add(Instant::now().as_secs()))
}

/// Waits until the clock was set, but not longer than this; answers whether it is. Nothing happens when it is dropped.
pub async fn wait(limit: Duration) -> bool {
    let set = async {
        while unix().is_none() {
            Timer::after(LOOK).await;
        }
    };
    with_timeout(limit, set).await.is_ok()
}

struct Clock;

impl MbedtlsTimer for Clock {
    fn now(&self) -> mbedtls_ms_time_t {
        mbedtls_ms_time_t::try_from(Instant::now().as_millis()).unwrap_or(mbedtls_ms_time_t::MAX)
    }
}

impl MbedtlsWallClock for Clock {
    fn instant(&self) -> Option<tm> {
        let date = now()?;
        Some(tm {
            tm_sec: i32::from(date.second),
            tm_min: i32::from(date.minute),
            tm_hour: i32::from(date.hour),
            tm_mday: i32::from(date.day),
            // From 0, and from 1900.
            tm_mon: i32::from(date.month).saturating_sub(1),
            tm_year: date.year.saturating_sub(1900),
            // X.509 looks at neither.
            tm_wday: 0,
            tm_yday: 0,
            tm_isdst: 0,
        })
    }
}
