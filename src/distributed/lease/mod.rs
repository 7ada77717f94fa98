//! Leases: tokens taken in advance, so that most checks need no store.

mod request;
mod settings;

pub use request::{LeaseGrant, LeaseReport, LeaseRequest, LeaseReturn};
pub use settings::LeaseSettings;
