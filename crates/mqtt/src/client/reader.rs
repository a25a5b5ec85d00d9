//! Cuts what arrives into frames inside a lent buffer, and steps over packets that do not fit.
//!
//! A packet longer than the buffer is never an overrun and never the end of the connection: as much
//! of it as is needed to know what it was is kept ([`Skipped`]), the rest is thrown away as it comes.

use crate::fault::Fault;
use crate::wire::close_gap;
use crate::{Frame, FrameHeader, PacketId, PacketType, QoS};

/// The receiving half of one connection. A new connection needs a new reader.
///
/// `start` is never behind `end`, nor `end` behind the buffer's.
pub struct FrameReader<'b> {
    buf: &'b mut [u8],
    start: usize,
    end: usize,
    /// Bytes still to come of a packet that is being skipped.
    skip: usize,
}

/// What [`FrameReader::next`] found.
#[derive(Debug)]
pub enum Incoming<'a> {
    /// A whole packet.
    Frame(Frame<'a>),
    /// A packet longer than the buffer; its bytes are not kept.
    Skipped(Skipped<'a>),
}

/// A packet that was longer than the receive buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped<'a> {
    /// What it was.
    pub packet_type: PacketType,
    /// Length of the whole packet in bytes.
    pub packet_len: usize,
    /// Size of the receive buffer in bytes.
    pub capacity: usize,
    /// Topic of a PUBLISH, if it fitted into the buffer.
    pub topic: Option<&'a str>,
    /// Quality of service of a PUBLISH.
    pub qos: Option<QoS>,
    /// Packet identifier of a QoS 1 PUBLISH, if it fitted into the buffer.
    pub packet_id: Option<PacketId>,
}

impl<'b> FrameReader<'b> {
    /// A reader for a new connection over a lent buffer.
    pub fn new(buf: &'b mut [u8]) -> Self {
        Self {
            buf,
            start: 0,
            end: 0,
            skip: 0,
        }
    }

    /// Where to read the next bytes into. Never empty once [`next`](Self::next) answered `None`,
    /// unless the lent buffer has no bytes at all.
    pub fn space(&mut self) -> &mut [u8] {
        if let Some(kept) = self.buf.get_mut(..self.end) {
            close_gap(kept, self.start);
        }
        self.end = self.end.wrapping_sub(self.start);
        self.start = 0;
        self.buf.get_mut(self.end..).unwrap_or_default()
    }

    /// Tells how many bytes were read into [`space`](Self::space).
    pub fn filled(&mut self, count: usize) {
        self.end = self.end.saturating_add(count).min(self.buf.len());
        self.drop_skipped();
    }

    /// The next packet, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// The bytes are not MQTT: the connection must be closed.
    #[allow(
        clippy::should_implement_trait,
        reason = "each answer borrows the reader, which Iterator cannot say"
    )]
    pub fn next(&mut self) -> Result<Option<Incoming<'_>>, Fault> {
        self.drop_skipped();
        if self.skip > 0 {
            return Ok(None);
        }
        let capacity = self.buf.len();
        let Some(available) = self.buf.get(self.start..self.end) else {
            return Ok(None);
        };
        let Some(header) = FrameHeader::read(available)? else {
            return Ok(None);
        };
        let packet_len = header.packet_len();
        if packet_len > capacity {
            return Ok(self.skip_packet(header, packet_len));
        }
        let body_from = self.start.wrapping_add(header.header_len);
        let body_to = self.start.wrapping_add(packet_len);
        if body_to > self.end {
            return Ok(None);
        }
        self.start = body_to;
        let body = self.buf.get(body_from..body_to).unwrap_or_default();
        Ok(Some(Incoming::Frame(Frame { header, body })))
    }

    fn skip_packet(&mut self, header: FrameHeader, packet_len: usize) -> Option<Incoming<'_>> {
        let body_from = self.start.wrapping_add(header.header_len);
        let have = self.buf.get(body_from..self.end).unwrap_or_default();
        let head = if header.packet_type == PacketType::Publish {
            PublishHead::parse(header.flags, have)
        } else {
            PublishHead::Known {
                topic: None,
                packet_id: None,
            }
        };
        let arrived = self.end.wrapping_sub(self.start);
        let full = arrived >= self.buf.len();
        let (topic_len, packet_id) = match head {
            PublishHead::Known { topic, packet_id } => (topic, packet_id),
            PublishHead::NeedMore if full => (None, None),
            PublishHead::NeedMore => return None,
        };
        self.start = self.end;
        self.skip = packet_len.wrapping_sub(arrived);
        let topic_from = body_from.wrapping_add(2);
        let topic = topic_len
            .and_then(|len| self.buf.get(topic_from..topic_from.wrapping_add(len)))
            .and_then(|bytes| core::str::from_utf8(bytes).ok());
        let is_publish = header.packet_type == PacketType::Publish;
        Some(Incoming::Skipped(Skipped {
            packet_type: header.packet_type,
            packet_len,
            capacity: self.buf.len(),
            topic,
            qos: is_publish.then(|| publish_qos(header.flags)).flatten(),
            packet_id,
        }))
    }

    fn drop_skipped(&mut self) {
        let step = self.skip.min(self.end.wrapping_sub(self.start));
        self.start = self.start.wrapping_add(step);
        self.skip = self.skip.wrapping_sub(step);
    }
}

