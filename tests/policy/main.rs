//! Policies: what they decide, and what becomes of it when they change.
#![cfg(feature = "policy")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "in helpers of tests, too, to fail is to panic")]

mod decisions;
mod lookups;
#[path = "../model/mod.rs"]
mod model;
mod model_set;
mod reloads_observed;
mod reviewed;
mod versions;
mod watching;
