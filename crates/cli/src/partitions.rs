//! Where things lie in a board's flash: the firmware's partition table, and one file of everything.
//!
//! Only the place of the kit is read here; espflash turns the table into what the bootloader reads.

use std::path::Path;

use thingwire_chip::PartitionEntry;

use crate::exit::{Exit, Failure};
use crate::flash::Chip;

/// The table of Thingwire's own firmware.
const OURS: &str = include_str!("../../../firmware/partitions.csv");

/// As espflash calls it. Without it the bootloader believes in 2 MB and refuses the table.
pub(crate) const FLASH_SIZE: &str = "4mb";

const FLASH_BYTES: usize = 4 << 20;

/// Where ESP-IDF's bootloader looks for the table.
pub(crate) const TABLE_AT: usize = PartitionEntry::TABLE_OFFSET as usize;

/// Where the firmware lies.
const FIRMWARE_AT: usize = 0x1_0000;

/// First byte of a bootloader and of a firmware.
const IMAGE_MAGIC: u8 = 0xE9;

/// What erased flash reads as.
const ERASED: u8 = 0xFF;

/// A partition table with a place for a kit.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    csv: String,
    offset: usize,
    size: usize,
}

impl Table {
    /// Reads this file, or takes our own.
    ///
    /// # Errors
    /// [`Exit::Usage`]: it cannot be read, or has no place for a kit.
    pub(crate) fn read(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Self::parse(OURS, "our own");
        };
        let name = path.display().to_string();
        let csv = std::fs::read_to_string(path).map_err(|error| {
            Failure::new(
                Exit::Usage,
                format!("cannot read the partition table `{name}`: {error}"),
            )
        })?;
        Self::parse(&csv, &name)
    }

    fn parse(csv: &str, name: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| {
            let text = format!("the partition table `{name}` {why}");
            Failure::new(Exit::Usage, text)
                .advise("expected a line such as: kit, data, undefined, 0x1F0000, 0x4000,")
        };
        let fields = csv
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .map(|line| line.split(',').map(str::trim).collect::<Vec<_>>())
            .find(|fields| fields.first() == Some(&"kit"))
            .ok_or_else(|| wrong("has no partition `kit`"))?;
        let [_, "data", subtype, offset, size, ..] = fields[..] else {
            return Err(wrong("has a partition `kit` that is no data"));
        };
        // What the board looks for.
        if !(subtype == "undefined"
            || number(subtype)
                .and_then(|subtype| u8::try_from(subtype).ok())
                .is_some_and(PartitionEntry::may_be_ours))
        {
            return Err(wrong(
                "has a `kit` of a subtype that others write to: it must be undefined, or 0x40 to 0x7F",
            ));
        }
        let (Some(offset), Some(size)) = (number(offset), number(size)) else {
            return Err(wrong("gives `kit` no offset and size in numbers"));
        };
        let end = offset.saturating_add(size);
        if offset % 0x1000 != 0 || size % 0x1000 != 0 || offset < FIRMWARE_AT || end > FLASH_BYTES {
            return Err(wrong(
                "has its `kit` outside of the flash, or its offset or size is no multiple of 0x1000",
            ));
        }
        Ok(Self {
            csv: csv.to_owned(),
            offset,
            size,
        })
    }

    /// The table as text.
    pub(crate) fn csv(&self) -> &str {
        &self.csv
    }

    /// Where the kit lies, in bytes from the start of the flash.
    pub(crate) const fn kit_offset(&self) -> usize {
        self.offset
    }

    /// Whether the kit has room in its partition.
    ///
    /// # Errors
    /// [`Exit::Kit`].
    pub(crate) fn fits(&self, kit: &[u8]) -> Result<(), Failure> {
        if kit.len() <= self.size {
            return Ok(());
        }
        let text = format!(
            "the kit image has {} bytes, its partition {}",
            kit.len(),
            self.size
        );
        Err(Failure::new(Exit::Kit, text))
    }

    /// Bootloader, table and firmware as they lie in flash, with the kit in its place.
    ///
    /// # Errors
    /// [`Exit::Board`]: what espflash made is not that, or reaches into the kit's place.
    pub(crate) fn with_kit(
        &self,
        chip: Chip,
        mut flash: Vec<u8>,
        kit: &[u8],
    ) -> Result<Vec<u8>, Failure> {
        let wrong = |why: &str| {
            Failure::new(
                Exit::Board,
                format!("the image that espflash made cannot be used: {why}"),
            )
        };
        if flash.get(chip.bootloader()) != Some(&IMAGE_MAGIC) {
            return Err(wrong("there is no bootloader where the chip looks for it"));
        }
        if !flash.get(TABLE_AT..).is_some_and(PartitionEntry::is_table) {
            return Err(wrong("there is no partition table at 0x8000"));
        }
        if flash.get(FIRMWARE_AT) != Some(&IMAGE_MAGIC) {
            return Err(wrong("there is no firmware at 0x10000"));
        }
        if flash.len() > self.offset {
            return Err(wrong("the firmware reaches into the partition of the kit"));
        }
        self.fits(kit)?;
        flash.resize(self.offset, ERASED);
        flash.extend_from_slice(kit);
        flash.resize(self.offset + self.size, ERASED);
        Ok(flash)
    }
}

