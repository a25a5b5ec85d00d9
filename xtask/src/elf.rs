//! What the sections of a linked 32-bit program take, by name.

/// A section that the program has in memory or flash.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) size: u64,
    /// It has contents that lie in the image.
    pub(crate) loaded: bool,
}

/// `SHF_ALLOC`.
const ALLOCATED: u32 = 2;
/// `SHT_NOBITS`.
const WITHOUT_CONTENTS: u32 = 8;

/// Reads the section headers of an ELF file of 32 bits, little-endian; `None` when it is not one.
pub(crate) fn sections(elf: &[u8]) -> Option<Vec<Section>> {
    let magic = elf.get(..6)?;
    if magic != b"\x7fELF\x01\x01" {
        return None;
    }
    let table = word(elf, 32)? as usize;
    let (entry, count, names) = (half(elf, 46)?, half(elf, 48)?, half(elf, 50)?);
    let header = |index: u16| {
        let at = usize::from(index).checked_mul(usize::from(entry))?;
        elf.get(table.checked_add(at)?..)
    };
    let names = word(header(names)?, 16)? as usize;
    let mut sections = Vec::new();
    for index in 0..count {
        let header = header(index)?;
        if word(header, 8)? & ALLOCATED == 0 {
            continue;
        }
        let name = elf.get(names.checked_add(word(header, 0)? as usize)?..)?;
        let end = name.iter().position(|byte| *byte == 0)?;
        sections.push(Section {
            name: String::from_utf8_lossy(name.get(..end)?).into_owned(),
            size: u64::from(word(header, 20)?),
            loaded: word(header, 4)? != WITHOUT_CONTENTS,
        });
    }
    Some(sections)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with the sections `.text` (7 bytes), `.bss` (9 bytes, no contents) and a name table that is not allocated.
    fn small() -> Vec<u8> {
        let names = b"\0.text\0.bss\0";
        let mut elf = b"\x7fELF\x01\x01".to_vec();
        elf.resize(52, 0);
        elf.extend(names);
        let table = elf.len() as u32;
        elf[32..36].copy_from_slice(&table.to_le_bytes());
        elf[46] = 40;
        elf[48] = 3;
        elf[50] = 2;
        for (name, kind, flags, offset, size) in
            [(1, 1, 2, 0, 7), (7, 8, 3, 0, 9), (0, 3, 0, 52, 12)]
        {
            let words: [u32; 10] = [name, kind, flags, 0, offset, size, 0, 0, 0, 0];
            elf.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        }
        elf
    }

    #[test]
    fn sections_are_read_with_their_names() {
        let read = sections(&small()).unwrap();
        let read: Vec<_> = read
            .iter()
            .map(|section| (section.name.as_str(), section.size, section.loaded))
            .collect();
        assert_eq!(read, [(".text", 7, true), (".bss", 9, false)]);
    }

    #[test]
    fn what_is_cut_off_is_no_program() {
        let elf = small();
        for end in 0..elf.len() - 20 {
            assert_eq!(sections(&elf[..end]), None, "{end}");
        }
    }
}
