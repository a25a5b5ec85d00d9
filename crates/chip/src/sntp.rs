//! SNTP version 4: the packet that asks for the time, what an answer is worth, and the answer of a server (RFC 4330,
//! RFC 5905).
//!
//! The asker knows no time of its own. It sends a random number where its time would stand; an answer must carry it
//! back, so nobody who has not seen the question can answer it. This proves no identity: whoever sits on the way can
//! set the time, which is why a floor is given that no answer goes below.

use core::fmt;
use core::time::Duration;

/// Bytes of a packet without extensions.
pub const PACKET: usize = 48;

/// Seconds from 1900-01-01, where NTP counts from, to 1970-01-01.
const UNIX_EPOCH: i64 = 2_208_988_800;

/// Seconds of an era: the counter of 32 bits starts again in February 2036.
const ERA: i64 = 1 << 32;

/// An answer that may be further from the truth than this is not used: NTP calls such a distance infinite (RFC 5905,
/// `MAXDISP`).
const VAGUE: Duration = Duration::from_secs(16);

/// NTP's mode of a client's packet.
const CLIENT: u8 = 3;
/// NTP's mode of a server's answer.
const SERVER: u8 = 4;
/// The version we speak.
const VERSION: u8 = 4;
/// The server says that its own clock is not set.
const LEAP_UNSYNCHRONISED: u8 = 3;
/// From here on a stratum means: not synchronised.
const STRATUM_UNSYNCHRONISED: u8 = 16;

/// A question to a time server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    nonce: u64,
}

/// What a time server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Time since 1970-01-01T00:00:00Z, at the moment when the answer arrived.
    pub unix: Duration,
    /// The truth is so far away at most, if the server is honest.
    pub uncertainty: Duration,
}

/// Why an answer is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SntpError {
    /// It is shorter than a packet.
    Short,
    /// It is no server's answer, or of a version that is not understood.
    NotAnAnswer,
    /// It belongs to another question, or nobody's.
    NotOurs,
    /// The server does not want to be asked (kiss of death); the four letters say why, such as `RATE` or `DENY`. Do not
    /// ask it again soon.
    KissOfDeath([u8; 4]),
    /// The server does not know the time itself.
    Unsynchronised,
    /// The answer contradicts itself, or may be wrong by more than 16 seconds.
    Vague,
    /// It shows a time before the floor.
    BeforeFloor {
        /// Seconds since 1970 that it shows.
        unix: u64,
    },
}

impl fmt::Display for SntpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("the answer is too short"),
            Self::NotAnAnswer => f.write_str("what came is no answer of a time server"),
            Self::NotOurs => f.write_str("the answer belongs to another question"),
            Self::KissOfDeath(code) => {
                f.write_str("the server does not want to be asked")?;
                match core::str::from_utf8(code) {
                    Ok(code) if code.bytes().all(|byte| byte.is_ascii_graphic()) => {
                        write!(f, " ({code})")
                    }
                    _ => Ok(()),
                }
            }
            Self::Unsynchronised => f.write_str("the server does not know the time itself"),
            Self::Vague => f.write_str("the answer may be wrong by more than 16 s"),
            Self::BeforeFloor { unix } => match crate::Calendar::from_unix(*unix) {
                Some(date) => write!(f, "the server shows {date}, which has long passed"),
                None => f.write_str("the server shows no date"),
            },
        }
    }
}

impl core::error::Error for SntpError {}

impl Question {
    /// A question that only its own answer fits. `nonce` must be random.
    #[must_use]
    pub const fn new(nonce: u64) -> Self {
        // 0 means in a packet that there is no timestamp.
        Self {
            nonce: if nonce == 0 { 1 } else { nonce },
        }
    }

    /// The packet to send.
    #[must_use]
    pub fn packet(&self) -> [u8; PACKET] {
        Packet {
            version: VERSION,
            mode: CLIENT,
            transmitted: self.nonce,
            ..Packet::default()
        }
        .bytes()
    }

