//! [`TokenBucket`]: tokens come back evenly, or a whole interval's at once.

use std::time::Duration;

use super::Start;
use super::token_axis::{TokenAxis, algorithm_on_token_axis};
use super::token_clock::Refill;
use crate::build_error::BuildError;
use crate::quota::{MAX_CAPACITY, Quota, QuotaError};

/// The token bucket: a key has a bucket of tokens that is refilled so many every so often, up to its capacity.
///
/// **State**: one word per key, the position on the token axis up to which it has spent, as [`Gcra`](crate::Gcra), whose decisions are
/// the same where tokens come back evenly. With [`refill_at_once`](TokenBucket::refill_at_once) the position is a staircase: nothing
/// comes back within an interval, and all of it where the next one begins. Intervals are aligned to Unix time (a refill every
/// minute comes on the minute), read once when the limiter is built; with a manual clock they are aligned to its zero.
///
/// **Worst case** in any half-open window of length W: evenly `capacity + tokens × W / every`; at once
/// `capacity + tokens × ⌈W / every⌉`, reached by whoever empties the bucket just before a refill.
/// (A [picture](crate::docs::algorithms#tokenbucket) of it.)
///
/// **Cost**: O(1), a few nanoseconds.
///
/// **Exactness**: as [`Gcra`](crate::Gcra); refills at once are exact to the nanosecond.
///
/// **Source**: J. Turner, "New directions in communications", IEEE Communications Magazine 24(10), 1986 (the leaky bucket as
/// a meter, of which this is the mirror image).
///
/// ```
/// use std::time::Duration;
/// use tollgate::{Clock, Limiter, TokenBucket};
///
/// let minute = Duration::from_secs(60);
/// let (clock, hand) = Clock::manual();
/// let bucket = TokenBucket::new(100).refill(30, minute).refill_at_once();
/// let limiter = Limiter::builder(bucket).clock(clock).build()?;
/// assert!(limiter.check_n("alice", 100).is_ok());
/// assert_eq!(limiter.check("alice").unwrap_err().retry_after(), Some(minute));
/// hand.advance(minute);
/// assert_eq!(limiter.peek("alice").remaining(), 30);
/// # Ok::<(), tollgate::BuildError>(())
/// ```
#[derive(Debug)]
pub struct TokenBucket {
    capacity: u64,
    tokens: u64,
    every: Duration,
    refill: Refill,
    axis: TokenAxis,
}

impl TokenBucket {
    /// A bucket for `capacity` tokens, full at first, for every key. Without [`refill`](TokenBucket::refill) nothing comes back.
    ///
    /// Zero admits nothing; above 2⁵⁹ counts as 2⁵⁹.
    #[must_use]
    pub fn new(capacity: u64) -> TokenBucket {
        let (tokens, every, refill) = (0, Duration::from_secs(1), Refill::Evenly);
        let axis = TokenAxis::new(Quota::per_second(0), refill, Start::default());
        TokenBucket { capacity: capacity.min(MAX_CAPACITY), tokens, every, refill, axis }
    }

    /// `tokens` come back every `every`, one after the other, evenly.
    ///
    /// `every` is from 1 ns to 100 years, and the rate at most 2³² − 1 tokens a second; the limiter cannot be built otherwise.
    #[must_use]
    pub fn refill(mut self, tokens: u64, every: Duration) -> TokenBucket {
        (self.tokens, self.every) = (tokens, every);
        self
    }

    /// The tokens of an interval come back all together where the next interval begins, instead of evenly.
    #[must_use]
    pub fn refill_at_once(mut self) -> TokenBucket {
        self.refill = Refill::AtOnce;
        self
    }

    /// The quota in force: refill and capacity.
    ///
    /// It is that of a limiter: before [`build`](crate::Builder::build) nothing is admitted. Without a refill it has a capacity though
    /// its count is zero, as no other quota has; its text would be read as one that admits nothing.
    #[must_use]
    pub fn quota(&self) -> Quota {
        self.axis.quota()
    }

    pub(crate) fn set_quota(&self, quota: Quota, now: impl FnOnce() -> u64) -> Result<(), QuotaError> {
        self.axis.set_quota(quota, now)
    }

    fn begin(&mut self, start: Start) -> Result<(), BuildError> {
        let rate = Quota::new(self.tokens, self.every).map_err(BuildError::Quota)?;
        // Not `burst`, which leaves a quota of zero tokens without any: a bucket may be emptied once and never refilled.
        let quota = Quota::from_words(rate.count(), rate.period_nanos(), self.capacity);
        self.axis = TokenAxis::new(quota, self.refill, start);
        Ok(())
    }
}

#[cfg(feature = "policy")]
impl super::Succeed for TokenBucket {
    fn succeed(&self, quota: Quota, now: impl FnOnce() -> u64) -> Result<(TokenBucket, u64), BuildError> {
        let (axis, time) = self.axis.succeed(quota, now).map_err(BuildError::Quota)?;
        Ok((TokenBucket { axis, ..*self }, time))
    }
}

algorithm_on_token_axis!(TokenBucket, name: "token_bucket", evenly: false);
