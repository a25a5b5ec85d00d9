//! The clock, set by the time servers of the kit.
//!
//! They are asked in their order until one gives an answer that can be believed ([`thingwire_chip::sntp`] judges); what
//! it says becomes the [`wall_clock`]. When none does, all are asked again later, with growing pauses, as RFC 4330
//! demands (section 10: never more often than every 15 seconds); a server that does not want to be asked is left alone.
//! Nothing here ends a connection: without a time the connector opens none.

use core::convert::Infallible;
use core::fmt;
use core::net::Ipv4Addr;

use embassy_net::dns::DnsQueryType;
use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{IpAddress, Stack};
use embassy_time::{Duration, Instant, Timer, with_timeout};
use thingwire_chip::sntp::{Answer, PACKET, Question, SntpError};
use thingwire_chip::{Calendar, Few, KitImage, TimeServer};

use crate::wall_clock::{self, ImplausibleTime};

/// For one server: its name, the way there and back.
const PATIENCE: Duration = Duration::from_secs(5);

/// After a round without an answer; doubled until [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(15);

/// NTP's longest usual interval, 17 minutes.
const LONGEST_PAUSE: Duration = Duration::from_secs(1024);

/// After an answer. A crystal is wrong by less than 2 s in that time, and certificates know days.
const AGAIN: Duration = Duration::from_secs(6 * 3600);

/// What became of asking, for people to read.
#[derive(Clone, Copy, Debug)]
pub enum TimeEvent<'a> {
    /// The kit names nobody to ask.
    NoServers,
    /// The clock was set.
    Set {
        /// Who answered.
        server: TimeServer<'a>,
        /// What the clock shows now.
        date: Calendar,
        /// How far from the truth it may be, in milliseconds.
        uncertainty: u64,
    },
    /// One server gave no time; the next one is asked.
    Failed {
        /// Whom it was asked.
        server: TimeServer<'a>,
        /// Why.
        why: AskError,
    },
    /// None gave a time.
    Waiting {
        /// Until they are asked again, in seconds.
        seconds: u64,
    },
}

impl fmt::Display for TimeEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoServers => f.write_str("the kit names no time server"),
            Self::Set {
                server,
                date,
                uncertainty,
            } => write!(
                f,
                "the time is {date}, from {}, right to {uncertainty} ms",
                Name(server)
            ),
            Self::Failed { server, why } => write!(f, "no time from {}: {why}", Name(server)),
            Self::Waiting { seconds } => {
                write!(f, "no time server answered; asking again in {seconds} s")
            }
        }
    }
}

/// A server as `host:port`.
struct Name<'a>(&'a TimeServer<'a>);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0.host(), self.0.port())
    }
}

