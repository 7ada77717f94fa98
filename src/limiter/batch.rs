//! [`Limiter::check_many`]: many keys at once, so that their cache misses overlap.

use std::hash::{BuildHasher, Hash};

use super::Limiter;
use super::engine::{Engine, Keys};
use crate::decision::{Allowed, Denied};

/// Keys whose memory is fetched together. A core keeps some ten to twenty misses in flight (line-fill buffers); twice
/// that keeps it busy while earlier ones are decided, and one reading of the clock for them stays fresh.
pub(super) const GROUP: usize = 32;

impl<A: Engine, S: BuildHasher> Limiter<A, S> {
    /// Spends one token of each key, in order: the same as [`check`](Limiter::check) for one after the other, but several
    /// times as fast for many keys, because memory is fetched for many of them at once and the clock is read once for
    /// every 32.
    ///
    /// `answers` is emptied and filled with one answer for each key. O(keys).
    ///
    /// ```
    /// use tollgate::{Limiter, Quota};
    ///
    /// let limiter = Limiter::new(Quota::per_hour(1));
    /// let mut answers = Vec::new();
    /// limiter.check_many(&["ann", "ben", "ann"], &mut answers);
    /// let allowed: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    /// assert_eq!(allowed, [true, true, false]);
    /// ```
    pub fn check_many<K: Hash>(&self, keys: &[K], answers: &mut Vec<Result<Allowed, Denied>>) {
        self.spend_many(&self.algorithm, keys, answers);
    }

    /// [`check_many`](Limiter::check_many) by this algorithm, which shares the keys.
    pub(super) fn spend_many<K: Hash>(
        &self,
        algorithm: &A,
        keys: &[K],
        answers: &mut Vec<Result<Allowed, Denied>>,
    ) {
        answers.clear();
        answers.reserve(keys.len());
        for group in keys.chunks(GROUP) {
            let mut tags = [0; GROUP];
            for (tag, key) in tags.iter_mut().zip(group) {
                *tag = self.hasher.hash_one(key);
            }
            self.keys.spend_group(algorithm, &self.timeline, &tags[..group.len()], answers);
        }
        if self.retry_spread > 0 {
            for denied in answers.iter_mut().filter_map(|answer| answer.as_mut().err()) {
                *denied = self.spread(*denied);
            }
        }
    }
}
