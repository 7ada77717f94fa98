//! [`SlidingLog`]: every admission with its time, so that no window of the given length ever exceeds the limit.

use std::time::Duration;

use super::live_limit::LiveLimit;
use super::log::Log;
use super::token_clock::MAX_VALUE;
use crate::build_error::BuildError;
use crate::decision::{Figures, interval};
use crate::quota::MAX_PERIOD_NANOS;

/// The sliding window log: exactly `limit` in any window, wherever it begins.
///
/// Each key has a list of what it was admitted and when; what is as old as the window no longer counts. It is the only algorithm
/// here whose limit holds for *every* window, and the only one that pays for it in memory: 16 bytes for each time at which a key was
/// admitted something, until that is out of the window. For limits that are strict and small: 5 logins in 15 minutes, 100 calls a
/// day.
///
/// **State**: a list per key of times and tokens, behind the lock of one of up to 64 shards. Admitted iff the tokens spent in
/// `(now - window, now]` and the cost are at most the limit. A caller who took its time before another one of its shard is decided at
/// that one's.
///
/// **Worst case** in any half-open window of length W as long as a window: exactly `limit`. In general `limit × ⌈W / window⌉`.
/// (A [picture](crate::docs::algorithms#slidinglog) of it.)
///
/// **Cost**: O(log n) for n times in the list, under a lock that is shared with some of the other keys; a list is copied when it
/// grows to twice its size, and a shard's table of keys when that has grown.
///
/// **Memory**: at most 200 bytes for each of [`max_keys`](crate::Builder::max_keys), 16 for each of
/// [`max_times`](SlidingLog::max_times), and 64 KiB. Where no key has room, [`AtCapacity`](crate::AtCapacity) decides about a new one; a known key
/// for which there is no room for another time counts its newest admission as made now, which is never too much.
///
/// ```
/// use std::time::Duration;
/// use tollgate::{Clock, Limiter, SlidingLog};
///
/// let (clock, hand) = Clock::manual();
/// let log = SlidingLog::new(2, Duration::from_secs(60));
/// let limiter = Limiter::builder(log).clock(clock).build()?;
/// assert!(limiter.check("login:alice").is_ok());
/// hand.advance(Duration::from_secs(50));
/// assert!(limiter.check("login:alice").is_ok());
/// let denied = limiter.check("login:alice").unwrap_err();
/// assert_eq!(denied.retry_after(), Some(Duration::from_secs(10))); // when the first is a minute old
/// # Ok::<(), tollgate::BuildError>(())
/// ```
#[derive(Debug)]
pub struct SlidingLog {
    limit: LiveLimit,
    window: Duration,
    window_nanos: u64,
    max_times: usize,
    shards: usize,
    /// By so much the times in the lists are later than the clock's. Not 0 where they must reach back to before its
    /// zero.
    later: u64,
}

/// Eight for each of the default's million keys: 128 MB.
const DEFAULT_MAX_TIMES: usize = 8_000_000;

