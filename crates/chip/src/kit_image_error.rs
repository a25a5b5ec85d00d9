//! Why a kit image cannot be read or written, in words for a serial line.

use core::fmt;

use crate::Limit;

/// The image cannot be used. Your turn: write a new one onto the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageError {
    /// There is none: the place is empty, or something else lies there.
    Missing,
    /// It is for newer firmware. Update the firmware, or write an image for this one.
    Newer {
        /// Version of its format.
        version: u16,
    },
    /// It was cut off or changed: length or checksum do not fit.
    Damaged,
    /// A field it must have is not there.
    FieldMissing {
        /// The field.
        field: &'static str,
    },
    /// A field has a value that cannot be. Shown as what it must be.
    Invalid(Limit),
}

impl From<Limit> for ImageError {
    fn from(limit: Limit) -> Self {
        Self::Invalid(limit)
    }
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no kit image"),
            Self::Newer { version } => {
                write!(
                    f,
                    "the kit image has version {version}, newer than this firmware"
                )
            }
            Self::Damaged => f.write_str("the kit image is damaged: write it again"),
            Self::FieldMissing { field } => write!(f, "the kit image has no {field}"),
            Self::Invalid(limit) => limit.fmt(f),
        }
    }
}

impl core::error::Error for ImageError {}

/// The image was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageWriteError {
    /// The kit is larger than an image may be. Your turn: shorten the chain or leave out roots.
    TooLong {
        /// Bytes it needs.
        len: usize,
        /// Bytes it may have.
        max: usize,
    },
    /// The memory for it is too small. Lend [`KitImage::MAX_LEN`](crate::KitImage::MAX_LEN) bytes.
    NoRoom,
    /// A reader would not take it. Your turn: correct the kit.
    Refused(ImageError),
}

impl fmt::Display for ImageWriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len, max } => {
                write!(f, "the kit needs {len} bytes, an image has at most {max}")
            }
            Self::NoRoom => f.write_str("the memory for the image is too small"),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ImageWriteError {}
