//! Everything about an ESP32 in one place, so that a program is an application and nothing else.
//!
//! [`start`] brings the chip up in the order that works: clocks, heap, scheduler, serial lines, flash, radio; then the kit, the
//! time, TLS, MQTT. It answers with a [`Device`], whose client connects and stays connected by itself. What is wrong is said on
//! both serial lines, in one sentence each; commands are taken there from the first second on, with or without a kit.
//!
//! ```ignore
//! thingwire_esp::descriptor!();
//!
//! #[esp_rtos::main]
//! async fn main(spawner: Spawner) -> ! {
//!     let device = thingwire_esp::start(spawner, Options::new()).await;
//!     let ended = application(device.client, device.platform, thingwire_esp::show).await;
//!     device.ended(ended).await
//! }
//! ```
//!
//! The chip is chosen by a feature; where chips differ stands in `board.rs` and nowhere else.
#![no_std]

mod board;
mod commands;
mod connection;
mod flash;
mod kit;
mod last_words;
mod link;
mod parts;
mod queue;
mod radio;
mod serial;
mod settings;
#[cfg(feature = "stages")]
pub mod stages;
mod status;
mod storage;
mod time;
mod uart;
mod watchdog;

use core::fmt;

use embassy_executor::Spawner;
use embassy_net::{Runner, Stack, StackResources};
use embassy_time::{Duration, Timer};
use esp_hal::clock::CpuClock;
use esp_hal::peripherals::LPWR;
use esp_hal::rng::Rng;
use esp_hal::rtc_cntl::sleep::{LowPower, RtcSleepConfig};
use esp_hal::timer::timg::TimerGroup;
#[cfg(not(feature = "esp32"))]
use esp_hal::usb::usb_serial_jtag::UsbSerialJtag;
use esp_radio::wifi::{ControllerConfig, Interface, WifiController};
use static_cell::StaticCell;
use thingwire_chip::KitImage;
#[cfg(not(feature = "v5"))]
use thingwire_chip::MqttVersion;
use thingwire_device::queue::QueueOptions;
use thingwire_device::{Client, Config};
use thingwire_firmware::{ChipPlatform, wall_clock};

use commands::{Line, Port};
use connection::Connection;
use flash::Flash;
use last_words::LastWords;
use radio::Radio;
use settings::Settings;

pub use board::CHIP;
pub use flash::{FlashError, Partition};
pub use parts::Pins;
pub use queue::{Queue, queue_clock};
pub use serial::{Text, line as serial_line};
pub use status::{Board, Counters, Status, WhyNot};

pub use esp_bootloader_esp_idf;
pub use thingwire_chip as chip;
pub use thingwire_device as device;

/// Sockets: DHCP, DNS, the connection, the time, and one for the application.
const SOCKETS: usize = 5;

/// Describes the program to the bootloader, with its name and the version of its package.
#[macro_export]
macro_rules! descriptor {
    () => {
        $crate::esp_bootloader_esp_idf::esp_app_desc!(
            env!("CARGO_PKG_VERSION"),
            env!("CARGO_BIN_NAME"),
            $crate::esp_bootloader_esp_idf::BUILD_TIME,
            $crate::esp_bootloader_esp_idf::BUILD_DATE,
            $crate::esp_bootloader_esp_idf::ESP_IDF_COMPATIBLE_VERSION,
            $crate::esp_bootloader_esp_idf::MMU_PAGE_SIZE,
            0,
            u16::MAX,
            $crate::esp_bootloader_esp_idf::SECURE_VERSION
        );
    };
}

/// What a program may choose.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What CONNECT says and which subscriptions hold from the first connection on.
    pub configure: fn(Config<'static>) -> Config<'static>,
    /// Where the reason of the last reset is published, once for each start; nowhere without a topic.
    pub report_topic: Option<&'static str>,
    /// A kit image for boards whose partition `kit` is empty. It puts a private key into the program, so it is for trying
    /// things out, not for devices.
    pub kit: Option<&'static [u8]>,
}

