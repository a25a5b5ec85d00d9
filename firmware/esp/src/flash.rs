//! Partitions of the flash: the kit, the settings, the offline queue.
//!
//! Where they lie is read from the partition table, by their names; see `firmware/partitions.csv`.

use core::cell::RefCell;
use core::fmt;

use embedded_storage::nor_flash::{NorFlashError, NorFlashErrorKind};
use embedded_storage_async::nor_flash::{ErrorType, MultiwriteNorFlash, NorFlash, ReadNorFlash};
use esp_bootloader_esp_idf::partitions::{
    FlashStorage, PARTITION_TABLE_MAX_LEN, PartitionEntry, read_partition_table,
};
use esp_hal::peripherals::FLASH;
use static_cell::StaticCell;
use thingwire_chip::KitImage;

use crate::say;

/// The flash and the partitions that are of interest.
#[derive(Clone, Copy)]
pub(crate) struct Flash {
    storage: &'static RefCell<FlashStorage<'static>>,
    kit: Option<PartitionEntry>,
    settings: Option<PartitionEntry>,
    queue: Option<PartitionEntry>,
}

/// A partition that can be written.
pub struct Partition {
    storage: &'static RefCell<FlashStorage<'static>>,
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
        static STORAGE: StaticCell<RefCell<FlashStorage<'static>>> = StaticCell::new();
        let mut table = [0; PARTITION_TABLE_MAX_LEN];
        let mut found = Self {
            storage: STORAGE.init(RefCell::new(FlashStorage::new(flash))),
            kit: None,
            settings: None,
            queue: None,
        };
        let mut storage = found.storage.borrow_mut();
        match read_partition_table(&mut storage, &mut table) {
            Ok(table) => {
                for entry in table.iter().filter(is_ours) {
                    match entry.label_as_str() {
                        "kit" => found.kit = Some(entry),
                        "settings" => found.settings = Some(entry),
                        "queue" => found.queue = Some(entry),
                        _ => {}
                    }
                }
            }
            Err(_) => say!("the partition table cannot be read"),
        }
        drop(storage);
        found
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
        let mut storage = self.storage.borrow_mut();
        let mut region = entry.as_flash_region(&mut storage);
        let len = region.partition_size().min(buffer.len());
        let part = buffer.get_mut(..len).unwrap_or_default();
        region
            .read(0, part)
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

/// Whether it is of the kind that `firmware/partitions.csv` gives to all of ours: `data, undefined`. The library that reads the
/// table panics when it looks into a partition of a kind that it does not know, which would be a start without an end.
fn is_ours(entry: &PartitionEntry) -> bool {
    (entry.raw_type(), entry.raw_subtype()) == (1, 6)
}

impl Partition {
    /// Its length in bytes.
    pub(crate) fn len(&self) -> u32 {
        self.entry.len()
    }
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Partition({})", self.entry.label_as_str())
    }
}

impl ErrorType for Partition {
    type Error = FlashError;
}

impl ReadNorFlash for Partition {
    const READ_SIZE: usize = 4;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        let mut storage = self.storage.borrow_mut();
        let mut region = self.entry.as_flash_region(&mut storage);
        let mut flash = region.as_nor_flash().map_err(|_| FlashError)?;
        embedded_storage::nor_flash::ReadNorFlash::read(&mut flash, offset, bytes)
            .map_err(|_| FlashError)
    }

    fn capacity(&self) -> usize {
        usize::try_from(self.entry.len()).unwrap_or_default()
    }
}

impl NorFlash for Partition {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 4096;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        let mut storage = self.storage.borrow_mut();
        let mut region = self.entry.as_flash_region(&mut storage);
        let mut flash = region.as_nor_flash().map_err(|_| FlashError)?;
        embedded_storage::nor_flash::NorFlash::erase(&mut flash, from, to).map_err(|_| FlashError)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        let mut storage = self.storage.borrow_mut();
        let mut region = self.entry.as_flash_region(&mut storage);
        let mut flash = region.as_nor_flash().map_err(|_| FlashError)?;
        embedded_storage::nor_flash::NorFlash::write(&mut flash, offset, bytes)
            .map_err(|_| FlashError)
    }
}

// A word may be written again as long as only ones become zeros: the flash is written as it is, without a checksum.
impl MultiwriteNorFlash for Partition {}
