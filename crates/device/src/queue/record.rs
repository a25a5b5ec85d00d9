//! How a waiting message is stored: flags, sequence number, time, length of the topic, topic, payload.

use super::Keep;
use crate::Millis;

/// Bytes before topic and payload.
const HEADER: usize = 15;

const RETAIN: u8 = 0b100;

/// A waiting message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'r> {
    pub(super) keep: Keep,
    pub(super) retain: bool,
    /// Names the message while it waits.
    pub(super) sequence: u32,
    pub(super) at: Millis,
    pub(super) topic: &'r str,
    pub(super) payload: &'r [u8],
}

impl<'r> Record<'r> {
    pub(super) fn len(&self) -> usize {
        HEADER
            .saturating_add(self.topic.len())
            .saturating_add(self.payload.len())
    }

    /// Writes it; answers its length, or 0 if the buffer is too short.
    pub(super) fn write(&self, out: &mut [u8]) -> usize {
        let keep = match self.keep {
            Keep::MustArrive => 0,
            Keep::LatestValue => 1,
            Keep::DropOldest => 2,
            Keep::DropNewest => 3,
        };
        let flags = [keep | if self.retain { RETAIN } else { 0 }];
        // A longer topic was refused before.
        let topic_len = u16::try_from(self.topic.len()).unwrap_or_default();
        let parts: [&[u8]; 6] = [
            &flags,
            &self.sequence.to_le_bytes(),
            &self.at.0.to_le_bytes(),
            &topic_len.to_le_bytes(),
            self.topic.as_bytes(),
            self.payload,
        ];
        let mut at = 0_usize;
        for part in parts {
            let end = at.saturating_add(part.len());
            let Some(place) = out.get_mut(at..end) else {
                return 0;
            };
            place.copy_from_slice(part);
            at = end;
        }
        at
    }

    /// Reads it back; `None` for anything that `write` did not write.
    pub(super) fn read(bytes: &'r [u8]) -> Option<Self> {
        let (header, body) = bytes.split_first_chunk::<HEADER>()?;
        let [flags, header @ ..] = *header;
        let [a, b, c, d, header @ ..] = header;
        let sequence = u32::from_le_bytes([a, b, c, d]);
        let [a, b, c, d, e, f, g, h, low, high] = header;
        let topic_len = usize::from(u16::from_le_bytes([low, high]));
        let (topic, payload) = body.split_at_checked(topic_len)?;
        Some(Self {
            keep: match flags & !RETAIN {
                0 => Keep::MustArrive,
                1 => Keep::LatestValue,
                2 => Keep::DropOldest,
                3 => Keep::DropNewest,
                _ => return None,
            },
            retain: flags & RETAIN != 0,
            sequence,
            at: Millis(u64::from_le_bytes([a, b, c, d, e, f, g, h])),
            topic: core::str::from_utf8(topic).ok()?,
            payload,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_the_round_trip_and_nonsense_is_none() {
        for keep in [
            Keep::MustArrive,
            Keep::LatestValue,
            Keep::DropOldest,
            Keep::DropNewest,
        ] {
            let record = Record {
                keep,
                retain: keep == Keep::LatestValue,
                sequence: 0x0102_0304,
                at: Millis(0x0506_0708_090A_0B0C),
                topic: "a/b",
                payload: b"payload",
            };
            let mut bytes = [0; 64];
            let len = record.write(&mut bytes);
            assert_eq!(len, record.len());
            assert_eq!(Record::read(&bytes[..len]), Some(record));
            assert_eq!(record.write(&mut [0; 20]), 0);
        }
        assert_eq!(Record::read(&[0; 14]), None);
        assert_eq!(Record::read(&[9; 40]), None);
    }
}
