//! The device on an emulated RISC-V machine: `qemu-system-riscv32 -M virt`.
//!
//! It runs the same application function as the example `sketch` of `crates/host`, over the same device library, with
//! the TLS and the network stack of the boards: everything of a board but its radio. The kit comes from outside, as a
//! block of memory, so the program is built once for all kits.
//!
//! ```text
//! qemu-system-riscv32 -M virt -m 16M -bios none -nographic -kernel thingwire-qemu \
//!   -device virtio-rng-device -device virtio-net-device,netdev=n -netdev user,id=n \
//!   -device loader,file=kit.bin,addr=0x80800000,force-raw=on
//! ```
#![no_std]
#![no_main]

// Atomics that this processor does not have, by critical sections.
use portable_atomic as _;

mod burst;
mod clock;
mod console;
mod entropy;
mod interrupts;
mod machine;
mod network;
mod report;
mod stack_depth;
mod virtio;

#[path = "../../../crates/host/examples/sketch/application.rs"]
mod application;

use core::convert::Infallible;
use core::fmt;

use application::ApplicationError;
use console::say;
use embassy_executor::{Executor, Spawner};
use embassy_net::{Runner, Stack, StackResources};
use embassy_time::{Duration, with_timeout};
use embedded_alloc::LlffHeap;
use entropy::Entropy;
use network::Network;
use rand_core::Rng as _;
use static_cell::{ConstStaticCell, StaticCell};
use thingwire_chip::{ImageError, KitImage, MqttVersion};
use thingwire_device::future::{Either, select};
use thingwire_device::{
    AlreadyRunning, Client, Config, ConfigError, Failure, Memory, PublishError, Version,
};
use thingwire_firmware::sntp;
use thingwire_firmware::wall_clock::{self, ImplausibleTime};
use thingwire_firmware::{ChipPlatform, SocketBuffers, Tls, TlsConnector};

/// Only TLS allocates. The largest block is a record of 16 KB.
const HEAP: usize = 64 * 1024;

/// How long the first address may take before the connection is tried without one.
const FIRST_ADDRESS: Duration = Duration::from_secs(5);

/// Status of qemu when the device cannot start, or its application ended.
const ENDED: u8 = 1;

#[global_allocator]
static ALLOCATOR: LlffHeap = LlffHeap::empty();

#[allow(missing_docs, reason = "the attribute makes a public function of it")]
#[riscv_rt::entry]
fn main() -> ! {
    stack_depth::paint();
    static MEMORY: ConstStaticCell<[u8; HEAP]> = ConstStaticCell::new([0; HEAP]);
    let memory = MEMORY.take();
    // SAFETY: called once, before anything is allocated, with memory that nothing else uses.
    unsafe { ALLOCATOR.init(memory.as_mut_ptr() as usize, memory.len()) };
    clock::start();
    // SAFETY: everything that handlers use is a static that is ready.
    unsafe { riscv::interrupt::enable() };

    static EXECUTOR: StaticCell<Executor> = StaticCell::new();
    EXECUTOR
        .init(Executor::new())
        .run(|spawner| match device(spawner) {
            Ok(task) => spawner.spawn(task),
            Err(_) => power_off_with("too many tasks"),
        })
}

fn power_off_with(words: impl fmt::Display) -> ! {
    say!("{words}");
    machine::power_off(ENDED)
}

#[embassy_executor::task]
async fn run_network(mut runner: Runner<'static, Network>) {
    runner.run().await;
}

#[embassy_executor::task]
async fn keep_time(stack: Stack<'static>, kit: KitImage<'static>, seed: u64) {
    match sntp::keep_time(stack, &kit, seed, report::time).await {}
}

#[embassy_executor::task]
async fn device(spawner: Spawner) {
    match start(spawner).await {
        Ok(never) => match never {},
        Err(ended) => power_off_with(ended),
    }
}

