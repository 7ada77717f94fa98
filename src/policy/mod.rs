//! Policies.

mod model;

pub use model::*;
