//! Policies: what they decide, and what becomes of it when they change.
#![cfg(feature = "policy")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "in helpers of tests, too, to fail is to panic")]

mod backends;
mod backends_changed;
mod backends_model;
mod decisions;
mod envoy;
mod files;
mod golden;
mod lookups;
#[path = "../model/mod.rs"]
mod model;
mod model_set;
mod queries;
mod reloads_observed;
#[cfg(feature = "serde")]
mod restarts;
mod schema;
mod traps;
mod versions;
mod watching;
