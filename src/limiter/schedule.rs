//! [`Limiter::schedule`]: the next free slot, taken in advance.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::time::Duration;

use super::engine::{Engine, Keys, Receipt};
use super::{Limiter, RandomState};
use crate::algorithm::Gcra;
use crate::clock::saturating_nanos;
use crate::decision::Denied;

/// A slot that was taken: go on after [`delay`](Scheduled::delay).
///
/// Dropped, the slot stays taken.
///
/// [`Limiter::schedule`] gives it, with an example.
#[must_use = "whoever takes a slot goes on after its delay, or cancels it"]
pub struct Scheduled<'a, A: Engine = Gcra, S = RandomState> {
    limiter: &'a Limiter<A, S>,
    tag: u64,
    cost: u64,
    /// When the slot comes, and when it was taken, on the limiter's clock.
    time: u64,
    taken: u64,
    receipt: Receipt,
}

impl<A: Engine, S: BuildHasher> Limiter<A, S> {
    /// Takes the next free slot in which `key` may spend `cost`, if it comes within `max_delay`; if not, spends nothing. O(1).
    ///
    /// Slots are given out first come, first served: who comes later, by this call or by [`check`](Limiter::check), stands behind, also
    /// if a smaller cost would fit before. With a [`LeakyBucket`](crate::LeakyBucket) the slot is the turn in its
    /// queue, and `max_delay` bounds the wait instead of the queue's length. (A custom [`Algorithm`](crate::Algorithm) that does not
    /// implement [`schedule`](crate::Algorithm::schedule) has no slots but at once.)
    ///
    /// # Errors
    ///
    /// [`Denied`] when the slot lies beyond `max_delay`; `retry_after` is the least wait after which the same call succeeds, if nobody else
    /// takes slots meanwhile, and `None` when the cost is above the capacity.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tollgate::{Clock, Gcra, Limiter, Quota};
    ///
    /// let (clock, _hand) = Clock::manual();
    /// let limiter = Limiter::builder(Gcra::new(Quota::per_second(10).burst(1))).clock(clock).build()?;
    /// let second = Duration::from_secs(1);
    /// assert_eq!(limiter.schedule("mail", 1, second).unwrap().delay(), Duration::ZERO);
    /// assert_eq!(limiter.schedule("mail", 1, second).unwrap().delay(), Duration::from_millis(100));
    /// let denied = limiter.schedule("mail", 1, Duration::from_millis(150)).unwrap_err();
    /// assert_eq!(denied.retry_after(), Some(Duration::from_millis(50)));
    /// # Ok::<(), tollgate::BuildError>(())
    /// ```
    pub fn schedule<K: Hash + ?Sized>(
        &self,
        key: &K,
        cost: u64,
        max_delay: Duration,
    ) -> Result<Scheduled<'_, A, S>, Denied> {
        let tag = self.hasher.hash_one(key);
        let now = self.timeline.now();
        let slot = self.keys.schedule(&self.algorithm, now, tag, cost, saturating_nanos(max_delay));
        let slot = slot?;
        Ok(Scheduled { limiter: self, tag, cost, time: slot.time, taken: now.clock, receipt: slot.receipt })
    }
}

impl<A: Engine, S> Scheduled<'_, A, S> {
    /// How long to wait, from when the slot was taken; zero when it has come already.
    #[must_use]
    pub fn delay(&self) -> Duration {
        Duration::from_nanos(self.time.saturating_sub(self.taken))
    }

    /// How long to wait from now.
    #[cfg(feature = "tokio")]
    pub(super) fn rest(&self) -> Duration {
        Duration::from_nanos(self.time.saturating_sub(self.limiter.timeline.now().clock))
    }

    /// Gives the slot back, if nobody has taken one behind it or spent from the key since. O(1).
    ///
    /// A slot that others stand behind stays taken: theirs cannot be moved, and if it were given out once more, its successor would be
    /// admitted in the time of one of theirs.
    pub fn cancel(self) {
        let Limiter { algorithm, keys, timeline, .. } = self.limiter;
        keys.unschedule(algorithm, timeline.now(), self.tag, self.cost, self.receipt);
    }
}

impl<A: Engine, S> fmt::Debug for Scheduled<'_, A, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduled").field("delay", &self.delay()).finish_non_exhaustive()
    }
}
