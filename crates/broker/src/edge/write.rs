//! From pieces to the stream, as few writes as possible.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use crate::core::Pending;

/// The writing side of one connection.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pending: Pending,
    /// How many of its bytes are written.
    written: usize,
    flushed: bool,
}

impl Writer {
    /// Whether bytes are under way: not all written, or not all flushed. TLS and WebSocket take bytes into memory of their own
    /// and wait for the peer only when they are flushed.
    pub(super) const fn is_busy(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The next bytes. Only when [`poll`](Self::poll) was ready.
    pub(super) fn give(&mut self, pending: Pending) {
        self.pending = pending;
        self.written = 0;
        self.flushed = false;
    }

    /// Ready when everything is written and flushed. Waits for the stream; nothing is lost between calls.
    pub(super) fn poll<S: AsyncWrite>(
        &mut self,
        mut stream: Pin<&mut S>,
        context: &mut Context<'_>,
        count_bytes: impl Fn(usize),
    ) -> Poll<std::io::Result<()>> {
        if self.pending.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while self.written < self.pending.len() {
            let mut skip = self.written;
            let next = self
                .pending
                .pieces()
                .find_map(|piece| match piece.get(skip..) {
                    Some(rest) if !rest.is_empty() => Some(rest),
                    _ => {
                        skip = skip.saturating_sub(piece.len());
                        None
                    }
                });
            let Some(next) = next else { break };
            let count = ready!(stream.as_mut().poll_write(context, next))?;
            if count == 0 {
                return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
            }
            count_bytes(count);
            self.written = self.written.saturating_add(count);
        }
        if !self.flushed {
            ready!(stream.poll_flush(context))?;
            self.flushed = true;
        }
        // The memory goes back when there is nothing to say.
        self.pending = Pending::default();
        self.written = 0;
        Poll::Ready(Ok(()))
    }
}
