//! [`RuleError`]: why no store can count by a rule.

use std::fmt;
use std::time::Duration;

use super::lease::LeaseSettings;
use super::rule::Rule;
use crate::quota::Quota;

/// A rule that no store can count by. The message names the value and says what to change.
///
/// [`GlobalBuilder::build`](super::GlobalBuilder::build) tells one; for an example of its errors see [`GlobalBuildError`](super::GlobalBuildError).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuleError {
    /// The limit, burst or number of places is too large.
    Limit {
        /// What was given.
        limit: u64,
        /// The largest that fits.
        max: u64,
    },
    /// The window or hold is zero, too long, or not a whole number of microseconds.
    Time {
        /// `window` or `hold`.
        field: &'static str,
        /// What was given.
        time: Duration,
    },
    /// An empty key would take too long to be full again.
    Refill {
        /// What was given.
        quota: Quota,
    },
    /// The life of a lease is too short, too long, or not a whole number of microseconds.
    Life {
        /// What was given.
        life: Duration,
    },
    /// A [`Rule::Gcra`] would be more than 1 % slower than its quota.
    Interval {
        /// What was given.
        quota: Quota,
    },
    /// A [`Rule::TokenBucket`]'s burst cannot be counted in parts as small as its rate needs.
    Scale {
        /// What was given.
        quota: Quota,
    },
    /// A [`Rule::SlidingWindow`]'s limit cannot be weighed over so long a window.
    Weight {
        /// What was given.
        limit: u64,
        /// What was given.
        window: Duration,
    },
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = Rule::LONGEST.as_secs() / 86_400;
        match self {
            RuleError::Limit { limit, max } => {
                write!(f, "limit {limit} is too large for a shared store: at most {max} fits; lower it")
            }
            RuleError::Time { field, time } => write!(
                f,
                "{field} {time:?} is out of range for a shared store: use whole microseconds, from 1 µs to {longest} days"
            ),
            RuleError::Refill { quota } => write!(
                f,
                "quota {quota} takes more than {longest} days to be full again, too long for a shared store: \
                 lower its burst or raise its rate"
            ),
            RuleError::Life { life } => write!(
                f,
                "a lease cannot live for {life:?}: use whole microseconds, from {:?} to {:?}",
                LeaseSettings::SHORTEST_LIFE,
                LeaseSettings::LONGEST_LIFE
            ),
            RuleError::Interval { quota } => write!(
                f,
                "quota {quota} is too fast for GCRA in a shared store, which would be more than 1 % slower: use a token \
                 bucket, which is exact at any rate"
            ),
            RuleError::Scale { quota } => write!(
                f,
                "quota {quota} needs parts of a token too small for a token bucket in a shared store: lower its burst, use \
                 rounder numbers, or use GCRA"
            ),
            RuleError::Weight { limit, window } => write!(
                f,
                "limit {limit} is too large for a sliding window of {window:?} in a shared store: lower it, or use a \
                 window of whole seconds"
            ),
        }
    }
}

impl std::error::Error for RuleError {}
