//! [`Limiter`]: the one call, `check`, and its relatives.

mod batch;
mod builder;
mod rules;

pub use builder::{AtCapacity, BuildError, Builder};
pub use hasher::{KeyHasher, RandomState};

mod hasher;
#[cfg(all(test, not(tollgate_loom)))]
mod late_callers;

use std::fmt;
use std::hash::{BuildHasher, Hash};

use crate::algorithm::{Algorithm, Gcra};
use crate::clock::{Now, Timeline};
use crate::decision::{Allowed, Denied, Status};
use crate::quota::{Quota, QuotaError};
use crate::store::{Outcome, Step, WordTable};
use rules::{AtReading, Spent, write};

/// Limits keys: may this one go on, and if not, when?
///
/// One limiter holds one algorithm and the state of every key it has seen lately. It is `Send + Sync`; share it by
/// reference or in an `Arc`. No call blocks on another thread's check of a known key.
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
/// A key that is full again needs no memory; its place goes to the next key. At most
/// [`max_keys`](Builder::max_keys) busy keys surely fit (default 1 000 000, at most 43 MB); an empty limiter takes less than 64 KiB.
///
/// # Type parameters
///
/// - `A`: the [`Algorithm`], [`Gcra`] by default.
/// - `S`: the hasher, randomly seeded aHash by default.
pub struct Limiter<A = Gcra, S = RandomState> {
    algorithm: A,
    timeline: Timeline,
    table: WordTable,
    hasher: S,
    at_capacity: AtCapacity,
}

/// Numbers about a limiter's memory, from [`Limiter::stats`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Keys that are not full at the moment; an estimate in a large limiter.
    pub keys: usize,
    /// Pages of 256 slots in use.
    pub pages: usize,
    /// Pages that were split to make room.
    pub splits: u64,
    /// Busy keys that were forgotten because [`max_keys`](Builder::max_keys) was reached.
    pub forgotten: u64,
    /// Bytes allocated.
    pub bytes: usize,
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
        Builder::new(Gcra::new(quota)).assemble()
    }
}

impl<A: Algorithm> Limiter<A> {
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

impl<A: Algorithm, S: BuildHasher> Limiter<A, S> {
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
    #[inline]
    pub fn check_n<K: Hash + ?Sized>(&self, key: &K, cost: u64) -> Result<Allowed, Denied> {
        let tag = self.hasher.hash_one(key);
        self.spend_at(self.timeline.now(), tag, cost)
    }

    #[inline(always)]
    fn spend_at(&self, now: Now, tag: u64, cost: u64) -> Result<Allowed, Denied> {
        let reading = self.algorithm.read(now.time);
        match self.table.home(tag).hit(tag, &self.spend_rule(reading, cost)) {
            Some(spent) => self.answer(now, &reading, cost, spent),
            None => self.spend_anywhere(now, tag, cost),
        }
    }

    /// `spend_at` for a key that is not in its home line. Nothing but plain numbers is handed over, so that the common
    /// case keeps all it knows in registers.
    #[inline(never)]
    fn spend_anywhere(&self, now: Now, tag: u64, cost: u64) -> Result<Allowed, Denied> {
        let reading = self.algorithm.read(now.time);
        let rule = self.spend_rule(reading, cost);
        // What a new key is refused, every key is refused, and nothing will be written: no lock is needed to be sure that it is
        // new. A quota of zero tokens must not make all threads wait for one page. The refusal is right even for a key that is
        // being moved at this moment; its figures are then a new key's.
        if self.algorithm.spend(&reading, 0, cost).is_none() {
            let unknown = Spent { admitted: false, value: 0 };
            let spent = self.table.apply_if_known(tag, &rule).unwrap_or(unknown);
            return self.answer(now, &reading, cost, spent);
        }
        match self.table.apply_beyond_home(tag, &rule) {
            Outcome::Done(spent, forgotten_below) => {
                self.answer(now, &self.algorithm.catch_up(&reading, forgotten_below), cost, spent)
            }
            Outcome::NoRoom { soonest } => self.without_room(now, &reading, cost, soonest),
        }
    }

