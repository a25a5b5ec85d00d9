//! How things stand, for a light, a log, or the serial line.

use core::cell::Cell;
use core::fmt;

use critical_section::Mutex;
use embassy_time::Instant;
use thingwire_chip::wifi::{Trouble, WifiState};
use thingwire_device::Reason;

/// How things stand. [`Board`] is the board's own; a test or an application may bring another.
pub trait Status {
    /// Whether MQTT is connected.
    fn is_connected(&self) -> bool;

    /// What is missing; nothing when connected.
    fn why_not(&self) -> Option<WhyNot>;

    /// Since when it is so, in milliseconds since the start.
    fn since(&self) -> u64;

    /// What happened since the start.
    fn counters(&self) -> Counters;
}

/// What is missing for a connection; what comes first is missing first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyNot {
    /// There is no kit that can be used.
    NoKit,
    /// No Wi-Fi network is configured.
    NoNetwork,
    /// Wi-Fi is not there yet; with the last trouble, if there was one.
    Wifi(Option<Trouble>),
    /// Nobody told the time.
    NoTime,
    /// The server was not reached, or ended the connection, for this reason; without one it is being tried.
    Server(Option<Reason>),
}

/// Counters of a start. They stop at their maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// How often Wi-Fi was joined and gave an address.
    pub wifi_joins: u32,
    /// How often Wi-Fi was lost.
    pub wifi_losses: u32,
    /// How often MQTT was connected.
    pub connects: u32,
    /// How often an attempt or a connection ended badly.
    pub failures: u32,
}

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoKit => "there is no kit",
            Self::NoNetwork => "no Wi-Fi network is configured",
            Self::Wifi(None) => "joining Wi-Fi",
            Self::Wifi(Some(_)) => "Wi-Fi cannot be joined",
            Self::NoTime => "nobody knows the time",
            Self::Server(None) => "connecting",
            Self::Server(Some(_)) => "the server cannot be reached, or refuses",
        })
    }
}

/// The board's own status.
#[derive(Clone, Copy, Debug)]
pub struct Board;

#[derive(Clone, Copy)]
struct State {
    kit: bool,
    wifi: WifiState,
    trouble: Option<Trouble>,
    /// How often the radio began with a new list of networks.
    lists: u32,
    time: bool,
    connected: bool,
    reason: Option<Reason>,
    since: u64,
    counters: Counters,
}

static STATE: Mutex<Cell<State>> = Mutex::new(Cell::new(State {
    kit: false,
    wifi: WifiState::NoNetwork,
    trouble: None,
    lists: 0,
    time: false,
    connected: false,
    reason: None,
    since: 0,
    counters: Counters {
        wifi_joins: 0,
        wifi_losses: 0,
        connects: 0,
        failures: 0,
    },
}));

fn get() -> State {
    critical_section::with(|cs| STATE.borrow(cs).get())
}

fn change(change: impl FnOnce(&mut State)) {
    critical_section::with(|cs| {
        let cell = STATE.borrow(cs);
        let mut state = cell.get();
        let before = why_not(&state);
        change(&mut state);
        if why_not(&state) != before {
            state.since = Instant::now().as_millis();
        }
        cell.set(state);
    });
}

const fn why_not(state: &State) -> Option<WhyNot> {
    if state.connected {
        return None;
    }
    Some(match (state.kit, state.wifi) {
        (false, _) => WhyNot::NoKit,
        (true, WifiState::NoNetwork) => WhyNot::NoNetwork,
        (true, WifiState::Online) if !state.time => WhyNot::NoTime,
        (true, WifiState::Online) => WhyNot::Server(state.reason),
        (true, _) => WhyNot::Wifi(state.trouble),
    })
}

impl Status for Board {
    fn is_connected(&self) -> bool {
        get().connected
    }

    fn why_not(&self) -> Option<WhyNot> {
        why_not(&get())
    }

    fn since(&self) -> u64 {
        get().since
    }

    fn counters(&self) -> Counters {
        get().counters
    }
}

/// Where Wi-Fi stands.
pub(crate) fn wifi() -> WifiState {
    get().wifi
}

/// The last trouble of Wi-Fi since it was online.
pub(crate) fn trouble() -> Option<Trouble> {
    get().trouble
}

/// How often the radio began with a new list of networks.
pub(crate) fn lists() -> u32 {
    get().lists
}

/// The radio begins with a new list of networks.
pub(crate) fn list_changed() {
    change(|state| state.lists = state.lists.wrapping_add(1));
}

pub(crate) fn set_kit() {
    change(|state| state.kit = true);
}

pub(crate) fn set_time() {
    change(|state| state.time = true);
}

pub(crate) fn set_wifi(wifi: WifiState, trouble: Option<Trouble>, joins: u32, losses: u32) {
    change(|state| {
        state.wifi = wifi;
        state.trouble = match wifi {
            WifiState::Online => None,
            _ => trouble,
        };
        state.counters.wifi_joins = joins;
        state.counters.wifi_losses = losses;
    });
}

pub(crate) fn set_connected() {
    change(|state| {
        state.connected = true;
        state.reason = None;
        state.counters.connects = state.counters.connects.saturating_add(1);
    });
}

pub(crate) fn set_failed(reason: Reason) {
    change(|state| {
        state.connected = false;
        state.reason = Some(reason);
        state.counters.failures = state.counters.failures.saturating_add(1);
    });
}

/// The network is gone, and with it the connection.
pub(crate) fn set_offline() {
    change(|state| state.connected = false);
}
