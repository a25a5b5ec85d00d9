//! Whom a device asks for the time.

use core::ffi::CStr;

use super::limits::{Limit, TIME_SERVER};
use crate::ImageError;

/// An SNTP server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeServer<'a> {
    host: &'a str,
    port: u16,
}

impl<'a> TimeServer<'a> {
    /// The port of NTP and SNTP.
    pub const PORT: u16 = 123;

    /// A server by its name or IPv4 address.
    ///
    /// # Errors
    /// [`Limit`] says what host and port must be.
    pub fn new(host: &'a str, port: u16) -> Result<Self, Limit> {
        if port == 0 || !TIME_SERVER.allows(host.len()) || !is_host(host) {
            return Err(TIME_SERVER);
        }
        Ok(Self { host, port })
    }

    /// Name or IPv4 address.
    #[must_use]
    pub const fn host(&self) -> &'a str {
        self.host
    }

    /// UDP port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

/// Whether it may be the name of a host, or an IPv4 address.
pub(super) fn is_host(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    name.bytes().all(allowed)
}

/// The value of a field: the port, then the host as a text.
pub(super) fn read(value: &[u8]) -> Result<TimeServer<'_>, ImageError> {
    let (port, host) = value.split_first_chunk().ok_or(TIME_SERVER)?;
    let host = CStr::from_bytes_with_nul(host).map_err(|_| TIME_SERVER)?;
    let host = host.to_str().map_err(|_| TIME_SERVER)?;
    Ok(TimeServer::new(host, u16::from_le_bytes(*port))?)
}
