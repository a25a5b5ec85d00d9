//! The image around its fields: header, checksum, and one field after the other.
//!
//! What a field means is for `read.rs` to say. Whatever the bytes, nothing here panics or reads over an end.

use super::{KitImage, limits};
use crate::checksum::crc32;
use crate::{ImageError, ImageWriteError};

const MAGIC: &[u8; 8] = b"TWKITIMG";
const VERSION: u16 = 1;

/// Bytes in front of the fields.
pub(super) const HEADER: usize = 20;

/// Header without the checksum.
const BEFORE_CHECKSUM: usize = 16;

/// Fills in the header in front of the fields.
pub(super) fn seal(image: Option<&mut [u8]>) -> Option<()> {
    let (header, fields) = image?.split_first_chunk_mut::<HEADER>()?;
    let len = u32::try_from(fields.len()).ok()?;
    let (before, checksum) = header.split_at_mut(BEFORE_CHECKSUM);
    let parts: [&[u8]; 4] = [MAGIC, &VERSION.to_le_bytes(), &[0, 0], &len.to_le_bytes()];
    for (place, byte) in before.iter_mut().zip(parts.into_iter().flatten()) {
        *place = *byte;
    }
    checksum.copy_from_slice(&crc32(crc32(0, before), fields).to_le_bytes());
    Some(())
}

/// Appends a field of these parts.
pub(super) fn field(
    out: &mut [u8],
    at: &mut usize,
    tag: u16,
    parts: &[&[u8]],
) -> Result<(), ImageWriteError> {
    let len = parts.iter().map(|part| part.len()).sum::<usize>();
    let short = u16::try_from(len).map_err(|_| ImageWriteError::TooLong {
        len,
        max: KitImage::MAX_LEN,
    })?;
    let head = [tag.to_le_bytes(), short.to_le_bytes()];
    for part in head
        .iter()
        .map(|bytes| bytes.as_slice())
        .chain(parts.iter().copied())
    {
        let end = at.saturating_add(part.len());
        let place = out.get_mut(*at..end).ok_or(ImageWriteError::NoRoom)?;
        place.copy_from_slice(part);
        *at = end;
    }
    Ok(())
}

/// The fields that are still to be read.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Checks the header and the checksum.
    pub(super) fn of(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let (header, after) = bytes
            .split_first_chunk::<HEADER>()
            .ok_or(ImageError::Missing)?;
        let [
            m0,
            m1,
            m2,
            m3,
            m4,
            m5,
            m6,
            m7,
            v0,
            v1,
            _,
            _,
            l0,
            l1,
            l2,
            l3,
            c0,
            c1,
            c2,
            c3,
        ] = *header;
        if [m0, m1, m2, m3, m4, m5, m6, m7] != *MAGIC {
            return Err(ImageError::Missing);
        }
        let version = u16::from_le_bytes([v0, v1]);
        if version > VERSION {
            return Err(ImageError::Newer { version });
        }
        let fields = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3]))
            .ok()
            .filter(|len| *len <= KitImage::MAX_LEN.saturating_sub(HEADER))
            .and_then(|len| after.get(..len))
            .ok_or(ImageError::Damaged)?;
        let before = header.get(..BEFORE_CHECKSUM).unwrap_or_default();
        if crc32(crc32(0, before), fields) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Err(ImageError::Damaged);
        }
        if version == 0 {
            return Err(ImageError::Invalid(limits::VERSION));
        }
        Ok(Self(fields))
    }

    /// Header and all fields, before any of them was taken.
    pub(super) const fn image_len(&self) -> usize {
        HEADER.saturating_add(self.0.len())
    }

    /// Tag and value of the next field.
    pub(super) fn next(&mut self) -> Result<Option<(u16, &'a [u8])>, ImageError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let (head, rest) = self.0.split_first_chunk().ok_or(ImageError::Damaged)?;
        let [t0, t1, l0, l1] = *head;
        let len = usize::from(u16::from_le_bytes([l0, l1]));
        let (value, rest) = rest.split_at_checked(len).ok_or(ImageError::Damaged)?;
        self.0 = rest;
        Ok(Some((u16::from_le_bytes([t0, t1]), value)))
    }
}
