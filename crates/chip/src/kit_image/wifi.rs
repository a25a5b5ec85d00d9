//! A Wi-Fi network to join: its name, and what opens it.
//!
//! A [`WifiNetwork`] that exists can be joined as far as anybody can see without a radio; an error never holds the
//! password.

use core::fmt;

use super::limits::{KEY_DIGITS, Limit, PASSWORD, SSID};
use crate::ImageError;

/// A network to join. `Debug` shows its name and the kind of secret, not the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WifiNetwork<'a> {
    ssid: &'a str,
    secret: Secret<'a>,
}

/// What opens a network.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Secret<'a> {
    /// Nothing: everybody may join.
    Open,
    /// A password of 8 to 63 bytes: WPA2 or WPA3.
    Password(&'a str),
    /// The key itself, which WPA2 makes of name and password, as 64 hexadecimal digits. Espressif's library takes it
    /// where it takes a password.
    Key(&'a str),
}

impl<'a> Secret<'a> {
    /// Password or key, for whoever joins.
    #[must_use]
    pub const fn text(&self) -> Option<&'a str> {
        match self {
            Self::Open => None,
            Self::Password(text) | Self::Key(text) => Some(text),
        }
    }

    /// What kind it is: `open`, `password` or `key`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Password(_) => "password",
            Self::Key(_) => "key",
        }
    }
}

impl fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("Open"),
            Self::Password(_) => f.write_str("Password(not shown)"),
            Self::Key(_) => f.write_str("Key(not shown)"),
        }
    }
}

impl<'a> WifiNetwork<'a> {
    /// A network of this name, open without a password. A password of 64 hexadecimal digits is the key.
    ///
    /// # Errors
    /// [`Limit`] says what the name or the password must be.
    pub fn new(ssid: &'a str, password: Option<&'a str>) -> Result<Self, Limit> {
        if !SSID.allows(ssid.len()) || ssid.contains(char::is_control) {
            return Err(SSID);
        }
        let secret = match password {
            None => Secret::Open,
            Some(key) if key.len() == KEY_DIGITS && key.bytes().all(|b| b.is_ascii_hexdigit()) => {
                Secret::Key(key)
            }
            Some(password)
                if PASSWORD.allows(password.len()) && !password.contains(char::is_control) =>
            {
                Secret::Password(password)
            }
            Some(_) => return Err(PASSWORD),
        };
        Ok(Self { ssid, secret })
    }

    /// The network's name.
    #[must_use]
    pub const fn ssid(&self) -> &'a str {
        self.ssid
    }

    /// What opens it.
    #[must_use]
    pub const fn secret(&self) -> Secret<'a> {
        self.secret
    }
}

/// The value of a field: length of the name in one byte, the name, password or key.
pub(super) fn read(value: &[u8]) -> Result<WifiNetwork<'_>, ImageError> {
    let (len, rest) = value.split_first().ok_or(SSID)?;
    let (ssid, secret) = rest.split_at_checked(usize::from(*len)).ok_or(SSID)?;
    let ssid = core::str::from_utf8(ssid).map_err(|_| SSID)?;
    let secret = core::str::from_utf8(secret).map_err(|_| PASSWORD)?;
    let password = (!secret.is_empty()).then_some(secret);
    Ok(WifiNetwork::new(ssid, password)?)
}
