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
//!
//! A reader leaves out fields that it does not know. The version grows only when an old reader would misunderstand,
//! and a reader refuses versions above its own. The checksum finds damage, not forgery: who can write the
//! image owns the device.

use core::ffi::CStr;
use core::fmt;
use core::net::Ipv4Addr;

use crate::checksum::crc32;
use crate::{ImageError, ImageWriteError};

const MAGIC: &[u8; 8] = b"TWKITIMG";
const VERSION: u16 = 1;
const HEADER: usize = 20;

/// Header without the checksum.
const BEFORE_CHECKSUM: usize = 16;

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

/// The longest name that DNS has.
const ENDPOINT_BYTES: usize = 253;

/// `B-11`.
const CLIENT_ID_BYTES: usize = 128;

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

/// A kit, as it lies in an image. `Debug` leaves out the private key.
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
            .finish_non_exhaustive()
    }
}

impl<'a> KitImage<'a> {
    /// The longest image, header included: the size of a partition.
    pub const MAX_LEN: usize = 16 * 1024;

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

/// Fills in the header in front of the fields.
fn seal(image: Option<&mut [u8]>) -> Option<()> {
    let (header, fields) = image?.split_first_chunk_mut::<HEADER>()?;
    let len = u32::try_from(fields.len()).ok()?;
    let (before, checksum) = header.split_at_mut(BEFORE_CHECKSUM);
    let parts: [&[u8]; 4] = [MAGIC, &VERSION.to_le_bytes(), &[0, 0], &len.to_le_bytes()];
    for (place, byte) in before.iter_mut().zip(parts.into_iter().flatten()) {
        *place = *byte;
    }
    checksum.copy_from_slice(&crc32(crc32(0, before), fields).to_le_bytes());
    Some(())
}

/// Appends a field of these parts.
fn field(out: &mut [u8], at: &mut usize, tag: u16, parts: &[&[u8]]) -> Result<(), ImageWriteError> {
    let len = parts.iter().map(|part| part.len()).sum::<usize>();
    let short = u16::try_from(len).map_err(|_| ImageWriteError::TooLong {
        len,
        max: KitImage::MAX_LEN,
    })?;
    let head = [tag.to_le_bytes(), short.to_le_bytes()];
    for part in head
        .iter()
        .map(|bytes| bytes.as_slice())
        .chain(parts.iter().copied())
    {
        let end = at.saturating_add(part.len());
        let place = out.get_mut(*at..end).ok_or(ImageWriteError::NoRoom)?;
        place.copy_from_slice(part);
        *at = end;
    }
    Ok(())
}

/// The fields that are still to be read.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let (header, after) = bytes
            .split_first_chunk::<HEADER>()
            .ok_or(ImageError::Missing)?;
        let [
            m0,
            m1,
            m2,
            m3,
            m4,
            m5,
            m6,
            m7,
            v0,
            v1,
            _,
            _,
            l0,
            l1,
            l2,
            l3,
            c0,
            c1,
            c2,
            c3,
        ] = *header;
        if [m0, m1, m2, m3, m4, m5, m6, m7] != *MAGIC {
            return Err(ImageError::Missing);
        }
        let version = u16::from_le_bytes([v0, v1]);
        if version > VERSION {
            return Err(ImageError::Newer { version });
        }
        let fields = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3]))
            .ok()
            .filter(|len| *len <= KitImage::MAX_LEN.saturating_sub(HEADER))
            .and_then(|len| after.get(..len))
            .ok_or(ImageError::Damaged)?;
        let before = header.get(..BEFORE_CHECKSUM).unwrap_or_default();
        if crc32(crc32(0, before), fields) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Err(ImageError::Damaged);
        }
        if version == 0 {
            return Err(ImageError::Invalid { field: "version" });
        }
        Ok(Self(fields))
    }

    /// Tag and value of the next field.
    fn next(&mut self) -> Result<Option<(u16, &'a [u8])>, ImageError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let (head, rest) = self.0.split_first_chunk().ok_or(ImageError::Damaged)?;
        let [t0, t1, l0, l1] = *head;
        let len = usize::from(u16::from_le_bytes([l0, l1]));
        let (value, rest) = rest.split_at_checked(len).ok_or(ImageError::Damaged)?;
        self.0 = rest;
        Ok(Some((u16::from_le_bytes([t0, t1]), value)))
    }
}

