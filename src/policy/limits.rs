//! [`LimitInForce`]: a limit with the state of its keys, and how it goes on when it changes.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::algorithms::{InPolicies, WithAlgorithm};
use super::model::{AlgorithmName, Policy};
use crate::algorithm::{PerCall, Start};
use crate::build_error::BuildError;
use crate::clock::Clock;
use crate::concurrency::KeyedConcurrencyLimit;
use crate::limiter::{Gate, SharedLimit, Stats};
#[cfg(feature = "serde")]
use crate::limiter::{RandomState, Snapshot};
use crate::quota::Quota;

/// What a limit is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LimitSpec {
    Rate {
        algorithm: AlgorithmName,
        quota: Quota,
    },
    /// So many at once.
    Places(u64),
}

/// A limit in force.
#[derive(Clone)]
pub(super) struct LimitInForce {
    /// As in header fields: the policy's id, and what tells it from the policy's other limits.
    pub(super) name: Arc<str>,
    pub(super) spec: LimitSpec,
    pub(super) gate: LimitGate,
    /// The time in which an empty key becomes full, or a window ends.
    pub(super) window: Option<Duration>,
}

/// Whatever counts keys.
pub(super) trait Counting: Gate {
    /// The same keys by another limit of this kind, from now on.
    fn succeed(&self, spec: LimitSpec) -> Result<Arc<dyn Counting>, BuildError>;

    fn stats(&self) -> Stats;

    /// What its keys have spent, if that is kept over a restart.
    #[cfg(feature = "serde")]
    fn snapshot(&self, hasher: &RandomState) -> Option<Snapshot>;
}

impl<A: InPolicies> Counting for SharedLimit<A> {
    fn succeed(&self, spec: LimitSpec) -> Result<Arc<dyn Counting>, BuildError> {
        let LimitSpec::Rate { quota, .. } = spec else { return Err(spec.is_of_another_kind()) };
        Ok(SharedLimit::succeed(self, quota)?)
    }

    fn stats(&self) -> Stats {
        SharedLimit::stats(self)
    }

    #[cfg(feature = "serde")]
    fn snapshot(&self, hasher: &RandomState) -> Option<Snapshot> {
        Some(SharedLimit::snapshot(self, hasher))
    }
}

impl Counting for KeyedConcurrencyLimit {
    fn succeed(&self, spec: LimitSpec) -> Result<Arc<dyn Counting>, BuildError> {
        let LimitSpec::Places(max) = spec else { return Err(spec.is_of_another_kind()) };
        Ok(Arc::new(self.with_max(usize::try_from(max).unwrap_or(usize::MAX))))
    }

    fn stats(&self) -> Stats {
        KeyedConcurrencyLimit::stats(self)
    }

    /// What was under way has ended with the process.
    #[cfg(feature = "serde")]
    fn snapshot(&self, _hasher: &RandomState) -> Option<Snapshot> {
        None
    }
}

impl LimitSpec {
    pub(super) fn new(algorithm: AlgorithmName, quota: Quota) -> LimitSpec {
        LimitSpec::Rate { algorithm, quota }
    }

    /// Whether it can be built for so many keys.
    pub(super) fn check(self, max_keys: usize) -> Result<(), BuildError> {
        let LimitSpec::Rate { algorithm, quota } = self else { return Ok(()) };
        algorithm.build(quota, Begin { max_keys })
    }

    /// With no keys yet.
    pub(super) fn build(
        self,
        name: Arc<str>,
        max_keys: usize,
        clock: &Clock,
    ) -> Result<LimitInForce, BuildError> {
        let counting: Arc<dyn Counting> = match self {
            LimitSpec::Places(places) => {
                let max = usize::try_from(places).unwrap_or(usize::MAX);
                Arc::new(KeyedConcurrencyLimit::builder(max).max_keys(max_keys).build()?)
            }
            LimitSpec::Rate { algorithm, quota } => algorithm.build(quota, Fresh { max_keys, clock })?,
        };
        Ok(LimitInForce::of(name, self, LimitGate::Own(counting)))
    }

