//! [`GlobalBuilder`]: everything about a shared limit that is fixed when it is made.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::debts::Debts;
use super::failing::Failing;
use super::leases::{Owner, Parts};
use super::subjects::Subjects;
use super::{Counters, GlobalLimiter, Inner};
use crate::clock::Clock;
use crate::distributed::deny_cache::DenyCache;
use crate::distributed::failure::FailurePolicy;
use crate::distributed::fallback::Fallback;
use crate::distributed::key_hash::KeyHasher;
use crate::distributed::lease::{LeasePlan, LeaseSettings};
use crate::distributed::rule::Rule;
use crate::distributed::rule_error::RuleError;
use crate::distributed::store::SharedStore;
use crate::limiter::check_max_keys;
use crate::observe::Observer;
use crate::quota::Quota;

/// How a limit asks its store.
///
/// ```
/// use std::time::Duration;
/// use tollgate::Quota;
/// use tollgate::distributed::{GlobalLimiter, LeaseSettings, MemoryBackend, Mode, Rule, SharedStore};
///
/// let store = SharedStore::new(MemoryBackend::new());
/// let hot = GlobalLimiter::builder("hot", Rule::Gcra(Quota::per_second(1_000)), &store)
///     .mode(Mode::Leased(LeaseSettings::default().life(Duration::from_millis(200))))
///     .build()?;
/// # let _ = hot;
/// # Ok::<(), tollgate::distributed::GlobalBuildError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Every check asks the store, unless it is known to refuse.
    #[default]
    Direct,
    /// A node leases tokens in advance, so that most checks need no store: for [`Rule::Gcra`] and [`Rule::TokenBucket`], which then
    /// are counted as [`Rule::Leased`].
    ///
    /// It pays for keys of which each node is asked much more than once in half the life of a lease. A key that is seldom asked for
    /// leases what a check needs and no more, as in direct mode. So does one whose burst is less than four times what comes back in a
    /// life, and one that is shared among more nodes than tokens come back in a life: a long way from where tokens lie to where
    /// they are asked for would refuse too many.
    ///
    /// All nodes must be in the same mode, or they count apart: a direct limit by [`Rule::Leased`] counts together with leased ones.
    Leased(LeaseSettings),
}

/// Builds a [`GlobalLimiter`]. For an example see [the module](crate::distributed).
#[must_use = "a builder does nothing until `build`"]
pub struct GlobalBuilder {
    pub(in crate::distributed) subjects: Subjects,
    pub(in crate::distributed) store: SharedStore,
    mode: Mode,
    pub(in crate::distributed) policy: FailurePolicy,
    pub(in crate::distributed) expected_nodes: u32,
    pub(in crate::distributed) budget: Duration,
    pub(in crate::distributed) max_keys: usize,
    clock: Option<Clock>,
    pub(in crate::distributed) observer: Option<Arc<dyn Observer>>,
}

impl GlobalBuilder {
    /// Several round trips within a data centre, and not noticed by whoever waits for a page.
    const DEFAULT_BUDGET: Duration = Duration::from_millis(25);
    /// What tokio's timers can tell apart.
    const SHORTEST_BUDGET: Duration = Duration::from_millis(1);
    /// No caller is still there after a minute.
    const LONGEST_BUDGET: Duration = Duration::from_secs(60);
    /// At most 6 MB for the deny cache, and 4 MB for the share of each key in an outage.
    const DEFAULT_MAX_KEYS: usize = 100_000;

    pub(in crate::distributed) fn new(name: Arc<str>, rule: Rule, store: SharedStore) -> GlobalBuilder {
        GlobalBuilder {
            subjects: Subjects { name, rule, tag: None },
            store,
            mode: Mode::default(),
            policy: FailurePolicy::default(),
            expected_nodes: 1,
            budget: GlobalBuilder::DEFAULT_BUDGET,
            max_keys: GlobalBuilder::DEFAULT_MAX_KEYS,
            clock: None,
            observer: None,
        }
    }