/// What was read so far. A field that comes twice counts the last time.
#[derive(Default)]
struct Read<'a> {
    endpoint: Option<&'a CStr>,
    port: Option<u16>,
    client_id: Option<&'a str>,
    roots: Option<&'a CStr>,
    certificate: Option<&'a CStr>,
    private_key: Option<&'a CStr>,
    address: Option<Ipv4Addr>,
    alpn: bool,
    tls: TlsVersions,
    mqtt: MqttVersion,
}

impl<'a> Read<'a> {
    fn field(&mut self, tag: u16, value: &'a [u8]) -> Result<(), ImageError> {
        match tag {
            ENDPOINT => {
                let endpoint = text(value, ENDPOINT_BYTES, "endpoint")?;
                let allowed =
                    |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
                if !endpoint.to_bytes().iter().all(allowed) {
                    return Err(ImageError::Invalid { field: "endpoint" });
                }
                self.endpoint = Some(endpoint);
            }
            PORT => {
                let port = value.try_into().ok().map(u16::from_le_bytes);
                self.port = port.filter(|port| *port != 0);
                self.port.ok_or(ImageError::Invalid { field: "port" })?;
            }
            CLIENT_ID => {
                let client_id = text(value, CLIENT_ID_BYTES, "client id")?.to_str();
                self.client_id =
                    Some(client_id.map_err(|_| ImageError::Invalid { field: "client id" })?);
            }
            ROOTS => self.roots = Some(pem(value, "root certificates")?),
            CERTIFICATE => self.certificate = Some(pem(value, "certificate")?),
            PRIVATE_KEY => self.private_key = Some(pem(value, "private key")?),
            ADDRESS => {
                let octets = <[u8; 4]>::try_from(value);
                self.address = Some(
                    octets
                        .map_err(|_| ImageError::Invalid { field: "address" })?
                        .into(),
                );
            }
            ALPN => self.alpn = true,
            TLS => {
                self.tls = match value {
                    [12] => TlsVersions::Only12,
                    [13] => TlsVersions::Only13,
                    _ => {
                        return Err(ImageError::Invalid {
                            field: "TLS version",
                        });
                    }
                };
            }
            MQTT => {
                self.mqtt = match value {
                    [4] => MqttVersion::V311,
                    [5] => MqttVersion::V5,
                    _ => {
                        return Err(ImageError::Invalid {
                            field: "MQTT version",
                        });
                    }
                };
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<KitImage<'a>, ImageError> {
        let missing = |field| ImageError::FieldMissing { field };
        Ok(KitImage {
            endpoint: self.endpoint.ok_or(missing("endpoint"))?,
            port: self.port.ok_or(missing("port"))?,
            client_id: self.client_id.ok_or(missing("client id"))?,
            roots: self.roots.ok_or(missing("root certificates"))?,
            certificate: self.certificate.ok_or(missing("certificate"))?,
            private_key: self.private_key.ok_or(missing("private key"))?,
            address: self.address,
            alpn: self.alpn,
            tls: self.tls,
            mqtt: self.mqtt,
        })
    }
}

/// A text of 1 to `max` bytes.
fn text<'a>(value: &'a [u8], max: usize, field: &'static str) -> Result<&'a CStr, ImageError> {
    CStr::from_bytes_with_nul(value)
        .ok()
        .filter(|text| (1..=max).contains(&text.count_bytes()))
        .ok_or(ImageError::Invalid { field })
}

/// Whether it is PEM that can be used is for TLS to say; that it is not something else is seen here.
fn pem<'a>(value: &'a [u8], field: &'static str) -> Result<&'a CStr, ImageError> {
    text(value, KitImage::MAX_LEN, field)
        .ok()
        .filter(|text| {
            text.to_bytes()
                .windows(11)
                .any(|window| window == b"-----BEGIN ")
        })
        .ok_or(ImageError::Invalid { field })
}

#[cfg(test)]
mod tests;
