//! [`Turns`]: what the middleware asks of a limit beyond [`Gate`], whatever its kind: to wait for it, and to tell clients of it.

use std::hash::{BuildHasher, Hash};
use std::time::Duration;

use super::Limiter;
use super::engine::{Engine, Keys, Receipt};
use super::gate::Gate;
use crate::clock::Instant;
use crate::decision::Denied;

/// When somebody's turn comes, on the limit's own clock, and what was taken for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub(crate) time: u64,
    pub(crate) receipt: Receipt,
}

/// A limit that can be waited for. Concurrency limits have no turns but at once.
pub(crate) trait Turns: Gate {
    /// The time in which an empty key becomes full, or a window ends.
    fn refill_time(&self) -> Option<Duration> {
        None
    }

    /// Takes the next free slot, if it comes within `max_delay` nanoseconds.
    fn schedule(&self, tag: u64, cost: u64, max_delay: u64) -> Result<Turn, Denied> {
        let _ = max_delay;
        let (_, receipt) = self.take(&mut Instant::default(), tag, cost)?;
        Ok(Turn { time: 0, receipt })
    }

    /// How long it is until then.
    fn until(&self, time: u64) -> Duration {
        let _ = time;
        Duration::ZERO
    }

    /// Gives a slot back if nobody stands behind it.
    fn unschedule(&self, tag: u64, cost: u64, receipt: Receipt) {
        self.undo(tag, cost, receipt);
    }
}

impl<A: Engine, S: BuildHasher> Limiter<A, S> {
    /// By what it knows a key.
    pub(crate) fn tag_of<K: Hash + ?Sized>(&self, key: &K) -> u64 {
        self.hasher.hash_one(key)
    }
}

impl<A: Engine, S: Send + Sync> Turns for Limiter<A, S> {
    fn refill_time(&self) -> Option<Duration> {
        self.algorithm.refill_time()
    }

    fn schedule(&self, tag: u64, cost: u64, max_delay: u64) -> Result<Turn, Denied> {
        let now = self.timeline.now();
        let taken = self.keys.schedule(&self.algorithm, now, tag, cost, max_delay)?;
        Ok(Turn { time: taken.time, receipt: taken.receipt })
    }

    fn until(&self, time: u64) -> Duration {
        Duration::from_nanos(time.saturating_sub(self.timeline.now().clock))
    }

    fn unschedule(&self, tag: u64, cost: u64, receipt: Receipt) {
        self.keys.unschedule(&self.algorithm, self.timeline.now(), tag, cost, receipt);
    }
}
