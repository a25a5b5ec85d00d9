//! A connection kit as one block of bytes, for a board: written on a computer, read in place.
//!
//! All numbers are little-endian. A header of 20 bytes is followed by fields, one after the other, in any order.
//!
//! | at | bytes | |
//! |---|---|---|
//! | 0 | 8 | `TWKITIMG` |
//! | 8 | 2 | version of the format, 1 |
//! | 10 | 2 | 0 |
//! | 12 | 4 | length of all fields together |
//! | 16 | 4 | CRC-32 of bytes 0 to 15 and of the fields |
//!
//! Each field is a tag and a length of two bytes each, and its value. Texts end in one zero byte, which their length
//! counts and which is nowhere else in them: so a TLS library in C reads them where they lie.
//!
//! | tag | value | |
//! |---|---|---|
//! | 1 | endpoint: a text of 1 to 253 bytes | needed |
//! | 2 | port: 2 bytes, not 0 | needed |
//! | 3 | client id: a text of 1 to 128 bytes (`B-11`) | needed |
//! | 4 | root certificates: PEM as a text | needed |
//! | 5 | device certificate, then its chain: PEM as a text | needed |
//! | 6 | private key: PEM as a text | needed |
//! | 7 | IPv4 address to connect to instead of asking DNS for the endpoint: 4 bytes | |
//! | 8 | use ALPN `x-amzn-mqtt-ca` (`A-6`): no bytes | |
//! | 9 | only this TLS version: 1 byte, 12 for TLS 1.2, 13 for TLS 1.3 | |
//! | 10 | MQTT version: 1 byte, 4 for 3.1.1, 5 for 5; without this field 3.1.1 | |
//! | 11 | a Wi-Fi network: length of its name in one byte, its name, then its password, nothing where it is open | 0 to 8 times |
//! | 12 | a time server: its port in 2 bytes, not 0, then its host name as a text of 1 to 253 bytes | 0 to 8 times |
//!
//! Networks and time servers are tried in the order in which they stand. What each value may be stands in one table,
//! `limits.rs`; a name of a network has 1 to 32 bytes, a password 8 to 63, or it is the 64 hexadecimal digits of a key;
//! the certificate, with those above it, 2,600 bytes of PEM at most.
//!
//! A reader leaves out fields that it does not know, and of the others takes the last one where one is allowed. The version grows only when an old reader would misunderstand,
//! and a reader refuses versions above its own. The checksum finds damage, not forgery: who can write the
//! image owns the device.

use core::ffi::CStr;
use core::fmt;
use core::net::Ipv4Addr;

use self::container::{Fields, HEADER, field, seal};
use self::read::Read;
use crate::{ImageError, ImageWriteError};

pub use few::Few;
pub use limits::Limit;
pub use time_server::TimeServer;
pub use wifi::{Secret, WifiNetwork};

mod container;
mod few;
mod limits;
mod read;
mod time_server;
mod wifi;

const ENDPOINT: u16 = 1;
const PORT: u16 = 2;
const CLIENT_ID: u16 = 3;
const ROOTS: u16 = 4;
const CERTIFICATE: u16 = 5;
const PRIVATE_KEY: u16 = 6;
const ADDRESS: u16 = 7;
const ALPN: u16 = 8;
const TLS: u16 = 9;
const MQTT: u16 = 10;
const WIFI: u16 = 11;
const TIME_SERVER: u16 = 12;

/// Which TLS versions a device offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersions {
    /// TLS 1.2 and 1.3; the server takes the newer one it has.
    #[default]
    Both,
    /// TLS 1.2 and nothing else.
    Only12,
    /// TLS 1.3 and nothing else.
    Only13,
}

/// Which MQTT version a device speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MqttVersion {
    /// MQTT 3.1.1.
    #[default]
    V311,
    /// MQTT 5.
    V5,
}