    /// With what keys had spent in another process.
    #[cfg(feature = "serde")]
    pub(super) fn restored(
        self,
        name: Arc<str>,
        max_keys: usize,
        clock: &Clock,
        snapshot: Snapshot,
    ) -> Result<LimitInForce, BuildError> {
        let LimitSpec::Rate { algorithm, quota } = self else { return self.build(name, max_keys, clock) };
        let counting = algorithm.build(quota, Restored { max_keys, clock, snapshot })?;
        Ok(LimitInForce::of(name, self, LimitGate::Own(counting)))
    }

    /// Whether a limit of this kind can go on as one of the other kind, with all keys.
    pub(super) fn can_become(&self, other: &LimitSpec) -> bool {
        match (*self, *other) {
            (LimitSpec::Places(_), LimitSpec::Places(_)) => true,
            (LimitSpec::Rate { algorithm, quota }, LimitSpec::Rate { algorithm: next, quota: to }) => {
                algorithm == next && (algorithm.has_burst() || quota.period() == to.period())
            }
            _ => false,
        }
    }

    /// The same, if both are about one period.
    pub(super) fn can_become_in_its_period(&self, other: &LimitSpec) -> bool {
        let period = |spec: &LimitSpec| match spec {
            LimitSpec::Rate { quota, .. } => Some(quota.period()),
            LimitSpec::Places(_) => None,
        };
        self.can_become(other) && period(self) == period(other)
    }

    /// Whether it counts how many are under way, not how many come.
    pub(super) fn holds(&self) -> bool {
        matches!(self, LimitSpec::Places(_))
    }

    /// The time in which an empty key becomes full, or a window ends.
    pub(super) fn window(&self) -> Option<Duration> {
        match self {
            LimitSpec::Rate { algorithm, quota } if algorithm.has_burst() => quota.refill_time(),
            LimitSpec::Rate { quota, .. } => Some(quota.period()),
            LimitSpec::Places(_) => None,
        }
    }

    fn is_of_another_kind(self) -> BuildError {
        BuildError::Algorithm { reason: format!("{self:?} is of another kind") }
    }
}

/// Whether a limiter could be built.
struct Begin {
    max_keys: usize,
}

impl WithAlgorithm for Begin {
    type Output = Result<(), BuildError>;

    fn with<A: InPolicies>(self, mut algorithm: A) -> Result<(), BuildError> {
        algorithm.begin(Start::default(), self.max_keys)
    }
}

/// What counts keys, with none yet.
struct Fresh<'c> {
    max_keys: usize,
    clock: &'c Clock,
}

impl WithAlgorithm for Fresh<'_> {
    type Output = Result<Arc<dyn Counting>, BuildError>;

    fn with<A: InPolicies>(self, algorithm: A) -> Self::Output {
        Ok(Arc::new(SharedLimit::new(algorithm, self.max_keys, self.clock.clone())?))
    }
}

/// What counts keys, with what they had spent in another process.
#[cfg(feature = "serde")]
struct Restored<'c> {
    max_keys: usize,
    clock: &'c Clock,
    snapshot: Snapshot,
}

#[cfg(feature = "serde")]
impl WithAlgorithm for Restored<'_> {
    type Output = Result<Arc<dyn Counting>, BuildError>;

    fn with<A: InPolicies>(self, algorithm: A) -> Self::Output {
        Ok(Arc::new(SharedLimit::restored(algorithm, self.max_keys, self.clock.clone(), self.snapshot)?))
    }
}

/// The keys of those who have a limit of their own. Most policies have none such, and then no table.
pub(super) struct PerCallLimits {
    keys: OnceLock<SharedLimit<PerCall>>,
    max_keys: usize,
    clock: Clock,
}

impl PerCallLimits {
    pub(super) fn new(max_keys: usize, clock: &Clock) -> PerCallLimits {
        PerCallLimits { keys: OnceLock::new(), max_keys, clock: clock.clone() }
    }

