//! How bytes get out of the flash and into it: through esp-storage, or through the chip's ROM where that does not know the size.
//!
//! esp-storage takes the size from the flash chip's JEDEC id, and allows nothing when it does not know it; for the answer it waits
//! for ever. A flash chip that is new, or emulated, may have another id or none. The program runs from it nevertheless, so it is
//! there: then the functions of the ROM are called that esp-storage calls as well, and only the partition table says how far they reach.
//!
//! Flash that is encrypted is read through esp-storage in any case.

use esp_hal::peripherals::FLASH;
#[cfg(not(feature = "esp32"))]
use esp_hal::peripherals::SPI1;
use esp_storage::{FlashStorage, ll};

use crate::flash::FlashError;
use crate::say;

/// What is erased at once.
const PAGE: u32 = FlashStorage::SECTOR_SIZE;

/// What the ROM reads or writes at once: memory that begins at a word.
const CHUNK: usize = 256;

#[repr(align(4))]
struct Chunk([u8; CHUNK]);

/// How often it is looked whether the flash chip has told its id. It takes a few microseconds.
#[cfg(not(feature = "esp32"))]
const LOOKS: u32 = 100_000;

/// The whole flash. Addresses and lengths are multiples of 4, and inside: who calls looks into the partition table.
pub(crate) enum Storage {
    Library(FlashStorage<'static>),
    Rom { unlocked: bool },
}

impl Storage {
    /// Call it once.
    pub(crate) fn new(flash: FLASH<'static>) -> Self {
        let encrypted = esp_storage::flash_encryption();
        if encrypted || tells_its_id() {
            let storage = FlashStorage::new(flash);
            if encrypted || storage.capacity() > 0 {
                return Self::Library(storage);
            }
        }
        say!("the flash chip tells no size: what the partition table says is believed");
        Self::Rom { unlocked: false }
    }

    /// Fills `bytes` from this address on.
    pub(crate) fn read(
        &mut self,
        address: u32,
        bytes: &mut [u8],
        encrypted: bool,
    ) -> Result<(), FlashError> {
        match self {
            Self::Library(storage) if encrypted && esp_storage::flash_encryption() => storage
                .read_encrypted(address, bytes)
                .map_err(|_| FlashError),
            Self::Library(storage) => storage.read_nor(address, bytes).map_err(|_| FlashError),
            Self::Rom { .. } => read_rom(address, bytes),
        }
    }

    /// Turns ones into zeros where `bytes` has them.
    pub(crate) fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), FlashError> {
        match self {
            Self::Library(storage) => storage.write_nor(address, bytes).map_err(|_| FlashError),
            Self::Rom { unlocked } => {
                unlock(unlocked)?;
                write_rom(address, bytes)
            }
        }
    }

    /// Turns whole pages into ones.
    pub(crate) fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        match self {
            Self::Library(storage) => storage.erase(from, to).map_err(|_| FlashError),
            Self::Rom { unlocked } => {
                unlock(unlocked)?;
                if !from.is_multiple_of(PAGE) || !to.is_multiple_of(PAGE) {
                    return Err(FlashError);
                }
                (from / PAGE..to / PAGE).try_for_each(|page| {
                    // SAFETY: a page of a partition that is written.
                    unsafe { ll::spiflash_erase_sector(page) }.map_err(|_| FlashError)
                })
            }
        }
    }
}

/// Whether esp-storage would come back from asking the flash chip for its id. What it reads then is not left to chance: the place
/// of the answer is filled with something that is no id.
#[cfg(not(feature = "esp32"))]
fn tells_its_id() -> bool {
    critical_section::with(|_| {
        let spi = SPI1::regs();
        // SAFETY: a buffer for data; any value is one.
        spi.w(0).write(|w| unsafe { w.bits(u32::MAX) });
        spi.cmd().write(|w| w.flash_rdid().set_bit());
        (0..LOOKS).any(|_| spi.cmd().read().flash_rdid().bit_is_clear())
    })
}

/// There it is not asked: the ROM has the size from the bootloader.
#[cfg(feature = "esp32")]
fn tells_its_id() -> bool {
    true
}

fn read_rom(address: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
    let mut chunk = Chunk([0; CHUNK]);
    for (part, at) in bytes.chunks_mut(CHUNK).zip((address..).step_by(CHUNK)) {
        let len = words(at, part.len())?;
        // SAFETY: the chunk begins at a word and is long enough.
        unsafe { ll::spiflash_read(at, chunk.0.as_mut_ptr().cast(), len) }
            .map_err(|_| FlashError)?;
        let read = chunk.0.get(..part.len()).ok_or(FlashError)?;
        part.copy_from_slice(read);
    }
    Ok(())
}

fn write_rom(address: u32, bytes: &[u8]) -> Result<(), FlashError> {
    let mut chunk = Chunk([0; CHUNK]);
    for (part, at) in bytes.chunks(CHUNK).zip((address..).step_by(CHUNK)) {
        let len = words(at, part.len())?;
        let written = chunk.0.get_mut(..part.len()).ok_or(FlashError)?;
        written.copy_from_slice(part);
        // SAFETY: the chunk begins at a word and is long enough; the place is one of a partition that is written.
        unsafe { ll::spiflash_write(at, chunk.0.as_ptr().cast(), len) }.map_err(|_| FlashError)?;
    }
    Ok(())
}

/// The length, when both are multiples of a word.
fn words(address: u32, len: usize) -> Result<u32, FlashError> {
    let len = u32::try_from(len).map_err(|_| FlashError)?;
    let whole = (address | len).is_multiple_of(FlashStorage::WORD_SIZE);
    whole.then_some(len).ok_or(FlashError)
}

/// Before the first writing. A second core must not run from flash meanwhile; esp-storage looks at that itself.
fn unlock(unlocked: &mut bool) -> Result<(), FlashError> {
    #[cfg(any(feature = "esp32", feature = "esp32s3"))]
    if esp_hal::system::Cpu::other().any(esp_hal::system::is_running) {
        return Err(FlashError);
    }
    if !*unlocked {
        // SAFETY: it clears the flash chip's write protection and nothing else.
        unsafe { ll::spiflash_unlock() }.map_err(|_| FlashError)?;
        *unlocked = true;
    }
    Ok(())
}
