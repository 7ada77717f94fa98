//! [`BuildError`]: why a limiter could not be built, or its limit not be changed.

use std::fmt;
use std::time::Duration;

use crate::quota::QuotaError;
#[cfg(feature = "serde")]
use crate::snapshot_error::SnapshotError;

/// The most keys that a limiter can be built for: 172 GiB of memory; the tables that lead to the pages would not stay
/// small for more.
pub(crate) const MOST_KEYS: u64 = 1 << 32;

/// Why a limiter could not be built, or its limit not be changed. The message names the value and says what to change.
///
/// ```
/// use std::time::Duration;
/// use tollgate::{BuildError, Limiter, SlidingWindow};
///
/// let error = Limiter::with(SlidingWindow::new(20_000, Duration::from_secs(1))).unwrap_err();
/// assert_eq!(error, BuildError::LimitTooLarge { limit: 20_000, max: 16_383 });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// `max_keys` is zero or above 2³².
    MaxKeys {
        /// What was given.
        max_keys: usize,
    },
    /// The limit cannot be counted by this algorithm.
    LimitTooLarge {
        /// What was given.
        limit: u64,
        /// The largest limit that fits.
        max: u64,
    },
    /// The window is zero or longer than 100 years.
    Window {
        /// What was given.
        window: Duration,
    },
    /// The refill of a [`TokenBucket`](crate::TokenBucket) is no quota.
    Quota(QuotaError),
    /// An algorithm of your own cannot start.
    Algorithm {
        /// Why, and what to change.
        reason: String,
    },
    /// The limiter cannot go on from the snapshot it was given.
    #[cfg(feature = "serde")]
    Snapshot(SnapshotError),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::MaxKeys { max_keys } => {
                write!(f, "max_keys {max_keys} is out of range: use 1 to {MOST_KEYS}")
            }
            BuildError::LimitTooLarge { limit, max } => write!(
                f,
                "limit {limit} is too large: at most {max} fits; lower it, or make room: with a longer window, with more max_times of a SlidingLog, or with Gcra, which holds more"
            ),
            BuildError::Window { window } => {
                write!(f, "window {window:?} is out of range: use 1 ns to 100 years (of 365.25 days)")
            }
            BuildError::Quota(error) => write!(f, "the refill is not possible: {error}"),
            BuildError::Algorithm { reason } => f.write_str(reason),
            #[cfg(feature = "serde")]
            BuildError::Snapshot(error) => write!(f, "the snapshot cannot be restored: {error}"),
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BuildError::Quota(error) => Some(error),
            #[cfg(feature = "serde")]
            BuildError::Snapshot(error) => Some(error),
            _ => None,
        }
    }
}
