//! Random numbers that are the same in every run: SplitMix64 with a seed that the test names.

/// The state of the generator.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn u8(&mut self) -> u8 {
        self.u64().to_be_bytes()[0]
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.u64() % end as u64) as usize
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.u8()).collect()
    }

    /// Changes a few bytes as a broken or malicious peer would: flips, interesting values, cuts,
    /// insertions. The remaining length is left as it is or put right, so that lies and honest
    /// lengths both occur.
    pub(crate) fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut mutated = bytes.to_vec();
        for _ in 0..=self.below(3) {
            if mutated.is_empty() {
                mutated.push(self.u8());
            }
            let at = self.below(mutated.len());
            match self.below(5) {
                0 => mutated[at] ^= 1 << self.below(8),
                1 => mutated[at] = self.pick(&[0x00, 0x01, 0x02, 0x7F, 0x80, 0xFF]),
                2 => mutated[at] = self.u8(),
                3 => drop(mutated.remove(at)),
                _ => mutated.insert(at, self.u8()),
            }
        }
        if mutated.len() >= 2 && mutated.len() <= 129 && self.below(2) == 0 {
            mutated[1] = (mutated.len() - 2) as u8;
        }
        mutated
    }
}
