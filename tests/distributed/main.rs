//! Limits that many nodes share, over a store in memory that fails as it is told to, in tokio's paused time.

#![cfg(feature = "distributed")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in helpers of tests, too, to fail is to panic"
)]

mod cancelled;
mod concurrency;
mod leased;
mod leases;
mod limiter;
mod outage;
mod regressions;
mod setting;
mod simulation;
mod store;
