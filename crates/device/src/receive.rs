//! How messages reach the application: one by one, or each to the handler of its topic.
//!
//! A message with QoS 1 is acknowledged when the application is done with it, not before: when it asks
//! for the next one, or when its handler has returned.

use core::fmt;

use crate::client::State;
use crate::router::{Route, Router};
use crate::{Client, ReasonCode, Received};

/// The next message could not be handed over. It is not lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InboxError {
    /// Lend `next` a buffer of at least this many bytes; the message waits.
    BufferTooSmall {
        /// Bytes of topic, payload and properties together.
        needed: usize,
    },
    /// The client was given no inbox: messages go to the event callback.
    NoInbox,
    /// The client was stopped and everything that had arrived was handed over.
    Stopped,
}

impl fmt::Display for InboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BufferTooSmall { needed } => {
                write!(f, "the message needs a buffer of {needed} bytes")
            }
            Self::NoInbox => {
                f.write_str("the client has no inbox, messages go to the event callback")
            }
            Self::Stopped => f.write_str("the client was stopped"),
        }
    }
}

impl core::error::Error for InboxError {}

impl Client<'_> {
    /// Waits for the next message in the inbox and copies it into `buffer`.
    ///
    /// Asking for the next message says that the application is done with the one before, which only then leaves
    /// the inbox and, with QoS 1, is acknowledged. One task at a time should ask.
    ///
    /// Dropping it loses nothing: a message is handed over at the moment this returns.
    ///
    /// # Errors
    /// [`InboxError`]; no message is lost.
    pub async fn next<'m>(&self, buffer: &'m mut [u8]) -> Result<Received<'m>, InboxError> {
        self.wait(|state| {
            if !state.inbox.exists() {
                return Some(Err(InboxError::NoInbox));
            }
            if !state.finish() {
                return None;
            }
            match state.inbox.next_len() {
                Some(needed) if needed > buffer.len() => {
                    Some(Err(InboxError::BufferTooSmall { needed }))
                }
                Some(_) => Some(Ok(())),
                None => state.is_stopped().then_some(Err(InboxError::Stopped)),
            }
        })
        .await?;
        // Nothing ran in between, so the message is still there and still fits.
        self.state()
            .inbox
            .hand_over(buffer)
            .ok_or(InboxError::Stopped)
    }

    /// Gives every message to `handle`, with the first route whose filter matches its topic, until the client is stopped
    /// or `buffer` is too small. Messages without a route are counted
    /// ([`Statistics::unrouted`](crate::Statistics)) and dropped.
    ///
    /// Waits for messages and for the handler. While a handler takes its time, messages wait in the inbox; the
    /// driver goes on reading acknowledgements and PINGRESP. Dropping it while a handler runs: the message
    /// is handed over again by the next call.
    pub async fn serve<T, const N: usize>(
        &self,
        router: &Router<'_, T, N>,
        buffer: &mut [u8],
        mut handle: impl AsyncFnMut(Route<'_, '_, T>, Received<'_>),
    ) -> InboxError {
        loop {
            let message = match self.next(buffer).await {
                Ok(message) => message,
                Err(error) => return error,
            };
            let Some(route) = router.find(message.topic) else {
                let unrouted = &mut self.state().statistics.unrouted;
                *unrouted = unrouted.saturating_add(1);
                continue;
            };
            let mut handled = Handled {
                client: self,
                done: false,
            };
            handle(route, message).await;
            handled.done = true;
        }
    }
}

impl State<'_> {
    /// The application is done with the message in hand, if there is one. Answers false when its
    /// PUBACK has to wait until others have left.
    fn finish(&mut self) -> bool {
        let Some(owed) = self.inbox.in_hand() else {
            return true;
        };
        if let Some(packet_id) = owed {
            if !self.session.is_ready() {
                return false;
            }
            self.session.acknowledge(packet_id, ReasonCode::SUCCESS);
            self.kick();
        }
        self.inbox.done();
        if self.should_refetch() {
            self.kick();
        }
        true
    }
}

/// A message that a handler works on; it goes back into the inbox if the handler is dropped.
struct Handled<'c, 'b> {
    client: &'c Client<'b>,
    done: bool,
}

impl Drop for Handled<'_, '_> {
    fn drop(&mut self) {
        if !self.done {
            self.client.state().inbox.put_back();
        }
    }
}
