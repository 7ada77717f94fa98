//! [`SharedLimit`]: a limit that shares its keys with those that come before and after it.

use std::fmt;
use std::sync::{Arc, Weak};

use super::Stats;
use super::builder::{AtCapacity, DEFAULT_MAX_KEYS, check_max_keys};
use super::engine::{Engine, Keys};
use super::gate::Keeper;
#[cfg(feature = "serde")]
use super::{RandomState, Snapshot, Snapshots};
use crate::algorithm::{PerCall, Succeed};
use crate::build_error::BuildError;
use crate::clock::{Clock, Instant, Now, Timeline};
use crate::quota::Quota;
use crate::sync::{AtomicU64, Mutex, Ordering};

/// A limit of one version of a policy.
///
/// Its successor decides about the same keys by another limit. Whoever still holds this one then decides as of the moment of the change: its time
/// ends there. So a decision is wholly of one version, without a lock.
pub(crate) struct SharedLimit<A: Engine> {
    algorithm: A,
    held: Arc<Held<A>>,
    term: Term,
}

/// How long a limit is in force: up to a time on its clock, or for ever as long as no successor took over.
#[derive(Debug)]
pub(super) struct Term(AtomicU64);

impl Term {
    const NEVER: u64 = u64::MAX;

    pub(super) fn open() -> Term {
        Term(AtomicU64::new(Term::NEVER))
    }

    pub(super) fn end(&self, time: u64) {
        // Release: pairs with the Acquire load in `within`. An exchange, because a mere store may be seen only after what follows it.
        self.0.swap(time, Ordering::AcqRel);
    }

    fn is_open(&self) -> bool {
        // Relaxed: whoever sees it late decides as of a moment ago.
        self.0.load(Ordering::Relaxed) == Term::NEVER
    }

    /// This time, or the end if that came before.
    #[inline]
    pub(super) fn within(&self, time: u64) -> u64 {
        // Acquire: pairs with the Release store in `end`: who sees the end sees where the axis ended, too.
        time.min(self.0.load(Ordering::Acquire))
    }
}

/// What all versions have in common.
struct Held<A: Engine> {
    keys: A::Keys,
    timeline: Timeline,
    /// The limit in force, if it is not the first.
    newest: Mutex<Weak<SharedLimit<A>>>,
}

impl<A: Engine> Held<A> {
    fn new(algorithm: &A, max_keys: usize, clock: Clock) -> Arc<Held<A>> {
        let keys = A::Keys::new(algorithm, max_keys, AtCapacity::default());
        Arc::new(Held { keys, timeline: Timeline::new(clock), newest: Mutex::new(Weak::new()) })
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
        SharedLimit { algorithm, held, term: Term::open() }
    }

    #[inline]
    fn in_force(&self, now: Now) -> Now {
        Now { time: self.term.within(now.time), ..now }
    }

    pub(crate) fn stats(&self) -> Stats {
        self.held.keys.stats(&self.algorithm, self.held.timeline.now())
    }
}

#[cfg(feature = "serde")]
impl<A: Snapshots> SharedLimit<A> {
    /// What all keys have spent, of a limit that is in force and stays so meanwhile. The tags are those that this hasher makes.
    pub(crate) fn snapshot(&self, hasher: &RandomState) -> Snapshot {
        Snapshot::of(&self.algorithm, &self.held.keys, hasher, self.held.timeline.start())
    }

    /// A limit that goes on from a snapshot.
    pub(crate) fn restored(
        mut algorithm: A,
        max_keys: usize,
        clock: Clock,
        snapshot: Snapshot,
    ) -> Result<SharedLimit<A>, BuildError> {
        check_max_keys(max_keys)?;
        let keys = snapshot.resume(&mut algorithm, &clock, max_keys, AtCapacity::default())?;
        let held = Held { keys, timeline: Timeline::new(clock), newest: Mutex::new(Weak::new()) };
        Ok(SharedLimit::of(algorithm, Arc::new(held)))
    }
}

impl<A: Succeed> SharedLimit<A> {
    /// The same keys under another quota, from now on.
    pub(crate) fn succeed(&self, quota: Quota) -> Result<Arc<SharedLimit<A>>, BuildError> {
        let now = || self.held.timeline.now().time;
        // It ends before the clock is read for the next one: whoever does not see that has read the clock before. Else somebody could be admitted at
        // a time when the next one is in force already, and lead a key far ahead of a slower one.
        self.term.end(now());
        match self.algorithm.succeed(quota, now) {
            Ok((algorithm, time)) => {
                self.term.end(time);
                let successor = Arc::new(SharedLimit::of(algorithm, Arc::clone(&self.held)));
                *self.held.newest.lock() = Arc::downgrade(&successor);
                Ok(successor)
            }
            Err(error) => {
                self.term.end(Term::NEVER);
                Err(error)
            }
        }
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
        self.in_force(self.held.timeline.now())
    }

    #[inline]
    fn now_together(&self, instant: &mut Instant) -> Now {
        self.in_force(self.held.timeline.now_together(instant))
    }

    /// What is spent now is charged now, also by whoever was let through by a limit that has ended: as of its end, it might have come back by now.
    fn afterwards(&self, with: impl FnOnce(&A, Now)) {
        let newest = if self.term.is_open() { None } else { self.held.newest.lock().upgrade() };
        let limit = newest.as_deref().unwrap_or(self);
        with(&limit.algorithm, limit.now());
    }
}

impl<A: Engine + fmt::Debug> fmt::Debug for SharedLimit<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedLimit").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(tollgate_loom)))]
mod tests {
    use std::time::Duration;

    use super::SharedLimit;
    use crate::algorithm::Gcra;
    use crate::clock::{Clock, Instant};
    use crate::limiter::Gate;
    use crate::quota::Quota;

    const ANN: u64 = 7;

    fn admits(limit: &SharedLimit<Gcra>, cost: u64) -> bool {
        limit.take(&mut Instant::default(), ANN, cost).is_ok()
    }

    #[test]
    fn who_began_under_a_limit_ends_under_it_as_of_the_moment_it_changed() {
        let (clock, hand) = Clock::manual();
        let old = SharedLimit::new(Gcra::new(Quota::per_second(10)), 100, clock).unwrap();
        assert!(admits(&old, 4));
        let new = old.succeed(Quota::per_second(1_000).burst(20)).unwrap();
        assert!(!admits(&old, 7) && admits(&old, 6), "ten in all");
        hand.advance(Duration::from_secs(10));
        assert!(!admits(&old, 1), "its time stands still");
        assert!(admits(&new, 20) && !admits(&new, 1));
    }

    #[test]
    fn a_late_caller_does_not_lead_the_keys_ahead_of_a_slower_successor() {
        let (clock, hand) = Clock::manual();
        let old = SharedLimit::new(Gcra::new(Quota::per_second(1_000)), 100, clock).unwrap();
        let new = old.succeed(Quota::per_second(10)).unwrap();
        hand.advance(Duration::from_secs(100));
        assert!(admits(&old, 1), "it had a thousand when it ended");
        assert!(admits(&new, 10), "and that is long ago for the new one");
    }

    #[test]
    fn a_successor_that_cannot_be_leaves_the_limit_in_force() {
        let (clock, hand) = Clock::manual();
        let limit = SharedLimit::new(Gcra::new(Quota::per_second(1)), 100, clock).unwrap();
        assert!(admits(&limit, 1));
        assert!(limit.succeed(Quota::per_second(1_000_000_000)).is_err());
        hand.advance(Duration::from_secs(1));
        assert!(admits(&limit, 1), "its time goes on");
    }
}
