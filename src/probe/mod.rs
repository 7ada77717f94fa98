//! `tollgate probe`: drives a running service, and tells how fast it answers and whether what it admits fits the limit.
//!
//! `plan` is what is asked for, `client` asks it in one of three protocols, `load` does so on many connections at once, `account` is what
//! each key was told, and `report` what came of it all.

mod account;
mod client;
mod health;
mod keys;
mod load;
mod plan;
mod progress;
mod report;

pub use health::is_ready;
pub use load::run;
pub use plan::{Keys, Plan, PlanError, Target, Until};
pub use progress::Progress;
pub use report::{Fit, Latency, Report};
