//! [`Random`]: a seeded generator, so that every finding can be had again.

/// `SplitMix64`.
///
/// **Source**: G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014; the constants of its
/// mixing function are D. Stafford's "Mix13". Streams of neighbouring seeds have nothing in common.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: u64,
}

/// The odd number nearest to 2⁶⁴ divided by the golden ratio.
const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random { state: seed }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN_GAMMA);
        let mixed = (self.state ^ self.state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// From 0 to `end - 1`; 0 when there is nothing below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        let scaled = (u128::from(self.next()) * u128::from(end)) >> 64;
        // Below `end`.
        u64::try_from(scaled).unwrap_or(0)
    }

    /// As `below`, for places in a list.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// A number of any length up to 64 bits.
    pub(crate) fn magnitude(&mut self) -> u64 {
        let shift = self.below(64);
        self.next() >> shift
    }

    /// -1, 0 or 1: where something is said to change is where mistakes are.
    pub(crate) fn nearby(&mut self) -> i64 {
        match self.below(3) {
            0 => -1,
            1 => 0,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    /// The first outputs for the seed 1234567, as other implementations have them.
    #[test]
    fn the_numbers_are_those_of_the_published_generator() {
        let mut random = Random::new(1_234_567);
        let first: [u64; 3] = std::array::from_fn(|_| random.next());
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn a_number_below_an_end_reaches_all_of_them_and_nothing_else() {
        let mut random = Random::new(7);
        let mut seen = [false; 5];
        for _ in 0..200 {
            seen[usize::try_from(random.below(5)).unwrap()] = true;
        }
        assert_eq!((seen, random.below(0)), ([true; 5], 0));
    }
}
