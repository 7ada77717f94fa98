//! [`InMemory`]: callers' limits, counted in memory.

use std::cmp::Reverse;
use std::fmt;

use super::snapshot::CallerSnapshot;
use super::table::{Idles, Table};
use super::{Answer, Ask, Bounds, CallerError, CallerLimit};
use crate::algorithm::{PerCall, SlidingLog};
use crate::build_error::BuildError;
use crate::clock::Clock;
use crate::decision::{Allowed, Denied};
use crate::limiter::{AtCapacity, Builder, Limiter, Snapshot, Snapshots};
use crate::policy::{AlgorithmName, InPolicies, WithAlgorithm};

/// Callers' limits, counted in memory.
///
/// Where there is no room for a key it is refused: who chooses the limits could otherwise have others forgotten.
#[derive(Debug)]
pub(super) struct InMemory {
    /// Of `gcra` and `token_bucket`, which decide alike: a bucket that is refilled evenly.
    per_call: Limiter<PerCall>,
    others: Table<Counts>,
    clock: Clock,
    max_keys: usize,
}

/// What counts by one limit of the other algorithms.
pub(super) struct Counts(Box<dyn Counting>);

trait Counting: Send + Sync {
    fn check(&self, key: &[u8], cost: u64) -> Result<Allowed, Denied>;
    fn look(&self, key: &[u8], cost: u64) -> Result<Allowed, Denied>;
    fn refund(&self, key: &[u8], tokens: u64);
    fn is_idle(&self) -> bool;
    fn snapshot(&self) -> Snapshot;
}

impl<A: Snapshots> Counting for Limiter<A> {
    fn check(&self, key: &[u8], cost: u64) -> Result<Allowed, Denied> {
        self.check_n(key, cost)
    }

    fn look(&self, key: &[u8], cost: u64) -> Result<Allowed, Denied> {
        Limiter::look(self, key, cost)
    }

    fn refund(&self, key: &[u8], tokens: u64) {
        Limiter::refund(self, key, tokens);
    }

    fn is_idle(&self) -> bool {
        self.is_empty()
    }

    fn snapshot(&self) -> Snapshot {
        Limiter::snapshot(self)
    }
}

impl Idles for Counts {
    fn is_idle(&self, _now: u64) -> bool {
        self.0.is_idle()
    }
}

impl InMemory {
    pub(super) fn new(bounds: &Bounds, clock: Clock) -> Result<InMemory, BuildError> {
        let per_call = per_call_limiter(bounds, clock.clone()).build()?;
        Ok(InMemory { per_call, others: Table::new(bounds, clock.clone()), clock, max_keys: bounds.max_keys })
    }

    /// What all keys have spent.
    pub(super) fn snapshot(&self) -> CallerSnapshot {
        let others = self.others.all(|limit, counts| (limit, counts.0.snapshot()));
        CallerSnapshot::new(self.per_call.snapshot(), others)
    }

    /// Goes on from a snapshot, and says how many of its limits it cannot go on with.
    pub(super) fn restored(
        bounds: &Bounds,
        clock: Clock,
        snapshot: CallerSnapshot,
    ) -> Result<(InMemory, usize), BuildError> {
        let (per_call, others) = snapshot.into_parts();
        let mut memory = InMemory::new(bounds, clock)?;
        let mut lost = 0;
        // All that were there have room, even if there is less than before: who is forgotten would begin anew.
        let room = bounds.max_keys.max(per_call.keys());
        match per_call_limiter(bounds, memory.clock.clone()).max_keys(room).restore(per_call).build() {
            Ok(per_call) => memory.per_call = per_call,
            Err(_) => lost += 1,
        }
        let mut others: Vec<_> = others.collect();
        // The first find most room.
        others.sort_by_key(|(_, keys)| Reverse(keys.keys()));
        for (limit, keys) in others {
            let (many, make) = (keys.keys(), |room| memory.make_from(limit, room, Some(keys)));
            let goes_on = bounds.check_limit(limit).and_then(|()| memory.others.put(limit, many, make));
            lost += usize::from(goes_on.is_err());
        }
        Ok((memory, lost))
    }

    /// Whether a limit can be counted by.
    pub(super) fn validate(&self, limit: CallerLimit) -> Result<(), CallerError> {
        if is_per_call(limit) { Ok(()) } else { self.make(limit, 1).map(drop) }
    }

    #[inline]
    pub(super) fn check(&self, key: &[u8], limit: CallerLimit, cost: u64) -> Result<Answer, CallerError> {
        self.answer(if is_per_call(limit) {
            self.per_call.check_with(key, limit.quota, cost)
        } else {
            self.with(limit, |counts| counts.check(key, cost))?
        })
    }

