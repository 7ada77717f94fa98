//! [`GlobalLimiter`]: a limit that many nodes share.

mod all;
mod all_now;
mod builder;
mod check;
#[cfg(any(feature = "policy", feature = "tower"))]
mod correct;
mod debts;
mod failing;
mod group;
mod leases;
#[cfg(feature = "policy")]
mod look;
mod report;
mod stats;
mod subjects;

pub use all::{CheckedAll, On, check_all};
pub use all_now::check_all_now;
pub use builder::{GlobalBuildError, GlobalBuilder, Mode};
#[cfg(any(feature = "policy", feature = "tower"))]
pub(crate) use correct::Correction;
pub use stats::GlobalStats;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::backend::{Applied, BackendError, BackendErrorKind};
use super::decision::GlobalDecision;
use super::deny_cache::DenyCache;
use super::failure::FailurePolicy;
use super::key_hash::{KeyHash, KeyHasher};
use super::operation::{Operation, Spending};
use super::reply::{Reply, Standing};
use super::rule::Rule;
use super::store::SharedStore;
use crate::clock::Clock;
use crate::observe::Observer;
use debts::Debts;
use failing::Failing;
use leases::Owner;
pub(super) use stats::Counters;
pub(super) use subjects::Subjects;

/// A limit that many nodes share: one count in one [store](SharedStore), asked by all of them.
///
/// Keys are bytes, passed by reference: `"user:42"`, `&[u8]`, `&String`. Limits of the same name, rule and key are the same
/// count, on whatever node.
///
/// Clones are the same limiter: its deny cache, its share and its figures.
///
/// ```
/// use tollgate::Quota;
/// use tollgate::distributed::{GlobalLimiter, MemoryBackend, Rule, SharedStore};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let store = SharedStore::new(MemoryBackend::new());
/// let limiter = GlobalLimiter::builder("api", Rule::Gcra(Quota::per_minute(2)), &store).build()?;
/// assert!(limiter.check("user:42").await.is_allowed());
/// assert!(limiter.check("user:42").await.is_allowed());
/// let refused = limiter.check("user:42").await;
/// assert!(!refused.is_allowed());
/// println!("retry in {:?}", refused.retry_after());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct GlobalLimiter {
    inner: Arc<Inner>,
}

struct Inner {
    subjects: Subjects,
    store: SharedStore,
    budget: Duration,
    clock: Clock,
    hasher: KeyHasher,
    denied: DenyCache,
    /// There in leased mode.
    leases: Option<Owner>,
    failing: Failing,
    debts: Debts,
    counters: Counters,
    observer: Option<Arc<dyn Observer>>,
}

/// A question to a limit.
#[derive(Clone, Copy, Debug)]
struct Question<'a> {
    key: &'a [u8],
    hash: KeyHash,
    cost: u64,
    /// When it was asked, on the limiter's clock: no later than anything is sent.
    asked: u64,
}

impl GlobalLimiter {
    /// Builds a limit of this name, the same on all nodes, by this rule, in this store.
    pub fn builder(name: impl Into<Arc<str>>, rule: Rule, store: &SharedStore) -> GlobalBuilder {
        GlobalBuilder::new(name.into(), rule, store.clone())
    }

    /// Spends one token of `key` if it has one. At most one round trip, within the budget.
    pub async fn check<K: AsRef<[u8]> + ?Sized>(&self, key: &K) -> GlobalDecision {
        self.check_n(key, 1).await
    }

    /// Spends `cost` tokens of `key` at once, or none. At most one round trip, within the budget.
    ///
    /// It always decides: if the store cannot be asked, by the limit's [failure policy](FailurePolicy). A cost above the limit is refused for
    /// ever, without asking.
    ///
    /// **Cancel safety**: a future that is dropped before its question was sent has spent nothing; later, what it spent is given back when the
    /// answer comes.
    pub async fn check_n<K: AsRef<[u8]> + ?Sized>(&self, key: &K, cost: u64) -> GlobalDecision {
        let question = self.inner.question(key.as_ref(), cost);
        let decision = self.inner.decide(&question).await;
        self.inner.counters.count(&decision);
        decision
    }

    /// Decides at once, by what this node knows; it never waits, and needs no runtime.
    ///
    /// What this node has leased is spent, and what the store has refused is refused. Otherwise the [failure policy](FailurePolicy) decides, as if the store were away; what is admitted so
    /// is charged to the store in the background, and a key that is over its limit is known to be from the answer on. Under `Local` this node
    /// then admits at most its share of the limit; under `Open` all nodes together admit too much by what they are asked for in a round trip.
    ///
    /// (Charged it can be only once the store was used in a tokio runtime, or from within one.)
    pub fn check_now<K: AsRef<[u8]> + ?Sized>(&self, key: &K, cost: u64) -> GlobalDecision {
        let question = self.inner.question(key.as_ref(), cost);
        let decision = self.inner.decide_now(&question);
        self.inner.counters.count(&decision);
        decision
    }