    /// With what keys had spent in another process.
    #[cfg(feature = "serde")]
    pub(super) fn restored(
        max_keys: usize,
        clock: &Clock,
        snapshot: Snapshot,
    ) -> Result<PerCallLimits, BuildError> {
        let keys = SharedLimit::restored(PerCall::new(), max_keys, clock.clone(), snapshot)?;
        Ok(PerCallLimits { keys: keys.into(), ..PerCallLimits::new(max_keys, clock) })
    }

    /// What the keys have spent, if there ever were any.
    #[cfg(feature = "serde")]
    pub(super) fn snapshot(&self, hasher: &RandomState) -> Option<Snapshot> {
        self.keys.get().map(|keys| keys.snapshot(hasher))
    }

    /// The limit of somebody in particular.
    pub(super) fn limit(&self, policy: &str, quota: Quota) -> LimitInForce {
        let keys = self.keys.get_or_init(|| SharedLimit::per_call(self.max_keys, self.clock.clone()));
        let gate = LimitGate::Override(Arc::new(keys.otherwise(quota)));
        LimitInForce::of(policy.into(), LimitSpec::new(AlgorithmName::Gcra, quota), gate)
    }
}

/// What decides, and whether it can go on by another limit.
#[derive(Clone)]
pub(super) enum LimitGate {
    Own(Arc<dyn Counting>),
    /// Of somebody in particular.
    Override(Arc<SharedLimit<PerCall>>),
}

impl LimitInForce {
    fn of(name: Arc<str>, spec: LimitSpec, gate: LimitGate) -> LimitInForce {
        LimitInForce { name, spec, gate, window: spec.window() }
    }

    #[inline]
    pub(super) fn gate(&self) -> &dyn Gate {
        match &self.gate {
            LimitGate::Own(counting) => &**counting,
            LimitGate::Override(limit) => &**limit,
        }
    }

    /// Whether it counts how many are under way, not how many come.
    pub(super) fn holds(&self) -> bool {
        self.spec.holds()
    }

    /// What its keys have spent, if that is kept over a restart, and is not kept elsewhere.
    #[cfg(feature = "serde")]
    pub(super) fn snapshot(&self, hasher: &RandomState) -> Option<Snapshot> {
        match &self.gate {
            LimitGate::Own(counting) => counting.snapshot(hasher),
            LimitGate::Override(_) => None,
        }
    }

    /// Numbers about its keys.
    pub(super) fn stats(&self) -> Stats {
        match &self.gate {
            LimitGate::Own(counting) => counting.stats(),
            LimitGate::Override(limit) => limit.stats(),
        }
    }

    /// The same keys by another limit. `None` if it has to start anew.
    pub(super) fn succeed(&self, name: Arc<str>, spec: LimitSpec) -> Option<LimitInForce> {
        if spec == self.spec {
            return Some(LimitInForce { name, ..self.clone() });
        }
        let LimitGate::Own(counting) = &self.gate else { return None };
        Some(LimitInForce::of(name, spec, LimitGate::Own(counting.succeed(spec).ok()?)))
    }
}

impl fmt::Debug for LimitInForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitInForce")
            .field("name", &self.name)
            .field("spec", &self.spec)
            .finish_non_exhaustive()
    }
}

/// A policy's limits and what they are called: the policy's id, and if there are several what tells each from the others.
pub(super) fn specs(policy: &Policy) -> Vec<(Arc<str>, LimitSpec)> {
    let rates = policy.limits.iter().filter_map(|limit| {
        let quota = limit.quota().ok()??;
        Some((limit.name.clone(), LimitSpec::new(limit.algorithm, quota)))
    });
    let places = policy.concurrency.map(|places| (Some("at-once".to_owned()), LimitSpec::Places(places)));
    let all: Vec<_> = rates.chain(places).collect();
    let single = all.len() == 1;
    let called = |(place, (name, spec)): (usize, (Option<String>, LimitSpec))| match name {
        Some(name) => (format!("{}/{name}", policy.id).into(), spec),
        None if single => (policy.id.as_str().into(), spec),
        None => (format!("{}/{}", policy.id, place + 1).into(), spec),
    };
    all.into_iter().enumerate().map(called).collect()
}
