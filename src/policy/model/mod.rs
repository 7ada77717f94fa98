//! What a policy is: plain data, the same in a file, in code, and in a service's answers.

mod budget;
mod conditions;
mod cost;
mod limit;
mod percent;
mod policies;
mod policy;
mod scope;
mod state;
mod timestamp;

pub use budget::Budget;
pub use conditions::{Conditions, Pattern};
pub use cost::{AttributeCost, CostRule};
pub use limit::{AlgorithmName, Amount, Limit};
pub use percent::Percent;
pub use policies::{Policies, Tier};
pub use policy::{BackendMode, Missing, OnFailure, Override, Policy};
pub use scope::Scope;
pub use state::{State, TransitionError};
pub use timestamp::Timestamp;