impl Options {
    /// The library's defaults, no report, the kit from flash.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            configure: |config| config,
            report_topic: None,
            kit: None,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

/// A board that is up, for the application.
pub struct Device {
    /// The client, which connects by itself.
    pub client: &'static Client<'static>,
    /// The client id of the kit.
    pub client_id: &'static str,
    /// Time and chance.
    pub platform: &'static ChipPlatform,
    /// Pins for the application.
    pub pins: Pins,
    /// The network, for other protocols.
    pub stack: Stack<'static>,
    flash: Flash,
    sleep: LPWR<'static>,
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device")
            .field("pins", &self.pins)
            .finish_non_exhaustive()
    }
}

/// Brings the board up, and waits for a kit that can be used. Call it once, from the program's main function.
///
/// # Panics
/// When the chip does not have what every chip of its kind has: memory for the tasks, a radio that starts. The words are
/// said after the next start.
pub async fn start(spawner: Spawner, options: Options) -> Device {
    let chip = bring_up(spawner).await;
    let kit = chip.load_kit(spawner, options.kit).await;
    #[cfg(not(feature = "v5"))]
    if kit.mqtt == MqttVersion::V5 {
        give_up(
            &"the kit asks for MQTT 5, which this firmware was built without (its feature is `v5`)",
        )
        .await;
    }
    static PLATFORM: StaticCell<ChipPlatform> = StaticCell::new();
    let platform = PLATFORM.init(ChipPlatform::new(Rng::new().random()));
    static CLIENT: StaticCell<Client<'static>> = StaticCell::new();
    let client = match connection::client(&kit, options.configure) {
        Ok(client) => &*CLIENT.init(client),
        Err(error) => give_up(&error).await,
    };
    match connection::connector(chip.stack, kit) {
        Ok(connector) => {
            let connection = Connection {
                stack: chip.stack,
                connector,
                client,
                platform,
            };
            spawner.spawn(connection::keep(connection).expect("a task"));
        }
        Err(failure) => give_up(&failure).await,
    }
    if let Some(topic) = options.report_topic {
        spawner.spawn(report_start(client, topic, chip.last).expect("a task"));
    }
    Device {
        client,
        client_id: kit.client_id,
        platform,
        pins: chip.pins,
        stack: chip.stack,
        flash: chip.flash,
        sleep: chip.sleep,
    }
}

/// A chip whose radio, serial lines and flash work.
struct Chip {
    stack: Stack<'static>,
    flash: Flash,
    settings: &'static Settings,
    pins: Pins,
    sleep: LPWR<'static>,
    last: LastWords,
}

/// Everything that needs no kit.
async fn bring_up(spawner: Spawner) -> Chip {
    let parts = board::parts(esp_hal::init(
        esp_hal::Config::default().with_cpu_clock(CpuClock::max()),
    ));
    esp_alloc::heap_allocator!(#[esp_hal::ram(reclaimed)] size: board::HEAP_OF_BOOTLOADER);
    esp_alloc::heap_allocator!(size: board::HEAP);
    esp_rtos::start(TimerGroup::new(parts.timer).timer0, parts.interrupt);
    let last = last_words::take();
    spawner.spawn(watchdog::feed(watchdog::start(parts.watchdog)).expect("a task"));

    // From here on it is heard what is said.
    spawner.spawn(serial::write_uart().expect("a task"));
    #[cfg(not(feature = "esp32"))]
    let (usb_rx, usb_tx) = UsbSerialJtag::new(parts.usb).split();
    #[cfg(not(feature = "esp32"))]
    spawner.spawn(serial::write_usb(usb_tx).expect("a task"));
    let version = env!("CARGO_PKG_VERSION");
    say!("thingwire {version} on {CHIP}; last reset: {}", last.reset);
    if !last.panic.as_str().is_empty() {
        say!("the last run ended with a panic: {}", last.panic.as_str());
    }
    be_heard().await;

    let flash = Flash::find(parts.flash);
    let settings = Settings::open(flash).await;
    if let Some(unix) = settings.time().await {
        wall_clock::raise_floor(unix);
    }
    spawner.spawn(serial::read_uart(Port::new(Line::Uart, settings)).expect("a task"));
    #[cfg(not(feature = "esp32"))]
    spawner.spawn(serial::read_usb(usb_rx, Port::new(Line::Usb, settings)).expect("a task"));

    // The radio's library may take long, or never come back.
    be_heard().await;
    let controller =
        WifiController::new(parts.wifi, ControllerConfig::default()).expect("the radio");
    let stack = network(spawner);
    let radio = Radio {
        controller,
        stack,
        settings,
    };
    spawner.spawn(radio::run(radio).expect("a task"));
    Chip {
        stack,
        flash,
        settings,
        pins: parts.pins,
        sleep: parts.sleep,
        last,
    }
}

impl Chip {
    /// Waits for a kit, and begins to ask its servers for the time.
    async fn load_kit(
        &self,
        spawner: Spawner,
        compiled: Option<&'static [u8]>,
    ) -> KitImage<'static> {
        let kit = kit::load(self.flash, compiled).await;
        spawner.spawn(time::keep(self.stack, kit).expect("a task"));
        spawner.spawn(time::remember(self.settings).expect("a task"));
        kit
    }
}

