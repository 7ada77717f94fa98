//! Limits that many nodes share: one count in one store, asked by all of them (feature `distributed`).
//!
//! A [`Limiter`](crate::Limiter) counts in the memory of one process. Ten nodes behind a load balancer that each admit 100 a second admit 1 000. A
//! [`GlobalLimiter`] counts in a store that all nodes ask, so together they admit 100, and decides in bounded time also when that store is slow or away.
//!
//! ```
//! use std::time::Duration;
//! use tollgate::Quota;
//! use tollgate::distributed::{FailurePolicy, GlobalLimiter, MemoryBackend, Rule, SharedStore};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! // One store for the process. In production its backend is `tollgate::redis::RedisBackend` (feature `redis`).
//! let store = SharedStore::new(MemoryBackend::new());
//!
//! let limiter = GlobalLimiter::builder("api", Rule::Gcra(Quota::per_second(100).burst(200)), &store)
//!     .on_failure(FailurePolicy::Local)
//!     .expected_nodes(4)
//!     .budget(Duration::from_millis(25))
//!     .build()?;
//!
//! let decision = limiter.check("user:42").await;
//! if decision.is_allowed() {
//!     println!("go on, {} left, says {}", decision.remaining(), decision.source().as_str());
//! } else {
//!     println!("retry in {:?}", decision.retry_after());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where to look
//!
//! | for | see |
//! |---|---|
//! | limiting keys, on all nodes together | [`GlobalLimiter`] |
//! | how many at once, on all nodes together | [`GlobalConcurrencyLimit`] |
//! | several limits as one | [`check_all`] |
//! | by what rule it is counted | [`Rule`] |
//! | what an answer means, and who gave it | [`GlobalDecision`], [`Source`] |
//! | what happens when the store is away | [`FailurePolicy`] |
//! | batches, breaker, bulkhead; one for all limits of a process | [`SharedStore`], [`StoreStats`] |
//! | a store of your own | [`Backend`]; in memory [`MemoryBackend`] |
//! | a store that fails as it is told to, for tests | [`FaultBackend`] |
//! | figures for dashboards | `MetricsObserver::watch_store` and `watch_global` (feature `metrics`) |
//!
//! # Who decides
//!
//! | | asks the store | [source](Source) |
//! |---|---|---|
//! | the cost is above the limit, or the store refused it and its wait is not over | no | `DenyCache` |
//! | [`Mode::Leased`], and this node holds tokens | no | `Lease` |
//! | otherwise | once, within the budget | `Remote` |
//! | there is no answer in time, or the breaker is open, or too much is under way | no more | `Fallback`, `FailOpen` or `FailClosed` |
//!
//! A check takes at most its [budget](GlobalBuilder::budget), plus the millisecond by which tokio's timers may be late. With the breaker open it takes less than
//! a microsecond. [`check_now`](GlobalLimiter::check_now) never waits: it leaves the store out, and tells it afterwards.
//!
//! # When the store is away
//!
//! With r the rate of a limit and σ this node's share (one of the n nodes that the store last spoke of), in an outage of length T, for each key:
//!
//! | [policy](FailurePolicy) | a node that is cut off admits | all nodes cut off | some nodes cut off, others not |
//! |---|---|---|---|
//! | `Open` | everything | everything | everything on those |
//! | `Closed` | nothing | nothing | nothing on those, the whole limit on the others |
//! | `Local` (default) | at most r·σ·T | at most r·T, within the limit | at most r·Σσ·T more than the limit |
//!
//! A key's share begins empty when the outage does, so an outage of a second grants no burst; it keeps up to σ of the burst.
//! What `Local` admitted is charged to the store when it is back, at most a full bucket of each key, and at most once: what
//! [may have been charged](Applied::Maybe) is not charged again. If the store comes back empty, all keys are full: at most a burst of each more.
//!
//! ```
//! use tollgate::Quota;
//! use tollgate::distributed::{Fault, FaultBackend, GlobalLimiter, MemoryBackend, Rule, SharedStore, Source};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
//! let backend = FaultBackend::new(MemoryBackend::new(), 1);
//! let faults = backend.faults();
//! let store = SharedStore::new(backend);
//! let limiter = GlobalLimiter::builder("api", Rule::Gcra(Quota::per_second(10)), &store)
//!     .expected_nodes(2)
//!     .clock(tollgate::Clock::tokio())
//!     .build()?;
//!
//! faults.always(Some(Fault::Refuse));
//! assert!(!limiter.check("ann").await.is_allowed()); // the outage begins
//! tokio::time::sleep(std::time::Duration::from_secs(1)).await;
//! let decision = limiter.check_n("ann", 5).await; // half of the rate is this node's
//! assert_eq!((decision.is_allowed(), decision.source()), (true, Source::Fallback));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod backend;
mod breaker;
mod concurrency;
mod decision;
mod deny_cache;
mod failure;
mod fallback;
mod fault;
mod key_hash;
pub(crate) mod lease;
mod limiter;
mod memory;
mod operation;
pub(crate) mod parameters;
mod reply;
mod rule;
mod rule_error;
mod store;
mod subject;
pub(crate) mod unfit;

pub use backend::{Applied, Backend, BackendError, BackendErrorKind, BoxFuture};
pub use breaker::BreakerState;
pub use concurrency::{GlobalConcurrencyBuilder, GlobalConcurrencyLimit, GlobalPermit};
pub use decision::{GlobalDecision, Source};
pub use failure::FailurePolicy;
pub use fault::{Fault, FaultBackend, Faults};
pub use lease::{LeaseAsk, LeaseGrant, LeaseReport, LeaseRequest, LeaseReturn, LeaseSettings};
#[cfg(feature = "policy")]
pub(crate) use limiter::Correction;
pub use limiter::{
    CheckedAll, GlobalBuildError, GlobalBuilder, GlobalLimiter, GlobalStats, Mode, On, check_all,
    check_all_now,
};
pub use memory::MemoryBackend;
pub use operation::{Hello, Operation, PlaceRequest, Spending};
pub use reply::{Reply, Standing};
pub use rule::Rule;
pub use rule_error::RuleError;
pub use store::{DomainStats, SharedStore, StoreStats};
pub use subject::Subject;

/// What limiters are made of, without clocks and tasks: for the simulation, not a part of the API.
#[doc(hidden)]
pub mod machinery {
    pub use super::breaker::{Breaker, Outcome};
    pub use super::deny_cache::DenyCache;
    pub use super::key_hash::{KeyHash, KeyHasher};
    pub use super::lease::{
        LeaseAnswer, LeasePlan, LeaseQuestion, LeaseTable, LeaseTerms, NodeLease, Spend, Unspent,
    };
    pub use super::memory::LeaseState;
}
