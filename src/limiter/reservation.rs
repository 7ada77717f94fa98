//! [`Limiter::reserve`]: charge an estimate before, and the actual cost after.

use std::fmt;
use std::hash::{BuildHasher, Hash};

use super::engine::{Engine, Keys, Receipt};
use super::{Limiter, RandomState};
use crate::algorithm::Gcra;
use crate::decision::{Allowed, Denied};

/// An estimate that was charged, until it is known what the work has really cost.
///
/// It is settled or cancelled at most once, since both take it. Dropped, also by a panic, the estimate stays charged.
///
/// # What settling touches
///
/// The tokens that were charged, and nothing else. Buckets: more is a debt from now on, less comes back at once and never lifts the
/// key above full. Windows: the count of the window that was charged, as long as it counts for anything. The log: the tokens of
/// that time; where it had no room to keep them apart from later ones, they stay.
///
/// [`Limiter::reserve`] makes one, with an example.
#[must_use = "the estimate stays charged until it is settled or cancelled"]
pub struct Reservation<'a, A: Engine = Gcra, S = RandomState> {
    limiter: &'a Limiter<A, S>,
    tag: u64,
    estimate: u64,
    receipt: Receipt,
    allowed: Allowed,
}

impl<A: Engine, S: BuildHasher> Limiter<A, S> {
    /// Spends `estimate` tokens of `key`, or none, for work whose cost is known only afterwards. O(1).
    ///
    /// # Errors
    ///
    /// As [`check_n`](Limiter::check_n).
    ///
    /// ```
    /// use tollgate::{Limiter, Quota};
    ///
    /// let limiter = Limiter::new(Quota::per_hour(1_000));
    /// let reservation = limiter.reserve("team:red", 400)?;
    /// assert_eq!(limiter.peek("team:red").remaining(), 600);
    /// reservation.settle(250); // what it has really cost
    /// assert_eq!(limiter.peek("team:red").remaining(), 750);
    /// # Ok::<(), tollgate::Denied>(())
    /// ```
    pub fn reserve<K: Hash + ?Sized>(&self, key: &K, estimate: u64) -> Result<Reservation<'_, A, S>, Denied> {
        let tag = self.hasher.hash_one(key);
        let now = self.timeline.now();
        let taken = self.keys.take(&self.algorithm, now, tag, estimate);
        let receipt = taken.map_err(|denied| self.spread(denied))?;
        let allowed = Allowed::new(self.keys.after(&self.algorithm, now, tag, estimate, receipt));
        Ok(Reservation { limiter: self, tag, estimate, receipt, allowed })
    }
}

impl<A: Engine, S> Reservation<'_, A, S> {
    /// What the check was told that charged the estimate.
    pub fn allowed(&self) -> Allowed {
        self.allowed
    }

    /// The tokens that were charged.
    #[must_use]
    pub fn estimate(&self) -> u64 {
        self.estimate
    }

    /// Charges `actual` tokens instead of the estimate: what is more even into debt, as [`charge`](Limiter::charge); what is less is
    /// given back. O(1); under [`SlidingLog`](crate::SlidingLog) O(n) for n times in the key's list.
    pub fn settle(self, actual: u64) {
        let Limiter { algorithm, keys, timeline, .. } = self.limiter;
        keys.settle(algorithm, timeline.now(), self.tag, self.estimate, actual, self.receipt);
    }

    /// Gives the estimate back: the key stands where it would if nothing had been reserved, unless others have spent from it since;
    /// then as `settle(0)`.
    pub fn cancel(self) {
        let Limiter { algorithm, keys, timeline, .. } = self.limiter;
        keys.undo(algorithm, timeline.now(), self.tag, self.estimate, self.receipt);
    }
}

impl<A: Engine, S> fmt::Debug for Reservation<'_, A, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation").field("estimate", &self.estimate).finish_non_exhaustive()
    }
}