    /// Looks at what came back `round_trip` after the question was sent.
    ///
    /// `floor` is a time in Unix seconds that has surely passed, such as the date of the build. It also says which of
    /// NTP's eras of 136 years is meant: the one that brings the answer nearest to it.
    ///
    /// # Errors
    /// [`SntpError`]: wait on for another packet after [`Short`](SntpError::Short),
    /// [`NotAnAnswer`](SntpError::NotAnAnswer) and [`NotOurs`](SntpError::NotOurs), which anybody may have sent; after
    /// the others ask another server.
    pub fn answer(
        &self,
        packet: &[u8],
        round_trip: Duration,
        floor: u64,
    ) -> Result<Answer, SntpError> {
        let packet = Packet::read(packet).ok_or(SntpError::Short)?;
        if packet.mode != SERVER || !(3..=VERSION).contains(&packet.version) {
            return Err(SntpError::NotAnAnswer);
        }
        if packet.originated != self.nonce {
            return Err(SntpError::NotOurs);
        }
        if packet.stratum == 0 {
            return Err(SntpError::KissOfDeath(packet.reference));
        }
        if packet.leap == LEAP_UNSYNCHRONISED
            || packet.stratum >= STRATUM_UNSYNCHRONISED
            || packet.transmitted == 0
            || packet.received == 0
        {
            return Err(SntpError::Unsynchronised);
        }
        // How long the server had the question. Signed, so that the end of an era between the two does no harm.
        let held = packet.transmitted.wrapping_sub(packet.received);
        if i64::try_from(held).is_err() {
            return Err(SntpError::Vague);
        }
        // Half of the time on the way is the way back; the error is the other half at most.
        let half = half_of(round_trip.saturating_sub(fixed(held)));
        let root = half_of(fixed_short(packet.root_delay));
        let uncertainty = half
            .saturating_add(root)
            .saturating_add(fixed_short(packet.root_dispersion));
        if uncertainty > VAGUE {
            return Err(SntpError::Vague);
        }
        let unix = unix(packet.transmitted, floor).saturating_add(half);
        if unix.as_secs() < floor {
            let unix = unix.as_secs();
            return Err(SntpError::BeforeFloor { unix });
        }
        Ok(Answer { unix, uncertainty })
    }
}

/// The answer of a server whose clock shows `now`, in time since 1970, and is right to within `uncertainty`. `None` when
/// it is not a client's question: nothing is answered then.
///
/// It names stratum 10, as servers do that have nothing but their computer's clock, so that no NTP daemon prefers it to
/// a real source.
#[must_use]
pub fn respond(question: &[u8], now: Duration, uncertainty: Duration) -> Option<[u8; PACKET]> {
    let question = Packet::read(question)?;
    if question.mode != CLIENT || !(1..=VERSION).contains(&question.version) {
        return None;
    }
    let now = timestamp(now);
    let packet = Packet {
        version: question.version,
        mode: SERVER,
        stratum: 10,
        poll: question.poll,
        precision: 0xEC, // 2 to the power of -20: a microsecond
        root_dispersion: short(uncertainty),
        reference: [127, 0, 0, 1],
        referenced: now,
        originated: question.transmitted,
        received: now,
        transmitted: now,
        ..Packet::default()
    };
    Some(packet.bytes())
}

/// The fields of a packet (RFC 4330, section 4). Timestamps have 32 bits of seconds and 32 of fractions.
#[derive(Clone, Copy, Debug, Default)]
struct Packet {
    leap: u8,
    version: u8,
    mode: u8,
    stratum: u8,
    poll: u8,
    precision: u8,
    /// 16 bits of seconds and 16 of fractions, as the next.
    root_delay: u32,
    root_dispersion: u32,
    reference: [u8; 4],
    referenced: u64,
    originated: u64,
    received: u64,
    transmitted: u64,
}

