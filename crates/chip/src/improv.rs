//! Improv over a serial line: how a browser sets a board's Wi-Fi (improv-wifi.com/serial).
//!
//! A packet is `IMPROV`, the version 1, a type, a length, so many bytes, and the sum of all bytes before. [`Receiver`] finds
//! packets in a stream that carries lines of text too; what it does not want is handed back. The functions that write
//! answers end each with a line feed, so that text goes on in a line of its own. Bytes come in one at a time and nothing
//! waits; nothing here can panic.

use core::fmt;

const HEADER: &[u8; 6] = b"IMPROV";
const VERSION: u8 = 1;

/// The most data a packet has: what its length can say.
const MAX_DATA: usize = 255;

/// The longest packet with the line feed behind it.
pub const MAX_PACKET: usize = HEADER.len() + 3 + MAX_DATA + 2;

const CURRENT_STATE: u8 = 1;
const ERROR_STATE: u8 = 2;
const RPC_COMMAND: u8 = 3;
const RPC_RESULT: u8 = 4;

const WIFI_SETTINGS: u8 = 1;
const REQUEST_STATE: u8 = 2;
const DEVICE_INFO: u8 = 3;
const SCANNED_NETWORKS: u8 = 4;

/// What the other side wants.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// Join this network. A name or a password that is not UTF-8 is refused before.
    WifiSettings {
        /// Name of the network.
        ssid: &'a str,
        /// Its password; empty for an open one.
        password: &'a str,
    },
    /// Say how things stand.
    State,
    /// Say what this is.
    DeviceInfo,
    /// Say which networks are in reach.
    ScannedNetworks,
}

/// Leaves the password out.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WifiSettings { ssid, .. } => write!(f, "WifiSettings({ssid:?})"),
            Self::State => f.write_str("State"),
            Self::DeviceInfo => f.write_str("DeviceInfo"),
            Self::ScannedNetworks => f.write_str("ScannedNetworks"),
        }
    }
}

/// How things stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not on a network; settings are welcome.
    Ready,
    /// Settings have come and are being tried.
    Provisioning,
    /// On a network.
    Provisioned,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImprovError {
    /// Nothing.
    None,
    /// The packet cannot be read.
    InvalidPacket,
    /// No such command.
    UnknownCommand,
    /// The network was not joined.
    UnableToConnect,
    /// Something else.
    Unknown,
}

/// What a byte led to.
#[derive(Debug, PartialEq, Eq)]
pub enum Received<'a> {
    /// Nothing yet.
    Nothing,
    /// These bytes are no packet's: text.
    Text(&'a [u8]),
    /// A packet.
    Request(Request<'a>),
    /// A packet that is to be answered with this error.
    Refused(ImprovError),
}

/// Finds packets in a stream.
pub struct Receiver {
    buffer: [u8; MAX_PACKET],
    len: usize,
}

impl Receiver {
    /// Begins between packets.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            buffer: [0; MAX_PACKET],
            len: 0,
        }
    }

    /// Whether it has bytes of a packet that is not complete.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        self.len > 0
    }

    /// Forgets a packet that was begun: call it when no byte has come for a while.
    pub const fn reset(&mut self) {
        self.len = 0;
    }

    /// Takes a byte.
    pub fn push(&mut self, byte: u8) -> Received<'_> {
        // The last packet was answered; its bytes are not needed any more.
        let place = self.len;
        let Some(free) = self.buffer.get_mut(place) else {
            self.len = 0;
            return Received::Refused(ImprovError::InvalidPacket);
        };
        *free = byte;
        self.len = place.saturating_add(1);
        if !self.is_header() {
            let len = core::mem::take(&mut self.len);
            return Received::Text(self.buffer.get(..len).unwrap_or_default());
        }
        let Some((&data_len, rest)) = self.buffer.get(8..self.len).and_then(<[u8]>::split_first)
        else {
            return Received::Nothing;
        };
        let Some((data, &[checksum])) = rest.split_at_checked(usize::from(data_len)) else {
            return Received::Nothing;
        };
        let len = core::mem::take(&mut self.len);
        let before = self.buffer.get(..len.saturating_sub(1)).unwrap_or_default();
        if sum(before) != checksum {
            return Received::Refused(ImprovError::InvalidPacket);
        }
        match self.buffer.get(7) {
            Some(&RPC_COMMAND) => request(data),
            // What only a device sends: an echo.
            _ => Received::Nothing,
        }
    }

    /// Whether what came so far can be a packet.
    fn is_header(&self) -> bool {
        let expected = HEADER.iter().chain(&[VERSION]);
        let came = self.buffer.get(..self.len).unwrap_or_default();
        came.iter().zip(expected).all(|(a, b)| a == b)
    }
}

