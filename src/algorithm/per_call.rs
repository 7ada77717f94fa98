//! [`PerCall`]: the quota comes with the call.

use std::time::Duration;

#[cfg(feature = "serde")]
use super::resume::{Origin, Pause, Resume, Shift, damaged};
use super::token_clock::MAX_VALUE;
use super::{Algorithm, Slot, Start};
use crate::build_error::BuildError;
use crate::decision::Figures;
use crate::quota::Quota;

/// GCRA in which every call brings its own quota: tiers, one customer's exception, limits that callers choose.
///
/// [`check_with`](crate::Limiter::check_with) and its relatives take the quota. The calls without one
/// ([`check`](crate::Limiter::check) and the others) go by the quota of [`otherwise`](PerCall::otherwise), and admit nothing where there
/// is none.
///
/// **State**: one word per key, the time at which it will be full again ("theoretical arrival time"), in nanoseconds. Calls with
/// different quotas on one key see each other's spending as time: what took ten seconds to come back under one quota takes ten
/// seconds under another. Under a quota of zero tokens nothing is admitted, and what is charged takes no time.
///
/// **Worst case** in any half-open window of length W: `capacity + rate × W` as [`Gcra`](crate::Gcra), with each call's quota. Where a
/// token's interval is not a whole number of nanoseconds, W counts as up to `capacity` ns longer, but by less than makes a whole
/// token more; above 10⁹ tokens a second, by up to 1 ns.
/// (A [picture](crate::docs::algorithms#percall) of it.)
///
/// **Cost**: O(1). A division of 64 bits for each call, some more where a token's interval is not whole.
///
/// **Exactness**: a cost is rounded up to whole nanoseconds, so an admission comes at most 1 ns late for each one before it. Where
/// a token's interval is whole, nothing is rounded. Where it is not, n single tokens may fit up to n nanoseconds later than a cost
/// of n, but a burst of them fits at one instant all the same (unless it is larger than an interval has nanoseconds); and a key
/// counts as not quite full for as long after [`remaining`](crate::Status::remaining) says so.
///
/// **Range**: time is counted for 18 years from the build; after that nothing more is admitted once a key's tokens are spent. A burst that
/// takes more than 9 years to come back counts as the largest that does not; where a single token takes longer, nothing is admitted.
///
/// **Source**: ITU-T I.371, virtual scheduling.
///
/// ```
/// use tollgate::{Limiter, PerCall, Quota};
///
/// const FREE: Quota = Quota::per_minute(2);
/// const PAID: Quota = Quota::per_minute(600);
///
/// let limiter = Limiter::with(PerCall::new())?;
/// assert!(limiter.check_with("ann", FREE, 2).is_ok());
/// assert!(limiter.check_with("ann", FREE, 1).is_err());
/// assert!(limiter.check_with("bob", PAID, 100).is_ok());
/// # Ok::<(), tollgate::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PerCall {
    quota: Quota,
    start: u64,
}

/// The longest refill of a burst, 9 years. Capacity and its rounding, each below this, fit above [`END`].
const MAX_CAPACITY_NANOS: u64 = 1 << 58;

/// The last position: a key's word can still hold two [`MAX_CAPACITY_NANOS`], so nothing is free.
const END: u64 = MAX_VALUE - 2 * MAX_CAPACITY_NANOS;

impl PerCall {
    /// Calls that bring no quota admit nothing.
    #[must_use]
    pub fn new() -> PerCall {
        PerCall { quota: Quota::per_second(0), start: 0 }
    }

    /// `new`, and begun.
    #[cfg(feature = "policy")]
    pub(crate) fn beginning(start: Start) -> PerCall {
        PerCall { start: start.now(), ..PerCall::new() }
    }

    /// The quota of calls that bring none.
    #[must_use]
    pub fn otherwise(self, quota: Quota) -> PerCall {
        PerCall { quota, ..self }
    }

    /// The quota of calls that bring none.
    #[must_use]
    pub fn quota(&self) -> Quota {
        self.quota
    }

    /// The most that a key can be ahead, and the tokens that are. Without any, nothing fits.
    #[inline]
    fn capacity(&self) -> Capacity {
        let (count, period, tokens) = (self.quota.count(), self.quota.period_nanos(), self.quota.capacity());
        if count == 0 {
            return Capacity { tokens: 0, nanos: 0 };
        }
        let (interval, rest) = (period / count, period % count);
        match tokens.checked_mul(interval) {
            Some(nanos) if rest == 0 && nanos <= MAX_CAPACITY_NANOS => Capacity { tokens, nanos },
            _ => self.uneven_capacity(),
        }
    }

    #[cold]
    fn uneven_capacity(&self) -> Capacity {
        let (count, period) = (u128::from(self.quota.count()), u128::from(self.quota.period_nanos()));
        let most = u128::from(MAX_CAPACITY_NANOS) * count / period;
        let tokens = u128::from(self.quota.capacity()).min(most);
        let (all, one_more) = ((tokens * period).div_ceil(count), ((tokens + 1) * period).div_ceil(count));
        // Single tokens are each rounded up; a burst of them should fit all the same. But never a token more, in whatever pieces: they
        // take as long as one more at once, or longer. Where a nanosecond brings more than a token, the burst itself must fit.
        let one_by_one = tokens * period.div_ceil(count);
        let nanos = if tokens == 0 { 0 } else { one_by_one.min(one_more - 1).max(all) };
        #[expect(clippy::cast_possible_truncation, reason = "tokens <= 2^59, nanos <= 2 × 2^58")]
        Capacity { tokens: tokens as u64, nanos: nanos as u64 }
    }