    /// Where `key` stands in the store, for one token. Spends nothing. One round trip, within the budget.
    ///
    /// In [leased mode](Mode::Leased) with what this node holds, and without what others do.
    ///
    /// # Errors
    ///
    /// [`BackendError`] when the store cannot be asked.
    pub async fn peek<K: AsRef<[u8]> + ?Sized>(&self, key: &K) -> Result<Standing, BackendError> {
        let operation = Operation::Peek(self.inner.subjects.of(key.as_ref()));
        match self.inner.store.ask(operation, self.inner.deadline()).await? {
            Reply::Standing(standing) => Ok(self.inner.with_held(key.as_ref(), standing)),
            _ => Err(unfit_reply()),
        }
    }

    /// Gives back `tokens` of `key`, never above full. One round trip, within the budget.
    ///
    /// # Errors
    ///
    /// [`BackendError`] when the store cannot be asked. If it [may have been applied](BackendError::applied), a second call would give
    /// back twice.
    pub async fn refund<K: AsRef<[u8]> + ?Sized>(&self, key: &K, tokens: u64) -> Result<(), BackendError> {
        let subject = self.inner.subjects.of(key.as_ref());
        self.inner.change(key.as_ref(), Operation::Refund(Spending::new(subject, tokens))).await
    }

    /// Forgets what `key` has spent: it is full again. One round trip, within the budget.
    ///
    /// Other nodes may refuse it for two seconds more, by what the store told them before. In [leased mode](Mode::Leased) what nodes hold
    /// they go on to hold, and what they have spent and not told is counted until their leases are over.
    ///
    /// # Errors
    ///
    /// [`BackendError`] when the store cannot be asked.
    pub async fn reset<K: AsRef<[u8]> + ?Sized>(&self, key: &K) -> Result<(), BackendError> {
        self.inner.change(key.as_ref(), Operation::Reset(self.inner.subjects.of(key.as_ref()))).await
    }

    /// Brings back what this node has leased and not spent, for others to use: for a node that is about to stop. Without it they come back
    /// when the leases are over. It does nothing for a limit that is not [leased](Mode::Leased), and a limiter that is dropped does it by
    /// itself, as long as its runtime is there.
    ///
    /// One round trip for each 64 keys.
    pub async fn release_leases(&self) {
        if let Some(leases) = &self.inner.leases {
            leases.leases().release().await;
        }
    }

    /// This limit on `key`, one of several for [`check_all`].
    pub fn on<'a, K: AsRef<[u8]> + ?Sized>(&'a self, key: &'a K) -> On<'a> {
        On::new(&self.inner, key.as_ref())
    }

    /// The limit's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.subjects.name
    }

    /// By what rule it counts.
    #[must_use]
    pub fn rule(&self) -> Rule {
        self.inner.subjects.rule
    }

    /// The store it is counted in.
    #[must_use]
    pub fn store(&self) -> &SharedStore {
        &self.inner.store
    }

    /// What it decides when the store cannot be asked.
    #[must_use]
    pub fn failure_policy(&self) -> FailurePolicy {
        self.inner.failing.policy()
    }

    /// What it has decided, and who did.
    #[must_use]
    pub fn stats(&self) -> GlobalStats {
        let debts = &self.inner.debts;
        let mut stats = self.inner.counters.stats();
        (stats.owing_keys, stats.forgiven) = (debts.keys(), debts.forgiven());
        if let Some(leases) = &self.inner.leases {
            leases.leases().stats(&mut stats);
        }
        stats
    }
}

impl Inner {
    fn question<'a>(&self, key: &'a [u8], cost: u64) -> Question<'a> {
        Question { key, hash: self.hasher.hash(key), cost, asked: self.clock.nanos() }
    }

    fn deadline(&self) -> Instant {
        (tokio::time::Instant::now() + self.budget).into_std()
    }

    /// With what this node has leased, which it can still spend.
    fn with_held(&self, key: &[u8], standing: Standing) -> Standing {
        let held = self.leases.as_ref().map_or(0, |leases| leases.leases().held(key));
        let remaining = standing.remaining.saturating_add(held);
        let retry_after = if held > 0 { Some(Duration::ZERO) } else { standing.retry_after };
        Standing { remaining, retry_after, ..standing }
    }

    /// Changes a key otherwise than by spending: what was known of it holds no more.
    async fn change(&self, key: &[u8], operation: Operation) -> Result<(), BackendError> {
        let reply = self.store.ask(operation, self.deadline()).await;
        match &self.leases {
            Some(leases) => leases.leases().relieve(key),
            None => self.denied.forget(self.hasher.hash(key)),
        }
        match reply? {
            Reply::Done => Ok(()),
            _ => Err(unfit_reply()),
        }
    }
}

/// Whether one subject was admitted, and where it stands.
pub(super) fn checked(reply: Reply) -> Result<(bool, Standing), BackendError> {
    match reply {
        Reply::Checked { admitted, standings } => Ok((admitted, *standings.first().ok_or_else(unfit_reply)?)),
        _ => Err(unfit_reply()),
    }
}

/// The backend breaks its promise.
fn unfit_reply() -> BackendError {
    let text = "the backend's reply does not fit the operation: see `Operation` for which one does";
    BackendError::new(BackendErrorKind::Protocol, Applied::Maybe, text)
}

impl fmt::Debug for GlobalLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GlobalLimiter")
            .field("name", &self.inner.subjects.name)
            .field("rule", &self.inner.subjects.rule)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
