//! A kit's certificates and key as PEM again, with nothing but the sections in it: for places where bytes are dear.

use rustls::pki_types::PrivateKeyDer;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::{Kit, PrivateKeyPem};

/// NIST P-256 (RFC 5480, section 2.1.1.1).
const P256: &str = "1.2.840.10045.3.1.7";
/// NIST P-384.
const P384: &str = "1.3.132.0.34";

/// What kind of key a kit's device has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// An elliptic-curve key on NIST P-256.
    P256,
    /// On NIST P-384.
    P384,
    /// An RSA key of so many bits.
    Rsa(usize),
    /// Anything else.
    Other,
}

impl std::fmt::Display for KeyKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::P256 => f.write_str("P-256"),
            Self::P384 => f.write_str("P-384"),
            Self::Rsa(bits) => write!(f, "RSA {bits}"),
            Self::Other => f.write_str("of another kind"),
        }
    }
}

impl Kit {
    /// The roots as PEM.
    #[must_use]
    pub fn roots_pem(&self) -> String {
        self.roots
            .iter()
            .map(|root| section("CERTIFICATE", root))
            .collect()
    }

    /// The device's certificate and its chain as PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        let chain = self.certificate.iter();
        chain.map(|one| section("CERTIFICATE", one)).collect()
    }

    /// The device's private key as PEM.
    #[must_use]
    pub fn private_key_pem(&self) -> PrivateKeyPem {
        let key = self.private_key.der();
        let label = match key {
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            _ => "PRIVATE KEY",
        };
        PrivateKeyPem::new(section(label, key.secret_der()))
    }

    /// The kind of the device's key, as its certificate says.
    #[must_use]
    pub fn key_kind(&self) -> KeyKind {
        let leaf = self.certificate.first();
        let Some(Ok((_, leaf))) = leaf.map(|leaf| X509Certificate::from_der(leaf)) else {
            return KeyKind::Other;
        };
        let key = leaf.public_key();
        let curve = key.algorithm.parameters.as_ref();
        match key.parsed() {
            Ok(PublicKey::RSA(rsa)) => KeyKind::Rsa(rsa.key_size()),
            Ok(PublicKey::EC(_)) => match curve.and_then(|curve| curve.as_oid().ok()) {
                Some(oid) if oid.to_id_string() == P256 => KeyKind::P256,
                Some(oid) if oid.to_id_string() == P384 => KeyKind::P384,
                _ => KeyKind::Other,
            },
            _ => KeyKind::Other,
        }
    }
}

/// RFC 7468: lines of 64 letters.
fn section(label: &str, der: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |bits: u32| {
        let index = usize::try_from(bits & 63).unwrap_or_default();
        ALPHABET
            .get(index)
            .map_or('A', |letter| char::from(*letter))
    };
    let mut text = format!("-----BEGIN {label}-----\n");
    // 48 bytes are 64 letters.
    for line in der.chunks(48) {
        for three in line.chunks(3) {
            let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or_default());
            let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
            text.push(letter(bits >> 18));
            text.push(letter(bits >> 12));
            text.push(if three.len() > 1 {
                letter(bits >> 6)
            } else {
                '='
            });
            text.push(if three.len() > 2 { letter(bits) } else { '=' });
        }
        text.push('\n');
    }
    text + "-----END " + label + "-----\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pem;

    /// Beside rustls' reader, for every length around a line and a group of three.
    #[test]
    fn what_is_written_is_read_back() {
        for len in 1..200_u8 {
            let der: Vec<u8> = (0..len).map(|at| at.wrapping_mul(167)).collect();
            let text = section("CERTIFICATE", &der);
            assert!(text.lines().all(|line| line.len() <= 64));
            let sections = pem::sections(text.as_bytes()).unwrap();
            assert_eq!(sections.len(), 1);
            assert_eq!(sections[0].der, der);
        }
    }
}
