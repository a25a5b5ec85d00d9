//! The Wi-Fi networks that were set on the board itself, in the form in which they lie in its flash.
//!
//! Each is the length of its name and of its password in a byte each, then both. The newest comes first. What cannot be
//! read is left out: a board with damaged settings still has the networks of its kit.

use core::fmt;

use crate::WifiNetwork;

/// How many are kept; the oldest gives way.
pub const STORED_MAX: usize = 4;

/// Two lengths, the longest name and the longest password.
const ENTRY: usize = 2 + 32 + 64;

/// The most bytes they take.
pub const STORED_BYTES: usize = STORED_MAX * ENTRY;

/// Networks that were set on the board.
#[derive(Clone, Copy)]
pub struct StoredNetworks {
    bytes: [u8; STORED_BYTES],
    len: usize,
}

impl StoredNetworks {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: [0; STORED_BYTES],
            len: 0,
        }
    }

    /// Reads what [`bytes`](Self::bytes) gave.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        let mut stored = Self::new();
        for network in Entries(bytes).take(STORED_MAX) {
            stored.append(&network);
        }
        stored
    }

    /// What to keep in flash. It holds passwords.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// All of them, the newest first.
    pub fn iter(&self) -> impl Iterator<Item = WifiNetwork<'_>> {
        Entries(self.bytes())
    }

    /// Puts a network in front, instead of one of the same name.
    pub fn put(&mut self, network: &WifiNetwork<'_>) {
        let old = *self;
        *self = Self::new();
        self.append(network);
        let others = old.iter().filter(|other| other.ssid() != network.ssid());
        for other in others.take(STORED_MAX.saturating_sub(1)) {
            self.append(&other);
        }
    }

    /// Removes a network; false if there is none of this name.
    pub fn forget(&mut self, ssid: &str) -> bool {
        let old = *self;
        *self = Self::new();
        for other in old.iter().filter(|other| other.ssid() != ssid) {
            self.append(&other);
        }
        self.len != old.len
    }

    fn append(&mut self, network: &WifiNetwork<'_>) {
        let ssid = network.ssid().as_bytes();
        let secret = network.secret().text().unwrap_or_default().as_bytes();
        let (Ok(ssid_len), Ok(secret_len)) = (u8::try_from(ssid.len()), u8::try_from(secret.len()))
        else {
            return;
        };
        let lengths = [ssid_len, secret_len];
        let end = self
            .len
            .saturating_add(2)
            .saturating_add(ssid.len())
            .saturating_add(secret.len());
        let Some(place) = self.bytes.get_mut(self.len..end) else {
            return;
        };
        let parts = [lengths.as_slice(), ssid, secret];
        for (place, byte) in place.iter_mut().zip(parts.into_iter().flatten()) {
            *place = *byte;
        }
        self.len = end;
    }
}

impl Default for StoredNetworks {
    fn default() -> Self {
        Self::new()
    }
}

/// Names, and no passwords.
impl fmt::Debug for StoredNetworks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Reads entry by entry, and stops where it cannot be read any more.
struct Entries<'a>(&'a [u8]);

impl<'a> Iterator for Entries<'a> {
    type Item = WifiNetwork<'a>;

    fn next(&mut self) -> Option<WifiNetwork<'a>> {
        let ([ssid, secret], rest) = self.0.split_first_chunk()?;
        let (ssid, rest) = rest.split_at_checked(usize::from(*ssid))?;
        let (secret, rest) = rest.split_at_checked(usize::from(*secret))?;
        self.0 = rest;
        let ssid = core::str::from_utf8(ssid).ok()?;
        let secret = core::str::from_utf8(secret).ok()?;
        let password = (!secret.is_empty()).then_some(secret);
        WifiNetwork::new(ssid, password).ok()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::format;
    use std::string::{String, ToString as _};
    use std::vec::Vec;

    use super::*;

    fn network<'a>(ssid: &'a str, password: &'a str) -> WifiNetwork<'a> {
        WifiNetwork::new(ssid, (!password.is_empty()).then_some(password)).unwrap()
    }

    fn names(stored: &StoredNetworks) -> Vec<String> {
        stored
            .iter()
            .map(|network| network.ssid().to_string())
            .collect()
    }

    #[test]
    fn the_newest_comes_first_and_the_oldest_gives_way() {
        let mut stored = StoredNetworks::new();
        for ssid in ["a", "b", "c", "d", "e"] {
            stored.put(&network(ssid, "password"));
        }
        assert_eq!(names(&stored), ["e", "d", "c", "b"]);
        stored.put(&network("c", "another one"));
        assert_eq!(names(&stored), ["c", "e", "d", "b"]);
        let first = stored.iter().next().map(|network| network.secret());
        assert_eq!(first.and_then(|secret| secret.text()), Some("another one"));
        assert!(stored.forget("d"));
        assert!(!stored.forget("d"));
        assert_eq!(names(&stored), ["c", "e", "b"]);
    }

    #[test]
    fn what_was_kept_is_read_again() {
        let mut stored = StoredNetworks::new();
        stored.put(&network(&"n".repeat(32), &"0f".repeat(32)));
        stored.put(&network("open", ""));
        for ssid in ["x", "y"] {
            stored.put(&network(ssid, &"p".repeat(63)));
        }
        let again = StoredNetworks::read(stored.bytes());
        assert!(again.iter().eq(stored.iter()));
        assert_eq!(again.iter().count(), 4);
    }

    #[test]
    fn damage_loses_networks_and_nothing_else() {
        let mut stored = StoredNetworks::new();
        stored.put(&network("home", "password"));
        stored.put(&network("cafe", ""));
        for cut in 0..stored.bytes().len() {
            assert!(StoredNetworks::read(&stored.bytes()[..cut]).iter().count() < 2);
        }
        for at in 0..stored.bytes().len() {
            for bit in 0..8 {
                let mut bytes = stored.bytes().to_vec();
                bytes[at] ^= 1 << bit;
                assert!(StoredNetworks::read(&bytes).iter().count() <= STORED_MAX);
            }
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        let mut stored = StoredNetworks::new();
        stored.put(&network("home", "password"));
        let shown = format!("{stored:?}");
        assert!(
            shown.contains("home") && !shown.contains("\"password\""),
            "{shown}"
        );
    }
}
