//! Messages that wait for the application, copied into a lent buffer.
//!
//! A message stays in the buffer until the application has dealt with it, and with QoS 1 its PUBACK is
//! held back as long. What does not fit depends on its quality of service:
//!
//! - QoS 0 follows an [`Overflow`] policy, and every dropped message is counted;
//! - QoS 1 takes the place of waiting QoS 0 messages. If that is not enough it is left unacknowledged,
//!   so that the server keeps it, and the driver fetches it when the application has caught up.

use crate::{Message, Properties, QoS};
use thingwire_mqtt::PacketId;

/// Which QoS 0 message gives way when the inbox is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The one that has just arrived.
    #[default]
    DropNewest,
    /// Those that have waited longest.
    DropOldest,
}

/// A message that [`Client::next`](crate::Client::next) copied into the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq)]
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
    /// MQTT 5 properties; a message without any costs no byte for them.
    pub properties: Properties<'m>,
}

/// What became of a message that was offered to the inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// It waits there.
    Taken,
    /// It was there already, from before the connection was lost; its PUBACK is owed anew.
    Known,
    /// There is no room now.
    Full,
    /// It is longer than the whole inbox.
    TooLong,
}

/// Before each message: length of the topic, length of the rest, flags, packet identifier.
pub(crate) const HEADER: usize = 9;

const RETAIN: u8 = 0b0100;
const DUP: u8 = 0b1000;
/// The application has a copy and has not said that it is done.
const IN_HAND: u8 = 0b1_0000;
/// The payload is followed by the bytes of the properties and their length.
const PROPERTIES: u8 = 0b10_0000;

/// The length of the properties, where there are any.
const PROPERTIES_LEN: usize = 4;

/// Bytes of the inbox that a message takes.
pub(crate) fn needed(message: &Message<'_>) -> usize {
    HEADER
        .saturating_add(message.topic.len())
        .saturating_add(message.payload.len())
        .saturating_add(match property_bytes(message) {
            [] => 0,
            bytes => bytes.len().saturating_add(PROPERTIES_LEN),
        })
}

/// The properties as they lay in the packet.
const fn property_bytes<'m>(message: &Message<'m>) -> &'m [u8] {
    match message.properties {
        Properties::Wire(bytes) => bytes,
        // Nothing that has arrived.
        Properties::List(_) => &[],
    }
}

/// The waiting messages, oldest first.
pub(crate) struct Inbox<'b> {
    buf: &'b mut [u8],
    used: usize,
    overflow: Overflow,
    /// QoS 0 messages that gave way.
    pub(crate) dropped: u32,
}

/// The header of a waiting message.
#[derive(Clone, Copy)]
struct Record {
    topic_len: usize,
    /// Payload, and properties with their length.
    rest_len: usize,
    flags: u8,
    /// 0 when no PUBACK is owed, or not on this connection.
    packet_id: u16,
}

impl Record {
    fn read(bytes: &[u8; HEADER]) -> Self {
        let [topic_high, topic_low, a, b, c, d, flags, id_high, id_low] = *bytes;
        Self {
            topic_len: usize::from(u16::from_be_bytes([topic_high, topic_low])),
            rest_len: u32::from_be_bytes([a, b, c, d]) as usize,
            flags,
            packet_id: u16::from_be_bytes([id_high, id_low]),
        }
    }

    fn body_len(&self) -> usize {
        self.topic_len.saturating_add(self.rest_len)
    }

    fn len(&self) -> usize {
        self.body_len().saturating_add(HEADER)
    }

    fn qos(&self) -> QoS {
        QoS::from_bits(self.flags & 0b11).unwrap_or(QoS::AtMostOnce)
    }

    fn is_in_hand(&self) -> bool {
        self.flags & IN_HAND != 0
    }

    /// Topic, payload and properties in the bytes behind the header.
    fn parts<'r>(&self, body: &'r [u8]) -> Option<(&'r [u8], &'r [u8], &'r [u8])> {
        let (topic, rest) = body.split_at_checked(self.topic_len)?;
        if self.flags & PROPERTIES == 0 {
            return Some((topic, rest, &[]));
        }
        let (rest, len) = rest.split_last_chunk::<PROPERTIES_LEN>()?;
        let payload_len = rest.len().saturating_sub(u32::from_be_bytes(*len) as usize);
        let (payload, properties) = rest.split_at_checked(payload_len)?;
        Some((topic, payload, properties))
    }
}

