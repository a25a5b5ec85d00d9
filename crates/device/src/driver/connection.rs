//! One open connection: writing all of something or giving up, within a time.

use core::pin::pin;

use embedded_io_async::Write;
use thingwire_mqtt::client::FrameReader;

use super::Retry;
use crate::future::{Either, select};
use crate::{Connector, Platform, Why};

/// One open connection.
pub(super) struct Connection<'c, 't, C: Connector + 't, P: Platform> {
    pub(super) transport: &'c mut C::Transport<'t>,
    pub(super) reader: FrameReader<'c>,
    pub(super) write: &'c mut [u8],
    pub(super) platform: &'c P,
    pub(super) retry: &'c mut Retry,
}

/// The connection has ended; [`Retry::why`] says why, and nothing there means that it was just closed.
/// The reason is long and therefore kept in one place, not in every future that passes it on.
pub(super) struct Ended;

impl<C: Connector, P: Platform> Connection<'_, '_, C, P> {
    /// Writes the first `count` bytes of the write buffer, all of them or never another one.
    pub(super) async fn write(&mut self, count: usize, limit: u64) -> Result<(), Ended> {
        let deadline = self.platform.now().after(limit);
        let mut rest = self.write.get(..count).unwrap_or_default();
        while !rest.is_empty() {
            let write = self.transport.write(rest);
            let limit = self.platform.sleep_until(deadline);
            self.retry.why = match select(pin!(write), pin!(limit)).await {
                Either::First(Ok(0)) => None,
                Either::First(Ok(written)) => {
                    rest = rest.get(written..).unwrap_or_default();
                    continue;
                }
                Either::First(Err(error)) => Some(Why::Failure(C::explain(&error))),
                Either::Second(()) => Some(Why::WriteTimeout),
            };
            return Err(Ended);
        }
        Ok(())
    }

    /// Makes sure that what was written has left.
    pub(super) async fn flush(&mut self, limit: u64) -> Result<(), Ended> {
        let deadline = self.platform.now().after(limit);
        let flush = self.transport.flush();
        let limit = self.platform.sleep_until(deadline);
        self.retry.why = match select(pin!(flush), pin!(limit)).await {
            Either::First(Ok(())) => return Ok(()),
            Either::First(Err(error)) => Some(Why::Failure(C::explain(&error))),
            Either::Second(()) => Some(Why::WriteTimeout),
        };
        Err(Ended)
    }
}
