//! How a connection is opened, and in plain words why it could not be.

use core::fmt;
use embedded_io_async::{Error, ErrorKind, Read, Write};

/// Opens connections: name, TCP, TLS, whatever lies below MQTT.
#[allow(
    async_fn_in_trait,
    reason = "one executor polls everything; nothing needs `Send`"
)]
pub trait Connector {
    /// What reading and writing can fail with.
    type Error: Error;

    /// An open connection.
    ///
    /// Its `read` must be safe to drop: no byte is lost when the future is dropped before it is ready.
    /// Its `write` and `flush` are never dropped half-way, except when the connection is given up.
    type Transport<'a>: Read<Error = Self::Error> + Write<Error = Self::Error>
    where
        Self: 'a;

    /// Opens a connection, TLS handshake included.
    ///
    /// It is dropped when it takes longer than [`Config::connect_limit`](crate::Config); the next
    /// call must then start from nothing.
    ///
    /// # Errors
    /// [`Failure`] says at which step it failed. The library tries again, whatever it was.
    async fn connect(&mut self) -> Result<Self::Transport<'_>, Failure>;

    /// Says in plain words what an error of an open connection means. With TLS 1.3 a server tells of a
    /// refused device certificate only here, at the first read (`A-30`).
    fn explain(error: &Self::Error) -> Failure {
        Failure::new(FailureKind::Connection, kind_in_words(error.kind()))
    }

    /// Closes a connection that MQTT has already ended, for example with a TLS close_notify.
    /// Errors are of no interest any more. Dropped when it takes longer than a second.
    async fn close(transport: Self::Transport<'_>) {
        drop(transport);
    }
}

/// At which step a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Configuration: key, certificate or roots cannot be used. Correct the kit.
    Configuration,
    /// Transport: no network, such as Wi-Fi that is not up.
    Network,
    /// Transport: the endpoint's name does not resolve.
    Dns,
    /// Transport: nobody accepts connections there.
    Tcp,
    /// Peer: we do not trust the server: wrong root, wrong name, expired.
    ServerCertificate,
    /// Peer: the server does not take our certificate (`A-28`): not registered, not ACTIVE, or expired.
    ClientCertificate,
    /// Peer: TLS failed otherwise.
    Tls,
    /// Transport: an open connection broke.
    Connection,
}

/// Why a connection could not be opened or broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The step.
    pub kind: FailureKind,
    /// What is known besides, as one line; cut at its capacity.
    pub detail: heapless::String<DETAIL_BYTES>,
}

/// Room for the detail of a [`Failure`]: a line on a serial console.
const DETAIL_BYTES: usize = 96;

impl Failure {
    /// A failure at this step with a one-line detail, which may be empty.
    #[must_use]
    pub fn new(kind: FailureKind, detail: &str) -> Self {
        Self::with(kind, format_args!("{detail}"))
    }

    /// As [`new`](Self::new), with a detail that is still to be formatted.
    #[must_use]
    pub fn with(kind: FailureKind, detail: fmt::Arguments<'_>) -> Self {
        let mut text = Cut(heapless::String::new());
        // Cannot fail: `Cut` drops what does not fit.
        let _ = fmt::Write::write_fmt(&mut text, detail);
        Self {
            kind,
            detail: text.0,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            FailureKind::Configuration => "the connection kit cannot be used",
            FailureKind::Network => "no network",
            FailureKind::Dns => "the endpoint's name does not resolve",
            FailureKind::Tcp => "nobody answers at the endpoint",
            FailureKind::ServerCertificate => "the server's certificate is not trusted",
            FailureKind::ClientCertificate => {
                "the server refused this device's certificate: is it registered and ACTIVE?"
            }
            FailureKind::Tls => "TLS failed",
            FailureKind::Connection => "the connection broke",
        })?;
        if self.detail.is_empty() {
            Ok(())
        } else {
            write!(f, " ({})", self.detail)
        }
    }
}

impl core::error::Error for Failure {}

/// Writes as much as fits and drops the rest.
struct Cut(heapless::String<DETAIL_BYTES>);

impl fmt::Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if self.0.push(character).is_err() {
                break;
            }
        }
        Ok(())
    }
}

fn kind_in_words(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ConnectionReset => "reset by the other side",
        ErrorKind::ConnectionAborted => "aborted",
        ErrorKind::BrokenPipe => "closed by the other side",
        ErrorKind::TimedOut => "timed out",
        ErrorKind::NotConnected => "not connected",
        _ => "",
    }
}
