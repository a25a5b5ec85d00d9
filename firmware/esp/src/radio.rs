//! The radio: carries out what [`Supervisor`] decides, and says what became of it.

use core::fmt::Write as _;

use embassy_net::Stack;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::{Duration, Instant, Timer, with_timeout};
use esp_hal::rng::Rng;
use esp_radio::wifi::scan::ScanConfig;
use esp_radio::wifi::sta::StationConfig;
use esp_radio::wifi::{
    AuthenticationMethod, AuthenticationMethodConfig, Config, ConnectionError, DisconnectReason,
    WifiController,
};
use thingwire_chip::improv::Packet;
use thingwire_chip::wifi::{JOIN_LIMIT, Step, Supervisor, Trouble, WifiFailure, WifiState};
use thingwire_chip::{Secret, WifiNetwork};
use thingwire_device::future::{Either, select};

use crate::board::TRANSMIT_POWER;
use crate::commands::Asker;
use crate::serial::Text;
use crate::settings::Settings;
use crate::{kit, say, status};

/// How long leaving a network may take.
const LEAVE_LIMIT: Duration = Duration::from_secs(2);

/// How long a scan may take.
const SCAN_LIMIT: Duration = Duration::from_secs(10);

/// How often it is said that there is no network to join.
const HINT: Duration = Duration::from_secs(60);

/// How often it is looked whether the network is still there, besides waiting for the radio to tell.
const LOOK: Duration = Duration::from_secs(2);

/// Errors of the radio's library in a row after which the chip starts again: it will not recover by itself.
const TOO_MANY: u32 = 20;

/// Networks that were joined in a row without an address after which the chip starts again: frames that the radio lost on the
/// way out are never counted as sent, and after some of them it sends nothing any more.
const TOO_SILENT: u32 = 20;

/// The networks were changed.
pub(crate) static CHANGED: Signal<CriticalSectionRawMutex, ()> = Signal::new();

/// Somebody wants to know which networks are in reach.
pub(crate) static SCAN: Signal<CriticalSectionRawMutex, Asker> = Signal::new();

/// A kit was loaded, which may have networks.
pub(crate) static KIT: Signal<CriticalSectionRawMutex, ()> = Signal::new();

/// Everything the task of the radio has.
pub(crate) struct Radio {
    pub(crate) controller: WifiController<'static>,
    pub(crate) stack: Stack<'static>,
    pub(crate) settings: &'static Settings,
}

/// What ended a wait.
enum Woken {
    Changed,
    Scan(Asker),
    /// What was waited for.
    Done,
}

#[embassy_executor::task]
pub(crate) async fn run(radio: Radio) {
    let mut radio = radio;
    let mut wifi = Supervisor::new(radio.count(), now());
    let (mut radio_errors, mut no_address) = (0, 0);
    loop {
        // Networks that were set here come first, so nothing changes for a board that is on one of them.
        if KIT.try_take().is_some() && wifi.state() != WifiState::Online {
            wifi.changed(radio.count(), now());
        }
        let step = wifi.step(now());
        let trouble = wifi.trouble().map(|(_, trouble)| trouble);
        status::set_wifi(wifi.state(), trouble, wifi.joins(), wifi.losses());
        let woken = match step {
            Step::Rest => {
                // Without a kit there is something else to do first, and it is said.
                if kit::loaded().is_some() {
                    say!(
                        "no Wi-Fi network is configured: `wifi set NAME`, or put one into the kit"
                    );
                }
                woken(Timer::after(HINT)).await
            }
            Step::Wait { until } => woken(Timer::at(Instant::from_millis(until))).await,
            Step::Join { network } => {
                // Whoever changes the list does not wait for an attempt with the old one.
                match select(CHANGED.wait(), radio.join(network)).await {
                    Either::First(()) => radio.changed(&mut wifi),
                    Either::Second(Ok(())) => {
                        radio_errors = 0;
                        wifi.joined(now());
                    }
                    Either::Second(Err((trouble, code))) => {
                        radio.failed(&mut wifi, network, trouble, code);
                        radio_errors = match trouble {
                            Trouble::Radio => radio_errors + 1,
                            _ => 0,
                        };
                        assert!(radio_errors < TOO_MANY, "the radio does not work any more");
                    }
                }
                continue;
            }
            Step::Address { until } => {
                let until = Instant::from_millis(until);
                let limit = until.saturating_duration_since(Instant::now());
                let lost = radio.lost();
                let address = with_timeout(limit, radio.stack.wait_config_up());
                match select(CHANGED.wait(), select(address, lost)).await {
                    Either::First(()) => radio.changed(&mut wifi),
                    Either::Second(Either::First(Ok(()))) => {
                        no_address = 0;
                        wifi.addressed(now());
                        radio.say_address();
                    }
                    Either::Second(Either::First(Err(_))) => {
                        radio.network_failed(&mut wifi, Trouble::NoAddress, None);
                        no_address += 1;
                        assert!(
                            no_address < TOO_SILENT,
                            "joined again and again, and no address comes"
                        );
                    }
                    Either::Second(Either::Second(code)) => {
                        let trouble = Trouble::from_reason(code.unwrap_or_default(), true);
                        radio.network_failed(&mut wifi, trouble, code);
                    }
                }
                continue;
            }
            Step::Watch => {
                let gone = select(radio.lost(), radio.stack.wait_config_down());
                let mut ended = None;
                let woken = woken(async { ended = Some(gone.await) }).await;
                match ended {
                    Some(Either::First(code)) => {
                        let trouble = match code {
                            Some(code) => Trouble::from_reason(code, true),
                            None => Trouble::SignalLost,
                        };
                        radio.network_failed(&mut wifi, trouble, code);
                    }
                    // The radio may tell in a moment that it was the network.
                    Some(Either::Second(())) if !radio.controller.is_connected() => {
                        radio.network_failed(&mut wifi, Trouble::SignalLost, None);
                    }
                    Some(Either::Second(())) => {
                        radio.network_failed(&mut wifi, Trouble::NoAddress, None);
                    }
                    None => {}
                }
                woken
            }
        };
        match woken {
            Woken::Changed => radio.changed(&mut wifi),
            Woken::Scan(asker) => radio.scan(asker).await,
            Woken::Done => {}
        }
    }
}

