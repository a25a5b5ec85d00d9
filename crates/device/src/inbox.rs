//! Messages that wait for the application, copied into a lent buffer.

use core::fmt;

use crate::{Message, QoS};

/// A message that [`Client::next`](crate::Client::next) copied into the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<'m> {
    /// Topic name.
    pub topic: &'m str,
    /// Application message.
    pub payload: &'m [u8],
    /// Quality of service it was sent with.
    pub qos: QoS,
    /// Set when it comes because of a new subscription (`B-63`).
    pub retain: bool,
    /// Set when the server may have sent it before.
    pub dup: bool,
}

/// The next message could not be handed over. It is not lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InboxError {
    /// Lend `next` a buffer of at least this many bytes; the message waits.
    BufferTooSmall {
        /// Bytes of topic and payload together.
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

/// Before each message: length of the topic, length of the payload, flags.
const HEADER: usize = 7;

/// The waiting messages, oldest first.
pub(crate) struct Inbox<'b> {
    buf: &'b mut [u8],
    used: usize,
}

impl<'b> Inbox<'b> {
    pub(crate) fn new(buf: &'b mut [u8]) -> Self {
        Self { buf, used: 0 }
    }

    /// Whether there is an inbox at all.
    pub(crate) fn exists(&self) -> bool {
        !self.buf.is_empty()
    }

    /// Copies the message behind the others; answers whether it fitted.
    pub(crate) fn push(&mut self, message: &Message<'_>) -> bool {
        let (Ok(topic_len), Ok(payload_len)) = (
            u16::try_from(message.topic.len()),
            u32::try_from(message.payload.len()),
        ) else {
            return false;
        };
        let flags = message.qos.bits() | u8::from(message.retain) << 2 | u8::from(message.dup) << 3;
        let [topic_high, topic_low] = topic_len.to_be_bytes();
        let [a, b, c, d] = payload_len.to_be_bytes();
        let header = [topic_high, topic_low, a, b, c, d, flags];
        let mut at = self.used;
        for part in [&header[..], message.topic.as_bytes(), message.payload] {
            let end = at.saturating_add(part.len());
            let Some(place) = self.buf.get_mut(at..end) else {
                return false;
            };
            place.copy_from_slice(part);
            at = end;
        }
        self.used = at;
        true
    }

    /// Bytes of topic and payload of the oldest message; `None` when there is none.
    pub(crate) fn next_len(&self) -> Option<usize> {
        let header = self.buf.get(..self.used)?.first_chunk::<HEADER>()?;
        let (topic_len, payload_len, _) = read_header(header);
        Some(topic_len.saturating_add(payload_len))
    }

    /// Moves the oldest message into `out`; `None` when there is none or it does not fit.
    pub(crate) fn pop<'m>(&mut self, out: &'m mut [u8]) -> Option<Received<'m>> {
        let stored = self.buf.get(..self.used)?;
        let (header, rest) = stored.split_first_chunk::<HEADER>()?;
        let (topic_len, payload_len, flags) = read_header(header);
        let len = topic_len.saturating_add(payload_len);
        let to = out.get_mut(..len)?;
        to.copy_from_slice(rest.get(..len)?);
        let taken = HEADER.saturating_add(len);
        if taken <= self.used {
            self.buf.copy_within(taken..self.used, 0);
        }
        self.used = self.used.saturating_sub(taken);
        let (topic, payload) = to.split_at_checked(topic_len)?;
        Some(Received {
            topic: core::str::from_utf8(topic).unwrap_or_default(),
            payload,
            qos: QoS::from_bits(flags & 0b11).unwrap_or(QoS::AtMostOnce),
            retain: flags & 0b100 != 0,
            dup: flags & 0b1000 != 0,
        })
    }
}

/// Length of the topic, length of the payload, flags.
fn read_header(header: &[u8; HEADER]) -> (usize, usize, u8) {
    let [topic_high, topic_low, a, b, c, d, flags] = *header;
    let topic_len = usize::from(u16::from_be_bytes([topic_high, topic_low]));
    (topic_len, u32::from_be_bytes([a, b, c, d]) as usize, flags)
}
