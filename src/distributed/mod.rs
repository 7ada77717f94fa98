//! Limits that many nodes share: one count in one store, asked by all of them.

mod backend;
mod breaker;
mod concurrency;
mod decision;
mod deny_cache;
mod failure;
mod fallback;
mod fault;
mod key_hash;
mod lease;
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
pub use lease::{LeaseGrant, LeaseReport, LeaseRequest, LeaseReturn, LeaseSettings};
#[cfg(any(feature = "policy", feature = "tower"))]
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