/// Why a server gave no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskError {
    /// DNS does not know its name.
    Unknown,
    /// The network cannot send to it.
    Unsent,
    /// Nothing that can be believed came within five seconds.
    Silent,
    /// It answered, and the answer is of no use.
    Useless(SntpError),
    /// Its time cannot be set.
    Implausible(ImplausibleTime),
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("its name does not resolve"),
            Self::Unsent => f.write_str("the network does not lead there"),
            Self::Silent => f.write_str("it does not answer"),
            Self::Useless(error) => error.fmt(f),
            Self::Implausible(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for AskError {}

/// Sets the clock and keeps it right, for ever. `seed` must come from hardware. Needs one socket of the stack besides
/// those of DHCP, DNS and the connection.
///
/// Waits for the network, the servers and the pauses in between. Dropping it leaves the clock as it is.
pub async fn keep_time(
    stack: Stack<'_>,
    kit: &KitImage<'_>,
    seed: u64,
    report: impl Fn(TimeEvent<'_>),
) -> Infallible {
    let mut numbers = Numbers(seed);
    let mut unwilling = [false; Few::<TimeServer<'_>>::MAX];
    let mut pause = FIRST_PAUSE;
    if kit.time_servers.is_empty() {
        report(TimeEvent::NoServers);
        core::future::pending::<()>().await;
    }
    loop {
        stack.wait_config_up().await;
        let mut set = false;
        for (server, unwilling) in kit.time_servers.iter().zip(&mut unwilling) {
            if *unwilling {
                continue;
            }
            let server = *server;
            match set_by(stack, kit, server, numbers.next()).await {
                Ok((date, answer)) => {
                    let uncertainty = answer.uncertainty.as_millis();
                    report(TimeEvent::Set {
                        server,
                        date,
                        uncertainty: u64::try_from(uncertainty).unwrap_or(u64::MAX),
                    });
                    set = true;
                    break;
                }
                Err(why) => {
                    *unwilling = matches!(why, AskError::Useless(SntpError::KissOfDeath(_)));
                    report(TimeEvent::Failed { server, why });
                }
            }
        }
        let wait = if set {
            pause = FIRST_PAUSE;
            AGAIN
        } else {
            // Boards that got their power back together shall not ask together.
            let spread = numbers.next() % 4096;
            let wait = pause
                .checked_add(Duration::from_millis(spread))
                .unwrap_or(pause);
            pause = pause
                .checked_mul(2)
                .unwrap_or(LONGEST_PAUSE)
                .min(LONGEST_PAUSE);
            report(TimeEvent::Waiting {
                seconds: wait.as_secs(),
            });
            wait
        };
        Timer::after(wait).await;
        let asked = unwilling.iter().take(kit.time_servers.len());
        if pause >= LONGEST_PAUSE || asked.clone().all(|unwilling| *unwilling) {
            // Later they may be willing again.
            unwilling = Default::default();
        }
    }
}

/// Asks one server and sets the clock.
async fn set_by(
    stack: Stack<'_>,
    kit: &KitImage<'_>,
    server: TimeServer<'_>,
    nonce: u64,
) -> Result<(Calendar, Answer), AskError> {
    let asked = with_timeout(PATIENCE, ask(stack, kit, server, nonce)).await;
    let answer = asked.unwrap_or(Err(AskError::Silent))?;
    let date = wall_clock::set(answer.unix.as_secs()).map_err(AskError::Implausible)?;
    Ok((date, answer))
}

/// Waits for DNS and for an answer, without an end of its own. Dropping it closes the socket.
async fn ask(
    stack: Stack<'_>,
    kit: &KitImage<'_>,
    server: TimeServer<'_>,
    nonce: u64,
) -> Result<Answer, AskError> {
    let address = address(stack, kit, server).await?;
    let (mut in_packets, mut out_packets) = ([PacketMetadata::EMPTY; 2], [PacketMetadata::EMPTY]);
    let (mut incoming, mut outgoing) = ([0; 4 * PACKET], [0; PACKET]);
    let mut socket = UdpSocket::new(
        stack,
        &mut in_packets,
        &mut incoming,
        &mut out_packets,
        &mut outgoing,
    );
    socket.bind(0).map_err(|_| AskError::Unsent)?;
    let question = Question::new(nonce);
    let packet = question.packet();
    let sent = Instant::now();
    let send = socket.send_to(&packet, (address, server.port())).await;
    send.map_err(|_| AskError::Unsent)?;
    loop {
        let mut packet = [0; 2 * PACKET];
        // Longer than any answer, and so none of ours.
        let Ok((len, from)) = socket.recv_from(&mut packet).await else {
            continue;
        };
        if from.endpoint.addr != address {
            continue;
        }
        let round_trip = core::time::Duration::from_micros(sent.elapsed().as_micros());
        let packet = packet.get(..len).unwrap_or_default();
        match question.answer(packet, round_trip, wall_clock::floor()) {
            Ok(answer) => return Ok(answer),
            // Anybody may have sent these; the real one may still come.
            Err(SntpError::Short | SntpError::NotAnAnswer | SntpError::NotOurs) => {}
            Err(error) => return Err(AskError::Useless(error)),
        }
    }
}

/// A server that is the kit's endpoint is where the endpoint is.
async fn address(
    stack: Stack<'_>,
    kit: &KitImage<'_>,
    server: TimeServer<'_>,
) -> Result<IpAddress, AskError> {
    if let Ok(address) = server.host().parse::<Ipv4Addr>() {
        return Ok(IpAddress::Ipv4(address));
    }
    if let Some(address) = kit.address
        && kit.endpoint.to_bytes() == server.host().as_bytes()
    {
        return Ok(IpAddress::Ipv4(address));
    }
    let answers = stack.dns_query(server.host(), DnsQueryType::A).await;
    let first = answers.ok().and_then(|answers| answers.first().copied());
    first.ok_or(AskError::Unknown)
}

/// Numbers that nobody guesses who has not seen the seed (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}
