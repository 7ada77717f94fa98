//! Leases: tokens taken in advance, so that most checks need no store.

mod request;

pub use request::{LeaseGrant, LeaseReport, LeaseRequest, LeaseReturn};
