//! What each field of a kit image may be: one table for readers, writers, and the words of errors.

use core::fmt;

use super::KitImage;

/// What a field may be. Shown as "the endpoint must be a host name of 1 to 253 bytes".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The field's name.
    pub field: &'static str,
    /// What it must be.
    pub expected: &'static str,
    /// The fewest bytes.
    pub min: usize,
    /// The most bytes; for a list, entries.
    pub max: usize,
}

impl Limit {
    /// Whether it may have so many bytes.
    #[must_use]
    pub const fn allows(&self, bytes: usize) -> bool {
        self.min <= bytes && bytes <= self.max
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} must be {}", self.field, self.expected)
    }
}

impl core::error::Error for Limit {}

const fn limit(field: &'static str, min: usize, max: usize, expected: &'static str) -> Limit {
    Limit {
        field,
        expected,
        min,
        max,
    }
}

/// How many networks, and how many time servers, a kit may have.
pub(super) const ENTRIES: usize = 8;

const PEM: usize = KitImage::MAX_LEN;

pub(super) const VERSION: Limit = limit("version", 2, 2, "1");
/// The longest name that DNS has.
pub(super) const ENDPOINT: Limit = limit("endpoint", 1, 253, "a host name of 1 to 253 bytes");
pub(super) const PORT: Limit = limit("port", 2, 2, "a number from 1 to 65535");
/// `B-11`.
pub(super) const CLIENT_ID: Limit = limit("client id", 1, 128, "a text of 1 to 128 bytes");
pub(super) const ROOTS: Limit = limit("root certificates", 1, PEM, "PEM");
/// What TLS on a chip sends has 2,048 bytes at most, and a certificate, with those above it, is sent in one piece: Mbed TLS does
/// not cut it. 2,600 bytes of PEM are 1,900 without its clothes.
pub(super) const CERTIFICATE: Limit = limit("certificate", 1, 2_600, "PEM of 2600 bytes at most");
pub(super) const PRIVATE_KEY: Limit = limit("private key", 1, PEM, "PEM");
pub(super) const ADDRESS: Limit = limit("address", 4, 4, "4 bytes");
pub(super) const TLS: Limit = limit("TLS version", 1, 1, "1.2 or 1.3");
pub(super) const MQTT: Limit = limit("MQTT version", 1, 1, "3.1.1 or 5");
pub(super) const WIFI: Limit = limit("list of Wi-Fi networks", 0, ENTRIES, "8 networks at most");
/// IEEE 802.11 leaves the bytes open; a text can be shown and typed.
pub(super) const SSID: Limit = limit(
    "name of a Wi-Fi network",
    1,
    32,
    "a text of 1 to 32 bytes without control characters",
);
/// IEEE 802.11, annex J.4: a passphrase, or the key itself.
pub(super) const PASSWORD: Limit = limit(
    "password of a Wi-Fi network",
    8,
    63,
    "a text of 8 to 63 bytes without control characters, or a key of 64 hexadecimal digits",
);
pub(super) const KEY_DIGITS: usize = 64;
pub(super) const TIME_SERVERS: Limit =
    limit("list of time servers", 0, ENTRIES, "8 servers at most");
pub(super) const TIME_SERVER: Limit = limit(
    "time server",
    1,
    253,
    "a host name or IPv4 address of 1 to 253 bytes, and a port from 1 to 65535",
);