impl Default for Receiver {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// The data of an RPC command: which, the length of what follows, and that.
fn request(data: &[u8]) -> Received<'_> {
    let Some(([command, len], rest)) = data.split_first_chunk() else {
        return Received::Refused(ImprovError::InvalidPacket);
    };
    if rest.len() != usize::from(*len) {
        return Received::Refused(ImprovError::InvalidPacket);
    }
    match *command {
        WIFI_SETTINGS => match settings(rest) {
            Some(request) => Received::Request(request),
            None => Received::Refused(ImprovError::InvalidPacket),
        },
        REQUEST_STATE => Received::Request(Request::State),
        DEVICE_INFO => Received::Request(Request::DeviceInfo),
        SCANNED_NETWORKS => Received::Request(Request::ScannedNetworks),
        _ => Received::Refused(ImprovError::UnknownCommand),
    }
}

fn settings(data: &[u8]) -> Option<Request<'_>> {
    let (ssid, rest) = text(data)?;
    let (password, rest) = text(rest)?;
    rest.is_empty()
        .then_some(Request::WifiSettings { ssid, password })
}

/// A text with its length in front, and what follows.
fn text(data: &[u8]) -> Option<(&str, &[u8])> {
    let (len, rest) = data.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*len))?;
    Some((core::str::from_utf8(text).ok()?, rest))
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// A packet to send.
#[derive(Clone, Copy)]
pub struct Packet {
    bytes: [u8; MAX_PACKET],
    len: usize,
}

impl Packet {
    /// How things stand.
    #[must_use]
    pub fn state(state: State) -> Self {
        let byte = match state {
            State::Ready => 2,
            State::Provisioning => 3,
            State::Provisioned => 4,
        };
        Self::of(CURRENT_STATE, &[byte], &[])
    }

    /// What is wrong.
    #[must_use]
    pub fn error(error: ImprovError) -> Self {
        let byte = match error {
            ImprovError::None => 0,
            ImprovError::InvalidPacket => 1,
            ImprovError::UnknownCommand => 2,
            ImprovError::UnableToConnect => 3,
            ImprovError::Unknown => 0xFF,
        };
        Self::of(ERROR_STATE, &[byte], &[])
    }

    /// The answer to [`Request::WifiSettings`] when the network was joined.
    #[must_use]
    pub fn settings_done() -> Self {
        Self::result(WIFI_SETTINGS, &[])
    }

    /// The answer to [`Request::State`] when a network is joined, besides the state itself.
    #[must_use]
    pub fn state_done() -> Self {
        Self::result(REQUEST_STATE, &[])
    }

    /// The answer to [`Request::DeviceInfo`].
    #[must_use]
    pub fn device_info(firmware: &str, version: &str, chip: &str, name: &str) -> Self {
        Self::result(DEVICE_INFO, &[firmware, version, chip, name])
    }

    /// One network in reach; the answer to [`Request::ScannedNetworks`] is one of these for each, then
    /// [`networks_done`](Self::networks_done). `rssi` is its strength in dBm as a text.
    #[must_use]
    pub fn network(ssid: &str, rssi: &str, open: bool) -> Self {
        Self::result(
            SCANNED_NETWORKS,
            &[ssid, rssi, if open { "NO" } else { "YES" }],
        )
    }

    /// The end of the networks.
    #[must_use]
    pub fn networks_done() -> Self {
        Self::result(SCANNED_NETWORKS, &[])
    }

    /// The bytes to send.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The texts that fit; each is cut at 80 bytes before, which more than fits what the protocol asks for.
    fn result(command: u8, texts: &[&str]) -> Self {
        let mut data = [0; MAX_DATA];
        let mut len = 0_usize;
        for text in texts {
            let text = text.as_bytes();
            let text = text.get(..80).unwrap_or(text);
            let end = len.saturating_add(1).saturating_add(text.len());
            let Some(place) = data.get_mut(len..end) else {
                break;
            };
            if let Some((first, rest)) = place.split_first_mut() {
                *first = u8::try_from(text.len()).unwrap_or_default();
                rest.copy_from_slice(text);
                len = end;
            }
        }
        // Command and length come in front.
        let len = len.min(MAX_DATA.saturating_sub(2));
        let short = u8::try_from(len).unwrap_or_default();
        let data = data.get(..len).unwrap_or_default();
        Self::of(RPC_RESULT, &[command, short], data)
    }

    fn of(kind: u8, first: &[u8], second: &[u8]) -> Self {
        let mut packet = Self {
            bytes: [0; MAX_PACKET],
            len: 0,
        };
        let len = first.len().saturating_add(second.len());
        let head = [VERSION, kind, u8::try_from(len).unwrap_or_default()];
        for part in [HEADER, head.as_slice(), first, second] {
            packet.append(part);
        }
        let checksum = sum(packet.bytes());
        packet.append(&[checksum, b'\n']);
        packet
    }

    fn append(&mut self, part: &[u8]) {
        let end = self.len.saturating_add(part.len());
        if let Some(place) = self.bytes.get_mut(self.len..end) {
            place.copy_from_slice(part);
            self.len = end;
        }
    }
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packet({:02x?})", self.bytes())
    }
}

#[cfg(test)]
mod tests;