/// Brings up the machine, then runs connection and application side by side for ever.
async fn start(spawner: Spawner) -> Result<Infallible, Ended> {
    say!("thingwire {} on qemu", env!("CARGO_PKG_VERSION"));
    // SAFETY: the machine has memory there, which the program does not use otherwise.
    let image = unsafe { core::slice::from_raw_parts(machine::KIT, KitImage::MAX_LEN) };
    let kit = KitImage::read(image).map_err(Ended::Kit)?;
    // A kit for a network without time servers relies on the machine's own clock.
    if kit.time_servers.is_empty() {
        let _ = wall_clock::set(clock::wall_clock()).map_err(Ended::Time)?;
    }

    static ENTROPY: StaticCell<Entropy> = StaticCell::new();
    let entropy = ENTROPY.init(Entropy::start().ok_or(Ended::NoRandomness)?);
    let platform = ChipPlatform::new(entropy.next_u32());
    let stack = network(spawner, entropy.next_u64())?;
    if !kit.time_servers.is_empty() {
        let task = keep_time(stack, kit, entropy.next_u64());
        spawner.spawn(task.map_err(|_| Ended::TimeTwice)?);
    }
    static TLS: StaticCell<Tls<'static>> = StaticCell::new();
    let tls = TLS.init(Tls::new(entropy).map_err(|_| Ended::TlsTwice)?);

    // Afterwards the connector itself says that there is no address, and tries again.
    let _ = with_timeout(FIRST_ADDRESS, stack.wait_config_up()).await;
    let deepest = stack_depth::deepest();
    match stack.config_v4() {
        Some(config) => say!("address {}; deepest stack {deepest} B", config.address),
        None => say!("no address by DHCP yet; deepest stack {deepest} B"),
    }

    static RECEIVE: ConstStaticCell<[u8; 4096]> = ConstStaticCell::new([0; 4096]);
    static SEND: ConstStaticCell<[u8; 2048]> = ConstStaticCell::new([0; 2048]);
    let buffers = SocketBuffers {
        receive: RECEIVE.take(),
        send: SEND.take(),
    };
    let mut connector =
        TlsConnector::new(stack, tls, kit, buffers, report::opened).map_err(Ended::Tls)?;

    // Memory for messages of up to a kilobyte, and what CONNECT says.
    static MEMORY: ConstStaticCell<Memory<1280, 4096, 1280, 4096>> =
        ConstStaticCell::new(Memory::new());
    let version = match kit.mqtt {
        MqttVersion::V311 => Version::V311,
        MqttVersion::V5 => Version::V5,
    };
    let mut config = Config::new(version, kit.client_id);
    // SAFETY: the machine has memory there, which the program does not use otherwise.
    let burst = unsafe { machine::WORK.read_volatile() } == machine::BURST;
    if burst {
        // Its connection is broken again and again on purpose; the test shall not wait for half a minute each time.
        config.backoff.cap = 500;
    }
    let client = Client::new(config, MEMORY.take().lend()).map_err(Ended::Config)?;

    let connection = client.run(&mut connector, &platform, report::event);
    let application = async {
        if burst {
            return Err(Ended::Burst(burst::burst(&client).await));
        }
        let application = application::application(&client, &platform, report::message);
        application.await.map_err(Ended::Application)
    };
    match select(connection, application).await {
        Either::First(Ok(())) => Err(Ended::Stopped),
        Either::First(Err(error)) => Err(Ended::Connection(error)),
        Either::Second(Err(ended)) => Err(ended),
        Either::Second(Ok(())) => Err(Ended::Stopped),
    }
}

/// Starts the network device and the stack above it, which asks for an address by DHCP.
fn network(spawner: Spawner, seed: u64) -> Result<Stack<'static>, Ended> {
    // DHCP, DNS, SNTP, and one connection.
    static RESOURCES: StaticCell<StackResources<4>> = StaticCell::new();
    let device = Network::start().ok_or(Ended::NoNetworkDevice)?;
    let config = embassy_net::Config::dhcpv4(embassy_net::DhcpConfig::default());
    let resources = RESOURCES.init(StackResources::new());
    let (stack, runner) = embassy_net::new(device, config, resources, seed);
    spawner.spawn(run_network(runner).map_err(|_| Ended::NetworkTwice)?);
    Ok(stack)
}

/// Why the device does not run, or not any more.
enum Ended {
    Kit(ImageError),
    Time(ImplausibleTime),
    NoRandomness,
    NoNetworkDevice,
    NetworkTwice,
    TimeTwice,
    TlsTwice,
    Tls(Failure),
    Config(ConfigError),
    Connection(AlreadyRunning),
    Application(ApplicationError),
    Burst(PublishError),
    Stopped,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kit(error) => error.fmt(f),
            Self::Time(error) => {
                write!(
                    f,
                    "{error}: certificates cannot be checked, so nothing is connected"
                )
            }
            Self::NoRandomness => {
                f.write_str("the machine has no randomness, so there can be no TLS")
            }
            Self::NoNetworkDevice => f.write_str("the machine has no network device"),
            Self::NetworkTwice => f.write_str("the network was started twice"),
            Self::TimeTwice => f.write_str("the clock was started twice"),
            Self::TlsTwice => f.write_str("tls was started twice"),
            Self::Tls(failure) => failure.fmt(f),
            Self::Config(error) => error.fmt(f),
            Self::Connection(error) => error.fmt(f),
            Self::Application(error) => error.fmt(f),
            Self::Burst(error) => error.fmt(f),
            Self::Stopped => f.write_str("stopped"),
        }
    }
}
