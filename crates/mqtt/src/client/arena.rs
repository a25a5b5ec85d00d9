//! The lent arena: encoded packets that must outlive a write, packed in the order they were accepted.
//!
//! Each record is a header of [`HEADER`] bytes, the encoded packet, and one byte for every reason
//! code its acknowledgement will bring. The header lives in the arena too, so that the lent buffer
//! is the only capacity there is. Removing a record closes the gap; records are therefore found by
//! walking from the front, and remembered by ticket, never by position.
//!
//! No function here can panic: a position that is not a record's start reads as "no record". Positions are added up with
//! wrapping because they lie inside a slice, and each is checked where it is used.

use crate::QoS;
use crate::fault::Fault;
use crate::wire::close_gap;

/// Bytes of bookkeeping before each packet.
pub(super) const HEADER: usize = 16;

/// What kind of packet a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// PUBLISH with QoS 0: gone once written, dropped with the connection.
    PublishQos0,
    /// PUBLISH with QoS 1: kept until PUBACK.
    PublishQos1,
    /// SUBSCRIBE: kept after SUBACK as well, to be sent again when the server lost the session.
    Subscribe,
    /// UNSUBSCRIBE: kept until UNSUBACK.
    Unsubscribe,
    /// PUBLISH with QoS 2: kept until PUBREC.
    #[cfg(feature = "qos2")]
    PublishQos2 = 4,
    /// PUBREL: kept until PUBCOMP.
    #[cfg(feature = "qos2")]
    Release = 5,
    /// No packet: the identifier of a received PUBLISH with QoS 2, kept until PUBREL.
    #[cfg(feature = "qos2")]
    Received = 6,
    /// A DISCONNECT with more than nothing to say: sent when all else is, dropped with the connection.
    #[cfg(feature = "v5")]
    Farewell = 7,
}

impl Kind {
    /// A PUBLISH that is acknowledged.
    pub(super) const fn is_kept_publish(self) -> bool {
        #[cfg(feature = "qos2")]
        if matches!(self, Self::PublishQos2) {
            return true;
        }
        matches!(self, Self::PublishQos1)
    }

    /// The same, without telling kept PUBLISHes apart.
    pub(super) const fn alike(self) -> Self {
        #[cfg(feature = "qos2")]
        if matches!(self, Self::PublishQos2) {
            return Self::PublishQos1;
        }
        self
    }

    /// The quality of service of a kept PUBLISH.
    pub(super) const fn qos(self) -> QoS {
        #[cfg(feature = "qos2")]
        if matches!(self, Self::PublishQos2) {
            return QoS::ExactlyOnce;
        }
        QoS::AtLeastOnce
    }

    /// Whether the packet identifier is the server's and not ours.
    pub(super) const fn is_inbound(self) -> bool {
        #[cfg(feature = "qos2")]
        if matches!(self, Self::Received) {
            return true;
        }
        false
    }

    /// Whether a PUBLISH of which nothing but PUBREL and PUBCOMP is missing.
    pub(super) const fn is_release(self) -> bool {
        #[cfg(feature = "qos2")]
        if matches!(self, Self::Release) {
            return true;
        }
        false
    }
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Never sent, or to be sent as if new because the server lost the session.
    Queued,
    /// Sent before; to be sent again with the same packet identifier (a PUBLISH with DUP).
    Resend,
    /// On the wire, waiting for its acknowledgement.
    Sent,
    /// A SUBSCRIBE whose filters the server holds.
    Granted,
    /// Acknowledged; its result codes wait for whoever holds the ticket.
    Done,
    /// No longer wanted, but half written: the bytes must stay until the packet is whole.
    Withdrawn,
    /// A SUBSCRIBE that the server closed the connection on: to be tried again later.
    Aside,
}

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) state: State,
    /// Whether somebody holds the ticket and will ask for the result.
    pub(super) awaited: bool,
    /// Reason code bytes after the packet.
    pub(super) codes: u8,
    /// 0 when the record holds no identifier at the moment.
    pub(super) packet_id: u16,
    pub(super) ticket: u32,
    /// The low half of the moment, which comes round after 49 days; nothing on a connection waits that long.
    pub(super) sent_at: u32,
    /// Bytes after the header: packet, then codes.
    pub(super) len: u32,
}

