//! [`Builder::restore`]: a limiter that goes on from a snapshot.

use std::fmt;

use super::builder::{AtCapacity, Builder};
use super::engine::Engine;
use super::snapshot::{Saved, Snapshot, Snapshots, probe};
use super::{Limiter, RandomState};
use crate::algorithm::Pause;
use crate::build_error::BuildError;
use crate::clock::Clock;
use crate::snapshot_error::SnapshotError;

/// A snapshot, and how to go on from it, which only those who call [`Builder::restore`] need to know.
#[derive(Clone)]
pub(super) struct Restoration<A: Engine> {
    snapshot: Snapshot,
    restore: Restore<A>,
    name: fn(&A) -> &'static str,
    /// Whether the builder's hasher is still the snapshot's.
    own_hasher: bool,
}

type Restore<A> = fn(&mut A, Saved, Pause, usize, AtCapacity) -> Result<<A as Engine>::Keys, BuildError>;

impl<A: Engine> fmt::Debug for Restoration<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Restoration").field(&self.snapshot).finish()
    }
}

impl<A: Snapshots> Builder<A> {
    /// The limiter will go on from a snapshot: what keys have spent stays spent, and comes back as if no time but that
    /// of the clock on the wall had passed. It brings its hasher with it. O(keys × log keys) at `build`.
    ///
    /// - **Time.** Between the snapshot and `build` as much time has passed as Unix time says, and none if the system's
    ///   clock was set back. (With a manual clock Unix time is the clock's own.)
    /// - **Same limits**: every figure of every key is what it would be if the first limiter had run on (but its axis
    ///   begins anew).
    /// - **Other quota or burst** ([`Gcra`](crate::Gcra), [`TokenBucket`](crate::TokenBucket),
    ///   [`LeakyBucket`](crate::LeakyBucket)): as if [`set_quota`](Limiter::set_quota) had been called when the
    ///   snapshot was taken, without its bounds on what may be changed. Where the new limiter counts in other units, a
    ///   debt is rounded up by less than a unit of each: tokens come some nanoseconds later (after a live change of
    ///   quota up to 1 µs), never earlier.
    /// - **Other limit** ([`FixedWindow`](crate::FixedWindow), [`SlidingWindow`](crate::SlidingWindow),
    ///   [`SlidingLog`](crate::SlidingLog)): as after [`set_limit`](Limiter::set_limit). The window must be the same.
    /// - **Windows** stay aligned to Unix time. Where the monotonic and the system's clock drifted apart, a key's
    ///   window is the nearest one; where the system's clock was set back, the one that ends later.
    /// - **More keys than there is room for** are treated as [`at_capacity`](Builder::at_capacity) says. A smaller
    ///   `max_keys` must not keep a service from starting: under `ForgetSmallestDebt` those that have spent the least
    ///   are forgotten, and counted in [`Stats::forgotten`](crate::Stats::forgotten). Under `AllowUntracked` they go
    ///   untracked. Under `DenyNew`, which promises that nobody is forgotten, `build` fails.
    ///
    /// Keys are known again if they hash alike in both builds; that of a type whose `Hash` has changed starts full.
    ///
    /// [`build`](Builder::build) fails with [`BuildError::Snapshot`] when the snapshot cannot be used.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tollgate::{Clock, Gcra, Limiter, Quota};
    ///
    /// let gcra = || Gcra::new(Quota::per_second(1).burst(10));
    /// let (clock, _) = Clock::manual();
    /// let limiter = Limiter::builder(gcra()).clock(clock).build()?;
    /// assert!(limiter.check_n("alice", 10).is_ok());
    /// let snapshot = limiter.snapshot();
    ///
    /// let (clock, hand) = Clock::manual();
    /// hand.set(Duration::from_secs(3)); // it took three seconds to start again
    /// let limiter = Limiter::builder(gcra()).clock(clock).restore(snapshot).build()?;
    /// assert_eq!(limiter.peek("alice").remaining(), 3);
    /// # Ok::<(), tollgate::BuildError>(())
    /// ```
    pub fn restore(mut self, snapshot: Snapshot) -> Builder<A> {
        self.hasher = RandomState::with_seeds(snapshot.content.seeds);
        self.restoration =
            Some(Restoration { snapshot, restore: A::restore, name: A::saved_name, own_hasher: true });
        self
    }
}

impl<A: Engine> Restoration<A> {
    /// The builder was given another hasher.
    pub(super) fn with_other_hasher(self) -> Restoration<A> {
        Restoration { own_hasher: false, ..self }
    }

    /// `Builder::build` from here on.
    pub(super) fn build<S>(
        self,
        mut builder: Builder<A, S>,
        clock: Clock,
    ) -> Result<Limiter<A, S>, BuildError> {
        if !self.own_hasher {
            return Err(BuildError::Snapshot(SnapshotError::OtherHasher));
        }
        self.snapshot.check((self.name)(&builder.algorithm)).map_err(BuildError::Snapshot)?;
        let content = self.snapshot.content;
        let pause = Pause::new(content.unix, clock.start());
        let (max_keys, at_capacity) = (builder.max_keys, builder.at_capacity);
        let keys = (self.restore)(&mut builder.algorithm, content.saved, pause, max_keys, at_capacity)?;
        Ok(builder.assemble_with(clock, keys))
    }
}

impl Snapshot {
    /// Whether the limiter of this algorithm can go on from it.
    fn check(&self, limiter: &'static str) -> Result<(), SnapshotError> {
        let content = &self.content;
        if content.algorithm != limiter {
            return Err(SnapshotError::Algorithm { snapshot: content.algorithm.clone(), limiter });
        }
        if probe(&RandomState::with_seeds(content.seeds)) != content.probe {
            return Err(SnapshotError::HashesDiffer);
        }
        Ok(())
    }

    /// Begins the algorithm with what keys had spent.
    #[cfg(feature = "policy")]
    pub(super) fn resume<A: Snapshots>(
        self,
        algorithm: &mut A,
        clock: &Clock,
        max_keys: usize,
        at_capacity: AtCapacity,
    ) -> Result<A::Keys, BuildError> {
        self.check(algorithm.saved_name()).map_err(BuildError::Snapshot)?;
        let pause = Pause::new(self.content.unix, clock.start());
        algorithm.restore(self.content.saved, pause, max_keys, at_capacity)
    }
}
