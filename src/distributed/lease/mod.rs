//! Leases: tokens taken in advance, so that most checks need no store.

mod demand;
mod node;
mod request;
mod settings;
mod table;
mod terms;
#[cfg(all(test, not(tollgate_loom)))]
mod tests;

pub use node::{Spend, Unspent};
pub use request::{LeaseAsk, LeaseGrant, LeaseReport, LeaseRequest, LeaseReturn};
pub use settings::{LeasePlan, LeaseSettings};
pub use table::LeaseTable;
pub(crate) use terms::WHOLE_DEMAND;
pub use terms::{LeaseAnswer, LeaseQuestion, LeaseTerms};