impl Entry {
    /// Bytes of the encoded packet.
    pub(super) const fn packet_len(&self) -> usize {
        (self.len as usize).wrapping_sub(self.codes as usize)
    }

    const fn to_bytes(self) -> [u8; HEADER] {
        let [l0, l1, l2, l3] = self.len.to_le_bytes();
        let [t0, t1, t2, t3] = self.ticket.to_le_bytes();
        let [s0, s1, s2, s3] = self.sent_at.to_le_bytes();
        let [id_low, id_high] = self.packet_id.to_le_bytes();
        let what = self.kind as u8 | (self.state as u8) << 3 | (self.awaited as u8) << 7;
        [
            l0, l1, l2, l3, t0, t1, t2, t3, s0, s1, s2, s3, id_low, id_high, self.codes, what,
        ]
    }

    const fn from_bytes(bytes: &[u8; HEADER]) -> Self {
        let [
            l0,
            l1,
            l2,
            l3,
            t0,
            t1,
            t2,
            t3,
            s0,
            s1,
            s2,
            s3,
            id_low,
            id_high,
            codes,
            what,
        ] = *bytes;
        Self {
            len: u32::from_le_bytes([l0, l1, l2, l3]),
            ticket: u32::from_le_bytes([t0, t1, t2, t3]),
            sent_at: u32::from_le_bytes([s0, s1, s2, s3]),
            packet_id: u16::from_le_bytes([id_low, id_high]),
            codes,
            kind: match what & 7 {
                0 => Kind::PublishQos0,
                1 => Kind::PublishQos1,
                2 => Kind::Subscribe,
                #[cfg(feature = "qos2")]
                4 => Kind::PublishQos2,
                #[cfg(feature = "qos2")]
                5 => Kind::Release,
                #[cfg(feature = "qos2")]
                6 => Kind::Received,
                #[cfg(feature = "v5")]
                7 => Kind::Farewell,
                _ => Kind::Unsubscribe,
            },
            state: match what >> 3 & 0xF {
                0 => State::Queued,
                1 => State::Resend,
                2 => State::Sent,
                3 => State::Granted,
                4 => State::Done,
                5 => State::Withdrawn,
                _ => State::Aside,
            },
            awaited: what & 0x80 != 0,
        }
    }
}

/// A position in the arena. Valid until the next removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(super) struct At(usize);

impl At {
    /// Where the packet begins.
    const fn body(self) -> usize {
        self.0.wrapping_add(HEADER)
    }
}

/// The packed records.
pub(super) struct Arena<'b> {
    buf: &'b mut [u8],
    used: usize,
}

/// Sees the records so far, writes a packet if there is room for it, answers how many bytes it takes.
///
/// Behind a pointer, because a device pays for each copy of [`Arena::push`].
pub(super) type Encode<'f> = dyn Fn(&[u8], &mut [u8]) -> Result<usize, Fault> + 'f;

/// Why a record was not added.
#[derive(Clone, Copy)]
pub(super) enum PushError {
    /// It would fit once `needed` bytes are free; `free` are.
    NoRoom { needed: usize, free: usize },
    /// The packet cannot be written at all.
    Encode(Fault),
}

impl<'b> Arena<'b> {
    pub(super) fn new(buf: &'b mut [u8]) -> Self {
        Self { buf, used: 0 }
    }

    pub(super) fn capacity(&self) -> usize {
        self.buf.len()
    }

    pub(super) fn free(&self) -> usize {
        self.buf.len().wrapping_sub(self.used)
    }

