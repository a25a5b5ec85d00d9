//! A transport without a network for the peers, whose libraries own theirs: the same bytes come again and again, and what is written is counted.

use core::cell::Cell;
use core::convert::Infallible;

use embedded_io_async::{ErrorType, Read, Write};

/// Gives CONNACK, then the same PUBLISH for ever.
#[derive(Debug)]
pub struct Memory<'a> {
    connack: &'static [u8],
    publish: &'a Cell<&'a [u8]>,
    at: usize,
    written: &'a Cell<usize>,
}

impl<'a> Memory<'a> {
    /// `written` counts what is written; `publish` may be exchanged for one of the same bytes that lies elsewhere.
    pub fn new(connack: &'static [u8], publish: &'a Cell<&'a [u8]>, written: &'a Cell<usize>) -> Self {
        Self { connack, publish, at: 0, written }
    }
}

impl ErrorType for Memory<'_> {
    type Error = Infallible;
}

impl Read for Memory<'_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        let publish = self.publish.get();
        let from = if self.connack.is_empty() { &publish[self.at..] } else { self.connack };
        let count = from.len().min(buf.len());
        buf[..count].copy_from_slice(&from[..count]);
        if self.connack.is_empty() {
            self.at = (self.at + count) % publish.len();
        } else {
            self.connack = &self.connack[count..];
        }
        Ok(count)
    }
}

impl Write for Memory<'_> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        self.written.set(self.written.get() + buf.len());
        Ok(buf.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
