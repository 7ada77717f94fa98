//! [`AtBackend`]: callers' limits, counted in a store that nodes share.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;

use super::table::{Idles, Table};
use super::{Answer, Ask, Bounds, CallerError, CallerLimit};
use crate::clock::{Clock, saturating_nanos};
use crate::distributed::{BackendError, FailurePolicy, GlobalBuildError, GlobalLimiter, Rule, SharedStore};
use crate::observe::Observer;
use crate::policy::shared_rule;

/// Under what name the store counts them, whatever the rule.
const NAME: &str = "caller";

/// So many of many keys are asked about at the same time, which is one round trip. All at once would wait in the store for each other, some for longer than a
/// check may take: as if it had failed, and for everybody.
const AT_ONCE: usize = 64;

/// A store that counts callers' limits, and how it is asked.
#[derive(Clone)]
pub(crate) struct Backend {
    pub(crate) store: SharedStore,
    /// How long a check may take; the limiter's own default if it is not said.
    pub(crate) budget: Option<Duration>,
    pub(crate) on_failure: FailurePolicy,
    pub(crate) expected_nodes: u32,
    /// Is told when the store failed, under the name `caller`.
    pub(crate) observer: Option<Arc<dyn Observer>>,
}

impl Backend {
    /// With all else as a [`GlobalLimiter`] has it.
    #[cfg(test)]
    pub(crate) fn new(store: &SharedStore) -> Backend {
        Backend {
            store: store.clone(),
            budget: None,
            on_failure: FailurePolicy::default(),
            expected_nodes: 1,
            observer: None,
        }
    }

    fn limiter(&self, rule: Rule, max_keys: usize, clock: Clock) -> Result<GlobalLimiter, GlobalBuildError> {
        let mut builder = GlobalLimiter::builder(NAME, rule, &self.store)
            .on_failure(self.on_failure)
            .expected_nodes(self.expected_nodes)
            .max_keys(max_keys)
            .clock(clock);
        if let Some(budget) = self.budget {
            builder = builder.budget(budget);
        }
        if let Some(observer) = &self.observer {
            builder = builder.observer(Arc::clone(observer));
        }
        builder.build()
    }
}

/// Callers' limits, counted in a store that nodes share.
#[derive(Debug)]
pub(super) struct AtBackend {
    limits: Table<Counts>,
    backend: Backend,
    clock: Clock,
}

/// Nanoseconds. Who sends yearly limits, each once, would else keep all others out for a year. Whoever still uses a limit has asked by then; of others
/// this node's share begins anew, and empty, if there is an outage.
const LONGEST_UNUSED: u64 = 60_000_000_000;

/// What asks the store about one limit.
#[derive(Debug)]
pub(super) struct Counts {
    limiter: GlobalLimiter,
    last_used: AtomicU64,
    /// As long as this after it was last used it may be forgotten.
    remembers: u64,
}

impl Idles for Counts {
    /// A new one begins with an empty share in an outage, so nothing is gained; but what is owed to the store must not be lost, and who has a
    /// share should keep it.
    fn is_idle(&self, now: u64) -> bool {
        let unused = now.saturating_sub(self.last_used.load(Ordering::Relaxed));
        unused > self.remembers && self.limiter.stats().owing_keys == 0
    }
}

impl AtBackend {
    pub(super) fn new(bounds: &Bounds, backend: Backend, clock: Clock) -> AtBackend {
        AtBackend { limits: Table::new(bounds, clock.clone()), backend, clock }
    }

    #[cfg(any(fuzzing, test))]
    pub(super) fn check_now(&self, key: &[u8], limit: CallerLimit, cost: u64) -> Result<Answer, CallerError> {
        Ok(Answer::shared(&self.counts(limit)?.limiter.check_now(key, cost)))
    }

    pub(super) async fn check(
        &self,
        key: &[u8],
        limit: CallerLimit,
        cost: u64,
    ) -> Result<Answer, CallerError> {
        let counts = self.counts(limit)?;
        Ok(Answer::shared(&counts.limiter.check_n(key, cost).await))
    }

    pub(super) async fn check_many(
        &self,
        bounds: &Bounds,
        asks: &[Ask<'_>],
        answers: &mut Vec<Result<Answer, CallerError>>,
    ) {
        for some in asks.chunks(AT_ONCE) {
            answers.extend(join_all(some.iter().map(|ask| self.check_one(bounds, *ask))).await);
        }
    }

    async fn check_one(&self, bounds: &Bounds, ask: Ask<'_>) -> Result<Answer, CallerError> {
        bounds.check(ask.key, ask.limit)?;
        self.check(ask.key, ask.limit, ask.cost).await
    }

    pub(super) async fn peek(
        &self,
        key: &[u8],
        limit: CallerLimit,
        cost: u64,
    ) -> Result<Answer, CallerError> {
        let counts = self.counts(limit)?;
        Ok(Answer::shared(&counts.limiter.look(key, cost).await))
    }

    pub(super) async fn refund(
        &self,
        key: &[u8],
        limit: CallerLimit,
        tokens: u64,
    ) -> Result<(), CallerError> {
        let counts = self.counts(limit)?;
        counts.limiter.refund(key, tokens).await.map_err(failed)
    }

    fn counts(&self, limit: CallerLimit) -> Result<Arc<Counts>, CallerError> {
        let counts = self.limits.get(limit, |room| self.make(limit, room))?;
        counts.last_used.store(self.clock.nanos(), Ordering::Relaxed);
        Ok(counts)
    }

    fn make(&self, limit: CallerLimit, room: usize) -> Result<Counts, CallerError> {
        let quota = limit.quota;
        let limiter = self.backend.limiter(rule(limit)?, room, self.clock.clone());
        let limiter = limiter.map_err(|error| CallerError::field("limit", error.to_string()))?;
        let counts = saturating_nanos(quota.refill_time().unwrap_or_default().max(quota.period()));
        let remembers = counts.min(LONGEST_UNUSED);
        Ok(Counts { limiter, last_used: AtomicU64::new(self.clock.nanos()), remembers })
    }
}

/// The rule by which a store counts a limit.
pub(super) fn rule(limit: CallerLimit) -> Result<Rule, CallerError> {
    shared_rule(limit.algorithm, limit.quota).map_err(|(field, message)| CallerError::field(field, message))
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn failed(error: BackendError) -> CallerError {
    CallerError::Backend { message: error.to_string() }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend")
            .field("store", &self.store)
            .field("on_failure", &self.on_failure)
            .finish_non_exhaustive()
    }
}