    /// Takes so many bytes from the end of the buffer for something else, if no record is there.
    #[cfg(feature = "v5")]
    pub(super) fn take_end(&mut self, bytes: usize) -> Option<&'b mut [u8]> {
        let left = self.buf.len().checked_sub(bytes)?;
        if left < self.used {
            return None;
        }
        let (records, end) = core::mem::take(&mut self.buf).split_at_mut_checked(left)?;
        self.buf = records;
        Some(end)
    }

    /// Adds a record behind the last one. Answers the bytes of the arena that it takes.
    pub(super) fn push(
        &mut self,
        mut entry: Entry,
        encode: &Encode<'_>,
    ) -> Result<usize, PushError> {
        let free = self.free();
        let codes = usize::from(entry.codes);
        let (front, tail) = self.buf.split_at_mut_checked(self.used).unwrap_or_default();
        let (header, body) = match tail.split_first_chunk_mut::<HEADER>() {
            Some((header, body)) => (Some(header), body),
            None => (None, Default::default()),
        };
        // Without room for header and codes `encode` still tells how much the packet needs.
        let room = body.len().checked_sub(codes);
        let room = room
            .and_then(|room| body.get_mut(..room))
            .unwrap_or_default();
        let room_len = room.len();
        let written = encode(front, room).map_err(PushError::Encode)?;
        let len = written.wrapping_add(codes);
        let taken = len.wrapping_add(HEADER);
        // An empty header means that there was no room either: no packet is empty.
        let (Some(header), true) = (header, written <= room_len) else {
            return Err(PushError::NoRoom {
                needed: taken,
                free,
            });
        };
        entry.len = len as u32;
        *header = entry.to_bytes();
        self.used = self.used.wrapping_add(taken);
        Ok(taken)
    }

    /// Where the next record will begin.
    pub(super) fn mark(&self) -> At {
        At(self.used)
    }

    /// Takes back the records from `mark` on.
    pub(super) fn back_to(&mut self, mark: At) {
        self.used = self.used.min(mark.0);
    }

    pub(super) fn first(&self) -> At {
        At(0)
    }

    /// The record at `at`, or `None` behind the last.
    pub(super) fn entry(&self, at: At) -> Option<Entry> {
        let records = self.buf.get(at.0..self.used)?;
        Some(Entry::from_bytes(records.first_chunk()?))
    }

    /// The position behind the record `entry` at `at`.
    pub(super) const fn after(&self, at: At, entry: &Entry) -> At {
        At(at.body().wrapping_add(entry.len as usize))
    }

    pub(super) fn find(&self, mut wanted: impl FnMut(&Entry) -> bool) -> Option<(At, Entry)> {
        let mut at = self.first();
        while let Some(entry) = self.entry(at) {
            if wanted(&entry) {
                return Some((at, entry));
            }
            at = self.after(at, &entry);
        }
        None
    }

    pub(super) fn by_ticket(&self, ticket: u32) -> Option<(At, Entry)> {
        self.find(|entry| entry.ticket == ticket)
    }

    pub(super) fn set(&mut self, at: At, entry: &Entry) {
        let place = self.buf.get_mut(at.0..);
        if let Some(header) = place.and_then(|place| place.first_chunk_mut()) {
            *header = entry.to_bytes();
        }
    }

    /// The encoded packet of the record.
    pub(super) fn packet(&self, at: At, entry: &Entry) -> &[u8] {
        Self::packet_in(self.buf, at, entry)
    }

    pub(super) fn packet_mut(&mut self, at: At, entry: &Entry) -> &mut [u8] {
        let end = at.body().wrapping_add(entry.packet_len());
        self.buf.get_mut(at.body()..end).unwrap_or_default()
    }

    /// The packet of a record, given the `front` that [`push`](Self::push) showed.
    pub(super) fn packet_in<'f>(front: &'f [u8], at: At, entry: &Entry) -> &'f [u8] {
        let end = at.body().wrapping_add(entry.packet_len());
        front.get(at.body()..end).unwrap_or_default()
    }

    /// The reason code bytes of the record.
    pub(super) fn codes(&self, at: At, entry: &Entry) -> &[u8] {
        let start = at.body().wrapping_add(entry.packet_len());
        self.buf
            .get(start..self.after(at, entry).0)
            .unwrap_or_default()
    }

    pub(super) fn codes_mut(&mut self, at: At, entry: &Entry) -> &mut [u8] {
        let start = at.body().wrapping_add(entry.packet_len());
        let end = self.after(at, entry).0;
        self.buf.get_mut(start..end).unwrap_or_default()
    }

    /// Takes the record out and closes the gap.
    pub(super) fn remove(&mut self, at: At, entry: &Entry) {
        self.cut(at.0, self.after(at, entry).0);
    }

    /// Drops the packet but keeps header and codes: what a ticket holder still needs.
    pub(super) fn keep_codes(&mut self, at: At, mut entry: Entry) {
        let packet_len = entry.packet_len();
        entry.len = u32::from(entry.codes);
        self.set(at, &entry);
        self.cut(at.body(), at.body().wrapping_add(packet_len));
    }

    fn cut(&mut self, from: usize, to: usize) {
        if let Some(rest) = self.buf.get_mut(from..self.used) {
            let gap = to.wrapping_sub(from).min(rest.len());
            close_gap(rest, gap);
            self.used = self.used.wrapping_sub(gap);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(ticket: u32, codes: u8) -> Entry {
        Entry {
            kind: Kind::PublishQos1,
            state: State::Queued,
            awaited: true,
            codes,
            packet_id: 7,
            ticket,
            sent_at: 0x0506_0708,
            len: 0,
        }
    }

    fn push(arena: &mut Arena<'_>, entry: Entry, packet: &[u8]) -> bool {
        arena
            .push(entry, &|_, out| {
                if let Some(place) = out.get_mut(..packet.len()) {
                    place.copy_from_slice(packet);
                }
                Ok(packet.len())
            })
            .is_ok()
    }

    #[test]
    fn headers_survive_the_round_trip() {
        for kind in [
            Kind::PublishQos0,
            Kind::PublishQos1,
            Kind::Subscribe,
            Kind::Unsubscribe,
            #[cfg(feature = "v5")]
            Kind::Farewell,
            #[cfg(feature = "qos2")]
            Kind::PublishQos2,
            #[cfg(feature = "qos2")]
            Kind::Release,
            #[cfg(feature = "qos2")]
            Kind::Received,
        ] {
            for state in [
                State::Queued,
                State::Resend,
                State::Sent,
                State::Granted,
                State::Done,
                State::Withdrawn,
                State::Aside,
            ] {
                for awaited in [false, true] {
                    let header = Entry {
                        kind,
                        state,
                        awaited,
                        len: 77,
                        ..entry(0xAABB_CCDD, 3)
                    };
                    assert_eq!(Entry::from_bytes(&header.to_bytes()), header);
                }
            }
        }
    }

    #[test]
    fn removing_closes_the_gap_and_order_stays() {
        let mut buf = [0; 3 * (HEADER + 4)];
        let mut arena = Arena::new(&mut buf);
        for (ticket, text) in [(1, b"aaa"), (2, b"bbb"), (3, b"ccc")] {
            assert!(push(&mut arena, entry(ticket, 1), text));
        }
        assert_eq!(arena.free(), 0);
        assert!(
            !push(&mut arena, entry(4, 0), b""),
            "a full arena takes nothing"
        );

        let (at, second) = arena.by_ticket(2).unwrap();
        arena.remove(at, &second);
        assert!(arena.by_ticket(2).is_none());
        let (at, third) = arena.by_ticket(3).unwrap();
        assert_eq!(arena.packet(at, &third), b"ccc");
        assert!(
            push(&mut arena, entry(4, 1), b"ddd"),
            "the gap is usable again"
        );
        let (at, fourth) = arena.by_ticket(4).unwrap();
        assert_eq!(arena.packet(at, &fourth), b"ddd");
    }

    #[test]
    fn a_finished_record_shrinks_to_its_codes() {
        let mut buf = [0; 128];
        let mut arena = Arena::new(&mut buf);
        assert!(push(&mut arena, entry(1, 2), b"subscribe"));
        assert!(push(&mut arena, entry(2, 1), b"next"));
        let (at, first) = arena.by_ticket(1).unwrap();
        arena.codes_mut(at, &first).copy_from_slice(&[1, 0x80]);
        arena.keep_codes(at, first);
        let (at, first) = arena.by_ticket(1).unwrap();
        assert_eq!(
            (arena.packet(at, &first), arena.codes(at, &first)),
            (&b""[..], &[1, 0x80][..])
        );
        let (at, second) = arena.by_ticket(2).unwrap();
        assert_eq!(arena.packet(at, &second), b"next");
    }

    #[test]
    fn what_never_fits_says_how_much_it_needs() {
        let mut buf = [0; HEADER + 4];
        let mut arena = Arena::new(&mut buf);
        let refused = arena.push(entry(1, 1), &|_, _| Ok(10));
        assert!(matches!(
            refused,
            Err(PushError::NoRoom { needed, free }) if needed == HEADER + 11 && free == HEADER + 4
        ));
    }
}