fn now() -> u64 {
    Instant::now().as_millis()
}

/// Waits for this, or until somebody wants something of the radio.
async fn woken(wait: impl Future<Output = ()>) -> Woken {
    let wishes = select(CHANGED.wait(), SCAN.wait());
    let kit = async {
        // Left in place for the loop.
        KIT.wait().await;
        KIT.signal(());
    };
    match select(wishes, select(wait, kit)).await {
        Either::First(Either::First(())) => Woken::Changed,
        Either::First(Either::Second(asker)) => Woken::Scan(asker),
        Either::Second(_) => Woken::Done,
    }
}

/// Hands the network in this place of the list to `look`: those that were set on the board, then those of the kit.
fn network<R>(
    settings: &Settings,
    place: usize,
    look: impl FnOnce(&WifiNetwork<'_>) -> R,
) -> Option<R> {
    let stored = settings.networks();
    let kit = kit::loaded();
    let in_kit = kit.iter().flat_map(|kit| kit.wifi.iter().copied());
    let others = in_kit.filter(|other| stored.iter().all(|set| set.ssid() != other.ssid()));
    stored.iter().chain(others).nth(place).as_ref().map(look)
}

/// Shows the list.
pub(crate) fn list(settings: &Settings) -> bool {
    let stored = settings.networks().iter().count();
    let mut place = 0;
    while let Some(()) = network(settings, place, |network| {
        let from = if place < stored {
            "set here"
        } else {
            "from the kit"
        };
        say!("`{}`, {}, {from}", network.ssid(), network.secret().kind());
    }) {
        place += 1;
    }
    place > 0
}

impl Radio {
    fn count(&self) -> usize {
        (0..)
            .take_while(|place| network(self.settings, *place, |_| ()).is_some())
            .count()
    }

    /// Begins with the first network of a new list.
    fn changed(&self, wifi: &mut Supervisor) {
        wifi.changed(self.count(), now());
        status::set_wifi(wifi.state(), None, wifi.joins(), wifi.losses());
        status::list_changed();
    }

    /// Leaves whatever is joined and joins this one. Dropping it leaves an attempt under way, which the next one ends.
    async fn join(&mut self, place: usize) -> Result<(), (Trouble, Option<u16>)> {
        let radio_failed = (Trouble::Radio, None);
        let _ = with_timeout(LEAVE_LIMIT, self.controller.disconnect_async()).await;
        let config = network(self.settings, place, |network| {
            say!("Wi-Fi `{}`: joining", network.ssid());
            config(network)
        });
        let config = config.flatten().ok_or(radio_failed)?;
        self.controller
            .set_config(&config)
            .map_err(|_| radio_failed)?;
        // Starting the radio anew resets it.
        let _ = self.controller.set_max_tx_power(TRANSMIT_POWER);
        let limit = Duration::from_millis(JOIN_LIMIT);
        match with_timeout(limit, self.controller.connect_async()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(ConnectionError::Failed(info))) => {
                let code = number(info.reason);
                Err((Trouble::from_reason(code, false), Some(code)))
            }
            Ok(Err(_)) => Err(radio_failed),
            Err(_) => Err((Trouble::NoAnswer, None)),
        }
    }

    /// Waits until the network is lost, and answers with the reason if one was told.
    async fn lost(&self) -> Option<u16> {
        loop {
            // Nothing is told when it was lost before anybody waited, so it is looked at now and then.
            match with_timeout(LOOK, self.controller.wait_for_disconnect_async()).await {
                Ok(Ok(info)) => return Some(number(info.reason)),
                Ok(Err(_)) => return None,
                Err(_) if !self.controller.is_connected() => return None,
                Err(_) => {}
            }
        }
    }

    fn say_address(&self) {
        if let Some(config) = self.stack.config_v4() {
            let strength = self.controller.rssi().unwrap_or_default();
            say!("address {}, signal {strength} dBm", config.address);
        }
    }

    /// Tells of a failure of the network that is being used.
    fn network_failed(&self, wifi: &mut Supervisor, trouble: Trouble, code: Option<u16>) {
        let place = wifi.network().unwrap_or_default();
        self.failed(wifi, place, trouble, code);
    }

    fn failed(&self, wifi: &mut Supervisor, place: usize, trouble: Trouble, code: Option<u16>) {
        network(self.settings, place, |network| {
            say!(
                "{}",
                WifiFailure {
                    ssid: network.ssid(),
                    trouble,
                    code
                }
            );
        });
        wifi.failed(trouble, now(), Rng::new().random());
    }

    /// Tells the asker which networks are in reach.
    async fn scan(&mut self, asker: Asker) {
        let config = ScanConfig::default().with_max(20);
        let found = with_timeout(SCAN_LIMIT, self.controller.scan_async(&config)).await;
        let Ok(Ok(found)) = found else {
            say!("the radio cannot look for networks now");
            asker.packet(&Packet::networks_done());
            return;
        };
        for point in found {
            let open = point.auth_method == Some(AuthenticationMethod::None);
            let (ssid, strength) = (point.ssid.as_str(), point.signal_strength);
            if asker.is_person() {
                let kind = if open { "open" } else { "password" };
                say!(
                    "`{ssid}`, {kind}, channel {}, {strength} dBm",
                    point.channel
                );
            }
            let mut text = Text::<8>::new();
            let _ = write!(text, "{strength}");
            asker.packet(&Packet::network(ssid, text.as_str(), open));
        }
        asker.packet(&Packet::networks_done());
    }
}

