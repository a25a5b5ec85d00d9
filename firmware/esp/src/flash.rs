//! Partitions of the flash: the kit, the settings, the offline queue.
//!
//! Where they lie is read from the partition table, by their names; see `firmware/partitions.csv`.

use core::cell::RefCell;
use core::fmt;

use embedded_storage::nor_flash::{NorFlashError, NorFlashErrorKind};
use embedded_storage_async::nor_flash::{ErrorType, MultiwriteNorFlash, NorFlash, ReadNorFlash};
use esp_hal::peripherals::FLASH;
use static_cell::StaticCell;
use thingwire_chip::{KitImage, PartitionEntry};

use crate::say;
use crate::storage::Storage;

/// The flash and the partitions that are of interest.
#[derive(Clone, Copy)]
pub(crate) struct Flash {
    storage: &'static RefCell<Storage>,
    kit: Option<PartitionEntry>,
    settings: Option<PartitionEntry>,
    queue: Option<PartitionEntry>,
}

/// A partition that can be written.
pub struct Partition {
    storage: &'static RefCell<Storage>,
    entry: PartitionEntry,
}

/// The flash did not do what it was asked for, or the partition does not allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlashError;

impl fmt::Display for FlashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the flash cannot be read or written")
    }
}

impl core::error::Error for FlashError {}

impl NorFlashError for FlashError {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl Flash {
    /// Finds the partitions. Call it once.
    pub(crate) fn find(flash: FLASH<'static>) -> Self {
        static STORAGE: StaticCell<RefCell<Storage>> = StaticCell::new();
        let storage = &*STORAGE.init(RefCell::new(Storage::new(flash)));
        let mut table = [0; PartitionEntry::TABLE_LEN];
        let at = PartitionEntry::TABLE_OFFSET;
        let read = storage.borrow_mut().read(at, &mut table, true);
        if read.is_err() || !PartitionEntry::is_table(&table) {
            say!("the partition table cannot be read");
        }
        Self {
            storage,
            kit: PartitionEntry::find(&table, "kit"),
            settings: PartitionEntry::find(&table, "settings"),
            queue: PartitionEntry::find(&table, "queue"),
        }
    }

    /// Reads the kit's partition into `buffer`.
    ///
    /// # Errors
    /// One sentence for people.
    pub(crate) fn read_kit(
        &self,
        buffer: &mut [u8; KitImage::MAX_LEN],
    ) -> Result<(), &'static str> {
        let entry = self
            .kit
            .ok_or("the flash has no partition `kit`: write firmware/partitions.csv")?;
        let len = usize::try_from(entry.size()).unwrap_or_default();
        let len = len.min(buffer.len());
        let part = buffer.get_mut(..len).unwrap_or_default();
        let mut storage = self.storage.borrow_mut();
        entry
            .address(0, len)
            .ok_or(FlashError)
            .and_then(|address| storage.read(address, part, entry.is_encrypted()))
            .map_err(|_| "the partition `kit` cannot be read")
    }

    /// The partition for settings.
    pub(crate) fn settings(&self) -> Option<Partition> {
        self.partition(self.settings)
    }

    /// The partition for the offline queue.
    pub(crate) fn queue(&self) -> Option<Partition> {
        self.partition(self.queue)
    }

    fn partition(&self, entry: Option<PartitionEntry>) -> Option<Partition> {
        Some(Partition {
            storage: self.storage,
            entry: entry?,
        })
    }
}

// Kits are read in whole words.
const _: () = assert!(KitImage::MAX_LEN.is_multiple_of(4));

impl Partition {
    /// Its length in bytes.
    pub(crate) fn len(&self) -> u32 {
        self.entry.size()
    }

    /// Where in flash that lies, in a partition that may be read as it is.
    fn address(&self, offset: u32, len: usize) -> Result<u32, FlashError> {
        if self.entry.is_encrypted() && esp_storage::flash_encryption() {
            return Err(FlashError);
        }
        self.entry.address(offset, len).ok_or(FlashError)
    }

    /// The same, for writing.
    fn address_to_write(&self, offset: u32, len: usize) -> Result<u32, FlashError> {
        if self.entry.is_read_only() {
            return Err(FlashError);
        }
        self.address(offset, len)
    }
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Partition").field(&self.entry).finish()
    }
}

impl ErrorType for Partition {
    type Error = FlashError;
}

impl ReadNorFlash for Partition {
    const READ_SIZE: usize = 4;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        let address = self.address(offset, bytes.len())?;
        self.storage.borrow_mut().read(address, bytes, false)
    }

    fn capacity(&self) -> usize {
        usize::try_from(self.entry.size()).unwrap_or_default()
    }
}

impl NorFlash for Partition {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 4096;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        let len = to.checked_sub(from).ok_or(FlashError)?;
        let len = usize::try_from(len).map_err(|_| FlashError)?;
        let address = self.address_to_write(from, len)?;
        // Both ends are inside.
        let end = self.address_to_write(to, 0)?;
        self.storage.borrow_mut().erase(address, end)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        let address = self.address_to_write(offset, bytes.len())?;
        self.storage.borrow_mut().write(address, bytes)
    }
}

// A word may be written again as long as only ones become zeros: the flash is written as it is, without a checksum.
impl MultiwriteNorFlash for Partition {}