impl<'b> Inbox<'b> {
    pub(crate) fn new(buf: &'b mut [u8], overflow: Overflow) -> Self {
        Self {
            buf,
            used: 0,
            overflow,
            dropped: 0,
        }
    }

    /// Whether there is an inbox at all.
    pub(crate) fn exists(&self) -> bool {
        !self.buf.is_empty()
    }

    /// Its size in bytes.
    pub(crate) fn capacity(&self) -> usize {
        self.buf.len()
    }

    /// How many messages wait or are in hand, and the bytes they take.
    pub(crate) fn fill(&self) -> (usize, usize) {
        let mut count = 0_usize;
        let mut at = 0;
        while let Some(record) = self.record(at) {
            count = count.saturating_add(1);
            at = at.saturating_add(record.len());
        }
        (count, self.used)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Copies the message behind the others, if there is room or room can be made; with QoS 1 and 2 there is none for
    /// what comes `behind` one that did not fit.
    pub(crate) fn offer(&mut self, message: &Message<'_>, behind: bool) -> Offer {
        let len = needed(message);
        if len > self.buf.len() {
            return Offer::TooLong;
        }
        // What is repeated with QoS 2 does not come here: the session knows it.
        if message.dup && message.qos == QoS::AtLeastOnce && self.knows(message) {
            return Offer::Known;
        }
        if behind && message.qos != QoS::AtMostOnce {
            return Offer::Full;
        }
        let may_evict = message.qos != QoS::AtMostOnce || self.overflow == Overflow::DropOldest;
        while self.buf.len().saturating_sub(self.used) < len {
            if !may_evict || !self.drop_oldest_qos0() {
                if message.qos == QoS::AtMostOnce {
                    self.dropped = self.dropped.saturating_add(1);
                }
                return Offer::Full;
            }
        }
        self.append(message);
        Offer::Taken
    }

    /// Bytes of topic, payload and properties of the next message to hand over; `None` when there is none.
    pub(crate) fn next_len(&self) -> Option<usize> {
        let record = self.record(0)?;
        (!record.is_in_hand()).then(|| record.body_len())
    }

    /// Copies the oldest message into `out` and keeps it as the one in hand; `None` when there is
    /// none, when it does not fit, or when one is in hand already.
    pub(crate) fn hand_over<'m>(&mut self, out: &'m mut [u8]) -> Option<Received<'m>> {
        let record = self.record(0).filter(|record| !record.is_in_hand())?;
        let to = out.get_mut(..record.body_len())?;
        to.copy_from_slice(self.buf.get(HEADER..record.len())?);
        self.set_flags(0, record.flags | IN_HAND);
        let (topic, payload, properties) = record.parts(to)?;
        Some(Received {
            topic: core::str::from_utf8(topic).unwrap_or_default(),
            payload,
            qos: record.qos(),
            retain: record.flags & RETAIN != 0,
            dup: record.flags & DUP != 0,
            properties: Properties::Wire(properties),
        })
    }

    /// The message in hand, if there is one, and the PUBACK that is owed for it.
    pub(crate) fn in_hand(&self) -> Option<Option<PacketId>> {
        let record = self.record(0).filter(Record::is_in_hand)?;
        Some(PacketId::new(record.packet_id))
    }

    /// The application is done with the message in hand: it leaves the inbox.
    pub(crate) fn done(&mut self) {
        if let Some(record) = self.record(0).filter(Record::is_in_hand) {
            self.remove(0, record);
        }
    }

    /// The application could not finish: the message in hand is handed over once more.
    pub(crate) fn put_back(&mut self) {
        if let Some(record) = self.record(0) {
            self.set_flags(0, record.flags & !IN_HAND);
        }
    }

    /// Packet identifiers mean nothing on the next connection (`B-6`): the server will send again what
    /// it has no PUBACK for. With QoS 2 they mean the same as long as the session lives.
    pub(crate) fn connection_lost(&mut self) {
        self.forget_packet_ids(QoS::AtLeastOnce);
    }

    /// The server has forgotten the session, and what it had sent with QoS 2.
    pub(crate) fn session_lost(&mut self) {
        self.forget_packet_ids(QoS::ExactlyOnce);
    }

    fn forget_packet_ids(&mut self, qos: QoS) {
        let mut at = 0;
        while let Some(record) = self.record(at) {
            if record.qos() == qos {
                self.set_packet_id(at, 0);
            }
            at = at.saturating_add(record.len());
        }
    }

    /// Whether a repeated message waits here already: the same content, unacknowledged, either from an
    /// earlier connection or with the same packet identifier. It takes the new identifier over.
    fn knows(&mut self, message: &Message<'_>) -> bool {
        let id = message.packet_id.map_or(0, PacketId::get);
        let mut at = 0;
        while let Some(record) = self.record(at) {
            let from = at.saturating_add(HEADER);
            let end = at.saturating_add(record.len());
            let body = self.buf.get(from..end).unwrap_or_default();
            let same = record.qos() == QoS::AtLeastOnce
                && (record.packet_id == 0 || record.packet_id == id)
                // Properties may differ: a message's expiry runs down (`B-74`).
                && record.parts(body).is_some_and(|(topic, payload, _)| {
                    (topic, payload) == (message.topic.as_bytes(), message.payload)
                });
            if same {
                self.set_packet_id(at, id);
                return true;
            }
            at = end;
        }
        false
    }

    fn append(&mut self, message: &Message<'_>) {
        let flags = message.qos.bits()
            | if message.retain { RETAIN } else { 0 }
            | if message.dup { DUP } else { 0 };
        let properties = property_bytes(message);
        let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or_default();
        let properties_len = len(properties).to_be_bytes();
        let (flags, properties_len): (u8, &[u8]) = match properties {
            [] => (flags, &[]),
            _ => (flags | PROPERTIES, &properties_len),
        };
        // All fit: the message has just come in a packet.
        let [topic_high, topic_low] = u16::try_from(message.topic.len())
            .unwrap_or_default()
            .to_be_bytes();
        let [a, b, c, d] = len(message.payload)
            .saturating_add(len(properties))
            .saturating_add(len(properties_len))
            .to_be_bytes();
        let [id_high, id_low] = message.packet_id.map_or(0, PacketId::get).to_be_bytes();
        let header = [topic_high, topic_low, a, b, c, d, flags, id_high, id_low];
        let mut at = self.used;
        let topic = message.topic.as_bytes();
        for part in [
            &header[..],
            topic,
            message.payload,
            properties,
            properties_len,
        ] {
            let end = at.saturating_add(part.len());
            if let Some(place) = self.buf.get_mut(at..end) {
                place.copy_from_slice(part);
            }
            at = end;
        }
        self.used = at;
    }

    fn drop_oldest_qos0(&mut self) -> bool {
        let mut at = 0;
        while let Some(record) = self.record(at) {
            if record.qos() == QoS::AtMostOnce && !record.is_in_hand() {
                self.remove(at, record);
                self.dropped = self.dropped.saturating_add(1);
                return true;
            }
            at = at.saturating_add(record.len());
        }
        false
    }

    fn record(&self, at: usize) -> Option<Record> {
        let header = self.buf.get(..self.used)?.get(at..)?.first_chunk()?;
        Some(Record::read(header))
    }

    fn set_flags(&mut self, at: usize, flags: u8) {
        if let Some(place) = self.buf.get_mut(at.saturating_add(6)) {
            *place = flags;
        }
    }

    fn set_packet_id(&mut self, at: usize, id: u16) {
        let from = at.saturating_add(7);
        if let Some(place) = self.buf.get_mut(from..from.saturating_add(2)) {
            place.copy_from_slice(&id.to_be_bytes());
        }
    }

    fn remove(&mut self, at: usize, record: Record) {
        let end = at.saturating_add(record.len());
        if end <= self.used {
            self.buf.copy_within(end..self.used, at);
            self.used = self.used.saturating_sub(record.len());
        }
    }
}