impl SlidingLog {
    /// At most `limit` in any `window`, 1 ns to 100 years. A limit of zero admits nothing.
    #[must_use]
    pub fn new(limit: u64, window: Duration) -> SlidingLog {
        let window_nanos = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX);
        SlidingLog {
            limit: LiveLimit::new(limit),
            window,
            window_nanos,
            max_times: DEFAULT_MAX_TIMES,
            shards: 1,
            later: 0,
        }
    }

    /// For how many times there is memory for all keys together, 16 bytes each; default 8 000 000. A key that is
    /// [charged](crate::Limiter::charge) into debt takes a time for each charge, like any other.
    ///
    /// A key must be able to hold its limit, so no limit can be larger than this (nor than 2⁶⁰ − 1). They are divided among up to 64
    /// shards, as many as leave each one four times the limit at build; a later [`set_limit`](crate::Limiter::set_limit) must fit into one.
    #[must_use]
    pub fn max_times(mut self, max_times: usize) -> SlidingLog {
        self.max_times = max_times;
        self
    }

    /// The limit in force.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit.get()
    }

    /// The length of a window.
    #[must_use]
    pub fn window(&self) -> Duration {
        self.window
    }

    pub(crate) fn set_limit(&self, limit: u64) -> Result<(), BuildError> {
        self.limit.set(limit, self.most())
    }

    /// The largest limit: a key must be able to hold it one by one, and a list to count it.
    fn most(&self) -> u64 {
        MAX_VALUE.min((self.max_times / self.shards) as u64)
    }

    /// Told once, when a limiter is built for so many keys.
    pub(crate) fn begin(&mut self, max_keys: usize) -> Result<(), BuildError> {
        if self.window_nanos == 0 || self.window_nanos > MAX_PERIOD_NANOS {
            return Err(BuildError::Window { window: self.window });
        }
        self.shards = self.shards_for(max_keys);
        self.limit.check(self.most())
    }

    /// `begin`, for lists that reach back by up to a window.
    #[cfg(feature = "serde")]
    pub(crate) fn resume(&mut self, max_keys: usize) -> Result<(), BuildError> {
        self.later = self.window_nanos;
        self.begin(max_keys)
    }

    /// How many shards are worth their while: a power of two.
    fn shards_for(&self, max_keys: usize) -> usize {
        /// So many locks are seldom met by two threads at once, on any machine.
        const MOST: usize = 64;
        /// With so many keys a shard, chance makes none of them a fifth fuller than the others.
        const LEAST_KEYS: usize = 1_024;
        /// A key that spends its whole limit one by one leaves room for others.
        const LEAST_LIMITS: u64 = 4;
        let limits = usize::try_from(self.limit().saturating_mul(LEAST_LIMITS)).unwrap_or(usize::MAX);
        let most = (self.max_times / limits.max(1)).min(max_keys / LEAST_KEYS).clamp(1, MOST);
        1 << most.ilog2()
    }

    /// Into how many parts keys and times are divided.
    pub(crate) fn shards(&self) -> usize {
        self.shards
    }

    /// Times of all keys together.
    pub(crate) fn most_times(&self) -> usize {
        self.max_times
    }

    pub(crate) fn window_nanos(&self) -> u64 {
        self.window_nanos
    }

    /// A list's time when it is `now` on the clock.
    pub(crate) fn time(&self, now: u64) -> u64 {
        now.saturating_add(self.later)
    }

    /// When, on the clock, what was added at a list's `time` does not count any more.
    pub(crate) fn passes_at(&self, time: u64) -> Option<u64> {
        time.checked_add(self.window_nanos)?.checked_sub(self.later)
    }

    /// Whether `cost` fits beside what counts.
    pub(crate) fn fits(log: &Log, limit: u64, cost: u64) -> bool {
        log.tokens().checked_add(cost).is_some_and(|tokens| tokens <= limit)
    }

    /// What a caller is told about a key that asks for `cost`.
    pub(crate) fn figures(&self, log: &Log, limit: u64, cost: u64) -> Figures {
        let reset_at = log.newest().map_or(Some(0), |newest| self.passes_at(newest));
        let remaining = limit.saturating_sub(log.tokens());
        let interval = interval(self.window_nanos, limit, cost);
        Figures::new(limit, remaining, reset_at, self.fits_at(log, limit, cost)).with_interval(interval)
    }

    /// When `cost` fits beside what still counts then: 0 when it does now, `None` when it never will.
    fn fits_at(&self, log: &Log, limit: u64, cost: u64) -> Option<u64> {
        let beside = limit.checked_sub(cost)?;
        if SlidingLog::fits(log, limit, cost) {
            return Some(0);
        }
        // Not more than there are, since the cost alone fits.
        self.passes_at(log.time_of(log.tokens() - beside)?)
    }

    /// The next free slot for `cost`, not before any that was taken: 0 is at once.
    pub(crate) fn slot_at(&self, log: &Log, limit: u64, cost: u64) -> Option<u64> {
        let time = self.fits_at(log, limit, cost)?;
        let newest = log.newest().unwrap_or(0).saturating_sub(self.later);
        Some(if time == 0 { 0 } else { time.max(newest) })
    }
}

#[cfg(feature = "policy")]
impl super::Succeed for SlidingLog {
    fn succeed(
        &self,
        quota: crate::Quota,
        now: impl FnOnce() -> u64,
    ) -> Result<(SlidingLog, u64), BuildError> {
        let limit = LiveLimit::new(quota.count());
        limit.check(self.most())?;
        Ok((SlidingLog { limit, ..*self }, now()))
    }
}
