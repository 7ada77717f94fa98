//! Limits that many nodes share, over a store in memory that fails as it is told to, in tokio's paused time.

#![cfg(feature = "distributed")]

mod cancelled;
mod concurrency;
mod limiter;
mod outage;
mod setting;
mod store;
