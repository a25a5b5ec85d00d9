//! One open connection: writing all of something or giving up, within a time.

use core::pin::pin;

use embedded_io_async::Write;
use thingwire_mqtt::client::FrameReader;

use super::Retry;
use super::end::End;
use crate::client::Aliases;
use crate::future::{Either, race};
use crate::{Connector, Platform};

/// One open connection.
pub(super) struct Connection<'c, 't, 'b, C: Connector + 't, P: Platform> {
    pub(super) transport: &'c mut C::Transport<'t>,
    pub(super) reader: FrameReader<'c>,
    pub(super) write: &'c mut [u8],
    #[cfg_attr(not(feature = "v5"), expect(dead_code))]
    pub(super) aliases: &'c mut Aliases<'b>,
    pub(super) platform: &'c P,
    pub(super) retry: &'c mut Retry,
}

/// The connection has ended; [`Retry::end`] says why, and nothing there means that it was just closed.
/// The reason is long and therefore kept in one place, not in every future that passes it on.
pub(super) struct Ended;

impl<C: Connector, P: Platform> Connection<'_, '_, '_, C, P> {
    /// Writes the first `count` bytes of the write buffer, all of them or never another one.
    pub(super) async fn write(&mut self, count: usize, limit: u64) -> Result<(), Ended> {
        let deadline = self.platform.now().after(limit);
        let mut at = 0_usize;
        while let Some(rest) = self.write.get(at..count).filter(|rest| !rest.is_empty()) {
            let first = {
                let write = pin!(self.transport.write(rest));
                let limit = pin!(self.platform.sleep_until(deadline));
                race(write, limit).await
            };
            self.retry.end = match first {
                Either::First(Ok(0)) => None,
                Either::First(Ok(written)) => {
                    at = at.saturating_add(written);
                    continue;
                }
                Either::First(Err(error)) => Some(End::failure(&C::explain(&error), self.write)),
                Either::Second(()) => Some(End::WriteTimeout),
            };
            return Err(Ended);
        }
        Ok(())
    }

    /// Makes sure that what was written has left.
    pub(super) async fn flush(&mut self, limit: u64) -> Result<(), Ended> {
        let deadline = self.platform.now().after(limit);
        let first = {
            let flush = pin!(self.transport.flush());
            let limit = pin!(self.platform.sleep_until(deadline));
            race(flush, limit).await
        };
        self.retry.end = match first {
            Either::First(Ok(())) => return Ok(()),
            Either::First(Err(error)) => Some(End::failure(&C::explain(&error), self.write)),
            Either::Second(()) => Some(End::WriteTimeout),
        };
        Err(Ended)
    }
}
