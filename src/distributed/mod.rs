//! Limits that many nodes share: one count in one store, asked by all of them.

mod backend;
mod lease;
mod memory;
mod operation;
mod reply;
mod rule;
mod subject;

pub use backend::{Applied, Backend, BackendError, BackendErrorKind, BoxFuture};
pub use lease::{LeaseAsk, LeaseGrant, LeaseReport, LeaseRequest, LeaseReturn};
pub use operation::{Hello, Operation, PlaceRequest, Spending};
pub use reply::{Reply, Standing};
pub use rule::{Rule, RuleError};
pub use subject::Subject;