/// A kit, as it lies in an image. `Debug` leaves out the private key and the passwords.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KitImage<'a> {
    /// Host name of the endpoint; also the server name (SNI) and what the server's certificate must say.
    pub endpoint: &'a CStr,
    /// Port of MQTT over mutual TLS.
    pub port: u16,
    /// MQTT client identifier.
    pub client_id: &'a str,
    /// The roots that may prove the server, as PEM.
    pub roots: &'a CStr,
    /// The device's certificate and its chain, as PEM.
    pub certificate: &'a CStr,
    /// The device's private key, as PEM.
    pub private_key: &'a CStr,
    /// Where to connect to instead of asking DNS. The server must still prove that it is the endpoint.
    pub address: Option<Ipv4Addr>,
    /// Whether to use ALPN `x-amzn-mqtt-ca` (`A-6`).
    pub alpn: bool,
    /// The TLS versions to offer.
    pub tls: TlsVersions,
    /// The MQTT version to speak.
    pub mqtt: MqttVersion,
    /// The Wi-Fi networks to join, the first choice first; none where there is another network.
    pub wifi: Few<WifiNetwork<'a>>,
    /// Whom to ask for the time, the first choice first.
    pub time_servers: Few<TimeServer<'a>>,
}

impl fmt::Debug for KitImage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KitImage")
            .field("endpoint", &self.endpoint)
            .field("port", &self.port)
            .field("client_id", &self.client_id)
            .field("address", &self.address)
            .field("alpn", &self.alpn)
            .field("tls", &self.tls)
            .field("mqtt", &self.mqtt)
            .field("wifi", &self.wifi)
            .field("time_servers", &self.time_servers)
            .finish_non_exhaustive()
    }
}

impl<'a> KitImage<'a> {
    /// The longest image, header included: the size of a partition.
    pub const MAX_LEN: usize = 16 * 1024;

    /// How long the image at the start of `bytes` is, header included; `None` where there is none or not all of it.
    #[must_use]
    pub fn length(bytes: &[u8]) -> Option<usize> {
        Fields::of(bytes).ok().map(|fields| fields.image_len())
    }

    /// Reads the image at the start of `bytes`; what follows it is of no interest.
    ///
    /// # Errors
    /// [`ImageError`]: nothing of the image may be used.
    pub fn read(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let mut fields = Fields::of(bytes)?;
        let mut read = Read::default();
        while let Some((tag, value)) = fields.next()? {
            read.field(tag, value)?;
        }
        read.finish()
    }

    /// Writes the image to the start of `out` and answers its length; [`MAX_LEN`](Self::MAX_LEN) bytes are always
    /// enough.
    ///
    /// # Errors
    /// [`ImageWriteError`]: a reader would refuse it, or `out` is too small.
    pub fn write(&self, out: &mut [u8]) -> Result<usize, ImageWriteError> {
        let mut at = HEADER;
        let endpoint = self.endpoint.to_bytes_with_nul();
        field(out, &mut at, ENDPOINT, &[endpoint])?;
        field(out, &mut at, PORT, &[&self.port.to_le_bytes()])?;
        field(out, &mut at, CLIENT_ID, &[self.client_id.as_bytes(), &[0]])?;
        let pems = [
            (ROOTS, self.roots),
            (CERTIFICATE, self.certificate),
            (PRIVATE_KEY, self.private_key),
        ];
        for (tag, pem) in pems {
            field(out, &mut at, tag, &[pem.to_bytes_with_nul()])?;
        }
        if let Some(address) = self.address {
            field(out, &mut at, ADDRESS, &[&address.octets()])?;
        }
        if self.alpn {
            field(out, &mut at, ALPN, &[])?;
        }
        match self.tls {
            TlsVersions::Both => {}
            TlsVersions::Only12 => field(out, &mut at, TLS, &[&[12]])?,
            TlsVersions::Only13 => field(out, &mut at, TLS, &[&[13]])?,
        }
        if self.mqtt == MqttVersion::V5 {
            field(out, &mut at, MQTT, &[&[5]])?;
        }
        for network in &self.wifi {
            let name = network.ssid().as_bytes();
            let len = u8::try_from(name.len()).unwrap_or(u8::MAX);
            let secret = network.secret().text().unwrap_or_default().as_bytes();
            field(out, &mut at, WIFI, &[&[len], name, secret])?;
        }
        for server in &self.time_servers {
            let port = server.port().to_le_bytes();
            let host = server.host().as_bytes();
            field(out, &mut at, TIME_SERVER, &[&port, host, &[0]])?;
        }
        if at > Self::MAX_LEN {
            return Err(ImageWriteError::TooLong {
                len: at,
                max: Self::MAX_LEN,
            });
        }
        seal(out.get_mut(..at)).ok_or(ImageWriteError::NoRoom)?;
        // Whatever is refused when it is read shall not be written.
        KitImage::read(out).map_err(ImageWriteError::Refused)?;
        Ok(at)
    }
}

#[cfg(test)]
mod tests;