impl Packet {
    /// What follows the first 48 bytes, such as a signature, is of no interest.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (&[flags, stratum, poll, precision], rest) = bytes.split_first_chunk()?;
        let (root_delay, rest) = rest.split_first_chunk()?;
        let (root_dispersion, rest) = rest.split_first_chunk()?;
        let (reference, rest) = rest.split_first_chunk()?;
        let (referenced, rest) = rest.split_first_chunk()?;
        let (originated, rest) = rest.split_first_chunk()?;
        let (received, rest) = rest.split_first_chunk()?;
        let transmitted = rest.first_chunk()?;
        Some(Self {
            leap: flags >> 6,
            version: (flags >> 3) & 7,
            mode: flags & 7,
            stratum,
            poll,
            precision,
            root_delay: u32::from_be_bytes(*root_delay),
            root_dispersion: u32::from_be_bytes(*root_dispersion),
            reference: *reference,
            referenced: u64::from_be_bytes(*referenced),
            originated: u64::from_be_bytes(*originated),
            received: u64::from_be_bytes(*received),
            transmitted: u64::from_be_bytes(*transmitted),
        })
    }

    fn bytes(&self) -> [u8; PACKET] {
        let mut bytes = [0; PACKET];
        let flags = (self.leap << 6) | ((self.version & 7) << 3) | (self.mode & 7);
        let parts: [&[u8]; 8] = [
            &[flags, self.stratum, self.poll, self.precision],
            &self.root_delay.to_be_bytes(),
            &self.root_dispersion.to_be_bytes(),
            &self.reference,
            &self.referenced.to_be_bytes(),
            &self.originated.to_be_bytes(),
            &self.received.to_be_bytes(),
            &self.transmitted.to_be_bytes(),
        ];
        for (place, byte) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
            *place = *byte;
        }
        bytes
    }
}

/// A count of 32 bits of seconds and 32 of fractions.
fn fixed(count: u64) -> Duration {
    let [s0, s1, s2, s3, f0, f1, f2, f3] = count.to_be_bytes();
    let seconds = u32::from_be_bytes([s0, s1, s2, s3]);
    let fraction = u32::from_be_bytes([f0, f1, f2, f3]);
    let nanos = (u64::from(fraction).saturating_mul(1_000_000_000)) >> 32;
    Duration::from_secs(u64::from(seconds)).saturating_add(Duration::from_nanos(nanos))
}

fn half_of(duration: Duration) -> Duration {
    duration.checked_div(2).unwrap_or_default()
}

/// A count of 16 bits of seconds and 16 of fractions.
fn fixed_short(count: u32) -> Duration {
    fixed(u64::from(count) << 16)
}

/// The other way round; more than 16 bits of seconds become the largest.
fn short(duration: Duration) -> u32 {
    u32::try_from(duration.as_nanos().saturating_mul(1 << 16) / 1_000_000_000).unwrap_or(u32::MAX)
}

/// A Unix time as NTP has it, in whatever era it is.
fn timestamp(unix: Duration) -> u64 {
    let seconds = unix.as_secs().wrapping_add(UNIX_EPOCH.unsigned_abs());
    let fraction = (u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000;
    (seconds << 32) | fraction
}

/// A timestamp as time since 1970, in the era that brings it nearest to `floor`; 0 if that is before 1970.
fn unix(timestamp: u64, floor: u64) -> Duration {
    let seconds = i64::try_from(timestamp >> 32).unwrap_or_default();
    let floor = i64::try_from(floor).unwrap_or(i64::MAX);
    let after = seconds.saturating_sub(UNIX_EPOCH).saturating_sub(floor);
    // From half an era before the floor to half an era after it.
    let half = ERA / 2;
    let distance = after
        .saturating_add(half)
        .rem_euclid(ERA)
        .saturating_sub(half);
    let seconds = u64::try_from(floor.saturating_add(distance)).unwrap_or_default();
    let fraction = Duration::from_nanos(u64::from(fixed(timestamp).subsec_nanos()));
    Duration::from_secs(seconds).saturating_add(fraction)
}

#[cfg(test)]
mod tests;
