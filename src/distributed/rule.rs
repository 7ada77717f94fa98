//! [`Rule`]: by what rule a shared limit counts.

use std::time::Duration;

use super::parameters::Parameters;
use super::rule_error::RuleError;
use crate::quota::Quota;

/// By what rule a shared limit counts.
///
/// The store computes in whole microseconds (or finer) of its own clock, with integers below 2⁵³, so the ranges are
/// narrower than in memory: see [`validate`](Rule::validate).
///
/// What was spent before is known under the rule's kind and window, so the count goes on when a limit is changed. (The window
/// of a [`TokenBucket`](Rule::TokenBucket) is the scale of its count, which may change with its rate.)
///
/// # Debt
///
/// A [`Charge`](super::Operation::Charge) may leave a key in debt, but by no more than its limit: what is beyond that is
/// forgiven. In a window a debt ends with it.
///
/// # When the store's clock steps back
///
/// Time stands still for what was counted, but never for long: no key is emptier than a whole debt, no window begins more
/// than a window ahead, no entry of a log is more than a window ahead. What is, is corrected when it is next
/// looked at for spending, even if that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// One token after the other, up to a burst; the smallest state. The interval between two tokens is rounded up to a
    /// 16th of a microsecond, so the rate is never above the quota and below it by at most 1/(16 · interval in µs):
    /// 62 ppm at 1 000 a second, 0.6 % at 100 000. A quota that it would miss by more than 1 % is refused.
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
    /// So many in the current window and the share of the previous one that still counts, aligned to Unix time. Exact if
    /// the previous window was even; at worst just under twice the limit fits into a time as long as a window.
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
    /// So many at once. A place whose holder does not renew it in time is free again. It is
    /// [acquired](super::Operation::Acquire) and released, not checked.
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

    /// The longest window, hold or full refill: 400 days, so that all of a year fits and GCRA's ticks stay below 2⁵³ until the
    /// year 2040.
    pub const LONGEST: Duration = Duration::from_secs(400 * 86_400);

    /// Whether a store goes on with what was spent by the other rule: whether it knows both under the same kind and window.
    #[cfg(feature = "policy")]
    pub(crate) fn goes_on_from(&self, other: &Rule) -> bool {
        match (Parameters::of(self), Parameters::of(other)) {
            (Ok(this), Ok(other)) => this.scale() == other.scale(),
            _ => false,
        }
    }

    /// Whether a store can count by it: whether all of its numbers stay below 2⁵³.
    ///
    /// | number | at most |
    /// |---|---|
    /// | a limit, a burst, places | [`MOST_TOKENS`](Rule::MOST_TOKENS); of a log [`LARGEST_LOG`](Rule::LARGEST_LOG) |
    /// | a window, a hold, a full refill | [`LONGEST`](Rule::LONGEST); windows and holds are whole microseconds |
    /// | a token bucket's burst in the parts of a token that come back one by one | 2⁵² |
    /// | a sliding window's limit × its window in µs, ms or s | 2⁵⁰ |
    ///
    /// # Errors
    ///
    /// [`RuleError`] names what is out of range.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tollgate::distributed::Rule;
    ///
    /// let window = Duration::from_secs(60);
    /// assert!(Rule::SlidingLog { limit: 100, window }.validate().is_ok());
    /// let error = Rule::SlidingLog { limit: 1_000_000, window }.validate().unwrap_err();
    /// assert_eq!(error.to_string(), "limit 1000000 is too large for a shared store: at most 10000 fits; lower it");
    /// ```
    pub fn validate(&self) -> Result<(), RuleError> {
        Parameters::of(self).map(drop)
    }
}