    /// Spends, or refuses and writes nothing.
    #[inline]
    fn spend_rule(
        &self,
        reading: A::Reading,
        cost: u64,
    ) -> AtReading<'_, A, impl Fn(&A, &A::Reading, u64) -> Step<Spent>> {
        let step =
            move |algorithm: &A, reading: &A::Reading, value| match algorithm.spend(reading, value, cost) {
                Some(spent) => write(value, spent, Spent { admitted: true, value: spent }),
                None => Step::Keep(Spent { admitted: false, value }),
            };
        AtReading { algorithm: &self.algorithm, reading, step }
    }

    /// The answer to a check. Its figures are put together here, after the decision, so that a caller who does not look
    /// at them does not pay for them.
    #[inline(always)]
    fn answer(&self, now: Now, reading: &A::Reading, cost: u64, spent: Spent) -> Result<Allowed, Denied> {
        let figures = self.algorithm.figures(reading, spent.value, cost).seen_at(now.clock);
        if spent.admitted { Ok(Allowed::new(figures)) } else { Err(Denied::new(figures)) }
    }

    /// The answer for a new key that cannot be kept.
    #[cold]
    fn without_room(
        &self,
        now: Now,
        reading: &A::Reading,
        cost: u64,
        soonest: u64,
    ) -> Result<Allowed, Denied> {
        let value = self.algorithm.spend(reading, 0, cost).unwrap_or(0);
        let figures = self.algorithm.figures(reading, value, cost);
        if self.at_capacity == AtCapacity::AllowUntracked {
            return Ok(Allowed::new(figures.seen_at(now.clock)));
        }
        let room_at = self.algorithm.figures(reading, soonest, 0).reset_at();
        Err(Denied::no_room(figures.limit(), room_at, now.clock))
    }

    /// Lets `step` decide what becomes of a key's value.
    fn apply<T, F>(&self, key: &(impl Hash + ?Sized), reading: A::Reading, step: F) -> Outcome<T>
    where
        F: Fn(&A, &A::Reading, u64) -> Step<T>,
    {
        self.table.apply(self.hasher.hash_one(key), &AtReading { algorithm: &self.algorithm, reading, step })
    }

    /// Where `key` stands: limit, tokens left, time to full, time to the next token. Spends nothing. O(1).
    ///
    /// ```
    /// use tollgate::{Limiter, Quota};
    ///
    /// let limiter = Limiter::new(Quota::per_hour(10));
    /// assert_eq!(limiter.peek("carol").remaining(), 10);
    /// ```
    pub fn peek<K: Hash + ?Sized>(&self, key: &K) -> Status {
        // To charge nothing is to look.
        self.charge(key, 0)
    }

