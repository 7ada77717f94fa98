//! Calls of a [`Limiter<PerCall>`](crate::PerCall) that bring their own quota.

use std::hash::{BuildHasher, Hash};

use super::Limiter;
use super::engine::Keys;
use crate::algorithm::PerCall;
use crate::decision::{Allowed, Denied, Status};
use crate::quota::Quota;

impl<S: BuildHasher> Limiter<PerCall, S> {
    /// Spends `cost` tokens of `key` at once, or none, under `quota`. O(1).
    ///
    /// # Errors
    ///
    /// As [`check_n`](Limiter::check_n).
    ///
    /// ```
    /// use tollgate::{Limiter, PerCall, Quota};
    ///
    /// let limiter = Limiter::with(PerCall::new().otherwise(Quota::per_minute(10)))?;
    /// assert_eq!(limiter.check("tenant:1").unwrap().remaining(), 9);
    /// assert_eq!(limiter.check_with("tenant:2", Quota::per_minute(600), 1).unwrap().remaining(), 599);
    /// # Ok::<(), tollgate::BuildError>(())
    /// ```
    #[inline]
    pub fn check_with<K: Hash + ?Sized>(&self, key: &K, quota: Quota, cost: u64) -> Result<Allowed, Denied> {
        let (algorithm, tag) = (self.algorithm.otherwise(quota), self.hasher.hash_one(key));
        let answer = self.keys.spend(&algorithm, self.timeline.now(), tag, cost);
        answer.map_err(|denied| self.spread(denied))
    }

    /// Whether `cost` would be let through under `quota`, and where `key` stands. Spends nothing. O(1).
    #[cfg(feature = "server")]
    pub(crate) fn look_with<K: Hash + ?Sized>(
        &self,
        key: &K,
        quota: Quota,
        cost: u64,
    ) -> Result<Allowed, Denied> {
        let algorithm = self.algorithm.otherwise(quota);
        self.keys.look(&algorithm, self.timeline.now(), self.hasher.hash_one(key), cost)
    }

    /// Spends one token of each key under `quota`, in order, as [`check_many`](Limiter::check_many). O(keys).
    ///
    /// ```
    /// use tollgate::{Limiter, PerCall, Quota};
    ///
    /// let limiter = Limiter::with(PerCall::new())?;
    /// let mut answers = Vec::new();
    /// limiter.check_many_with(&["ann", "ben", "ann"], Quota::per_hour(1), &mut answers);
    /// let allowed: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    /// assert_eq!(allowed, [true, true, false]);
    /// # Ok::<(), tollgate::BuildError>(())
    /// ```
    pub fn check_many_with<K: Hash>(
        &self,
        keys: &[K],
        quota: Quota,
        answers: &mut Vec<Result<Allowed, Denied>>,
    ) {
        self.spend_many(&self.algorithm.otherwise(quota), keys, answers);
    }

    /// Where `key` stands under `quota`, as [`peek`](Limiter::peek). Spends nothing. O(1).
    pub fn peek_with<K: Hash + ?Sized>(&self, key: &K, quota: Quota) -> Status {
        self.charge_with(key, quota, 0)
    }

    /// Spends `tokens` of `key` under `quota` whether it has them or not, as [`charge`](Limiter::charge). O(1).
    pub fn charge_with<K: Hash + ?Sized>(&self, key: &K, quota: Quota, tokens: u64) -> Status {
        let algorithm = self.algorithm.otherwise(quota);
        self.keys.charge(&algorithm, self.timeline.now(), self.hasher.hash_one(key), tokens)
    }

    /// Gives back `tokens` of `key` that were spent under `quota`, never above full, as [`refund`](Limiter::refund). O(1).
    pub fn refund_with<K: Hash + ?Sized>(&self, key: &K, quota: Quota, tokens: u64) {
        let algorithm = self.algorithm.otherwise(quota);
        self.keys.refund(&algorithm, self.timeline.now(), self.hasher.hash_one(key), tokens);
    }
}
