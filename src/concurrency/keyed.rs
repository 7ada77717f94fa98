//! [`KeyedConcurrencyLimit`]: at most so many at once of each key.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use super::counts::{Counts, NotTaken};
use super::holder::Holder;
use super::saturated::{Cause, Saturated};
use crate::algorithm::MAX_VALUE;
use crate::build_error::BuildError;
use crate::limiter::{DEFAULT_MAX_KEYS, RandomState, Stats, check_max_keys};
use crate::store::WordTable;
use crate::sync::{AtomicU64, Ordering};

/// At most so many at once of each key.
///
/// Keys are anything that hashes, passed by reference, and are known by 64 bits of their hash, as those of a
/// [`Limiter`](crate::Limiter). A key with none in flight needs no memory. One with some in flight is never forgotten; a
/// flood of other keys that fills the table is refused ([`Saturated::at_capacity`]), and cannot lift anybody's limit.
///
/// `Send + Sync`; share it by reference or in an `Arc`. A key that has some in flight is counted without a lock; its first
/// permit, and a refusal of a key with none in flight, take the lock of one page of 256 slots.
///
/// ```
/// use tollgate::concurrency::KeyedConcurrencyLimit;
///
/// let uploads = KeyedConcurrencyLimit::new(2);
/// let (first, second) = (uploads.try_acquire("alice")?, uploads.try_acquire("alice")?);
/// assert!(uploads.try_acquire("alice").is_err());
/// assert!(uploads.try_acquire("bob").is_ok());
/// drop(first);
/// assert_eq!(uploads.in_flight("alice"), 1);
/// # drop(second);
/// # Ok::<(), tollgate::concurrency::Saturated>(())
/// ```
///
/// What the last holder of a key's place did before it gave the place back, the next one sees.
pub struct KeyedConcurrencyLimit<S = RandomState> {
    counts: Arc<Counts>,
    /// Relaxed throughout: nothing is read that was written before it.
    max: AtomicU64,
    hasher: S,
}

/// Builds a [`KeyedConcurrencyLimit`].
///
/// ```
/// use tollgate::concurrency::KeyedConcurrencyLimit;
///
/// let limit = KeyedConcurrencyLimit::builder(8).max_keys(20_000).build()?;
/// assert!(limit.try_acquire(&("tenant", 7)).is_ok());
/// # Ok::<(), tollgate::BuildError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct KeyedBuilder<S = RandomState> {
    max: usize,
    max_keys: usize,
    hasher: S,
}

impl<S> KeyedBuilder<S> {
    /// How many keys surely fit that have some in flight at once; default 1 000 000, from 1 to 2³².
    ///
    /// Memory grows with them, up to a bound of 43 bytes for each of `max_keys` plus 64 KiB, and is used again when they have none.
    pub fn max_keys(mut self, max_keys: usize) -> KeyedBuilder<S> {
        self.max_keys = max_keys;
        self
    }

    /// The hasher; default a randomly seeded aHash. As [`Builder::hasher`](crate::Builder::hasher).
    pub fn hasher<S2>(self, hasher: S2) -> KeyedBuilder<S2> {
        KeyedBuilder { max: self.max, max_keys: self.max_keys, hasher }
    }

    /// Builds the limit.
    ///
    /// # Errors
    ///
    /// [`BuildError::MaxKeys`] when `max_keys` is out of range.
    pub fn build(self) -> Result<KeyedConcurrencyLimit<S>, BuildError> {
        check_max_keys(self.max_keys)?;
        Ok(self.assemble())
    }

    /// `build`, once the bounds are known to be right.
    fn assemble(self) -> KeyedConcurrencyLimit<S> {
        KeyedConcurrencyLimit {
            counts: Arc::new(Counts::new(WordTable::for_keys(self.max_keys, false))),
            max: AtomicU64::new(countable(self.max)),
            hasher: self.hasher,
        }
    }
}

/// A maximum that a count can reach: 60 bits.
fn countable(max: usize) -> u64 {
    (max as u64).min(MAX_VALUE)
}

impl KeyedConcurrencyLimit {
    /// A limit of `max` at once for each key, with room for a million keys. 0 admits nobody; more than 2⁶⁰ - 1 counts as
    /// 2⁶⁰ - 1.
    #[must_use]
    pub fn new(max: usize) -> KeyedConcurrencyLimit {
        KeyedConcurrencyLimit::builder(max).assemble()
    }

    /// Builds a limit with other than the default bound or hasher.
    pub fn builder(max: usize) -> KeyedBuilder {
        KeyedBuilder { max, max_keys: DEFAULT_MAX_KEYS, hasher: RandomState::new() }
    }
}