fn publish_qos(flags: u8) -> Option<QoS> {
    QoS::from_bits((flags >> 1) & 0b11)
}

/// The first fields of a PUBLISH whose payload will not be kept (3.3.2).
enum PublishHead {
    Known {
        topic: Option<usize>,
        packet_id: Option<PacketId>,
    },
    NeedMore,
}

impl PublishHead {
    fn parse(flags: u8, body: &[u8]) -> Self {
        let Some((len, rest)) = body.split_first_chunk::<2>() else {
            return Self::NeedMore;
        };
        let len = usize::from(u16::from_be_bytes(*len));
        let Some(rest) = rest.get(len..) else {
            return Self::NeedMore;
        };
        if publish_qos(flags) == Some(QoS::AtMostOnce) {
            return Self::Known {
                topic: Some(len),
                packet_id: None,
            };
        }
        match rest.first_chunk::<2>() {
            Some(id) => Self::Known {
                topic: Some(len),
                packet_id: PacketId::new(u16::from_be_bytes(*id)),
            },
            None => Self::NeedMore,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `bytes` in pieces of `step` and tells what came out, as text.
    fn trace(capacity: usize, step: usize, bytes: &[u8]) -> std::vec::Vec<std::string::String> {
        use std::string::ToString as _;
        let mut buf = std::vec![0; capacity];
        let mut reader = FrameReader::new(&mut buf);
        let mut seen = std::vec::Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let space = reader.space();
            let count = space.len().min(step).min(rest.len());
            assert!(count > 0, "the reader must always make room");
            space[..count].copy_from_slice(&rest[..count]);
            rest = &rest[count..];
            reader.filled(count);
            loop {
                match reader.next() {
                    Ok(Some(Incoming::Frame(frame))) => seen.push(std::format!(
                        "{:?} {}",
                        frame.header.packet_type,
                        frame.body.len()
                    )),
                    Ok(Some(Incoming::Skipped(skipped))) => seen.push(std::format!(
                        "skipped {:?} {} {:?} {:?} {:?}",
                        skipped.packet_type,
                        skipped.packet_len,
                        skipped.topic,
                        skipped.qos,
                        skipped.packet_id.map(PacketId::get)
                    )),
                    Ok(None) => break,
                    Err(error) => {
                        seen.push(crate::DecodeError::from(error).to_string());
                        return seen;
                    }
                }
            }
        }
        seen
    }

    const PINGRESP: [u8; 2] = [0xD0, 0];

    #[test]
    fn every_cut_gives_the_same_packets() {
        // PUBLISH QoS 1 `a/b` id 5 `hi`, PINGRESP, PUBACK 9
        let bytes = [
            0x32, 9, 0, 3, b'a', b'/', b'b', 0, 5, b'h', b'i', 0xD0, 0, 0x40, 2, 0, 9,
        ];
        for step in 1..=bytes.len() {
            assert_eq!(
                trace(16, step, &bytes),
                ["Publish 9", "PingResp 0", "PubAck 2"],
                "pieces of {step}"
            );
        }
    }

    #[test]
    fn a_packet_longer_than_the_buffer_is_named_and_stepped_over() {
        let mut bytes = std::vec![0x32, 0xAC, 0x02, 0, 3, b'a', b'/', b'b', 0, 5];
        bytes.resize(3 + 300, b'x');
        bytes.extend(PINGRESP);
        for step in [1, 2, 7, 16, 64, 400] {
            assert_eq!(
                trace(16, step, &bytes),
                [
                    "skipped Publish 303 Some(\"a/b\") Some(AtLeastOnce) Some(5)",
                    "PingResp 0"
                ],
                "pieces of {step}"
            );
        }
    }

    #[test]
    fn a_topic_longer_than_the_buffer_is_skipped_without_its_name() {
        let mut bytes = std::vec![0x30, 0xAC, 0x02, 0, 200];
        bytes.resize(3 + 300, b'x');
        bytes.extend(PINGRESP);
        assert_eq!(
            trace(16, 5, &bytes),
            [
                "skipped Publish 303 None Some(AtMostOnce) None",
                "PingResp 0"
            ]
        );
    }

    #[test]
    fn a_length_of_five_bytes_ends_the_connection() {
        let seen = trace(16, 16, &[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 1]);
        assert_eq!(seen.len(), 1);
        assert!(seen[0].starts_with("malformed"), "{seen:?}");
    }
}
