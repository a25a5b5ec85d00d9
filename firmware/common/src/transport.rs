//! An open TLS connection, as the device library wants it.

use core::fmt;

use embassy_net::tcp::TcpSocket;
use embassy_time::{Duration, with_timeout};
use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use mbedtls_rs::{Session, SessionError};
use thingwire_device::future::{Either, select};

use crate::watched::Watched;

/// How long the last bytes of a connection may take to leave.
const GOODBYE: Duration = Duration::from_secs(1);

/// A connection to a server that has proved who it is.
///
/// `read` may be dropped without losing a byte: what Mbed TLS has taken from the socket stays in its session. The
/// session is never split into halves, because a split one panics when a record is damaged.
pub struct Transport<'a> {
    session: Session<'a, Watched<TcpSocket<'a>>>,
    /// The server has sent application data.
    answered: bool,
}

impl<'a> Transport<'a> {
    /// Takes a session whose handshake is done.
    pub(crate) fn new(session: Session<'a, Watched<TcpSocket<'a>>>) -> Self {
        Self {
            session,
            answered: false,
        }
    }

    /// Says goodbye: a TLS close_notify, then the end of the TCP stream.
    ///
    /// Waits for the network; dropping it leaves out what was not said yet.
    pub(crate) async fn shutdown(mut self) {
        // Whether the other side still hears it makes no difference.
        let _ = with_timeout(GOODBYE, self.session.close()).await;
        hang_up(&mut self.session).await;
    }

    fn error(&self, error: SessionError) -> TransportError {
        TransportError {
            error,
            answered: self.answered,
        }
    }

    /// After a failed write: what the server had said before, if it said something. It may have sent an alert and
    /// closed, so that our next write failed before anybody read the alert.
    async fn last_words(&mut self, error: SessionError) -> TransportError {
        let mut byte = [0];
        let error = match select(self.session.read(&mut byte), core::future::ready(())).await {
            Either::First(Err(said @ SessionError::MbedTls(_))) => said,
            _ => error,
        };
        self.error(error)
    }
}

/// Closes the socket below a session and lets what was written leave first, such as an alert.
///
/// Waits for the network, a second at most; dropping it leaves out what was not sent yet.
pub(crate) async fn hang_up(session: &mut Session<'_, Watched<TcpSocket<'_>>>) {
    let socket = session.stream().inner();
    socket.close();
    let _ = with_timeout(GOODBYE, socket.flush()).await;
}

impl fmt::Debug for Transport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

/// Why reading or writing failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransportError {
    pub(crate) error: SessionError,
    /// Whether the server had sent application data before.
    pub(crate) answered: bool,
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl core::error::Error for TransportError {}

impl embedded_io_async::Error for TransportError {
    fn kind(&self) -> ErrorKind {
        embedded_io_async::Error::kind(&self.error)
    }
}

impl ErrorType for Transport<'_> {
    type Error = TransportError;
}

impl Read for Transport<'_> {
    /// Waits for the server. May be dropped: no byte is lost.
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, TransportError> {
        match self.session.read(buf).await {
            Ok(count) => {
                self.answered |= count > 0;
                Ok(count)
            }
            Err(error) => Err(self.error(error)),
        }
    }
}

impl Write for Transport<'_> {
    /// Waits for room in the socket. When it is dropped, a record may have left half; the connection must be given up
    /// or the next write finishes that record first.
    async fn write(&mut self, buf: &[u8]) -> Result<usize, TransportError> {
        match self.session.write(buf).await {
            Ok(count) => Ok(count),
            Err(error) => Err(self.last_words(error).await),
        }
    }

    /// Waits until everything was acknowledged by the other side's TCP. May be dropped and called again.
    async fn flush(&mut self) -> Result<(), TransportError> {
        match self.session.flush().await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.last_words(error).await),
        }
    }
}
