//! Topic aliases of MQTT 5 (3.3.2.3.4): two bytes instead of a topic name, for as long as a connection lasts.
//!
//! *Outbound*, towards the server: [`Given`] remembers in lent memory which topics were given one. A packet is shortened only
//! on its way out: what the session keeps, and may send again on another connection, always has its whole topic. An alias costs three
//! bytes with the first message and saves all but three of the topic with each that follows. Topics get one in the
//! order in which they are first published to, until the server's Topic Alias Maximum or the memory is used up.
//!
//! *Inbound*, from the server: [`TopicAliases`] holds the topics that the server gave one. It is lent by the caller, who
//! also announces its size, because a message borrows its topic from there.
//!
//! Both forget everything with each connection `[MQTT-3.3.2-7]`.

use super::SessionError;
use super::inbound::ABOVE_THE_MAXIMUM;
use crate::fault::Fault;
use crate::wire::{Reader, Writer, variable_integer_len};

/// Shorter topics are not worth an alias: identifier, alias and one more byte of property length.
const WORTH_IT: usize = 5;

/// Bytes before a topic: its length.
const LENGTH: usize = 2;

/// The aliases that the server was told, as length and topic one behind the other.
#[derive(Default)]
pub(super) struct Given<'b> {
    memory: &'b mut [u8],
    used: usize,
}

impl<'b> Given<'b> {
    pub(super) const fn new(memory: &'b mut [u8]) -> Self {
        Self { memory, used: 0 }
    }

    pub(super) const fn clear(&mut self) {
        self.used = 0;
    }

    /// The alias of this topic, and whether the server knows it; `None` when it has none and none is left.
    fn alias(&self, topic: &[u8], maximum: u16) -> Option<(u16, bool)> {
        let mut known = Reader::new(self.memory.get(..self.used)?);
        let mut alias = 1_u16;
        while let Ok(other) = known.binary(field!("topic name")) {
            if other == topic {
                return Some((alias, true));
            }
            alias = alias.checked_add(1)?;
        }
        let end = self.used.checked_add(topic.len())?.checked_add(LENGTH)?;
        (alias <= maximum && end <= self.memory.len()).then_some((alias, false))
    }

    fn remember(&mut self, topic: &[u8]) {
        let mut writer = Writer::new(self.memory.get_mut(self.used..).unwrap_or_default());
        // Never too long: it comes from a packet.
        if writer.binary(topic, field!("topic name")).is_ok() {
            self.used = self.used.wrapping_add(writer.len());
        }
    }

    /// Writes the beginning of a stored PUBLISH with an alias into `room`, if that is possible and of use. Answers how many
    /// bytes it wrote, and how many of `packet` they stand for.
    pub(super) fn shorten(
        &mut self,
        maximum: u16,
        maximum_packet_size: u32,
        packet: &[u8],
        room: &mut [u8],
    ) -> Option<(usize, usize)> {
        // The first message with an alias is up to five bytes longer.
        if maximum == 0 || packet.len().checked_add(5)? > maximum_packet_size as usize {
            return None;
        }
        let head = Head::read(packet).ok()?;
        if head.topic.len() < WORTH_IT {
            return None;
        }
        let (alias, is_known) = self.alias(head.topic, maximum)?;
        let room_len = room.len();
        let mut writer = Writer::new(room);
        let topic = if is_known { &[] } else { head.topic };
        head.write(topic, alias, &mut writer).ok()?;
        let written = writer.len();
        if written > room_len {
            return None;
        }
        if !is_known {
            self.remember(head.topic);
        }
        Some((written, packet.len().checked_sub(head.rest.len())?))
    }
}

/// What stands before the properties of a PUBLISH of MQTT 5.
struct Head<'p> {
    first: u8,
    topic: &'p [u8],
    packet_id: &'p [u8],
    property_len: u32,
    /// Properties and payload.
    rest: &'p [u8],
}

impl<'p> Head<'p> {
    fn read(packet: &'p [u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(packet);
        let first = reader.u8(field!("packet type"))?;
        reader.variable_integer(field!("remaining length"))?;
        let topic = reader.binary(field!("topic name"))?;
        let id_len = if first & 0b110 == 0 { 0 } else { 2 };
        Ok(Self {
            first,
            topic,
            packet_id: reader.take(id_len, field!("packet identifier"))?,
            property_len: reader.variable_integer(field!("property length"))?,
            rest: reader.rest(),
        })
    }

    fn write(&self, topic: &[u8], alias: u16, writer: &mut Writer<'_>) -> Result<(), Fault> {
        let property_len = self.property_len.wrapping_add(3);
        let remaining = [
            LENGTH,
            topic.len(),
            self.packet_id.len(),
            variable_integer_len(property_len),
            3,
            self.rest.len(),
        ];
        writer.u8(self.first);
        let remaining = remaining
            .iter()
            .fold(0_usize, |sum, len| sum.wrapping_add(*len));
        writer.variable_integer(remaining, field!("packet"))?;
        writer.binary(topic, field!("topic name"))?;
        writer.bytes(self.packet_id);
        writer.variable_integer(property_len as usize, field!("properties"))?;
        writer.u8(0x23);
        writer.u16(alias);
        Ok(())
    }
}

