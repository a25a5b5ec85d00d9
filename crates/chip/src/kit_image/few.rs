//! A short list without an allocator, which can be copied as the kit is.

use core::fmt;

use super::limits::ENTRIES;

/// Up to 8 entries, in order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Few<T>([Option<T>; ENTRIES]);

/// There is no more room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl<T> Few<T> {
    /// The most entries.
    pub const MAX: usize = ENTRIES;

    /// Nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self([const { None }; ENTRIES])
    }

    /// Puts one at the end.
    ///
    /// # Errors
    /// [`Full`]: there are [`MAX`](Self::MAX) already.
    pub fn push(&mut self, entry: T) -> Result<(), Full> {
        let free = self.0.iter_mut().find(|place| place.is_none());
        *free.ok_or(Full)? = Some(entry);
        Ok(())
    }

    /// All of them, in order.
    pub fn iter(&self) -> Iter<'_, T> {
        self.0.iter().flatten()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

/// The entries of a [`Few`].
type Iter<'l, T> = core::iter::Flatten<core::slice::Iter<'l, Option<T>>>;

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'l, T> IntoIterator for &'l Few<T> {
    type Item = &'l T;
    type IntoIter = Iter<'l, T>;

    fn into_iter(self) -> Iter<'l, T> {
        self.iter()
    }
}

impl<T: fmt::Debug> fmt::Debug for Few<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}
