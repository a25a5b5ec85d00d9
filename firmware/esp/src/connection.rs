//! TLS and MQTT: from an address to a connection, and again when something is lost.

use core::fmt::{self, Write as _};

use embassy_net::Stack;
use embassy_time::Duration;
use esp_hal::rng::Trng;
use static_cell::{ConstStaticCell, StaticCell};
use thingwire_chip::{KitImage, MqttVersion};
use thingwire_device::future::{Either, select};
use thingwire_device::{
    Client, Config, ConfigError, Event, Failure, FailureKind, Memory, Outgoing, QoS, Version,
};
use thingwire_firmware::{ChipPlatform, SocketBuffers, Tls, TlsConnector, TlsVersion, wall_clock};

use crate::serial::Text;
use crate::{link, say, status};

/// How often it is said that there is no time.
const NO_TIME: Duration = Duration::from_secs(30);

/// How long opening a connection may take, in milliseconds: with RSA on both sides the handshake alone is 2 s of a chip, and
/// an emulator may be many times slower. A server that is silent is given up so much later than on a computer.
const CONNECT_LIMIT: u32 = 45_000;

/// Everything a connection has.
pub(crate) struct Connection {
    pub(crate) stack: Stack<'static>,
    pub(crate) connector: TlsConnector<'static>,
    pub(crate) client: &'static Client<'static>,
    pub(crate) platform: &'static ChipPlatform,
}

/// A client with its memory: for messages of up to a kilobyte, and what CONNECT says.
///
/// # Errors
/// The kit, or what the program configures, does not fit.
pub(crate) fn client(
    kit: &KitImage<'static>,
    configure: fn(Config<'static>) -> Config<'static>,
) -> Result<Client<'static>, ConfigError> {
    static MEMORY: ConstStaticCell<Memory<1280, 4096, 1280, 4096>> =
        ConstStaticCell::new(Memory::new());
    let version = match kit.mqtt {
        MqttVersion::V311 => Version::V311,
        MqttVersion::V5 => Version::V5,
    };
    let mut config = Config::new(version, kit.client_id);
    config.connect_limit = CONNECT_LIMIT;
    let config = configure(config);
    Client::new(config, MEMORY.take().lend())
}

/// Prepares TLS with the kit. Call it once, and after the radio was started: the random numbers come from it.
///
/// # Errors
/// The kit cannot be used, or the radio does not run.
pub(crate) fn connector(
    stack: Stack<'static>,
    kit: KitImage<'static>,
) -> Result<TlsConnector<'static>, Failure> {
    static ENTROPY: StaticCell<Trng> = StaticCell::new();
    static TLS: StaticCell<Tls<'static>> = StaticCell::new();
    static RECEIVE: ConstStaticCell<[u8; 4096]> = ConstStaticCell::new([0; 4096]);
    static SEND: ConstStaticCell<[u8; 2048]> = ConstStaticCell::new([0; 2048]);
    let entropy = Trng::try_new()
        .map_err(|_| Failure::new(FailureKind::Tls, "the radio gives no random numbers"))?;
    let tls = Tls::new(ENTROPY.init(entropy))
        .map_err(|_| Failure::new(FailureKind::Tls, "it was started twice"))?;
    let buffers = SocketBuffers {
        receive: RECEIVE.take(),
        send: SEND.take(),
    };
    TlsConnector::new(stack, TLS.init(tls), kit, buffers, opened)
}

/// Keeps the connection, for ever: there is one whenever there is a network and a time.
#[embassy_executor::task]
pub(crate) async fn keep(connection: Connection) {
    let mut connection = connection;
    loop {
        link::up(connection.stack).await;
        // Without a date an expired server could not be told from a good one.
        while !wall_clock::wait(NO_TIME).await {
            say!(
                "nobody has told the time: certificates cannot be checked, so nothing is connected"
            );
        }
        let run = connection
            .client
            .run(&mut connection.connector, connection.platform, event);
        // When the network is gone, waiting for its return is better than trying in vain: the first attempt after it is
        // not delayed by those that failed.
        match select(run, link::down(connection.stack)).await {
            Either::First(Ok(())) => {
                say!("stopped");
                return;
            }
            Either::First(Err(error)) => {
                say!("{error}");
                return;
            }
            Either::Second(()) => status::set_offline(),
        }
    }
}

/// After each handshake.
fn opened(version: TlsVersion) {
    let version = match version {
        TlsVersion::Tls1_2 => "TLS 1.2",
        TlsVersion::Tls1_3 => "TLS 1.3",
    };
    say!(
        "{version}; heap {} B used, {} B free",
        esp_alloc::HEAP.used(),
        esp_alloc::HEAP.free()
    );
}

fn event(event: Event<'_>) {
    match event {
        Event::Attempting { .. } => say!("connecting"),
        Event::Connected { negotiated, .. } => {
            status::set_connected();
            say!("connected, session kept: {}", negotiated.session_present);
        }
        Event::Failed { why, retry_in } | Event::Disconnected { why, retry_in } => {
            status::set_failed(why.reason());
            say!("{why}; next try in {retry_in} ms");
        }
        _ => {}
    }
}

/// Publishes once how the last run ended.
pub(crate) async fn report_start(client: &Client<'_>, topic: &str, reset: &str, panic: &str) {
    let mut text = Text::<384>::new();
    let _ = write!(text, "{{\"reset\":\"{}\"", Escaped(reset));
    if !panic.is_empty() {
        let _ = write!(text, ",\"panic\":\"{}\"", Escaped(panic));
    }
    let _ = text.write_str("}");
    client.connected().await;
    // Nobody waits for the answer, so it is handed over and not published like a message of the application's.
    let message = Outgoing::new(topic, text.as_str().as_bytes(), QoS::AtLeastOnce);
    if client.try_publish(message).is_err() {
        // The application was quicker and has filled the buffer.
        client.idle().await;
        if let Err(error) = client.try_publish(message) {
            say!("`{topic}`: {error}");
        }
    }
}

/// A text in JSON.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '"' | '\\' => {
                f.write_char('\\')?;
                f.write_char(character)
            }
            '\0'..' ' => f.write_char(' '),
            other => f.write_char(other),
        })
    }
}
