//! Where a partition lies in a board's flash, from the table that the bootloader has there.
//!
//! The table is a row of entries of 32 bytes, little-endian: the magic `AA 50`, type, subtype, offset, size, a label of 16
//! bytes that zeros fill up, flags. It ends at the first entry without the magic. (ESP-IDF, `esp_partition_info_t`.) Its checksum
//! is not looked at: the bootloader starts no program when it is wrong.
//!
//! Only data partitions are found whose subtype is undefined, as in `firmware/partitions.csv`, or one that nobody else has (0x40 to 0x7F):
//! the others belong to libraries that write there.

const ENTRY: usize = 32;
const MAGIC: [u8; 2] = [0xAA, 0x50];
const DATA: u8 = 1;
const UNDEFINED: u8 = 6;
/// Subtypes that are not ESP-IDF's: file systems are above.
const OWN_FIRST: u8 = 0x40;
const OWN_LAST: u8 = 0x7F;
const LABEL: usize = 16;
const READ_ONLY: u32 = 1;
const ENCRYPTED: u32 = 2;

/// What is erased at once, so where a partition begins and ends.
const PAGE: u32 = 4096;

/// An entry of the partition table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionEntry {
    offset: u32,
    size: u32,
    flags: u32,
}

impl PartitionEntry {
    /// Where the table lies in flash.
    pub const TABLE_OFFSET: u32 = 0x8000;

    /// How long the table is at most, in bytes.
    pub const TABLE_LEN: usize = 0xC00;

    /// Whether this is a table with an entry at least.
    #[must_use]
    pub fn is_table(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }

    /// Whether data of this subtype may be ours: undefined, or one that ESP-IDF gives to nobody.
    #[must_use]
    pub const fn may_be_ours(subtype: u8) -> bool {
        matches!(subtype, UNDEFINED | OWN_FIRST..=OWN_LAST)
    }

    /// Finds the partition of this name; of two, the first. None also when it does not begin and end at whole pages.
    #[must_use]
    pub fn find(table: &[u8], label: &str) -> Option<Self> {
        let (entries, _) = table.as_chunks::<ENTRY>();
        entries
            .iter()
            .take_while(|entry| entry.starts_with(&MAGIC))
            .find_map(|entry| Self::read(entry, label.as_bytes()))
    }

    fn read(entry: &[u8; ENTRY], wanted: &[u8]) -> Option<Self> {
        let (words, _) = entry.as_chunks::<4>();
        let [kind, offset, size, _, _, _, _, flags] = words else {
            return None;
        };
        let [_, _, DATA, subtype] = *kind else {
            return None;
        };
        if !Self::may_be_ours(subtype) {
            return None;
        }
        let label = entry.get(12..)?.get(..LABEL)?;
        let label = label.split(|byte| *byte == 0).next()?;
        let entry = Self {
            offset: u32::from_le_bytes(*offset),
            size: u32::from_le_bytes(*size),
            flags: u32::from_le_bytes(*flags),
        };
        let whole = entry.offset.is_multiple_of(PAGE)
            && entry.size.is_multiple_of(PAGE)
            && entry.offset.checked_add(entry.size).is_some();
        (label == wanted && whole).then_some(entry)
    }

    /// Its length in bytes.
    #[must_use]
    pub const fn size(&self) -> u32 {
        self.size
    }

    /// Whether the table forbids to write it.
    #[must_use]
    pub const fn is_read_only(&self) -> bool {
        self.flags & READ_ONLY != 0
    }

    /// Whether it is encrypted on chips that encrypt their flash.
    #[must_use]
    pub const fn is_encrypted(&self) -> bool {
        self.flags & ENCRYPTED != 0
    }

    /// Where in flash `len` bytes from `offset` of the partition lie; none when they are not all in it.
    #[must_use]
    pub fn address(&self, offset: u32, len: usize) -> Option<u32> {
        let end = offset.checked_add(u32::try_from(len).ok()?)?;
        if end > self.size {
            return None;
        }
        self.offset.checked_add(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: [u8; 2], offset: u32, size: u32, label: &[u8], flags: u32) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        bytes[..2].copy_from_slice(&MAGIC);
        bytes[2..4].copy_from_slice(&kind);
        bytes[4..8].copy_from_slice(&offset.to_le_bytes());
        bytes[8..12].copy_from_slice(&size.to_le_bytes());
        bytes[12..][..label.len()].copy_from_slice(label);
        bytes[28..].copy_from_slice(&flags.to_le_bytes());
        bytes
    }

