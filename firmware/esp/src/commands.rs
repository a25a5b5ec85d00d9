//! What comes in on a serial line, carried out: commands of a person, and Improv's of a browser.

use embassy_time::{Duration, Instant, Timer};
use thingwire_chip::WifiNetwork;
use thingwire_chip::console::{Command, Console, HELP, Typed};
use thingwire_chip::improv::{ImprovError, Packet, Received, Receiver, Request, State};
use thingwire_chip::wifi::WifiState;
use thingwire_firmware::wall_clock;

use crate::board::CHIP;
use crate::settings::Settings;
use crate::status::{self, Board, Status as _};
use crate::{kit, radio, say, serial};

/// How long a browser waits for a network to be joined.
const PATIENCE: Duration = Duration::from_secs(45);

/// How often it is looked meanwhile.
const LOOK: Duration = Duration::from_millis(100);

/// Which serial line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Uart,
    #[cfg(not(feature = "esp32"))]
    Usb,
}

impl Line {
    fn put(self, bytes: &[u8]) {
        match self {
            Self::Uart => serial::UART.put(bytes),
            #[cfg(not(feature = "esp32"))]
            Self::Usb => serial::USB.put(bytes),
        }
    }
}

/// Who wants to know something.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asker {
    Person,
    Browser(Line),
}

impl Asker {
    pub(crate) const fn is_person(self) -> bool {
        matches!(self, Self::Person)
    }

    /// Answers a browser; a person sees lines instead.
    pub(crate) fn packet(self, packet: &Packet) {
        if let Self::Browser(line) = self {
            line.put(packet.bytes());
        }
    }
}

/// One serial line's input.
pub(crate) struct Port {
    line: Line,
    console: Console,
    receiver: Receiver,
    settings: &'static Settings,
}

impl Port {
    pub(crate) const fn new(line: Line, settings: &'static Settings) -> Self {
        Self {
            line,
            console: Console::new(),
            receiver: Receiver::new(),
            settings,
        }
    }

    /// Nothing came for a while: what was begun of a packet is not one.
    pub(crate) const fn quiet(&mut self) {
        self.receiver.reset();
    }

    /// Takes what was typed, and waits for what it leads to.
    pub(crate) async fn typed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match self.receiver.push(*byte) {
                Received::Nothing => {}
                Received::Text(text) => {
                    for byte in text {
                        match self.console.push(*byte) {
                            Typed::Nothing => {}
                            Typed::Echo(echo) => self.line.put(echo),
                            Typed::Command(command) => {
                                self.line.put(b"\r\n");
                                let secret = matches!(command, Command::WifiSet { .. });
                                command_of_person(command, self.settings).await;
                                if secret {
                                    self.console.clear();
                                }
                            }
                        }
                    }
                }
                Received::Request(request) => {
                    request_of_browser(request, self.line, self.settings).await;
                }
                Received::Refused(error) => self.line.put(Packet::error(error).bytes()),
            }
        }
    }
}

async fn command_of_person(command: Command<'_>, settings: &Settings) {
    match command {
        Command::Nothing => {}
        Command::Help => HELP.lines().for_each(|line| say!("{line}")),
        Command::Status => say_status(),
        Command::WifiList => {
            if !radio::list(settings) {
                say!("no Wi-Fi network is configured: `wifi set NAME`");
            }
        }
        Command::WifiScan => radio::SCAN.signal(Asker::Person),
        Command::WifiPassword { ssid } => {
            say!("password of `{ssid}` (not shown; nothing for an open network):");
        }
        Command::WifiSet { ssid, password } => {
            match WifiNetwork::new(ssid, (!password.is_empty()).then_some(password)) {
                Ok(network) => {
                    settings.put_network(&network).await;
                    say!("`{ssid}` is stored");
                    radio::CHANGED.signal(());
                }
                Err(limit) => say!("{limit}"),
            }
        }
        Command::WifiForget { ssid } => {
            if settings.forget_network(ssid).await {
                say!("`{ssid}` is forgotten");
                radio::CHANGED.signal(());
            } else {
                say!("`{ssid}` was not set here; `wifi list` shows what was");
            }
        }
        Command::TimeForget => {
            settings.keep_time(0).await;
            wall_clock::forget_floor();
            say!("any time since this program was built is accepted again");
        }
        Command::Restart => {
            say!("restarting");
            // So that the line is read.
            Timer::after_millis(200).await;
            esp_hal::system::software_reset();
        }
        Command::Unreadable => say!("the line is too long, or not UTF-8"),
        Command::Unknown(line) => say!("`{line}` is no command: see `help`"),
    }
}

fn say_status() {
    let seconds = Instant::now().as_millis().saturating_sub(Board.since()) / 1000;
    match Board.why_not() {
        None => say!("connected, for {seconds} s"),
        Some(why) => say!("not connected: {why}, for {seconds} s"),
    }
    let counters = Board.counters();
    say!(
        "Wi-Fi joined {} times, lost {}; connected {} times, failed {}; heap {} B used, {} B free",
        counters.wifi_joins,
        counters.wifi_losses,
        counters.connects,
        counters.failures,
        esp_alloc::HEAP.used(),
        esp_alloc::HEAP.free()
    );
}

async fn request_of_browser(request: Request<'_>, line: Line, settings: &Settings) {
    let send = |packet: Packet| line.put(packet.bytes());
    match request {
        Request::WifiSettings { ssid, password } => {
            let password = (!password.is_empty()).then_some(password);
            let Ok(network) = WifiNetwork::new(ssid, password) else {
                send(Packet::error(ImprovError::UnableToConnect));
                return;
            };
            let before = settings.networks();
            settings.put_network(&network).await;
            send(Packet::error(ImprovError::None));
            send(Packet::state(State::Provisioning));
            let lists = status::lists();
            radio::CHANGED.signal(());
            if joined(lists).await {
                send(Packet::state(State::Provisioned));
                send(Packet::settings_done());
            } else {
                // As the protocol wants it: what does not work is not kept.
                settings.restore(before).await;
                radio::CHANGED.signal(());
                send(Packet::error(ImprovError::UnableToConnect));
                send(Packet::state(State::Ready));
            }
        }
        Request::State => match status::wifi() {
            WifiState::Online => {
                send(Packet::state(State::Provisioned));
                send(Packet::state_done());
            }
            _ => send(Packet::state(State::Ready)),
        },
        Request::DeviceInfo => {
            let name = kit::loaded().map_or("no kit", |kit| kit.client_id);
            let version = env!("CARGO_PKG_VERSION");
            send(Packet::device_info("thingwire", version, CHIP, name));
        }
        Request::ScannedNetworks => radio::SCAN.signal(Asker::Browser(line)),
    }
}

/// Waits until the radio has joined the first network of the list after these, or failed to.
async fn joined(lists: u32) -> bool {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        // What stands there before the radio has seen the new list is of the old one.
        if status::lists() != lists {
            match (status::wifi(), status::trouble()) {
                (WifiState::Online, _) => return true,
                (_, Some(_)) => return false,
                _ => {}
            }
        }
        Timer::after(LOOK).await;
    }
    false
}
