//! Exact models of every algorithm, written from their documentation, that limiters are compared with.
//!
//! They share no code with the crate: integers have no bounds, waits are found by halving intervals, and nothing is ever
//! forgotten. `tests/` and `fuzz/` both use them.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "in helpers of tests, too, to fail is to panic"
)]
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    missing_docs,
    reason = "shared by several test programs, each of which uses a part"
)]

mod axis;
pub mod pair;
pub mod pairs;
pub mod rules;
pub mod trace;

use std::time::Duration;

use tollgate::{Allowed, Denied, Status};

pub use axis::{Axis, Refusal, big, greatest_value};

/// What a caller is told about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    pub limit: u64,
    pub remaining: u64,
    pub reset_after: Duration,
    /// `None` for a check that was allowed, too.
    pub retry_after: Option<Duration>,
    /// Zero for all but a check that was allowed.
    pub delay: Duration,
}

pub fn of_check(answer: Result<Allowed, Denied>) -> Result<Figures, Figures> {
    match answer {
        Ok(allowed) => Ok(Figures {
            limit: allowed.limit(),
            remaining: allowed.remaining(),
            reset_after: allowed.reset_after(),
            retry_after: None,
            delay: allowed.delay(),
        }),
        Err(denied) => {
            assert!(!denied.at_capacity(), "models have room for every key");
            Err(Figures {
                limit: denied.limit(),
                remaining: denied.remaining(),
                reset_after: denied.reset_after(),
                retry_after: denied.retry_after(),
                delay: Duration::ZERO,
            })
        }
    }
}

pub fn of_status(status: Status) -> Figures {
    Figures {
        limit: status.limit(),
        remaining: status.remaining(),
        reset_after: status.reset_after(),
        retry_after: status.retry_after(),
        delay: Duration::ZERO,
    }
}
