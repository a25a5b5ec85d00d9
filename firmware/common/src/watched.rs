//! A stream whose incoming bytes are looked at for TLS alerts.

use embedded_io_async::{ErrorType, Read, Write};
use thingwire_chip::{Alert, AlertWatch};

/// Passes everything on, and remembers the newest alert that went by unencrypted.
pub(crate) struct Watched<S> {
    stream: S,
    watch: AlertWatch,
}

impl<S> Watched<S> {
    pub(crate) const fn new(stream: S) -> Self {
        Self {
            stream,
            watch: AlertWatch::new(),
        }
    }

    pub(crate) const fn alert(&self) -> Option<Alert> {
        self.watch.newest()
    }

    pub(crate) const fn inner(&mut self) -> &mut S {
        &mut self.stream
    }
}

impl<S: ErrorType> ErrorType for Watched<S> {
    type Error = S::Error;
}

impl<S: Read> Read for Watched<S> {
    /// Waits for the stream; may be dropped whenever the stream's own read may be.
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, S::Error> {
        let count = self.stream.read(buf).await?;
        self.watch.look(buf.get(..count).unwrap_or_default());
        Ok(count)
    }
}

impl<S: Write> Write for Watched<S> {
    /// Waits for the stream; may be dropped whenever the stream's own write may be.
    async fn write(&mut self, buf: &[u8]) -> Result<usize, S::Error> {
        self.stream.write(buf).await
    }

    /// Waits for the stream; may be dropped whenever the stream's own flush may be.
    async fn flush(&mut self) -> Result<(), S::Error> {
        self.stream.flush().await
    }
}
