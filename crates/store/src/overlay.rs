//! A storage backend that reads from another one and keeps all writes in memory.
//!
//! What is below stays untouched: a file can be examined, or read while the disk takes no writes, without changing a byte
//! of it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use redb::StorageBackend;

use crate::below::to_the_file_below;
use crate::resync::Resync;

/// Size of the pieces an [`Overlay`] copies; redb's own page size.
const PIECE: usize = 4096;

/// Reads from below, writes to memory.
#[derive(Debug)]
pub(crate) struct Overlay {
    below: Resync,
    above: Mutex<Above>,
}

/// What was changed: pieces by their index, and the length if it was set.
#[derive(Debug)]
struct Above {
    length: u64,
    /// Bytes below this still show what is below; a shortened and lengthened file reads zero above it.
    visible: u64,
    pieces: BTreeMap<u64, Box<[u8; PIECE]>>,
}

impl Overlay {
    /// # Errors
    /// When the length of what is below cannot be read.
    pub(crate) fn new(below: Resync) -> io::Result<Self> {
        let length = below.len()?;
        let above = Mutex::new(Above {
            length,
            visible: length,
            pieces: BTreeMap::new(),
        });
        Ok(Self { below, above })
    }

    /// The piece as it is now, from above or below.
    fn piece(&self, above: &Above, index: u64) -> io::Result<Box<[u8; PIECE]>> {
        if let Some(piece) = above.pieces.get(&index) {
            return Ok(piece.clone());
        }
        let mut piece = Box::new([0; PIECE]);
        let start = index.saturating_mul(PIECE as u64);
        let there = usize::try_from(above.visible.saturating_sub(start))
            .map_or(PIECE, |there| there.min(PIECE));
        if let Some(out) = piece.get_mut(..there).filter(|out| !out.is_empty()) {
            self.below.read(start, out)?;
        }
        Ok(piece)
    }
}

/// Cuts a range into (piece index, offset in the piece, offset in the range, length).
fn cut(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize, usize)> {
    let mut done = 0usize;
    std::iter::from_fn(move || {
        let left = length.checked_sub(done).filter(|left| *left > 0)?;
        let position = offset.saturating_add(done as u64);
        let within = usize::try_from(position % PIECE as u64).ok()?;
        let take = left.min(PIECE.saturating_sub(within));
        let cut = (position / PIECE as u64, within, done, take);
        done = done.saturating_add(take);
        Some(cut)
    })
}

fn out_of_range() -> io::Error {
    io::Error::from(io::ErrorKind::UnexpectedEof)
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self
            .above
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let above = self.above.lock().unwrap_or_else(PoisonError::into_inner);
        if offset
            .checked_add(out.len() as u64)
            .is_none_or(|end| end > above.length)
        {
            return Err(out_of_range());
        }
        for (index, within, at, take) in cut(offset, out.len()) {
            let piece = self.piece(&above, index)?;
            let from = piece
                .get(within..)
                .and_then(|rest| rest.get(..take))
                .ok_or_else(out_of_range)?;
            out.get_mut(at..)
                .and_then(|rest| rest.get_mut(..take))
                .ok_or_else(out_of_range)?
                .copy_from_slice(from);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut above = self.above.lock().unwrap_or_else(PoisonError::into_inner);
        if len < above.length {
            above.visible = above.visible.min(len);
            let boundary = len / PIECE as u64;
            above.pieces.retain(|index, _| *index <= boundary);
            let keep = usize::try_from(len % PIECE as u64).unwrap_or(0);
            if let Some(tail) = above
                .pieces
                .get_mut(&boundary)
                .and_then(|piece| piece.get_mut(keep..))
            {
                tail.fill(0);
            }
        }
        above.length = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut above = self.above.lock().unwrap_or_else(PoisonError::into_inner);
        for (index, within, at, take) in cut(offset, data.len()) {
            let mut piece = self.piece(&above, index)?;
            let from = data
                .get(at..)
                .and_then(|rest| rest.get(..take))
                .ok_or_else(out_of_range)?;
            piece
                .get_mut(within..)
                .and_then(|rest| rest.get_mut(..take))
                .ok_or_else(out_of_range)?
                .copy_from_slice(from);
            above.pieces.insert(index, piece);
        }
        above.length = above.length.max(offset.saturating_add(data.len() as u64));
        Ok(())
    }

    to_the_file_below!(close, locks);
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::backends::InMemoryBackend;

    #[test]
    fn what_is_below_stays_as_it_was() {
        let below = Resync::new(InMemoryBackend::new());
        below.set_len(10_000).unwrap();
        below.write(4090, b"below the overlay").unwrap();
        let overlay = Overlay::new(below.clone()).unwrap();

        overlay.write(4095, b"ABOVE").unwrap();
        let mut seen = [0; 17];
        overlay.read(4090, &mut seen).unwrap();
        assert_eq!(&seen, b"belowABOVEoverlay");
        below.read(4090, &mut seen).unwrap();
        assert_eq!(&seen, b"below the overlay");
    }

    #[test]
    fn a_shortened_and_lengthened_file_reads_zero() {
        let below = Resync::new(InMemoryBackend::new());
        below.set_len(10_000).unwrap();
        below.write(4090, b"below the overlay").unwrap();
        let overlay = Overlay::new(below).unwrap();

        overlay.write(8000, b"gone soon").unwrap();
        overlay.set_len(4095).unwrap();
        assert!(
            overlay.read(4090, &mut [0; 6]).is_err(),
            "past the end is an error"
        );
        overlay.set_len(9000).unwrap();
        let mut seen = [1; 17];
        overlay.read(4090, &mut seen).unwrap();
        assert_eq!(&seen, b"below\0\0\0\0\0\0\0\0\0\0\0\0");
        let mut seen = [1; 9];
        overlay.read(8000, &mut seen).unwrap();
        assert_eq!(seen, [0; 9]);
    }
}