    /// Gives back `tokens` of `key`, never above full. O(1).
    ///
    /// For work that was paid for and not done. A key that is already full stays as it is.
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
        // A refund never asks for room: a key without a word is full.
        let _ = self.apply(key, self.reading(), |algorithm, reading, value| {
            write(value, algorithm.refund(reading, value, tokens), ())
        });
    }

    /// Spends `tokens` of `key` whether it has them or not, and tells where it stands then. O(1).
    ///
    /// For costs known only afterwards. The key may go into debt; it is refused until the debt is repaid at the
    /// quota's rate. Any number is legal; a debt saturates at the end of the axis (150 years or more away). A new key
    /// for which there is no room ([`AtCapacity::DenyNew`], [`AtCapacity::AllowUntracked`]) is not charged.
    ///
    /// ```
    /// use tollgate::{Limiter, Quota};
    ///
    /// let limiter = Limiter::new(Quota::per_hour(10));
    /// assert_eq!(limiter.charge("erin", 25).remaining(), 0);
    /// assert!(limiter.check("erin").is_err());
    /// ```
    pub fn charge<K: Hash + ?Sized>(&self, key: &K, tokens: u64) -> Status {
        let now = self.timeline.now();
        let reading = self.algorithm.read(now.time);
        let outcome = self.apply(key, reading, |algorithm, reading, value| {
            let charged = algorithm.charge(reading, value, tokens);
            write(value, charged, charged)
        });
        let (value, forgotten_below) = match outcome {
            Outcome::Done(value, forgotten_below) => (value, forgotten_below),
            Outcome::NoRoom { .. } => (0, 0),
        };
        let reading = self.algorithm.catch_up(&reading, forgotten_below);
        Status::new(self.algorithm.figures(&reading, value, 1).seen_at(now.clock))
    }

    /// Forgets what `key` has spent: it is full again. O(1).
    pub fn reset<K: Hash + ?Sized>(&self, key: &K) {
        // A reset never asks for room.
        let _ = self.apply(key, self.reading(), |_, _, value| write(value, 0, ()));
    }

    /// Forgets what all keys have spent. O(memory). A key that is checked meanwhile may keep that check's spending.
    pub fn clear(&self) {
        self.table.clear();
    }

    /// Keys that are not full at the moment.
    ///
    /// Exact while the limiter has at most 1024 pages (some 150 000 keys at their peak) and nobody spends meanwhile; from there
    /// on an estimate from a sample of 512 to 1024 pages: within about one percent when they are filled as usual, less exact
    /// when few keys are left of many. Reads up to 4 MiB.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.live(self.position())
    }

    /// Whether every key is full. Exact; reads up to the first key that is not.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_idle(self.position())
    }

    /// How much memory is in use and for what. Reads as much as [`len`](Limiter::len), and takes each page's lock once.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let stats = self.table.stats(self.position());
        let own = size_of::<Self>() - size_of::<WordTable>();
        Stats {
            keys: stats.live,
            pages: stats.pages,
            splits: stats.splits,
            forgotten: stats.forced,
            bytes: own + stats.bytes,
        }
    }

    /// The algorithm, for what it alone knows: `limiter.algorithm().quota()`.
    #[must_use]
    pub fn algorithm(&self) -> &A {
        &self.algorithm
    }

    fn reading(&self) -> A::Reading {
        self.algorithm.read(self.timeline.now().time)
    }

    fn position(&self) -> u64 {
        self.algorithm.position(&self.reading())
    }
}

impl<S: BuildHasher> Limiter<Gcra, S> {
    /// Changes the quota of every key, in force for the next check. O(1), however many keys there are.
    ///
    /// What keys have spent stays spent, in tokens. A larger capacity gives every key the difference; a smaller one caps
    /// what it has left. So going down by D and up again grants every key up to D tokens. The same quota changes nothing.
    ///
    /// Going down by D tokens also uses up as much of the axis as D tokens take to come back. To switch a limit off for a
    /// while, build the limiter with its real quota and set one of zero tokens; a limiter that is *built* with zero tokens
    /// is laid out for one per period.
    ///
    /// # Errors
    ///
    /// [`QuotaError::TooFastForLimiter`] or [`QuotaError::TooSlowForLimiter`] when the axis that was laid out at build would
    /// last less than a year more or be counted in units of more than 1 µs: some 150 times faster, or 100 times slower,
    /// than the quota it was built with. The old quota stays in force.
    ///
    /// ```
    /// use tollgate::{Limiter, Quota};
    ///
    /// let limiter = Limiter::new(Quota::per_second(10));
    /// assert!(limiter.check_n("frank", 8).is_ok());
    /// limiter.set_quota(Quota::per_second(10).burst(15))?;
    /// assert_eq!(limiter.peek("frank").remaining(), 7);
    /// # Ok::<(), tollgate::QuotaError>(())
    /// ```
    pub fn set_quota(&self, quota: Quota) -> Result<(), QuotaError> {
        self.algorithm.set_quota(quota, || self.timeline.now().time)
    }
}

impl<A: Algorithm + fmt::Debug, S> fmt::Debug for Limiter<A, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter")
            .field("algorithm", &self.algorithm)
            .field("timeline", &self.timeline)
            .field("table", &self.table)
            .field("at_capacity", &self.at_capacity)
            .finish_non_exhaustive()
    }
}
