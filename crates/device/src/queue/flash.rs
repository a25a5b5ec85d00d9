//! A queue in flash, by sequential-storage: wear is levelled, records carry checksums.

use embedded_storage_async::nor_flash::MultiwriteNorFlash;
use sequential_storage::Error;
use sequential_storage::cache::{Cache, Uncached};
use sequential_storage::queue::{QueueConfig, QueueStorage as Pages};

use super::{QueueStorage, Visit};

/// A queue in a range of flash pages of its own, at least two.
///
/// It keeps no state in memory: a future that is dropped half-way is to it what a power cut is, and it repairs itself at
/// the next use. That costs a look at each page for each operation.
pub struct FlashQueue<S: MultiwriteNorFlash>(Pages<S, Cache<Uncached, Uncached, Uncached>>);

impl<S: MultiwriteNorFlash> FlashQueue<S> {
    /// A queue in this range of the flash, in bytes; both ends must be page borders. `None` if they are not, or if
    /// there are fewer than two pages. Other contents of the range are lost.
    #[must_use]
    pub fn new(flash: S, range: core::ops::Range<u32>) -> Option<Self> {
        let config = QueueConfig::try_new(range).ok()?;
        Some(Self(Pages::new(flash, config, Cache::new_uncached())))
    }

    /// Gives the flash back.
    pub fn into_flash(self) -> S {
        self.0.destroy().0
    }
}

impl<S: MultiwriteNorFlash> QueueStorage for FlashQueue<S> {
    type Error = Error<S::Error>;

    async fn push(&mut self, record: &[u8]) -> Result<bool, Self::Error> {
        match self.0.push(record, false).await {
            Ok(()) => Ok(true),
            Err(Error::FullStorage) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn visit(
        &mut self,
        buffer: &mut [u8],
        look: &mut dyn FnMut(&[u8]) -> Visit,
    ) -> Result<(), Self::Error> {
        let mut records = self.0.iter().await?;
        while let Some(record) = records.next(buffer).await? {
            match look(&record) {
                Visit::Next => {}
                Visit::Stop => break,
                Visit::Remove => {
                    record.pop().await?;
                    break;
                }
            }
        }
        Ok(())
    }
}
