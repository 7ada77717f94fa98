//! [`SharedLimit`]: a limit that shares its keys with those that come before and after it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::builder::{AtCapacity, DEFAULT_MAX_KEYS, check_max_keys};
use super::engine::{Engine, Keys};
use super::gate::Keeper;
use super::Stats;
use crate::algorithm::{PerCall, Succeed};
use crate::build_error::BuildError;
use crate::clock::{Clock, Instant, Now, Timeline};
use crate::quota::Quota;
use crate::sync::{AtomicU64, Ordering};

/// A limit of one version of a policy.
///
/// Its successor decides about the same keys by another limit. Whoever still holds this one then decides as of the moment of the change: its time
/// ends there. So a decision is wholly of one version, without a lock.
pub(crate) struct SharedLimit<A: Engine> {
    algorithm: A,
    held: Arc<Held<A>>,
    /// When a successor took over, on the limit's clock; `u64::MAX` as long as none has.
    until: AtomicU64,
}

/// What all versions have in common.
struct Held<A: Engine> {
    keys: A::Keys,
    timeline: Timeline,
}

impl<A: Engine> Held<A> {
    fn new(algorithm: &A, max_keys: usize, clock: Clock) -> Arc<Held<A>> {
        let keys = A::Keys::new(algorithm, max_keys, AtCapacity::default());
        Arc::new(Held { keys, timeline: Timeline::new(clock) })
    }
}

impl<A: Engine> SharedLimit<A> {
    pub(crate) fn new(mut algorithm: A, max_keys: usize, clock: Clock) -> Result<SharedLimit<A>, BuildError> {
        check_max_keys(max_keys)?;
        algorithm.begin(clock.start(), max_keys)?;
        let held = Held::new(&algorithm, max_keys, clock);
        Ok(SharedLimit::of(algorithm, held))
    }

    fn of(algorithm: A, held: Arc<Held<A>>) -> SharedLimit<A> {
        SharedLimit { algorithm, held, until: AtomicU64::new(u64::MAX) }
    }

    pub(crate) fn refill_time(&self) -> Option<Duration> {
        self.algorithm.refill_time()
    }

    pub(crate) fn stats(&self) -> Stats {
        self.held.keys.stats(&self.algorithm, self.held.timeline.now())
    }

    /// Until this time, at the latest.
    #[inline]
    fn ending(&self, now: Now) -> Now {
        // Acquire: pairs with the Release store in `succeed`: who sees the end sees where the axis ended, too.
        Now { time: now.time.min(self.until.load(Ordering::Acquire)), ..now }
    }
}

impl<A: Succeed> SharedLimit<A> {
    /// The same keys under another quota, from now on.
    pub(crate) fn succeed(&self, quota: Quota) -> Result<SharedLimit<A>, BuildError> {
        let (algorithm, time) = self.algorithm.succeed(quota, || self.held.timeline.now().time)?;
        // Release: pairs with the Acquire load in `ending`.
        self.until.store(time, Ordering::Release);
        Ok(SharedLimit::of(algorithm, Arc::clone(&self.held)))
    }
}

impl SharedLimit<PerCall> {
    /// A limit whose quotas come with the calls. A number of keys that is out of range counts as the default.
    pub(crate) fn per_call(max_keys: usize, clock: Clock) -> SharedLimit<PerCall> {
        let max_keys = if check_max_keys(max_keys).is_ok() { max_keys } else { DEFAULT_MAX_KEYS };
        let algorithm = PerCall::beginning(clock.start());
        SharedLimit::of(algorithm, Held::new(&algorithm, max_keys, clock))
    }

    /// The same keys under another quota: both are in force.
    pub(crate) fn otherwise(&self, quota: Quota) -> SharedLimit<PerCall> {
        SharedLimit::of(self.algorithm.otherwise(quota), Arc::clone(&self.held))
    }
}

impl<A: Engine> Keeper for SharedLimit<A> {
    type Algorithm = A;

    #[inline]
    fn algorithm(&self) -> &A {
        &self.algorithm
    }

    #[inline]
    fn keys(&self) -> &A::Keys {
        &self.held.keys
    }

    #[inline]
    fn now(&self) -> Now {
        self.ending(self.held.timeline.now())
    }

    #[inline]
    fn now_together(&self, instant: &mut Instant) -> Now {
        self.ending(self.held.timeline.now_together(instant))
    }
}

impl<A: Engine + fmt::Debug> fmt::Debug for SharedLimit<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedLimit").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