/// `0x1F0000`, `4096`, `16K`, `1M`.
fn number(text: &str) -> Option<usize> {
    let (digits, unit) = match text.char_indices().next_back()? {
        (at, 'K' | 'k') => (text.get(..at)?, 1 << 10),
        (at, 'M' | 'm') => (text.get(..at)?, 1 << 20),
        _ => (text, 1),
    };
    let number = match digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        Some(hex) => usize::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    number.ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_table_has_room_for_the_longest_kit() {
        let table = Table::read(None).unwrap();
        assert!(table.size >= thingwire_chip::KitImage::MAX_LEN);
        assert!(table.fits(&vec![0; table.size]).is_ok());
        assert!(table.fits(&vec![0; table.size + 1]).is_err());
    }

    #[test]
    fn tables_without_a_place_for_a_kit_are_refused() {
        for csv in [
            "",
            "# kit, data, undefined, 0x1F0000, 0x4000",
            "kit",
            "kit, app, factory, 0x1F0000, 0x4000",
            "kit, data, undefined, , 0x4000",
            "kit, data, undefined, 0x1F0001, 0x4000",
            "kit, data, undefined, 0x9000, 0x4000",
            "kit, data, undefined, 0x3FF000, 8K",
            "kit, data, undefined, 0x1F0000, 0x4001",
            "kit, data, nvs, 0x1F0000, 0x4000",
            "kit, data, 0x02, 0x1F0000, 0x4000",
            "kit, data, spiffs, 0x1F0000, 0x4000",
        ] {
            let refused = Table::parse(csv, "x").unwrap_err();
            assert_eq!(refused.exit(), Exit::Usage, "{csv}");
        }
        let table = Table::parse("kit,data,0x40,1M,16K,encrypted\n", "x").unwrap();
        assert_eq!((table.offset, table.size), (1 << 20, 16 << 10));
    }

    #[test]
    fn one_file_has_each_part_in_its_place_and_nothing_else_is_taken_for_it() {
        let table = Table::parse("kit,data,undefined,0x20000,0x4000", "x").unwrap();
        let good = |chip: Chip| {
            let mut flash = vec![ERASED; FIRMWARE_AT + 100];
            flash[chip.bootloader()] = IMAGE_MAGIC;
            flash[TABLE_AT..TABLE_AT + 2].copy_from_slice(&[0xAA, 0x50]);
            flash[FIRMWARE_AT] = IMAGE_MAGIC;
            flash
        };
        for chip in [Chip::Esp32, Chip::Esp32c3] {
            let whole = table.with_kit(chip, good(chip), b"the kit").unwrap();
            assert_eq!(whole.len(), 0x2_4000);
            assert_eq!(&whole[0x2_0000..0x2_0007], b"the kit");
            assert_eq!(whole[FIRMWARE_AT + 100..0x2_0000], vec![ERASED; 0xFF9C]);
            for at in [chip.bootloader(), TABLE_AT, FIRMWARE_AT] {
                let mut spoiled = good(chip);
                spoiled[at] = 0;
                assert!(table.with_kit(chip, spoiled, b"").is_err());
            }
            let mut long = good(chip);
            long.resize(0x2_0001, 0);
            assert!(table.with_kit(chip, long, b"").is_err());
            assert!(table.with_kit(chip, Vec::new(), b"").is_err());
        }
    }
}
