//! How a waiting message is stored: flags, sequence number, time, length of the topic, topic, payload.
//!
//! A message with more to it (QoS 2, properties) has a flag that says so, and then quality of service and length of the
//! properties before the topic, and the properties before the payload. Those without are as they were in the first form, so that each
//! library reads what an older one left in flash; an older one takes the others for something that is not its own, and removes them.

use thingwire_mqtt::Version;

use super::Keep;
use crate::{Millis, Properties, QoS};

/// Bytes before topic and payload.
const HEADER: usize = 15;

/// Bytes that follow the header of a message with more to it.
const MORE_HEADER: usize = 3;

const RETAIN: u8 = 0b100;
/// There is more to this message.
const MORE: u8 = 0b1000;

/// A waiting message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Record<'r> {
    pub(super) keep: Keep,
    pub(super) retain: bool,
    pub(super) qos: QoS,
    /// Names the message while it waits.
    pub(super) sequence: u32,
    pub(super) at: Millis,
    pub(super) topic: &'r str,
    /// Found in order before they are stored.
    pub(super) properties: Properties<'r>,
    pub(super) payload: &'r [u8],
}

impl<'r> Record<'r> {
    /// Whether it does not fit into the first form.
    fn has_more(&self) -> bool {
        self.qos != QoS::AtLeastOnce || !self.properties.is_empty()
    }

    /// Bytes of the properties.
    fn properties_len(&self) -> usize {
        self.properties
            .encode(Version::V5, &mut [])
            .unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        let more = match self.has_more() {
            true => self.properties_len().saturating_add(MORE_HEADER),
            false => 0,
        };
        HEADER
            .saturating_add(more)
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
        let more = self.has_more();
        let flags = [keep | if self.retain { RETAIN } else { 0 } | if more { MORE } else { 0 }];
        // A longer topic was refused before, and so were longer properties.
        let short = |len: usize| u16::try_from(len).unwrap_or_default().to_le_bytes();
        let properties_len = self.properties_len();
        let [low, high] = short(properties_len);
        let more = match more {
            true => &[self.qos.bits(), low, high][..],
            false => &[],
        };
        let parts: [&[u8]; 6] = [
            &flags,
            &self.sequence.to_le_bytes(),
            &self.at.0.to_le_bytes(),
            &short(self.topic.len()),
            more,
            self.topic.as_bytes(),
        ];
        let mut rest = out;
        let mut len = 0_usize;
        for part in parts {
            let Some((place, behind)) = rest.split_at_mut_checked(part.len()) else {
                return 0;
            };
            place.copy_from_slice(part);
            rest = behind;
            len = len.saturating_add(part.len());
        }
        let Some((properties, rest)) = rest.split_at_mut_checked(properties_len) else {
            return 0;
        };
        let Some(payload) = rest.get_mut(..self.payload.len()) else {
            return 0;
        };
        payload.copy_from_slice(self.payload);
        match self.properties.encode(Version::V5, properties) {
            Ok(_) => len
                .saturating_add(properties_len)
                .saturating_add(self.payload.len()),
            Err(_) => 0,
        }
    }

    /// Reads it back; `None` for anything that `write` did not write.
    pub(super) fn read(bytes: &'r [u8]) -> Option<Self> {
        let (header, body) = bytes.split_first_chunk::<HEADER>()?;
        let [flags, header @ ..] = *header;
        let [a, b, c, d, header @ ..] = header;
        let sequence = u32::from_le_bytes([a, b, c, d]);
        let [a, b, c, d, e, f, g, h, low, high] = header;
        let topic_len = usize::from(u16::from_le_bytes([low, high]));
        let (qos, properties_len, body) = match flags & MORE {
            0 => (QoS::AtLeastOnce, 0, body),
            _ => {
                let ([qos, low, high], body) = body.split_first_chunk::<MORE_HEADER>()?;
                (
                    QoS::from_bits(*qos)?,
                    usize::from(u16::from_le_bytes([*low, *high])),
                    body,
                )
            }
        };
        let (topic, body) = body.split_at_checked(topic_len)?;
        let (properties, payload) = body.split_at_checked(properties_len)?;
        Some(Self {
            keep: match flags & !(RETAIN | MORE) {
                0 => Keep::MustArrive,
                1 => Keep::LatestValue,
                2 => Keep::DropOldest,
                3 => Keep::DropNewest,
                _ => return None,
            },
            retain: flags & RETAIN != 0,
            qos,
            sequence,
            at: Millis(u64::from_le_bytes([a, b, c, d, e, f, g, h])),
            topic: core::str::from_utf8(topic).ok()?,
            properties: Properties::Wire(properties),
            payload,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "v5")]
    use crate::Property;

    fn record(keep: Keep) -> Record<'static> {
        Record {
            keep,
            retain: keep == Keep::LatestValue,
            qos: QoS::AtLeastOnce,
            sequence: 0x0102_0304,
            at: Millis(0x0506_0708_090A_0B0C),
            topic: "a/b",
            properties: Properties::EMPTY,
            payload: b"payload",
        }
    }

    #[test]
    fn records_survive_the_round_trip_and_nonsense_is_none() {
        #[cfg(feature = "v5")]
        const PROPERTIES: Properties<'_> = Properties::List(&[
            Property::MessageExpiryInterval(60),
            Property::UserProperty("unit", "lux"),
        ]);
        for keep in [
            Keep::MustArrive,
            Keep::LatestValue,
            Keep::DropOldest,
            Keep::DropNewest,
        ] {
            for (qos, properties) in [
                (QoS::AtLeastOnce, Properties::EMPTY),
                #[cfg(feature = "v5")]
                (QoS::AtLeastOnce, PROPERTIES),
                (QoS::ExactlyOnce, Properties::EMPTY),
                #[cfg(feature = "v5")]
                (QoS::ExactlyOnce, PROPERTIES),
            ] {
                let record = Record {
                    qos,
                    properties,
                    ..record(keep)
                };
                let mut bytes = [0; 64];
                let len = record.write(&mut bytes);
                assert_eq!(len, record.len());
                assert_eq!(Record::read(&bytes[..len]), Some(record));
                for short in 0..len {
                    assert_eq!(record.write(&mut [0; 64][..short]), 0);
                }
            }
        }
        assert_eq!(Record::read(&[0; 14]), None);
        assert_eq!(Record::read(&[9; 17]), None, "half of what there is more");
        assert_eq!(Record::read(&[0x19; 40]), None);
    }

    /// What earlier versions left in flash, byte by byte; what they would not have taken for their own.
    #[test]
    fn the_first_form_is_still_read_and_written() {
        let first = b"\x05\x04\x03\x02\x01\x0C\x0B\x0A\x09\x08\x07\x06\x05\x03\x00a/bpayload";
        let plain = record(Keep::LatestValue);
        assert_eq!(Record::read(first), Some(plain));
        let mut bytes = [0; 64];
        let len = plain.write(&mut bytes);
        assert_eq!(&bytes[..len], first);
        let more = Record {
            qos: QoS::ExactlyOnce,
            ..plain
        };
        assert!(more.write(&mut bytes) > 0);
        assert!(bytes[0] & !RETAIN > 3);
    }
}