/// A network as the radio's library wants it. With a password, WPA2 is the least that is taken, so that nobody can offer
/// an open network of the same name instead; WPA3 is taken where the access point has it.
fn config(network: &WifiNetwork<'_>) -> Option<Config> {
    let authentication = match network.secret() {
        Secret::Open => AuthenticationMethodConfig::Open,
        Secret::Password(text) | Secret::Key(text) => {
            AuthenticationMethodConfig::Wpa2Personal(text.try_into().ok()?)
        }
    };
    let ssid = network.ssid().try_into().ok()?;
    let station = StationConfig::default()
        .with_ssid(ssid)
        .with_authentication(authentication);
    Some(Config::Station(station))
}

/// The number behind a reason; the library does not tell it.
const fn number(reason: DisconnectReason) -> u16 {
    use DisconnectReason as Reason;

    match reason {
        Reason::AuthenticationExpired => 2,
        Reason::AuthenticationLeave => 3,
        Reason::DisassociatedDueToInactivity => 4,
        Reason::AssociationTooMany => 5,
        Reason::Class2FrameFromNonAuthenticatedStation => 6,
        Reason::Class3FrameFromNonAssociatedStation => 7,
        Reason::AssociationLeave => 8,
        Reason::AssociationNotAuthenticated => 9,
        Reason::IeInvalid => 13,
        Reason::MicFailure => 14,
        Reason::FourWayHandshakeTimeout => 15,
        Reason::GroupKeyUpdateTimeout => 16,
        Reason::IeIn4wayDiffers => 17,
        Reason::GroupCipherInvalid => 18,
        Reason::PairwiseCipherInvalid => 19,
        Reason::AkmpInvalid => 20,
        Reason::UnsupportedRsnIeVersion => 21,
        Reason::InvalidRsnIeCapabilities => 22,
        Reason::_802_1xAuthenticationFailed => 23,
        Reason::CipherSuiteRejected => 24,
        Reason::BadCipherOrAkm => 29,
        Reason::MissingAcks => 34,
        Reason::Timeout => 39,
        Reason::BeaconTimeout => 200,
        Reason::NoAccessPointFound => 201,
        Reason::AuthenticationFailed => 202,
        Reason::AssociationFailed => 203,
        Reason::HandshakeTimeout => 204,
        Reason::ConnectionFailed => 205,
        Reason::AccessPointTsfReset => 206,
        Reason::Roaming => 207,
        Reason::AssociationComebackTimeTooLong => 208,
        Reason::SaQueryTimeout => 209,
        Reason::NoAccessPointFoundWithCompatibleSecurity => 210,
        Reason::NoAccessPointFoundInAuthmodeThreshold => 211,
        Reason::NoAccessPointFoundInRssiThreshold => 212,
        _ => 1,
    }
}
