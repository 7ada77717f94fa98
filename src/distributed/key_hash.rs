//! [`KeyHash`]: by what a node knows a key in its own tables.

use std::hash::BuildHasher;

use crate::limiter::RandomState;

/// 128 bits of a key's hash. Nobody can aim at another's without the seed, and by chance two among a hundred thousand keys meet once in 10²⁸.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyHash {
    high: u64,
    low: u64,
}

impl KeyHash {
    /// Which of so many parts of a table is the key's.
    #[must_use]
    pub fn part(self, parts: usize) -> usize {
        let scaled = (u128::from(self.high) * parts as u128) >> 64;
        // Below `parts`.
        usize::try_from(scaled).unwrap_or(0)
    }
}

/// Two hashers with seeds of their own.
#[derive(Clone, Debug, Default)]
pub struct KeyHasher {
    high: RandomState,
    low: RandomState,
}

impl KeyHasher {
    /// The hash of a key.
    #[must_use]
    pub fn hash(&self, key: &[u8]) -> KeyHash {
        KeyHash { high: self.high.hash_one(key), low: self.low.hash_one(key) }
    }
}
