//! [`RandomState`]: the default hasher, so that aHash stays out of the public interface.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};

/// Randomly seeded aHash: fast, and fit for keys that strangers choose.
#[derive(Clone)]
pub struct RandomState(ahash::RandomState);

impl RandomState {
    /// A fresh random seed.
    #[must_use]
    pub fn new() -> RandomState {
        RandomState(ahash::RandomState::new())
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
        KeyHasher(self.0.build_hasher())
    }

    #[inline]
    fn hash_one<T: Hash>(&self, key: T) -> u64 {
        self.0.hash_one(key)
    }
}

/// The hasher of [`RandomState`].
#[derive(Clone, Debug)]
pub struct KeyHasher(ahash::AHasher);

impl Hasher for KeyHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0.finish()
    }
}