    /// How long `tokens` take to come back, rounded up, at most [`MAX_VALUE`]; no time where none ever does.
    #[inline]
    fn nanos(&self, tokens: u64) -> u64 {
        let (count, period) = (self.quota.count(), self.quota.period_nanos());
        if count == 0 {
            return 0;
        }
        let nanos = match tokens.checked_mul(period) {
            Some(product) => product.div_ceil(count),
            None => wide_nanos(tokens, period, count),
        };
        nanos.min(MAX_VALUE)
    }

    /// The clock at a position; `None` beyond the last.
    fn time_of(&self, position: u64) -> Option<u64> {
        if position > END { None } else { self.start.checked_add(position) }
    }
}

#[cold]
fn wide_nanos(tokens: u64, period: u64, count: u64) -> u64 {
    let nanos = (u128::from(tokens) * u128::from(period)).div_ceil(u128::from(count));
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

/// What a key holds when it is full.
#[derive(Clone, Copy, Debug)]
struct Capacity {
    tokens: u64,
    nanos: u64,
}

impl Default for PerCall {
    /// [`PerCall::new`].
    fn default() -> PerCall {
        PerCall::new()
    }
}

impl Algorithm for PerCall {
    /// Nanoseconds since the build.
    type Reading = u64;

    fn name(&self) -> &'static str {
        "per_call"
    }

    fn start(&mut self, start: Start) -> Result<(), BuildError> {
        self.start = start.now();
        Ok(())
    }

    #[inline]
    fn read(&self, now: u64) -> u64 {
        now.saturating_sub(self.start).min(END)
    }

    #[inline]
    fn position(&self, reading: &u64) -> u64 {
        *reading
    }

    #[inline]
    fn catch_up(&self, reading: &u64, value: u64) -> u64 {
        value.max(*reading).min(END)
    }

    #[inline]
    fn spend(&self, reading: &u64, value: u64, cost: u64) -> Option<u64> {
        let capacity = self.capacity();
        if cost > capacity.tokens {
            return None;
        }
        // Both are below 2^60.
        let spent = value.max(*reading) + self.nanos(cost);
        let fits = spent <= reading + capacity.nanos;
        fits.then_some(if cost == 0 { value } else { spent })
    }

    #[inline]
    fn figures(&self, reading: &u64, value: u64, cost: u64) -> Figures {
        Figures::per_call(PerCallFigures { per_call: *self, position: *reading, value, cost })
    }

    #[inline]
    fn charge(&self, reading: &u64, value: u64, tokens: u64) -> u64 {
        if tokens == 0 {
            return value;
        }
        (value.max(*reading) + self.nanos(tokens)).min(MAX_VALUE)
    }

    #[inline]
    fn refund(&self, reading: &u64, value: u64, tokens: u64) -> u64 {
        value.min(value.saturating_sub(self.nanos(tokens)).max(*reading))
    }

    fn schedule(&self, reading: &u64, value: u64, cost: u64) -> Option<Slot> {
        let capacity = self.capacity();
        if cost > capacity.tokens {
            return None;
        }
        let spent = value.max(*reading) + self.nanos(cost);
        let due = spent.saturating_sub(capacity.nanos);
        let value = if cost == 0 { value } else { spent };
        if due <= *reading {
            return Some(Slot::at_once(value));
        }
        // `END` is so far from the end of values that they hold what is spent by then.
        Some(Slot::at(self.time_of(due)?, value))
    }

    fn refill_time(&self) -> Option<Duration> {
        self.quota.refill_time()
    }

    #[inline]
    fn debt(&self, reading: &u64, value: u64) -> u64 {
        value.saturating_sub(*reading)
    }
}

#[cfg(feature = "serde")]
impl Resume for PerCall {
    fn origin(&self, now: u64) -> (u64, Origin) {
        (self.read(now), Origin::Nanos)
    }

    fn resume(&mut self, pause: Pause, origin: &Origin) -> Result<Shift, BuildError> {
        let Origin::Nanos = origin else { return Err(damaged()) };
        self.start(pause.until())?;
        Ok(Shift::new(0, pause.nanos().into()))
    }
}

/// What a caller of a [`PerCall`] may ask, worked out when it does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PerCallFigures {
    per_call: PerCall,
    position: u64,
    value: u64,
    cost: u64,
}

impl PerCallFigures {
    pub(crate) fn limit(&self) -> u64 {
        self.per_call.capacity().tokens
    }

    pub(crate) fn remaining(&self) -> u64 {
        let (capacity, quota) = (self.per_call.capacity(), self.per_call.quota);
        let left = capacity.nanos.saturating_sub(self.value.saturating_sub(self.position));
        // The most tokens whose time, rounded up, is at most what is left.
        let tokens = u128::from(left) * u128::from(quota.count()) / u128::from(quota.period_nanos());
        u64::try_from(tokens).unwrap_or(u64::MAX).min(capacity.tokens)
    }

    pub(crate) fn reset_at(&self) -> Option<u64> {
        if self.value <= self.position { Some(0) } else { self.per_call.time_of(self.value) }
    }

    /// The least time at which `value + cost <= position + capacity`.
    pub(crate) fn retry_at(&self) -> Option<u64> {
        let capacity = self.per_call.capacity();
        if self.cost > capacity.tokens {
            return None;
        }
        let spent = self.value.max(self.position) + self.per_call.nanos(self.cost);
        let due = spent.saturating_sub(capacity.nanos);
        if due <= self.position { Some(0) } else { self.per_call.time_of(due) }
    }

    pub(crate) fn interval(&self) -> u64 {
        self.per_call.nanos(self.cost.max(1))
    }
}
