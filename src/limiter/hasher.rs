//! [`RandomState`]: the default hasher, so that aHash stays out of the public interface.

use std::fmt;
use std::hash::{BuildHasher, Hasher};

/// Randomly seeded aHash: fast, and fit for keys that strangers choose.
///
/// For an example with another hasher see [`Builder::hasher`](crate::Builder::hasher).
#[derive(Clone)]
pub struct RandomState {
    state: ahash::RandomState,
    /// Its seeds, which aHash does not tell.
    #[cfg(feature = "serde")]
    seeds: [u64; 4],
}

impl RandomState {
    /// A fresh random seed.
    #[must_use]
    pub fn new() -> RandomState {
        // std's is seeded by the operating system, and one cannot work back from what it makes of a number.
        let random = std::hash::RandomState::new();
        RandomState::with_seeds([0_u64, 1, 2, 3].map(|n| random.hash_one(n)))
    }

    /// The state with these seeds, which are random.
    pub(super) fn with_seeds(seeds: [u64; 4]) -> RandomState {
        let [first, second, third, fourth] = seeds;
        RandomState {
            state: ahash::RandomState::with_seeds(first, second, third, fourth),
            #[cfg(feature = "serde")]
            seeds,
        }
    }

    /// The seeds: a secret.
    #[cfg(feature = "serde")]
    pub(super) fn seeds(&self) -> [u64; 4] {
        self.seeds
    }
}

impl Default for RandomState {
    fn default() -> RandomState {
        RandomState::new()
    }
}

impl fmt::Debug for RandomState {
    /// The seed stays secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RandomState").finish_non_exhaustive()
    }
}

impl BuildHasher for RandomState {
    type Hasher = KeyHasher;

    #[inline]
    fn build_hasher(&self) -> KeyHasher {
        KeyHasher(self.state.build_hasher())
    }
}

/// The hasher of [`RandomState`]. For an example see [`Builder::hasher`](crate::Builder::hasher).
#[derive(Clone, Debug)]
pub struct KeyHasher(ahash::AHasher);

impl Hasher for KeyHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    #[inline]
    fn write_u8(&mut self, number: u8) {
        self.0.write_u8(number);
    }

    #[inline]
    fn write_u16(&mut self, number: u16) {
        self.0.write_u16(number);
    }

    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.0.write_u32(number);
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.0.write_u64(number);
    }

    #[inline]
    fn write_u128(&mut self, number: u128) {
        self.0.write_u128(number);
    }

    #[inline]
    fn write_usize(&mut self, number: usize) {
        self.0.write_usize(number);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0.finish()
    }
}

#[cfg(all(test, not(tollgate_loom)))]
mod tests {
    use super::RandomState;
    use std::hash::{BuildHasher, Hash, Hasher};

    /// What `BuildHasher` asks for; users hash in steps, too.
    #[test]
    fn a_key_hashes_the_same_at_once_and_in_steps() {
        #[expect(clippy::manual_hash_one, reason = "it is the other way to the same hash")]
        fn in_steps<K: Hash>(state: &RandomState, key: K) -> u64 {
            let mut hasher = state.build_hasher();
            key.hash(&mut hasher);
            hasher.finish()
        }
        let state = RandomState::new();
        assert_eq!(state.hash_one(7_u64), in_steps(&state, 7_u64));
        assert_eq!(state.hash_one("abc"), in_steps(&state, "abc"));
        assert_eq!(state.hash_one((1_u8, "x", 2_i128)), in_steps(&state, (1_u8, "x", 2_i128)));
    }
}