    /// How it asks the store; default [`Mode::Direct`].
    pub fn mode(self, mode: Mode) -> GlobalBuilder {
        GlobalBuilder { mode, ..self }
    }

    /// What it decides when the store cannot be asked; default [`FailurePolicy::Local`].
    pub fn on_failure(self, policy: FailurePolicy) -> GlobalBuilder {
        GlobalBuilder { policy, ..self }
    }

    /// Among how many nodes [`FailurePolicy::Local`] divides the limit as long as the store has not said how many there are; default 1, and 0
    /// counts as 1.
    pub fn expected_nodes(self, nodes: u32) -> GlobalBuilder {
        GlobalBuilder { expected_nodes: nodes.max(1), ..self }
    }

    /// How long a check may take at most; default 25 ms, from 1 ms to 60 s.
    ///
    /// At least twice the round trip to the store: under load a check waits for a batch to come back before it travels with the next. With less, many time
    /// out, and the breaker opens.
    pub fn budget(self, budget: Duration) -> GlobalBuilder {
        GlobalBuilder { budget, ..self }
    }

    /// Which part of a key keys have in common that must be in one place, such as the tenant; default the whole key. It must be the same for
    /// the same key, on all nodes.
    pub fn tag<F>(mut self, tag: F) -> GlobalBuilder
    where
        F: Fn(&[u8]) -> &[u8] + Send + Sync + 'static,
    {
        self.subjects.tag = Some(Arc::new(tag));
        self
    }

    /// Of how many keys this node remembers something at most: what was refused, its share in an outage, what it owes; default 100 000, from 1
    /// to 2³². What is forgotten is asked for again, or costs the one who was forgotten; nobody is admitted too much.
    ///
    /// What a key owes, and in [leased mode](Mode::Leased) what is held of it, is remembered with the key itself: where callers choose their keys,
    /// bound how long these may be.
    pub fn max_keys(self, max_keys: usize) -> GlobalBuilder {
        GlobalBuilder { max_keys, ..self }
    }

    /// The source of time for what is decided without the store; default [`Clock::monotonic`].
    pub fn clock(self, clock: Clock) -> GlobalBuilder {
        GlobalBuilder { clock: Some(clock), ..self }
    }

    /// Is told when the store [failed](Observer::failed), under the limit's name.
    pub fn observer(self, observer: Arc<dyn Observer>) -> GlobalBuilder {
        GlobalBuilder { observer: Some(observer), ..self }
    }

    /// Builds the limit. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`GlobalBuildError`] names what is out of range.
    pub fn build(self) -> Result<GlobalLimiter, GlobalBuildError> {
        let mut builder = self;
        let lease = builder.lease()?;
        builder.validate()?;
        builder.assemble(lease)
    }

    /// In leased mode the rule is the leased one, so that whatever is asked about a key is asked about the same count.
    fn lease(&mut self) -> Result<Option<(Quota, Duration)>, GlobalBuildError> {
        let Mode::Leased(settings) = self.mode else { return Ok(None) };
        let (quota, life) = match self.subjects.rule {
            Rule::Gcra(quota) | Rule::TokenBucket(quota) => (quota, settings.life_for(quota)),
            Rule::Leased { quota, life } => (quota, life),
            Rule::Concurrency { .. } => return Err(GlobalBuildError::NoRate),
            rule => return Err(GlobalBuildError::NotLeasable { rule }),
        };
        self.subjects.rule = Rule::Leased { quota, life };
        Ok(Some((quota, life)))
    }