    pub(super) fn check_many(
        &self,
        bounds: &Bounds,
        asks: &[Ask<'_>],
        answers: &mut Vec<Result<Answer, CallerError>>,
    ) {
        answers.reserve(asks.len());
        let mut decisions = Vec::new();
        for run in asks.chunk_by(|one, next| one.limit == next.limit) {
            let Some(Ask { limit, .. }) = run.first() else { continue };
            let is_plain = run.iter().all(|ask| ask.cost == 1 && bounds.check_key(ask.key).is_ok());
            if is_plain && is_per_call(*limit) && bounds.check_limit(*limit).is_ok() {
                let keys: Vec<&[u8]> = run.iter().map(|ask| ask.key).collect();
                self.per_call.check_many_with(&keys, limit.quota, &mut decisions);
                answers.extend(decisions.drain(..).map(|decision| self.answer(decision)));
            } else {
                answers.extend(run.iter().map(|ask| {
                    bounds.check(ask.key, ask.limit)?;
                    self.check(ask.key, ask.limit, ask.cost)
                }));
            }
        }
    }

    pub(super) fn peek(&self, key: &[u8], limit: CallerLimit, cost: u64) -> Result<Answer, CallerError> {
        self.answer(if is_per_call(limit) {
            self.per_call.look_with(key, limit.quota, cost)
        } else {
            self.with(limit, |counts| counts.look(key, cost))?
        })
    }

    pub(super) fn refund(&self, key: &[u8], limit: CallerLimit, tokens: u64) {
        if is_per_call(limit) {
            self.per_call.refund_with(key, limit.quota, tokens);
        } else {
            // Under a limit that is not there nothing was spent.
            self.others.with_known(limit, |counts| counts.0.refund(key, tokens));
        }
    }

    #[inline]
    fn with<R>(&self, limit: CallerLimit, ask: impl FnOnce(&dyn Counting) -> R) -> Result<R, CallerError> {
        self.others.with(limit, |room| self.make(limit, room), |counts| ask(&*counts.0))
    }

    fn make(&self, limit: CallerLimit, room: usize) -> Result<Counts, CallerError> {
        self.make_from(limit, room, None)
    }

    fn make_from(
        &self,
        limit: CallerLimit,
        room: usize,
        snapshot: Option<Snapshot>,
    ) -> Result<Counts, CallerError> {
        let make = Make { room, clock: self.clock.clone(), snapshot };
        let quota = limit.quota;
        let counts = if limit.algorithm == AlgorithmName::SlidingLog {
            // As many times for each key as the log's own default has.
            const TIMES: usize = 8;
            let times = room.saturating_mul(TIMES).max(usize::try_from(quota.count()).unwrap_or(usize::MAX));
            make.with(SlidingLog::new(quota.count(), quota.period()).max_times(times))
        } else {
            limit.algorithm.build(quota, make)
        };
        counts.map_err(|error| {
            let field = if matches!(error, BuildError::Window { .. }) { "window" } else { "limit" };
            CallerError::field(field, error.to_string())
        })
    }

    #[inline]
    fn answer(&self, decision: Result<Allowed, Denied>) -> Result<Answer, CallerError> {
        match &decision {
            Err(denied) if denied.at_capacity() => Err(CallerError::TooManyKeys { most: self.max_keys }),
            _ => Ok(Answer::of(&decision)),
        }
    }
}

#[inline]
fn is_per_call(limit: CallerLimit) -> bool {
    matches!(limit.algorithm, AlgorithmName::Gcra | AlgorithmName::TokenBucket)
}

/// A limiter of whatever algorithm.
struct Make {
    room: usize,
    clock: Clock,
    snapshot: Option<Snapshot>,
}

impl WithAlgorithm for Make {
    type Output = Result<Counts, BuildError>;

    fn with<A: InPolicies>(self, algorithm: A) -> Self::Output {
        let mut builder = Limiter::builder(algorithm).max_keys(self.room).at_capacity(AtCapacity::DenyNew);
        if let Some(snapshot) = self.snapshot {
            builder = builder.restore(snapshot);
        }
        Ok(Counts(Box::new(builder.clock(self.clock).build()?)))
    }
}

fn per_call_limiter(bounds: &Bounds, clock: Clock) -> Builder<PerCall> {
    let builder = Limiter::builder(PerCall::new()).max_keys(bounds.max_keys);
    builder.at_capacity(AtCapacity::DenyNew).clock(clock)
}

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counts").finish_non_exhaustive()
    }
}
