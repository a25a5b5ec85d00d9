//! The tokio edge: bytes between one stream and the core.
//!
//! One task serves one connection. It reads what there is, decodes it on its own thread, and gives the core all
//! packets of a read at once; it writes all that waits in its outbox at once. An idle connection owns no
//! buffer of ours: reading borrows one that the thread has, and only an unfinished packet is kept.

mod read;
mod write;

#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;

use crate::core::{ConnectionKey, Outbox, Task};
use crate::{Broker, DisconnectReason, Peer, Rules};
use read::Reader;
use write::Writer;

/// How long a closed connection is still read from. Bytes that nobody reads make the kernel reset the connection, and a reset
/// takes the DISCONNECT, which says why, out of the peer's hands.
const LINGER: Duration = Duration::from_millis(250);

/// Reads to the end. Waits for the peer; if it is dropped, what it sends is lost, which is all the same.
async fn discard<S: AsyncRead + Unpin>(stream: &mut S) {
    let mut bytes = [0; 1024];
    while matches!(stream.read(&mut bytes).await, Ok(1..)) {}
}

/// Serves one connection until it ends, for whatever reason; all reasons go to the [`crate::Observer`].
///
/// Waits for the stream and for the broker. If the future is dropped, the connection counts as lost.
pub fn serve<S>(broker: &Broker, stream: S, peer: Peer) -> impl Future<Output = ()> + Send
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    // Not an async function: its future would keep room for a second stream.
    serve_until(broker, stream, peer, None)
}

/// The end of a connection that is set when it begins.
#[derive(Clone, Copy, Debug)]
pub struct TimeLimit {
    /// This long after the call of [`serve_until`].
    pub after: Duration,
    /// What the [`crate::Observer`] is told, and with MQTT 5 the client.
    pub reason: DisconnectReason,
    /// The same in words, for the log.
    pub detail: &'static str,
}

/// The same as [`serve`], but a connection that has a limit is disconnected then.
pub async fn serve_until<S>(broker: &Broker, stream: S, peer: Peer, limit: Option<TimeLimit>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let begun = Instant::now();
    let (key, outbox) = broker.open(peer);
    let mut link = Link {
        stream,
        reader: Reader::new(Rules::of(broker.config().behaviour).packet_len),
        writer: Writer::default(),
        open: Open {
            broker,
            key,
            lost: "the task was dropped",
        },
        outbox,
        ended: false,
    };
    let connect_timeout = broker.config().connect_timeout;
    // Until CONNECT is complete. Nothing has been said by then, so nothing is lost by dropping the future.
    let connecting =
        tokio::time::timeout(connect_timeout, poll_fn(|context| link.poll(context, true)));
    if connecting.await.is_err() {
        link.open.lost = "no CONNECT in time";
        return;
    }
    if !link.ended {
        let connected = poll_fn(|context| link.poll(context, false));
        let over = match limit {
            // A time that no clock will show is no limit.
            Some(limit) => match begun.checked_add(limit.after) {
                Some(end) => tokio::time::timeout_at(end, connected).await.is_err(),
                None => {
                    connected.await;
                    false
                }
            },
            None => {
                connected.await;
                false
            }
        };
        if let (true, Some(limit)) = (over, limit) {
            broker.disconnect(key, limit.reason, limit.detail);
            poll_fn(|context| link.poll(context, false)).await;
        }
    }
    let close = async {
        if poll_fn(|context| link.poll_rest(context)).await.is_ok() {
            // The peer may be gone already; there is nobody to tell.
            let _ = link.stream.shutdown().await;
            let _ = tokio::time::timeout(LINGER, Box::pin(discard(&mut link.stream))).await;
        }
    };
    // Whether the last bytes arrive or not, the connection is over.
    let _ = tokio::time::timeout(broker.config().close_timeout, close).await;
}

/// Tells the core when the connection is over, however the task ends.
struct Open<'a> {
    broker: &'a Broker,
    key: ConnectionKey,
    lost: &'static str,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.broker.lost(self.key, self.lost);
    }
}

struct Link<'a, S> {
    stream: S,
    reader: Reader,
    writer: Writer,
    open: Open<'a>,
    outbox: Arc<Outbox>,
    /// Nothing more is to be read.
    ended: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<'_, S> {
    /// Moves bytes both ways until the connection ends or, with `until_connect`, until it is past its first packet.
    fn poll(&mut self, context: &mut Context<'_>, until_connect: bool) -> Poll<()> {
        loop {
            let could_read = self.may_read();
            let reading = self.poll_read(context);
            let writing = self.poll_write(context);
            if self.ended || (until_connect && self.reader.is_past_connect()) {
                return Poll::Ready(());
            }
            // Writing may have made room for reading, which then was not asked yet.
            let may_read_now = !could_read && self.may_read();
            if reading.is_pending() && writing.is_pending() && !may_read_now {
                return Poll::Pending;
            }
        }
    }

    /// A peer that does not read its answers is not read from for ever, and so cannot pile them up; nor is one whose
    /// publishes wait for the disk (`B-47`).
    fn may_read(&self) -> bool {
        let has_room = !self.writer.is_busy()
            || self.outbox.waiting() < self.open.broker.config().memory.outbox_bytes;
        has_room && !self.outbox.paused()
    }

    /// `Ready` when something was read and should be looked at again.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.ended || !self.may_read() {
            return Poll::Pending;
        }
        let Open { broker, key, .. } = self.open;
        let read = self
            .reader
            .poll(Pin::new(&mut self.stream), context, |packets, error| {
                broker.receive(key, packets, error);
            });
        match read {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(0)) => self.end("the peer closed the stream"),
            Poll::Ready(Ok(bytes)) => {
                self.open.broker.traffic().read(bytes);
                Poll::Ready(())
            }
            Poll::Ready(Err(_)) => self.end("reading failed"),
        }
    }

    /// `Ready` when something was written and there may be more.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.ended {
            return Poll::Pending;
        }
        loop {
            match self.write(context) {
                Poll::Pending => {
                    // A peer that takes nothing must not keep a connection that the core has ended.
                    self.ended = self.outbox.poll_closing(context).is_ready();
                    return if self.ended {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    };
                }
                Poll::Ready(Err(_)) => return self.end("writing failed"),
                Poll::Ready(Ok(())) => {}
            }
            match self.outbox.poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Task::Write(pending)) => self.writer.give(pending),
                Poll::Ready(Task::TellDrained) => self.open.broker.drained(self.open.key),
                Poll::Ready(Task::Close) => {
                    self.ended = true;
                    return Poll::Ready(());
                }
            }
        }
    }

    fn write(&mut self, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let traffic = self.open.broker.traffic();
        self.writer
            .poll(Pin::new(&mut self.stream), context, |bytes| {
                traffic.written(bytes);
            })
    }

    /// Writes what is left after the end; an error only means that nobody listens.
    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        loop {
            std::task::ready!(self.write(context))?;
            match self.outbox.poll_next(context) {
                Poll::Ready(Task::Write(pending)) => self.writer.give(pending),
                _ => return Poll::Ready(Ok(())),
            }
        }
    }

    fn end(&mut self, why: &'static str) -> Poll<()> {
        self.ended = true;
        self.open.lost = why;
        // Now rather than when the stream is shut down: the Will and the client id do not wait for that.
        self.open.broker.lost(self.open.key, why);
        Poll::Ready(())
    }
}
