//! The lent arena: encoded packets that must outlive a write, packed in the order they were accepted.
//!
//! Each record is a header (see [`record`](super::record)), the encoded packet, and one byte for every reason
//! code its acknowledgement will bring. The header lives in the arena too, so that the lent buffer
//! is the only capacity there is. Removing a record closes the gap; records are therefore found by
//! walking from the front, and remembered by ticket, never by position.
//!
//! No function here can panic: a position that is not a record's start reads as "no record". Positions are added up with
//! wrapping because they lie inside a slice, and each is checked where it is used.

use super::record::{Entry, HEADER, Head};
use crate::fault::Fault;
use crate::wire::close_gap;

/// A position in the arena. Valid until the next removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(super) struct At(usize);

impl At {
    /// Where the packet begins.
    const fn body(self) -> usize {
        self.0.wrapping_add(HEADER)
    }

    /// The position behind a record that begins here.
    pub(super) const fn behind(self, len: u32) -> Self {
        Self(self.body().wrapping_add(len as usize))
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

    /// Adds a record behind the last one.
    pub(super) fn push(&mut self, entry: Entry, encode: &Encode<'_>) -> Result<(), PushError> {
        let (front, room) = self.room(entry.codes);
        let written = encode(front, room).map_err(PushError::Encode)?;
        self.commit(entry, written)
    }

    /// The records so far, and the room there is for the packet of one more that has so many `codes`.
    ///
    /// None when there is not even room for header and codes: then whoever writes still learns how much the packet needs.
    pub(super) fn room(&mut self, codes: u8) -> (&[u8], &mut [u8]) {
        let (front, tail) = self.buf.split_at_mut_checked(self.used).unwrap_or_default();
        let end = tail.len().saturating_sub(usize::from(codes));
        (front, tail.get_mut(HEADER..end).unwrap_or_default())
    }

    /// Adds the record whose packet, so many bytes, was `written` into the [`room`](Self::room) for it, if it fitted.
    pub(super) fn commit(&mut self, mut entry: Entry, written: usize) -> Result<(), PushError> {
        let free = self.free();
        let len = written.wrapping_add(usize::from(entry.codes));
        let needed = len.wrapping_add(HEADER);
        if needed > free {
            return Err(PushError::NoRoom { needed, free });
        }
        entry.len = len as u32;
        let at = At(self.used);
        self.used = self.used.wrapping_add(needed);
        self.set(at, &entry);
        Ok(())
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.used == 0
    }

    pub(super) fn first(&self) -> At {
        At(0)
    }

    /// The record at `at`, or `None` behind the last.
    pub(super) fn entry(&self, at: At) -> Option<Entry> {
        let records = self.buf.get(at.0..self.used)?;
        Some(Entry::from_bytes(records.first_chunk()?))
    }

    /// The same, without what a walk does not look at.
    pub(super) fn head(&self, at: At) -> Option<Head> {
        let records = self.buf.get(at.0..self.used)?;
        Some(Head::from_bytes(records.first_chunk()?))
    }

    /// The position behind the record `entry` at `at`.
    pub(super) const fn after(&self, at: At, entry: &Entry) -> At {
        at.behind(entry.len)
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

    /// The same.
    pub(super) fn packet_of(&self, at: At, head: &Head) -> &[u8] {
        let end = at.body().wrapping_add(head.packet_len());
        self.buf.get(at.body()..end).unwrap_or_default()
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
        self.remove_of(at, entry.len);
    }

    /// The same, for a record of that length.
    #[inline(never)]
    pub(super) fn remove_of(&mut self, at: At, len: u32) {
        let end = at.behind(len).0;
        if end >= self.used {
            // Nothing lies behind it, as with nearly every record that is written and gone.
            self.used = self.used.min(at.0);
        } else {
            self.cut(at.0, end);
        }
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
    use super::super::record::{Kind, State};
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
