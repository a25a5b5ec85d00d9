//! Which TLS alert the other side sent, read off the wire.
//!
//! Mbed TLS says only "a fatal alert". While nothing is encrypted yet, that is in the handshake of TLS 1.2 and up to
//! ServerHello in TLS 1.3, the alert itself can be seen going by (RFC 8446, 5.1 and 6).

/// Records of this type hold alerts.
const ALERT: u8 = 21;

/// Type, legacy version, length.
const HEADER: usize = 5;

/// A TLS alert by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert(pub u8);

impl Alert {
    /// Its name in RFC 8446, section 6, and its forerunners; `unknown` for a number that has none.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            0 => "close_notify",
            10 => "unexpected_message",
            20 => "bad_record_mac",
            22 => "record_overflow",
            40 => "handshake_failure",
            42 => "bad_certificate",
            43 => "unsupported_certificate",
            44 => "certificate_revoked",
            45 => "certificate_expired",
            46 => "certificate_unknown",
            47 => "illegal_parameter",
            48 => "unknown_ca",
            49 => "access_denied",
            50 => "decode_error",
            51 => "decrypt_error",
            70 => "protocol_version",
            71 => "insufficient_security",
            80 => "internal_error",
            86 => "inappropriate_fallback",
            90 => "user_canceled",
            109 => "missing_extension",
            110 => "unsupported_extension",
            112 => "unrecognized_name",
            113 => "bad_certificate_status_response",
            115 => "unknown_psk_identity",
            116 => "certificate_required",
            120 => "no_application_protocol",
            _ => "unknown",
        }
    }

    /// Whether the other side does not like our certificate (`A-28`, `A-30`).
    #[must_use]
    pub const fn is_about_our_certificate(self) -> bool {
        matches!(self.0, 42..=46 | 48 | 49 | 116)
    }
}

/// Follows the records of one connection and remembers the newest alert that was not encrypted.
#[derive(Clone, Debug, Default)]
pub struct AlertWatch {
    header: [u8; HEADER],
    /// How many bytes of the header are there.
    have: usize,
    /// Bytes of the record that are still to come.
    rest: usize,
    /// Of an alert of two bytes: the level has passed.
    level_seen: bool,
    newest: Option<Alert>,
}

impl AlertWatch {
    /// A connection that has not begun.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            header: [0; HEADER],
            have: 0,
            rest: 0,
            level_seen: false,
            newest: None,
        }
    }

    /// The newest alert that could be read.
    #[must_use]
    pub const fn newest(&self) -> Option<Alert> {
        self.newest
    }

    /// Looks at bytes that were received, in their order, in pieces of any size.
    pub fn look(&mut self, mut bytes: &[u8]) {
        while let Some((first, after)) = bytes.split_first() {
            if self.rest == 0 {
                bytes = after;
                self.header_byte(*first);
                continue;
            }
            if self.is_readable_alert() {
                bytes = after;
                self.rest = self.rest.saturating_sub(1);
                if self.level_seen {
                    self.newest = Some(Alert(*first));
                }
                self.level_seen = !self.level_seen;
                continue;
            }
            let skip = self.rest.min(bytes.len());
            self.rest = self.rest.saturating_sub(skip);
            bytes = bytes.get(skip..).unwrap_or_default();
        }
    }

    /// An encrypted alert is longer than two bytes.
    fn is_readable_alert(&self) -> bool {
        let [kind, _, _, high, low] = self.header;
        kind == ALERT && [high, low] == [0, 2]
    }

    fn header_byte(&mut self, byte: u8) {
        if let Some(place) = self.header.get_mut(self.have) {
            *place = byte;
        }
        self.have = self.have.saturating_add(1);
        if self.have == HEADER {
            let [_, _, _, high, low] = self.header;
            self.rest = usize::from(u16::from_be_bytes([high, low]));
            self.have = 0;
            self.level_seen = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER_HELLO: &[u8] = &[22, 3, 3, 0, 4, 2, 21, 3, 3];
    const ENCRYPTED: &[u8] = &[23, 3, 3, 0, 7, 21, 3, 3, 0, 2, 2, 48];
    const ENCRYPTED_ALERT: &[u8] = &[21, 3, 3, 0, 4, 1, 2, 3, 4];
    const CERTIFICATE_UNKNOWN: &[u8] = &[21, 3, 3, 0, 2, 2, 46];
    const EMPTY: &[u8] = &[22, 3, 3, 0, 0];

    #[test]
    fn an_alert_is_seen_wherever_the_bytes_are_cut() {
        let mut wire = [0; 64];
        let mut len = 0;
        for part in [SERVER_HELLO, EMPTY, ENCRYPTED, ENCRYPTED_ALERT] {
            wire[len..len + part.len()].copy_from_slice(part);
            len += part.len();
        }
        let quiet = len;
        wire[len..len + CERTIFICATE_UNKNOWN.len()].copy_from_slice(CERTIFICATE_UNKNOWN);
        len += CERTIFICATE_UNKNOWN.len();

        for piece in 1..=len {
            let mut watch = AlertWatch::new();
            for bytes in wire[..quiet].chunks(piece) {
                watch.look(bytes);
            }
            assert_eq!(watch.newest(), None, "nothing before could be read");
            for bytes in wire[quiet..len].chunks(piece) {
                watch.look(bytes);
            }
            assert_eq!(watch.newest(), Some(Alert(46)));
        }
    }

    #[test]
    fn what_a_refused_certificate_looks_like_a_30() {
        assert_eq!(Alert(46).name(), "certificate_unknown");
        for about_ours in [42, 43, 44, 45, 46, 48, 49, 116] {
            assert!(Alert(about_ours).is_about_our_certificate());
        }
        for other in [0, 10, 40, 47, 70, 112, 120] {
            assert!(!Alert(other).is_about_our_certificate());
        }
    }
}
