//! Private keys in types that cannot be printed by accident.

use std::fmt;

use rustls::pki_types::PrivateKeyDer;

/// A parsed private key (PKCS #8, PKCS #1 or SEC 1). `Debug` shows the encoding, never the key.
pub struct PrivateKey(PrivateKeyDer<'static>);

impl PrivateKey {
    pub(crate) const fn new(der: PrivateKeyDer<'static>) -> Self {
        Self(der)
    }

    /// The key as rustls takes it.
    #[must_use]
    pub fn to_der(&self) -> PrivateKeyDer<'static> {
        self.0.clone_key()
    }

    pub(crate) const fn der(&self) -> &PrivateKeyDer<'static> {
        &self.0
    }
}

impl Clone for PrivateKey {
    fn clone(&self) -> Self {
        Self(self.0.clone_key())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoding = match self.0 {
            PrivateKeyDer::Pkcs1(_) => "PKCS #1",
            PrivateKeyDer::Sec1(_) => "SEC 1",
            PrivateKeyDer::Pkcs8(_) => "PKCS #8",
            _ => "unknown encoding",
        };
        write!(formatter, "PrivateKey({encoding}, not shown)")
    }
}

/// The PEM text of a private key on its way into a kit. `Debug` does not show it.
#[derive(Clone)]
pub struct PrivateKeyPem(String);

impl PrivateKeyPem {
    /// Takes the text as it is to stand in `private.key`.
    #[must_use]
    pub const fn new(pem: String) -> Self {
        Self(pem)
    }

    /// The text, for a place that is as safe as a kit.
    #[must_use]
    pub fn secret_text(&self) -> &str {
        &self.0
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for PrivateKeyPem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PrivateKeyPem(not shown)")
    }
}
