//! [`Limiter`]: the one call, `check`, and its relatives.

mod all;
#[cfg(all(test, tollgate_loom))]
mod all_loom_tests;
mod batch;
mod builder;
mod engine;
mod gate;
mod hasher;
#[cfg(all(test, not(tollgate_loom)))]
mod late_callers;
#[cfg(all(test, not(tollgate_loom)))]
mod late_for_a_window;
mod live_changes;
mod logs;
mod per_call;
mod reservation;
#[cfg(feature = "serde")]
mod restore;
#[cfg(all(test, feature = "serde", not(tollgate_loom)))]
mod restore_tests;
mod rules;
mod schedule;
#[cfg(feature = "policy")]
mod shared;
#[cfg(all(test, feature = "policy", tollgate_loom))]
mod shared_loom_tests;
#[cfg(feature = "serde")]
mod snapshot;
mod spread;
mod taking;
#[cfg(feature = "tower")]
mod turns;
#[cfg(feature = "tokio")]
mod wait;
mod words;

pub use all::{AllowedAll, DeniedBy, LimitStatus, check_all};
pub use builder::{AtCapacity, Builder};
pub(crate) use builder::{DEFAULT_MAX_KEYS, check_max_keys};
pub use engine::Engine;
pub(crate) use engine::Receipt;
pub(crate) use gate::{Gate, Prepared};
pub use gate::{On, Outcome};
pub use hasher::{KeyHasher, RandomState};
pub use reservation::Reservation;
pub use schedule::Scheduled;
#[cfg(feature = "policy")]
pub(crate) use shared::SharedLimit;
#[cfg(all(feature = "serde", feature = "policy"))]
pub(crate) use snapshot::Version as SnapshotVersion;
#[cfg(feature = "serde")]
pub use snapshot::{Snapshot, Snapshots};
#[cfg(feature = "policy")]
pub(crate) use taking::{Asks, Refusal, Taking, take_all};
#[cfg(feature = "tower")]
pub(crate) use turns::{Turn, Turns};

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::algorithm::Gcra;
use crate::build_error::BuildError;
use crate::clock::{Clock, Timeline};
use crate::decision::{Allowed, Denied, Status};
use crate::quota::Quota;
use crate::store::WordTable;
use engine::Keys;

/// Limits keys: may this one go on, and if not, when?
///
/// One limiter holds one algorithm and the state of every key it has seen lately. It is `Send + Sync`; share it by reference or in
/// an `Arc`. No call blocks on another thread's check of a known key. (Under [`SlidingLog`](crate::SlidingLog) it may, for as long
/// as that takes, if both keys are in one of its shards.)
///
/// Keys are anything that hashes, passed by reference: `&str`, `&u64`, `&(tenant, route)`. The key itself is not stored,
/// only 64 bits of its hash, seeded afresh for every limiter. Two live keys are taken for one another only when all 64
/// bits agree: with a million live keys the chance that *any* two do is 1 in 37 million.
///
/// ```
/// use tollgate::{Limiter, Quota};
///
/// let limiter = Limiter::new(Quota::per_second(10).burst(20));
/// match limiter.check("user:42") {
///     Ok(allowed) => assert_eq!(allowed.remaining(), 19),
///     Err(denied) => println!("retry in {:?}", denied.retry_after()),
/// }
/// ```
///
/// # Memory
///
/// A key that is full again needs no memory; its place goes to the next key. Up to
/// [`max_keys`](Builder::max_keys) busy keys surely fit (default 1 000 000, at most 43 MB); an empty limiter takes less than 64 KiB.
///
/// # Type parameters
///
/// - `A`: the algorithm, [`Gcra`] by default. Any [`Algorithm`](crate::Algorithm), or [`SlidingLog`](crate::SlidingLog).
/// - `S`: the hasher, randomly seeded aHash by default.
pub struct Limiter<A: Engine = Gcra, S = RandomState> {
    algorithm: A,
    timeline: Timeline,
    keys: A::Keys,
    hasher: S,
    /// Among how many slots refusals are spread.
    retry_spread: u16,
}

/// Numbers about a limiter's memory, from [`Limiter::stats`].
///
/// ```
/// use tollgate::{Limiter, Quota};
///
/// let limiter = Limiter::new(Quota::per_hour(10));
/// assert!(limiter.check("heidi").is_ok());
/// let stats = limiter.stats();
/// assert_eq!((stats.keys, stats.forgotten), (1, 0));
/// limiter.clear();
/// assert!(limiter.is_empty());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Keys that are not full at the moment; an estimate in a large limiter.
    pub keys: usize,
    /// Pages of 256 slots in use; none under [`SlidingLog`](crate::SlidingLog).
    pub pages: usize,
    /// Pages that were split to make room.
    pub splits: u64,
    /// Busy keys that were forgotten because [`max_keys`](Builder::max_keys) was reached.
    pub forgotten: u64,
    /// Bytes allocated.
    pub bytes: usize,
}

