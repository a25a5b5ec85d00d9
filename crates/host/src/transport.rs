//! An open connection, with or without TLS, as the device library wants it.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// A connection to a server.
///
/// `read` may be dropped without losing a byte, as tokio's can.
#[derive(Debug)]
pub struct Transport(Stream);

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Other(Box<dyn Other>),
}

/// What a stream must be to carry MQTT.
trait Other: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug> Other for S {}

impl Transport {
    pub(crate) fn tcp(stream: TcpStream) -> Self {
        Self(Stream::Tcp(stream))
    }

    pub(crate) fn tls(stream: TlsStream<TcpStream>) -> Self {
        Self(Stream::Tls(Box::new(stream)))
    }

    /// Over any stream that keeps bytes in order; its `shutdown` says goodbye.
    pub fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug + 'static) -> Self {
        Self(Stream::Other(Box::new(stream)))
    }

    /// Says goodbye: a TLS close_notify, then the end of the TCP stream.
    pub async fn shutdown(mut self) {
        // Whether the other side still hears it makes no difference.
        let _ = match &mut self.0 {
            Stream::Tcp(stream) => stream.shutdown().await,
            Stream::Tls(stream) => stream.shutdown().await,
            Stream::Other(stream) => stream.shutdown().await,
        };
    }

    /// After a failed write: what the server had said before, if it said something. It may have sent an alert
    /// and closed, so that our next write failed before anybody read the alert.
    fn last_words(&mut self) -> Option<io::Error> {
        let Stream::Tls(stream) = &mut self.0 else {
            return None;
        };
        let mut bytes = [0; 64];
        let mut buf = ReadBuf::new(&mut bytes);
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(stream).poll_read(&mut cx, &mut buf) {
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::InvalidData => Some(error),
            _ => None,
        }
    }
}

/// Why reading or writing failed.
#[derive(Debug)]
pub struct TransportError(io::Error);

impl TransportError {
    /// What the operating system or rustls said.
    #[must_use]
    pub fn io(&self) -> &io::Error {
        &self.0
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl std::error::Error for TransportError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl embedded_io_async::Error for TransportError {
    fn kind(&self) -> ErrorKind {
        match self.0.kind() {
            io::ErrorKind::ConnectionReset => ErrorKind::ConnectionReset,
            io::ErrorKind::ConnectionAborted => ErrorKind::ConnectionAborted,
            io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => ErrorKind::BrokenPipe,
            io::ErrorKind::TimedOut => ErrorKind::TimedOut,
            io::ErrorKind::NotConnected => ErrorKind::NotConnected,
            io::ErrorKind::InvalidData => ErrorKind::InvalidData,
            _ => ErrorKind::Other,
        }
    }
}

impl ErrorType for Transport {
    type Error = TransportError;
}

impl Read for Transport {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, TransportError> {
        match &mut self.0 {
            Stream::Tcp(stream) => stream.read(buf).await,
            Stream::Tls(stream) => stream.read(buf).await,
            Stream::Other(stream) => stream.read(buf).await,
        }
        .map_err(TransportError)
    }
}

impl Write for Transport {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, TransportError> {
        let written = poll_fn(|cx| match &mut self.0 {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Other(stream) => Pin::new(stream).poll_write(cx, buf),
        })
        .await;
        written.map_err(|error| TransportError(self.last_words().unwrap_or(error)))
    }

    async fn flush(&mut self) -> Result<(), TransportError> {
        let flushed = match &mut self.0 {
            Stream::Tcp(stream) => stream.flush().await,
            Stream::Tls(stream) => stream.flush().await,
            Stream::Other(stream) => stream.flush().await,
        };
        flushed.map_err(|error| TransportError(self.last_words().unwrap_or(error)))
    }
}
