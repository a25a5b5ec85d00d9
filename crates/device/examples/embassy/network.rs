//! A TCP stream for embassy on a computer. On a board this is embassy-net with TLS, as in `firmware/`.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use embassy_time::Timer;
use embedded_io_async::{ErrorType, Read, Write};
use thingwire_device::{Connector, Failure, FailureKind};

/// A TCP stream that embassy asks every few milliseconds; embassy-net wakes its tasks instead.
pub(crate) struct Network(pub(crate) String);
pub(crate) struct Stream(TcpStream);

impl Connector for Network {
    type Error = std::io::Error;
    type Transport<'a> = Stream;

    async fn connect(&mut self) -> Result<Stream, Failure> {
        let open = || {
            let stream = TcpStream::connect(&self.0)?;
            stream.set_nonblocking(true)?;
            Ok(Stream(stream))
        };
        open().map_err(|error: std::io::Error| {
            Failure::with(FailureKind::Tcp, format_args!("{error}"))
        })
    }
}

impl Stream {
    async fn until_ready(
        &mut self,
        mut attempt: impl FnMut(&mut TcpStream) -> std::io::Result<usize>,
    ) -> std::io::Result<usize> {
        loop {
            match attempt(&mut self.0) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => Timer::after_millis(5).await,
                done => return done,
            }
        }
    }
}

impl ErrorType for Stream {
    type Error = std::io::Error;
}

impl Read for Stream {
    async fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.until_ready(|stream| stream.read(buf)).await
    }
}

impl Write for Stream {
    async fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.until_ready(|stream| stream.write(buf)).await
    }

    async fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
