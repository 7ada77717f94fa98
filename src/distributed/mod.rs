//! Limits that many nodes share: one count in one store, asked by all of them.

mod backend;
mod lease;
mod memory;
mod operation;
pub(crate) mod parameters;
mod reply;
mod rule;
mod rule_error;
mod subject;
pub(crate) mod unfit;

pub use backend::{Applied, Backend, BackendError, BackendErrorKind, BoxFuture};
pub use lease::{LeaseGrant, LeaseReport, LeaseRequest, LeaseReturn};
pub use memory::MemoryBackend;
pub use operation::{Hello, Operation, PlaceRequest, Spending};
pub use reply::{Reply, Standing};
pub use rule::Rule;
pub use rule_error::RuleError;
pub use subject::Subject;
