//! From bytes to packets, many at a time.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use thingwire_mqtt::{DecodeError, Frame, Packet, PacketType, Version, split};
use tokio::io::{AsyncRead, ReadBuf};

/// What one thread reads into: several TLS records, so that one read can bring many packets.
const BUFFER: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER].into());
}

/// Packets that are given to the core at once, at most: others want it too, and a read may hold 32,768 PINGREQs.
const BATCH: usize = 512;

/// What ended a read before its end: the error, and the version that a broken CONNECT said it has.
pub(super) type Broken<'a> = (&'a DecodeError, Option<Version>);

/// The reading side of one connection.
pub(super) struct Reader {
    /// Known since CONNECT.
    version: Option<Version>,
    /// The begin of a packet whose end has not arrived.
    unfinished: Vec<u8>,
    /// The longest packet to accept.
    limit: usize,
}

impl Reader {
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            version: None,
            unfinished: Vec::new(),
            limit,
        }
    }

    pub(super) const fn is_past_connect(&self) -> bool {
        self.version.is_some()
    }

    /// Reads once and gives all packets it brought to `take`. Answers how many bytes it brought: 0 at the end of the stream.
    ///
    /// Waits for the stream. Nothing is lost between calls.
    pub(super) fn poll<S: AsyncRead>(
        &mut self,
        stream: Pin<&mut S>,
        context: &mut Context<'_>,
        mut take: impl FnMut(&[Packet<'_>], Option<Broken<'_>>),
    ) -> Poll<std::io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(stream.poll_read(context, &mut buffer))?;
            let bytes = buffer.filled();
            if bytes.is_empty() {
                return Poll::Ready(Ok(0));
            }
            if self.unfinished.is_empty() {
                let used = self.decode(bytes, &mut take);
                self.unfinished
                    .extend_from_slice(bytes.get(used..).unwrap_or_default());
            } else {
                let mut whole = std::mem::take(&mut self.unfinished);
                whole.extend_from_slice(bytes);
                let used = self.decode(&whole, &mut take);
                whole.drain(..used.min(whole.len()));
                if !whole.is_empty() {
                    self.unfinished = whole;
                }
            }
            Poll::Ready(Ok(bytes.len()))
        })
    }

    /// Answers how many bytes were used.
    fn decode(
        &mut self,
        bytes: &[u8],
        take: &mut impl FnMut(&[Packet<'_>], Option<Broken<'_>>),
    ) -> usize {
        let mut packets = Vec::new();
        let mut used: usize = 0;
        let mut broken = None;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            let (frame, len) = match split(rest, self.limit) {
                Ok(Some(found)) => found,
                Ok(None) => break,
                Err(error) => {
                    broken = Some((error, None));
                    break;
                }
            };
            match Packet::decode(self.version.unwrap_or(Version::V311), &frame) {
                Ok(packet) => {
                    if let (None, Packet::Connect(connect)) = (self.version, &packet) {
                        self.version = Some(connect.version);
                    }
                    if self.version == Some(Version::V5) && !is_shortest(&frame) {
                        let error = DecodeError::Malformed("remaining length");
                        broken = Some((error, said_version(&frame)));
                        break;
                    }
                    packets.push(packet);
                    if packets.len() >= BATCH {
                        take(&packets, None);
                        packets.clear();
                    }
                    used = used.saturating_add(len);
                }
                Err(error) => {
                    broken = Some((error, said_version(&frame)));
                    break;
                }
            }
        }
        if !packets.is_empty() || broken.is_some() {
            take(
                &packets,
                broken.as_ref().map(|(error, version)| (error, *version)),
            );
        }
        if broken.is_some() { bytes.len() } else { used }
    }
}

/// `[MQTT-1.5.5-1]`: MQTT 5 allows only the shortest form of the remaining length, MQTT 3.1.1 all.
const fn is_shortest(frame: &Frame<'_>) -> bool {
    let shortest = match frame.header.remaining_len {
        0..=0x7F => 2,
        0x80..=0x3FFF => 3,
        0x4000..=0x1F_FFFF => 4,
        _ => 5,
    };
    frame.header.header_len == shortest
}

/// The version that a CONNECT claims, though it could not be read as a whole: protocol name, then level (3.1.2).
fn said_version(frame: &Frame<'_>) -> Option<Version> {
    match (frame.header.packet_type, frame.body) {
        (PacketType::Connect, [0, 4, b'M', b'Q', b'T', b'T', 5, ..]) => Some(Version::V5),
        (PacketType::Connect, [0, 4, b'M', b'Q', b'T', b'T', 4, ..]) => Some(Version::V311),
        _ => None,
    }
}