    fn assemble(self, lease: Option<(Quota, Duration)>) -> Result<GlobalLimiter, GlobalBuildError> {
        let rule = self.subjects.rule;
        if let Rule::Concurrency { .. } = rule {
            return Err(GlobalBuildError::NoRate);
        }
        let is_local = self.policy == FailurePolicy::Local;
        let clock = self.clock.unwrap_or_default();
        let failing = Failing::new(
            self.policy,
            if is_local { Fallback::new(&rule, self.max_keys) } else { None },
            rule.limit(),
            self.expected_nodes,
            clock.nanos(),
            self.store.domains(),
        );
        // Where nobody would ever lease ahead, a lease would only hold back what comes back: each check spends at the store.
        let pays = |quota, life| LeasePlan::new(LeaseSettings::default().life(life), quota).leases_among(1);
        let leases = lease.filter(|(quota, life)| pays(*quota, *life)).map(|(quota, life)| {
            Owner::new(Parts {
                quota,
                life,
                max_keys: self.max_keys,
                subjects: self.subjects.clone(),
                store: self.store.clone(),
                budget: self.budget,
                clock: clock.clone(),
                observer: self.observer.clone(),
            })
        });
        let inner = Inner {
            subjects: self.subjects,
            store: self.store,
            budget: self.budget,
            clock,
            hasher: KeyHasher::default(),
            denied: DenyCache::new(self.max_keys),
            leases,
            failing,
            debts: Debts::new(self.max_keys),
            counters: Counters::default(),
            observer: self.observer,
        };
        Ok(GlobalLimiter { inner: Arc::new(inner) })
    }

    /// What holds for limits of all kinds.
    pub(in crate::distributed) fn validate(&self) -> Result<(), GlobalBuildError> {
        self.subjects.rule.validate().map_err(GlobalBuildError::Rule)?;
        check_max_keys(self.max_keys).map_err(|_| GlobalBuildError::MaxKeys { max_keys: self.max_keys })?;
        if !(GlobalBuilder::SHORTEST_BUDGET..=GlobalBuilder::LONGEST_BUDGET).contains(&self.budget) {
            return Err(GlobalBuildError::Budget { budget: self.budget });
        }
        Ok(())
    }
}

impl fmt::Debug for GlobalBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GlobalBuilder")
            .field("name", &self.subjects.name)
            .field("rule", &self.subjects.rule)
            .field("mode", &self.mode)
            .field("policy", &self.policy)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

/// Why a shared limit could not be built. The message names the value and says what to change.
///
/// [`GlobalBuilder::build`] tells one.
///
/// ```
/// use std::time::Duration;
///
/// use tollgate::Quota;
/// use tollgate::distributed::{GlobalLimiter, MemoryBackend, Rule, SharedStore};
///
/// let store = SharedStore::new(MemoryBackend::new());
/// let builder = GlobalLimiter::builder("api", Rule::Gcra(Quota::per_second(1)), &store);
/// let error = builder.budget(Duration::ZERO).build().unwrap_err();
/// assert_eq!(error.to_string(), "budget 0ns is out of range: use 1ms to 60s");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GlobalBuildError {
    /// No store can count by this rule.
    Rule(RuleError),
    /// The rule counts places, not tokens.
    NoRate,
    /// In leased mode: tokens of this rule cannot be taken in advance.
    NotLeasable {
        /// What was given.
        rule: Rule,
    },
    /// `max_keys` is zero or above 2³².
    MaxKeys {
        /// What was given.
        max_keys: usize,
    },
    /// The budget is below 1 ms or above 60 s.
    Budget {
        /// What was given.
        budget: Duration,
    },
}

impl fmt::Display for GlobalBuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GlobalBuildError::Rule(error) => error.fmt(f),
            GlobalBuildError::NoRate => {
                f.write_str("a Concurrency rule is for places, not for tokens: use a GlobalConcurrencyLimit")
            }
            GlobalBuildError::NotLeasable { rule } => {
                write!(f, "{rule:?} cannot be leased: use Gcra or TokenBucket, or Mode::Direct")
            }
            GlobalBuildError::MaxKeys { max_keys } => {
                write!(f, "max_keys {max_keys} is out of range: use 1 to 4294967296")
            }
            GlobalBuildError::Budget { budget } => {
                write!(f, "budget {budget:?} is out of range: use 1ms to 60s")
            }
        }
    }
}

impl std::error::Error for GlobalBuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            GlobalBuildError::Rule(error) => Some(error),
            _ => None,
        }
    }
}