/// The topic aliases that the server may use, in lent memory: give it to
/// [`Session::receive_with`](super::Session::receive_with), and its [`maximum`](Self::maximum) to
/// [`ConnectOptions::topic_alias_maximum`](super::ConnectOptions::topic_alias_maximum).
#[derive(Debug)]
pub struct TopicAliases<'m> {
    memory: &'m mut [u8],
    slot: usize,
}

impl<'m> TopicAliases<'m> {
    /// A table for as many topics of up to `longest_topic` bytes as `memory` holds; each takes two bytes more.
    #[must_use]
    pub fn new(memory: &'m mut [u8], longest_topic: usize) -> Self {
        let mut aliases = Self {
            memory,
            slot: longest_topic.saturating_add(LENGTH),
        };
        aliases.clear();
        aliases
    }

    /// Bytes of memory for `count` topics of up to `longest_topic` bytes.
    #[must_use]
    pub const fn bytes(count: u16, longest_topic: usize) -> usize {
        longest_topic
            .saturating_add(LENGTH)
            .saturating_mul(count as usize)
    }

    /// How many aliases there are: what to announce in CONNECT.
    #[must_use]
    pub fn maximum(&self) -> u16 {
        let slots = self.memory.len().checked_div(self.slot).unwrap_or(0);
        u16::try_from(slots).unwrap_or(u16::MAX)
    }

    /// Forgets all of them: a server that uses one of them again without its topic breaks the protocol. What a packet that was
    /// [skipped](super::Session::skipped) said of them is not known, so the wrong topic could be meant.
    pub fn clear(&mut self) {
        // No topic has a length of 0.
        self.memory.fill(0);
    }

    fn slot(&mut self, alias: u16) -> Option<&mut [u8]> {
        let at = usize::from(alias.min(self.maximum())).checked_sub(1)?;
        self.memory.chunks_exact_mut(self.slot).nth(at)
    }

    /// What a PUBLISH with this alias is about: a topic that comes with it is remembered, and an alias alone stands
    /// for the topic that came with it before.
    pub(super) fn resolve<'t>(
        &'t mut self,
        alias: u16,
        topic: &'t str,
    ) -> Result<&'t str, SessionError> {
        // [MQTT-3.3.2-9]; the codec has refused 0 [MQTT-3.3.2-8].
        if alias > self.maximum() {
            return Err(SessionError::Protocol(ABOVE_THE_MAXIMUM));
        }
        let slot = self.slot(alias).unwrap_or_default();
        if topic.is_empty() {
            return match Reader::new(slot).text(field!("topic name")) {
                Ok(known) if !known.is_empty() => Ok(known),
                _ => Err(SessionError::Protocol(rule!(
                    "a topic alias that was given no topic"
                ))),
            };
        }
        let room = slot.len();
        let mut writer = Writer::new(slot);
        writer.text(topic, field!("topic name"))?;
        if writer.len() > room {
            return Err(SessionError::Protocol(
                const {
                    Fault::rule("a topic alias for a topic longer than the memory lent for it")
                        .of_topic_alias()
                },
            ));
        }
        Ok(topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_decides_how_many_aliases_are_announced() {
        for (memory, longest, maximum) in
            [(0, 10, 0), (11, 10, 0), (12, 10, 1), (40, 10, 3), (4, 0, 2)]
        {
            let mut memory = std::vec![0xFF; memory];
            assert_eq!(TopicAliases::new(&mut memory, longest).maximum(), maximum);
        }
    }

    #[test]
    fn an_alias_can_be_given_another_topic() {
        let mut memory = [0; 24];
        let mut aliases = TopicAliases::new(&mut memory, 10);
        assert_eq!(aliases.resolve(2, "first"), Ok("first"));
        assert_eq!(aliases.resolve(2, ""), Ok("first"));
        assert_eq!(aliases.resolve(2, "s"), Ok("s"));
        assert_eq!(aliases.resolve(2, ""), Ok("s"));
        assert!(aliases.resolve(1, "").is_err());
        assert!(aliases.resolve(3, "third").is_err());
        assert!(aliases.resolve(1, "eleven bytes").is_err());
        aliases.clear();
        assert!(aliases.resolve(2, "").is_err());
    }

    #[test]
    fn what_the_memory_cannot_hold_keeps_its_topic() {
        let mut memory = [0; 20];
        let mut given = Given::new(&mut memory);
        assert_eq!(given.alias(b"a/longer/topic", 8), Some((1, false)));
        given.remember(b"a/longer/topic");
        assert_eq!(given.alias(b"a/longer/topic", 8), Some((1, true)));
        assert_eq!(given.alias(b"other", 8), None, "no memory");
        assert_eq!(given.alias(b"ot", 1), None, "no alias");
        assert_eq!(given.alias(b"ot", 2), Some((2, false)));
    }
}
