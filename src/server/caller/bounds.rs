//! [`Bounds`]: how far callers may go.

use std::time::Duration;

use super::{CallerError, CallerLimit};
use crate::policy::AlgorithmName;
use crate::quota::Quota;

/// The largest limit of a log, which remembers each request: 16 bytes each are 160 MB, if a thousand limits are as large as that.
const LARGEST_LOG: u64 = 10_000;

/// How far callers may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Tokens a second.
    pub(crate) max_rate: u64,
    /// A window, and the time in which a burst comes back: for so long a key may need its memory.
    pub(crate) max_window: Duration,
    /// Tokens at once: a burst, or a window's limit.
    pub(crate) max_burst: u64,
    /// Keys that are remembered: so many of `gcra` and `token_bucket`, and so many of all others together.
    pub(crate) max_keys: usize,
    /// Different limits at a time, but those of `gcra` and `token_bucket` in memory, of which there may be any number.
    pub(crate) max_limits: usize,
    /// Bytes of a key.
    pub(crate) longest_key: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            // More than a node decides in a second.
            max_rate: 100_000_000,
            // Envoy's longest unit is a year.
            max_window: Duration::from_secs(366 * 86_400),
            // Ten seconds at that rate.
            max_burst: 1_000_000_000,
            // As of a limiter: at most 43 MB.
            max_keys: 1_000_000,
            // A limit without keys takes some 14 KiB.
            max_limits: 1_000,
            // Longer than what proxies let pass as a header line's value by default (4 to 8 KiB) no identifier is.
            longest_key: 4_096,
        }
    }
}

impl Bounds {
    /// Whether a key and a limit are within these bounds.
    #[inline]
    pub(super) fn check(&self, key: &[u8], limit: CallerLimit) -> Result<(), CallerError> {
        self.check_key(key)?;
        self.check_limit(limit)
    }

    #[inline]
    pub(super) fn check_key(&self, key: &[u8]) -> Result<(), CallerError> {
        if key.len() <= self.longest_key { Ok(()) } else { Err(self.long_key(key)) }
    }

    #[cold]
    fn long_key(&self, key: &[u8]) -> CallerError {
        let (length, most) = (key.len(), self.longest_key);
        CallerError::field(
            "key",
            format!("it has {length} bytes, and {most} is the most: send a digest of it"),
        )
    }

    #[inline]
    pub(super) fn check_limit(&self, limit: CallerLimit) -> Result<(), CallerError> {
        let CallerLimit { algorithm, quota } = limit;
        let wide = |number: u64| u128::from(number);
        // Products, because divisions of so wide numbers would take longer than all else.
        let fits = wide(quota.count()) * 1_000_000_000 <= wide(self.max_rate) * wide(quota.period_nanos())
            && Bounds::at_once(limit) <= self.max_at_once(algorithm)
            && if algorithm.has_burst() {
                // Whatever its period: that of 16.66666667 a second is three years.
                self.comes_back_in_time(quota)
            } else {
                quota.period() <= self.max_window
            };
        if fits { Ok(()) } else { Err(self.beyond(limit)) }
    }

    /// Whether a burst comes back within the longest window.
    fn comes_back_in_time(&self, quota: Quota) -> bool {
        let takes = u128::from(quota.capacity()) * u128::from(quota.period_nanos());
        takes <= self.max_window.as_nanos().saturating_mul(u128::from(quota.count()))
    }

    #[inline]
    fn max_at_once(&self, algorithm: AlgorithmName) -> u64 {
        if algorithm == AlgorithmName::SlidingLog { LARGEST_LOG.min(self.max_burst) } else { self.max_burst }
    }

    fn at_once(limit: CallerLimit) -> u64 {
        if limit.algorithm.has_burst() { limit.quota.capacity() } else { limit.quota.count() }
    }

    #[cold]
    fn beyond(&self, limit: CallerLimit) -> CallerError {
        let quota = limit.quota;
        // A burst may come back in time whatever the period, as of 16.66666667 a second, which is so many in three years.
        if quota.period() > self.max_window
            && !(limit.algorithm.has_burst() && self.comes_back_in_time(quota))
        {
            let (window, most) = (quota.period(), self.max_window);
            return CallerError::field("window", format!("{window:?} is longer than the longest, {most:?}"));
        }
        let at_once = Bounds::at_once(limit);
        let field = if limit.algorithm.has_burst() { "burst" } else { "limit" };
        if at_once > self.max_burst {
            let most = self.max_burst;
            return CallerError::field(field, format!("{at_once} at once is more than the most, {most}"));
        }
        let most = self.max_at_once(limit.algorithm);
        if at_once > most {
            let message =
                format!("{at_once} are more than a log remembers, which is {most}: use sliding_window");
            return CallerError::field(field, message);
        }
        if limit.algorithm.has_burst() && !self.comes_back_in_time(quota) {
            let (back, most) = (quota.refill_time().unwrap_or(Duration::MAX), self.max_window);
            let message = format!("{at_once} take {back:?} to come back, and {most:?} is the longest");
            return CallerError::field(field, message);
        }
        let most = self.max_rate;
        CallerError::field("rate", format!("{quota} is faster than the fastest, {most}/s"))
    }
}