    /// `firmware/partitions.csv` as gen_esp32part makes it: entries, then the checksum, then erased flash.
    fn ours() -> [u8; PartitionEntry::TABLE_LEN] {
        let entries = [
            entry([0, 0], 0x1_0000, 0x1E_0000, b"factory", 0),
            entry([1, 6], 0x1F_0000, 0x4000, b"kit", 2),
            entry([1, 6], 0x1F_4000, 0x4000, b"settings", 1),
            entry([1, 6], 0x20_0000, 0x4_0000, b"queue", 0),
        ];
        let mut table = [0xFF; PartitionEntry::TABLE_LEN];
        for (place, entry) in table.chunks_mut(ENTRY).zip(entries) {
            place.copy_from_slice(&entry);
        }
        table[4 * ENTRY..][..2].copy_from_slice(&[0xEB, 0xEB]);
        table
    }

    #[test]
    fn ours_are_found() {
        let table = ours();
        assert!(PartitionEntry::is_table(&table));
        let kit = PartitionEntry::find(&table, "kit").expect("the kit");
        assert_eq!((kit.offset, kit.size()), (0x1F_0000, 0x4000));
        assert!(kit.is_encrypted() && !kit.is_read_only());
        let settings = PartitionEntry::find(&table, "settings").expect("the settings");
        assert!(!settings.is_encrypted() && settings.is_read_only());
        let queue = PartitionEntry::find(&table, "queue").expect("the queue");
        assert_eq!((queue.offset, queue.size()), (0x20_0000, 0x4_0000));
    }

    #[test]
    fn others_are_not() {
        let table = ours();
        for name in ["", "k", "kit\0", "kits", "factory", "nothing"] {
            assert_eq!(PartitionEntry::find(&table, name), None, "{name:?}");
        }
        for empty in [&[0xFF; ENTRY][..], &[0; 64], &[], &MAGIC] {
            assert_eq!(PartitionEntry::find(empty, "kit"), None);
        }
        assert!(!PartitionEntry::is_table(&[0xFF; ENTRY]));
        // Behind the end of the table.
        let mut behind = [entry([1, 6], 0, 0x1000, b"a", 0), [0xFF; ENTRY], [0; ENTRY]];
        behind[2] = entry([1, 6], 0, 0x1000, b"kit", 0);
        assert_eq!(PartitionEntry::find(behind.as_flattened(), "kit"), None);
    }

    #[test]
    fn what_belongs_to_libraries_is_not_ours() {
        let found = |subtype| {
            let table = entry([1, subtype], 0x1F_0000, 0x4000, b"kit", 0);
            PartitionEntry::find(&table, "kit").is_some()
        };
        // ota, phy, nvs, coredump, nvs_keys, efuse; fat, spiffs, littlefs.
        for subtype in [0, 1, 2, 3, 4, 5, 0x3F, 0x80, 0x81, 0x82, 0x83] {
            assert!(!found(subtype), "{subtype:#x}");
        }
        for subtype in [6, 0x40, 0x7F] {
            assert!(found(subtype), "{subtype:#x}");
        }
    }

    #[test]
    fn what_cannot_be_is_not_found() {
        for (offset, size) in [
            (0x1F_0001, 0x4000),
            (0x1F_0000, 0x4001),
            (0xFFFF_F000, 0x1000),
            (0xFFFF_F000, 0xFFFF_F000),
        ] {
            let table = entry([1, 6], offset, size, b"kit", 0);
            assert_eq!(PartitionEntry::find(&table, "kit"), None, "{offset:#x}");
        }
    }

    #[test]
    fn a_label_of_sixteen_bytes_needs_no_zero() {
        let table = entry([1, 6], 0x1000, 0x1000, b"sixteen letters!", 0);
        assert!(PartitionEntry::find(&table, "sixteen letters!").is_some());
    }

    #[test]
    fn addresses_stay_inside() {
        let kit = PartitionEntry::find(&ours(), "kit").expect("the kit");
        assert_eq!(kit.address(0, 0x4000), Some(0x1F_0000));
        assert_eq!(kit.address(0x3FFC, 4), Some(0x1F_3FFC));
        assert_eq!(kit.address(0x4000, 0), Some(0x1F_4000));
        assert_eq!(kit.address(0x3FFD, 4), None);
        assert_eq!(kit.address(u32::MAX, 4), None);
        assert_eq!(kit.address(0, usize::MAX), None);
    }
}
