//! Limits that many nodes share: one count in one store, asked by all of them.

mod backend;
mod breaker;
mod decision;
mod deny_cache;
mod failure;
mod fallback;
mod key_hash;
mod lease;
mod limiter;
mod operation;
mod reply;
mod rule;
mod store;
mod subject;

pub use backend::{Applied, Backend, BackendError, BackendErrorKind, BoxFuture};
pub use breaker::BreakerState;
pub use decision::{GlobalDecision, Source};
pub use failure::FailurePolicy;
pub use lease::{LeaseGrant, LeaseReport, LeaseRequest, LeaseReturn};
pub use limiter::{
    CheckedAll, GlobalBuildError, GlobalBuilder, GlobalLimiter, GlobalStats, Mode, On, check_all,
};
pub use operation::{Hello, Operation, PlaceRequest, Spending};
pub use reply::{Reply, Standing};
pub use rule::{Rule, RuleError};
pub use store::{DomainStats, SharedStore, StoreStats};
pub use subject::Subject;