impl<S: BuildHasher> KeyedConcurrencyLimit<S> {
    /// Takes a permit of `key` if one is free. O(1).
    ///
    /// # Errors
    ///
    /// [`Saturated`] when as many of the key as may be are in flight, or the key has none in flight and there is no room
    /// for another one ([`Saturated::at_capacity`]).
    #[inline]
    pub fn try_acquire<K: Hash + ?Sized>(&self, key: &K) -> Result<KeyedPermit<'_, S>, Saturated> {
        let tag = self.hasher.hash_one(key);
        self.acquire_raw(tag)?;
        Ok(KeyedPermit { limit: Holder::Borrowed(self), tag })
    }

    /// As [`try_acquire`](KeyedConcurrencyLimit::try_acquire), with a permit that can go anywhere, such as into a spawned
    /// task.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](KeyedConcurrencyLimit::try_acquire).
    #[inline]
    pub fn try_acquire_owned<K: Hash + ?Sized>(
        self: &Arc<Self>,
        key: &K,
    ) -> Result<KeyedPermit<'static, S>, Saturated> {
        let tag = self.hasher.hash_one(key);
        self.acquire_raw(tag)?;
        Ok(KeyedPermit { limit: Holder::Shared(Arc::clone(self)), tag })
    }

    /// How many of `key` are in flight. O(1).
    #[must_use]
    pub fn in_flight<K: Hash + ?Sized>(&self, key: &K) -> usize {
        usize::try_from(self.counts.of(self.hasher.hash_one(key))).unwrap_or(usize::MAX)
    }
}

impl<S> KeyedConcurrencyLimit<S> {
    /// Changes how many of each key may be in flight; in force for calls that begin afterwards. Those in flight go on. O(1).
    pub fn set_max(&self, max: usize) {
        self.max.store(countable(max), Ordering::Relaxed);
    }

    /// How many of each key may be in flight.
    #[must_use]
    pub fn max(&self) -> usize {
        usize::try_from(self.max.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    /// Keys with some in flight; an estimate in a large limit, as [`Limiter::len`](crate::Limiter::len).
    #[must_use]
    pub fn len(&self) -> usize {
        self.counts.table().live(IDLE)
    }

    /// Whether none is in flight of any key. Exact while nobody comes or goes; reads up to the first key that has some.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.table().is_idle(IDLE)
    }

    /// How much memory is in use and for what: [`keys`](Stats::keys) are those with some in flight,
    /// [`forgotten`](Stats::forgotten) stays 0. Reads as much as [`len`](KeyedConcurrencyLimit::len), and takes each page's lock once.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let stats = Stats::of_table(self.counts.table(), IDLE);
        Stats {
            bytes: size_of::<Self>() + size_of::<Counts>() - size_of::<WordTable>() + stats.bytes,
            ..stats
        }
    }

    /// Takes a place of the key of this tag without a permit that would give it back: for whoever calls `release_raw` once for
    /// every time that this succeeds.
    #[inline]
    pub(crate) fn acquire_raw(&self, tag: u64) -> Result<(), Saturated> {
        let max = self.max.load(Ordering::Relaxed);
        self.counts.take(tag, max).map_err(|not_taken| match not_taken {
            NotTaken::Busy(in_flight) => Saturated::new(in_flight, max, Cause::Busy),
            NotTaken::NoRoom => Saturated::new(0, max, Cause::NoRoom),
        })
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The same keys and what they hold, under another maximum: both are in force.
    #[cfg(feature = "policy")]
    pub(crate) fn with_max(&self, max: usize) -> KeyedConcurrencyLimit<S>
    where
        S: Clone,
    {
        KeyedConcurrencyLimit {
            counts: Arc::clone(&self.counts),
            max: AtomicU64::new(countable(max)),
            hasher: self.hasher.clone(),
        }
    }

    /// The tag of a key.
    pub(crate) fn tag_of<K: Hash + ?Sized>(&self, key: &K) -> u64
    where
        S: BuildHasher,
    {
        self.hasher.hash_one(key)
    }

    /// Gives a place back that `acquire_raw` took.
    #[inline]
    pub(crate) fn release_raw(&self, tag: u64) {
        self.counts.give_back(tag);
    }
}

/// A count at or below which a key is as good as never seen.
const IDLE: u64 = 0;

impl<S> fmt::Debug for KeyedConcurrencyLimit<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedConcurrencyLimit")
            .field("max", &self.max())
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

/// One of those of a key in flight, from [`KeyedConcurrencyLimit::try_acquire`].
///
/// Given back exactly once, when it is dropped: also by a panic and with a future that is dropped. One that is leaked
/// (`std::mem::forget`) is never given back, and its key never forgotten.
#[must_use = "a permit is given back as soon as it is dropped"]
pub struct KeyedPermit<'a, S = RandomState> {
    limit: Holder<'a, KeyedConcurrencyLimit<S>>,
    tag: u64,
}

impl<S> Drop for KeyedPermit<'_, S> {
    #[inline]
    fn drop(&mut self) {
        self.limit.release_raw(self.tag);
    }
}

impl<S> fmt::Debug for KeyedPermit<'_, S> {
    /// The tag stays secret: it tells about the hasher's seed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedPermit").field("limit", &*self.limit).finish_non_exhaustive()
    }
}