impl Stats {
    /// The numbers of a word table whose keys are idle at `position`.
    pub(crate) fn of_table(table: &WordTable, position: u64) -> Stats {
        let stats = table.stats(position);
        Stats {
            keys: stats.live,
            pages: stats.pages,
            splits: stats.splits,
            forgotten: stats.forced,
            bytes: stats.bytes,
        }
    }
}

impl Limiter {
    /// A limiter with [`Gcra`], the default clock and room for a million keys.
    ///
    /// ```
    /// use tollgate::{Limiter, Quota};
    ///
    /// let limiter = Limiter::new(Quota::per_minute(100));
    /// assert!(limiter.check(&7_u64).is_ok());
    /// ```
    #[must_use]
    pub fn new(quota: Quota) -> Limiter {
        let clock = Clock::default();
        Builder::new(Gcra::beginning(quota, clock.start())).assemble(clock)
    }
}

impl<A: Engine> Limiter<A> {
    /// A limiter with this algorithm, the default clock and room for a million keys.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn with(algorithm: A) -> Result<Limiter<A>, BuildError> {
        Limiter::builder(algorithm).build()
    }

    /// Builds a limiter with other than the default clock, bounds or hasher.
    pub fn builder(algorithm: A) -> Builder<A> {
        Builder::new(algorithm)
    }
}

impl<A: Engine, S: BuildHasher> Limiter<A, S> {
    /// Spends one token of `key` if it has one. O(1).
    ///
    /// # Errors
    ///
    /// [`Denied`] when it has none; nothing is spent, nothing changes, and the answer says when to come back.
    ///
    /// ```
    /// use tollgate::{Limiter, Quota};
    ///
    /// let limiter = Limiter::new(Quota::per_hour(2));
    /// assert!(limiter.check("login:bob").is_ok());
    /// assert!(limiter.check("login:bob").is_ok());
    /// assert!(limiter.check("login:bob").is_err());
    /// assert!(limiter.check("login:eve").is_ok());
    /// ```
    #[inline]
    pub fn check<K: Hash + ?Sized>(&self, key: &K) -> Result<Allowed, Denied> {
        self.check_n(key, 1)
    }

    /// Spends `cost` tokens of `key` at once, or none. O(1).
    ///
    /// A cost of 0 spends nothing and is refused only while the key is in debt (see [`charge`](Limiter::charge)) beyond
    /// its capacity.
    ///
    /// # Errors
    ///
    /// [`Denied`] when there are fewer; `retry_after` is `None` when the cost is above the capacity and can never fit.
    ///
    /// ```
    /// use tollgate::{Limiter, Quota};
    ///
    /// let limiter = Limiter::new(Quota::per_hour(100));
    /// assert!(limiter.check_n("upload:frank", 60).is_ok());
    /// assert!(limiter.check_n("upload:frank", 60).is_err()); // 40 are left, and stay
    /// assert!(limiter.check_n("upload:frank", 40).is_ok());
    /// ```
    #[inline(always)]
    pub fn check_n<K: Hash + ?Sized>(&self, key: &K, cost: u64) -> Result<Allowed, Denied> {
        // Before the clock is read: the two then overlap, which is half a nanosecond.
        let tag = self.hasher.hash_one(key);
        match self.keys.spend(&self.algorithm, self.timeline.now(), tag, cost) {
            Ok(allowed) => Ok(allowed),
            Err(denied) => Err(self.spread(denied)),
        }
    }

    /// Where `key` stands: limit, tokens left, time to full, time to the next token. Spends nothing. O(1).
    ///
    /// ```
    /// use tollgate::{Limiter, Quota};
    ///
    /// let limiter = Limiter::new(Quota::per_hour(10));
    /// assert_eq!(limiter.peek("carol").remaining(), 10);
    /// assert!(limiter.check_n("carol", 10).is_ok());
    /// let status = limiter.peek("carol");
    /// assert_eq!((status.limit(), status.remaining()), (10, 0));
    /// assert!(status.retry_after() < Some(status.reset_after())); // one token, and all of them
    /// ```
    pub fn peek<K: Hash + ?Sized>(&self, key: &K) -> Status {
        // To charge nothing is to look.
        self.charge(key, 0)
    }

    /// Whether `cost` would be let through, and where `key` stands. Spends nothing. O(1).
    #[cfg(feature = "server")]
    pub(crate) fn look<K: Hash + ?Sized>(&self, key: &K, cost: u64) -> Result<Allowed, Denied> {
        self.keys.look(&self.algorithm, self.timeline.now(), self.hasher.hash_one(key), cost)
    }

