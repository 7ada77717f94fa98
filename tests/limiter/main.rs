//! What a limiter promises, under any algorithm: what it admits, what it tells, what it remembers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in helpers of tests, too, to fail is to panic"
)]

mod at_capacity;
mod check_all_ends;
mod every_caller;
mod every_type;
mod extremes;
mod flood;
mod keys;
mod laws;
#[path = "../model/mod.rs"]
mod model;
mod quota;
mod scenarios;
mod settling;
mod strategies;
mod threads;
mod together;
mod traces;
mod traps;
#[cfg(feature = "tokio")]
mod waiting;
mod window;
mod window_edges;
mod window_threads;
mod worst_cases;