/// Lets the tasks of the serial lines run: they say nothing while this one works.
async fn be_heard() {
    Timer::after_millis(20).await;
}

/// Starts the network stack on the radio's station, which asks for an address by DHCP.
fn network(spawner: Spawner) -> Stack<'static> {
    static RESOURCES: StaticCell<StackResources<SOCKETS>> = StaticCell::new();
    let config = embassy_net::Config::dhcpv4(embassy_net::DhcpConfig::default());
    let resources = RESOURCES.init(StackResources::new());
    let (stack, runner) = embassy_net::new(Interface::station(), config, resources, time::random());
    spawner.spawn(run_network(runner).expect("a task"));
    stack
}

#[embassy_executor::task]
async fn run_network(mut runner: Runner<'static, Interface>) {
    runner.run().await;
}

#[embassy_executor::task]
async fn report_start(client: &'static Client<'static>, topic: &'static str, last: LastWords) {
    connection::report_start(client, topic, last.reset, last.panic.as_str()).await;
}

/// Says this again and again: nothing can be done before another kit or program is written. Commands are still taken.
async fn give_up(words: &dyn fmt::Display) -> ! {
    loop {
        say!("{words}");
        Timer::after_secs(30).await;
    }
}

/// Shows a message on the serial lines.
pub fn show(topic: &str, payload: &[u8]) {
    match core::str::from_utf8(payload) {
        Ok(text) => say!("{topic}: {text}"),
        Err(_) => say!("{topic}: {}", Hex(payload)),
    }
}

/// Bytes that are no text, as digits. `{:02x?}` would bring half a kilobyte of machinery for lists.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Device {
    /// For an application that came back: says what it answered, and starts the chip again after a while.
    pub async fn ended<E: fmt::Display>(&self, result: Result<(), E>) -> ! {
        match result {
            Ok(()) => say!("the application has ended; starting again in 30 s"),
            Err(error) => say!("the application has ended: {error}; starting again in 30 s"),
        }
        Timer::after_secs(30).await;
        esp_hal::system::software_reset()
    }

    /// Opens the queue in flash, for messages that must survive a restart or a deep sleep, and sends what waits in it.
    /// Call it once. `None` when the flash has no partition for it, which is said.
    pub async fn open_queue(
        &self,
        spawner: Spawner,
        options: QueueOptions,
    ) -> Option<&'static Queue> {
        match queue::open(self.flash, self.client, options).await {
            Ok(queue) => {
                spawner.spawn(queue::drain(queue, self.platform).ok()?);
                Some(queue)
            }
            Err(words) => {
                say!("{words}");
                None
            }
        }
    }

    /// Says goodbye to the server, and sleeps deeply for so long; then the chip starts anew. What is in the queue in
    /// flash is sent then, and the server has kept the session.
    pub async fn sleep(self, duration: Duration) -> ! {
        // What was accepted leaves first, as far as somebody takes it.
        self.client.stop();
        Timer::after_secs(2).await;
        let wake = esp_hal::time::Instant::now()
            + esp_hal::time::Duration::from_micros(duration.as_micros());
        let mut power = LowPower::new(self.sleep);
        power.set_wakeup_deadline(wake);
        power.sleep_deep(RtcSleepConfig::deep())
    }
}