    /// Gives back `tokens` of `key`, never above full. O(1).
    ///
    /// For work that was paid for and not done. A key that is already full stays as it is. Windows give back from the current one, then
    /// from the one before; a log the newest first.
    ///
    /// ```
    /// use tollgate::{Limiter, Quota};
    ///
    /// let limiter = Limiter::new(Quota::per_hour(10));
    /// assert!(limiter.check_n("dave", 10).is_ok());
    /// limiter.refund("dave", 4);
    /// assert_eq!(limiter.peek("dave").remaining(), 4);
    /// ```
    pub fn refund<K: Hash + ?Sized>(&self, key: &K, tokens: u64) {
        self.keys.refund(&self.algorithm, self.timeline.now(), self.hasher.hash_one(key), tokens);
    }

    /// Spends `tokens` of `key` whether it has them or not, and tells where it stands then. O(1).
    ///
    /// For costs known only afterwards. The key may go into debt; it is refused until the debt is repaid at the quota's rate, or
    /// ends with its window. Any number is legal; a debt saturates at the end of the axis (years away; each algorithm says how
    /// many), or at the highest count that a window or a list holds. A new key for which there is no room ([`AtCapacity::DenyNew`],
    /// [`AtCapacity::AllowUntracked`]) is not charged.
    ///
    /// ```
    /// use tollgate::{Limiter, Quota};
    ///
    /// let limiter = Limiter::new(Quota::per_hour(10));
    /// assert_eq!(limiter.charge("erin", 25).remaining(), 0);
    /// assert!(limiter.check("erin").is_err());
    /// ```
    pub fn charge<K: Hash + ?Sized>(&self, key: &K, tokens: u64) -> Status {
        self.keys.charge(&self.algorithm, self.timeline.now(), self.hasher.hash_one(key), tokens)
    }

    /// Forgets what `key` has spent: it is full again. O(1).
    ///
    /// ```
    /// use tollgate::{Limiter, Quota};
    ///
    /// let limiter = Limiter::new(Quota::per_hour(1));
    /// assert!(limiter.check("grace").is_ok() && limiter.check("grace").is_err());
    /// limiter.reset("grace");
    /// assert!(limiter.check("grace").is_ok());
    /// ```
    pub fn reset<K: Hash + ?Sized>(&self, key: &K) {
        self.keys.reset(&self.algorithm, self.timeline.now(), self.hasher.hash_one(key));
    }

    /// Forgets what all keys have spent. O(memory). A key that is checked meanwhile may keep that check's spending.
    pub fn clear(&self) {
        self.keys.clear();
    }

    /// Keys that are not full at the moment.
    ///
    /// Exact while the limiter has at most 1024 pages (some 150 000 keys at their peak) and nobody spends meanwhile; from there
    /// on an estimate from a sample of 512 to 1024 pages: within about one percent when they are filled as usual, less exact
    /// when few keys are left of many. Reads up to 4 MiB. (Under [`SlidingLog`](crate::SlidingLog) exact, and reads all keys.) A
    /// [`SlidingWindow`](crate::SlidingWindow)'s key that was refunded in full counts until its window has passed twice.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.live(&self.algorithm, self.timeline.now())
    }

    /// Whether every key is full, as [`len`](Limiter::len) counts. Exact; reads up to the first key that is not.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_idle(&self.algorithm, self.timeline.now())
    }

    /// How much memory is in use and for what. Reads as much as [`len`](Limiter::len), and takes each page's lock once.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let stats = self.keys.stats(&self.algorithm, self.timeline.now());
        Stats { bytes: size_of::<Self>() - size_of::<A::Keys>() + stats.bytes, ..stats }
    }

    /// The algorithm, for what it alone knows: `limiter.algorithm().quota()`.
    #[must_use]
    pub fn algorithm(&self) -> &A {
        &self.algorithm
    }
}

impl<A: Engine, S> Limiter<A, S> {
    /// Tells a refusal when to come back, one of a crowd.
    #[inline(always)]
    fn spread(&self, denied: Denied) -> Denied {
        denied.at_place(spread::next_place(self.retry_spread))
    }
}

// Of what a call runs, only the key's `Hash` may panic (algorithms may not, by their laws), and it has ended before anything is touched.
impl<A: Engine, S> UnwindSafe for Limiter<A, S> {}
impl<A: Engine, S> RefUnwindSafe for Limiter<A, S> {}

impl<A: Engine + fmt::Debug, S> fmt::Debug for Limiter<A, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter")
            .field("algorithm", &self.algorithm)
            .field("timeline", &self.timeline)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}
